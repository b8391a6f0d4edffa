"""A life of a device under management: how it begins with a ticket, goes on, and ends."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from mydevices.accounts import services as accounts
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.actions import ActionKind
from mydevices.applications import services as applications
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.certificates import selectors as certificates_selectors
from mydevices.certificates import services as certificates
from mydevices.certificates.models import DeviceCertificate
from mydevices.commands import asking, queue
from mydevices.commands import selectors as commands_selectors
from mydevices.commands.states import PENDING, State
from mydevices.configurations import comparison
from mydevices.devices import selectors as devices_selectors
from mydevices.devices import services as devices
from mydevices.devices.models import STILL_TALKING, Channel, Registration
from mydevices.devices.services import Introduction
from mydevices.errors import NotAllowed, ProtocolError
from mydevices.location import services as location
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.port.platform import platform_named, platform_of, systems
from mydevices.port.versions import is_older, is_version
from mydevices.registration import confirmations, records, renewal, selectors, tickets
from mydevices.registration.models import RegistrationPin, Ticket
from mydevices.registration.refusals import Fact, Refusal, Refused, Why

TICKET_GRACE: Final = timedelta(minutes=2)
"""How long after a ticket's end a device that has its certificate already may still finish."""
MOST_USERS: Final = 100
"""Users of one device that have a channel."""


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
    records.of_ticket(
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
    tickets.refuse_beyond_limit(ticket.person, rules, ticket.ownership, introduction.hardware_id)
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
    renewal.use(certificate=certificate, registration=registration)
    platform.begin_again(registration)
    devices.describe(device=registration.device, introduction=introduction)
    devices.save_description(device=registration.device)
    return registration


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
        records.of_life(Verb.DEVICE_HEARD_AFTER_WIPE, registration)


@transaction.atomic
def erased_after_all(*, registration: Registration, now: datetime) -> None:
    """A device that counted as erased because it was silent came back, and obeyed the order."""
    if devices.erased_after_all(registration=registration, now=now):
        records.of_life(Verb.DEVICE_WIPED, registration, Registration.Ending.ACKNOWLEDGED)


def _end(registration: Registration, state: str, verb: Verb, now: datetime, reason: str) -> None:
    if devices.end(registration=registration, state=state, now=now, because=reason):
        queue.void(registration=registration, now=now)
        records.of_life(verb, registration, reason)


@transaction.atomic
def user_left(*, registration: Registration, user_id: str, now: datetime) -> None:
    """A user of a computer is no longer spoken to: what waits for them is pointless."""
    queue.void(registration=registration, now=now, user_id=user_id)
    Channel.objects.filter(registration=registration, user_id=user_id).update(push_token=b"", user_name="")
    records.of_life(Verb.CHANNEL_CLOSED, registration)


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
        records.of_life(Verb.PUSH_TOKEN_DEAD, registration)


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
