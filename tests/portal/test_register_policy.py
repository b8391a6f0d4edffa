"""The registration policy on the portal's pages: the desk, terms, PINs, and registering without a session."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from itertools import count, pairwise
from typing import Final
from unittest.mock import patch

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import people
from mydevices.accounts import services as accounts
from mydevices.accounts.models import Group, Membership, Person
from mydevices.accounts.requests import COOKIE
from mydevices.devices.assignment import Assignment, To
from mydevices.outbox.models import Message
from mydevices.policies import services as policies
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.registration import pins, tickets
from mydevices.registration.models import Acceptance, RegistrationPin, Ticket
from mydevices.registration.selectors import LOCKED_AFTER
from tests import factories
from tests.portal.conftest import SignedIn
from tests.registration.conftest import OPERATOR, Decide, decide

__all__ = ["decide"]

pytestmark = pytest.mark.usefixtures("registrable")

IPHONE = {"user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) Safari/605.1"}
REGISTER, TERMS, NEW_PIN = reverse("portal:register"), reverse("portal:terms"), reverse("portal:new_pin")
BY_PIN, DEVICE, ASK = (reverse(f"portal:{name}") for name in ("register_by_pin", "register_by_pin_device", "ask_pin"))
WRONG = "not right, or no longer valid"
CHOICE = {"which": "phone", "ownership": "personal"}


def text(answer: HttpResponseBase) -> str:
    assert isinstance(answer, HttpResponse)
    return answer.content.decode()


def test_the_desk_says_how_many_devices_are_used_and_stops_at_the_limit(
    browser: Client, ines: Person, decide: Decide
) -> None:
    assert "devices used" not in text(browser.get(REGISTER))
    decide(device_limit=2)
    factories.device(ines)
    assert "<b>1 of 2</b> devices used" in text(browser.get(REGISTER))
    factories.device(ines)
    page = text(browser.get(REGISTER))
    assert "2 of 2 devices are used. Retire one first" in page
    assert "The policy “Everyone” decides this." in page
    refused = browser.post(REGISTER, CHOICE)
    assert refused.status_code == 403
    assert "Retire one first" in text(refused)
    assert not Ticket.objects.exists()


def test_ownership_that_is_fixed_is_said_and_not_asked(browser: Client, decide: Decide) -> None:
    decide(ownership="company")
    page = text(browser.get(REGISTER))
    assert 'name="ownership"' not in page
    assert "decided so for all devices" in page
    browser.post(REGISTER, {"which": "phone", "ownership": "personal"})
    assert Ticket.objects.get().ownership == "company"


def test_only_systems_that_are_allowed_are_offered(browser: Client, decide: Decide) -> None:
    decide(systems=("macOS",))
    page = text(browser.get(REGISTER, headers=IPHONE))
    assert 'value="mac"' in page
    assert 'value="phone"' not in page
    assert 'value="here"' not in page
    assert browser.post(REGISTER, CHOICE).status_code == 400


def test_terms_are_read_and_accepted_before_anything_else(browser: Client, ines: Person, decide: Decide) -> None:
    policy = decide(terms="Be kind.\n\n<b>Always.</b>")
    page = text(browser.get(REGISTER))
    assert TERMS in page
    assert 'name="which"' not in page
    assert browser.post(REGISTER, CHOICE).status_code == 403
    page = text(browser.get(TERMS))
    assert "&lt;b&gt;Always.&lt;/b&gt;" in page
    assert "Version 1" in page
    accepted = browser.post(TERMS, {"policy": str(policy.id), "version": "1"})
    assert (accepted.status_code, accepted["Location"]) == (303, REGISTER)
    assert Acceptance.objects.get().person == ines
    assert "You have accepted" in text(browser.get(TERMS))
    assert browser.post(REGISTER, CHOICE).status_code == 303
    decide(terms="Be kind, and tidy.")
    assert browser.post(TERMS, {"policy": str(policy.id), "version": "1"}).status_code == 409
    assert browser.post(REGISTER, CHOICE).status_code == 403


@pytest.mark.parametrize("values", [{}, {"policy": "x", "version": "1"}, {"policy": "", "version": "one"}])
def test_terms_of_no_policy_are_not_accepted(browser: Client, decide: Decide, values: dict[str, str]) -> None:
    decide(terms="Be kind.")
    assert browser.post(TERMS, values).status_code == 400
    assert not Acceptance.objects.exists()


def test_there_may_be_no_terms(browser: Client) -> None:
    assert "no terms to accept" in text(browser.get(TERMS))


def test_the_portal_asks_for_the_pin_where_the_policy_does(browser: Client, ines: Person, decide: Decide) -> None:
    decide(sign_in="both", pin_days=2)
    assert "You have no PIN that works now." in text(browser.get(REGISTER))
    plain = pins.issue(person=ines, actor=OPERATOR)
    assert "registers one device, and ends" in text(browser.get(REGISTER))
    for wrong in ({}, {"pin": ""}, {"pin": "ZZZZZZ"}):
        assert browser.post(REGISTER, {**CHOICE, **wrong}).status_code == 400
    assert RegistrationPin.objects.get().tries == 1
    assert browser.post(REGISTER, {**CHOICE, "pin": plain.lower()}).status_code == 303
    assert Ticket.objects.get().pin == RegistrationPin.objects.get()


def test_a_person_asks_for_a_new_pin_where_they_may(browser: Client, decide: Decide) -> None:
    assert browser.post(NEW_PIN).status_code == 409
    decide(sign_in="pin", pin_on_request=False)
    assert NEW_PIN not in text(browser.get(REGISTER))
    assert browser.post(NEW_PIN).status_code == 403
    decide(sign_in="pin")
    assert browser.get(NEW_PIN).status_code == 405


def test_new_pins_are_mailed_and_counted(browser: Client, ines: Person, decide: Decide) -> None:
    decide(sign_in="pin")
    for _time in range(2):
        assert browser.post(NEW_PIN).status_code == 303
    assert Message.objects.filter(topic="mail").count() == 2
    assert browser.post(NEW_PIN).status_code == 429


def test_a_refused_device_is_told_of_on_the_page_and_in_the_history(
    browser: Client, ines: Person, decide: Decide
) -> None:
    policy = decide(minimums={"iOS": "18"})
    ticket = tickets.open_ticket(person=ines, ownership="personal", intended="phone", actor=factories.actor(ines))
    why = {"why": "too_old", "policy": policy.name, "system": "iOS", "version": "16.7", "minimum": "18"}
    Ticket.objects.filter(id=ticket.id).update(refused_at=timezone.now(), refusal=why)
    page = text(browser.get(reverse("portal:ticket", args=[ticket.id])))
    assert "iOS 16.7 is too old: 18 or newer is needed." in page
    assert "The policy “Everyone” decides this." in page


# Without a session


def proved(person: Person, **typed: str) -> tuple[Client, int]:
    visitor = Client(headers=IPHONE)
    answer = visitor.post(BY_PIN, {"email": person.email, **typed})
    return visitor, answer.status_code


def test_an_address_and_a_pin_lead_to_the_ticket_and_to_nothing_else(ines: Person, decide: Decide) -> None:
    decide(sign_in="pin")
    plain = pins.issue(person=ines, actor=OPERATOR)
    visitor, status = proved(ines, pin=plain)
    assert status == 303
    assert "For Ines Okafor" in text(visitor.get(DEVICE))
    answer = visitor.post(DEVICE, {"which": "here", "ownership": "personal"})
    assert answer["Location"] == reverse("portal:open_ticket", args=[tickets.code_of(Ticket.objects.get())])
    assert visitor.get(answer["Location"]).status_code == 200
    assert Ticket.objects.get().person == ines
    for page in ("portal:devices", "portal:register", "portal:account", "portal:history", "console:overview"):
        assert visitor.get(reverse(page))["Location"].startswith("/sign-in")
    assert visitor.get(DEVICE)["Location"] == BY_PIN, "the proof is spent"


@pytest.mark.parametrize(
    ("sign_in", "password", "pin", "status"),
    [
        ("password", True, False, 303),
        ("password", False, False, 403),
        ("password", False, True, 403),
        ("pin", False, True, 303),
        ("pin", False, False, 403),
        ("pin", True, False, 403),
        ("both", True, True, 303),
        ("both", True, False, 403),
        ("both", False, True, 403),
    ],
)
def test_what_the_policy_asks_for_is_what_is_needed(
    ines: Person, decide: Decide, sign_in: str, password: bool, pin: bool, status: int
) -> None:
    decide(sign_in="both")
    plain = pins.issue(person=ines, actor=OPERATOR)
    decide(sign_in=sign_in)
    typed = {"password": factories.PASSWORD if password else "wrong", "pin": plain if pin else "ZZZZZZ"}
    typed = {name: value for name, value in typed.items() if sign_in in {name, "both"} or (name == "pin" and pin)}
    visitor, answered = proved(ines, **typed)
    assert answered == status
    if status == 403:
        assert WRONG in text(visitor.post(BY_PIN, {"email": ines.email, **typed}))
        assert visitor.get(DEVICE)["Location"] == BY_PIN


def test_a_stranger_and_an_unknown_address_get_the_same_answer(ines: Person, decide: Decide) -> None:
    decide(sign_in="pin")
    pins.issue(person=ines, actor=OPERATOR)
    suspended = factories.person()
    Person.objects.filter(id=suspended.id).update(is_active=False)
    for email in (ines.email, suspended.email, "nobody@aldermoor.example"):
        answer = Client().post(BY_PIN, {"email": email, "pin": "ZZZZZZ"})
        assert answer.status_code == 403
        assert WRONG in text(answer)
        assert "Ines" not in text(answer)
    asked = {
        text(Client().post(ASK, {"email": email})).replace(email, "")
        for email in (ines.email, "nobody@aldermoor.example")
    }
    assert len({page.split("csrfmiddlewaretoken")[0] for page in asked}) == 1


def test_a_proof_ends_with_its_time_and_with_its_person(ines: Person, decide: Decide) -> None:
    decide(sign_in="pin")
    visitor, _status = proved(ines, pin=pins.issue(person=ines, actor=OPERATOR))
    session = visitor.session
    session["registering"] = {
        **session["registering"],
        "until": (timezone.now() - timedelta(seconds=1)).isoformat(),
    }
    session.save()
    assert visitor.get(DEVICE)["Location"] == BY_PIN
    visitor, _status = proved(ines, pin=pins.issue(person=ines, actor=OPERATOR))
    Person.objects.filter(id=ines.id).update(is_active=False)
    assert visitor.post(DEVICE, CHOICE)["Location"] == BY_PIN
    assert not Ticket.objects.exists()


def test_a_proof_ends_with_the_password_that_it_was_given_with(ines: Person, decide: Decide) -> None:
    """Whoever is thrown out by a new password registers nothing with the old one."""
    decide(sign_in="password")
    visitor, status = proved(ines, password=factories.PASSWORD)
    assert (status, visitor.get(DEVICE).status_code) == (303, 200)
    accounts.change_password(actor=factories.actor(ines), person=ines, password="granite meadow seventeen")
    assert visitor.post(DEVICE, CHOICE)["Location"] == BY_PIN
    assert not Ticket.objects.exists()


@pytest.mark.parametrize("end", ["password", "everywhere", "suspended"])
def test_what_ends_sessions_closes_the_registrations_that_were_opened_in_them(
    ines: Person, decide: Decide, end: str
) -> None:
    """The profile that whoever is thrown out has opened would be sent private keys for a quarter of an hour."""
    decide(sign_in="password")
    intruder, _status = proved(ines, password=factories.PASSWORD)
    opened = intruder.post(DEVICE, CHOICE)["Location"]
    assert intruder.get(opened).status_code == 200
    owner = Client()
    assert owner.post("/sign-in", {"login": ines.email, "password": factories.PASSWORD}).status_code == 302
    match end:
        case "password":
            new = "granite meadow seventeen"
            form = {"oldpassword": factories.PASSWORD, "password1": new, "password2": new}
            assert owner.post(reverse("account_change_password"), form).status_code in {302, 303}
        case "everywhere":
            assert owner.post(reverse("sessions_end_others")).status_code in {302, 303}
        case "suspended":
            people.suspend(actor=factories.actor(factories.administrator(), proved=timezone.now()), person=ines)
            Person.objects.filter(id=ines.id).update(is_active=True)
    assert intruder.get(opened).status_code == 404
    assert Ticket.objects.get().revoked_at is not None


def test_a_pin_that_was_replaced_meanwhile_opens_nothing(ines: Person, decide: Decide) -> None:
    decide(sign_in="pin")
    visitor, _status = proved(ines, pin=pins.issue(person=ines, actor=OPERATOR))
    pins.issue(person=ines, actor=OPERATOR)
    assert visitor.post(DEVICE, CHOICE).status_code == 403
    assert not Ticket.objects.exists()


def test_terms_are_accepted_on_the_way_without_a_session(ines: Person, decide: Decide) -> None:
    policy = decide(sign_in="pin", terms="Be kind.")
    assert Client().get(TERMS)["Location"].startswith("/sign-in")
    visitor, _status = proved(ines, pin=pins.issue(person=ines, actor=OPERATOR))
    assert TERMS in text(visitor.get(DEVICE))
    assert visitor.post(TERMS, {"policy": str(policy.id), "version": "1"})["Location"] == DEVICE
    assert visitor.post(DEVICE, CHOICE).status_code == 303


def test_the_page_asks_everyone_for_what_anybody_needs(ines: Person, decide: Decide) -> None:
    page = text(Client().get(BY_PIN))
    assert 'name="password"' in page
    assert 'name="pin"' not in page
    sales = Group.objects.create(name="Sales")
    Membership.objects.create(group=sales, person=ines)
    policies.create(
        actor=OPERATOR,
        name="Sales",
        values=RegistrationRules(sign_in="pin"),
        assignment=Assignment(to=To.GROUPS, groups=frozenset({sales.id})),
    )
    page = text(Client().get(BY_PIN))
    assert 'name="password"' in page
    assert 'name="pin"' in page
    decide(sign_in="pin")
    assert 'name="password"' not in text(Client().get(BY_PIN))


def test_whoever_is_signed_in_registers_in_the_portal(browser: Client) -> None:
    assert browser.get(BY_PIN)["Location"] == REGISTER
    assert browser.get(DEVICE)["Location"] == BY_PIN


def test_proofs_and_requests_are_counted_by_address(ines: Person, decide: Decide) -> None:
    decide(sign_in="pin")
    statuses = [Client().post(ASK, {"email": "nobody@aldermoor.example"}).status_code for _time in range(3)]
    assert statuses == [200, 200, 429]
    tries = [Client().post(BY_PIN, {"email": ines.email, "pin": "ZZZZZZ"}).status_code for _try in range(7)]
    assert tries == [403] * 6 + [429]
    other = factories.person(password=factories.PASSWORD)
    _visitor, status = proved(other, pin=pins.issue(person=other, actor=OPERATOR))
    assert status == 303, "somebody else is free behind the same address"


def test_a_stranger_stops_nobody_from_registering_by_pin(ines: Person, decide: Decide, sign_in: SignedIn) -> None:
    decide(sign_in="pin")
    plain = pins.issue(person=ines, actor=OPERATOR)
    known = sign_in(ines)
    cookie = known.cookies[COOKIE].value
    session = sign_in(ines)
    for number in range(61):  # a whole office's worth, for as many people
        typed = {"email": f"nobody{number}@aldermoor.example", "pin": "ZZZZZZ"}
        assert Client().post(BY_PIN, typed).status_code == (403 if number < 60 else 429)
    for _try in range(7):
        Client().post(BY_PIN, {"email": ines.email, "pin": "ZZZZZZ"})
    stranger, typed = Client(), {"email": ines.email, "pin": plain}
    assert stranger.post(BY_PIN, typed).status_code == 429
    assert stranger.post(BY_PIN, typed, REMOTE_ADDR="198.51.100.7").status_code == 303, "elsewhere"
    at_home = Client()
    at_home.cookies[COOKIE] = cookie
    assert at_home.post(BY_PIN, typed).status_code == 303, "in a browser that knows her"
    assert session.post(REGISTER, {**CHOICE, "pin": plain}).status_code == 303, "in her session"


def test_a_stranger_who_asks_without_end_keeps_nobody_from_using_a_pin(ines: Person, decide: Decide) -> None:
    """Each new PIN takes the place of the one before."""
    decide(sign_in="pin", pin_on_request=True)
    statuses = []
    for place in range(9):
        typed, address = {"email": ines.email.upper() if place % 2 else ines.email}, f"198.51.100.{place}"
        statuses.append(Client().post(ASK, typed, REMOTE_ADDR=address).status_code)
        cache.clear()  # ten minutes pass
    assert statuses == [200] * 6 + [429] * 3
    assert Message.objects.filter(topic=pins.ASKED).count() == 6
    plain = pins.issue(person=ines, actor=OPERATOR)
    assert Client().post(ASK, {"email": ines.email}).status_code == 429
    _visitor, status = proved(ines, pin=plain)
    assert status == 303
    assert Client().post(ASK, {"email": "nobody@aldermoor.example"}).status_code == 200, "others are free"


def test_wrong_short_addresses_do_not_close_the_right_ones(ines: Person) -> None:
    ticket = tickets.open_ticket(person=ines, ownership="personal", intended="phone", actor=factories.actor(ines))
    right = reverse("portal:open_ticket", args=[tickets.code_of(ticket)])
    wrong = [Client().get(f"/r/wrong{number:04}wrong").status_code for number in range(61)]
    assert wrong == [404] * 60 + [429]
    assert Client().get(right).status_code == 200


# What an answer costs


class Work:
    """What the server did for an answer: the statements, by their kind and table, and the hashes."""

    def __init__(self) -> None:
        self.hashes = 0

    def _counting(self, function: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object, **named: object) -> object:
            self.hashes += 1
            return function(*arguments, **named)

        return counted

    def measure(self, ask: Callable[[], HttpResponseBase], status: int) -> tuple[int, list[str]]:
        kind = Argon2PasswordHasher
        self.hashes = 0
        with (
            patch.object(kind, "encode", self._counting(kind.encode)),
            patch.object(kind, "verify", self._counting(kind.verify)),
            CaptureQueriesContext(connection) as captured,
        ):
            assert ask().status_code == status
        return self.hashes, [_shape(query["sql"]) for query in captured.captured_queries]


def _shape(sql: str) -> str:
    words = sql.replace('"', "").split()
    table = next((word for before, word in pairwise(words) if before in {"FROM", "INTO", "UPDATE"}), "")
    return f"{words[0]} {table}"


TYPED: Final[Mapping[str, Mapping[str, str]]] = {
    "a PIN": {"pin": "ZZZZZZ"},
    "a password": {"password": "not this one either"},
    "both": {"pin": "ZZZZZZ", "password": "not this one either"},
    "neither": {},
}


@pytest.mark.parametrize("typed", TYPED)
def test_registering_by_pin_costs_the_same_whoever_it_is(ines: Person, decide: Decide, typed: str) -> None:
    """Who registers by PIN, who has one at the moment and who is here is told by nothing: a policy of each kind, and
    people with and without what it asks for."""
    decide(sign_in="password")
    people = {"by password": ines}
    for sign_in in ("pin", "both"):
        group = Group.objects.create(name=sign_in)
        policy = policies.create(
            actor=OPERATOR,
            name=sign_in,
            values=RegistrationRules(sign_in=sign_in),
            assignment=Assignment(to=To.GROUPS, groups=frozenset([group.id])),
        )
        policies.move(actor=OPERATOR, policy=policy, direction=policies.Direction.UP)
        for holds in ("with a PIN", "without a PIN", "with a PIN that is over", "suspended"):
            one = people[f"{sign_in}, {holds}"] = factories.person(holds, password=factories.PASSWORD)
            Membership.objects.create(group=group, person=one)
            if holds != "without a PIN":
                pins.issue(person=one, actor=OPERATOR)
            if holds == "with a PIN that is over":
                RegistrationPin.objects.filter(person=one).update(tries=LOCKED_AFTER)
            if holds == "suspended":
                Person.objects.filter(id=one.id).update(is_active=False)
    addresses = {name: one.email for name, one in people.items()} | {"nobody": "nobody@aldermoor.example"}
    work, places = Work(), count(1)
    Client().post(BY_PIN, {"email": "warm@up.example", **TYPED[typed]}, REMOTE_ADDR="198.18.0.1")
    costs = {
        name: work.measure(
            partial(
                Client().post,
                BY_PIN,
                {"email": email, **TYPED[typed]},
                REMOTE_ADDR=f"198.18.{next(places)}.1",
            ),
            403,
        )
        for name, email in addresses.items()
    }
    assert len({str(cost) for cost in costs.values()}) == 1, costs


def test_asking_for_a_pin_costs_the_same_whoever_it_is_for(ines: Person, decide: Decide) -> None:
    decide(sign_in="pin")
    work = Work()
    Client().post(ASK, {"email": "warm@up.example"})
    costs = [
        work.measure(partial(Client().post, ASK, {"email": email}), 200) for email in (ines.email, "nobody@b.example")
    ]
    assert costs[0] == costs[1]
    assert costs[0][0] == 0


@pytest.mark.parametrize("page", [BY_PIN, DEVICE, ASK, TERMS, REGISTER])
def test_other_methods_are_refused(browser: Client, page: str) -> None:
    assert browser.put(page).status_code == 405


def test_pages_for_people_send_visitors_to_sign_in(client: Client, db: None) -> None:
    assert client.post(NEW_PIN)["Location"].startswith("/sign-in")
    assert client.get(REGISTER)["Location"].startswith("/sign-in")


def test_a_person_with_a_second_factor_signs_in_instead(ines: Person) -> None:
    Authenticator.objects.create(user=ines, type=Authenticator.Type.WEBAUTHN, data={"name": "Key"})
    answer = Client().post(BY_PIN, {"email": ines.email, "password": factories.PASSWORD})
    assert answer.status_code == 403
    assert "second factor" in text(answer)
