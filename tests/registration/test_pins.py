"""PINs: given once, kept as a sealed digest, spent by a device, locked after six wrong tries, and asked for anew
without telling strangers who is here."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from unittest.mock import patch

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.errors import Conflict, NotAllowed
from mydevices.outbox.models import Message
from mydevices.registration import pins, selectors, services
from mydevices.registration.models import RegistrationPin, Ticket
from mydevices.registration.refusals import Refused, Why
from simulator import fleet
from simulator.errors import SimulatorError
from tests import factories
from tests.platforms.apple.conftest import send
from tests.registration.conftest import OPERATOR, Decide

STRANGER = Actor(kind="anonymous", address="192.0.2.1")


@pytest.fixture
def by_pin(decide: Decide) -> None:
    decide(sign_in="pin", pin_length=6, pin_days=3)


def issued(person: Person, now: datetime | None = None) -> str:
    return pins.issue(person=person, actor=OPERATOR, now=now)


def right(person: Person | None, typed: str, now: datetime | None = None) -> RegistrationPin | None:
    try:
        return pins.check(person=person, typed=typed, actor=STRANGER, now=now)
    except NotAllowed:
        return None


def test_a_pin_has_the_length_and_life_of_the_policy_and_is_mailed_sealed(owner: Person, by_pin: None) -> None:
    now = timezone.now()
    plain = issued(owner, now)
    assert len(plain) == 6
    row = RegistrationPin.objects.get()
    assert row.expires_at == now + timedelta(days=3)
    assert plain.encode() not in bytes(row.digest)
    mail = Message.objects.get(topic="mail").payload
    assert (mail["notice"], mail["to"]) == (Notice.REGISTRATION_PIN, owner.email)
    assert plain not in str(mail)
    assert plain not in str(Entry.objects.latest("id").__dict__)
    assert Entry.objects.latest("id").verb == "registration_pin.issued"


def test_a_caller_with_a_mail_of_its_own_gets_the_pin_alone(owner: Person, by_pin: None) -> None:
    pins.issue(person=owner, actor=OPERATOR, mail=False)
    assert not Message.objects.filter(topic="mail").exists()


@pytest.mark.parametrize("spelled", [str.lower, str.upper, lambda pin: f" {pin[:3]}-{pin[3:]} "])
def test_a_pin_is_right_however_it_is_spelled_and_typing_spends_nothing(
    owner: Person, by_pin: None, spelled: Callable[[str], str]
) -> None:
    plain = issued(owner)
    assert right(owner, spelled(plain))
    assert right(owner, spelled(plain))


def test_wrong_expired_replaced_and_foreign_pins_are_refused_alike(owner: Person, by_pin: None) -> None:
    former = issued(owner)
    plain = issued(owner)
    other = factories.person()
    for person, typed, now in [
        (owner, "ZZZZZZ", None),
        (owner, former, None),
        (owner, "", None),
        (owner, plain, timezone.now() + timedelta(days=3)),
        (other, plain, None),
        (None, plain, None),
    ]:
        with pytest.raises(NotAllowed, match="not right, or no longer valid"):
            pins.check(person=person, typed=typed, actor=STRANGER, now=now)
    assert Entry.objects.filter(verb="registration_pin.wrong").count() == 6


def test_six_wrong_tries_lock_a_pin_and_a_new_one_opens_again(owner: Person, by_pin: None) -> None:
    plain = issued(owner)
    for _try in range(5):
        assert not right(owner, "ZZZZZZ")
    assert right(owner, plain), "the sixth try may be right, and begins the count anew"
    for _try in range(6):
        assert not right(owner, "ZZZZZZ")
    assert not right(owner, plain)
    assert Entry.objects.filter(verb="registration_pin.locked").count() == 1
    assert selectors.pin_of(owner, timezone.now()) is None
    assert right(owner, issued(owner))


def test_who_may_give_a_pin(owner: Person, decide: Decide) -> None:
    decide(sign_in="both", pin_on_request=False)
    with pytest.raises(NotAllowed, match="people who invite"):
        pins.issue(person=owner, actor=factories.actor(owner))
    for role in (Person.Role.PERSON, Person.Role.AUDITOR):
        with pytest.raises(NotAllowed):
            pins.issue(person=owner, actor=factories.actor(factories.person(role=role)))
    for role in (Person.Role.HELPDESK, Person.Role.ADMINISTRATOR):
        assert pins.issue(person=owner, actor=factories.actor(factories.person(role=role)))
    decide(sign_in="both")
    assert pins.issue(person=owner, actor=factories.actor(owner))
    decide(sign_in="password")
    with pytest.raises(Conflict, match="without a PIN"):
        issued(owner)


# Tickets


def opened(person: Person, pin: RegistrationPin | None) -> Ticket:
    return services.open_ticket(
        person=person, ownership="personal", intended="phone", actor=factories.actor(person), pin=pin
    )


@pytest.mark.parametrize("sign_in", ["pin", "both"])
def test_a_person_needs_their_own_pin_where_the_policy_asks_for_one(
    owner: Person, decide: Decide, sign_in: str
) -> None:
    decide(sign_in=sign_in)
    other = factories.person()
    foreign = right(other, issued(other))
    for pin in (None, foreign):
        with pytest.raises(Refused) as refusal:
            opened(owner, pin)
        assert refusal.value.refusal.why == Why.PIN_NEEDED
    opened(owner, right(owner, issued(owner)))


def test_the_command_line_stands_for_the_pin(owner: Person, by_pin: None) -> None:
    services.open_ticket(person=owner, ownership="personal", intended="phone", actor=OPERATOR)


def test_a_pin_registers_one_device_and_a_new_ticket_replaces_the_one_before(owner: Person, by_pin: None) -> None:
    plain = issued(owner)
    first = opened(owner, right(owner, plain))
    document = services.document_for(ticket=first).content
    second = opened(owner, right(owner, plain))
    first.refresh_from_db()
    assert first.revoked_at is not None
    with pytest.raises(SimulatorError):
        fleet.new_device("iphone", send=send).register(document)
    held = right(owner, plain)
    fleet.new_device("iphone", send=send).register(services.document_for(ticket=second).content)
    assert not right(owner, plain)
    with pytest.raises(Refused, match="registered a device already"):
        opened(owner, held)


def test_a_refused_device_spends_no_pin(owner: Person, decide: Decide) -> None:
    decide(sign_in="pin", minimum_ios="99")
    plain = issued(owner)
    ticket = opened(owner, right(owner, plain))
    with pytest.raises(SimulatorError):
        fleet.new_device("iphone", send=send).register(services.document_for(ticket=ticket).content)
    assert right(owner, plain)


# Asking without a session


class Work:
    """What an answer cost: hashes, outbox rows and audit entries."""

    def __init__(self) -> None:
        self.hashes = 0

    def _counting(self, function: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object, **named: object) -> object:
            self.hashes += 1
            return function(*arguments, **named)

        return counted

    def measure(self, ask: Callable[[], object]) -> tuple[int, int, int]:
        before = Message.objects.count(), Entry.objects.count()
        kind = Argon2PasswordHasher
        self.hashes = 0
        with (
            patch.object(kind, "encode", self._counting(kind.encode)),
            patch.object(kind, "verify", self._counting(kind.verify)),
        ):
            ask()
        return self.hashes, Message.objects.count() - before[0], Entry.objects.count() - before[1]


def test_asking_costs_the_same_whoever_is_asked_for(owner: Person, decide: Decide) -> None:
    work = Work()

    def ask(email: str) -> tuple[int, int, int]:
        return work.measure(lambda: pins.ask(email=email, actor=STRANGER))

    decide(sign_in="pin")
    suspended = factories.person()
    Person.objects.filter(id=suspended.id).update(is_active=False)
    known, unknown, closed = ask(owner.email.upper()), ask("nobody@aldermoor.example"), ask(suspended.email)
    decide(sign_in="pin", pin_on_request=False)
    not_on_request = ask(owner.email)
    decide(sign_in="password")
    without_pins = ask(owner.email)
    assert known == unknown == closed == not_on_request == without_pins == (1, 1, 1)
    sent = [message.payload["notice"] for message in Message.objects.order_by("id")]
    assert sent == [Notice.REGISTRATION_PIN, *[Notice.REGISTRATION_PIN_UNKNOWN] * 4]


def test_checking_costs_the_same_whoever_is_asked_for(owner: Person, by_pin: None) -> None:
    pins._nothing()
    plain = issued(owner)
    work = Work()
    without_pin = factories.person()
    costs = {
        work.measure(partial(right, who, typed))[0] for who in (owner, without_pin, None) for typed in ("ZZ", plain)
    }
    assert costs == {1}
