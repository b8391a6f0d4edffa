"""Configurations: what is sent to devices, on which it has arrived, and what to change about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, cast
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mydevices.accounts import rights
from mydevices.accounts.models import Person
from mydevices.accounts.requests import actor_of, person_of, rights_of
from mydevices.accounts.rights import Right
from mydevices.certificates import selectors as certificates
from mydevices.configurations import approving, selectors, services, shared_files, variables
from mydevices.configurations import portal_clip as clip_icon
from mydevices.configurations.kinds import KINDS
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.kinds.web_clip import WebClip
from mydevices.configurations.models import Configuration, Installation
from mydevices.configurations.shared_files import ExaminedFile
from mydevices.console import listing
from mydevices.console.access import console_page
from mydevices.console.configuration_forms import FORMS, ConfigurationForm
from mydevices.console.listing import Column, Filter
from mydevices.console.policy_forms import AssignmentForm
from mydevices.devices import assignment
from mydevices.devices.assignment import EVERYONE
from mydevices.errors import Conflict, Invalid, NotFound, TooMany
from mydevices.organisation import selectors as organisation
from mydevices.policies.kinds.kind import Kind, Line
from mydevices.presentation import device_looks, moments, waiting_changes
from mydevices.presentation.access import sent
from mydevices.presentation.slow_pages import waits

READ_AND_WRITE = require_http_methods(["GET", "HEAD", "POST"])
SETTLES: Final = timedelta(seconds=30)
"""After a change: the worker finds the devices concerned."""
LARGEST_FILE: Final = 1024 * 1024 + 1
"""Bytes that are read of an uploaded file: one more than any may have."""

ICONS: Final[Mapping[str, str]] = {
    "identity_certificate": "seal",
    "exchange": "mail",
    "email": "mail",
    "web_clip": "home",
}
ABOUT: Final[Mapping[str, Promise]] = {
    "identity_certificate": gettext_lazy(
        "A certificate type that people upload their own for, to sign and decrypt mail, or one file for everybody."
    ),
    "exchange": gettext_lazy("An Exchange account, with the certificates that sign and encrypt its mail."),
    "email": gettext_lazy("An IMAP or POP account, with the certificates that sign and encrypt its mail."),
    "web_clip": gettext_lazy("A symbol among the apps that opens an address."),
}
"""What each kind is for, where one is chosen."""


@dataclass(frozen=True, slots=True)
class ShownState:
    """A state of an installation in words, with an icon and its tone."""

    label: Promise
    icon: str
    tone: str


STATES: Final[Mapping[str, ShownState]] = {
    Installation.State.FAILED: ShownState(gettext_lazy("Failed"), "alert", "warn"),
    Installation.State.PENDING: ShownState(gettext_lazy("Pending"), "clock", "off"),
    Installation.State.INSTALLED: ShownState(gettext_lazy("Installed"), "check", "ok"),
    Installation.State.REMOVING: ShownState(gettext_lazy("Being removed"), "clock", "off"),
    Installation.State.REMOVED: ShownState(gettext_lazy("Removed"), "minus", "off"),
}


def _see(name: str, *args: object) -> HttpResponse:
    return HttpResponseRedirect(reverse(name, args=args), status=303)


def _kind(name: str) -> type[Kind]:
    if name not in KINDS:
        raise NotFound(_("There is no such kind of configuration."))
    return KINDS[name]


def _may_change(request: HttpRequest) -> bool:
    return Right.MANAGE_POLICIES in rights_of(request)


def _kinds() -> list[dict[str, object]]:
    return [
        {"name": name, "title": kind.title(), "icon": ICONS[name], "about": ABOUT[name]} for name, kind in KINDS.items()
    ]


@require_safe
@console_page(Right.SEE_SETTINGS)
def index(request: HttpRequest) -> HttpResponse:
    page = listing.page(
        selectors.all_configurations(),
        request.GET,
        columns=LIST,
        filters=(
            Filter(
                "kind",
                _("Any kind"),
                [(name, kind.title()) for name, kind in KINDS.items()],
                lambda some, value: some.filter(kind=value),
            ),
        ),
        search=lambda some, text: some.filter(Q(name__icontains=text) | Q(description__icontains=text)),
        full=lambda some: some.prefetch_related("groups"),
        default="name",
    )
    tallies = selectors.tallies([one.id for one in page.rows])
    context = {
        "page": page,
        "rows": [
            {
                "one": one,
                "kind": KINDS[one.kind].title(),
                "whom": assignment.in_words(one),
                "tally": tallies[one.id],
            }
            for one in page.rows
        ],
        "is_empty": not selectors.all_configurations().exists(),
        "kinds": _kinds(),
        "may_change": _may_change(request),
        "has_clip": _portal_clip() is not None,
    }
    return render(request, "console/configurations.html", context)


@waits("POST")
@READ_AND_WRITE
@console_page(Right.MANAGE_POLICIES)
def new(request: HttpRequest, kind: str) -> HttpResponse:
    return _edit(request, _kind(kind), None)


@waits("POST")
@READ_AND_WRITE
@console_page(Right.MANAGE_POLICIES)
def edit(request: HttpRequest, configuration_id: UUID) -> HttpResponse:
    found = selectors.by_id(configuration_id)
    return _edit(request, _kind(found.kind), found)


def _edit(request: HttpRequest, kind: type[Kind], found: Configuration | None) -> HttpResponse:
    values = kind.read(found.values) if found is not None else kind()
    reaching = found.assignment if found is not None else EVERYONE
    about = {"name": found.name, "enabled": found.enabled, "about": found.description} if found is not None else {}
    form = FORMS[kind.name()](sent(request), request.FILES or None, initial={**values.stored(), **about}, present=found)
    to = AssignmentForm(sent(request), of_devices=True, initial=AssignmentForm.of(reaching))
    reach = assignment.reach(reaching)
    counted = request.method == "POST" and "count" in request.POST
    if request.method == "POST" and to.is_valid():
        reach = assignment.reach(to.assignment())
        # Both are asked, so that the form shows everything that is wrong at once.
        if not counted and form.is_valid():
            saved = _save(request, form, to, found)
            if saved is not None:
                messages.success(request, _("“%(name)s” is saved.") % {"name": saved.name})
                return _see("console:configurations_one", saved.id)
    context = {
        "form": form,
        "to": to,
        "reach": reach,
        "configuration": found,
        "waits": waiting_changes.of(approving.what(found.id)) if found is not None else [],
        "kind": kind,
        "kind_title": kind.title(),
        "about": ABOUT[kind.name()],
        "variables": _variables(person_of(request)),
    }
    failed = request.method == "POST" and not counted
    return render(request, "console/configuration_edit.html", context, status=400 if failed else 200)


@require_POST
@console_page(Right.MANAGE_POLICIES)
def reach(request: HttpRequest) -> HttpResponse:
    """How many people and devices the form, as it stands, would reach: a piece of its page."""
    to = AssignmentForm(request.POST, of_devices=True)
    counted = assignment.reach(to.assignment()) if to.is_valid() else assignment.Reach(0, 0)
    return render(request, "console/_reach.html", {"reach": counted})


def _variables(person: Person) -> list[tuple[str, str]]:
    """Each with what it is for whoever looks at the page."""
    return [(f"${name}", of(person)) for name, of in variables.VARIABLES.items()]


def _save(
    request: HttpRequest, form: ConfigurationForm, to: AssignmentForm, found: Configuration | None
) -> Configuration | None:
    """What was made or changed; None where something is refused, which then stands in the form."""
    actor, values = actor_of(request), form.values()
    try:
        given: dict[str, Any] = {
            "actor": actor,
            "name": form.cleaned_data["name"],
            "description": form.cleaned_data["about"].replace("\r\n", "\n"),
            "enabled": form.cleaned_data["enabled"],
            "values": values,
            "assignment": to.assignment(),
            "icon": _icon(form, found),
            "file": _file(request, form, values),
        }
        if found is None:
            return services.create(**given)
        return services.change(configuration=found, **given)
    except (Conflict, Invalid, TooMany) as refusal:
        form.add_error(None, refusal.message)
    return None


def _icon(form: ConfigurationForm, found: Configuration | None) -> bytes | None:
    if not isinstance(form.values(), WebClip) or form.cleaned_data["no_icon"]:
        return None
    uploaded: UploadedFile[bytes] | None = form.cleaned_data["icon"]
    if uploaded is not None:
        return bytes(uploaded.read(LARGEST_FILE))
    return bytes(found.icon) if found is not None and found.icon else None


def _file(request: HttpRequest, form: ConfigurationForm, values: Kind) -> ExaminedFile | None:
    if not isinstance(values, IdentityCertificate) or values.is_user_provided:
        return None
    uploaded: UploadedFile[bytes] | None = form.cleaned_data["file"]
    if uploaded is None:
        return None
    data, password = bytes(uploaded.read(LARGEST_FILE)), form.cleaned_data["password"]
    # The verb checks that it is one.
    purpose = cast("Any", values.purpose)
    return shared_files.examine_file(actor=actor_of(request), purpose=purpose, data=data, password=password)


@require_safe
@console_page(Right.SEE_SETTINGS)
def one(request: HttpRequest, configuration_id: UUID) -> HttpResponse:
    """What it says, whom it is for, and what has become of it on each device."""
    return render(request, "console/configuration.html", _one(request, selectors.by_id(configuration_id)))


@require_safe
@console_page(Right.SEE_SETTINGS)
def one_now(request: HttpRequest, configuration_id: UUID) -> HttpResponse:
    """What changes on its page, asked for while something is under way."""
    return render(request, "console/_installations.html", _one(request, selectors.by_id(configuration_id)))


def _one(request: HttpRequest, found: Configuration) -> dict[str, object]:
    now = timezone.now()
    rows = selectors.of_configuration(found)
    tally: dict[str, int] = dict(rows.order_by().values_list("state").annotate(Count("id")))
    page = listing.page(
        rows,
        request.GET,
        columns=COLUMNS,
        filters=(
            Filter(
                "state",
                _("Any state"),
                [(str(state), shown.label) for state, shown in STATES.items()],
                lambda some, value: some.filter(state=value),
            ),
        ),
        search=_searched,
        full=lambda some: some.select_related("channel__registration__device__owner"),
        default="device",
    )
    return {
        "configuration": found,
        "waits": waiting_changes.of(approving.what(found.id)),
        "kind": KINDS[found.kind].title(),
        "icon": ICONS[found.kind],
        "lines": lines(found),
        "whom": assignment.in_words(found),
        "reach": assignment.reach(found.assignment),
        "changed": moments.moment(found.changed_at, now),
        "users": selectors.used_by(found.id) if found.kind == IdentityCertificate.name() else [],
        "tally": [
            {"label": shown.label, "icon": shown.icon, "tone": shown.tone, "number": tally.get(state, 0)}
            for state, shown in STATES.items()
            if tally.get(state, 0)
        ],
        "failed": tally.get(Installation.State.FAILED, 0),
        "under_way": bool(tally.get(Installation.State.PENDING, 0) + tally.get(Installation.State.REMOVING, 0))
        or now - found.changed_at < SETTLES,
        "page": page,
        "rows": [
            {
                "installation": row,
                "device": row.channel.registration.device,
                "device_name": device_looks.name_of(row.channel.registration.device),
                "owner": row.channel.registration.device.owner,
                "shown": STATES[row.state],
                "reason": _(row.reason) if row.reason else "",
                "changed": moments.moment(row.changed_at, now),
                "can_retry": row.state == Installation.State.FAILED,
            }
            for row in page.rows
        ],
        "may_change": _may_change(request),
    }


LIST: Final = (
    Column("name", gettext_lazy("Name"), (Lower("name"), "id")),
    Column("kind", gettext_lazy("Kind"), ("kind", Lower("name"), "id")),
    Column("for", gettext_lazy("For")),
    Column("installed", gettext_lazy("Installed")),
    Column("pending", gettext_lazy("Pending")),
    Column("failed", gettext_lazy("Failed")),
)
COLUMNS: Final = (
    Column("device", gettext_lazy("Device"), ("channel__registration__device__name", "id")),
    Column("person", gettext_lazy("Person"), ("channel__registration__device__owner__name", "id")),
    Column("state", gettext_lazy("State"), ("state", "id")),
    Column("changed", gettext_lazy("Since"), ("changed_at", "id")),
)


def _searched(rows: "QuerySet[Installation]", text: str) -> "QuerySet[Installation]":
    device = "channel__registration__device"
    return rows.filter(Q(**{f"{device}__name__icontains": text}) | Q(**{f"{device}__owner__name__icontains": text}))


def lines(configuration: Configuration) -> Sequence[Line]:
    """What it says in words, with the names of the certificates that it names."""
    said = KINDS[configuration.kind].read(configuration.values).summary()
    named = {str(one.id): one.name for one in selectors.of_kind(IdentityCertificate).only("id", "name")}
    return [Line(line.field, line.label, named.get(line.text, line.text)) for line in said]


@require_safe
@console_page(Right.SEE_SETTINGS)
def icon(_request: HttpRequest, configuration_id: UUID) -> HttpResponse:
    """The picture of a web clip."""
    found = selectors.by_id(configuration_id)
    if not found.icon:
        raise NotFound(_("It has no icon."))
    return HttpResponse(bytes(found.icon), content_type="image/png")


@require_POST
@console_page(Right.MANAGE_POLICIES)
def retry(request: HttpRequest, configuration_id: UUID) -> HttpResponse:
    """Send again what failed: on the device named, or on all of them."""
    found = selectors.by_id(configuration_id)
    chosen = request.POST.get("installation", "")
    back = _see("console:configurations_one", found.id)
    try:
        done = 1
        if chosen:
            row = _failed(found, chosen)
            if "device" in request.POST:
                back = _see("console:devices_one", row.channel.registration.device_id)
            services.retry(actor=actor_of(request), installation=row)
        else:
            done = services.retry_all(actor=actor_of(request), configuration=found)
    except Conflict as refusal:
        messages.warning(request, refusal.message)
        return back
    text = ngettext("It is sent to %(number)d device again.", "It is sent to %(number)d devices again.", done)
    messages.success(request, text % {"number": done})
    return back


def _failed(configuration: Configuration, chosen: str) -> Installation:
    """One that failed, of this configuration. Raises Conflict for anything else."""
    is_number = chosen.isascii() and chosen.isdigit() and len(chosen) < 19
    failed = selectors.of_configuration(configuration).filter(state=Installation.State.FAILED)
    row = failed.filter(id=int(chosen)).first() if is_number else None
    if row is None:
        raise Conflict(_("Nothing has failed, or it is not for this device any more."))
    return row


@READ_AND_WRITE
@console_page(Right.MANAGE_POLICIES)
def delete(request: HttpRequest, configuration_id: UUID) -> HttpResponse:
    """Take it away, after the page has said from how many devices, and which certificates go with it."""
    found = selectors.by_id(configuration_id)
    uploaded = certificates.number_of_type(found.id)
    on_devices = selectors.of_configuration(found).exclude(state=Installation.State.REMOVED).count()
    refusal = ""
    if request.method == "POST":
        try:
            services.delete(
                actor=actor_of(request), configuration=found, with_certificates="certificates" in request.POST
            )
        except Conflict as conflict:
            refusal = conflict.message
        else:
            messages.success(request, _("“%(name)s” is deleted.") % {"name": found.name})
            return _see("console:configurations")
    context = {"configuration": found, "uploaded": uploaded, "on_devices": on_devices, "refusal": refusal}
    return render(request, "console/configuration_delete.html", context, status=409 if refusal else 200)


def _portal_clip() -> Configuration | None:
    """A web clip of this portal, if there is one."""
    return next(
        (
            one
            for one in selectors.of_kind(WebClip)
            if one.values.get("url", "").rstrip("/") == settings.PUBLIC_URL.rstrip("/")
        ),
        None,
    )


@require_POST
@console_page(Right.MANAGE_POLICIES)
def portal_clip(request: HttpRequest) -> HttpResponse:
    """The ready-made web clip of the portal, for everybody, with the organisation's logo."""
    actor = actor_of(request)
    rights.require(actor, Right.MANAGE_POLICIES)
    present_clip = _portal_clip()
    if present_clip is not None:
        return _see("console:configurations_one", present_clip.id)
    name = _("My Devices")
    taken = selectors.names_in_use()
    about = organisation.current()
    logo = about.logo
    made = services.create(
        actor=actor,
        name=next(one for one in (name, *(f"{name} {number}" for number in range(2, 100))) if one not in taken),
        description=_("This portal, one tap away."),
        values=WebClip(label=name, url=f"{settings.PUBLIC_URL}/", removable=True, full_screen=False),
        assignment=EVERYONE,
        icon=bytes(logo) if logo else clip_icon.picture(about.accent or clip_icon.BLUE),
    )
    messages.success(request, _("The portal is on its way to every device as “%(name)s”.") % {"name": made.name})
    return _see("console:configurations_one", made.id)
