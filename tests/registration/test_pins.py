"""PINs: given once, kept as a sealed digest, spent by a device, guessed by nobody, and asked for anew without telling
strangers who is here."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from mydevices.accounts.attempts import PINS, PINS_IN_ALL, PINS_THEN, renewed_cookie
from mydevices.accounts.models import Attempts, Person
from mydevices.accounts.notices import Notice
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.errors import Conflict, NotAllowed, TooMany
from mydevices.outbox.models import Message
from mydevices.outbox.registry import Delivery
from mydevices.registration import pins, selectors, tasks, tickets
from mydevices.registration.models import RegistrationPin, Ticket
from mydevices.registration.refusals import Refused, Why
from mydevices.registration.selectors import LOCKED_AFTER
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


def checked(
    person: Person | None, typed: str, now: datetime | None = None, *, address: str = "192.0.2.1", cookie: str = ""
) -> RegistrationPin:
    email = person.email if person else "nobody@aldermoor.example"
    stranger = Actor(kind="anonymous", address=address)
    return pins.check(person=person, email=email, typed=typed, actor=stranger, cookie=cookie, now=now)


def right(person: Person | None, typed: str, now: datetime | None = None, **where: str) -> RegistrationPin | None:
    try:
        return checked(person, typed, now, **where)
    except NotAllowed:
        return None


def networks() -> Iterator[str]:
    """Addresses, each in a network of its own."""
    yield from (f"198.{number // 256}.{number % 256}.7" for number in range(65_536))


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
            checked(person, typed, now)
    assert Entry.objects.filter(verb="registration_pin.wrong").count() == 6


def test_wrong_tries_make_whoever_is_there_wait_and_nobody_elsewhere(owner: Person, by_pin: None) -> None:
    plain = issued(owner)
    for _try in range(PINS.most - 1):
        assert not right(owner, "ZZZZZZ")
    assert right(owner, plain), "a right one is no try"
    assert not right(owner, "ZZZZZZ")
    for typed in ("ZZZZZZ", plain):
        with pytest.raises(TooMany):
            checked(owner, typed)
    assert right(owner, plain, address="198.51.100.9")
    assert right(owner, plain, cookie=renewed_cookie("", owner)), "this browser knows its person"
    other = factories.person()
    assert right(other, issued(other)), "and others are free behind the same address"


def test_after_many_tries_from_everywhere_strangers_have_one_an_hour_together(owner: Person, by_pin: None) -> None:
    plain, places = issued(owner), networks()
    for _try in range(PINS_IN_ALL.most + PINS_THEN.most):
        assert not right(owner, "ZZZZZZ", address=next(places))
    for _try in range(3):
        with pytest.raises(TooMany):
            checked(owner, plain, address=next(places))
    assert right(owner, plain, cookie=renewed_cookie("", owner))
    Attempts.objects.update(ends_at=timezone.now())
    assert right(owner, plain, address=next(places))


def test_a_browser_that_knows_its_person_has_a_share_of_its_own(owner: Person, by_pin: None) -> None:
    issued(owner)
    cookie = renewed_cookie("", owner)
    for _try in range(PINS.most):
        assert not right(owner, "ZZZZZZ", cookie=cookie)
    with pytest.raises(TooMany):
        checked(owner, "ZZZZZZ", cookie=cookie)
    forged = cookie[:-1] + ("A" if cookie[-1] != "A" else "B")
    for _try in range(PINS.most):
        assert not right(owner, "ZZZZZZ", cookie=forged)
    with pytest.raises(TooMany):
        checked(owner, "ZZZZZZ", cookie=forged)


def test_a_pin_is_over_after_hundreds_of_wrong_tries_and_a_new_one_opens_again(owner: Person, by_pin: None) -> None:
    plain = issued(owner)
    RegistrationPin.objects.update(tries=LOCKED_AFTER - 1)
    assert right(owner, plain), "the last try may be right, and is given back"
    assert RegistrationPin.objects.get().tries == LOCKED_AFTER - 1
    assert not right(owner, "ZZZZZZ")
    assert not right(owner, plain)
    assert Entry.objects.filter(verb="registration_pin.locked").count() == 1
    assert selectors.pin_of(owner, timezone.now()) is None
    assert right(owner, issued(owner))


def test_the_odds_of_guessing_a_pin_are_as_the_constants_say() -> None:
    letters = len(pins.ALPHABET)
    assert LOCKED_AFTER / letters**6 < 1 / 2_900_000
    assert LOCKED_AFTER / letters**4 < 1 / 3_000
    a_day = PINS_IN_ALL.most + PINS_THEN.most * (PINS_IN_ALL.within // PINS_THEN.within)
    assert a_day == 54
    assert 365 * a_day / letters**6 <= 1 / 45_000
    assert 365 * a_day / letters**4 < 1 / 46


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
    return tickets.open_ticket(
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
    tickets.open_ticket(person=owner, ownership="personal", intended="phone", actor=OPERATOR)


def test_a_pin_registers_one_device_and_a_new_ticket_replaces_the_one_before(owner: Person, by_pin: None) -> None:
    plain = issued(owner)
    first = opened(owner, right(owner, plain))
    document = tickets.document_for(ticket=first).content
    second = opened(owner, right(owner, plain))
    first.refresh_from_db()
    assert first.revoked_at is not None
    with pytest.raises(SimulatorError):
        fleet.new_device("iphone", send=send).register(document)
    held = right(owner, plain)
    fleet.new_device("iphone", send=send).register(tickets.document_for(ticket=second).content)
    assert not right(owner, plain)
    with pytest.raises(Refused, match="registered a device already"):
        opened(owner, held)


def test_a_refused_device_spends_no_pin(owner: Person, decide: Decide) -> None:
    decide(sign_in="pin", minimums={"iOS": "99"})
    plain = issued(owner)
    ticket = opened(owner, right(owner, plain))
    with pytest.raises(SimulatorError):
        fleet.new_device("iphone", send=send).register(tickets.document_for(ticket=ticket).content)
    assert right(owner, plain)


# Asking without a session


def test_the_worker_answers_whoever_asks_for_a_pin(owner: Person, decide: Decide) -> None:
    def ask(email: str) -> None:
        pins.ask(email=email, actor=STRANGER)
        message = Message.objects.get(topic=pins.ASKED)
        tasks.answer([Delivery(message.pk, message.key, message.payload, 1)])
        message.delete()

    decide(sign_in="pin")
    suspended = factories.person()
    Person.objects.filter(id=suspended.id).update(is_active=False)
    for email in (owner.email.upper(), "nobody@aldermoor.example", suspended.email):
        ask(email)
    decide(sign_in="pin", pin_on_request=False)
    ask(owner.email)
    decide(sign_in="password")
    ask(owner.email)
    sent = [message.payload["notice"] for message in Message.objects.filter(topic="mail").order_by("id")]
    assert sent == [Notice.REGISTRATION_PIN, *[Notice.REGISTRATION_PIN_UNKNOWN] * 4]
    assert RegistrationPin.objects.get().person == owner
