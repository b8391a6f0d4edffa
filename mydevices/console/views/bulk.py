"""One action for many devices: the question before it, and how far it is."""

from typing import Final
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mydevices.accounts import rights
from mydevices.accounts.requests import actor_of, rights_of
from mydevices.accounts.rights import Right
from mydevices.actions import ACTIONS, ActionKind, Proof, rules_of
from mydevices.commands import batches
from mydevices.commands.models import Batch
from mydevices.console.access import console_page
from mydevices.console.forms import BatchForm
from mydevices.console.views.devices import wanted
from mydevices.devices import selectors as devices
from mydevices.errors import Conflict, NotFound
from mydevices.port.actions import Parameters
from mydevices.presentation import device_looks, moments, waiting_changes
from mydevices.presentation.access import freshly_signed_in, sent
from mydevices.presentation.actions import WORDS

NAMED: Final = 12
"""How many of the chosen devices a question names."""
TOLD: Final = 200
"""How many of those that were refused a page names."""
LONGEST: Final = 2000


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(Right.ASSIST)
def ask(request: HttpRequest, kind: str) -> HttpResponse:
    """Ask this of the devices that are ticked in the list, or of all that fit its filters."""
    known = next((one for one in batches.KINDS if one.value == kind), None)
    if known is None:
        raise NotFound(_("There is no such action for many devices."))
    rules = ACTIONS[known]
    rights.require(actor_of(request), rules.right)
    return (_fresh_ask if rules.proof is Proof.ALWAYS else _ask)(request, known)


def _ask(request: HttpRequest, kind: ActionKind) -> HttpResponse:
    given = request.POST if request.method == "POST" else request.GET
    query = given.get("query", "")[:LONGEST]
    ids = _chosen(given, query)
    if not ids or len(ids) > batches.MOST:
        tell = (
            _("Choose at most %(most)d devices at once: narrow the list first.") % {"most": batches.MOST}
            if ids
            else _("Choose at least one device.")
        )
        messages.warning(request, tell)
        return HttpResponseRedirect(f"{reverse('console:devices')}?{query.removeprefix('?')}", status=303)
    form = BatchForm(sent(request), number=len(ids), says=ACTIONS[kind].says, takes=ACTIONS[kind].takes)
    if request.method == "POST" and form.is_valid():
        if given.get("number") == str(len(ids)):
            return _start(request, kind, ids, form)
        # Between the question and its answer the list has changed: what was read is not what would be done.
        form.add_error(None, _("Meanwhile other devices fit: there are %(number)d now.") % {"number": len(ids)})
    return _question(request, kind, ids, form)


_fresh_ask = freshly_signed_in(_ask)


def _chosen(given: QueryDict, query: str) -> list[UUID]:
    """The devices meant, one more than may be where there are too many. What is no id is not heard."""
    if given.get("all"):
        found = wanted(QueryDict(query.removeprefix("?")))
    else:
        found = devices.all_devices().filter(id__in=list(filter(None, map(_uuid, given.getlist("id")[: batches.MOST]))))
    return list(found.order_by("id").values_list("id", flat=True)[: batches.MOST + 1])


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _start(request: HttpRequest, kind: ActionKind, ids: list[UUID], form: BatchForm) -> HttpResponse:
    values = form.cleaned_data
    said = {part: values.get(part, "") for part in ("message", "phone_number")}
    batch = batches.start(
        batch_id=_uuid(request.POST.get("batch", "")) or uuid4(),
        device_ids=ids,
        kind=kind,
        actor=actor_of(request),
        reason=values["reason"],
        parameters=Parameters(**said),
    )
    return HttpResponseRedirect(reverse("console:devices_batch", args=[batch.id]), status=303)


def _question(request: HttpRequest, kind: ActionKind, ids: list[UUID], form: BatchForm) -> HttpResponse:
    given = request.POST if request.method == "POST" else request.GET
    some = devices.all_devices().select_related("owner").filter(id__in=ids[:NAMED])
    query = given.get("query", "")[:LONGEST]
    context = {
        "title": batches.title(kind, len(ids)),
        "form": form,
        "number": len(ids),
        "batch": given.get("batch") or uuid4(),
        "ids": [] if given.get("all") else ids,
        "query": query,
        "back": f"{reverse('console:devices')}?{query.removeprefix('?')}",
        "named": [(device_looks.name_of(device), device.owner.name) for device in some],
        "others": len(ids) - min(NAMED, len(ids)),
        "undoable": ACTIONS[kind].takes,
        "about": WORDS[kind].of_many,
        "waits": batches.must_wait(actor=actor_of(request), kind=kind, device_ids=ids, now=timezone.now()),
        "goes": batches.KINDS[kind].goes,
    }
    return render(request, "console/bulk.html", context, status=400 if form.errors else 200)


@require_safe
@console_page(Right.SEE_DEVICES)
def batch(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    return render(request, "console/batch.html", _batch(request, batches.by_id(batch_id)))


@require_safe
@console_page(Right.SEE_DEVICES)
def batch_now(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    """What changes on a batch's page, asked for every second until its end."""
    return render(request, "console/_batch.html", _batch(request, batches.by_id(batch_id)))


def _batch(request: HttpRequest, one: Batch) -> dict[str, object]:
    now = timezone.now()
    tally = batches.tally(one)
    return {
        "batch": one,
        "title": batches.title(one.kind, one.number),
        "began": moments.moment(one.started_at, now),
        "ended": moments.moment(one.finished_at, now) if one.finished_at else "",
        "tally": tally,
        "over": one.number - tally.waiting,
        "refused": [(device_looks.name_of(item.device), item) for item in batches.refused(one)[:TOLD]],
        "more": max(0, tally.refused - TOLD),
        "waits": waiting_changes.of(batches.what(one.id)),
        "may_stop": bool(tally.waiting) and rules_of(one.kind).right in rights_of(request),
    }


@require_POST
@console_page(Right.ASSIST)
def stop(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    """Ask no more devices. Those that were asked stay asked; each can be called off on its page."""
    one = batches.by_id(batch_id)
    try:
        spared = batches.stop(batch=one, actor=actor_of(request))
        text = ngettext("Stopped. %(number)d device was spared.", "Stopped. %(number)d devices were spared.", spared)
        messages.success(request, text % {"number": spared})
    except Conflict as conflict:
        messages.warning(request, conflict.message)
    return HttpResponseRedirect(reverse("console:devices_batch", args=[one.id]), status=303)
