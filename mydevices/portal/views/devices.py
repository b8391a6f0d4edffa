"""My Devices, one device, and what happens on it."""

from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from mydevices.accounts.requests import person_of
from mydevices.audit import selectors as audit
from mydevices.commands import selectors as commands
from mydevices.devices import selectors as devices
from mydevices.devices.models import Device
from mydevices.organisation import selectors as organisation
from mydevices.portal import present

LATELY = 6
HISTORY = 100
STAYS = timedelta(minutes=10)
"""How long a finished action keeps its place on the page."""


@require_safe
@login_required
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/devices.html", _index(request))


@require_safe
@login_required
@never_cache
def index_now(request: HttpRequest) -> HttpResponse:
    """The cards alone, asked for every second while something is under way."""
    return render(request, "portal/_cards.html", _index(request))


def _index(request: HttpRequest) -> dict[str, object]:
    person, now = person_of(request), timezone.now()
    owned = list(devices.owned_by(person))
    newest = commands.latest_of_each(owned)
    name = organisation.current().name
    cards = [present.card(device, newest.get(device.id), person, now, name) for device in owned]
    living = [card for card in cards if not card.has_ended]
    return {
        "cards": living,
        "former": [card for card in cards if card.has_ended],
        "attention": sum(card.status.tone in {"warn", "danger"} for card in living),
        "is_pending": any(progress.is_open for progress in newest.values())
        or any(card.is_registering for card in living),
        "lately": present.history(list(audit.of_person(person.id)[: LATELY * 5]), person, now)[:LATELY],
    }


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
    return render(request, "portal/_device.html", _device(request, devices.owned(person_of(request), device_id)))


def _device(request: HttpRequest, device: Device) -> dict[str, object]:
    person, now = person_of(request), timezone.now()
    name = organisation.current().name
    open_actions = commands.under_way(device)
    newest = commands.latest(device)
    # What is under way, and for a while what has just come to its end, so that it is seen to end.
    shown = list(open_actions)
    if newest is not None and not newest.is_open and _just_ended(newest, now):
        shown.append(newest)
    return {
        "device": device,
        "title": present.title(device),
        "subtitle": present.subtitle(device),
        "belongs": present.belongs_to(device, name),
        "appearance": present.appearance(device),
        "status": present.status(device, newest, now),
        "seconds_left": present.seconds_left(present.status(device, newest, now).until, now),
        "timelines": [present.timeline(device, progress, person, now) for progress in shown],
        "is_pending": bool(open_actions) or not device.is_registered and present.is_registering(device),
        "actions": present.action_rows(device, open_actions),
        "has_ended": present.has_ended(device),
        "facts": present.facts(device, now, name),
        "insights": present.insights(device, name),
        "history": present.history(list(audit.of_device(device.id)[:HISTORY]), person, now),
    }


def _just_ended(progress: commands.Progress, now: datetime) -> bool:
    return progress.finished_at is not None and now - progress.finished_at < STAYS


@require_safe
@login_required
@never_cache
def history(request: HttpRequest) -> HttpResponse:
    """Everything that happened to the account and its devices."""
    person, now = person_of(request), timezone.now()
    return render(
        request,
        "portal/history.html",
        {"lines": present.history(list(audit.of_person(person.id)[:500]), person, now)},
    )
