"""Devices that wait for their owner's word before a private key goes to them.

Somebody who has a second factor shows it when they register a device, or confirms the device afterwards. Until then it
gets its configurations without private keys (`configurations.resolve.pieces` decides so in one place). The owner
confirms on the device's page, with a fresh proof, or by a link that is mailed to them when the device registers. Nobody
else can. Whoever got the mail and knows nothing of the device says so by the same link.

What is registered already needs no word, and a renewed certificate asks for none: it is the same life. A device that
registers again begins another, and waits again.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from mydevices.accounts import attempts, factors, rights, sessions
from mydevices.accounts import services as accounts
from mydevices.accounts.attempts import Limit
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.accounts.rights import Right
from mydevices.actions import ActionKind
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.certificates.models import Challenge
from mydevices.commands import asking, queue
from mydevices.configurations import comparison
from mydevices.devices import selectors as devices_selectors
from mydevices.devices import services as devices
from mydevices.devices.models import Device, Registration
from mydevices.errors import Conflict, NotAllowed, NotFound, TooMany, Unsupported
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.registration.models import Confirmation, RegistrationPin, Ticket

LINK_LASTS: Final = timedelta(days=7)
"""How long a mailed link is good. After that the owner signs in, or has the mail sent again."""
MAILS: Final = Limit(3, timedelta(days=1))
"""How often the mail about one device is sent again."""
PATH: Final = "/confirm/"
TOKEN_BYTES: Final = 32


def holds_keys(ticket: Ticket, rules: RegistrationRules, *, now: datetime) -> bool:
    """Whether a device that registers with this ticket has to be confirmed. Somebody whose second factor was taken away
    a few days ago counts as one who has it: whoever takes it away and registers a device gets no key by that."""
    if ticket.has_factor:
        return False
    return rules.confirms_everybodys or (rules.confirms_devices and factors.has_had_one(ticket.person, now))


def is_waiting(device: Device) -> bool:
    """Whether a device, with its registration loaded, waits for its owner's word."""
    life = device.registration
    return life is not None and life.keys_held and not life.has_ended


def begin(*, registration: Registration, person: Person, address: str, now: datetime) -> None:
    """Ask the owner of a device that has just registered whether it is theirs. In the caller's transaction."""
    _write(registration, person, address, now)


@transaction.atomic
def send_again(*, device: Device, actor: Actor, now: datetime) -> None:
    """Mail the question to a device's owner once more, for those who help them: they cannot answer it themselves. The
    link in the former mail stops.

    Raises NotAllowed without the right, NeedsFreshAuthentication, Conflict where nothing waits, TooMany after
    `MAILS`."""
    rights.require(actor, Right.ASSIST)
    actor.require_fresh(now)
    life = _waiting_life(device)
    if not attempts.take("mail about a device to confirm", str(life.id), MAILS):
        raise TooMany(_("The mail was sent often enough today. Its owner can also confirm the device signed in."))
    former = Confirmation.objects.filter(registration=life).first()
    _write(life, device.owner, former.address if former else "", now)
    _record(Verb.DEVICE_CONFIRMATION_SENT, device, actor)


def ask_anew(person_id: UUID, _since: datetime, now: datetime) -> None:
    """Mail the questions that wait for this person's word to the address that they have now; the links in the former
    mails stop, which may have gone to an intruder. Part of another verb, which records it (`accounts.set_aside`)."""
    waiting = Confirmation.objects.filter(
        registration__device__owner_id=person_id, registration__keys_held=True, answered_at=None
    )
    for former in waiting.select_related("registration__device__owner"):
        if not former.registration.has_ended:
            _write(former.registration, former.registration.device.owner, former.address, now)


@transaction.atomic
def confirm(*, device: Device, actor: Actor, now: datetime) -> None:
    """A device's owner says, signed in, that it is theirs: private keys go there from now on.

    Raises NotAllowed for everybody else whatever their role, LimitedSession, NeedsFreshAuthentication, Conflict where
    nothing waits."""
    if actor.kind != "person" or actor.id != str(device.owner_id):
        raise NotAllowed(_("Only its owner can confirm a device."))
    actor.require_fresh(now)
    _confirm(device, actor, now)


@transaction.atomic
def confirm_by_link(*, token: str, address: str, now: datetime) -> Device:
    """The same by whoever has the mail. Raises NotFound for a link that is wrong, old or used, Conflict where nothing
    waits any more."""
    device = _answer(token, now)
    _confirm(device, Actor.by_link(device.owner, address=address), now)
    return device


@transaction.atomic
def disown_by_link(*, token: str, address: str, now: datetime) -> Device:
    """Whoever has the mail says that the device is not theirs, even where somebody has confirmed it meanwhile: then
    somebody else was in the account. No key goes to it, it is told to leave, every session of the owner's ends, and
    with them the tickets and the PIN that could register another. Raises as `confirm_by_link` does for its link."""
    device = _answer(token, now)
    actor, life = Actor.by_link(device.owner, address=address), device.registration
    if life is None:
        raise Conflict(_over())
    devices.hold_keys(registration=life)
    comparison.of_device(device.id, now=now)
    open_tickets = Ticket.objects.filter(person=device.owner, used_at=None, revoked_at=None, refused_at=None)
    Challenge.objects.filter(ticket__in=open_tickets, spent_by="").update(expires_at=now)
    open_tickets.update(revoked_at=now)
    RegistrationPin.objects.filter(person=device.owner, spent_at=None, revoked_at=None).update(revoked_at=now)
    sessions.forget(person=device.owner)
    sessions.pause_others(person=device.owner)
    _record(Verb.DEVICE_DISOWNED, device, actor)
    _send_away(device, life, now)
    return device


def _send_away(device: Device, life: Registration, now: datetime) -> None:
    """By the server itself: what only protects is not for a policy to forbid. A device that has not finished its
    registration cannot be told anything, and is not let in. What else stands in the way (it is retired already, or
    lost) stands on its page."""
    if life.state == Registration.State.PENDING:
        devices.end(registration=life, state=Registration.State.RETIRED, now=now)
        queue.void(registration=life, now=now)
        return
    try:
        with transaction.atomic():
            asking.enqueue(device=device, kind=ActionKind.RETIRE, actor=Actor.system("not mine"), now=now)
    except (Conflict, Unsupported):
        pass


def asked(token: str, now: datetime) -> Confirmation:
    """The question that a link is about, with its device. Raises NotFound for a link that is wrong, old or used, and
    where the device is managed no longer."""
    found = (
        Confirmation.objects.select_related("registration__device__owner")
        .filter(token_hash=_hash(token), answered_at=None, expires_at__gt=now)
        .first()
    )
    if found is None or found.registration.has_ended or not found.registration.device.owner.is_active:
        raise NotFound(_("This link is old or has been used. Sign in to see your devices."))
    return found


def _answer(token: str, now: datetime) -> Device:
    """Spend a link. The device as its verbs take it."""
    found = asked(token, now)
    if not Confirmation.objects.filter(id=found.pk, token_hash=found.token_hash, answered_at=None).update(
        answered_at=now
    ):
        raise NotFound(_("This link is old or has been used. Sign in to see your devices."))
    return devices_selectors.by_id(found.registration.device_id)


def _confirm(device: Device, actor: Actor, now: datetime) -> None:
    life = _waiting_life(device)
    if not devices.release_keys(registration=life, now=now):
        raise Conflict(_over())
    _record(Verb.DEVICE_CONFIRMED, device, actor)
    comparison.of_device(device.id, now=now)


def _waiting_life(device: Device) -> Registration:
    if device.registration is None or not is_waiting(device):
        raise Conflict(_over())
    return device.registration


def _over() -> str:
    return _("This device doesn’t wait to be confirmed.")


def _write(registration: Registration, person: Person, address: str, now: datetime) -> None:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    expires_at = now + LINK_LASTS
    Confirmation.objects.update_or_create(
        registration=registration,
        defaults={"token_hash": _hash(token), "address": address[:64], "expires_at": expires_at, "answered_at": None},
    )
    device = registration.device
    model = device.model_name or device.model
    accounts.notify(
        person=person,
        notice=Notice.DEVICE_WAITS,
        facts={
            "device": device.name or model,
            "model": model,
            "at": registration.started_at.isoformat(),
            "address": address,
            "secret_link": f"{settings.PUBLIC_URL}{PATH}{token}",
            "until": expires_at.isoformat(timespec="seconds"),
        },
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _record(verb: Verb, device: Device, actor: Actor) -> None:
    audit.record(
        verb,
        actor=actor,
        device=device,
    )
