"""Where a device is: marked lost, looked for, heard, found; shared by its browser or by an app on it."""

import base64
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from mydevices.accounts.requests import actor_of, person_of
from mydevices.actions import ACTIONS, ActionKind
from mydevices.commands import capabilities
from mydevices.commands import selectors as commands_selectors
from mydevices.devices import selectors as devices
from mydevices.devices.models import Device
from mydevices.errors import Invalid, NotFound, ProtocolError, TooMany, Unsupported
from mydevices.location import selectors as location_selectors
from mydevices.location import services as location
from mydevices.organisation import selectors as organisation
from mydevices.portal.forms import PlaceForm
from mydevices.presentation import device_looks, device_status, places, timelines
from mydevices.presentation.access import go

LIVE: Final = tuple(kind for kind, rules in ACTIONS.items() if rules.is_about_loss)


@require_safe
@login_required
@never_cache
def where(request: HttpRequest, device_id: UUID) -> HttpResponse:
    device = devices.owned(person_of(request), device_id)
    return render(request, "portal/where.html", _context(request, device))


@require_safe
@login_required
@never_cache
def where_now(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """The panel alone, asked for while something is under way."""
    device = devices.owned(person_of(request), device_id)
    return render(request, "portal/_where.html", _context(request, device))


def _context(request: HttpRequest, device: Device) -> dict[str, object]:
    person, now = person_of(request), timezone.now()
    recent = commands_selectors.recent_of_each([device])[device.id]
    allowed = location_selectors.permission(device)
    found = places.places(
        location.look(device=device, actor=actor_of(request)), person, request.headers.get("user-agent", ""), now
    )
    possible = capabilities.of(device, actor_of(request))
    running = {progress.action.kind: progress for progress in recent if progress.is_open}
    return {
        "face": device_status.face(
            device, device_status.telling(recent), organisation=organisation.current().name, now=now
        ),
        "device": device,
        "trail": found,
        "newest": found[0] if found else None,
        "allowed": allowed,
        "shares": location_selectors.shares(person.id),
        "is_lost": device.is_lost,
        "said": commands_selectors.said_when_lost(device),
        "footnote": "" if device.is_personal else organisation.current().name,
        "can": {kind.value: possible[kind].possible and kind not in running for kind in LIVE if kind in possible},
        "refusal": possible[ActionKind.LOST].reason if ActionKind.LOST in possible else "",
        "timelines": [
            timelines.timeline(device, progress, person, now) for kind, progress in running.items() if kind in LIVE
        ],
        "pending": any(kind in LIVE for kind in running),
        "reporter": location_selectors.reporter_of(device),
        "token": request.session.pop(f"reporter-{device.id}", ""),
        "address": f"{settings.PUBLIC_URL}{reverse('portal:owntracks')}",
        "tiles": settings.ENVIRONMENT.map_tiles,
        "attribution": settings.ENVIRONMENT.map_attribution,
    }


@require_POST
@login_required
def share(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """What the browser said when its reader let it."""
    device = devices.owned(person_of(request), device_id)
    form = PlaceForm(request.POST)
    if not form.is_valid():
        messages.warning(request, _("The browser did not say where it is. Try again."))
        return _to(request, device)
    try:
        location.share(device=device, actor=actor_of(request), **form.cleaned_data)
    except (Invalid, Unsupported, TooMany) as refusal:
        messages.warning(request, refusal.message)
    else:
        messages.success(request, _("The position of %(name)s is kept.") % {"name": device_looks.name_of(device)})
    return _to(request, device)


@require_POST
@login_required
def make_reporter(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """Shown once, on the page that follows."""
    device = devices.owned(person_of(request), device_id)
    try:
        request.session[f"reporter-{device.id}"] = location.make_reporter(device=device, actor=actor_of(request))
    except Unsupported as refusal:
        messages.warning(request, refusal.message)
    return _to(request, device)


@require_POST
@login_required
def resume_reporter(request: HttpRequest, device_id: UUID) -> HttpResponse:
    device = devices.owned(person_of(request), device_id)
    try:
        if location.resume_reporter(device=device, actor=actor_of(request)):
            messages.success(
                request, _("The app can report where %(name)s is again.") % {"name": device_looks.name_of(device)}
            )
    except Unsupported as refusal:
        messages.warning(request, refusal.message)
    return _to(request, device)


@require_POST
@login_required
def remove_reporter(request: HttpRequest, device_id: UUID) -> HttpResponse:
    device = devices.owned(person_of(request), device_id)
    if location.remove_reporter(device=device, actor=actor_of(request)):
        messages.success(
            request, _("The app can no longer report where %(name)s is.") % {"name": device_looks.name_of(device)}
        )
    return _to(request, device)


@require_POST
@login_required
def choose(request: HttpRequest) -> HttpResponse:
    """A person's own switch. Back to the device from whose page they came, else to their account."""
    person, shares = person_of(request), request.POST.get("shares") == "yes"
    location.choose(person=person, actor=actor_of(request), shares=shares)
    messages.success(
        request,
        _("Your devices may say where they are.")
        if shares
        else _("Your devices no longer say where they are. What was kept is deleted."),
    )
    try:
        device = devices.owned(person, UUID(request.POST.get("device", "")))
    except (ValueError, NotFound):
        return go(request, reverse("portal:account"))
    return _to(request, device)


def _to(request: HttpRequest, device: Device) -> HttpResponse:
    return go(request, reverse("portal:where", args=[device.id]))


@csrf_exempt
@require_POST
@never_cache
def owntracks(request: HttpRequest) -> HttpResponse:
    """Where OwnTracks posts (owntracks.org/booklet/tech/http): the password is a device's token, the name is of no
    account. An empty list says that there is nothing for the app. Answers are short sentences, for its log."""
    if request.content_type == "multipart/form-data":
        # The body is a form, which has been read as such; as a whole it is gone.
        return JsonResponse({"error": _("Send the position as JSON.")}, status=415)
    token = _password(request.headers.get("authorization", ""))
    if not token:
        return HttpResponse(status=401, headers={"WWW-Authenticate": 'Basic realm="MyDevices"'})
    try:
        location.report(token=token, body=request.body)
    except NotFound as wrong:
        return JsonResponse({"error": wrong.message}, status=403)
    except Unsupported as refusal:
        return JsonResponse({"error": refusal.message}, status=403)
    except TooMany as too_many:
        return JsonResponse({"error": too_many.message}, status=429)
    except ProtocolError as unreadable:
        return JsonResponse({"error": unreadable.message}, status=400)
    return JsonResponse([], safe=False)


def _password(header: str) -> str:
    """Of HTTP's Basic authentication (RFC 7617); empty where there is none."""
    scheme, _space, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except ValueError:  # not Base64, or not UTF-8
        return ""
