"""Whether positions of a device may be kept, and those that are."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from mydevices.accounts.models import Person
from mydevices.devices.models import Device
from mydevices.errors import NotFound, Unsupported
from mydevices.location.models import Choice, Position, Reporter
from mydevices.policies import selectors as policies
from mydevices.policies.kinds import privacy
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.selectors import Effective
from mydevices.protocols.position import Fix
from mydevices.vault import services as vault


@dataclass(frozen=True, slots=True)
class Permission:
    """What may be done with the positions of a device."""

    may_collect: bool
    is_choice: bool
    """Whether its owner decides."""
    keep_days: int
    others_may_look: bool
    """Whether administrators and the helpdesk may locate it."""
    policy: str
    """The name of the policy that says so; empty where nobody has decided."""

    @property
    def reason(self) -> str:
        """Why positions are not kept, and who can change that; empty where they are."""
        if self.may_collect:
            return ""
        if self.is_choice:
            return _("Location is off, because its owner has not switched it on.")
        return _("Location is off: the policy “%(policy)s” keeps no positions.") % {"policy": self.policy}


def permission(device: Device) -> Permission:
    """As the policy stood when the device was read: one statement for a device of `devices.selectors`, and only where
    its owner decides. Whoever keeps or gives away a position asks `permission_now`."""
    return _permission(device, policies.of_device(device, Privacy))


def permission_now(device: Device) -> Permission:
    """Two statements: the policy that reaches the device now, and its owner's choice where they have one."""
    return _permission(device, policies.effective(device, Privacy))


def _permission(device: Device, found: Effective[Privacy]) -> Permission:
    is_choice = found.values.location == privacy.CHOICE
    return Permission(
        may_collect=shares(device.owner_id) if is_choice else found.values.location == privacy.ON,
        is_choice=is_choice,
        keep_days=found.values.position_days,
        others_may_look=found.values.administrators_may_locate,
        policy=found.policy_name,
    )


def require(*, device: Device) -> None:
    """Raises Unsupported, with the reason, where positions of this device may not be kept."""
    allowed = permission_now(device)
    if not allowed.may_collect:
        raise Unsupported(allowed.reason)


def shares(person_id: UUID) -> bool:
    """Whether somebody has switched location on for their devices."""
    return Choice.objects.filter(person=person_id, shares=True).exists()


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody who has seen a position."""

    person_id: UUID
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Sighting:
    """A position that is kept, opened, and who has looked at it, in that order."""

    id: UUID
    source: str
    received_at: datetime
    fix: Fix
    seen_by: Sequence[Seen] = ()


def kept(device: Device, *, at_most: int = 50) -> Sequence[Sighting]:
    """The latest positions of a device, newest first. Two statements. Whoever shows them asks `services.look` instead,
    which writes down that somebody has looked."""
    rows = (
        Position.objects.filter(device=device)
        .prefetch_related("looks__person")
        .order_by("-measured_at", "-received_at")[:at_most]
    )
    return [
        Sighting(
            id=row.id,
            source=row.source,
            received_at=row.received_at,
            fix=opened(row),
            seen_by=[
                Seen(look.person_id, look.person.name, look.at)
                for look in sorted(row.looks.all(), key=lambda look: look.at)
            ],
        )
        for row in rows
    ]


def latest_at(device: Device) -> datetime | None:
    """When the newest position of a device was measured. Tells nothing of the place."""
    found: datetime | None = (
        Position.objects.filter(device=device).order_by("-measured_at").values_list("measured_at", flat=True).first()
    )
    return found


def place(position_id: UUID, device_id: UUID) -> vault.Place:
    """Where a position is sealed to."""
    return vault.Place("location_position", "place", row=position_id, owner=device_id)


def opened(row: Position) -> Fix:
    said: dict[str, Any] = json.loads(vault.open_sealed(bytes(row.place), place(row.id, row.device_id)))
    return Fix(measured_at=row.measured_at, **said)


def reporter_of(device: Device) -> Reporter | None:
    return Reporter.objects.filter(device=device).first()


def has_paused_apps(person: Person) -> bool:
    """Whether an app that reports where a device of theirs is waits for their word."""
    return Reporter.objects.filter(device__owner=person).exclude(paused_at=None).exists()


def reporting(token_hash: str) -> Reporter:
    """Whose token this is, with the device and its owner. Raises NotFound for a token that is not in use, or not any
    more: it is paused, its owner is suspended, or the device is no longer managed."""
    found = (
        Reporter.objects.select_related("device__owner", "device__registration").filter(token_hash=token_hash).first()
    )
    if (
        found is None
        or found.paused_at is not None
        or not found.device.owner.is_active
        or not found.device.is_registered
    ):
        raise NotFound(_("This token is not in use."))
    return found


def over(now: datetime, kept_days: int) -> datetime:
    """What was received before this is not kept any more."""
    return now - timedelta(days=kept_days)
