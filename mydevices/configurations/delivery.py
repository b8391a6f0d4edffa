"""What devices are given, what they answer, and what they list: the rows of installations, and the commands about them.

Every change of a row that waits for a device goes by its open command: that is called off where the device does not
have it yet, and else its answer counts first."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_noop

from mydevices.commands import queue
from mydevices.commands.models import Command
from mydevices.commands.states import OPEN, State
from mydevices.configurations import resolve
from mydevices.configurations.models import Installation
from mydevices.configurations.reconcile import SETTLED, Move, Step
from mydevices.configurations.wanted import Target, pieces
from mydevices.devices.models import Channel, Device
from mydevices.errors import Conflict
from mydevices.port.commands import INSTALL, REMOVE

# --- the difference, carried out


def carry_out(steps: Sequence[Step], *, now: datetime) -> int:
    """Write and queue what a comparison has found, in the caller's transaction. The number of commands queued. One
    statement, and those that write."""
    rows = [step.row for step in steps if step.row is not None]
    busy = _open({row.exclusive for row in rows}, {row.channel_id for row in rows})
    queued = 0
    for step in steps:
        if step.move == Move.INSTALL and step.target is not None:
            queued += _install(step.row, step.target, step.why, busy, now)
        elif step.move == Move.REMOVE and step.row is not None:
            queued += _remove(step.row, busy, now)
        elif step.row is not None and step.why:
            _give_up(step.row, step.why, busy, now)
    return queued


def _open(exclusives: set[str], channel_ids: set[int]) -> Mapping[str, Command]:
    """The open command about each installation."""
    found = Command.objects.filter(channel__in=channel_ids, exclusive__in=exclusives, state__in=OPEN)
    return {command.exclusive: command for command in found if command.exclusive}


def _install(row: Installation | None, target: Target, why: str, busy: Mapping[str, Command], now: datetime) -> int:
    """It should be there; `why` it cannot be sent. The number of commands queued."""
    piece, content = target.piece, target.piece.content
    if row is None:
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
    fresh = {"digest": content.digest, "carried": resolve.carried(content), "name": piece.configuration.name}
    if why:
        _give_up(row, why, busy, now, **fresh)
        return 0
    _save(row, Installation.State.PENDING, now, **fresh)
    command = busy.get(row.exclusive)
    if command is None or (command.request_type == REMOVE and queue.call_off(command_id=command.pk, now=now)):
        return _queue(row, INSTALL, now)
    return 0  # the open one carries the newest, or its answer is followed by another


def _give_up(row: Installation, why: str, busy: Mapping[str, Command], now: datetime, **fresh: object) -> None:
    """What was to be sent cannot be. What the device has been given, and perhaps has not answered yet, stays."""
    if row.state in SETTLED and not fresh:
        return
    command = busy.get(row.exclusive)
    if command is not None and not queue.call_off(command_id=command.pk, now=now):
        _save(row, Installation.State.PENDING, now, **fresh)  # its answer counts, or it fails when it is asked for
        return
    # Only from the state that was read: its answer may come at this very moment, and counts.
    Installation.objects.filter(id=row.pk, state=row.state).update(
        state=Installation.State.FAILED, reason=why, changed_at=now, **fresh
    )


def _remove(row: Installation, busy: Mapping[str, Command], now: datetime) -> int:
    """It should not be there. The number of commands queued."""
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


# --- what a device is given


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


def given(*, installation_id: int, digest: str, profile_uuid: str) -> None:
    """A device is being given this content."""
    Installation.objects.filter(id=installation_id).update(sent_digest=digest, profile_uuid=profile_uuid)


def unsendable(*, installation_id: int, digest: str, why: str, now: datetime) -> None:
    """What was to be sent could not be made into anything that a device takes."""
    Installation.objects.filter(id=installation_id, state=Installation.State.PENDING, digest=digest).update(
        state=Installation.State.FAILED, reason=why, changed_at=now
    )


# --- what it answers, and what it lists


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
