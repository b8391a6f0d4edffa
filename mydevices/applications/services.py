"""Apps: asked for where a policy says so, replaced whole when a device answers, shown to whom they concern, and let go
of as soon as they may not be kept."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from mydevices.accounts import rights
from mydevices.accounts.rights import Right
from mydevices.applications import selectors
from mydevices.applications.models import Listing
from mydevices.applications.selectors import App
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.commands import queue
from mydevices.devices import selectors as devices_selectors
from mydevices.devices.models import Device
from mydevices.errors import Unsupported
from mydevices.policies import selectors as policies
from mydevices.port.platform import platform_of
from mydevices.vault import services as vault

EVERY: Final = timedelta(days=1)
"""How often a device is asked: apps come and go by the day, and a long list costs a phone some of its battery."""
AT_ONCE: Final = 100
"""Devices that one transaction looks at."""
MOST: Final = 1000
"""Apps kept of one device."""
EXCLUSIVE: Final = "applications"
"""Only one such command waits for a device at a time."""


def sweep(*, now: datetime) -> int:
    """Let go of lists that may not be kept any more, and ask devices whose turn it is. The number of devices that were
    asked. In steps of some devices each, so that no transaction is long."""
    _each(Device.objects.filter(applications__isnull=False), _let_go)
    due = Q(applications__isnull=True) | Q(applications__asked_at__lte=now - EVERY)
    return _each(selectors.readable().filter(due), lambda devices: sum(ask(device=one, now=now) for one in devices))


def _each(rows: QuerySet[Device], work: Callable[[Sequence[Device]], int]) -> int:
    rows = policies.with_rules(devices_selectors.with_registration(rows.select_related("owner")))
    done, last = 0, None
    while True:
        step = list((rows.filter(id__gt=last) if last else rows).order_by("id")[:AT_ONCE])
        if not step:
            return done
        with transaction.atomic():
            done += work(step)
        last = step[-1].id


def _let_go(devices: Sequence[Device]) -> int:
    """Of those devices that have left, or of which less or nothing may be read."""
    gone = 0
    for device in devices:
        allowed = selectors.scope(device) if device.is_registered else ""
        gone += Listing.objects.filter(device=device).exclude(scope=allowed).delete()[0]
    return gone


@transaction.atomic
def ask(*, device: Device, now: datetime) -> bool:
    """Queue the question for the apps of a device, where they may be read and it can be asked. `device` comes with its
    registration, channels and rules."""
    scope = selectors.scope(device)
    if not scope or not device.is_registered:
        return False
    Listing.objects.filter(device=device).exclude(scope=scope).delete()
    Listing.objects.update_or_create(device=device, defaults={"scope": scope, "asked_at": now})
    try:
        question = platform_of(device).app_question(device, scope)
    except Unsupported:
        return False  # what cannot be asked today may be tomorrow, after an update say
    asked = queue.upkeep(
        channel=question.channel,
        request_type=question.request_type,
        parameters=question.parameters,
        exclusive=EXCLUSIVE,
        now=now,
    )
    return asked is not None


@transaction.atomic
def store(*, device_id: UUID, scope: str, apps: Sequence[App], now: datetime) -> bool:
    """Keep what a device told, in place of what it told before. False, and nothing is kept, where it is not wanted any
    more: the policy has changed meanwhile, or the device has left."""
    device = Device.objects.select_related("owner", "registration").get(id=device_id)
    if not device.is_registered or selectors.scope_now(device) != scope:
        return False
    told = sorted(apps, key=lambda app: (app.name.casefold(), app.identifier))[:MOST]
    rows = [[app.name, app.identifier, app.version, app.size] for app in told]
    listing, _is_new = Listing.objects.select_for_update().get_or_create(
        device=device, defaults={"scope": scope, "asked_at": now}
    )
    listing.scope = scope
    listing.read_at = now
    listing.number = len(told)
    listing.is_cut = len(apps) > MOST
    listing.content = vault.seal(json.dumps(rows).encode(), selectors.place(device.id))
    listing.save()
    return True


def look(*, device: Device, actor: Actor) -> tuple[Listing | None, Sequence[App]]:
    """The apps of a device by name, with when they were read. Its owner sees who else has looked. Raises NotAllowed for
    who is not its owner and does not assist people."""
    is_owner = actor.kind == "person" and actor.id == str(device.owner_id)
    if not is_owner:
        rights.require(actor, Right.ASSIST)
    listing, apps = selectors.kept(device)
    if listing is None or listing.scope != selectors.scope(device):
        return None, ()  # what may not be kept any more is not shown until it is swept
    if not is_owner and listing.read_at is not None:
        audit.record(
            Verb.APPS_SEEN,
            actor=actor,
            device=device,
            details={"how_many": listing.number},
        )
    return listing, apps


def forget(*, device: Device) -> None:
    """The device has left: nothing of its apps is kept."""
    Listing.objects.filter(device=device).delete()
