"""Positions: kept where that is allowed, seen by whom it concerns, and forgotten in time."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices import names
from mydevices.accounts import attempts, rights
from mydevices.accounts import services as accounts
from mydevices.accounts.attempts import Limit
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.accounts.rights import Right
from mydevices.audit import proof
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.devices.models import Device
from mydevices.errors import Invalid, NotAllowed, ProtocolError, TooMany, Unsupported
from mydevices.location import selectors
from mydevices.location.models import Choice, Look, Position, Reporter
from mydevices.location.selectors import Sighting
from mydevices.protocols import owntracks
from mydevices.protocols.position import Fix
from mydevices.vault import services as vault

OLDEST: Final = timedelta(days=1)
"""An app that had no network sends what it has saved up; what is older than this is of no use."""
AHEAD: Final = timedelta(minutes=10)
"""How far a device's clock may be ahead."""
MOST_KEPT: Final = 1000
"""Positions of one device, however short the time in which they came."""
PER_DEVICE: Final = Limit(120, timedelta(minutes=10))
"""How often a device may report: an app that moves sends every few seconds."""
AT_ONCE: Final = 200
"""Devices that one step of the sweep looks at."""


@transaction.atomic
def record(*, device: Device, source: str, fix: Fix, now: datetime) -> Position | None:
    """Keep a position, or None where it may not be kept: then nothing of it is stored.

    The owner's row is held until it is written, as `choose` holds it: who switches location off has none afterwards."""
    Person.objects.select_for_update(no_key=True).get(id=device.owner_id)
    if not selectors.permission_now(device).may_collect or not _is_managed(device):
        return None
    position_id = uuid4()
    said = {
        "latitude": fix.latitude,
        "longitude": fix.longitude,
        "accuracy": fix.accuracy,
        "altitude": fix.altitude,
        "battery": fix.battery,
    }
    position = Position.objects.create(
        id=position_id,
        device=device,
        source=source,
        measured_at=min(fix.measured_at, now),
        received_at=now,
        place=vault.seal(json.dumps(said).encode(), selectors.place(position_id, device.id)),
    )
    _keep_to_the_latest(device)
    return position


def _is_managed(device: Device) -> bool:
    """Read anew: what is retired keeps no positions, and comes to none."""
    return Device.objects.filter(id=device.id, registration__ended_at=None, registration__isnull=False).exists()


def _keep_to_the_latest(device: Device) -> None:
    beyond = Position.objects.filter(device=device).order_by("-measured_at", "-received_at")[MOST_KEPT:]
    ids = list(beyond.values_list("id", flat=True)[:AT_ONCE])
    if ids:
        Position.objects.filter(id__in=ids).delete()


def share(
    *,
    device: Device,
    actor: Actor,
    latitude: float,
    longitude: float,
    accuracy: float | None,
) -> Position:
    """The owner's browser, on the device, says where it is. Raises NotAllowed for anybody else, Unsupported with the
    reason where positions may not be kept, Invalid for a place that is none."""
    now = timezone.now()
    if actor.id != str(device.owner_id):
        raise NotAllowed(_("Only its owner can share where a device is."))
    proof.require(actor, Verb.POSITION_SHARED, None, now)
    selectors.require(device=device)
    try:
        fix = Fix(latitude=latitude, longitude=longitude, accuracy=accuracy, measured_at=now)
    except ProtocolError as error:
        raise Invalid(_("The browser did not say where it is. Try again.")) from error
    if not attempts.take("position of", str(device.id), PER_DEVICE):
        raise TooMany(_("It said so often where it is. Wait ten minutes."))
    with transaction.atomic():
        position = record(device=device, source=Position.Source.BROWSER, fix=fix, now=now)
        if position is None:
            raise Unsupported(selectors.permission_now(device).reason or _("It is no longer managed."))
        _record(Verb.POSITION_SHARED, device=device, actor=actor)
    return position


def report(*, token: str, body: bytes, now: datetime | None = None) -> bool:
    """What OwnTracks posts with a device's token. True when a position was kept; False for a message that is none, or
    an old one. Raises NotFound for a wrong token, Unsupported where positions may not be kept, TooMany, ProtocolError
    for what cannot be read."""
    now = now or timezone.now()
    reporter = selectors.reporting(hash_of(token))
    device = reporter.device
    selectors.require(device=device)
    if not attempts.take("position of", str(device.id), PER_DEVICE):
        raise TooMany(_("It said so often where it is. Wait ten minutes."))
    fix = owntracks.parse(body)
    if fix is None or not now - OLDEST <= fix.measured_at <= now + AHEAD:
        return False
    if record(device=device, source=Position.Source.OWNTRACKS, fix=fix, now=now) is None:
        raise Unsupported(selectors.permission_now(device).reason)
    Reporter.objects.filter(device=device).update(used_at=now)
    return True


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@transaction.atomic
def make_reporter(*, device: Device, actor: Actor, now: datetime | None = None) -> str:
    """A new token for an app on the device; one that was there before is no longer good. Only its owner. Returned this
    once, and kept as its hash."""
    if actor.id != str(device.owner_id):
        raise NotAllowed(_("Only its owner can let an app report where a device is."))
    selectors.require(device=device)
    token = secrets.token_urlsafe(24)
    Reporter.objects.update_or_create(
        device=device,
        defaults={
            "token_hash": hash_of(token),
            "created_at": now or timezone.now(),
            "used_at": None,
            "paused_at": None,
        },
    )
    _record(Verb.REPORTER_MADE, device=device, actor=actor)
    return token


@transaction.atomic
def resume_reporter(*, device: Device, actor: Actor) -> bool:
    """Let a paused app report again, with the token that it has. Only its owner. False when there was none."""
    if actor.id != str(device.owner_id):
        raise NotAllowed(_("Only its owner can let an app report where a device is."))
    selectors.require(device=device)
    resumed = Reporter.objects.filter(device=device).exclude(paused_at=None).update(paused_at=None)
    if resumed:
        _record(Verb.REPORTER_MADE, device=device, actor=actor, again=True)
    return bool(resumed)


def pause_since(person_id: UUID, since: datetime, now: datetime) -> None:
    """Refuse the tokens that were made for this person's devices since then, until they let the apps report again. Part
    of another verb, which records it (`accounts.set_aside`, `accounts.sessions`)."""
    Reporter.objects.filter(device__owner_id=person_id, created_at__gte=since, paused_at=None).update(paused_at=now)


@transaction.atomic
def remove_reporter(*, device: Device, actor: Actor) -> bool:
    """The app's token is no longer good. False when there was none."""
    if actor.id != str(device.owner_id):
        raise NotAllowed(_("Only its owner can do this."))
    removed, _counts = Reporter.objects.filter(device=device).delete()
    if removed:
        _record(Verb.REPORTER_REMOVED, device=device, actor=actor)
    return bool(removed)


@transaction.atomic
def choose(*, person: Person, actor: Actor, shares: bool, now: datetime | None = None) -> None:
    """A person switches location on or off for their devices, as far as their policy leaves it to them. Off means that
    what was kept is gone at once, with the tokens of their apps; where a policy says on, it stays on. Only they can."""
    if actor.id != str(person.id):
        raise NotAllowed(_("Everybody chooses for themselves whether their devices say where they are."))
    now = now or timezone.now()
    verb = Verb.LOCATION_SWITCHED_ON if shares else Verb.LOCATION_SWITCHED_OFF
    proof.require(actor, verb, None, timezone.now(), person_id=person.id)  # also where nothing changes for now
    Person.objects.select_for_update(no_key=True).get(id=person.id)
    before = selectors.shares(person.id)
    Choice.objects.update_or_create(person=person, defaults={"shares": shares, "changed_at": now})
    if before == shares:
        return
    if not shares:
        for device in Device.objects.filter(owner=person).select_related("owner"):
            if not selectors.permission_now(device).may_collect:
                forget(device=device)
    audit.record(verb, actor=actor, person=person)


def require_looker(*, device: Device, actor: Actor) -> None:
    """Raises NotAllowed for who is not its owner and has no right to look for it, or whom the privacy policy forbids
    it."""
    if _is_owner(device, actor):
        return
    rights.require(actor, Right.ASSIST)
    allowed = selectors.permission_now(device)
    if not allowed.others_may_look:
        words = {"policy": allowed.policy}
        raise NotAllowed(_("The policy “%(policy)s” lets nobody but its owner see where it is.") % words)


def _is_owner(device: Device, actor: Actor) -> bool:
    return actor.kind == "person" and actor.id == str(device.owner_id)


def look(
    *, device: Device, actor: Actor, reason: str = "", again: bool = False, now: datetime | None = None
) -> Sequence[Sighting]:
    """The positions of a device, newest first. That somebody has seen one is written down once for each of them, and
    its owner sees by whom.

    Whoever is not its owner needs a fresh proof and gives a `reason`. Each of their looks is recorded with it and
    mailed to the owner, unless it only goes on (`again`): then it is recorded when there is something new. Raises as
    `require_looker`, NeedsFreshAuthentication, and Invalid without a reason."""
    now, reason = now or timezone.now(), names.checked(reason)
    require_looker(device=device, actor=actor)
    proof.require(actor, Verb.POSITION_SEEN, None, timezone.now(), person_id=device.owner_id)
    is_other = actor.kind == "person" and not _is_owner(device, actor)
    if is_other and not reason:
        raise Invalid(_("Say why. Its owner reads it."))
    found = selectors.kept(device)
    unseen = [one for one in found if all(str(seen.person_id) != actor.id for seen in one.seen_by)]
    begins = is_other and not again
    if actor.kind != "person" or not found or not (unseen or begins):
        return found
    with transaction.atomic():
        Look.objects.bulk_create(
            [Look(position_id=one.id, person_id=actor.id, at=now) for one in unseen], ignore_conflicts=True
        )
        _record(
            Verb.POSITION_SEEN,
            device=device,
            actor=actor,
            how_many=len(unseen) or len(found),
            **({"reason": reason} if is_other else {}),
        )
        if begins:
            accounts.notify(
                person=device.owner,
                notice=Notice.POSITION_SEEN,
                facts={
                    "device": device.known_as,
                    "by": actor.name,
                    "reason": reason,
                    "at": now.isoformat(timespec="seconds"),
                },
            )
    return selectors.kept(device)


@transaction.atomic
def forget(*, device: Device) -> int:
    """Every position of a device, and its app's token. The number of positions."""
    Reporter.objects.filter(device=device).delete()
    gone = Position.objects.filter(device=device).count()
    Position.objects.filter(device=device).delete()
    return gone


def sweep(*, now: datetime) -> int:
    """Let go of what is too old, of what may no longer be kept, and of what belongs to devices that have left. The
    number of positions. In steps of some devices each, so that no transaction is long."""
    gone, last = 0, None
    while True:
        with_positions = Device.objects.filter(positions__isnull=False).select_related("owner", "registration")
        if last is not None:
            with_positions = with_positions.filter(id__gt=last)
        step = list(with_positions.order_by("id").distinct()[:AT_ONCE])
        if not step:
            return gone
        for device in step:
            gone += _sweep(device, now)
        last = step[-1].id


@transaction.atomic
def _sweep(device: Device, now: datetime) -> int:
    allowed = selectors.permission_now(device)
    retired = device.registration is None or device.registration.state == device.registration.State.RETIRED
    if retired or not allowed.may_collect:
        return forget(device=device)
    old = Position.objects.filter(device=device, received_at__lt=selectors.over(now, allowed.keep_days))
    gone = old.count()
    if gone:
        old.delete()
    return gone


def _record(verb: Verb, *, device: Device, actor: Actor, **details: int | str) -> None:
    audit.record(
        verb,
        actor=actor,
        device=device,
        details=details,
    )
