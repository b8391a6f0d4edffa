"""All devices: a list, and each one as far as its owner's helpers may see it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.db.models import DateTimeField, QuerySet
from django.db.models.functions import Coalesce, Lower
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mydevices.accounts import rights
from mydevices.accounts import selectors as accounts
from mydevices.accounts.requests import actor_of, person_of, rights_of
from mydevices.accounts.rights import Right
from mydevices.actions import ACTIONS, ActionKind, Proof
from mydevices.applications import selectors as applications
from mydevices.applications import services as applications_services
from mydevices.audit import selectors as audit
from mydevices.audit import services as audit_services
from mydevices.audit.verbs import Verb
from mydevices.certificates import selectors as certificates
from mydevices.certificates.models import RENEW_BEFORE
from mydevices.commands import asking, batches, capabilities, limits
from mydevices.commands import selectors as commands
from mydevices.commands.models import Command
from mydevices.configurations import selectors as configurations
from mydevices.console import listing
from mydevices.console.access import console_page
from mydevices.console.forms import ActForm, OwnershipForm
from mydevices.console.listing import Column, Filter
from mydevices.console.views.configurations import STATES
from mydevices.devices import selectors as devices
from mydevices.devices import services as device_services
from mydevices.devices.models import Device, Registration
from mydevices.errors import Conflict, ForbiddenByPolicy, Invalid, NotFound, Unsupported
from mydevices.location import selectors as location
from mydevices.organisation import selectors as organisation
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.port.actions import Parameters
from mydevices.port.platform import platform_of, systems
from mydevices.presentation import (
    app_lists,
    device_facts,
    device_looks,
    device_status,
    files,
    moments,
    openness,
    past,
    timelines,
    unconfirmed_devices,
)
from mydevices.presentation.access import freshly_signed_in, sent
from mydevices.presentation.actions import WORDS, called
from mydevices.registration import confirmations
from mydevices.registration import selectors as registration

SHOWN: Final = 20
HISTORY: Final = 200
BATCHES: Final = 5
LATELY: Final = timedelta(days=7)
BY_COMMANDS: Final[Mapping[str, Callable[[], "QuerySet[Command]"]]] = {
    "waiting": commands.waiting,
    "failed": lambda: commands.failed_since(timezone.now() - LATELY).order_by(),
}

COLUMNS: Final = (
    Column("name", gettext_lazy("Device"), (Lower("name"), "id")),
    Column("owner", gettext_lazy("Owner")),
    Column("os", gettext_lazy("System")),
    Column("seen", gettext_lazy("Last seen"), ("seen_at", "id")),
    Column("state", gettext_lazy("State")),
)


def _in_state(rows: "QuerySet[Device]", state: str) -> "QuerySet[Device]":
    if state == "lost":
        return rows.filter(lost_since__isnull=False)
    if state == "silent":
        # In words that no index begins with: SQLite would go through a quarter of all devices by their last contact,
        # and then sort them by name. As it is, it reads along the order that is asked for.
        seen = Coalesce("seen_at", "created_at", output_field=DateTimeField())
        return rows.alias(seen=seen).filter(state=Registration.State.ACTIVE, seen__lt=timezone.now() - devices.SILENT)
    if state == "unreachable":
        return rows.filter(id__in=devices.unreachable().values("device"))
    if state == "sha1":
        return rows.filter(id__in=devices.of_old_digest().values("device"))
    if state == "old_scep":
        return rows.filter(id__in=certificates.asked_weakly().values("registration__device"))
    if state in BY_COMMANDS:
        return rows.filter(id__in=BY_COMMANDS[state]().values("channel__registration__device"))
    if state == "certificate":
        ending = certificates.ending(timezone.now(), within=RENEW_BEFORE)
        return rows.filter(id__in=ending.values("registration__device"))
    return rows.filter(state=state)


def _filters() -> "Sequence[Filter[Device]]":
    groups = [(str(group.id), group.name) for group in accounts.all_groups().order_by(Lower("name"))[:200]]
    states = [
        ("active", _("Managed")),
        ("pending", _("Registering")),
        ("silent", _("Silent for a week")),
        ("unreachable", _("Cannot be woken")),
        ("lost", _("Lost")),
        ("waiting", _("A command waits")),
        ("failed", _("An action failed this week")),
        ("certificate", _("Its certificate ends within 30 days")),
        ("sha1", _("Signs with SHA-1")),
        ("old_scep", _("Asked for its certificate with old algorithms")),
        ("retired", _("Retired")),
        ("wiped", _("Erased")),
    ]
    known = [(system.name, system.name) for system in systems()]
    owners = [("company", _("The organisation’s")), ("personal", _("Personal"))]
    return (
        Filter("state", _("Any state"), states, _in_state),
        Filter("os", _("Any system"), known, lambda rows, name: rows.filter(os_name=name)),
        Filter("ownership", _("Anybody’s"), owners, lambda rows, whose: rows.filter(ownership=whose)),
        Filter(
            "group",
            _("Any group"),
            groups,
            lambda rows, group: rows.filter(owner__in=accounts.memberships_of_group(UUID(group)).values("person")),
            gathers=True,
        ),
    )


def _full(rows: "QuerySet[Device]") -> "QuerySet[Device]":
    return devices.with_registration(rows.select_related("owner", "inventory"))


def wanted(query: QueryDict) -> "QuerySet[Device]":
    """The devices that the list's address asks for, all pages of it."""
    return listing.narrowed(devices.all_devices(), query, search=devices.searched, filters=_filters())


@require_safe
@console_page(Right.SEE_DEVICES)
def index(request: HttpRequest) -> HttpResponse:
    page = listing.page(
        devices.all_devices(),
        request.GET,
        columns=COLUMNS,
        filters=_filters(),
        search=devices.searched,
        full=_full,
        default="name",
    )
    now, name = timezone.now(), organisation.current().name
    recent = commands.recent_of_each(page.rows)
    rows = [
        {
            "device": row,
            "face": device_status.face(row, device_status.telling(recent[row.id]), organisation=name, now=now),
            "seen": moments.ago(row.registration.last_seen_at, now)
            if row.registration and row.registration.last_seen_at
            else "",
        }
        for row in page.rows
    ]
    may = rights_of(request)
    context = {
        "page": page,
        "rows": rows,
        "may": may,
        "bulk": [
            (called(kind), reverse("console:devices_bulk", args=[kind.value]))
            for kind in batches.KINDS
            if ACTIONS[kind].right in may
        ],
        "batches": [
            {"title": called(one.kind), "number": one.number, "by": one.actor_name, "id": one.id}
            for one in batches.under_way()[:BATCHES]
        ],
    }
    return render(request, "console/devices.html", context)


@require_safe
@console_page(Right.EXPORT)
def export(request: HttpRequest) -> HttpResponse:
    """The devices that the list shows, all pages of it, as a file."""
    found = wanted(request.GET)
    audit_services.record(Verb.LIST_EXPORTED, actor=actor_of(request), details={"list": "devices"})
    head = [_("Device"), _("Owner"), _("E-mail"), _("Model"), _("System"), _("Version"), _("Serial number")]
    head += [_("Whose"), _("State"), _("Last seen")]

    def lines() -> Iterator[Sequence[object]]:
        rows = found.select_related("owner", "registration").order_by(Lower("name"), "id")
        for row in rows.iterator(chunk_size=500):
            life = row.registration
            seen = life.last_seen_at.isoformat(timespec="seconds") if life and life.last_seen_at else ""
            state = life.state if life else ""
            yield (
                row.name, row.owner.name, row.owner.email, row.model_name, row.os_name, row.os_version,
                row.serial_number, row.ownership, state, seen,
            )  # fmt: skip

    return files.file("devices", head, lines())


@require_safe
@console_page(Right.SEE_DEVICES)
def device(request: HttpRequest, device_id: UUID) -> HttpResponse:
    return render(request, "console/device.html", _shown(request, devices.by_id(device_id)))


@require_safe
@console_page(Right.SEE_DEVICES)
def device_now(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """What changes on it, asked for every second while something is under way."""
    return render(request, "console/_device.html", _shown(request, devices.by_id(device_id)))


def _shown(request: HttpRequest, found: Device) -> dict[str, object]:
    now = timezone.now()
    name = organisation.current().name
    recent = commands.recent_of_each([found])[found.id]
    viewer = person_of(request)
    entries = list(audit.of_device(found.id)[:HISTORY])
    able = capabilities.of(found, actor_of(request))
    running = {progress.action.kind for progress in recent if progress.is_open}
    return {
        "pending": bool(running),
        "device": found,
        "face": device_status.face(found, device_status.telling(recent), organisation=name, now=now),
        "facts": [*device_facts.facts(found, now), *_signature(found)],
        "said": commands.said_when_lost(found),
        "footnote": "" if found.is_personal else name,
        "may_assist": Right.ASSIST in rights_of(request),
        "installations": [
            (row, STATES[row.state], _(row.reason) if row.reason else "") for row in configurations.of_device(found)
        ],
        "may_configure": Right.MANAGE_POLICIES in rights_of(request),
        "apps": applications.scope(found) if Right.ASSIST in rights_of(request) else "",
        "may_manage": Right.MANAGE_DEVICES in rights_of(request),
        "lines": past.history(entries, viewer, now, about=found.owner)[:SHOWN],
        "lives": [
            {
                "state": life.get_state_display(),
                "began": moments.day(life.started_at),
                "ended": moments.day(life.ended_at) if life.ended_at else "",
            }
            for life in found.registrations.order_by("-started_at")
        ],
        "offers": [
            {
                "icon": WORDS[kind].icon,
                "title": _called(found, kind),
                "url": reverse("console:devices_act", args=[found.id, kind.value]),
                "reason": able[kind].reason,
                "text": able[kind].explanation,
                "tone": WORDS[kind].tone,
            }
            for kind, rules in ACTIONS.items()
            if rules.right in rights_of(request)
            and kind in able
            and kind not in running
            and _is_asked_here(kind)
            and (found.is_lost or not rules.only_while_lost)
        ],
        "cancellable": [
            {
                "title": called(one.action.kind),
                "url": reverse("console:devices_cancel", args=[found.id, one.action.id]),
                "decide": reverse("console:devices_wipes_one", args=[one.action.id])
                if device_status.is_undecided(one) and Right.MANAGE_DEVICES in rights_of(request)
                else "",
            }
            for one in recent
            if one.can_be_cancelled
        ]
        if Right.ASSIST in rights_of(request)
        else [],
        "unconfirmed": unconfirmed_devices.unconfirmed(found, now),
        "timelines": [
            replace(timelines.timeline(found, progress, viewer, now), button=None)
            for progress in timelines.on_top(recent, now)
        ],
    }


def _signature(found: Device) -> Iterator[device_facts.Fact]:
    """How it signs its requests, where that is a reason to leave an old digest allowed."""
    life = found.registration
    if life is not None and life.old_digest_since is not None:
        when = moments.day(life.old_digest_since)
        yield device_facts.Fact(_("Signature"), format_html(_("SHA-1, since {when}"), when=when))


@require_safe
@console_page(Right.ASSIST)
def apps(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """The apps on somebody's device, where a policy lets them be read. Its owner sees who has looked."""
    found = devices.by_id(device_id)
    listing, listed = applications_services.look(device=found, actor=actor_of(request))
    scope = applications.scope(found)
    refusal = applications.refusal(found)
    context = {
        "device": found,
        "name": device_looks.name_of(found),
        "told": openness.told_of_apps(scope),
        "apps": app_lists.listed(listing, listed, scope=scope, refusal=refusal, now=timezone.now()),
    }
    return render(request, "console/apps.html", context)


def _called(device: Device, kind: ActionKind) -> str:
    return _("Change the message") if ACTIONS[kind].marks_lost and device.is_lost else called(kind)


def _is_asked_here(kind: ActionKind) -> bool:
    """Where a device is, is asked on the page with its map."""
    return kind != ActionKind.LOCATE


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(Right.ASSIST)
def act(request: HttpRequest, device_id: UUID, kind: str) -> HttpResponse:
    """Ask something of somebody's device, with the reason that they will read."""
    wanted = next((one for one in ACTIONS if one.value == kind and _is_asked_here(one)), None)
    if wanted is None:
        raise NotFound(_("There is no such action."))
    rules = ACTIONS[wanted]
    rights.require(actor_of(request), rules.right)
    return (_fresh_act if rules.proof is Proof.ALWAYS else _act)(request, device_id, wanted)


def _act(request: HttpRequest, device_id: UUID, kind: ActionKind) -> HttpResponse:
    found = devices.by_id(device_id)
    capability = capabilities.of(found, actor_of(request))[kind]
    address = reverse("console:devices_one", args=[found.id])
    if not capability.possible:
        messages.warning(request, capability.reason)
        return HttpResponseRedirect(address, status=303)
    name, rules, words = device_looks.name_of(found), ACTIONS[kind], WORDS[kind]
    policy = policies.of_device(found, SelfServiceRules).values
    begins = {"message": policy.lock_message, "phone_number": policy.lock_phone}
    form = ActForm(sent(request), expected=name, says=rules.says, takes=rules.takes, initial=begins)
    if request.method == "POST" and form.is_valid():
        said = {part: form.cleaned_data.get(part, "") for part in ("message", "phone_number")}
        try:
            asking.enqueue(
                device=found,
                kind=kind,
                actor=actor_of(request),
                parameters=Parameters(**said),
                reason=form.cleaned_data["reason"],
            )
        except (Conflict, ForbiddenByPolicy, Unsupported) as refusal:
            messages.warning(request, refusal.message)
        return HttpResponseRedirect(address, status=303)
    context = {
        "device": found,
        "name": name,
        "called": _called(found, kind),
        "explanation": capability.explanation,
        "form": form,
        "takes": rules.takes,
        "tone": words.tone,
        "noun": device_looks.noun(found),
        "where": location.permission(found) if rules.marks_lost else None,
        "waits": _waits(found, kind, request),
        "fates": platform_of(found).fates(found, kind) if rules.takes else None,
    }
    return render(request, "console/device_act.html", context, status=400 if form.errors else 200)


def _waits(found: Device, kind: ActionKind, request: HttpRequest) -> str:
    """What keeps a wipe from going at once: an administrator is asked first. Nothing for what goes."""
    if not ACTIONS[kind].counted:
        return ""
    limit = limits.exceeded(device=found, actor=actor_of(request), now=timezone.now())
    return device_status.beyond(limit) if limit else ""


_fresh_act = freshly_signed_in(_act)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(Right.MANAGE_DEVICES)
def ownership(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """Make a device the organisation's, or its owner's own, with the reason that they will read."""
    found = devices.by_id(device_id)
    becomes = Device.Ownership.COMPANY if found.is_personal else Device.Ownership.PERSONAL
    form = OwnershipForm(sent(request), initial={"becomes": becomes.value})
    if request.method == "POST" and form.is_valid():
        try:
            device_services.change_ownership(
                actor=actor_of(request),
                device=found,
                ownership=form.cleaned_data["becomes"],
                reason=form.cleaned_data["reason"],
            )
            messages.success(request, _("Saved. %(name)s gets a mail with the reason.") % {"name": found.owner.name})
        except (Conflict, Invalid) as refusal:
            messages.warning(request, refusal.message)
        return HttpResponseRedirect(reverse("console:devices_one", args=[found.id]), status=303)
    wipe = capabilities.of(found)[ActionKind.WIPE]
    rules = registration.rules_of(found.owner).values
    context = {
        "device": found,
        "name": device_looks.name_of(found),
        "form": form,
        "is_personal": found.is_personal,
        "wipe": wipe,
        "stays_the_same": _keeps_its_rights(found, becomes),
        "limit": rules.device_limit if not rules.company_devices_count else 0,
    }
    return render(request, "console/device_ownership.html", context, status=400 if form.errors else 200)


def _keeps_its_rights(device: Device, ownership: str) -> bool:
    """Whether it would be registered with the same right to be erased, were it of this ownership."""
    has = device.registration is not None and platform_of(device).may_erase(device.registration)
    return has == registration.may_erase(device.owner, platform=device.platform, ownership=ownership)


@require_POST
@console_page(Right.ASSIST)
def cancel(request: HttpRequest, device_id: UUID, action_id: UUID) -> HttpResponse:
    found = devices.by_id(device_id)
    try:
        asking.cancel(action=commands.action_of(found, action_id), actor=actor_of(request))
        messages.success(request, _("Called off."))
    except Conflict as conflict:
        messages.warning(request, conflict.message)
    return HttpResponseRedirect(reverse("console:devices_one", args=[found.id]), status=303)


@require_POST
@console_page(Right.ASSIST)
def ask_again(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """Mail a device's owner once more the question whether it is theirs. Nobody answers it for them."""
    found = devices.by_id(device_id)
    try:
        confirmations.send_again(device=found, actor=actor_of(request), now=timezone.now())
        messages.success(request, _("The mail is on its way to %(name)s.") % {"name": found.owner.name})
    except Conflict as conflict:
        messages.warning(request, conflict.message)
    return HttpResponseRedirect(reverse("console:devices_one", args=[found.id]), status=303)
