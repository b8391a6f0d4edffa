"""How a device comes under management, stays, and leaves: tickets, lives, renewal, retirement."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import rights
from mydevices.accounts import services as accounts
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.accounts.rights import Right
from mydevices.actions import ActionKind
from mydevices.applications import services as applications
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.certificates import selectors as certificates_selectors
from mydevices.certificates import services as certificates
from mydevices.certificates.models import Challenge, DeviceCertificate
from mydevices.commands import asking, queue
from mydevices.commands import selectors as commands_selectors
from mydevices.commands.models import Command
from mydevices.commands.states import OPEN, PENDING, State
from mydevices.configurations import comparison
from mydevices.devices import selectors as devices_selectors
from mydevices.devices import services as devices
from mydevices.devices.models import STILL_TALKING, Channel, Device, Registration
from mydevices.devices.services import Introduction
from mydevices.errors import Conflict, NotAllowed, NotFound, ProtocolError
from mydevices.location import services as location
from mydevices.policies import helpdesk
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.policies.kinds.self_service import REGISTER, SelfServiceRules
from mydevices.policies.selectors import Effective
from mydevices.port.commands import RENEW
from mydevices.port.platform import device_kind, platform_named, platform_of, platform_of_kind, systems
from mydevices.port.registering import Document
from mydevices.port.versions import is_older, is_version
from mydevices.registration import confirmations, selectors
from mydevices.registration.models import Acceptance, RegistrationPin, TermsText, Ticket
from mydevices.registration.refusals import Fact, Refusal, Refused, Why
from mydevices.vault import services as vault

TICKET_LIFETIME: Final = timedelta(minutes=15)
TICKET_GRACE: Final = timedelta(minutes=2)
"""How long after a ticket's end a device that has its certificate already may still finish."""
RENEWAL_LIFETIME: Final = timedelta(days=30)
MOST_USERS: Final = 100
"""Users of one device that have a channel."""
RENEW_AGAIN_AFTER: Final = timedelta(days=1)
"""How long a device that refused a new certificate is left alone."""

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
        _record(Verb.TICKET_OPENED, ticket=ticket, actor=actor)
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
    _refuse_beyond_limit(person, rules, ownership)


def _refuse_beyond_limit(
    person: Person, rules: Effective[RegistrationRules], ownership: str, hardware_id: str = ""
) -> None:
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
        _record(Verb.TICKET_REVOKED, ticket=former, actor=actor)


@transaction.atomic
def accept_terms(*, person: Person, policy_id: UUID, version: int, actor: Actor, now: datetime | None = None) -> None:
    """A person accepts the terms of their policy in the version that they have read. Nobody else can for them. Raises
    Conflict when there is another version by now, or another policy."""
    if actor.id != str(person.id):
        raise NotAllowed(_("Terms are accepted by the person who registers."))
    actor.require_fresh(now or timezone.now())
    rules = selectors.rules_of(person)
    if not rules.values.terms or (rules.policy_id, rules.values.terms_version) != (policy_id, version):
        raise Conflict(_("The terms have changed meanwhile. Read them anew."))
    text, _new = TermsText.objects.get_or_create(
        policy_id=policy_id,
        version=version,
        defaults={"policy_name": rules.policy_name, "text": rules.values.terms},
    )
    _acceptance, new = Acceptance.objects.get_or_create(
        person=person, terms=text, defaults={"at": now or timezone.now(), "address": actor.address}
    )
    if new:
        audit.record(
            Verb.TERMS_ACCEPTED,
            actor=actor,
            person=person,
            details={"policy": rules.policy_name, "policy_id": str(policy_id), "version": version},
        )


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
            _record(Verb.TICKET_SEEN, ticket=ticket, actor=actor)


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
        _record(Verb.TICKET_REVOKED, ticket=ticket, actor=actor)


def revoke_since(person_id: UUID, since: datetime, now: datetime) -> None:
    """Close this person's tickets that were opened since then and not used yet: somebody else may have opened them.
    Part of another verb, which records it (`accounts.set_aside`, `accounts.sessions`)."""
    unused = Ticket.objects.filter(
        person_id=person_id, created_at__gte=since, used_at=None, revoked_at=None, refused_at=None
    )
    Challenge.objects.filter(ticket__in=list(unused), spent_by="").update(expires_at=now)
    unused.update(revoked_at=now)


def revoke_pins_since(person_id: UUID, since: datetime, now: datetime) -> None:
    """Revoke this person's PIN if it was given since then: it may have been mailed to an intruder's address, and
    registers without a session. Part of another verb, which records it (`accounts.set_aside`). A new password alone
    revokes none: a PIN goes to the mailbox, or on paper, and shows in no session."""
    given = RegistrationPin.objects.filter(person_id=person_id, created_at__gte=since)
    given.filter(spent_at=None, revoked_at=None).update(revoked_at=now)


def begin(
    *, certificate: DeviceCertificate, introduction: Introduction, arrival: object, now: datetime, address: str = ""
) -> Registration:
    """A device introduces itself with a certificate that a ticket gave it: a new life begins, and the old one of that
    device, under the same person, ends with whatever waited for it.

    With a certificate whose life has begun (the device begins once more, or after a renewal), nothing but the
    description changes. `arrival` is the adapter's own (`Platform.begin`). Raises ProtocolError when the certificate
    belongs to another device or the adapter knows that the device is not what was promised, NotAllowed for
    a revoked ticket, and Refused, which is then written down for the ticket's page, where the person's policy does not
    let the device in."""
    try:
        return _begin(certificate, introduction, arrival, now, address)
    except Refused as refused:
        _note_refusal(certificate, introduction, refused.refusal, now, address)
        raise


@transaction.atomic
def _begin(
    certificate: DeviceCertificate, introduction: Introduction, arrival: object, now: datetime, address: str
) -> Registration:
    if certificate.registration is not None:
        return _again(certificate, certificate.registration, introduction, arrival)
    ticket = Ticket.objects.select_for_update().select_related("person").get(challenge=certificate.challenge_id)
    if ticket.used_at is not None:
        # Lost the race against the same device's other request: the life has begun.
        renewed = certificates_selectors.by_fingerprint(certificate.fingerprint)
        if renewed is None or renewed.registration is None:
            raise NotAllowed("This registration has been used.")
        return _again(renewed, renewed.registration, introduction, arrival)
    if ticket.revoked_at is not None or not ticket.person.is_active:
        raise NotAllowed("This registration has been revoked.")
    if ticket.refused_at is not None:
        raise Refused(Refusal.read(ticket.refusal))
    platform = platform_named(ticket.platform)
    platform.check_arrival(ticket.promise, arrival)
    if now > ticket.expires_at + TICKET_GRACE:
        raise Refused(Refusal(Why.EXPIRED))
    rules = _refuse_device(ticket, introduction)
    if ticket.pin_id and not RegistrationPin.objects.filter(id=ticket.pin_id, spent_at=None).update(spent_at=now):
        raise Refused(Refusal(Why.PIN_SPENT))
    registration, replaced = devices.begin(
        owner=ticket.person,
        platform=ticket.platform,
        ownership=ticket.ownership,
        introduction=introduction,
        now=now,
        keys_held=confirmations.holds_keys(ticket, rules, now=now),
    )
    platform.begin(registration, ticket.promise, arrival)
    certificates.use(certificate=certificate, registration=registration)
    if replaced is not None:
        queue.void(registration=replaced, now=now)
    ticket.used_at = now
    ticket.device = registration.device
    ticket.save(update_fields=["used_at", "device"])
    device = registration.device
    _record(
        Verb.DEVICE_REGISTERED_AGAIN if replaced or device.registrations.count() > 1 else Verb.DEVICE_REGISTERED,
        ticket=ticket,
        actor=Actor.device(str(device.id), device.name, address),
        device=device,
    )
    if registration.keys_held:
        confirmations.begin(registration=registration, person=ticket.person, address=address, now=now)
        return registration
    model = device.model_name or device.model
    accounts.notify(
        person=ticket.person,
        notice=Notice.DEVICE_REGISTERED,
        facts={"device": device.name or model, "model": model, "at": now.isoformat(), "address": address},
    )
    return registration


def _refuse_device(ticket: Ticket, introduction: Introduction) -> RegistrationRules:
    """What the policy says now that the device has spoken, or the rules that let it in. The person's row is held until
    the life has begun: of two devices that come at once the second counts the first."""
    Person.objects.select_for_update(no_key=True).get(id=ticket.person_id)
    rules = selectors.rules_of(ticket.person)
    known = {one.name for one in systems()}
    system, version = introduction.os_name, introduction.os_version
    facts: dict[str, Fact] = {"system": system or _("A device that does not say its system")}
    if system not in rules.values.systems and set(rules.values.systems) != known:
        raise Refused(Refusal(Why.SYSTEM, rules.policy_name, facts))
    minimum = rules.values.minimum(system)
    if is_older(version, minimum):
        why = Why.TOO_OLD if version else Why.VERSION_UNKNOWN
        raise Refused(Refusal(why, rules.policy_name, {**facts, "version": version[:32], "minimum": minimum}))
    # A device that does not say its version or model may run any system.
    if rules.values.has_minimum and (system not in known or not is_version(version)):
        raise Refused(Refusal(Why.SYSTEM_UNKNOWN, rules.policy_name, {"systems": ", ".join(rules.values.least)}))
    _refuse_beyond_limit(ticket.person, rules, ticket.ownership, introduction.hardware_id)
    return rules.values


@transaction.atomic
def _note_refusal(
    certificate: DeviceCertificate, introduction: Introduction, refusal: Refusal, now: datetime, address: str
) -> None:
    """Written after the attempt was undone, once: the ticket has ended, and its page and the history say why."""
    name = (introduction.name or introduction.model_name or introduction.model)[:200]
    ticket = Ticket.objects.select_related("person").get(challenge=certificate.challenge_id)
    ended = Ticket.objects.filter(id=ticket.id, used_at=None, refused_at=None).update(
        refused_at=now, refusal=refusal.stored()
    )
    if ended:
        audit.record(
            Verb.TICKET_REFUSED,
            actor=Actor.device("", name, address),
            device=audit.Mention(name=name),
            person=ticket.person,
            outcome="refused",
            details={**refusal.stored(), "ticket": str(ticket.id)},
        )


def _again(
    certificate: DeviceCertificate, registration: Registration, introduction: Introduction, arrival: object
) -> Registration:
    if registration.has_ended:
        raise NotAllowed("This registration has ended.")
    if registration.device.hardware_id != introduction.hardware_id:
        raise ProtocolError("The certificate belongs to another device.")
    platform = platform_of(registration.device)
    platform.check_arrival(platform.promised(registration), arrival)
    use(certificate=certificate, registration=registration)
    platform.begin_again(registration)
    devices.describe(device=registration.device, introduction=introduction)
    devices.save_description(device=registration.device)
    return registration


def use(*, certificate: DeviceCertificate, registration: Registration) -> None:
    """A renewed certificate is used for the first time: from now on it is the one, and the life goes on."""
    with transaction.atomic():
        if certificates.use(certificate=certificate, registration=registration):
            _record_life(Verb.CERTIFICATE_RENEWED, registration)


@transaction.atomic
def reachable(
    *,
    registration: Registration,
    user_id: str,
    user_name: str,
    push_token: bytes,
    now: datetime,
) -> Channel:
    """A channel told how to wake it. The device's own completes its registration, which ends with a first check in.
    Raises NotAllowed for more users than any computer has."""
    others = Channel.objects.filter(registration=registration).exclude(user_id__in=["", user_id])
    if user_id and others.count() >= MOST_USERS:
        raise NotAllowed("This device has too many users.")
    channel, _created = devices.put_channel(
        registration=registration,
        user_id=user_id,
        user_name=user_name,
        push_token=push_token,
    )
    if not user_id and devices.activate(registration=registration):
        device = devices_selectors.by_id(registration.device_id)
        asking.enqueue(device=device, kind=ActionKind.CHECK_IN, actor=Actor.system("registration"), now=now)
    comparison.of_device(registration.device_id, now=now)
    return channel


@transaction.atomic
def retired(*, registration: Registration, reason: str, now: datetime) -> None:
    """The device has left: it said so, acknowledged it, cannot be pushed to, or has been silent for long. Done once."""
    queue.conclude(registration=registration, kind=ActionKind.RETIRE, reason=reason, now=now)
    _end(registration, Registration.State.RETIRED, Verb.DEVICE_RETIRED, now, reason)
    location.forget(device=registration.device)
    applications.forget(device=registration.device)


@transaction.atomic
def wiped(*, registration: Registration, now: datetime, reason: str = Registration.Ending.ACKNOWLEDGED) -> None:
    """The device obeyed a wipe, or was given one and has not been heard of since: this life is over."""
    if reason != Registration.Ending.ACKNOWLEDGED:
        queue.conclude(registration=registration, kind=ActionKind.WIPE, reason=reason, now=now)
    _end(registration, Registration.State.WIPED, Verb.DEVICE_WIPED, now, reason)


@transaction.atomic
def heard_after_wipe(*, registration: Registration, now: datetime) -> None:
    """A device that counts as erased has spoken, so it was not erased: written down, and recorded once. Its life stays
    over. What it says within two minutes is the end of the old conversation."""
    if registration.ended_at is not None and now - registration.ended_at <= STILL_TALKING:
        return
    if devices.heard_after_wipe(registration=registration, now=now):
        _record_life(Verb.DEVICE_HEARD_AFTER_WIPE, registration)


@transaction.atomic
def erased_after_all(*, registration: Registration, now: datetime) -> None:
    """A device that counted as erased because it was silent came back, and obeyed the order."""
    if devices.erased_after_all(registration=registration, now=now):
        _record_life(Verb.DEVICE_WIPED, registration, Registration.Ending.ACKNOWLEDGED)


def _end(registration: Registration, state: str, verb: Verb, now: datetime, reason: str) -> None:
    if devices.end(registration=registration, state=state, now=now, because=reason):
        queue.void(registration=registration, now=now)
        _record_life(verb, registration, reason)


@transaction.atomic
def user_left(*, registration: Registration, user_id: str, now: datetime) -> None:
    """A user of a computer is no longer spoken to: what waits for them is pointless."""
    queue.void(registration=registration, now=now, user_id=user_id)
    Channel.objects.filter(registration=registration, user_id=user_id).update(push_token=b"", user_name="")
    _record_life(Verb.CHANNEL_CLOSED, registration)


@transaction.atomic
def unreachable(*, registration: Registration, now: datetime) -> None:
    """The push service calls the device's token dead. One that was given a wipe while it lived has erased itself, one
    that was told to go has gone; any other may yet poll by itself."""
    is_new = registration.unreachable_since is None
    if is_new and commands_selectors.was_given(registration, ActionKind.WIPE):
        wiped(registration=registration, reason=Registration.Ending.UNREACHABLE, now=now)
        return
    if commands_selectors.waits_for(registration, ActionKind.RETIRE):
        retired(registration=registration, reason=Registration.Ending.UNREACHABLE, now=now)
        return
    if Registration.objects.filter(id=registration.id, unreachable_since=None).update(unreachable_since=now):
        _record_life(Verb.PUSH_TOKEN_DEAD, registration)


def finish_silent(*, now: datetime) -> int:
    """Devices that were given a wipe, or told to go, and have said nothing for long count as erased or gone. The number
    of them."""
    silence = now - timedelta(days=settings.ENVIRONMENT.silent_days)
    silent = Registration.objects.filter(state=Registration.State.ACTIVE, last_seen_at__lte=silence)
    erased: Sequence[Registration] = list(
        silent.filter(
            actions__kind=ActionKind.WIPE,
            actions__commands__state=State.SENT,
            actions__commands__sent_at__lte=silence,
        )
        .select_related("device__owner")
        .distinct()
    )
    for registration in erased:
        wiped(registration=registration, reason=Registration.Ending.SILENT, now=now)
    gone: Sequence[Registration] = list(
        silent.filter(
            actions__kind=ActionKind.RETIRE,
            actions__commands__state__in=PENDING,
            actions__commands__queued_at__lte=silence,
        )
        .select_related("device__owner")
        .distinct()
    )
    for registration in gone:
        retired(registration=registration, reason=Registration.Ending.SILENT, now=now)
    return len(erased) + len(gone)


def renew_due(*, now: datetime, limit: int = 500) -> int:
    """Queue a new certificate for every device whose certificate ends within 30 days. The number queued."""
    queued = 0
    tried = Command.objects.filter(channel__registration=OuterRef("registration"), exclusive="renewal").filter(
        Q(state__in=OPEN) | Q(finished_at__gte=now - RENEW_AGAIN_AFTER)
    )
    due = certificates_selectors.due_for_renewal(now).filter(~Exists(tried))
    for certificate in due[:limit]:
        channel = Channel.objects.filter(registration=certificate.registration_id, kind=Channel.Kind.DEVICE).first()
        if channel is None or certificate.registration is None:
            continue
        with transaction.atomic():
            challenge = certificates.new_challenge(
                registration=certificate.registration, expires_at=now + RENEWAL_LIFETIME
            )
            command = queue.upkeep(
                channel=channel,
                request_type=RENEW,
                parameters={"challenge": str(challenge.id)},
                exclusive="renewal",
                now=now,
            )
            if command is None:
                challenge.delete()
            else:
                queued += 1
    return queued


def renewal_document(*, registration: Registration, challenge_id: str) -> Document:
    """What the registration was promised, exactly, with a new challenge."""
    challenge = Challenge.objects.filter(id=challenge_id, registration=registration).first()
    if challenge is None:
        raise Conflict("The right to a new certificate is gone.")
    platform = platform_of(registration.device)
    return platform.document(
        promise=platform.promised(registration),
        password=certificates.password_of(challenge.id),
        subject=f"MyDevices {challenge.id}",
        signed=settings.ENVIRONMENT.sign_profiles,
    )


def _record(verb: Verb, *, ticket: Ticket, actor: Actor, device: Device | None = None) -> None:
    audit.record(
        verb,
        actor=actor,
        device=device,
        person=ticket.person,
        details={"ownership": ticket.ownership, "ticket": str(ticket.id)},
    )


def _record_life(verb: Verb, registration: Registration, reason: str = "") -> None:
    device = registration.device
    audit.record(
        verb,
        actor=Actor.device(str(device.id), device.name),
        device=device,
        details={"reason": reason} if reason else {},
    )
