"""Which passwords will do, how hard they are to guess, and the list of those that are known from breaches."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from mydevices.accounts import breached, passwords, selectors, services, sign_in_rules
from mydevices.accounts.models import FormerPassword, Person, SignInRules
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.cli.management.commands import demo
from mydevices.errors import Invalid, NotAllowed
from tests import factories

OWN = frozenset({"ines", "okafor", "inesokafor", "aldermoor", "mydevices"})
DEFAULTS: Final[dict[str, Any]] = {
    "minimum_length": 15,
    "classes": 0,
    "history": 0,
    "expires_after_days": 0,
    "idle_minutes": 480,
    "limited_sign_in": True,
    "console_factor": True,
}


def decide(**values: int) -> SignInRules:
    rules = sign_in_rules.change(actor=Actor.system("test"), **DEFAULTS | values)
    selectors.forget_rules()
    return rules


def ines() -> Person:
    return Person(name="Ines Okafor", email="ines.okafor@aldermoor.example")


def test_the_list_is_what_its_manifest_says_and_in_order() -> None:
    folder = Path(breached.__file__).parent
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    packed = (folder / manifest["file"]).read_bytes()
    assert hashlib.sha256(packed).hexdigest() == manifest["sha256"]
    assert len(packed) == manifest["passwords"] * breached.WIDTH < 2_000_000
    records = [packed[start : start + breached.WIDTH] for start in range(0, len(packed), breached.WIDTH)]
    assert records == sorted(set(records))
    assert (folder / manifest["licence_file"]).read_text(encoding="utf-8")
    for source in manifest["made_from"]:
        assert {"name", "version", "licence", "sha256"} <= source.keys()


@pytest.mark.parametrize("known", ["password", "PASSWORD1", "qwertyuiop", "iloveyou", "1qaz2wsx3edc4rfv"])
def test_passwords_of_breaches_are_in_the_list_whatever_their_capitals(known: str) -> None:
    assert breached.holds(known)


@pytest.mark.parametrize("unknown", ["", "abc", "harbour-lantern-42", "granite meadow seventeen"])
def test_others_are_not(unknown: str) -> None:
    assert not breached.holds(unknown)


def test_a_list_is_made_of_passwords_without_gaps_or_doubles() -> None:
    packed = breached.pack(["Password", "password", "abc", "with\ttab", "second one"])
    assert packed == b"".join(sorted([breached.digest("password"), breached.digest("second one")]))


@pytest.mark.parametrize(
    "easy",
    [
        "aaaaaaaaaaaaaaaa",
        "passwordpassword",
        "password12345678",
        "Password123!Password123!",
        "P@ssw0rdP@ssw0rd",
        "inesokafor2026!!",
        "aldermoor2026aldermoor",
        "mydevicesmydevices",
        "qwertyuiopasdfgh",
        "abcdefghijklmnopqrstuvwxyz",
        "12345678901234567890",
        "hunter2hunter2hunter2",
    ],
)
def test_what_is_guessed_first_is_worth_little(easy: str) -> None:
    assert passwords.measure(easy, OWN).level == 0


@pytest.mark.parametrize(
    "good", ["harbour-lantern-42", "granite meadow seventeen", "xkqjvbzmwplrtyg", "Ünïcödé wörds hält"]
)
def test_words_that_do_not_belong_together_are_worth_something(good: str) -> None:
    assert passwords.measure(good, OWN).level >= 2


@given(st.text(max_size=120))
def test_any_text_is_measured_and_more_of_it_is_never_worth_less_than_nothing(text: str) -> None:
    measured = passwords.measure(text, OWN)
    assert 0 <= measured.bits < 2000
    assert 0 <= measured.own <= 1
    assert 0 <= measured.level <= 4


@given(st.text(alphabet="abcdefgh12", min_size=1, max_size=20), st.integers(2, 4))
def test_a_repeat_adds_less_than_it_repeats(text: str, times: int) -> None:
    assert passwords.measure(text * times, OWN).bits <= passwords.measure(text, OWN).bits + times + 0.001 or (
        breached.holds(text)
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "at least 15 characters"),
        ("a" * 257, "256 characters at most"),
        ("1qaz2wsx3edc4rfv", "known from breaches"),
        ("qwertyuiopasdfgh", "too easy to guess"),
        ("ines okafor 2026", "besides your name"),
    ],
)
def test_a_password_is_refused_with_the_reason(password: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        validate_password(password, ines())


@pytest.mark.django_db
def test_long_passwords_are_accepted_with_any_characters() -> None:
    validate_password("three ✈ planes over a grey harbour " * 2, ines())
    validate_password("ü" + "x1 y2 z3 w4 v5 u6 t7 s8 r9 q0 p1 o2 n3 m4 l5 k6 j7 i8 h9 g0 f1"[:63], ines())


@pytest.mark.django_db
def test_the_accounts_of_the_demo_keep_to_the_rules() -> None:
    for account in (demo.PERSON, demo.ADMINISTRATOR):
        validate_password(account.password, Person(name=account.name, email=account.email))


@pytest.mark.django_db
def test_kinds_of_characters_are_asked_for_only_where_the_rules_say_so() -> None:
    validate_password("harbour lantern moss", ines())
    decide(classes=3)
    with pytest.raises(ValidationError, match="It needs 3 of these"):
        validate_password("harbour lantern moss", ines())
    validate_password("Harbour lantern moss", ines())


@pytest.mark.django_db
def test_earlier_passwords_do_not_come_back_while_the_rules_remember_them() -> None:
    decide(history=2)
    person = factories.person(password="harbour lantern moss")
    actor = factories.actor(person)
    with pytest.raises(Invalid, match="had this password before"):
        services.change_password(actor=actor, person=person, password="harbour lantern moss")
    services.change_password(actor=actor, person=person, password="granite meadow seventeen")
    with pytest.raises(Invalid, match="had this password before"):
        services.change_password(actor=actor, person=person, password="harbour lantern moss")
    services.change_password(actor=actor, person=person, password="violet tractor opinion")
    services.change_password(actor=actor, person=person, password="harbour lantern moss")
    assert FormerPassword.objects.filter(person=person).count() == 1
    decide(history=0)
    assert not FormerPassword.objects.exists()


@pytest.mark.django_db
def test_nothing_is_remembered_by_default() -> None:
    person = factories.person(password="harbour lantern moss")
    services.change_password(actor=factories.actor(person), person=person, password="granite meadow seventeen")
    services.change_password(actor=factories.actor(person), person=person, password="harbour lantern moss")
    assert not FormerPassword.objects.exists()


@pytest.mark.django_db
def test_a_password_expires_only_where_the_rules_say_so() -> None:
    person = factories.person(password="harbour lantern moss")
    person.password_changed_at = timezone.now() - timedelta(days=91)
    now = timezone.now()
    assert not passwords.is_expired(person, rules=selectors.sign_in_rules(), now=now)
    rules = decide(expires_after_days=90)
    assert passwords.is_expired(person, rules=rules, now=now)
    assert not passwords.is_expired(person, rules=rules, now=now - timedelta(days=2))
    person.provider = "entra"
    assert not passwords.is_expired(person, rules=rules, now=now)


@pytest.mark.django_db
def test_rules_are_an_administrator_s_and_their_change_is_recorded() -> None:
    for role in (Person.Role.PERSON, Person.Role.HELPDESK, Person.Role.AUDITOR):
        with pytest.raises(NotAllowed):
            sign_in_rules.change(actor=factories.actor(factories.person(role=role)), **DEFAULTS)
    sign_in_rules.change(actor=factories.actor(factories.administrator()), **DEFAULTS | {"minimum_length": 20})
    entry = Entry.objects.get(verb=Verb.SIGN_IN_RULES_CHANGED)
    assert entry.details["minimum_length"] == 20


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", [{"minimum_length": 7}, {"minimum_length": 65}, {"classes": 5}, {"history": 11}])
def test_rules_that_would_weaken_everybody_or_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(Invalid):
        decide(**wrong)
    assert not SignInRules.objects.exists()


@pytest.mark.django_db
def test_a_password_is_the_same_however_its_letters_are_composed() -> None:
    person = factories.person(password="u\u0308ber harbour lantern")
    assert person.check_password("\u00fcber harbour lantern")
