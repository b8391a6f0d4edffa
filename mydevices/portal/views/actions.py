"""What a person asks of a device: a form where something is to be read or said first, and one verb behind all of them."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from mydevices.accounts.requests import actor_of, person_of
from mydevices.commands import capabilities
from mydevices.commands import selectors as commands_selectors
from mydevices.commands import services as commands
from mydevices.devices import selectors as devices
from mydevices.devices.models import Device
from mydevices.errors import Conflict, Unsupported
from mydevices.organisation import selectors as organisation
from mydevices.platforms import port
from mydevices.platforms.port import ActionKind, Parameters
from mydevices.portal import present
from mydevices.portal.access import freshly_signed_in
from mydevices.portal.forms import LockForm, TypedNameForm

READ_AND_WRITE = require_http_methods(["GET", "HEAD", "POST"])


@require_POST
@login_required
def check_in(request: HttpRequest, device_id: UUID) -> HttpResponse:
    return _ask(request, _device(request, device_id), ActionKind.CHECK_IN)


@READ_AND_WRITE
@login_required
@never_cache
def lock(request: HttpRequest, device_id: UUID) -> HttpResponse:
    device = _device(request, device_id)
    form = LockForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _ask(request, device, ActionKind.LOCK, Parameters(**form.cleaned_data))
    return _form(request, device, ActionKind.LOCK, form)


@READ_AND_WRITE
@freshly_signed_in
@never_cache
def unlock(request: HttpRequest, device_id: UUID) -> HttpResponse:
    device = _device(request, device_id)
    if request.method == "POST":
        return _ask(request, device, ActionKind.UNLOCK)
    return _form(request, device, ActionKind.UNLOCK, Form())


@READ_AND_WRITE
@freshly_signed_in
@never_cache
def wipe(request: HttpRequest, device_id: UUID) -> HttpResponse:
    device = _device(request, device_id)
    form = TypedNameForm(request.POST or None, expected=present.title(device))
    if request.method == "POST" and form.is_valid():
        return _ask(request, device, ActionKind.WIPE)
    return _form(request, device, ActionKind.WIPE, form)


@READ_AND_WRITE
@freshly_signed_in
@never_cache
def retire(request: HttpRequest, device_id: UUID) -> HttpResponse:
    device = _device(request, device_id)
    if request.method == "POST":
        return _ask(request, device, ActionKind.RETIRE)
    return _form(request, device, ActionKind.RETIRE, Form())


@require_POST
@login_required
def cancel(request: HttpRequest, device_id: UUID, action_id: UUID) -> HttpResponse:
    device = _device(request, device_id)
    action = commands_selectors.action_of(device, action_id)
    try:
        commands.cancel(action=action, actor=actor_of(request))
        messages.success(request, _("Called off. Nothing was sent to %(name)s.") % {"name": present.title(device)})
    except Conflict as conflict:
        messages.warning(request, conflict.message)
    return _to(device)


@READ_AND_WRITE
@freshly_signed_in
@never_cache
def pins(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """Nothing is revealed until the button is pressed, for a page may be opened by looking."""
    device = _device(request, device_id)
    revealed = commands.reveal_pins(device=device, actor=actor_of(request)) if request.method == "POST" else None
    return render(
        request,
        "portal/pins.html",
        {"device": device, "title": present.title(device), "noun": present.noun(device), "pins": revealed},
    )


def _device(request: HttpRequest, device_id: UUID) -> Device:
    return devices.owned(person_of(request), device_id)


def _ask(request: HttpRequest, device: Device, kind: ActionKind, parameters: Parameters | None = None) -> HttpResponse:
    try:
        commands.enqueue(device=device, kind=kind, actor=actor_of(request), parameters=parameters)
    except (Conflict, Unsupported) as refusal:
        messages.warning(request, refusal.message)
    return _to(device)


def _to(device: Device) -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:device", args=[device.id]), status=303)


def _form(request: HttpRequest, device: Device, kind: ActionKind, form: Form) -> HttpResponse:
    capability = capabilities.of(device)[kind]
    takes = kind in {ActionKind.WIPE, ActionKind.RETIRE}
    context = {
        "device": device,
        "title": present.title(device),
        "subtitle": present.subtitle(device),
        "belongs": present.belongs_to(device, organisation.current().name),
        "appearance": present.appearance(device),
        "noun": present.noun(device),
        "capability": capability,
        "form": form,
        "fates": port.adapter_for(device.platform).fates(device, kind) if takes and capability.possible else None,
        "undo_seconds": commands.undo_seconds(),
    }
    status = 400 if form.errors else 200
    return render(request, f"portal/{kind}.html", context, status=status)
