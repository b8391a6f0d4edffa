"""PINs that people register with: given, asked for anew, compared.

A PIN registers one device, like the incumbents' do: typing it opens a ticket and spends nothing, and a new ticket takes
the place of the former; it is spent by the device that registers. A person has one at a time: a new one replaces the
old. It is kept as an Argon2id digest under the vault's seal, so a stolen database without the master key says nothing,
and with it every guess costs a hash. Guessing here is slowed as guessing passwords is, so that a stranger's guesses do
not stop the person (`attempts.PinAttempt`, with the odds), and a PIN is over after 300 wrong tries from everywhere."""

import secrets
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid4

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import rights
from mydevices.accounts import selectors as people
from mydevices.accounts import services as accounts
from mydevices.accounts.attempts import PinAttempt
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.accounts.rights import Right
from mydevices.audit import proof
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, NotAllowed, NotFound
from mydevices.outbox import services as outbox
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.registration import selectors
from mydevices.registration.models import RegistrationPin
from mydevices.registration.selectors import LOCKED_AFTER
from mydevices.vault import services as vault

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without the letters and digits that people take for one another: four of them are close to 20 random bits."""
ASKED: Final = "registration_pin"
"""Messages of the outbox: somebody without a session asks for a PIN."""


def issue(*, person: Person, actor: Actor, now: datetime | None = None, mail: bool = True) -> str:
    """A new PIN, in place of the one before. It is returned to be shown once, and goes to the person by mail, unless
    the caller puts it into a mail of its own (`mail=False`).

    Raises Conflict where the person's policy asks for no PIN, NotAllowed for a person whose policy leaves new ones to
    others, and for strangers, and NeedsFreshAuthentication."""
    actor.require_fresh(now or timezone.now())
    rules = selectors.rules_of(person).values
    if not rules.asks_pin:
        raise Conflict(_("%(name)s registers without a PIN.") % {"name": person.name})
    if actor.kind == "person" and actor.id == str(person.id):
        if not rules.pin_on_request and Right.INVITE not in rights.of(actor):
            raise NotAllowed(_("New PINs are given by the people who invite. Ask them for one."))
    else:
        rights.require(actor, Right.INVITE)
        rights.ceiling(actor, person=person)
    return _issue(person, rules, actor, now or timezone.now(), mail=mail)


@transaction.atomic
def _issue(person: Person, rules: RegistrationRules, actor: Actor, now: datetime, *, mail: bool) -> str:
    plain = "".join(secrets.choice(ALPHABET) for _position in range(rules.pin_length))
    digest = make_password(plain)
    Person.objects.select_for_update(no_key=True).get(id=person.id)  # one after the other: there is one PIN at a time
    RegistrationPin.objects.filter(person=person, spent_at=None, revoked_at=None).update(revoked_at=now)
    pin_id = uuid4()
    expires_at = now + timedelta(days=rules.pin_days)
    RegistrationPin.objects.create(
        id=pin_id,
        person=person,
        digest=vault.seal(digest.encode(), _place(pin_id, person)),
        created_at=now,
        expires_at=expires_at,
    )
    audit.record(Verb.REGISTRATION_PIN_ISSUED, actor=actor, person=person)
    if mail:
        facts = {"secret_pin": readable(plain), "until": expires_at.isoformat()}
        if actor.kind == "person" and actor.id != str(person.id):
            facts["by"] = actor.name
        accounts.notify(person=person, notice=Notice.REGISTRATION_PIN, facts=facts)
    return plain


def ask(*, email: str, actor: Actor, now: datetime | None = None) -> None:
    """Somebody without a session asks for a new PIN for an address. The worker answers, so that whoever asks does not
    learn who is here: neither from what they read nor from how long it takes."""
    moment = now or timezone.now()
    outbox.post(ASKED, {"email": email, "address": actor.address, "at": moment.isoformat()}, alone=True)


@transaction.atomic
def answer(*, email: str, address: str, now: datetime) -> None:
    """Mail a new PIN to whoever may have one, and to everybody else that there is none."""
    actor = Actor(kind="anonymous", address=address)
    person = _active(email)
    rules = selectors.rules_of(person).values if person is not None else RegistrationRules()
    if person is not None and rules.asks_pin and rules.pin_on_request:
        _issue(person, rules, actor, now, mail=True)
        return
    audit.record(
        Verb.REGISTRATION_PIN_WITHHELD,
        actor=actor,
        person=person,
    )
    accounts.post_mail(
        notice=Notice.REGISTRATION_PIN_UNKNOWN,
        address=person.email if person else email.strip(),
        person_id=str(person.id) if person else "",
        facts={"at": now.isoformat(), "address": address},
    )


def check(
    *, person: Person | None, email: str, typed: str, actor: Actor, cookie: str = "", now: datetime | None = None
) -> RegistrationPin:
    """The PIN that was typed, if it is this person's and still good; `email` is the address that was typed with it, and
    `cookie` what the browser knows (`attempts.COOKIE`).

    Raises TooMany, counted for the address and where it comes from (`attempts.PinAttempt`), and NotAllowed for
    everything else. That is in the same words and after the same work for a wrong PIN, for somebody who has none and
    for nobody (`person` is None). Not to be called in a transaction that an error undoes: tries are counted."""
    moment = now or timezone.now()
    proof.require(actor, Verb.TICKET_OPENED, None, timezone.now())  # before a try is counted that cannot succeed
    is_here = actor.kind == "person" and person is not None and actor.id == str(person.id)
    attempt = PinAttempt(email=email, person=person, address=actor.address, cookie=cookie, signed_in=is_here)
    who = person or Person()  # nobody has a row, and is asked for all the same
    pin = selectors.pin_of(who, moment)
    pin_id = pin.id if pin is not None else uuid4()
    place = _place(pin_id, who)
    digest = vault.seal(_nothing().encode(), place)
    # Counted first, and only while it is not locked: six guesses at the same moment are six, not one.
    unlocked = RegistrationPin.objects.filter(id=pin_id, tries__lt=LOCKED_AFTER)
    counted = unlocked.update(tries=F("tries") + 1) > 0
    if pin is not None and counted:
        digest = bytes(pin.digest)
    right = check_password(plain(typed), vault.open_sealed(digest, place).decode())
    if pin is None or not counted or not right:
        _note_wrong(person, pin_id, actor)
        raise NotAllowed(wrong())
    attempt.succeeded()
    RegistrationPin.objects.filter(id=pin_id, tries__gt=0).update(tries=F("tries") - 1)
    return pin


def wrong() -> str:
    return _("What you typed is not right, or no longer valid.")


@transaction.atomic
def _note_wrong(person: Person | None, pin_id: UUID, actor: Actor) -> None:
    def record(verb: Verb) -> None:
        audit.record(verb, actor=actor, person=person)

    record(Verb.REGISTRATION_PIN_WRONG)
    if RegistrationPin.objects.filter(id=pin_id, tries__gte=LOCKED_AFTER).exists():
        record(Verb.REGISTRATION_PIN_LOCKED)


def plain(typed: str) -> str:
    """As it was made: people type small letters, spaces and hyphens."""
    return typed.upper().replace(" ", "").replace("-", "")


def readable(pin: str) -> str:
    """In groups of three or four, as people read aloud: “7KQ 2MP”."""
    size = 3 if len(pin) % 3 == 0 else 4
    return " ".join(pin[start : start + size] for start in range(0, len(pin), size))


def _active(email: str) -> Person | None:
    try:
        return people.by_email(email)
    except NotFound:
        return None


@lru_cache(maxsize=1)
def _nothing() -> str:
    """A digest that no PIN has, for the work of comparing."""
    return make_password(secrets.token_hex(16))


def revoke_since(person_id: UUID, since: datetime, now: datetime) -> None:
    """Revoke this person's PIN if it was given since then: it may have been mailed to an intruder's address, and
    registers without a session. Part of another verb, which records it (`accounts.set_aside`). A new password alone
    revokes none: a PIN goes to the mailbox, or on paper, and shows in no session."""
    given = RegistrationPin.objects.filter(person_id=person_id, created_at__gte=since)
    given.filter(spent_at=None, revoked_at=None).update(revoked_at=now)


def _place(pin_id: UUID, person: Person) -> vault.Place:
    return vault.Place("registration_registrationpin", "digest", row=pin_id, owner=person.id)
