"""What is known of devices, written down. What it means for the queue is decided higher up, in `registration`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices import names
from mydevices.accounts import approvals, following, rights
from mydevices.accounts import services as accounts
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.devices.models import Channel, Device, Inventory, Registration
from mydevices.errors import Conflict, Invalid
from mydevices.organisation import services as organisation


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a device says of itself when it registers. All of it may be empty, and none of it is proof."""

    hardware_id: str
    name: str = ""
    model: str = ""
    model_name: str = ""
    os_name: str = ""
    os_version: str = ""
    serial_number: str = ""


@transaction.atomic
def begin(
    *,
    owner: Person,
    platform: str,
    ownership: str,
    introduction: Introduction,
    now: datetime,
    keys_held: bool,
) -> tuple[Registration, Registration | None]:
    """Start a life: on the same owner's device of that hardware id, or on a new one. The same hardware under another
    owner is another device. `keys_held`: no private key is sent to it before its owner has confirmed it. Returns the
    registration and, where there was one that had not ended, the one that it replaces."""
    device, _is_new = Device.objects.select_for_update().get_or_create(
        owner=owner,
        platform=platform,
        hardware_id=introduction.hardware_id,
        defaults={"ownership": ownership},
    )
    replaced = Registration.objects.filter(device=device, state__in=Registration.LIVING).first()
    if replaced is not None:
        end(registration=replaced, state=Registration.State.REPLACED, now=now)
    registration = Registration.objects.create(
        device=device,
        keys_held=keys_held,
        started_at=now,
        last_seen_at=now,
    )
    device.ownership = ownership
    device.registration = registration
    device.state = registration.state
    device.seen_at = now
    device.lost_since = None
    device.pin_locked_at = None
    describe(device=device, introduction=introduction)
    device.save()
    return registration, replaced


_LENGTHS: Final = {
    "name": 200,
    "model": 64,
    "model_name": 120,
    "os_name": 32,
    "os_version": 32,
    "serial_number": 64,
}
"""What the columns hold; a device's own words may be longer."""


def describe(*, device: Device, introduction: Introduction) -> None:
    """Take over what the device says of itself; what it leaves out stays. Does not save."""
    for field in _LENGTHS:
        value = getattr(introduction, field)
        if value:
            setattr(device, field, value[: _LENGTHS[field]])


_BROUGHT_BY_OWNERSHIP: Final[list[Callable[[Device, str], bool]]] = []


def ask_what_comes_with_ownership(brings: Callable[[Device, str], bool]) -> None:
    """Name a function that says whether something new would reach a device, or a looser rule hold for it, if it were
    personal or the organisation's: what goes by that is known to apps above."""
    _BROUGHT_BY_OWNERSHIP.append(brings)


@transaction.atomic
def change_ownership(*, actor: Actor, device: Device, ownership: str, reason: str, now: datetime | None = None) -> None:
    """Make a device its owner's own, or the organisation's. Policies go by it at once; what this server may do to the
    device stays as its profile promised, until it is registered again. Its owner reads the reason.

    Raises NotAllowed without the right, Invalid for another word or no reason, Conflict where it is so already, and
    where it would bring something new to more devices than one person may reach within a day: one by one they would
    be many without another's word."""
    rights.require(actor, Right.MANAGE_DEVICES)
    now = now or timezone.now()
    reason = names.checked(reason)
    if ownership not in Device.Ownership.values:
        raise Invalid(_("A device is personal or the organisation’s."))
    if not reason:
        raise Invalid(_("Say why. Its owner reads it."))
    organisation.hold()
    is_new = any(brings(device, ownership) for brings in _BROUGHT_BY_OWNERSHIP)
    if is_new and not approvals.may_reach(actor=actor, device_ids=[device.id], now=now):
        raise Conflict(
            _(
                "This brings configurations or looser rules to more devices than you may reach within a day. Ask "
                "another administrator to change it, or go on tomorrow."
            )
        )
    if not Device.objects.filter(id=device.id).exclude(ownership=ownership).update(ownership=ownership):
        raise Conflict(_("It is so already."))
    device.ownership = ownership
    following.changed([device.owner_id])
    audit.record(
        Verb.OWNERSHIP_CHANGED,
        actor=actor,
        device=device,
        details={"ownership": ownership, "reason": reason},
    )
    is_own = ownership == Device.Ownership.PERSONAL
    accounts.notify(
        person=device.owner,
        notice=Notice.DEVICE_IS_PERSONAL if is_own else Notice.DEVICE_IS_COMPANY,
        facts={
            "device": device.known_as,
            "by": actor.name,
            "reason": reason,
            "at": now.isoformat(timespec="seconds"),
        },
    )


def pin_locked(*, device_id: UUID, now: datetime) -> None:
    """It has gone into a lock that only its PIN opens."""
    Device.objects.filter(id=device_id).update(pin_locked_at=now)


def lost(*, device_id: UUID, now: datetime) -> None:
    """Its owner misses it. Since when stays as it was where it is lost already."""
    Device.objects.filter(id=device_id, lost_since=None).update(lost_since=now)


def found(*, device_id: UUID) -> None:
    """It is lost no longer."""
    Device.objects.filter(id=device_id).exclude(lost_since=None).update(lost_since=None)


def save_description(*, device: Device) -> None:
    """Save what `describe` changed and nothing else: the device may have begun another life meanwhile."""
    device.save(update_fields=list(_LENGTHS))


_FORGET_AT_END: Final[list[Callable[[Registration], object]]] = []


def forget_at_end(forget: Callable[[Registration], object]) -> None:
    """Name a function that deletes the secrets of a life that has ended: tokens that cannot be used again are not
    kept. Runs in the transaction that ends it."""
    _FORGET_AT_END.append(forget)


def _move_device(registration: Registration, before: Sequence[str], state: str) -> None:
    """Repeat on the device what its present life becomes. Before the life itself: whoever begins a life holds the
    device's row and then asks for the life's, and who came the other way round would wait for them in a circle."""
    Device.objects.filter(id=registration.device_id, registration=registration, state__in=before).update(state=state)


@transaction.atomic
def end(*, registration: Registration, state: str, now: datetime, because: str = "") -> bool:
    """End a life, once; `because` is one of `Registration.Ending`. Its secrets go with it (`forget_at_end`)."""
    _move_device(registration, Registration.LIVING, state)
    ended = Registration.objects.filter(
        id=registration.id,
        state__in=Registration.LIVING,
    ).update(state=state, ended_at=now, ended_because=because)
    if not ended:
        return False
    for forget in _FORGET_AT_END:
        forget(registration)
    registration.state = state
    registration.ended_at = now
    registration.ended_because = because
    return True


def release_keys(*, registration: Registration, now: datetime) -> bool:
    """Its owner has confirmed it: private keys may go there. False where they may already."""
    held = Registration.objects.filter(id=registration.id, keys_held=True)
    if not held.update(keys_held=False, confirmed_at=now):
        return False
    registration.keys_held, registration.confirmed_at = False, now
    return True


def hold_keys(*, registration: Registration) -> None:
    """Its owner says that it is not theirs: no private key goes there from now on."""
    Registration.objects.filter(id=registration.id).update(keys_held=True, confirmed_at=None)
    registration.keys_held, registration.confirmed_at = True, None


def heard_after_wipe(*, registration: Registration, now: datetime) -> bool:
    """A device that counts as erased has spoken. True the first time; then written once a minute."""
    wiped = Registration.objects.filter(id=registration.id, state=Registration.State.WIPED)
    if wiped.filter(heard_after_wipe_at=None).update(heard_after_wipe_at=now):
        return True
    wiped.filter(heard_after_wipe_at__lte=now - timedelta(minutes=1)).update(heard_after_wipe_at=now)
    return False


def erased_after_all(*, registration: Registration, now: datetime) -> bool:
    """A device that only counted as erased, for it was silent, has now said that it erases itself. True the first
    time."""
    presumed = Registration.objects.filter(id=registration.id, state=Registration.State.WIPED)
    return bool(
        presumed.exclude(ended_because=Registration.Ending.ACKNOWLEDGED).update(
            ended_because=Registration.Ending.ACKNOWLEDGED, ended_at=now, heard_after_wipe_at=None
        )
    )


@transaction.atomic
def put_channel(*, registration: Registration, user_id: str, user_name: str, push_token: bytes) -> tuple[Channel, bool]:
    """Take over a channel's push address. The second value tells whether the channel is new."""
    values: dict[str, object] = {
        "kind": Channel.Kind.USER if user_id else Channel.Kind.DEVICE,
        "push_token": push_token,
    }
    if user_name:
        values["user_name"] = user_name[:128]
    channel, created = Channel.objects.update_or_create(registration=registration, user_id=user_id, defaults=values)
    Registration.objects.filter(id=registration.id).exclude(unreachable_since=None).update(unreachable_since=None)
    return channel, created


@transaction.atomic
def activate(*, registration: Registration) -> bool:
    """The device can be woken: its registration is complete. True the first time."""
    _move_device(registration, (Registration.State.PENDING,), Registration.State.ACTIVE)
    moved = Registration.objects.filter(id=registration.id, state=Registration.State.PENDING).update(
        state=Registration.State.ACTIVE
    )
    if moved:
        registration.state = Registration.State.ACTIVE
    return bool(moved)


def signs(*, registration_id: UUID, with_old_digest: bool, now: datetime) -> None:
    """Note with what a device signs its requests, where that has changed."""
    life = Registration.objects.filter(id=registration_id, old_digest_since__isnull=with_old_digest)
    life.update(old_digest_since=now if with_old_digest else None)


def store_facts(
    *,
    device_id: UUID,
    introduction: Introduction | None,
    facts: Mapping[str, object],
    now: datetime,
) -> Device | None:
    """Take over a part of an inventory. Parts come in any order; each stands for itself. The device, where it has
    introduced itself with this part."""
    device = None
    if introduction is not None:
        device = Device.objects.get(id=device_id)
        describe(device=device, introduction=introduction)
        save_description(device=device)
    values = dict(facts) | {"collected_at": now}
    Inventory.objects.update_or_create(device_id=device_id, defaults=values)
    return device
