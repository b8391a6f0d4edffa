"""Which devices are compared, and when: what should be on them (`wanted`) with what is (`reconcile`); the difference is
queued as upkeep commands (`delivery`).

A command says only which installation it is about; what it carries is read when the device asks, so that of several
quick changes the last one is sent, once. Whatever goes wrong on the way (an answer that is lost, a registration that
begins anew, an owner who changes) is seen by the next comparison."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from mydevices.certificates import selectors as certificates
from mydevices.configurations import delivery, reconcile, selectors, wanted
from mydevices.configurations.models import Installation, Withdrawal
from mydevices.devices import selectors as devices_selectors
from mydevices.devices.models import Device, Registration
from mydevices.outbox import services as outbox

TOPIC: Final = "configurations"
AT_ONCE: Final = 50
"""Devices compared in one transaction, and one delivery of the outbox."""


def of_configuration(configuration_id: UUID) -> None:
    """One has changed: the worker compares the devices concerned. One statement, in the caller's transaction."""
    outbox.post(TOPIC, {"configuration": str(configuration_id), "after": ""}, key=str(configuration_id))


def of_everything() -> None:
    """Every device has to be compared, part by part."""
    outbox.post(TOPIC, {"configuration": "", "after": ""}, key="everything")


def of_people(person_ids: Collection[UUID]) -> None:
    """Something about them has changed that decides what reaches their devices: the worker compares these. A statement
    each, in the caller's transaction; of a crowd one."""
    if len(person_ids) > AT_ONCE:
        of_everything()
        return
    for person_id in sorted(person_ids):
        outbox.post(TOPIC, {"person": str(person_id)}, key=f"person {person_id}")


def follow(payload: Mapping[str, str], *, now: datetime) -> None:
    """Do what a message of the outbox is about."""
    if "person" in payload:
        of_person(UUID(payload["person"]), now=now)
    else:
        subject = payload["configuration"]
        advance(configuration_id=UUID(subject) if subject else None, after=payload["after"], now=now)


def of_device(device_id: UUID, *, now: datetime) -> int:
    """Compare one device, in the caller's transaction. The number of commands queued."""
    return _compare(Device.objects.filter(id=device_id), now=now)


def of_person(person_id: UUID, *, now: datetime) -> int:
    """The same for somebody's devices."""
    return _compare(Device.objects.filter(owner=person_id), now=now)


def of_type(*, person_id: UUID, type_id: UUID, now: datetime) -> int:
    """Somebody has another certificate of a type, or the same anew: send again what uses it, to their devices and no
    others, in the caller's transaction. The number of commands queued."""
    return _compare(Device.objects.filter(owner=person_id), now=now, only=_users(type_id), again=type_id)


def _users(type_id: UUID) -> frozenset[UUID]:
    return frozenset({type_id, *(one.id for one in selectors.used_by(type_id))})


def lost(*, person_id: UUID, type_id: UUID, now: datetime) -> None:
    """Keys of somebody's certificates of a type are gone, or these themselves. Nothing is queued, and what devices have
    stays; what has not been sent yet is called off, and says why, but for an account that a device has none of yet:
    that goes without."""
    waiting = list(selectors.carrying(person_id, type_id).filter(state=Installation.State.PENDING))
    steps = reconcile.without_keys(waiting, certificates.held(person_id, type_id), type_id)
    delivery.carry_out(steps, now=now)


@transaction.atomic
def remove_type_from_devices(*, person_id: UUID, type_id: UUID, fingerprint: str, now: datetime) -> int:
    """Take one of somebody's certificates off their devices: its own profiles go, accounts are sent without it. It
    stays away until they upload it again. The number of commands queued."""
    Withdrawal.objects.get_or_create(person_id=person_id, type_id=type_id, fingerprint=fingerprint)
    return _compare(Device.objects.filter(owner=person_id), now=now, only=_users(type_id))


def allow_again(*, person_id: UUID, type_id: UUID, fingerprint: str) -> None:
    """It has been uploaded again, and may go to devices."""
    Withdrawal.objects.filter(person=person_id, type=type_id, fingerprint=fingerprint).delete()


@transaction.atomic
def advance(*, configuration_id: UUID | None, after: str, now: datetime) -> None:
    """Compare the next part of the devices concerned, and leave a message for the rest. None: every configuration."""
    if configuration_id is None:
        devices = Device.objects.filter(registration__state=Registration.State.ACTIVE)
    else:
        devices = selectors.concerned(configuration_id)
    if after:
        devices = devices.filter(id__gt=UUID(after))
    ids = list(devices.order_by("id").values_list("id", flat=True)[:AT_ONCE])
    if not ids:
        return
    _compare(Device.objects.filter(id__in=ids), now=now)
    if len(ids) == AT_ONCE:
        subject = str(configuration_id or "")
        # A key of its own: a change that comes meanwhile begins at the first device, and must not be joined by this.
        outbox.post(TOPIC, {"configuration": subject, "after": str(ids[-1])}, key=f"{subject}:{ids[-1]}")


@transaction.atomic
def _compare(
    some: "Iterable[Device]", *, now: datetime, only: frozenset[UUID] | None = None, again: UUID | None = None
) -> int:
    """Of all configurations, or of some; `again` as `reconcile.steps` has it.

    The statements are the same number for any number of devices and configurations, but for those that write what
    differs. Devices are locked, so that two comparisons do not queue the same twice."""
    ids = [device.id for device in some]
    list(Device.objects.filter(id__in=ids).select_for_update().order_by("id").values_list("id"))
    active = Device.objects.filter(id__in=ids, registration__state=Registration.State.ACTIVE)
    devices = list(devices_selectors.with_registration(active.select_related("owner")))
    there = Installation.objects.filter(channel__registration__in=[device.registration_id for device in devices])
    should = wanted.on(devices)
    steps = reconcile.steps(should, there.select_related("channel"), only=only, again=again)
    return delivery.carry_out(steps, now=now)
