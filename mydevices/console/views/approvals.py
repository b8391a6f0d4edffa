"""What waits for another administrator: changes, and wipes beyond the limits; and the decision on a change."""

from typing import Final
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from mydevices.accounts import approval_decisions, approvals, rights
from mydevices.accounts.models import Approval
from mydevices.accounts.requests import actor_of, person_of, rights_of
from mydevices.accounts.rights import Right
from mydevices.audit import selectors as audit
from mydevices.commands import limits, wipes
from mydevices.console.access import console_page
from mydevices.console.forms import ApprovalForm
from mydevices.errors import Conflict, Invalid
from mydevices.presentation import device_looks, device_status, moments, waiting_changes
from mydevices.presentation.access import sent

SHOWN: Final = 200


@require_safe
@console_page(Right.SEE_DEVICES)
def index(request: HttpRequest) -> HttpResponse:
    """Changes first, what ends soonest at the top; then wipes, the oldest first. So many at most, for whoever decides
    goes through them one by one."""
    now, may, me = timezone.now(), rights_of(request), str(person_of(request).id)
    found, visible = list(limits.waiting()[: SHOWN + 1]), list(_visible(request)[: SHOWN + 1])
    reasons = audit.reasons_of({action.id: action.device_id for action in found})
    context = {
        "changes": [
            {
                "one": waiting_changes.shown(approval, now),
                "is_own": approval.asker_id == me,
                "may_decide": approvals.MATTERS[approval.kind].right in may,
            }
            for approval in visible[:SHOWN]
        ],
        "rows": [
            {
                "action": action,
                "name": device_looks.name_of(action.device),
                "line": device_looks.line_of(action.device),
                "asked": moments.ago(action.requested_at, now),
                "why": device_status.beyond(action.limit),
                "reason": reasons.get(action.id, ""),
                "is_own": action.actor_id == str(action.device.owner_id),
            }
            for action in found[:SHOWN]
        ],
        "more_changes": len(visible) > SHOWN,
        "more": len(found) > SHOWN,
        "may": may,
        "may_decide": Right.MANAGE_DEVICES in may,
        "days": wipes.GOOD_FOR.days,
    }
    return render(request, "console/approvals.html", context)


def _visible(request: HttpRequest) -> QuerySet[Approval]:
    """Everything to those who see settings, to others what they asked for."""
    found = approvals.waiting()
    if Right.SEE_SETTINGS not in rights_of(request):
        found = found.filter(asker_id=str(person_of(request).id))
    return found


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(Right.SEE_DEVICES)
def one(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """A change, what would come of it, and the buttons that allow or stop it. Stopping asks for no fresh proof."""
    approval, actor, now = approvals.by_id(approval_id), actor_of(request), timezone.now()
    is_own, right = approval.asker_id == actor.id, approvals.MATTERS[approval.kind].right
    if not is_own:
        rights.require(actor, right if request.method == "POST" else Right.SEE_SETTINGS)
    form = ApprovalForm(sent(request))
    if request.method == "POST" and form.is_valid() and _decided(request, approval, form):
        return HttpResponseRedirect(reverse("console:approvals"), status=303)
    may_decide = right in rights_of(request)
    waits = approval.state == Approval.State.WAITING
    context = {
        "one": waiting_changes.shown(approval, now),
        "waits": waits,
        "decided": moments.moment(approval.decided_at, now) if approval.decided_at else "",
        "is_own": is_own,
        "may_stop": waits and (may_decide or is_own),
        "may_approve": waits and may_decide,
        "why_not": approval_decisions.obstacle(actor=actor, right=right, asker_id=approval.asker_id, now=now)
        if waits and may_decide
        else "",
        "form": form,
    }
    return render(request, "console/approval.html", context, status=400 if form.errors else 200)


def _decided(request: HttpRequest, approval: Approval, form: ApprovalForm) -> bool:
    """Whether it was decided on; what is refused stands in the form."""
    actor, reason = actor_of(request), form.cleaned_data["reason"]
    words = {"change": approvals.title(approval)}
    try:
        if form.cleaned_data["decision"] == "stop":
            approval_decisions.stop(approval_id=approval.id, actor=actor, reason=reason)
            messages.success(request, _("Stopped: %(change)s. Nothing has changed.") % words)
        else:
            done = approval_decisions.approve(approval_id=approval.id, actor=actor, reason=reason)
            if done.state == Approval.State.DONE:
                messages.success(request, _("Allowed: %(change)s. It has taken effect.") % words)
            else:
                messages.warning(request, _("It can no longer be done: %(why)s") % {"why": done.reason})
    except Invalid as refusal:
        form.add_error("reason", refusal.message)
        return False
    except Conflict as conflict:
        messages.warning(request, conflict.message)
    return True
