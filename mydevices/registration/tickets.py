"""A ticket: the right to register one device, good for a quarter of an hour. It is opened for a person, named by a
short address, handed out as a document or link, and used, revoked or refused."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import rights
from mydevices.accounts.models import Person
from mydevices.accounts.rights import Right
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.certificates import services as certificates
from mydevices.certificates.models import Challenge
from mydevices.devices.models import Device
from mydevices.errors import Conflict, NotAllowed, NotFound
from mydevices.policies import helpdesk
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.policies.kinds.self_service import REGISTER, SelfServiceRules
from mydevices.policies.selectors import Effective
from mydevices.port.platform import device_kind, platform_named, platform_of_kind
from mydevices.port.registering import Document
from mydevices.registration import records, selectors
from mydevices.registration.models import RegistrationPin, Ticket
from mydevices.registration.refusals import Refusal, Refused, Why
from mydevices.vault import services as vault

TICKET_LIFETIME: Final = timedelta(minutes=15)
ALPHABET: Final = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without the letters and digits that people take for one another."""
CODE_LENGTH: Final = 12
"""31 ** 12 is more than 59 random bits."""


def open_ticket(
    *,
    person: Person,
    ownership: str,
    intended: str,
    actor: Actor,
    pin: RegistrationPin | None = None,
) -> Ticket:
    """Let a person register one device in the next 15 minutes. `pin` is one that `pins.check` found right.

    The person's registration policy binds every actor, the command line too; only the PIN is asked of nobody but the
    person, because it proves that it is them. Raises Refused where the policy forbids it, NotAllowed for a stranger,
    NeedsFreshAuthentication, because a device that registers is sent private keys, Conflict while the server cannot
    register any device, Unsupported for a kind of device that no platform knows."""
    now = timezone.now()
    actor.require_fresh(now)
    if actor.id != str(person.id):
        rights.require(actor, Right.INVITE)
        rights.ceiling(actor, person=person, groups=person.groups.all())
    rules = selectors.rules_of(person)
    _refuse_ticket(person=person, rules=rules, ownership=ownership, intended=intended)
    if actor.id == str(person.id):
        _refuse_self_service(person)
    if rules.values.asks_pin and actor.id == str(person.id) and (pin is None or pin.person_id != person.id):
        raise Refused(Refusal(Why.PIN_NEEDED, rules.policy_name))
    code = "".join(secrets.choice(ALPHABET) for _position in range(CODE_LENGTH))
    platform = platform_of_kind(intended)
    may_erase = selectors.may_erase(person, platform=platform.name, ownership=ownership)
    promise = platform.promise(may_erase=may_erase)
    ticket_id = uuid4()
    with transaction.atomic():
        if pin is not None:
            _close_others(pin, actor, now)
        ticket = Ticket.objects.create(
            id=ticket_id,
            person=person,
            platform=platform.name,
            intended=intended,
            ownership=ownership,
            code_hash=_hash(code),
            code=vault.seal(code.encode(), _place(ticket_id, person)),
            challenge=certificates.new_challenge(registration=None, expires_at=now + TICKET_LIFETIME),
            created_at=now,
            expires_at=now + TICKET_LIFETIME,
            promise=promise,
            pin=pin,
            has_factor=actor.id == str(person.id) and actor.has_fresh_factor(now),
        )
        records.of_ticket(Verb.TICKET_OPENED, ticket=ticket, actor=actor)
    return ticket


def _refuse_self_service(person: Person) -> None:
    service = policies.effective(person, SelfServiceRules)
    if not service.values.allows(REGISTER):
        refusal = Refusal(Why.SELF_SERVICE, service.policy_name)
        raise Refused(refusal, helpdesk.of(service.values).whom_to_ask())


def _refuse_ticket(*, person: Person, rules: Effective[RegistrationRules], ownership: str, intended: str) -> None:
    """What can be known before the device speaks. What it says itself is asked at `begin`."""
    values, policy = rules.values, rules.policy_name
    if values.fixed_ownership and ownership != values.fixed_ownership:
        raise Refused(Refusal(Why.OWNERSHIP, policy, {"ownership": values.fixed_ownership}))
    runs = device_kind(intended).systems
    if not set(runs) & set(values.systems):
        raise Refused(Refusal(Why.SYSTEM, policy, {"system": " / ".join(runs)}))
    if not selectors.has_accepted(person, rules):
        raise Refused(Refusal(Why.TERMS, policy, {"version": values.terms_version}))
    refuse_beyond_limit(person, rules, ownership)


def refuse_beyond_limit(
    person: Person, rules: Effective[RegistrationRules], ownership: str, hardware_id: str = ""
) -> None:
    """Raises Refused for a person who has as many devices as their policy allows, the one with this identifier left
    out."""
    counts = ownership != Device.Ownership.COMPANY or rules.values.company_devices_count
    if not rules.values.device_limit or not counts:
        return
    allowance = selectors.allowance(person, rules.values, but=hardware_id)
    if allowance.is_used_up:
        facts = {"used": allowance.used, "limit": allowance.limit}
        raise Refused(Refusal(Why.DEVICE_LIMIT, rules.policy_name, facts))


def _close_others(pin: RegistrationPin, actor: Actor, now: datetime) -> None:
    """A PIN registers one device: a new ticket takes the place of the one that it opened before."""
    if not RegistrationPin.objects.select_for_update().filter(id=pin.id, spent_at=None).exists():
        raise Refused(Refusal(Why.PIN_SPENT))
    for former in Ticket.objects.filter(pin=pin, used_at=None, revoked_at=None, refused_at=None):
        Ticket.objects.filter(id=former.id).update(revoked_at=now)
        Challenge.objects.filter(id=former.challenge_id, spent_by="").update(expires_at=now)
        records.of_ticket(Verb.TICKET_REVOKED, ticket=former, actor=actor)


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _place(ticket_id: UUID, person: Person) -> vault.Place:
    return vault.Place("registration_ticket", "code", row=ticket_id, owner=person.id)


def code_of(ticket: Ticket) -> str:
    """The code of a ticket, for the page of the person whose ticket it is."""
    return vault.open_sealed(bytes(ticket.code), _place(ticket.id, ticket.person)).decode()


def find_by_code(*, code: str, now: datetime | None = None) -> Ticket:
    """The ticket that a short address names. Upper case and the hyphens people see are forgiven. Raises NotFound for a
    wrong, expired, revoked or used one, all alike."""
    plain = code.strip().lower().replace("-", "").replace(" ", "")
    ticket = (
        Ticket.objects.select_related("person", "challenge")
        .filter(
            code_hash=_hash(plain),
            revoked_at=None,
            refused_at=None,
            expires_at__gt=now or timezone.now(),
            person__is_active=True,
        )
        .first()
    )
    if ticket is None or ticket.used_at is not None:
        raise NotFound(_("This address is no longer good. Make a new one on the page “Register a device”."))
    return ticket


def note_opened(*, ticket: Ticket, actor: Actor, now: datetime | None = None) -> None:
    """Somebody looked at the short address: shown to the person, and spending nothing, for mail scanners look too."""
    with transaction.atomic():
        if Ticket.objects.filter(id=ticket.id, opened_at=None).update(opened_at=now or timezone.now()):
            records.of_ticket(Verb.TICKET_SEEN, ticket=ticket, actor=actor)


def document_for(*, ticket: Ticket, signed: bool | None = None) -> Document:
    """The profile of a ticket, the same each time. Raises NotFound when the ticket is no longer good."""
    if ticket.revoked_at or ticket.used_at or ticket.refused_at or ticket.expires_at <= timezone.now():
        raise NotFound(_("This registration is no longer open. Make a new one."))
    return platform_named(ticket.platform).document(
        promise=ticket.promise,
        password=certificates.password_of(ticket.challenge_id),
        subject=f"MyDevices {ticket.challenge_id}",
        signed=settings.ENVIRONMENT.sign_profiles if signed is None else signed,
    )


def link_for(*, ticket: Ticket) -> str:
    """The address that registers a device of a ticket, where its platform has one in place of a document; empty where
    it has none. Raises NotFound when the ticket is no longer good."""
    if ticket.revoked_at or ticket.used_at or ticket.refused_at or ticket.expires_at <= timezone.now():
        raise NotFound(_("This registration is no longer open. Make a new one."))
    return platform_named(ticket.platform).link(
        promise=ticket.promise,
        password=certificates.password_of(ticket.challenge_id),
        subject=f"MyDevices {ticket.challenge_id}",
    )


def revoke(*, ticket: Ticket, actor: Actor) -> None:
    """Close a ticket that has not been used. Raises Conflict for one that has."""
    now = timezone.now()
    if actor.kind != "system" and actor.id != str(ticket.person_id) and not actor.is_administrator:
        raise NotAllowed(_("Only the person whose registration it is can revoke it."))
    with transaction.atomic():
        if not Ticket.objects.filter(id=ticket.id, used_at=None, revoked_at=None, refused_at=None).update(
            revoked_at=now
        ):
            raise Conflict(_("It has been used or revoked already."))
        Challenge.objects.filter(id=ticket.challenge_id, spent_by="").update(expires_at=now)
        records.of_ticket(Verb.TICKET_REVOKED, ticket=ticket, actor=actor)


def revoke_since(person_id: UUID, since: datetime, now: datetime) -> None:
    """Close this person's tickets that were opened since then and not used yet: somebody else may have opened them.
    Part of another verb, which records it (`accounts.set_aside`, `accounts.sessions`)."""
    unused = Ticket.objects.filter(
        person_id=person_id, created_at__gte=since, used_at=None, revoked_at=None, refused_at=None
    )
    Challenge.objects.filter(ticket__in=list(unused), spent_by="").update(expires_at=now)
    unused.update(revoked_at=now)
