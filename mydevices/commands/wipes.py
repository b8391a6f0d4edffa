"""Wipes beyond the limits wait until an administrator lets them go or refuses them, or nobody decides in time."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import approval_decisions, rights
from mydevices.accounts import services as accounts
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.accounts.rights import Right
from mydevices.actions import ActionKind
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.commands import asking, capabilities, limits, queue, selectors
from mydevices.commands.models import Action, Command
from mydevices.commands.states import State
from mydevices.devices import selectors as devices
from mydevices.errors import Conflict, Invalid, NotAllowed, NotFound

GOOD_FOR: Final = timedelta(days=7)
"""How long a wipe waits for somebody to decide: later, nobody expects it any more."""
AT_ONCE: Final = 100
"""Wipes that one step of the sweep ends."""


def one(action_id: UUID) -> Action:
    """One of them, or one that was decided on. Raises NotFound."""
    asked = selectors.with_device(Action.objects.all())
    action = asked.exclude(approval="").filter(id=action_id).first()
    if action is None:
        raise NotFound(_("There is no such wipe."))
    return action


def is_waiting(action: Action) -> bool:
    """Whether somebody can decide: it has neither been decided on nor called off."""
    return limits.waiting().filter(id=action.id).exists()


def obstacle(action: Action, actor: Actor, now: datetime) -> str:
    """Why this administrator may not let it go, by the rule that holds for every change (`accounts.approvals`); empty
    where they may."""
    return approval_decisions.obstacle(actor=actor, right=Right.MANAGE_DEVICES, asker_id=action.actor_id, now=now)


@transaction.atomic
def approve(*, action: Action, actor: Actor, reason: str = "", now: datetime | None = None) -> None:
    """Let a wipe go: its undo window begins. Raises NotAllowed without the right to manage devices and to whoever asked
    for it, NeedsFreshAuthentication, Invalid for a reason too long, Conflict with the reason where it can no longer be
    done."""
    now = now or timezone.now()
    reason = _check(actor, reason)
    actor.require_fresh(now)
    why_not = obstacle(action, actor, now)
    if why_not:
        raise NotAllowed(why_not)
    held = _held(action)
    device = devices.by_id(held.device_id)
    asker = Person.objects.filter(id=held.actor_id, is_active=True).first()
    if asker is None:
        raise Conflict(_("Whoever asked for this wipe is suspended, or gone. Wipe the device yourself if it must be."))
    if asker.id != device.owner_id and Right.MANAGE_DEVICES not in rights.BY_ROLE[asker.role]:
        raise Conflict(_("%(name)s, who asked for this, may not do it any more.") % {"name": asker.name})
    possible = capabilities.of(device, Actor(kind="person", id=held.actor_id))[ActionKind.WIPE]
    if not possible.possible:
        raise Conflict(possible.reason)
    seconds = asking.undo_seconds(device)
    held.approval = Action.Approval.APPROVED
    held.held_until = now + timedelta(seconds=seconds) if seconds else None
    held.save(update_fields=["approval", "held_until"])
    queue.record(Verb.WIPE_APPROVED, actor=actor, device=device, action=held, reason=reason)
    asking.release_at(held, now)
    if asker.id != _id_of(actor):
        facts = limits.facts(held, _name_of(actor), now) | ({"reason": reason} if reason else {})
        accounts.notify(person=asker, notice=Notice.WIPE_APPROVED, facts=facts)


@transaction.atomic
def refuse(*, action: Action, actor: Actor, reason: str, now: datetime | None = None) -> None:
    """Refuse a wipe: nothing is sent, and whoever asked reads why. Raises NotAllowed without the right to manage
    devices, Invalid without a reason, Conflict when it no longer waits."""
    now = now or timezone.now()
    reason = _check(actor, reason)
    if not reason:
        raise Invalid(_("Say why. Whoever asked for it gets your reason by mail."))
    _refuse(_held(action), actor, reason, now)


def expire(*, now: datetime) -> int:
    """Refuse what nobody has decided on in time. The number of wipes."""
    number = 0
    for action in limits.waiting().filter(requested_at__lte=now - GOOD_FOR)[:AT_ONCE]:
        with transaction.atomic():
            try:
                _refuse(_held(action), Actor.system("queue"), "", now)
            except Conflict:
                continue  # somebody decided in this very moment
            number += 1
    return number


def _check(actor: Actor, reason: str) -> str:
    rights.require(actor, Right.MANAGE_DEVICES)
    return asking.checked(reason)


def _held(action: Action) -> Action:
    """The action as it is now, locked until the transaction ends. Raises Conflict when it no longer waits."""
    held = Action.objects.select_for_update(of=("self",)).select_related("device__owner").get(id=action.id)
    if held.approval != Action.Approval.WAITING:
        raise Conflict(_("Somebody has decided on this wipe already."))
    if not Command.objects.select_for_update().filter(action=held, state=State.HELD).exists():
        raise Conflict(_("This wipe was called off, or its device is no longer managed."))
    return held


def _refuse(held: Action, actor: Actor, reason: str, now: datetime) -> None:
    held.approval = Action.Approval.REFUSED
    held.save(update_fields=["approval"])
    Command.objects.filter(action=held, state=State.HELD).update(state=State.CANCELLED, finished_at=now)
    queue.record(Verb.WIPE_REFUSED, actor=actor, device=held.device, action=held, reason=reason)
    asker = Person.objects.filter(id=held.actor_id, is_active=True).first()
    if asker is not None and asker.id != _id_of(actor):
        facts = limits.facts(held, _name_of(actor), now) | ({"reason": reason} if reason else {})
        accounts.notify(person=asker, notice=Notice.WIPE_REFUSED, facts=facts)


def _id_of(actor: Actor) -> UUID | None:
    return UUID(actor.id) if actor.kind == "person" else None


def _name_of(actor: Actor) -> str:
    """Empty for the server, which refuses what nobody decided on."""
    return actor.name if actor.kind == "person" else ""
