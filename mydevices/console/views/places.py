"""Where somebody's device is: for those who assist people, with a reason that its owner reads."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mydevices.accounts.requests import actor_of, person_of
from mydevices.accounts.rights import Right
from mydevices.actions import ActionKind
from mydevices.commands import asking, capabilities
from mydevices.commands import selectors as commands_selectors
from mydevices.console.access import console_page
from mydevices.console.forms import ReasonForm
from mydevices.devices import selectors as devices
from mydevices.devices.models import Device
from mydevices.errors import Conflict, ForbiddenByPolicy, NotAllowed, Unsupported
from mydevices.location import selectors as location_selectors
from mydevices.location import services as location
from mydevices.organisation import selectors as organisation
from mydevices.presentation import device_looks, device_status, places, timelines
from mydevices.presentation.access import sent

LASTS: Final = timedelta(minutes=15)
"""How long a reason stands: whoever looks again later says again why."""


@dataclass(frozen=True, slots=True)
class _Looking:
    """That somebody has said why they look; `told` once the owner has been told."""

    reason: str
    told: bool


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(Right.ASSIST)
def where(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """First the reason, then the map."""
    device, now = devices.by_id(device_id), timezone.now()
    refusal = ""
    try:
        location.require_looker(device=device, actor=actor_of(request))
    except NotAllowed as forbidden:
        refusal = forbidden.message
    form = ReasonForm(sent(request))
    if request.method == "POST" and not refusal and form.is_valid():
        request.session[_key(device)] = {"reason": form.cleaned_data["reason"], "at": now.timestamp(), "told": False}
        return HttpResponseRedirect(_address(device), status=303)
    looking = None if refusal or request.method == "POST" else _looking(request, device, now)
    if looking is not None:
        return render(request, "console/where.html", _context(request, device, looking, now))
    context = {"device": device, "name": device_looks.name_of(device), "form": form, "refusal": refusal}
    status = 403 if refusal and request.method == "POST" else 400 if form.errors else 200
    return render(request, "console/where_ask.html", context, status=status)


@require_safe
@console_page(Right.ASSIST)
def where_now(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """The panel alone, asked for while something is under way. Nothing for whoever has not said why."""
    device, now = devices.by_id(device_id), timezone.now()
    looking = _looking(request, device, now)
    if looking is None:
        return HttpResponse(status=204)
    return render(request, "console/_where.html", _context(request, device, looking, now))


@require_POST
@console_page(Right.ASSIST)
def locate(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """Ask a lost device where it is, for the reason that was given."""
    device = devices.by_id(device_id)
    looking = _looking(request, device, timezone.now())
    if looking is None:
        refusal = capabilities.of(device, actor_of(request))[ActionKind.LOCATE].reason
        if refusal:
            messages.warning(request, refusal)
    else:
        try:
            asking.enqueue(device=device, kind=ActionKind.LOCATE, actor=actor_of(request), reason=looking.reason)
        except (Conflict, ForbiddenByPolicy, Unsupported) as refused:
            messages.warning(request, refused.message)
    return HttpResponseRedirect(_address(device), status=303)


def _key(device: Device) -> str:
    return f"looking-{device.id}"


def _address(device: Device) -> str:
    return reverse("console:devices_where", args=[device.id])


def _looking(request: HttpRequest, device: Device, now: datetime) -> _Looking | None:
    kept = request.session.get(_key(device))
    if not kept or now.timestamp() - kept["at"] > LASTS.total_seconds():
        return None
    return _Looking(kept["reason"], kept["told"])


def _context(request: HttpRequest, device: Device, looking: _Looking, now: datetime) -> dict[str, object]:
    viewer, actor = person_of(request), actor_of(request)
    sightings = location.look(device=device, actor=actor, reason=looking.reason, again=looking.told, now=now)
    if sightings and not looking.told:
        request.session[_key(device)] = {**request.session[_key(device)], "told": True}
    found = places.places(sightings, viewer, request.headers.get("user-agent", ""), now)
    recent = commands_selectors.recent_of_each([device])[device.id]
    asked = next((each for each in recent if each.is_open and each.action.kind == ActionKind.LOCATE), None)
    capability = capabilities.of(device, actor)[ActionKind.LOCATE]
    return {
        "face": device_status.face(
            device, device_status.telling(recent), organisation=organisation.current().name, now=now
        ),
        "device": device,
        "trail": found,
        "newest": found[0] if found else None,
        "allowed": location_selectors.permission(device),
        "reason": looking.reason,
        "refusal": capability.reason,
        "timeline": timelines.timeline(device, asked, viewer, now) if asked else None,
        "pending": asked is not None,
        "tiles": settings.ENVIRONMENT.map_tiles,
        "attribution": settings.ENVIRONMENT.map_attribution,
    }
