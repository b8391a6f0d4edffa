"""Asking something of a device, and calling it off again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices import names
from mydevices.accounts import attempts, rights
from mydevices.accounts import services as accounts
from mydevices.accounts.attempts import Limit
from mydevices.actions import ACTIONS, ActionKind, Proof, rules_of
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.commands import capabilities, limits, pins, queue, selectors, wakes
from mydevices.commands.models import Action, Command
from mydevices.commands.states import State, before
from mydevices.devices import services as devices
from mydevices.devices.models import Device
from mydevices.errors import Conflict, ForbiddenByPolicy, Invalid, Unsupported
from mydevices.organisation import services as organisation
from mydevices.outbox import services as outbox
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.port.actions import Parameters
from mydevices.port.platform import platform_of

WITHOUT_PROOF: Final = Limit(3, timedelta(hours=1))
"""How often somebody may ask something of devices of others without a fresh proof."""

LONGEST_REASON: Final = 500
"""Characters of why somebody acts on a device that is not theirs."""


def enqueue(
    *,
    device: Device,
    kind: ActionKind,
    actor: Actor,
    parameters: Parameters | None = None,
    reason: str = "",
    now: datetime | None = None,
    confirmed_at: datetime | None = None,
) -> Action:
    """Ask something of a device: three statements and the audit entry, in one transaction.

    `device` comes from `devices.selectors`, with its registration and channels loaded. `confirmed_at` is when the actor
    said so, where that was before `now` (`batches`): then their proof had to be fresh. Raises NotAllowed for somebody
    else's device without the right, Invalid where they give no `reason`, NeedsFreshAuthentication, LimitedSession for
    more than a password alone allows, ForbiddenByPolicy with the policy and whom to ask, Unsupported with the reason,
    Conflict when the same is under way already.

    A wipe beyond the limits of its policy is held for an administrator (`approvals`): the action then says so."""
    now = now or timezone.now()
    parameters = parameters or Parameters()
    _check_allowed(device, kind, actor, confirmed_at or now)
    reason = checked(reason)
    if _is_another(device, actor) and not reason:
        raise Invalid(_("Say why. Its owner reads it."))
    capability = capabilities.of(device, actor)[kind]
    registration = device.registration
    if capability.policy:
        raise ForbiddenByPolicy(capability.reason)
    if registration is None or not capability.possible:
        raise Unsupported(capability.reason)
    rules = ACTIONS[kind]
    plan = platform_of(device).plan(device, kind, parameters)
    channels = {channel.kind: channel for channel in registration.channels.all()}
    held_until = now + timedelta(seconds=undo_seconds(device)) if rules.takes else None
    held = held_until is not None and held_until > now
    action = Action(
        id=uuid4(),
        device=device,
        registration=registration,
        kind=kind,
        actor_id=actor.id,
        actor_name=actor.name,
        requested_at=now,
        parameters=parameters.public(),
        held_until=held_until if held else None,
    )
    if plan.secret:
        action.secret = pins.sealed(plan.secret, action_id=action.id, device_id=device.id)
    commands = [
        Command(
            action=action,
            channel=channels[step.channel],
            request_type=step.request_type,
            parameters=dict(step.parameters),
            exclusive=kind if index == 0 else None,
            state=State.HELD if held else State.QUEUED,
            queued_at=now,
            expires_at=now + rules.lifetime if rules.lifetime else None,
        )
        for index, step in enumerate(plan.steps)
    ]
    try:
        with transaction.atomic():
            _look_at_limits(action, commands, actor, now, in_batch=confirmed_at is not None)
            action.save(force_insert=True)
            Command.objects.bulk_create(commands)
            _follow(action, now)
            if action.limit:
                limits.tell(action=action, now=now)
            elif held:
                release_at(action, now)
            else:
                wakes.wake({command.channel_id for command in commands})
            _ask_who_asks_often(device, actor)
            queue.record(Verb.ACTION_REQUESTED, actor=actor, device=device, action=action, reason=reason)
            _tell_owner(action, actor, reason, now)
    except IntegrityError as error:
        if "one_open_command_of_a_kind" not in str(error) and "exclusive" not in str(error):
            raise
        raise Conflict(_("This is under way already. See how far it is on the device’s page.")) from error
    return action


def _look_at_limits(
    action: Action, commands: Sequence[Command], actor: Actor, now: datetime, *, in_batch: bool
) -> None:
    """One device more than may be wiped without an administrator's word waits for it; one more than somebody may retire
    by themselves is refused. In the caller's transaction, in which nobody else counts."""
    rules = rules_of(action.kind)
    if rules.takes and rules.batch and not in_batch and _is_another(action.device, actor):
        organisation.hold()
        limits.check_retired(device=action.device, actor=actor, now=now)
    if not rules.counted:
        return
    organisation.hold()
    limit = limits.exceeded(device=action.device, actor=actor, now=now)
    if limit is None:
        return
    action.approval, action.limit, action.held_until = Action.Approval.WAITING, limit, None
    for command in commands:
        command.state = State.HELD


def _follow(action: Action, now: datetime) -> None:
    """What being lost, or found, means for the device and for what waits for it."""
    rules = rules_of(action.kind)
    if rules.marks_lost:
        devices.lost(device_id=action.device_id, now=now)
    if rules.calls_off:
        waiting = Q(action__registration_id=action.registration_id, action__kind__in=sorted(rules.calls_off))
        queue.end(waiting, State.CANCELLED, Verb.ACTION_CANCELLED, now)


def _ask_who_asks_often(device: Device, actor: Actor) -> None:
    """Without a fresh proof somebody may act on one device of somebody else, and not on one after the other: that is a
    list by another name. Raises NeedsFreshAuthentication."""
    now = timezone.now()
    if not _is_another(device, actor) or actor.is_fresh(now):
        return
    if not attempts.take("actions without a proof", actor.id, WITHOUT_PROOF):
        actor.require_fresh(now)


def _tell_owner(action: Action, actor: Actor, reason: str, now: datetime) -> None:
    device, notice = action.device, rules_of(action.kind).notice
    if notice is None or not _is_another(device, actor):
        return
    facts = {
        "device": device.known_as,
        "by": actor.name,
        "reason": reason,
        "at": now.isoformat(timespec="seconds"),
        "page": f"/devices/{device.id}",
    }
    accounts.notify(person=device.owner, notice=notice, facts=facts)


def undo_seconds(device: Device) -> int:
    """How long a wipe or retire of this device waits before anything is sent: by its policy, else by the setting."""
    decided = policies.of_device(device, SelfServiceRules).values.undo_seconds
    seconds: int = settings.ENVIRONMENT.undo_seconds
    return seconds if decided is None else decided


def _check_allowed(device: Device, kind: ActionKind, actor: Actor, now: datetime) -> None:
    if actor.kind == "system":
        return
    if not actor.may_ask(kind.value):
        actor.require_full()
    _check_right(device, kind, actor)
    if ACTIONS[kind].proof is Proof.ALWAYS:
        actor.require_fresh(now)


def checked(reason: str) -> str:
    """A reason as it is kept. Raises Invalid for one that is too long, or more than one line that can be shown."""
    reason = names.checked(reason)
    if len(reason) > LONGEST_REASON:
        raise Invalid(_("This has at most %(number)d characters.") % {"number": LONGEST_REASON})
    return reason


def _is_another(device: Device, actor: Actor) -> bool:
    """Whether a person acts who is not the device's owner."""
    return actor.kind == "person" and actor.id != str(device.owner_id)


def _check_right(device: Device, kind: str, actor: Actor) -> None:
    """The owner may; others by right. Who assists does not take devices away, nor open an administrator's."""
    if actor.kind == "system" or (actor.kind == "person" and not _is_another(device, actor)):
        return
    rules = rules_of(kind)
    rights.require(actor, rules.right)
    if rules.ceiling:
        rights.ceiling(actor, person=device.owner)


def release_at(action: Action, now: datetime) -> None:
    """Let an action go when its undo window ends, or at once where it has none. In a transaction."""
    if action.held_until is None:
        release(action_id=action.id, now=now)
        return
    outbox.post("release", {"action": str(action.id)}, key=str(action.id), not_before=action.held_until)


@transaction.atomic
def release(*, action_id: UUID, now: datetime) -> bool:
    """The undo window has passed: what is still held may go. False when it was called off."""
    held = Command.objects.filter(action_id=action_id, state=State.HELD)
    channels = set(held.values_list("channel_id", flat=True))
    if not held.update(state=State.QUEUED, queued_at=now):
        return False
    wakes.wake(channels)
    action = Action.objects.select_related("device__owner").get(id=action_id)
    queue.record(Verb.ACTION_RELEASED, actor=Actor.system("queue"), device=action.device, action=action)
    return True


@transaction.atomic
def cancel(*, action: Action, actor: Actor, now: datetime | None = None) -> bool:
    """Call off what has not been sent. True when that was all of it. Raises Conflict when the device has it already or
    it has ended."""
    device = action.device
    _check_right(device, action.kind, actor)
    if _is_another(device, actor) and actor.id != action.actor_id:
        rights.ceiling(actor, person=device.owner)
    moved = Command.objects.filter(action=action, state__in=before(State.CANCELLED)).update(
        state=State.CANCELLED, finished_at=now or timezone.now()
    )
    if not moved:
        raise Conflict(_("Too late to call this off: the device has it already, or it has ended."))
    queue.record(Verb.ACTION_CANCELLED, actor=actor, device=device, action=action)
    if rules_of(action.kind).marks_lost and not selectors.was_lost_before(action):
        devices.found(device_id=device.id)
    return not Command.objects.filter(action=action, sent_at__isnull=False).exists()
