"""What a page says about a registration that is open."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from mydevices.devices.models import Device
from mydevices.port.platform import device_kind
from mydevices.port.registering import DeviceKind
from mydevices.presentation import moments
from mydevices.registration.models import Ticket
from mydevices.registration.refusals import Refusal


@dataclass(frozen=True, slots=True)
class ShownTicket:
    """A ticket in words."""

    url: str
    now_url: str
    revoke_url: str
    qr_url: str
    what: str
    whose: str
    guide: DeviceKind
    until: str
    works_until: str
    state: str
    opened: bool
    here: bool


def shown(ticket: Ticket, now: datetime, *, here: bool = False) -> ShownTicket:
    personal = ticket.ownership == Device.Ownership.PERSONAL
    until = moments.at(ticket.expires_at, now)
    state = _("Nobody has opened it yet")
    if ticket.opened_at is not None:
        state = format_html(_("Opened {when}, not finished"), when=moments.at(ticket.opened_at, now))
    guide = device_kind(ticket.intended)
    return ShownTicket(
        url=reverse("portal:ticket", args=[ticket.id]),
        now_url=reverse("portal:ticket_now", args=[ticket.id]),
        revoke_url=reverse("portal:revoke", args=[ticket.id]),
        qr_url=reverse("portal:qr", args=[ticket.id]),
        what=str(guide.one),
        whose=_("your own") if personal else _("the organisation’s"),
        guide=guide,
        until=format_html(_("ends {when}"), when=until),
        works_until=format_html(_("Works once, and ends {when}."), when=until),
        state=state,
        opened=ticket.opened_at is not None,
        here=here,
    )


def closed(ticket: Ticket, now: datetime) -> str:
    """Why a ticket that no device has used can no longer be used; empty while it can, and when one has."""
    if ticket.used_at is not None:
        return ""
    if ticket.refused_at is not None:
        return Refusal.read(ticket.refusal).message()
    if ticket.revoked_at is not None:
        return _("This address was revoked and opens nothing.")
    return _("This address has expired.") if ticket.expires_at <= now else ""


def readable(code: str) -> str:
    """In groups of four, as people read a code aloud. The address forgives the hyphens."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))
