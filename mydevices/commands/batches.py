"""One action for many devices: written down at once, done by the worker one device after the other.

A device's part is one transaction: its item is moved and its action, commands, audit entry and wake are written
together, or none of it. A worker that dies loses nothing and repeats nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Count, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices.accounts import approvals, rights
from mydevices.accounts.approvals import Change, Matter, Wanted
from mydevices.accounts.models import Approval, Person
from mydevices.accounts.rights import Right
from mydevices.actions import ACTIONS, ActionKind, BatchRules, rules_of
from mydevices.audit import proof
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.commands import asking, limits
from mydevices.commands.models import Batch, BatchItem
from mydevices.devices import selectors as devices_selectors
from mydevices.devices.models import Device
from mydevices.errors import Conflict, Invalid, MyDevicesError, NotAllowed, NotFound, Unsupported
from mydevices.organisation import services as organisation
from mydevices.outbox import services as outbox
from mydevices.port.actions import Parameters

KINDS: Final[Mapping[ActionKind, BatchRules]] = {
    kind: rules.batch for kind, rules in ACTIONS.items() if rules.batch is not None
}
"""What can be asked of many devices, and how long it waits beyond a number of them. Nobody wipes or unlocks a list."""

_WHAT: Final = "batch:"
NAMED: Final = 12
"""Devices that an approval names."""
MOST: Final = 10_000
AT_ONCE: Final = 50
"""Devices of one delivery: well within its lease."""

State = BatchItem.State


def start(
    *,
    batch_id: UUID,
    device_ids: Sequence[UUID],
    kind: ActionKind,
    actor: Actor,
    reason: str,
    parameters: Parameters | None = None,
    now: datetime | None = None,
) -> Batch:
    """Ask this of these devices. `batch_id` is drawn by the page that asks, so that a form sent twice is one batch.

    Raises Unsupported for a kind that is not for many, NotAllowed without the right, NeedsFreshAuthentication, Invalid
    without a reason or for none or more than MOST devices, Conflict for an id that is another's batch.

    Beyond a number of devices nothing is asked before another administrator has allowed it (`must_wait`)."""
    now = now or timezone.now()
    if kind not in KINDS:
        raise Unsupported(_("This is asked of one device at a time."))
    rights.require(actor, ACTIONS[kind].right)
    proof.require(actor, Verb.BATCH_STARTED, None, now)
    reason = asking.checked(reason)
    if not reason:
        raise Invalid(_("Say why. Its owner reads it."))
    if not 0 < len(device_ids) <= MOST:
        raise Invalid(_("Choose between one and %(most)d devices.") % {"most": MOST})
    batch = Batch(
        id=batch_id,
        kind=kind,
        actor_id=actor.id,
        actor_name=actor.name,
        address=actor.address,
        authenticated_at=actor.authenticated_at,
        reason=reason,
        parameters=(parameters or Parameters()).public(),
        number=len(device_ids),
        started_at=now,
    )
    try:
        with transaction.atomic():
            organisation.hold()  # of two at the same moment the second counts the first
            waits = must_wait(actor=actor, kind=kind, device_ids=device_ids, now=now)
            batch.save(force_insert=True)
            BatchItem.objects.bulk_create(
                [BatchItem(batch=batch, device_id=device_id) for device_id in device_ids], batch_size=1000
            )
            if waits:
                subject = title(kind, batch.number)
                wanted = Wanted(f"batch.{kind.value}", what(batch.id), subject, {"batch": str(batch.id)})
                approvals.hold(actor=actor, wanted=wanted, now=now)
            else:
                _post(batch.id)
            _record(Verb.BATCH_STARTED, batch, actor, {"devices": batch.number, "reason": reason})
    except IntegrityError as error:
        again = Batch.objects.filter(id=batch_id, actor_id=actor.id, kind=kind).first()
        if again is None:
            raise Conflict(_("This could not be started. Choose the devices anew.")) from error
        return again
    return batch


def must_wait(*, actor: Actor, kind: ActionKind, device_ids: Collection[UUID], now: datetime) -> bool:
    """Whether another administrator is asked before these devices are. All that this actor has asked the same of within
    a day counts, in batches or one by one, but for what waits itself."""
    if kind not in KINDS or not KINDS[kind].waits or not approvals.must_wait(actor):
        return False
    return len({*device_ids, *limits.asked_lately(actor=actor, kind=kind, now=now)}) > approvals.rules().batch_devices


def register() -> None:
    """From the app's `ready`: what waits for another administrator."""
    for kind, batch in KINDS.items():
        if batch.waits is None:
            continue
        matter = Matter(
            right=Right.MANAGE_DEVICES,
            asks=ACTIONS[kind].right,
            title=_title,
            lines=_lines,
            carry_out=_carry_out,
            dropped=_dropped,
            lasts=batch.waits,
            goes=batch.goes,
        )
        approvals.register(f"batch.{kind.value}", matter)


def what(batch_id: UUID) -> str:
    """How an approval names a batch."""
    return f"{_WHAT}{batch_id}"


def title(kind: str, number: int) -> str:
    """“Retire 37 devices”."""
    return str(KINDS[ActionKind(kind)].title % {"number": number})


def _of(approval: Approval) -> Batch:
    return by_id(UUID(approval.arguments["batch"]))


def _title(approval: Approval) -> str:
    batch = Batch.objects.filter(id=approval.arguments["batch"]).first()
    return title(batch.kind, batch.number) if batch is not None else approval.subject


def _lines(approval: Approval) -> Sequence[Change]:
    batch = Batch.objects.filter(id=approval.arguments["batch"]).first()
    if batch is None:  # parked
        return []
    some = batch.items.select_related("device__owner").order_by("id")[:NAMED]
    names = [
        _("%(device)s (%(owner)s)") % {"device": item.device.known_as, "owner": item.device.owner.name} for item in some
    ]
    rest = batch.number - len(names)
    if rest > 0:
        names.append(ngettext("and %(number)d more", "and %(number)d more", rest) % {"number": rest})
    said = [str(batch.parameters.get(name, "")) for name in ("message", "phone_number")]
    texts = {
        _("Devices"): _(", ").join(names),
        _("Reason"): batch.reason,
        _("On their screens"): _(", ").join(filter(None, said)),
    }
    return [Change(label, "", text) for label, text in texts.items() if text]


def _carry_out(approval: Approval, _actor: Actor, _now: datetime) -> None:
    batch = _of(approval)
    if batch.finished_at is not None:
        raise Conflict(_("Too late to stop this: every device has been asked."))
    _post(batch.id)


def _dropped(approval: Approval, now: datetime) -> None:
    batch = Batch.objects.filter(id=approval.arguments["batch"]).first()
    if batch is not None:
        batch.items.filter(state=State.WAITING).update(state=State.STOPPED)
        _finish(batch, now)


def advance(*, batch_id: UUID, now: datetime) -> None:
    """Do the next devices of a batch, and leave a message for the rest, or note its end."""
    batch = Batch.objects.filter(id=batch_id, finished_at=None).first()
    if batch is None:
        return
    waiting = dict(batch.items.filter(state=State.WAITING).order_by("id").values_list("id", "device_id")[: AT_ONCE + 1])
    some = list(waiting.items())[:AT_ONCE]
    person = Person.objects.filter(id=batch.actor_id).first()
    devices = Device.objects.select_related("inventory", "owner")
    found = devices_selectors.with_registration(devices).in_bulk([device_id for _item, device_id in some])
    with translation.override((person and person.language) or translation.get_language()):
        for item_id, device_id in some:
            if device_id in found:  # else it was deleted, and its item with it
                _do(batch, item_id, found[device_id], person, now)
    if len(waiting) > AT_ONCE:
        with transaction.atomic():
            _post(batch.id)
    else:
        _finish(batch, now)


def _do(batch: Batch, item_id: int, device: Device, person: Person | None, now: datetime) -> None:
    """One device, whole or not at all. Whoever else has this item in hand finds it moved."""
    with transaction.atomic():
        item = BatchItem.objects.filter(id=item_id)
        if not item.filter(state=State.WAITING).update(state=State.ASKED):
            return
        try:
            actor = _actor(batch, person)
            if not rules_of(batch.kind).is_quiet:  # one by one, with a reason for each, it may be
                rights.ceiling(actor, person=device.owner)
            asking.enqueue(
                device=device,
                kind=ActionKind(batch.kind),
                actor=actor,
                parameters=Parameters(**batch.parameters),
                reason=batch.reason,
                now=now,
                confirmed_at=batch.started_at,
            )
        except MyDevicesError as refusal:
            item.update(state=State.REFUSED, reason=refusal.message[:500])


def _actor(batch: Batch, person: Person | None) -> Actor:
    """Whoever asked, with the role that they have now. Raises NotAllowed for somebody who was suspended meanwhile."""
    if person is None or not person.is_active:
        raise NotAllowed(_("Whoever asked for this has no account here any more, or is suspended."))
    return Actor.as_asked(person, address=batch.address, authenticated_at=batch.authenticated_at)


@transaction.atomic
def stop(*, batch: Batch, actor: Actor, now: datetime | None = None) -> int:
    """Ask no more devices; those that were asked stay asked. The number that were spared. Raises Conflict when none
    waits any more."""
    rights.require(actor, rules_of(batch.kind).right)
    organisation.hold()
    spared = batch.items.filter(state=State.WAITING).update(state=State.STOPPED)
    if not spared:
        raise Conflict(_("Too late to stop this: every device has been asked."))
    _record(Verb.BATCH_STOPPED, batch, actor, {"devices": spared})
    approvals.withdraw(actor=actor, what=what(batch.id), now=now or timezone.now())
    _finish(batch, now or timezone.now())
    return spared


@transaction.atomic
def _finish(batch: Batch, now: datetime) -> None:
    """Note the end, once."""
    if not Batch.objects.filter(id=batch.id, finished_at=None).update(finished_at=now):
        return
    counted = tally(batch)
    numbers: dict[str, str | int] = {"asked": counted.asked, "refused": counted.refused, "stopped": counted.stopped}
    _record(Verb.BATCH_ENDED, batch, Actor.system("queue"), numbers)


def _post(batch_id: UUID) -> None:
    outbox.post("batch", {"batch": str(batch_id)}, key=str(batch_id))


def _record(verb: Verb, batch: Batch, actor: Actor, details: Mapping[str, str | int]) -> None:
    audit.record(verb, actor=actor, details={"action": batch.kind, "batch": str(batch.id), **details})


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a batch is, in devices. `reasons` are why devices were refused, the most frequent first."""

    waiting: int
    asked: int
    refused: int
    stopped: int
    reasons: Sequence[tuple[str, int]]


def tally(batch: Batch) -> Tally:
    """One statement."""
    rows = list(batch.items.order_by().values_list("state", "reason").annotate(number=Count("id")))
    numbers = {state: sum(number for found, _reason, number in rows if found == state) for state in State}
    reasons = [(reason, number) for state, reason, number in rows if state == State.REFUSED]
    return Tally(
        waiting=numbers[State.WAITING],
        asked=numbers[State.ASKED],
        refused=numbers[State.REFUSED],
        stopped=numbers[State.STOPPED],
        reasons=sorted(reasons, key=lambda row: (-row[1], row[0])),
    )


def by_id(batch_id: UUID) -> Batch:
    """Raises NotFound."""
    batch = Batch.objects.filter(id=batch_id).first()
    if batch is None:
        raise NotFound(_("There is no such batch, or it is no longer kept."))
    return batch


def under_way() -> QuerySet[Batch]:
    """Batches that have not come to their end, the newest first."""
    return Batch.objects.filter(finished_at=None).order_by("-started_at")


def refused(batch: Batch) -> QuerySet[BatchItem]:
    """The devices that were refused, with their owners."""
    return batch.items.filter(state=State.REFUSED).select_related("device__owner").order_by("id")
