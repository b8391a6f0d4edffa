"""Policies: their order, what they say, whom they reach, and who gets what."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mydevices.accounts import approvals, rights
from mydevices.accounts import selectors as accounts
from mydevices.accounts.models import Person
from mydevices.accounts.requests import actor_of, rights_of
from mydevices.accounts.rights import Right
from mydevices.console.access import console_page
from mydevices.console.policy_forms import FORMS, AssignmentForm, beginning
from mydevices.devices import assignment
from mydevices.errors import Conflict, Invalid, NotFound
from mydevices.policies import selectors, services
from mydevices.policies.kinds import KINDS
from mydevices.policies.kinds.kind import Kind
from mydevices.policies.models import Policy
from mydevices.policies.services import Direction
from mydevices.presentation import waiting_changes
from mydevices.presentation.access import sent

FOUND = 20
"""How many people a search shows."""

READ_AND_WRITE = require_http_methods(["GET", "HEAD", "POST"])


def _see(name: str, *args: object) -> HttpResponse:
    return HttpResponseRedirect(reverse(name, args=args), status=303)


def _kind(name: str) -> type[Kind]:
    if name not in KINDS:
        raise NotFound(_("There is no such kind of policy."))
    return KINDS[name]


@require_safe
@console_page(Right.SEE_SETTINGS)
def index(request: HttpRequest) -> HttpResponse:
    waits = waiting_changes.things(approvals.waiting())
    kinds = [
        {
            "name": kind.name(),
            "title": kind.title(),
            "rows": [
                {
                    "policy": policy,
                    "whom": assignment.in_words(policy),
                    "people": assignment.people(policy.assignment).count(),
                    "waits": services.what(policy.id) in waits,
                }
                for policy in selectors.of_kind(kind).prefetch_related("groups")
            ],
            "default": kind().summary(),
        }
        for kind in KINDS.values()
    ]
    return render(request, "console/policies.html", {"kinds": kinds, "may_change": _may_change(request)})


def _row(policy: Policy) -> dict[str, object]:
    return {"policy": policy, "whom": assignment.in_words(policy), "reach": assignment.reach(policy.assignment)}


def _may_change(request: HttpRequest) -> bool:
    return Right.MANAGE_POLICIES in rights_of(request)


@READ_AND_WRITE
@console_page(Right.MANAGE_POLICIES)
def new(request: HttpRequest, kind: str) -> HttpResponse:
    return _edit(request, _kind(kind), None)


@READ_AND_WRITE
@console_page(Right.SEE_SETTINGS)
def policy(request: HttpRequest, policy_id: UUID) -> HttpResponse:
    """A policy to change, for those who may; in words for everybody else."""
    found = selectors.by_id(policy_id)
    kind = _kind(found.kind)
    if request.method == "POST":
        rights.require(actor_of(request), Right.MANAGE_POLICIES)  # before anything is said of what was sent
    if not _may_change(request):
        context = {"kind": kind.title(), "lines": kind.read(found.values).summary(), **_row(found)}
        return render(request, "console/policy_read.html", context)
    return _edit(request, kind, found)


def _edit(request: HttpRequest, kind: type[Kind], found: Policy | None) -> HttpResponse:
    values = kind.read(found.values) if found is not None else kind()
    whom = found.assignment if found is not None else assignment.EVERYONE
    about = {"name": found.name, "enabled": found.enabled} if found is not None else {}
    form = FORMS[kind.name()](sent(request), initial={**beginning(values), **about})
    to = AssignmentForm(sent(request), of_devices=kind.is_of_devices(), initial=AssignmentForm.of(whom))
    reach = assignment.reach(whom)
    if request.method == "POST" and to.is_valid():
        reach = assignment.reach(to.assignment())
        # Both are asked, so that the form shows everything that is wrong at once.
        if "count" not in request.POST and form.is_valid():
            given = {
                "name": form.cleaned_data["name"],
                "enabled": form.cleaned_data["enabled"],
                "values": form.values(),
                "assignment": to.assignment(),
            }
            try:
                if found is None:
                    saved = services.create(actor=actor_of(request), **given)
                else:
                    saved = services.change(actor=actor_of(request), policy=found, **given)
            except Conflict as taken:
                form.add_error("name", taken.message)
            except Invalid as refusal:
                form.add_error(None, refusal.message)
            else:
                messages.success(request, _("“%(name)s” is saved.") % {"name": saved.name})
                return _see("console:policies")
    counted = request.method == "POST" and "count" in request.POST
    context = {
        "form": form,
        "to": to,
        "reach": reach,
        "policy": found,
        "waits": waiting_changes.of(services.what(found.id)) if found is not None else [],
        "kind": kind,
        "kind_title": kind.title(),
        "counted": counted,
    }
    failed = request.method == "POST" and not counted
    return render(request, "console/policy.html", context, status=400 if failed else 200)


@require_POST
@console_page(Right.MANAGE_POLICIES)
def reach(request: HttpRequest, kind: str) -> HttpResponse:
    """How many people and devices the form, as it stands, would reach: a piece of its page."""
    to = AssignmentForm(request.POST, of_devices=_kind(kind).is_of_devices())
    counted = assignment.reach(to.assignment()) if to.is_valid() else assignment.Reach(0, 0)
    return render(request, "console/_reach.html", {"reach": counted})


@require_POST
@console_page(Right.MANAGE_POLICIES)
def move(request: HttpRequest, policy_id: UUID, direction: str) -> HttpResponse:
    way = {"up": Direction.UP, "down": Direction.DOWN}.get(direction)
    if way is None:
        raise NotFound("A policy moves up or down.")
    services.move(actor=actor_of(request), policy=selectors.by_id(policy_id), direction=way)
    return _see("console:policies")


@READ_AND_WRITE
@console_page(Right.MANAGE_POLICIES)
def delete(request: HttpRequest, policy_id: UUID) -> HttpResponse:
    found = selectors.by_id(policy_id)
    if request.method == "POST":
        services.delete(actor=actor_of(request), policy=found)
        messages.success(request, _("“%(name)s” is deleted.") % {"name": found.name})
        return _see("console:policies")
    return render(request, "console/policy_delete.html", _row(found))


@require_safe
@console_page(Right.SEE_SETTINGS)
def who(request: HttpRequest) -> HttpResponse:
    """Who gets what: a person, and what holds for them by which policy."""
    asked = request.GET.get("q", "").strip()[:200]
    people: list[Person] = []
    if asked:
        people = list(accounts.people_containing(asked)[: FOUND + 1])
    person = people[0] if len(people) == 1 else _chosen(request)
    context = {
        "asked": asked,
        "people": people[:FOUND],
        "more": len(people) > FOUND,
        "person": person,
        "gets": _gets(person) if person is not None else [],
    }
    return render(request, "console/policies_who.html", context)


def _gets(person: Person) -> list[dict[str, object]]:
    """What holds for a person, kind by kind, and the policies that would if it were not for the first."""
    gets: list[dict[str, object]] = []
    for kind in KINDS.values():
        effective = selectors.effective(person, kind)
        behind = [policy for policy in selectors.reaching(person, kind) if policy.id != effective.policy_id]
        gets.append(
            {"title": kind.title(), "effective": effective, "lines": effective.values.summary(), "behind": behind}
        )
    return gets


def _chosen(request: HttpRequest) -> Person | None:
    try:
        return accounts.person_by_id(UUID(request.GET.get("person", "")))
    except (ValueError, NotFound):
        return None
