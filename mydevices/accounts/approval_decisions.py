"""Who allows a change that waits for another administrator, or stops it, and what comes of it when nobody does.

How a change comes to wait: `approvals`.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices import names
from mydevices.accounts import approvals, rights
from mydevices.accounts.models import Approval, Person, ReachedDevice
from mydevices.accounts.notices import Notice
from mydevices.accounts.rights import Right
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, Invalid, MyDevicesError, NotAllowed
from mydevices.organisation import services as organisation

ROLE_HELD: Final = timedelta(hours=24)
"""How long somebody must have had their role before they decide."""
MADE_LATELY: Final = approvals.WEEK
"""For how long whoever made an administrator does not allow what that one asks for. Longer would leave two of whom one
made the other with nobody to decide."""
LONGEST_REASON: Final = 500


def obstacle(*, actor: Actor, right: Right, asker_id: str, now: datetime) -> str:
    """Why this actor, who has the right to, may not allow what somebody asked for; empty where they may. Nobody allows
    what they asked for themselves while there is somebody else; who has had the role for less than a day while
    somebody else has had it longer, or was given it by who asks, allows nothing. Nor does whoever has lately made an
    administrator of who asks: the two may be one.

    Read anew here, after `organisation.hold`: their own role may have ended since the request began."""
    if actor.kind == "system":
        return ""
    if actor.id == asker_id:
        others = approvals.who_could_decide(actor.id, right).exists()
        return _("You asked for this yourself: another administrator decides.") if others else ""
    known = Person.objects.filter(role__in=rights.roles_with(right), is_active=True)
    person = known.filter(id=actor.id).first() if approvals.is_uuid(actor.id) else None
    is_new = person is None or now - person.role_since < ROLE_HELD
    if person is None or (
        is_new and approvals.who_could_decide(actor.id, right).filter(role_since__lte=now - ROLE_HELD).exists()
    ):
        return _("You have had your role for less than a day. Another administrator decides; you can stop this.")
    if person.role_given_by and person.role_given_by == asker_id:
        return _("Whoever asked for this gave you your role. Another administrator decides; you can stop this.")
    asker = known.filter(id=asker_id).first() if approvals.is_uuid(asker_id) else None
    if asker is not None and asker.role_given_by == actor.id and now - asker.role_since < MADE_LATELY:
        return _(
            "You gave whoever asked for this their role less than a week ago. Another administrator decides; you can "
            "stop this."
        )
    return ""


@transaction.atomic
def approve(*, approval_id: UUID, actor: Actor, reason: str = "", now: datetime | None = None) -> Approval:
    """Carry it out now. What has become of it stands in the answer's `state`: where it can no longer be done it has
    failed, with the reason. Raises NotFound, NotAllowed with the reason to who may not decide,
    NeedsFreshAuthentication, Invalid for a reason that cannot be kept, Conflict when it no longer waits."""
    now = now or timezone.now()
    right = approvals.MATTERS[approvals.by_id(approval_id).kind].right
    rights.require(actor, right)
    actor.require_fresh(now)
    reason = checked(reason)
    organisation.hold()
    held = _held(approval_id)
    why_not = obstacle(actor=actor, right=right, asker_id=held.asker_id, now=now)
    if why_not:
        raise NotAllowed(why_not)
    _go(held, actor, reason, now)
    return held


@transaction.atomic
def stop(*, approval_id: UUID, actor: Actor, reason: str = "", now: datetime | None = None) -> Approval:
    """It is never carried out. Whoever could decide may, and who asked; needs no fresh proof, for it only protects.
    Raises NotFound, NotAllowed, Invalid without a reason where it is somebody else's, and for one that cannot be kept,
    Conflict when it no longer waits."""
    now = now or timezone.now()
    found = approvals.by_id(approval_id)
    is_own = actor.kind == "person" and actor.id == found.asker_id
    if is_own:
        actor.require_full()
    else:
        rights.require(actor, approvals.MATTERS[found.kind].right)
    reason = checked(reason)
    if not reason and not is_own:
        raise Invalid(_("Say why. Whoever asked for it gets your reason by mail."))
    organisation.hold()
    held = _held(approval_id)
    approvals.stop_waiting(held, Verb.CHANGE_STOPPED, actor, now, reason=reason)
    return held


@transaction.atomic
def end_due(*, approval_id: UUID, now: datetime) -> bool:
    """End what has waited its time: carry it out, or drop it, by its kind. False where its time has not come, or
    somebody decided meanwhile."""
    organisation.hold()
    held = approvals.waiting().select_for_update().filter(id=approval_id, ends_at__lte=now).first()
    if held is None:
        return False
    server = Actor.system("approvals")
    if approvals.MATTERS[held.kind].goes:
        _go(held, server, "", now)
    else:
        approvals.stop_waiting(held, Verb.CHANGE_DROPPED, server, now)
    return True


def clear(*, now: datetime) -> None:
    """Forget what was decided long ago; the audit keeps it."""
    Approval.objects.filter(decided_at__lt=now - timedelta(days=settings.ENVIRONMENT.keep_actions_days)).delete()
    ReachedDevice.objects.filter(at__lte=now - approvals.DAY).delete()


def checked(reason: str) -> str:
    """A reason as it is kept. Raises Invalid for one that is too long, or more than one line that can be shown."""
    reason = names.checked(reason)
    if len(reason) > LONGEST_REASON:
        raise Invalid(_("This has at most %(number)d characters.") % {"number": LONGEST_REASON})
    return reason


def _held(approval_id: UUID) -> Approval:
    """As it is now, kept from others until the transaction ends. Raises Conflict when it no longer waits."""
    held = Approval.objects.select_for_update().filter(id=approval_id, state=Approval.State.WAITING).first()
    if held is None:
        raise Conflict(_("This has been decided already, or was replaced by another change."))
    return held


def _go(held: Approval, actor: Actor, reason: str, now: datetime) -> None:
    approvals.end(held, Approval.State.DONE, now, by=approvals.name_of(actor), reason=reason, keep=True)
    approvals.record(Verb.CHANGE_APPROVED if actor.kind == "person" else Verb.CHANGE_DUE, held, actor, reason=reason)
    try:
        with transaction.atomic():
            _check_asker(held)
            approvals.MATTERS[held.kind].carry_out(held, actor, now)
    except MyDevicesError as refusal:
        held.state, held.reason = Approval.State.FAILED, refusal.message[:LONGEST_REASON]
        held.save(update_fields=["state", "reason"])
        approvals.record(Verb.CHANGE_FAILED, held, actor, reason=held.reason)
        approvals.drop(held, now)
        approvals.tell_asker(held, Notice.CHANGE_FAILED, actor, now)
    else:
        approvals.tell_asker(held, Notice.CHANGE_APPROVED, actor, now)
    held.enclosure = None
    held.save(update_fields=["enclosure"])


def _check_asker(held: Approval) -> None:
    """Raises Conflict where who asked could not ask any more."""
    asker = Person.objects.filter(id=held.asker_id, is_active=True).first()
    allowed = rights.BY_ROLE.get(asker.role, frozenset()) if asker else frozenset()
    matter = approvals.MATTERS[held.kind]
    if asker is None or (matter.asks or matter.right) not in allowed:
        raise Conflict(_("%(name)s, who asked for this, may not do it any more.") % {"name": held.asker_name})
