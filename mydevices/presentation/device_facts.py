"""What is known of a device, and the PINs that were made for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _

from mydevices.actions import ActionKind
from mydevices.commands.pins import Pin
from mydevices.devices.models import Device, Inventory
from mydevices.port.platform import platform_of
from mydevices.presentation import moments


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    value: str
    code: bool = False


def facts(device: Device, now: datetime) -> Sequence[Fact]:
    registration = device.registration
    inventory = inventory_of(device)
    found = []
    if registration is not None and registration.last_seen_at is not None:
        found.append(Fact(_("Last contact"), moments.ago(registration.last_seen_at, now)))
    if device.model_name or device.model:
        found.append(Fact(_("Model"), device.model_name or device.model))
    if device.os_version:
        found.append(Fact(_("System"), f"{device.os_name} {device.os_version}".strip()))
    if inventory is not None:
        found += _facts_of_inventory(inventory)
    if device.serial_number:
        found.append(Fact(_("Serial number"), device.serial_number, code=True))
    if registration is not None:
        found += [Fact(label, value) for label, value in platform_of(device).facts(device)]
        found.append(Fact(_("Registered"), moments.day(registration.started_at)))
    return found


def inventory_of(device: Device) -> Inventory | None:
    return getattr(device, "inventory", None)


def _facts_of_inventory(inventory: Inventory) -> Iterable[Fact]:
    if inventory.has_passcode is not None:
        yield Fact(_("Passcode"), _("Set") if inventory.has_passcode else _("Not set"))
    if inventory.is_encrypted is not None:
        yield Fact(_("Encryption"), _("On") if inventory.is_encrypted else _("Off"))
    if inventory.capacity_bytes and inventory.available_bytes is not None:
        sizes = {"free": _size(inventory.available_bytes), "all": _size(inventory.capacity_bytes)}
        yield Fact(_("Storage"), _("%(free)s free of %(all)s") % sizes)
    if inventory.battery is not None:
        yield Fact(_("Battery"), _("%(number)d %%") % {"number": round(inventory.battery * 100)})
    if inventory.profiles:
        yield Fact(_("Profiles"), _("%(number)d installed") % {"number": len(inventory.profiles)})


def _size(amount: int) -> str:
    """In the gigabytes that stand on the box."""
    return _("%(number)s GB") % {"number": number_format(round(amount / 10**9))}


@dataclass(frozen=True, slots=True)
class ShownPin:
    """A PIN in two groups, and what it was made for."""

    value: str
    shown: str
    text: str


def pin(secret: Pin, now: datetime) -> ShownPin:
    half = len(secret.value) // 2
    text = _("Wiped {when}") if secret.kind == ActionKind.WIPE else _("Locked {when}")
    when = moments.at(secret.requested_at, now)
    return ShownPin(secret.value, f"{secret.value[:half]} {secret.value[half:]}", format_html(text, when=when))
