"""What a person asks of a device: a form where something is to be read or said first, and one verb behind them all."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from mydevices.accounts import limited
from mydevices.accounts.requests import actor_of, person_of
from mydevices.actions import ACTIONS, ActionKind, Proof, Says
from mydevices.commands import asking as commands_asking
from mydevices.commands import capabilities, limits
from mydevices.commands import pins as commands_pins
from mydevices.commands import selectors as commands_selectors
from mydevices.devices import selectors as devices
from mydevices.devices.models import Device
from mydevices.errors import Conflict, ForbiddenByPolicy, Unsupported
from mydevices.location import selectors as location
from mydevices.organisation import selectors as organisation
from mydevices.policies import helpdesk
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.port.actions import Parameters
from mydevices.port.platform import platform_of
from mydevices.portal.forms import LockForm, LostForm, TypedNameForm
from mydevices.presentation import device_facts, device_looks, device_status, losing, unconfirmed_devices
from mydevices.presentation.access import freshly_signed_in, go, in_dialog, sent
from mydevices.presentation.actions import WORDS, Dialog
from mydevices.registration import confirmations

READ_AND_WRITE = require_http_methods(["GET", "HEAD", "POST"])


def asking(kind: ActionKind) -> Callable[[HttpRequest, UUID], HttpResponse]:
    """The page of an action: its question, or for one that is asked at once no more than its form's answer. What its
    rows (`actions`, `presentation.actions`) say is all that it goes by."""
    guarded = freshly_signed_in if ACTIONS[kind].proof is Proof.ALWAYS else login_required

    def at_once(request: HttpRequest, device_id: UUID) -> HttpResponse:
        device = _device(request, device_id)
        _ask(request, device, kind)
        return go(request, _after(request, device, kind))

    def question(request: HttpRequest, device_id: UUID) -> HttpResponse:
        device = _device(request, device_id)
        form = _form(request, device, kind)
        if request.method != "POST" or not form.is_valid():
            return _question(request, device, kind, form)
        _ask(request, device, kind, _said(kind, form))
        return go(request, _after(request, device, kind))

    if WORDS[kind].dialog is None:
        return require_POST(guarded(at_once))
    return READ_AND_WRITE(guarded(never_cache(question)))


def _form(request: HttpRequest, device: Device, kind: ActionKind) -> Form:
    rules = ACTIONS[kind]
    if rules.typed:
        return TypedNameForm(sent(request), expected=device_looks.name_of(device))
    if rules.says is Says.NOTHING:
        return Form(sent(request))
    policy = policies.of_device(device, SelfServiceRules).values
    begins = {"message": policy.lock_message, "phone_number": policy.lock_phone}
    return (LostForm if rules.says is Says.SOMETHING else LockForm)(sent(request), initial=begins)


def _said(kind: ActionKind, form: Form) -> Parameters:
    return Parameters() if ACTIONS[kind].says is Says.NOTHING else Parameters(**form.cleaned_data)


def _after(request: HttpRequest, device: Device, kind: ActionKind) -> str:
    """Where it leads: what is about a lost device, to where that is looked for."""
    if ACTIONS[kind].is_about_loss and not (WORDS[kind].dialog and _by_guide(request)):
        return reverse("portal:where", args=[device.id])
    return _back(request, device)


@READ_AND_WRITE
@freshly_signed_in
@never_cache
def confirm(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """Its owner says that it is theirs: private keys may go to it."""
    device = _device(request, device_id)
    now = timezone.now()
    if request.method == "POST":
        try:
            confirmations.confirm(device=device, actor=actor_of(request), now=now)
            messages.success(request, _("Confirmed. It gets your private keys as soon as it answers."))
        except Conflict as conflict:
            messages.warning(request, conflict.message)
        return _to(request, device)
    unconfirmed = unconfirmed_devices.unconfirmed(device, now)
    if unconfirmed is None:
        messages.warning(request, _("This device doesn’t wait to be confirmed."))
        return _to(request, device)
    return _render(request, "portal/confirm_device.html", device, {"form": Form(), "unconfirmed": unconfirmed})


@require_POST
@login_required
def cancel(request: HttpRequest, device_id: UUID, action_id: UUID) -> HttpResponse:
    device = _device(request, device_id)
    action = commands_selectors.action_of(device, action_id)
    try:
        untouched = commands_asking.cancel(action=action, actor=actor_of(request))
        words = {"name": device_looks.name_of(device)}
        nothing, rest = _("Called off. Nothing was sent to %(name)s."), _("What had not been sent was called off.")
        messages.success(request, nothing % words if untouched else rest)
    except Conflict as conflict:
        messages.warning(request, conflict.message)
    return _to(request, device)


@READ_AND_WRITE
@freshly_signed_in
@never_cache
def pins(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """Nothing is revealed until the button is pressed, for a page may be opened by looking."""
    device = _device(request, device_id)
    now = timezone.now()
    shown = None
    if request.method == "POST":
        shown = [
            device_facts.pin(pin, now) for pin in commands_pins.reveal_pins(device=device, actor=actor_of(request))
        ]
    return _render(request, "portal/pins.html", device, {"pins": shown})


def _device(request: HttpRequest, device_id: UUID) -> Device:
    return devices.owned(person_of(request), device_id)


def _ask(request: HttpRequest, device: Device, kind: ActionKind, parameters: Parameters | None = None) -> None:
    """A refusal is told on the page that follows."""
    try:
        commands_asking.enqueue(device=device, kind=kind, actor=actor_of(request), parameters=parameters)
    except (Conflict, ForbiddenByPolicy, Unsupported) as refusal:
        messages.warning(request, refusal.message)


def _to(request: HttpRequest, device: Device) -> HttpResponse:
    return go(request, _back(request, device))


def _by_guide(request: HttpRequest) -> bool:
    """Whether it was asked from the steps for a lost device, as always by who may do no more."""
    return losing.GUIDE in request.GET or limited.until_of(request) is not None


def _back(request: HttpRequest, device: Device) -> str:
    """Where the question was asked: on the device's page, or among the steps for a lost one."""
    if _by_guide(request):
        return losing.guide(device)
    return reverse("portal:device", args=[device.id])


def _question(request: HttpRequest, device: Device, kind: ActionKind, form: Form) -> HttpResponse:
    capability = capabilities.of(device, actor_of(request))[kind]
    if not capability.possible:
        messages.warning(request, capability.reason)
        return _to(request, device)
    rules, words = ACTIONS[kind], WORDS[kind]
    limit = limits.exceeded(device=device, actor=actor_of(request), now=timezone.now()) if rules.counted else None
    allowed = location.permission(device) if rules.marks_lost else None
    context = {
        "explanation": capability.explanation,
        "form": form,
        "words": words,
        "fates": platform_of(device).fates(device, kind) if rules.takes else None,
        "undo_seconds": commands_asking.undo_seconds(device),
        "waits": device_status.beyond(limit) if limit else "",
        "collects": allowed is not None and allowed.may_collect,
        "not_collected": allowed.reason if allowed else "",
    }
    template = words.dialog.template if words.dialog else Dialog().template
    return _render(request, template, device, context, status=400 if form.errors else 200)


def _render(
    request: HttpRequest, template: str, device: Device, context: dict[str, object], status: int = 200
) -> HttpResponse:
    """A page of its own, or the same question as the content of a dialog."""
    dialog = in_dialog(request)
    telling = device_status.telling(commands_selectors.recent_of_each([device])[device.id])
    name = organisation.current().name
    common = {
        "layout": "parts/dialog.html" if dialog else "base.html",
        "dialog": dialog,
        "face": device_status.face(device, telling, organisation=name, now=timezone.now()),
        "helpdesk": helpdesk.of(policies.of_device(device, SelfServiceRules).values),
        "back": _back(request, device),
    }
    headers = {"Vary": "X-Dialog"} | ({"X-Dialog": "1"} if dialog else {})
    response = render(request, template, {**common, **context}, status=status)
    for header, value in headers.items():
        response[header] = value
    return response
