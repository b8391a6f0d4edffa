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
from mydevices.errors import Conflict, NotFound, TooMany
from mydevices.organisation import selectors as organisation
from mydevices.portal import tickets
from mydevices.portal.forms import RegisterForm
from mydevices.presentation import present
from mydevices.presentation.access import sent
from mydevices.registration import selectors, services
from mydevices.registration.models import Ticket

GUESSES: Final = {"ticket": "60/10m/ip"}
"""Short addresses opened from one place: plenty for people, nothing against 59 random bits."""


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def register(request: HttpRequest) -> HttpResponse:
    here = _here(request)
    form = RegisterForm(sent(request), here=here, organisation=organisation.current().name)
    obstacle = ""
    if request.method == "POST" and form.is_valid():
        try:
            opened = services.open_ticket(
                person=person_of(request),
                actor=actor_of(request),
                ownership=form.cleaned_data["ownership"],
                intended=form.intended(),
            )
        except Conflict as missing:
            obstacle = missing.message
        else:
            if form.is_here():
                return _see("portal:open_ticket", services.code_of(opened))
            return _see("portal:ticket", opened.id)
    context = {"form": form, "obstacle": obstacle, "tickets": _open_tickets(request), **_promise("")}
    return render(request, "portal/register.html", context, status=400 if form.errors else 200)


def _here(request: HttpRequest) -> str:
    """Which kind of Apple device this page is open on, as far as its browser says; empty for everything else."""
    user_agent = request.headers.get("User-Agent", "")
    if "iPhone" in user_agent or "iPad" in user_agent:
        return Ticket.Intended.PHONE
    return Ticket.Intended.MAC if "Macintosh" in user_agent else ""


def _see(name: str, *args: object) -> HttpResponse:
    return HttpResponseRedirect(reverse(name, args=args), status=303)


def _promise(ownership: str) -> dict[str, object]:
    """What the page says that registration makes possible."""
    return {"ownership": ownership, "may_erase_personal": settings.ENVIRONMENT.erase_personal_devices}


def _open_tickets(request: HttpRequest, here: Ticket | None = None) -> list[tickets.Shown]:
    now = timezone.now()
    return [
        tickets.shown(ticket, now, here=here is not None and ticket.id == here.id)
        for ticket in selectors.open_tickets(person_of(request), now)
    ]


@require_safe
@login_required
@never_cache
def ticket(request: HttpRequest, ticket_id: UUID) -> HttpResponse:
    found = selectors.ticket_of(person_of(request), ticket_id)
    context = {**_ticket(found), "tickets": _open_tickets(request, found), **_promise(found.ownership)}
    return render(request, "portal/register_ticket.html", context)


@require_safe
@login_required
@never_cache
def ticket_now(request: HttpRequest, ticket_id: UUID) -> HttpResponse:
    """The steps alone, asked for until the device is there."""
    return render(request, "portal/_ticket.html", _ticket(selectors.ticket_of(person_of(request), ticket_id)))


def _ticket(found: Ticket) -> dict[str, object]:
    now = timezone.now()
    code = services.code_of(found)
    link = settings.PUBLIC_URL + reverse("portal:open_ticket", args=[code])
    closed = tickets.closed(found, now)
    device = found.device
    return {
        "ticket": tickets.shown(found, now, here=True),
        "closed": closed,
        "pending": not closed and (device is None or present.is_registering(device)),
        "link": link,
        "address": link.partition("://")[2].replace(code, tickets.readable(code)),
        "device": device,
        "device_name": present.name_of(device) if device else "",
    }


@require_safe
@login_required
@never_cache
def qr(request: HttpRequest, ticket_id: UUID) -> HttpResponse:
    """The short address as a QR code, for the camera of the other device."""
    found = selectors.ticket_of(person_of(request), ticket_id)
    link = settings.PUBLIC_URL + reverse("portal:open_ticket", args=[services.code_of(found)])
    picture = io.BytesIO()
    segno.make(link, error="m", micro=False).save(
        picture, kind="svg", border=4, dark="#000", light="#fff", xmldecl=False, svgns=True, nl=False, omitsize=True
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
    return _see("portal:register")


@require_safe
@never_cache
def open_ticket(request: HttpRequest, code: str) -> HttpResponse:
    """What the other device sees, without a password: opening it spends nothing."""
    found = _by_code(request, code)
    services.note_opened(ticket=found, actor=Actor(kind="anonymous", address=address_of(request)))
    is_mac = found.intended == Ticket.Intended.MAC
    context = {
        "is_mac": is_mac,
        "person": found.person.name,
        "works_until": tickets.shown(found, timezone.now()).works_until,
        "wrong_device": _wrong_device(_here(request), is_mac=is_mac),
        "download": reverse("portal:profile", args=[code]),
        **_promise(found.ownership),
    }
    return render(request, "portal/open_ticket.html", context)


def _wrong_device(here: str, *, is_mac: bool) -> str:
    """Said where the browser is certainly not on the device: nothing Apple. An iPad may call itself a Mac."""
    if here:
        return ""
    if is_mac:
        return _("This is no Mac, as far as its browser says. Open this address on the Mac that you register.")
    return _("This is no iPhone or iPad, as far as its browser says. Open this address on the one that you register.")


@require_safe
@never_cache
def profile(request: HttpRequest, code: str) -> HttpResponse:
    """The registration profile itself. Fetched twice, it is the same profile."""
    document = services.document_for(ticket=_by_code(request, code))
    response = HttpResponse(document.content, content_type=document.content_type)
    response["Content-Disposition"] = f'attachment; filename="{document.file_name}"'
    return response


def _by_code(request: HttpRequest, code: str) -> Ticket:
    if not _count(request, dry_run=True):
        raise TooMany(_("Too many wrong addresses tried from here. Wait ten minutes."))
    try:
        return services.find_by_code(code=code)
    except NotFound:
        _count(request)
        raise


def _count(request: HttpRequest, *, dry_run: bool = False) -> bool:
    """Count a wrong address, or only ask whether there have been too many. Right ones are free: a whole office may
    register behind one address."""
    usage = consume(request, app="mydevices", action="ticket", config=GUESSES, limit_get=True, dry_run=dry_run)
    return usage is not None
