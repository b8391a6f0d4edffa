"""Whether the apps of a device may be read, and those that were."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from mydevices.applications.models import Listing
from mydevices.devices import assignment
from mydevices.devices.models import Channel, Device, Registration
from mydevices.errors import Unsupported
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.privacy import ALL_APPS, MANAGED_APPS, Privacy
from mydevices.policies.selectors import Effective
from mydevices.vault import services as vault


@dataclass(frozen=True, slots=True)
class Way:
    """The command that asks a device for its apps."""

    channel: Channel
    request_type: str
    parameters: Mapping[str, object]


Ways = Callable[[Device, str], Way]
"""How a device, with its registration and channels loaded, is asked for the apps of a scope. Asks nothing itself.
Raises Unsupported, with the reason, where it cannot be."""

WAYS: Final[dict[str, Ways]] = {}


def register(platform: str, ways: Ways) -> None:
    """By an adapter at start-up. Devices of other platforms are not asked."""
    WAYS[platform] = ways


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
    rows = json.loads(vault.open_sealed(bytes(listing.content), **place(listing.device_id)))
    return [App(*row) for row in rows]


def place(device_id: object) -> dict[str, str]:
    """Where the apps of a device are sealed to."""
    return {
        "table": "applications_listing", "column": "content", "row": str(device_id), "owner": str(device_id)
    }  # fmt: skip


def refusal(device: Device) -> str:
    """Why a device could not be asked for its apps whatever a policy says of them; empty where it can be."""
    ways, wanted = WAYS.get(device.platform), scope(device) or Listing.Scope.MANAGED
    if ways is None:
        return _("Devices of this kind do not tell which apps are on them.")
    try:
        ways(device, wanted)
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
