"""Devices that have to be confirmed before private keys go to them, as the portal and the console say it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from mydevices.configurations import wanted
from mydevices.devices.models import Device
from mydevices.presentation import moments
from mydevices.presentation.device_looks import name_of
from mydevices.registration import confirmations


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A device that waits for its owner's word."""

    name: str
    since: SafeString
    """When it was registered."""
    labels: Sequence[str]
    """The certificates whose private keys go to it afterwards, by the names of their types."""
    fingerprints: frozenset[str]
    url: str
    """Where its owner confirms it."""


def unconfirmed(device: Device, now: datetime) -> Unconfirmed | None:
    """What is to be said of a device, with its owner and registration loaded; None for one that waits for nothing."""
    if device.registration is None or not confirmations.is_waiting(device):
        return None
    withheld = wanted.withheld(device)
    return Unconfirmed(
        name=name_of(device),
        since=moments.at(device.registration.started_at, now),
        labels=list(dict.fromkeys(one.label for one in withheld)),
        fingerprints=frozenset(one.fingerprint for one in withheld),
        url=reverse("portal:confirm_device", args=[device.id]),
    )


def by_certificate(found: Iterable[Unconfirmed]) -> Mapping[str, Sequence[SafeString]]:
    """What to say beside each certificate, by its fingerprint."""
    said: dict[str, list[SafeString]] = {}
    for one in found:
        link = format_html('<a href="{}">{}</a>', one.url, _("Confirm this device"))
        text = format_html(_("Waits until you confirm {device}. {link}"), device=one.name, link=link)
        for fingerprint in one.fingerprints:
            said.setdefault(fingerprint, []).append(text)
    return said
