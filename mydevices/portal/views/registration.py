"""Register a device: choose, show it on the other device, open it there."""

import io
from typing import Final
from uuid import UUID

import segno
from allauth.core.internal.ratelimit import consume
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mydevices.accounts.requests import actor_of, address_of, person_of
from mydevices.audit.actor import Actor
from mydevices.devices.models import Device
from mydevices.errors import Conflict, TooMany
from mydevices.organisation import selectors as organisation
from mydevices.portal import present
from mydevices.portal.forms import RegisterForm
from mydevices.registration import selectors, services
from mydevices.registration.models import Ticket

GUESSES: Final = {"ticket": "60/10m/ip"}
"""Short addresses opened from one place: plenty for people, nothing against 59 random bits."""


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def register(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    here = _here(request.headers.get("User-Agent", ""))
    initial = {"intended": here or Ticket.Intended.PHONE, "ownership": Device.Ownership.PERSONAL}
    form = RegisterForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            ticket = services.open_ticket(person=person, actor=actor_of(request), **form.cleaned_data)
        except Conflict as missing:
            messages.warning(request, missing.message)
        else:
            return HttpResponseRedirect(reverse("portal:ticket", args=[ticket.id]), status=303)
    context = {"form": form, "here": here, **_beside(request)}
    return render(request, "portal/register.html", context, status=400 if form.errors else 200)


def _here(user_agent: str) -> str:
    """Which kind of Apple device this page is open on, as far as its browser says; empty for everything else."""
    if "iPhone" in user_agent or "iPad" in user_agent:
        return Ticket.Intended.PHONE
    return Ticket.Intended.MAC if "Macintosh" in user_agent else ""


def _beside(request: HttpRequest) -> dict[str, object]:
    now = timezone.now()
    return {
        "organisation_name": organisation.current().name,
        "open_tickets": [
            {"ticket": ticket, "until": present.clock(ticket.expires_at, now), "opened": present.clock(ticket.opened_at, now)}
            for ticket in selectors.open_tickets(person_of(request), now)
        ],
    }


@require_safe
@login_required
@never_cache
def ticket(request: HttpRequest, ticket_id: UUID) -> HttpResponse:
    return render(request, "portal/ticket.html", _ticket(request, ticket_id))


@require_safe
@login_required
@never_cache
def ticket_now(request: HttpRequest, ticket_id: UUID) -> HttpResponse:
    """The steps alone, asked for every second until the device is there."""
    return render(request, "portal/_ticket.html", _ticket(request, ticket_id))


def _ticket(request: HttpRequest, ticket_id: UUID) -> dict[str, object]:
    now = timezone.now()
    found = selectors.ticket_of(person_of(request), ticket_id)
    is_open = not found.used_at and not found.revoked_at and found.expires_at > now
    code = services.code_of(found)
    address = f"{settings.PUBLIC_URL}/r/{code}"
    return {
        "ticket": found,
        "is_open": is_open,
        "is_pending": is_open or bool(found.device and not found.device.is_registered),
        "is_here": _here(request.headers.get("User-Agent", "")) == found.intended,
        "address": address,
        "short_address": address.partition("://")[2],
        "until": present.clock(found.expires_at, now),
        "opened": present.clock(found.opened_at, now),
        "device": found.device,
        "device_title": present.title(found.device) if found.device else "",
        **_beside(request),
    }


@require_safe
@login_required
@never_cache
def qr(request: HttpRequest, ticket_id: UUID) -> HttpResponse:
    """The short address as a QR code, for the camera of the other device."""
    found = selectors.ticket_of(person_of(request), ticket_id)
    picture = io.BytesIO()
    segno.make(f"{settings.PUBLIC_URL}/r/{services.code_of(found)}", error="m").save(
        picture, kind="svg", border=4, dark="#000", light="#fff", xmldecl=False, svgns=True, nl=False, scale=5
    )
    return HttpResponse(picture.getvalue(), content_type="image/svg+xml")


@require_POST
@login_required
def revoke(request: HttpRequest, ticket_id: UUID) -> HttpResponse:
    found = selectors.ticket_of(person_of(request), ticket_id)
    try:
        services.revoke(ticket=found, actor=actor_of(request))
        messages.success(request, _("Revoked. Its address no longer works."))
    except Conflict as conflict:
        messages.warning(request, conflict.message)
    return HttpResponseRedirect(reverse("portal:register"), status=303)


@require_safe
@never_cache
def open_ticket(request: HttpRequest, code: str) -> HttpResponse:
    """What the other device sees, without a password: opening it spends nothing."""
    found = _by_code(request, code)
    services.note_opened(ticket=found, actor=_visitor(request))
    return render(
        request,
        "portal/open_ticket.html",
        {
            "ticket": found,
            "code": code,
            "is_mac": found.intended == Ticket.Intended.MAC,
            "until": present.clock(found.expires_at, timezone.now()),
            "organisation_name": organisation.current().name,
        },
    )


@require_safe
@never_cache
def profile(request: HttpRequest, code: str) -> HttpResponse:
    """The registration profile itself. Fetched twice, it is the same profile."""
    document = services.document_for(ticket=_by_code(request, code))
    response = HttpResponse(document.content, content_type=document.content_type)
    response["Content-Disposition"] = f'attachment; filename="{document.file_name}"'
    return response


def _by_code(request: HttpRequest, code: str) -> Ticket:
    if not consume(request, app="mydevices", action="ticket", config=GUESSES, limit_get=True):
        raise TooMany(_("Too many addresses tried from here. Wait ten minutes."))
    return services.find_by_code(code=code)


def _visitor(request: HttpRequest) -> Actor:
    return Actor(kind="anonymous", address=address_of(request))
