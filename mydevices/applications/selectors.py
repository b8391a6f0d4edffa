"""Whether the apps of a device may be read, and those that were."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from mydevices.applications.models import Listing
from mydevices.devices import assignment
from mydevices.devices.models import Device, Registration
from mydevices.errors import Unsupported
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.privacy import ALL_APPS, MANAGED_APPS, Privacy
from mydevices.policies.selectors import Effective
from mydevices.port.platform import platform_of
from mydevices.vault import services as vault


def scope(device: Device) -> str:
    """What may be read of a device: a `Listing.Scope`, or empty for nothing. As the policy stood when the device was
    read: no statement for a device of `devices.selectors`."""
    return scope_of(policies.of_device(device, Privacy))


def scope_now(device: Device) -> str:
    """The same, as the policy stands now. One statement."""
    return scope_of(policies.effective(device, Privacy))


def scope_of(rules: Effective[Privacy]) -> str:
    decided = rules.values.app_inventory
    return str(_SCOPES.get(decided, ""))


_SCOPES: Final[Mapping[str, Listing.Scope]] = {MANAGED_APPS: Listing.Scope.MANAGED, ALL_APPS: Listing.Scope.ALL}


@dataclass(frozen=True, slots=True)
class App:
    """An app on a device. What it does not tell is empty, or None."""

    name: str
    identifier: str = ""
    version: str = ""
    size: int | None = None
    """In bytes, without what the app has stored."""


def of(device: Device) -> Listing | None:
    """When its apps were asked for and read, without them."""
    return Listing.objects.defer("content").filter(device=device).first()


def kept(device: Device) -> tuple[Listing | None, Sequence[App]]:
    """The apps of a device by name, with when they were read. Whoever shows them asks `services.look` instead."""
    listing = Listing.objects.filter(device=device).first()
    return listing, opened(listing) if listing else ()


def opened(listing: Listing) -> Sequence[App]:
    if listing.content is None:
        return ()
    rows = json.loads(vault.open_sealed(bytes(listing.content), place(listing.device_id)))
    return [App(*row) for row in rows]


def place(device_id: UUID) -> vault.Place:
    """Where the apps of a device are sealed to."""
    return vault.Place("applications_listing", "content", row=device_id, owner=device_id)


def refusal(device: Device) -> str:
    """Why a device could not be asked for its apps whatever a policy says of them; empty where it can be."""
    try:
        platform_of(device).app_question(device, scope(device) or Listing.Scope.MANAGED)
    except Unsupported as unsupported:
        return unsupported.message
    return ""


def readable() -> QuerySet[Device]:
    """The managed devices that a policy which reads apps could reach: what decides of each is `scope`. Without such a
    policy none, and nothing is looked through."""
    reading = policies.of_kind(Privacy).filter(enabled=True, values__app_inventory__in=list(_SCOPES))
    reached = [Q(id__in=assignment.devices(one.assignment).values("id")) for one in reading.prefetch_related("groups")]
    managed = Device.objects.filter(registration__state=Registration.State.ACTIVE)
    return managed.filter(reduce(or_, reached)) if reached else managed.none()
