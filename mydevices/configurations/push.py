"""What should be on devices, compared with what is: the difference is queued as upkeep commands.

A command says only which installation it is about; what it carries is read when the device asks, so that of several
quick changes the last one is sent, once. Whatever goes wrong on the way (an answer that is lost, a registration that
begins anew, an owner who changes) is seen by the next comparison."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_noop

from mydevices.accounts.models import Membership
from mydevices.certificates import selectors as certificates
from mydevices.certificates.models import Certificate
from mydevices.commands import queue
from mydevices.commands.models import Command
from mydevices.commands.states import OPEN, State
from mydevices.configurations import resolve, selectors
from mydevices.configurations.models import Configuration, Installation, Withdrawal
from mydevices.devices import selectors as devices_selectors
from mydevices.devices.assignment import Assignment, To
from mydevices.devices.models import Channel, Device, Registration
from mydevices.errors import Conflict
from mydevices.outbox import services as outbox
from mydevices.port.commands import INSTALL, REMOVE
from mydevices.port.configurations import Ways
from mydevices.port.platform import platform_of

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
    kept = {one.fingerprint: one for one in certificates.held(person_id, type_id)}
    busy = _open({row.exclusive for row in waiting}, {row.channel_id for row in waiting})
    for row in waiting:
        certificate = kept.get(row.carried[str(type_id)])
        if certificate is not None and certificate.has_key:
            continue
        if certificate is not None:
            _give_up(row, resolve.CLEARED, busy, now)
        elif row.sent_digest:
            _give_up(row, resolve.DELETED, busy, now)
        elif selectors.subject(row.identifier) == type_id:
            _take(row, busy, now)


@transaction.atomic
def remove_type_from_devices(*, person_id: UUID, type_id: UUID, fingerprint: str, now: datetime) -> int:
    """Take one of somebody's certificates off their devices: its own profiles go, accounts are sent without it. It
    stays away until they upload it again. The number of commands queued."""
    Withdrawal.objects.get_or_create(person_id=person_id, type_id=type_id, fingerprint=fingerprint)
    return _compare(Device.objects.filter(owner=person_id), now=now, only=_users(type_id))


def allow_again(*, person_id: UUID, type_id: UUID, fingerprint: str) -> None:
    """It has been uploaded again, and may go to devices."""
    Withdrawal.objects.filter(person=person_id, type=type_id, fingerprint=fingerprint).delete()


def waits_for_key(certificate: Certificate) -> bool:
    """Whether a device still has to be sent this certificate with its key."""
    rows = selectors.carrying(certificate.person_id, certificate.type_id)
    under_way = rows.filter(
        **{f"carried__{certificate.type_id}": certificate.fingerprint}, state=Installation.State.PENDING
    )
    return under_way.exists() or any(
        certificate.fingerprint == one.fingerprint
        for device in unconfirmed(certificate.person_id)
        for one in withheld(device)
    )


def unconfirmed(person_id: UUID) -> Iterable[Device]:
    """Somebody's devices that are sent no private key yet, because they have to confirm them."""
    living = Device.objects.filter(
        owner=person_id, registration__state__in=Registration.LIVING, registration__keys_held=True
    )
    return devices_selectors.with_registration(living.select_related("owner")).order_by("created_at", "id")


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


@dataclass(frozen=True, slots=True)
class _Target:
    """A piece on one channel of a device."""

    piece: resolve.Piece
    channel: Channel
    withdrawn: frozenset[str]
    """Fingerprints of certificates that the device's owner had removed."""


Place = tuple[int, str]
"""A channel, and the identifier of a profile there."""


@transaction.atomic
def _compare(
    found: "Iterable[Device]", *, now: datetime, only: frozenset[UUID] | None = None, again: UUID | None = None
) -> int:
    """Of all configurations, or of some. Whatever is about the present certificate of the type `again` is sent once
    more, whether it differs or not.

    The statements are the same number for any number of devices and configurations, but for those that write what
    differs. Devices are locked, so that two comparisons do not queue the same twice."""
    ids = [device.id for device in found]
    list(Device.objects.filter(id__in=ids).select_for_update().order_by("id").values_list("id"))
    active = Device.objects.filter(id__in=ids, registration__state=Registration.State.ACTIVE)
    devices = list(devices_selectors.with_registration(active.select_related("owner")))
    supplied = resolve.supply({device.owner_id for device in devices})
    wanted: dict[Place, _Target] = {}
    used: dict[UUID | None, tuple[Device, frozenset[UUID]]] = {}
    for device, reached in _reached(devices, supplied):
        used[device.registration_id] = (device, resolve.used(reached, supplied))
        wanted |= _targets(device, reached, supplied)
    rows = Installation.objects.filter(channel__registration__in=[device.registration_id for device in devices])
    present = {(row.channel_id, row.identifier): row for row in rows.select_related("channel")}
    if only is not None:
        wanted = {place: target for place, target in wanted.items() if target.piece.configuration.id in only}
        present = {place: row for place, row in present.items() if selectors.subject(row.identifier) in only}
    busy = _open({row.exclusive for row in present.values()}, {row.channel_id for row in present.values()})
    queued = 0
    for place, target in wanted.items():
        row = present.pop(_where(place, target, wanted, present), None)
        queued += _put(row, target, busy, now, again=again is not None and again in target.piece.uses)
    for row in present.values():
        device, in_use = used[row.channel.registration_id]
        if _stays(row, device.owner_id, in_use, supplied):
            _give_up(row, resolve.DELETED, busy, now)
        else:
            queued += _take(row, busy, now)
    return queued


def _reached(devices: Sequence[Device], supplied: resolve.Supply) -> Sequence[tuple[Device, Sequence[Configuration]]]:
    """The devices of platforms that are sent something, each with the configurations that reach it."""
    groups: dict[UUID, set[UUID]] = {}
    owners = [device.owner_id for device in devices]
    for person_id, group_id in Membership.objects.filter(person__in=owners).values_list("person_id", "group_id"):
        groups.setdefault(person_id, set()).add(group_id)
    assignments = [(one, one.assignment) for one in supplied.configurations if one.enabled]
    return [
        (
            device,
            [one for one, assignment in assignments if _reaches(assignment, device, groups.get(device.owner_id, set()))]
            if _ways(device) is not None
            else [],
        )
        for device in devices
    ]


def _ways(device: Device) -> Ways | None:
    return platform_of(device).ways(device)


def _targets(device: Device, reached: Sequence[Configuration], supplied: resolve.Supply) -> Mapping[Place, _Target]:
    if not reached:
        return {}
    ways = _ways(device)
    if ways is None:
        return {}
    found = _pieces(device, ways, reached, supplied, keys_held=_holds(device.registration))
    gone = frozenset(one for person_id, _type, one in supplied.withdrawn if person_id == device.owner_id)
    return {
        (channel.pk, piece.identifier): _Target(piece, channel, gone) for channel in ways.channels for piece in found
    }


def _where(
    place: Place, target: _Target, wanted: Mapping[Place, _Target], present: Mapping[Place, Installation]
) -> Place:
    """Where the row of a target is: under its identifier, or under the one that the same certificate had before its
    type's purpose changed."""
    content = target.piece.content
    if place in present or not isinstance(content, resolve.IdentityContent):
        return place
    for other, row in present.items():
        is_same = row.channel_id == target.channel.pk and row.carried == resolve.carried(content)
        of_same = selectors.subject(row.identifier) == target.piece.configuration.id
        if is_same and of_same and other not in wanted and row.state != Installation.State.REMOVED:
            return other
    return place


def _stays(row: Installation, owner_id: UUID, used: frozenset[UUID], supplied: resolve.Supply) -> bool:
    """Whether what is not wanted there as such is left alone all the same: a certificate that its owner has deleted
    here, or whose key is gone so that nothing could take its place. Removing it is a step of its own."""
    subject = selectors.subject(row.identifier)
    fingerprint = row.carried.get(str(subject))
    if not row.sent_digest or row.state in _LEAVING or subject not in used or fingerprint is None:
        return False
    one = (owner_id, subject, fingerprint)
    if one in supplied.withdrawn or subject not in supplied.identities:
        return False
    if not supplied.identities[subject][1].is_user_provided:
        return False
    held = supplied.held.get((owner_id, subject), ())
    return one not in supplied.known or any(it.fingerprint == fingerprint and not it.has_key for it in held)


_LEAVING: Final = frozenset({Installation.State.REMOVING, Installation.State.REMOVED})


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


def _put(row: Installation | None, target: _Target, busy: Mapping[str, Command], now: datetime, *, again: bool) -> int:
    """It should be there. The number of commands queued."""
    piece, content = target.piece, target.piece.content
    why = resolve.missing(content)
    if row is None:
        if piece.is_optional:
            return 0
        row = Installation.objects.create(
            configuration=piece.configuration,
            channel=target.channel,
            identifier=piece.identifier,
            name=piece.configuration.name,
            state=Installation.State.FAILED if why else Installation.State.PENDING,
            reason=why,
            digest=content.digest,
            carried=resolve.carried(content),
            changed_at=now,
        )
        return 0 if why else _queue(row, INSTALL, now)
    if row.state in _SETTLED and not again:
        kept = {of: fingerprint for of, fingerprint in row.carried.items() if fingerprint not in target.withdrawn}
        if piece.is_optional or row.digest in {content.digest, content.digest_with(kept)}:
            return 0
    if piece.is_optional and row.state in _LEAVING:
        return 0
    fresh = {"digest": content.digest, "carried": resolve.carried(content), "name": piece.configuration.name}
    if why:
        _give_up(row, why, busy, now, **fresh)
        return 0
    _save(row, Installation.State.PENDING, now, **fresh)
    command = busy.get(row.exclusive)
    if command is None or (command.request_type == REMOVE and queue.call_off(command_id=command.pk, now=now)):
        return _queue(row, INSTALL, now)
    return 0  # the open one carries the newest, or its answer is followed by another


_SETTLED: Final = frozenset({Installation.State.INSTALLED, Installation.State.FAILED})


def _give_up(row: Installation, why: str, busy: Mapping[str, Command], now: datetime, **fresh: object) -> None:
    """What was to be sent cannot be. What the device has been given, and perhaps has not answered yet, stays."""
    if row.state in _SETTLED and not fresh:
        return
    command = busy.get(row.exclusive)
    if command is not None and not queue.call_off(command_id=command.pk, now=now):
        _save(row, Installation.State.PENDING, now, **fresh)  # its answer counts, or it fails when it is asked for
        return
    # Only from the state that was read: its answer may come at this very moment, and counts.
    Installation.objects.filter(id=row.pk, state=row.state).update(
        state=Installation.State.FAILED, reason=why, changed_at=now, **fresh
    )


def _take(row: Installation, busy: Mapping[str, Command], now: datetime) -> int:
    """It should not be there. The number of commands queued."""
    if row.state == Installation.State.REMOVED:
        return 0
    command = busy.get(row.exclusive)
    if command is not None and command.request_type == INSTALL:
        if not queue.call_off(command_id=command.pk, now=now):
            _save(row, Installation.State.REMOVING, now)
            return 0  # the device has it: what it answers is followed by the removal
        command = None
    if not row.sent_digest:
        _save(row, Installation.State.REMOVED, now)
        return 0
    _save(row, Installation.State.REMOVING, now, reason=row.reason)
    return _queue(row, REMOVE, now) if command is None else 0


def _save(row: Installation, state: str, now: datetime, **more: object) -> None:
    values: dict[str, object] = {"reason": "", **more, "state": state}
    if any(getattr(row, name) != value for name, value in values.items()):
        for name, value in values.items():
            setattr(row, name, value)
        row.changed_at = now
        row.save(update_fields=[*values, "changed_at"])


def _queue(row: Installation, request_type: str, now: datetime) -> int:
    made = queue.upkeep(
        channel=row.channel,
        request_type=request_type,
        parameters={"installation": row.pk},
        exclusive=row.exclusive,
        now=now,
    )
    return 1 if made else 0


@dataclass(frozen=True, slots=True)
class Due:
    """What a device is about to be given."""

    row: Installation
    device: Device
    content: resolve.Content


def due(*, installation_id: object, now: datetime) -> Due:
    """What an installation is about now, for a device that asks. Raises Conflict when that is nothing any more, or when
    a private key for it is gone: then the installation has failed, and says so."""
    rows = Installation.objects.select_related("configuration", "channel__registration__device__owner")
    row = rows.filter(id=installation_id).first() if isinstance(installation_id, int) else None
    if row is None:
        raise Conflict("This configuration is gone.")
    device = row.channel.registration.device
    fits = [
        piece
        for piece in pieces(device, row.channel.registration)
        if row.configuration_id == piece.configuration.id
        and (
            piece.identifier == row.identifier
            or (isinstance(piece.content, resolve.IdentityContent) and resolve.carried(piece.content) == row.carried)
        )
    ]
    if row.state != Installation.State.PENDING or not fits:
        raise Conflict("This configuration is not for the device any more.")
    content = fits[0].content
    waiting = Installation.objects.filter(id=row.pk, state=Installation.State.PENDING, digest=row.digest)
    if why := resolve.missing(content):
        waiting.update(state=Installation.State.FAILED, reason=why, changed_at=now)
        raise Conflict(why)
    if content.digest != row.digest:
        # What it is has changed since the last comparison. A comparison at this very moment is not undone: then what
        # is being given is not the newest, and the device's answer is followed by another.
        waiting.update(digest=content.digest, carried=resolve.carried(content))
    return Due(row, device, content)


def pieces(device: Device, life: Registration | None = None) -> Sequence[resolve.Piece]:
    """Everything that should be on a device with its owner loaded, in this life or else its present one."""
    return _wanted(device, keys_held=_holds(life or device.registration))


def withheld(device: Device) -> Sequence[resolve.Identity]:
    """The certificates whose private keys would go to a device, with its owner and registration loaded, once its owner
    confirms it."""
    if device.registration is None or device.registration.has_ended or not device.registration.keys_held:
        return ()
    found = {
        one.fingerprint: one
        for piece in _wanted(device, keys_held=False)
        for one in piece.content.identities
        if one.has_key
    }
    return tuple(found.values())


def _wanted(device: Device, *, keys_held: bool) -> Sequence[resolve.Piece]:
    supplied = resolve.supply([device.owner_id])
    ((_device, reached),) = _reached([device], supplied)
    ways = _ways(device)
    if not reached or ways is None:
        return ()
    return _pieces(device, ways, reached, supplied, keys_held=keys_held)


def _pieces(
    device: Device, ways: Ways, reached: Sequence[Configuration], supplied: resolve.Supply, *, keys_held: bool
) -> Sequence[resolve.Piece]:
    return resolve.pieces(
        device.owner, reached, supplied, carries=ways.carries, all_apps=ways.all_apps, keys_held=keys_held
    )


def _holds(life: Registration | None) -> bool:
    """Whether private keys are held back in this life of a device. Nothing goes to a device without one."""
    return life is None or life.keys_held


def given(*, installation_id: int, digest: str, profile_uuid: str) -> None:
    """A device is being given this content."""
    Installation.objects.filter(id=installation_id).update(sent_digest=digest, profile_uuid=profile_uuid)


def unsendable(*, installation_id: int, digest: str, why: str, now: datetime) -> None:
    """What was to be sent could not be made into anything that a device takes."""
    Installation.objects.filter(id=installation_id, state=Installation.State.PENDING, digest=digest).update(
        state=Installation.State.FAILED, reason=why, changed_at=now
    )


@transaction.atomic
def answered(
    *, installation_id: int, request_type: str, outcome: str, reason: str, now: datetime
) -> Installation | None:
    """A device has answered: keep what it says, or go on where something else is wanted meanwhile. What is installed
    now, and was not before."""
    row = (
        Installation.objects.select_for_update(of=("self",))
        .select_related("channel")
        .filter(id=installation_id)
        .first()
    )
    if row is None:
        return None
    is_wanted = row.state != Installation.State.REMOVING
    if request_type == INSTALL and is_wanted and row.sent_digest == row.digest:
        is_done = outcome == State.DONE
        state = Installation.State.INSTALLED if is_done else Installation.State.FAILED
        _save(row, state, now, reason="" if is_done else reason)
        return row if is_done else None
    if request_type == REMOVE and not is_wanted:
        if outcome == State.DONE:
            _save(row, Installation.State.REMOVED, now, sent_digest="", profile_uuid="")
        else:
            _save(row, Installation.State.REMOVING, now, reason=reason)  # asked again by the next comparison
    else:
        _queue(row, INSTALL if is_wanted else REMOVE, now)
    return None


NOT_THERE: Final = gettext_noop("The device said that it had installed this, and then did not list it.")


@transaction.atomic
def listed(
    *,
    registration_id: UUID,
    profiles: Mapping[str, str],
    now: datetime,
    channel_id: int | None = None,
    is_confirmation: bool = False,
) -> None:
    """The device has told which profiles are on one of its channels (None: its own), by identifier: their UUIDs. That
    is the truth. What is gone is sent again; what is not there right after the device said that it had installed it
    (`is_confirmation`) has failed, since to send it once more would be answered the same way without end."""
    for row in _there(registration_id, channel_id):
        is_there = profiles.get(row.identifier, "").upper() == row.profile_uuid.upper() and bool(row.profile_uuid)
        if row.state == Installation.State.PENDING and is_there and row.sent_digest == row.digest:
            _save(row, Installation.State.INSTALLED, now)
        elif row.state == Installation.State.REMOVING and row.identifier not in profiles:
            _save(row, Installation.State.REMOVED, now, sent_digest="", profile_uuid="")
        elif row.state == Installation.State.INSTALLED and not is_there:
            if row.identifier not in profiles:  # nothing has to be removed where it is not wanted any more either
                row.sent_digest = row.profile_uuid = ""
                row.save(update_fields=["sent_digest", "profile_uuid"])
            _missing(row, now, is_confirmation=is_confirmation)


@transaction.atomic
def certificates_listed(
    *,
    registration_id: UUID,
    fingerprints: Collection[str],
    now: datetime,
    channel_id: int | None = None,
    is_confirmation: bool = False,
) -> None:
    """The same for the identities on one of its channels: SHA-256 in hexadecimal of those it has the keys of."""
    for row in _there(registration_id, channel_id):
        if row.state == Installation.State.INSTALLED and not set(row.carried.values()) <= set(fingerprints):
            _missing(row, now, is_confirmation=is_confirmation)


def _there(registration_id: UUID, channel_id: int | None) -> Iterable[Installation]:
    """What is, or should be, on a channel: locked, in the order of their making."""
    which = Q(channel__kind=Channel.Kind.DEVICE) if channel_id is None else Q(channel=channel_id)
    return (
        Installation.objects.select_for_update(of=("self",))
        .select_related("channel")
        .filter(which, ~Q(state=Installation.State.REMOVED), channel__registration=registration_id)
        .order_by("id")
    )


def _missing(row: Installation, now: datetime, *, is_confirmation: bool) -> None:
    if is_confirmation:
        _save(row, Installation.State.FAILED, now, reason=NOT_THERE)
    else:
        _save(row, Installation.State.PENDING, now)
        _queue(row, INSTALL, now)
