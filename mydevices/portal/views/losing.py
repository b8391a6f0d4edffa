"""“I lost a device”: which one, and then what to do, one step after the other; and the way there for somebody whose
second factor is what they lost."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from mydevices.accounts import limited
from mydevices.accounts import selectors as accounts
from mydevices.accounts.requests import actor_of, person_of
from mydevices.actions import ActionKind
from mydevices.commands import capabilities
from mydevices.commands import selectors as commands
from mydevices.devices import selectors as devices
from mydevices.devices.models import Device
from mydevices.location import selectors as location
from mydevices.organisation import selectors as organisation
from mydevices.policies import helpdesk
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.presentation import device_looks, device_status, losing, moments

FOLLOWED = (ActionKind.LOST, ActionKind.LOCK, ActionKind.LOCATE, ActionKind.WIPE, ActionKind.FOUND)
"""What the steps wait for."""


@require_safe
@login_required
@never_cache
def which(request: HttpRequest) -> HttpResponse:
    """A person's devices that are managed, those that are lost already first."""
    person, now = person_of(request), timezone.now()
    owned = [one for one in devices.owned_by(person) if one.registration and not one.registration.has_ended]
    recent = commands.recent_of_each(owned)
    name = organisation.current().name
    rows = [
        {
            "face": device_status.face(device, device_status.telling(recent[device.id]), organisation=name, now=now),
            "seen": moments.ago(device.registration.last_seen_at or device.registration.started_at, now)
            if device.registration
            else "",
            "url": losing.guide(device),
        }
        for device in sorted(owned, key=lambda one: not one.is_lost)
    ]
    return render(request, "portal/lost_devices.html", {"rows": rows, "example": device_looks.example()})


@require_safe
@login_required
@never_cache
def steps(request: HttpRequest, device_id: UUID) -> HttpResponse:
    return render(request, "portal/lost_device.html", _steps(request, devices.owned(person_of(request), device_id)))


@require_safe
@login_required
@never_cache
def steps_now(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """The steps alone, asked for while something is under way."""
    return render(request, "portal/_lost_device.html", _steps(request, devices.owned(person_of(request), device_id)))


@require_safe
@never_cache
def signed_out(request: HttpRequest) -> HttpResponse:
    """The way there for who is not signed in. The same for everybody: it knows nobody yet."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(reverse("portal:lost_devices"), status=303)
    minutes = int(limited.LASTS.total_seconds() // 60)
    context = {"offered": accounts.sign_in_rules().limited_sign_in, "minutes": minutes}
    return render(request, "account/lost.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def sign_in(request: HttpRequest) -> HttpResponse:
    """In place of the second step: what the password alone opens, and for how long. A refusal says whom to ask."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(reverse("portal:lost_devices"), status=303)
    found = limited.waiting(request)
    if found is None:
        return HttpResponseRedirect(f"{reverse('account_login')}?next={reverse('portal:lost_devices')}", status=303)
    if request.method == "POST" and not found.refusal:
        limited.begin(request)
        return HttpResponseRedirect(reverse("portal:lost_devices"), status=303)
    context = {
        "refusal": found.refusal,
        "minutes": int(limited.LASTS.total_seconds() // 60),
        "helpdesk": helpdesk.of_person(found.person),
    }
    status = 403 if found.refusal and request.method == "POST" else 200
    return render(request, "account/lost_factor.html", context, status=status)


def _steps(request: HttpRequest, device: Device) -> dict[str, object]:
    now = timezone.now()
    recent = commands.recent_of_each([device])[device.id]
    possible = capabilities.of(device, actor_of(request))
    known = losing.Known(
        device=device,
        recent=recent,
        possible=possible,
        permission=location.permission(device),
        position_at=location.latest_at(device),
        now=now,
    )
    secure, where, wipe = losing.steps(known)
    registration = device.registration
    seen = (registration.last_seen_at or registration.started_at) if registration else None
    return {
        "face": device_status.face(
            device, device_status.telling(recent), organisation=organisation.current().name, now=now
        ),
        "seen": moments.ago(seen, now) if seen else "",
        "secure": secure,
        "where": where,
        "wipe": wipe,
        "next": next((step.key for step in (secure, where) if step.state == "now"), "helpdesk"),
        "helpdesk": helpdesk.of(policies.of_device(device, SelfServiceRules).values),
        "may_be_found": device.is_lost and known.can(ActionKind.FOUND),
        "pending": any(progress.is_open and progress.action.kind in FOLLOWED for progress in recent),
    }
