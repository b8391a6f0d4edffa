"""Wipes beyond the limits: the decision on one that waits (`approvals` has the list)."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from mydevices.accounts.requests import actor_of
from mydevices.accounts.rights import Right
from mydevices.actions import ActionKind
from mydevices.audit import selectors as audit
from mydevices.commands import wipes
from mydevices.commands.models import Action
from mydevices.console.access import console_page
from mydevices.console.forms import DecisionForm
from mydevices.devices.models import Device
from mydevices.errors import Conflict
from mydevices.organisation import selectors as organisation
from mydevices.port.platform import platform_of
from mydevices.presentation import device_looks, device_status, moments
from mydevices.presentation.access import sent


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(Right.MANAGE_DEVICES)
def decide(request: HttpRequest, action_id: UUID) -> HttpResponse:
    """Let one go, or refuse it, with the reason that whoever asked reads."""
    action, back = wipes.one(action_id), reverse("console:approvals")
    if not wipes.is_waiting(action):
        messages.info(request, _("This wipe has been decided on or called off."))
        return HttpResponseRedirect(back, status=303)
    form = DecisionForm(sent(request))
    if request.method == "POST" and form.is_valid():
        _decide(request, action, form.cleaned_data["decision"], form.cleaned_data["reason"])
        return HttpResponseRedirect(back, status=303)
    device, now = action.device, timezone.now()
    context = {
        "action": action,
        "device": device,
        "name": device_looks.name_of(device),
        "whose": device_looks.whose(device, organisation.current().name),
        "line": device_looks.line_of(device),
        "asked": moments.ago(action.requested_at, now),
        "why": device_status.beyond(action.limit),
        "reason": audit.reasons_of({action.id: action.device_id}).get(action.id, ""),
        "fates": platform_of(device).fates(device, ActionKind.WIPE),
        "form": form,
        "why_not": wipes.obstacle(action, actor_of(request), now),
    }
    return render(request, "console/wipe_decide.html", context, status=400 if form.errors else 200)


def _decide(request: HttpRequest, action: Action, decision: str, reason: str) -> None:
    words = {"device": _named(action.device)}
    try:
        if decision == "approve":
            wipes.approve(action=action, actor=actor_of(request), reason=reason)
            messages.success(request, _("%(device)s is wiped as soon as its undo window is over.") % words)
        else:
            wipes.refuse(action=action, actor=actor_of(request), reason=reason)
            messages.success(request, _("The wipe of %(device)s is refused. Nothing was sent to it.") % words)
    except Conflict as conflict:
        messages.warning(request, conflict.message)


def _named(device: Device) -> str:
    return device_looks.name_of(device)
