"""My Devices, one device, and what happens on it."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from mydevices.accounts.requests import actor_of, person_of
from mydevices.applications import selectors as applications
from mydevices.applications import services as applications_services
from mydevices.audit import selectors as audit
from mydevices.audit.models import Entry
from mydevices.commands import capabilities
from mydevices.commands import selectors as commands
from mydevices.configurations import selectors as configurations
from mydevices.devices import selectors as devices
from mydevices.devices.models import Device
from mydevices.location import selectors as location
from mydevices.organisation import selectors as organisation
from mydevices.policies import helpdesk
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.policies.selectors import Effective
from mydevices.presentation import (
    app_lists,
    device_cards,
    device_facts,
    device_looks,
    device_status,
    moments,
    openness,
    past,
    timelines,
    unconfirmed_devices,
)
from mydevices.presentation.openness import Known

LATELY = 5
HISTORY = 200
"""How many entries of the audit a page reads; an action has about three."""
SHOWN = 20
"""How many lines of its history a device's page has; the rest is a page of its own."""
PAGE = 50
LONGEST_ID = 18
"""Digits of an entry's id that a database can be asked for."""


@require_safe
@login_required
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/devices.html", _index(request))


@require_safe
@login_required
@never_cache
def index_now(request: HttpRequest) -> HttpResponse:
    """The list alone, asked for while something is under way."""
    return render(request, "portal/_cards.html", _index(request))


def _index(request: HttpRequest) -> dict[str, object]:
    person, actor, now = person_of(request), actor_of(request), timezone.now()
    owned = list(devices.owned_by(person))
    recent = commands.recent_of_each(owned)
    name = organisation.current().name
    cards = [
        device_cards.card(
            device, device_status.telling(recent[device.id]), capabilities.of(device, actor), organisation=name, now=now
        )
        for device in owned
    ]
    # What needs its person first, what has gone last; otherwise as they came.
    cards.sort(key=lambda card: (not card.face.status.needs_you and card.ended, not card.face.status.needs_you))
    entries = [entry for entry in audit.of_person(person.id)[:HISTORY] if entry.device_id]
    return {
        "cards": cards,
        "summary": _summary(cards),
        "pending": any(card.pending for card in cards),
        "example": device_looks.example(),
        "lines": past.history(entries, person, now, names=device_looks.names(owned))[:LATELY],
    }


def _summary(cards: list[device_cards.Card]) -> str:
    living = sum(not card.ended for card in cards)
    urgent = sum(card.face.status.needs_you for card in cards)
    text = ngettext("%(number)d device", "%(number)d devices", living) % {"number": living}
    if not urgent:
        return _("%(devices)s, all well.") % {"devices": text} if living else ""
    needing = ngettext("%(number)d needs you", "%(number)d need you", urgent) % {"number": urgent}
    return _("%(devices)s, %(needing)s.") % {"devices": text, "needing": needing}


@require_safe
@login_required
@never_cache
def device(request: HttpRequest, device_id: UUID) -> HttpResponse:
    return render(request, "portal/device.html", _device(request, devices.owned(person_of(request), device_id)))


@require_safe
@login_required
@never_cache
def device_now(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """What changes on a device's page, asked for every second while something is under way."""
    return render(request, "portal/_now.html", _device(request, devices.owned(person_of(request), device_id)))


def _device(request: HttpRequest, device: Device) -> dict[str, object]:
    person, now = person_of(request), timezone.now()
    name = organisation.current().name
    recent = commands.recent_of_each([device])[device.id]
    running = [progress for progress in recent if progress.is_open]
    inventory = device_facts.inventory_of(device)
    privacy = policies.of_device(device, Privacy)
    on_top = timelines.on_top(recent, now)
    entries = list(audit.of_device(device.id)[:HISTORY])
    lines = past.history(entries, person, now)
    return {
        "face": device_status.face(device, device_status.telling(recent), organisation=name, now=now),
        "unconfirmed": unconfirmed_devices.unconfirmed(device, now),
        "timelines": [timelines.timeline(device, progress, person, now) for progress in on_top],
        "rows": device_cards.rows(device, capabilities.of(device, actor_of(request)), running),
        "facts": device_facts.facts(device, now),
        "facts_age": moments.ago(inventory.collected_at, now) if inventory else "",
        "openness": openness.groups(device, _known(device, privacy), organisation=name, now=now),
        "privacy_text": privacy.values.text,
        "helpdesk": helpdesk.of(policies.of_device(device, SelfServiceRules).values),
        "lines": lines[:SHOWN],
        "more": len(lines) > SHOWN or len(entries) == HISTORY,
        "ended": device.registration is not None and device.registration.has_ended,
        "pending": bool(running) or device_status.is_registering(device),
    }


@require_safe
@login_required
@never_cache
def apps(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """The apps on a device, where a policy lets them be read: for its owner first."""
    device = devices.owned(person_of(request), device_id)
    listing, found = applications_services.look(device=device, actor=actor_of(request))
    scope = applications.scope(device)
    refusal = applications.refusal(device)
    context = {
        "device": device,
        "name": device_looks.name_of(device),
        "told": openness.told_of_apps(scope),
        "apps": app_lists.listed(listing, found, scope=scope, refusal=refusal, now=timezone.now()),
    }
    return render(request, "portal/apps.html", context)


def _known(device: Device, privacy: Effective[Privacy]) -> Known:
    """What its owner is told of who sees and does what: up to four statements."""
    return Known(
        privacy=privacy,
        allowed=location.permission(device),
        position_at=location.latest_at(device),
        apps=applications.of(device),
        installations=list(configurations.of_device(device)),
        others=capabilities.of_others(device),
    )


@require_safe
@login_required
@never_cache
def history(request: HttpRequest) -> HttpResponse:
    """Everything that happened to the account and its devices."""
    person, now = person_of(request), timezone.now()
    names = device_looks.names(devices.owned_by(person))
    page = _page(request, audit.of_person(person.id))
    beside = audit.about_actions_of(page.entries, past.BESIDE)
    lines = past.history(page.entries, person, now, names=names, beside=beside)
    return render(request, "portal/history.html", {"lines": lines, "page": page})


@require_safe
@login_required
@never_cache
def device_history(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """Everything that happened to one device."""
    person, now = person_of(request), timezone.now()
    device = devices.owned(person, device_id)
    page = _page(request, audit.of_device(device.id))
    lines = past.history(page.entries, person, now, beside=audit.about_actions_of(page.entries, past.BESIDE))
    context = {"lines": lines, "page": page, "device_id": device.id, "name": device_looks.name_of(device)}
    return render(request, "portal/history.html", context)


def _page(request: HttpRequest, entries: QuerySet[Entry]) -> audit.Page:
    """The part of a history that the address asks for, by the id of an entry beside it."""
    told = entries.exclude(verb__in=past.BESIDE)
    return audit.page(told, size=PAGE, before=_number(request, "before"), after=_number(request, "after"))


def _number(request: HttpRequest, name: str) -> int | None:
    given = request.GET.get(name, "")
    return int(given) if given.isdecimal() and len(given) <= LONGEST_ID else None
