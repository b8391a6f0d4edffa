"""People: a list, each with their devices, what may be done to them, and their groups."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Exists, OuterRef, Prefetch, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mydevices.accounts import factors, memberships, people, rights, services, sessions
from mydevices.accounts import selectors as accounts
from mydevices.accounts.groups import delete_group, save_group
from mydevices.accounts.models import Group, Person
from mydevices.accounts.requests import actor_of, person_of, rights_of
from mydevices.accounts.rights import Right
from mydevices.audit import selectors as audit
from mydevices.audit import services as audit_services
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.commands import selectors as commands
from mydevices.console import listing
from mydevices.console.access import console_page
from mydevices.console.forms import GroupForm, PersonForm
from mydevices.console.listing import Column, Filter
from mydevices.console.views.crowd import CROWD_ACTIONS
from mydevices.devices import selectors as devices
from mydevices.errors import Conflict, Invalid, Waits
from mydevices.organisation import selectors as organisation
from mydevices.presentation import device_looks, device_status, files, moments, past, waiting_changes
from mydevices.presentation.access import freshly_signed_in, sent
from mydevices.registration import selectors as registration

EITHER = require_http_methods(["GET", "HEAD", "POST"])
SHOWN: Final = 20
HISTORY: Final = 200
OPEN: Final = registration.open_invitations(OuterRef("pk"))

COLUMNS: Final = (
    Column("name", gettext_lazy("Person"), (Lower("name"), "id")),
    Column("groups", gettext_lazy("Groups")),
    Column("devices", gettext_lazy("Devices")),
    Column("sign_in", gettext_lazy("Last sign-in"), ("signed_in_at", "id")),
    Column("state", gettext_lazy("State")),
)


def _in_state(rows: "QuerySet[Person]", state: str) -> "QuerySet[Person]":
    if state == "suspended":
        return rows.filter(is_active=False)
    return rows.filter(is_active=True).filter(Exists(OPEN) if state == "invited" else ~Exists(OPEN))


def _with_devices(rows: "QuerySet[Person]", which: str) -> "QuerySet[Person]":
    if which == "lost":
        return rows.filter(id__in=devices.lost().values("owner"))
    own = devices.all_devices().filter(owner=OuterRef("pk"))
    return rows.filter(Exists(own) if which == "some" else ~Exists(own))


def _filters() -> Sequence["Filter[Person]"]:
    groups = [(str(group.id), group.name) for group in accounts.all_groups().order_by(Lower("name"))[:200]]
    states = [("active", _("Active")), ("invited", _("Invited")), ("suspended", _("Suspended"))]
    some = [("some", _("Some")), ("none", _("None")), ("lost", _("One is lost"))]
    return (
        Filter("state", _("Any state"), states, _in_state),
        Filter("group", _("Any group"), groups, lambda rows, group: rows.filter(memberships__group_id=UUID(group))),
        Filter("role", _("Any role"), Person.Role.choices, lambda rows, role: rows.filter(role=role)),
        Filter("devices", _("Any devices"), some, _with_devices),
    )


def _full(rows: "QuerySet[Person]") -> "QuerySet[Person]":
    return rows.annotate(number=Count("devices", distinct=True), is_invited=Exists(OPEN)).prefetch_related(
        Prefetch("groups", queryset=accounts.all_groups().order_by(Lower("name")))
    )


@require_safe
@console_page(Right.SEE_PEOPLE)
def index(request: HttpRequest) -> HttpResponse:
    page = listing.page(
        accounts.all_people(),
        request.GET,
        columns=COLUMNS,
        filters=_filters(),
        search=devices.searched_people,
        full=_full,
        default="name",
    )
    now = timezone.now()
    rows = [
        {
            "person": row,
            "groups": _(", ").join(group.name for group in row.groups.all()),
            "signed_in": moments.moment(row.signed_in_at, now) if row.signed_in_at else "",
        }
        for row in page.rows
    ]
    may = rights_of(request)
    crowd = [
        (action.label, reverse("console:people_crowd", args=[name]))
        for name, action in CROWD_ACTIONS.items()
        if action.right in may
    ]
    return render(request, "console/people.html", {"page": page, "rows": rows, "may": may, "crowd": crowd})


@require_safe
@console_page(Right.EXPORT)
def export(request: HttpRequest) -> HttpResponse:
    """The people that the list shows, all pages of it, as a file."""
    rights.require(actor_of(request), Right.EXPORT)
    wanted = listing.narrowed(accounts.all_people(), request.GET, search=devices.searched_people, filters=_filters())
    audit_services.record(Verb.LIST_EXPORTED, actor=actor_of(request), details={"list": "people"})
    head = [_("Name"), _("E-mail"), _("Role"), _("Groups"), _("Devices"), _("Last sign-in"), _("Active")]

    def lines() -> Iterator[Sequence[object]]:
        for row in _full(wanted.order_by(Lower("name"), "id")).iterator(chunk_size=500):
            groups = "; ".join(group.name for group in row.groups.all())
            at = row.signed_in_at.isoformat(timespec="seconds") if row.signed_in_at else ""
            number = row.number  # type: ignore[attr-defined]  # annotated
            yield (row.name, row.email, row.role, groups, number, at, "yes" if row.is_active else "no")

    return files.file("people", head, lines())


@require_safe
@console_page(Right.SEE_PEOPLE)
def person(request: HttpRequest, person_id: UUID) -> HttpResponse:
    found, now = accounts.person_by_id(person_id), timezone.now()
    owned = list(devices.owned_by(found))
    recent = commands.recent_of_each(owned)
    name = organisation.current().name
    faces = [
        device_status.face(one, device_status.telling(recent[one.id]), organisation=name, now=now) for one in owned
    ]
    entries = list(audit.of_person(found.id)[:HISTORY])
    may = rights_of(request)
    context = {
        "person": found,
        "waits": waiting_changes.of(*people.whats(found)) if Right.MANAGE_PEOPLE in may else [],
        "is_self": found == person_of(request),
        "groups": found.groups.order_by(Lower("name")),
        "faces": faces,
        "lines": past.history(entries, person_of(request), now, names=device_looks.names(owned), about=found)[:SHOWN]
        if Right.SEE_AUDIT in may or Right.ASSIST in may
        else [],
        "joined": moments.day(found.joined_at),
        "signed_in": moments.ago(found.signed_in_at, now) if found.signed_in_at else "",
        "is_invited": registration.open_invitations(found).exists(),
        "has_factor": factors.has_one(found),
        "sessions": len(sessions.of(found)),
        "may_manage": Right.MANAGE_PEOPLE in may,
    }
    return render(request, "console/person.html", context)


@EITHER
@console_page(Right.MANAGE_PEOPLE)
@freshly_signed_in
def change(request: HttpRequest, person_id: UUID) -> HttpResponse:
    """Name, role and groups."""
    found, actor = accounts.person_by_id(person_id), actor_of(request)
    initial = {"name": found.name, "role": found.role, "groups": list(found.groups.values_list("id", flat=True))}
    form = PersonForm(sent(request), initial=initial, is_self=found == person_of(request), is_kept=bool(found.provider))
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            if values.get("name") and values["name"] != found.name:
                services.change_name(actor=actor, person=found, name=values["name"])
            waits = _put_in_groups(actor, found, values["groups"])
            if values.get("role") and values["role"] != found.role:
                people.change_role(actor=actor, person=found, role=values["role"])  # last, for it may have to wait
            if waits is not None:
                raise waits
        except (Invalid, Conflict) as refusal:
            form.add_error(None, refusal.message)
        else:
            messages.success(request, _("%(name)s is saved.") % {"name": found.name})
            return _see(found)
    context = {"form": form, "person": found}
    return render(request, "console/person_change.html", context, status=400 if form.errors else 200)


def _put_in_groups(actor: Actor, person: Person, groups: Iterable[Group]) -> Waits | None:
    """That the groups wait is no reason for the role to be left out."""
    try:
        memberships.put_in_groups(actor=actor, person=person, groups=[group.id for group in groups])
    except Waits as waits:
        return waits
    return None


def _see(found: Person) -> HttpResponse:
    return HttpResponseRedirect(reverse("console:people_person", args=[found.id]), status=303)


@EITHER
@console_page(Right.MANAGE_PEOPLE)
@freshly_signed_in
def suspend(request: HttpRequest, person_id: UUID) -> HttpResponse:
    found = accounts.person_by_id(person_id)
    if request.method != "POST":
        context = {"person": found, "number": devices.owned_by(found).count()}
        return render(request, "console/person_suspend.html", context)
    return _done(request, found, people.suspend, _("%(name)s is suspended and signed out everywhere."))


def _done(request: HttpRequest, found: Person, verb: Any, words: str) -> HttpResponse:
    try:
        verb(actor=actor_of(request), person=found)
        messages.success(request, words % {"name": found.name})
    except Conflict as refusal:
        messages.warning(request, refusal.message)
    return _see(found)


@require_POST
@console_page(Right.MANAGE_PEOPLE)
def resume(request: HttpRequest, person_id: UUID) -> HttpResponse:
    return _done(request, accounts.person_by_id(person_id), people.resume, _("%(name)s may sign in again."))


@require_POST
@console_page(Right.MANAGE_PEOPLE)
def end_sessions(request: HttpRequest, person_id: UUID) -> HttpResponse:
    return _done(request, accounts.person_by_id(person_id), sessions.end_all, _("%(name)s is signed out everywhere."))


@EITHER
@console_page(Right.MANAGE_PEOPLE)
@freshly_signed_in
def take_factors(request: HttpRequest, person_id: UUID) -> HttpResponse:
    found = accounts.person_by_id(person_id)
    if request.method != "POST":
        return render(request, "console/person_factors.html", {"person": found})
    return _done(
        request, found, factors.take_away, _("%(name)s signs in with the password alone, until another is added.")
    )


# Groups


@require_safe
@console_page(Right.SEE_PEOPLE)
def groups(request: HttpRequest) -> HttpResponse:
    rows = accounts.all_groups().annotate(members=Count("memberships")).order_by(Lower("name"))
    return render(
        request, "console/groups.html", {"groups": rows, "may_manage": Right.MANAGE_PEOPLE in rights_of(request)}
    )


@EITHER
@console_page(Right.MANAGE_PEOPLE)
def group_new(request: HttpRequest) -> HttpResponse:
    return _group(request, Group())


@EITHER
@console_page(Right.MANAGE_PEOPLE)
def group(request: HttpRequest, group_id: UUID) -> HttpResponse:
    return _group(request, accounts.group_by_id(group_id))


def _group(request: HttpRequest, row: Group) -> HttpResponse:
    is_new = row._state.adding  # noqa: SLF001  Django's own word for whether a row exists
    initial = {
        "name": row.name,
        "description": row.description,
        "factor": row.second_factor_since is not None,
        "open_to_helpdesk": row.open_to_helpdesk,
    }
    form = GroupForm(sent(request), initial=initial)
    if request.method == "POST" and form.is_valid():
        row.name, row.description = form.cleaned_data["name"], form.cleaned_data["description"]
        row.open_to_helpdesk = form.cleaned_data["open_to_helpdesk"]
        try:
            save_group(actor=actor_of(request), group=row, demands_factor=form.cleaned_data["factor"])
        except (Invalid, Conflict) as refusal:
            form.add_error("name", refusal.message)
        else:
            messages.success(request, _("“%(name)s” is saved.") % {"name": row.name})
            return HttpResponseRedirect(reverse("console:groups"), status=303)
    context = {"form": form, "group": None if is_new else row, "waits": waiting_changes.of(f"group:{row.id}")}
    return render(request, "console/group.html", context, status=400 if form.errors else 200)


@EITHER
@console_page(Right.MANAGE_PEOPLE)
@freshly_signed_in
def group_delete(request: HttpRequest, group_id: UUID) -> HttpResponse:
    row = accounts.group_by_id(group_id)
    if request.method == "POST":
        delete_group(actor=actor_of(request), group=row)
        messages.success(request, _("“%(name)s” is deleted.") % {"name": row.name})
        return HttpResponseRedirect(reverse("console:groups"), status=303)
    return render(request, "console/group_delete.html", {"group": row, "members": row.memberships.count()})
