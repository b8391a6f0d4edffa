"""What should be on devices, compared with what is: the difference is queued as upkeep commands.

A command says only which installation it is about; what it carries is read when the device asks, so that of several
quick changes the last one is sent, once. Whatever goes wrong on the way (an answer that is lost, a registration that
begins anew, an owner who changes) is seen by the next comparison."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from mydevices.accounts.models import Membership
from mydevices.commands import services as commands
from mydevices.commands.models import Command
from mydevices.commands.states import OPEN, State
from mydevices.configurations import resolve, selectors
from mydevices.configurations.models import Configuration, Installation
from mydevices.devices.assignment import Assignment, To
from mydevices.devices.models import Channel, Device, Registration
from mydevices.outbox import services as outbox

TOPIC: Final = "configurations"
AT_ONCE: Final = 50
"""Devices compared in one transaction, and one delivery of the outbox."""

INSTALL: Final = "InstallProfile"
REMOVE: Final = "RemoveProfile"

Channels = Callable[[Device], Sequence[Channel]]
"""Of a device with its registration and channels loaded: where configurations go. Asks nothing."""
CHANNELS: dict[str, Channels] = {}


def register(platform: str, channels: Channels) -> None:
    """By an adapter at start-up. Devices of other platforms are sent nothing."""
    CHANNELS[platform] = channels


def of_configuration(configuration_id: UUID) -> None:
    """One has changed: the worker compares the devices concerned. One statement, in the caller's transaction."""
    outbox.post(TOPIC, {"configuration": str(configuration_id), "after": ""}, key=str(configuration_id))


def of_everything() -> None:
    """Every device has to be compared, part by part."""
    outbox.post(TOPIC, {"configuration": "", "after": ""}, key="everything")


def of_device(device_id: UUID, *, now: datetime) -> int:
    """Compare one device, in the caller's transaction. The number of commands queued."""
    return _compare(Device.objects.filter(id=device_id), now=now)


def of_person(person_id: UUID, *, now: datetime) -> int:
    """The same for somebody's devices."""
    return _compare(Device.objects.filter(owner=person_id), now=now)


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
    _compare(Device.objects.filter(id__in=ids), now=now, only=configuration_id)
    if len(ids) == AT_ONCE:
        subject = str(configuration_id or "")
        # A key of its own: a change that comes meanwhile begins at the first device, and must not be joined by this.
        outbox.post(TOPIC, {"configuration": subject, "after": str(ids[-1])}, key=f"{subject}:{ids[-1]}")


@dataclass(frozen=True, slots=True)
class _Wanted:
    configuration: Configuration
    channel: Channel
    digest: str


@transaction.atomic
def _compare(found: "Iterable[Device]", *, now: datetime, only: UUID | None = None) -> int:
    """The statements are the same number for any number of devices and configurations, but for those that write what
    differs. Devices are locked, so that two comparisons do not queue the same twice."""
    ids = [device.id for device in found]
    list(Device.objects.filter(id__in=ids).select_for_update().order_by("id").values_list("id"))
    devices = list(
        Device.objects.filter(id__in=ids, registration__state=Registration.State.ACTIVE)
        .select_related("owner", "registration")
        .prefetch_related("registration__channels")
    )
    configurations = Configuration.objects.filter(enabled=True).prefetch_related("groups")
    rows = Installation.objects.filter(channel__registration__in=[device.registration_id for device in devices])
    if only is not None:
        configurations = configurations.filter(id=only)
        rows = rows.filter(identifier=selectors.identifier(only))
    wanted = _wanted(devices, list(configurations))
    present = {(row.channel_id, row.identifier): row for row in rows.select_related("channel")}
    busy = _open({row.exclusive for row in present.values()}, {row.channel_id for row in present.values()})
    queued = 0
    for place, target in wanted.items():
        row = present.pop(place, None)
        queued += _put(row, target, busy, now)
    for row in present.values():
        queued += _take(row, busy, now)
    return queued


def _wanted(devices: Sequence[Device], configurations: Sequence[Configuration]) -> Mapping[tuple[int, str], _Wanted]:
    groups: dict[UUID, set[UUID]] = {}
    owners = [device.owner_id for device in devices]
    for person_id, group_id in Membership.objects.filter(person__in=owners).values_list("person_id", "group_id"):
        groups.setdefault(person_id, set()).add(group_id)
    assignments = [(configuration, configuration.assignment) for configuration in configurations]
    found = {}
    for device in devices:
        places = CHANNELS.get(device.platform)
        for configuration, assignment in assignments:
            if places is None or not _reaches(assignment, device, groups.get(device.owner_id, set())):
                continue
            digest = resolve.content(configuration, device.owner).digest
            for channel in places(device):
                target = _Wanted(configuration, channel, digest)
                found[channel.pk, selectors.identifier(configuration.id)] = target
    return found


def _reaches(assignment: Assignment, device: Device, groups: set[UUID]) -> bool:
    """As `assignment.devices` says it to the database."""
    return (
        device.owner.is_active
        and (assignment.to == To.EVERYONE or (assignment.to == To.GROUPS and bool(groups & assignment.groups)))
        and (not assignment.platforms or device.platform in assignment.platforms)
        and (not assignment.ownerships or device.ownership in assignment.ownerships)
    )


def _open(exclusives: set[str], channel_ids: set[int]) -> Mapping[str, Command]:
    """The open command about each installation."""
    found = Command.objects.filter(channel__in=channel_ids, exclusive__in=exclusives, state__in=OPEN)
    return {command.exclusive: command for command in found if command.exclusive}


def _put(row: Installation | None, target: _Wanted, busy: Mapping[str, Command], now: datetime) -> int:
    """It should be there. The number of commands queued."""
    if row is None:
        row = Installation.objects.create(
            configuration=target.configuration,
            channel=target.channel,
            identifier=selectors.identifier(target.configuration.id),
            name=target.configuration.name,
            digest=target.digest,
            changed_at=now,
        )
        return _queue(row, INSTALL, now)
    settled = row.state in {Installation.State.INSTALLED, Installation.State.FAILED}
    if settled and row.digest == target.digest:
        return 0
    _save(row, Installation.State.PENDING, now, digest=target.digest, name=target.configuration.name)
    command = busy.get(row.exclusive)
    if command is None or (command.request_type == REMOVE and commands.call_off(command_id=command.pk, now=now)):
        return _queue(row, INSTALL, now)
    return 0  # the open one carries the newest, or its answer is followed by another


def _take(row: Installation, busy: Mapping[str, Command], now: datetime) -> int:
    """It should not be there. The number of commands queued."""
    if row.state == Installation.State.REMOVED:
        return 0
    command = busy.get(row.exclusive)
    if command is not None and command.request_type == INSTALL:
        if not commands.call_off(command_id=command.pk, now=now):
            _save(row, Installation.State.REMOVING, now)
            return 0  # the device has it: what it answers is followed by the removal
        command = None
    if not row.sent_digest:
        _save(row, Installation.State.REMOVED, now)
        return 0
    _save(row, Installation.State.REMOVING, now, reason=row.reason)
    return _queue(row, REMOVE, now) if command is None else 0


def _save(row: Installation, state: str, now: datetime, **more: str) -> None:
    values = {"reason": "", **more, "state": state}
    if any(getattr(row, name) != value for name, value in values.items()):
        for name, value in values.items():
            setattr(row, name, value)
        row.changed_at = now
        row.save(update_fields=[*values, "changed_at"])


def _queue(row: Installation, request_type: str, now: datetime) -> int:
    made = commands.upkeep(
        channel=row.channel,
        request_type=request_type,
        parameters={"installation": row.pk},
        exclusive=row.exclusive,
        now=now,
    )
    return 1 if made else 0


def given(*, installation_id: int, digest: str, profile_uuid: str) -> None:
    """A device is being given this content."""
    Installation.objects.filter(id=installation_id).update(sent_digest=digest, profile_uuid=profile_uuid)


@transaction.atomic
def answered(*, installation_id: int, request_type: str, outcome: State, reason: str, now: datetime) -> None:
    """A device has answered: keep what it says, or go on where something else is wanted meanwhile."""
    row = (
        Installation.objects.select_for_update(of=("self",))
        .select_related("channel")
        .filter(id=installation_id)
        .first()
    )
    if row is None:
        return
    is_wanted = row.state != Installation.State.REMOVING
    if request_type == INSTALL and is_wanted and row.sent_digest == row.digest:
        is_done = outcome == State.DONE
        state = Installation.State.INSTALLED if is_done else Installation.State.FAILED
        _save(row, state, now, reason="" if is_done else reason)
    elif request_type == REMOVE and not is_wanted:
        if outcome == State.DONE:
            _save(row, Installation.State.REMOVED, now, sent_digest="", profile_uuid="")
        else:
            _save(row, Installation.State.REMOVING, now, reason=reason)  # asked again by the next comparison
    else:
        _queue(row, INSTALL if is_wanted else REMOVE, now)


@transaction.atomic
def listed(*, registration_id: UUID, profiles: Mapping[str, str], now: datetime) -> None:
    """The device has told which profiles are on its own channel, the only one that is asked, by identifier: their
    UUIDs. That is the truth."""
    rows = (
        Installation.objects.select_for_update(of=("self",))
        .select_related("channel")
        .filter(
            ~Q(state=Installation.State.REMOVED),
            channel__registration=registration_id,
            channel__kind=Channel.Kind.DEVICE,
        )
    )
    for row in rows.order_by("id"):
        is_there = profiles.get(row.identifier, "").upper() == row.profile_uuid.upper() and bool(row.profile_uuid)
        if row.state == Installation.State.PENDING and is_there and row.sent_digest == row.digest:
            _save(row, Installation.State.INSTALLED, now)
        elif row.state == Installation.State.REMOVING and row.identifier not in profiles:
            _save(row, Installation.State.REMOVED, now, sent_digest="", profile_uuid="")
        elif row.state == Installation.State.INSTALLED and row.identifier not in profiles:
            _save(row, Installation.State.PENDING, now)
            _queue(row, INSTALL, now)
