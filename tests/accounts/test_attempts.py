"""Guessing is slow, and cannot be used to keep an owner out."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import attempts, tasks
from mydevices.accounts.attempts import Limit
from mydevices.accounts.models import Attempts, Person
from mydevices.accounts.requests import COOKIE
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.errors import TooMany
from tests import factories
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


def sign_in(email: str, password: str = PASSWORD, *, address: str, browser: Client | None = None) -> bool:
    """Whether somebody at this address got in."""
    client = browser or Client()
    values = {"login": email, "password": password}
    return client.post(reverse("account_login"), values, REMOTE_ADDR=address).status_code == 302


def test_a_hundred_wrong_tries_from_one_address_leave_the_owner_free_at_another() -> None:
    owner = factories.person(password=PASSWORD)
    for _try in range(100):
        assert not sign_in(owner.email, "wrong password", address="203.0.113.9")
    assert not sign_in(owner.email, address="203.0.113.9"), "the guesser is stopped, even with the right one"
    assert sign_in(owner.email, address="198.51.100.7")


def test_neighbours_in_the_same_network_are_one(settings: Any) -> None:
    owner = factories.person(password=PASSWORD)
    for number in range(6):
        sign_in(owner.email, "wrong password", address=f"203.0.113.{number}")
    assert not sign_in(owner.email, address="203.0.113.200")
    for number in range(6):
        sign_in(owner.email, "wrong password", address=f"2001:db8:1:2::{number}")
    assert not sign_in(owner.email, address="2001:db8:1:2:ffff::1")
    assert sign_in(owner.email, address="2001:db8:1:3::1")


def test_an_ipv4_address_in_the_shape_of_an_ipv6_one_is_no_neighbour_of_all_others() -> None:
    """A proxy or socket for both kinds writes `::ffff:192.0.2.1`: by the first 64 bits, that would be everybody."""
    owner = factories.person(password=PASSWORD)
    for number in range(attempts.NETWORK.most + 5):
        sign_in(f"nobody{number}@aldermoor.example", "wrong password", address="::ffff:203.0.113.9")
    assert not sign_in(owner.email, address="::ffff:203.0.113.200")
    assert not sign_in(owner.email, address="203.0.113.200"), "the same network"
    assert sign_in(owner.email, address="::ffff:198.51.100.7")
    assert Entry.objects.filter(verb=Verb.SIGNED_IN).get().address == "198.51.100.7"


def test_the_audit_has_the_whole_address() -> None:
    owner = factories.person(password=PASSWORD)
    assert sign_in(owner.email, address="2001:db8:1:2:3:4:5:6")
    assert Entry.objects.filter(verb=Verb.SIGNED_IN).get().address == "2001:db8:1:2:3:4:5:6"


def test_one_network_cannot_go_through_many_accounts() -> None:
    owner = factories.person(password=PASSWORD)
    for number in range(attempts.NETWORK.most):
        sign_in(f"nobody{number}@aldermoor.example", "wrong password", address="203.0.113.9")
    assert not sign_in(owner.email, address="203.0.113.10")
    assert sign_in(owner.email, address="198.51.100.7")


def test_an_attack_from_everywhere_leaves_the_owner_free_in_a_browser_that_knows_them() -> None:
    owner = factories.person(password=PASSWORD)
    browser = Client()
    assert sign_in(owner.email, address="203.0.113.9", browser=browser)
    browser.post(reverse("account_logout"))
    for number in range(150):
        sign_in(owner.email, "wrong password", address=f"10.{number}.0.1")
    for _try in range(10):
        sign_in(owner.email, "wrong password", address="203.0.113.9")
    assert not sign_in(owner.email, address="203.0.113.9"), "others at the same address are stopped"
    assert sign_in(owner.email, address="203.0.113.9", browser=browser)


def test_an_attack_from_everywhere_has_fewer_tries_at_each_place_and_a_new_place_has_one() -> None:
    owner = factories.person(password=PASSWORD)
    for number in range(26):
        for _try in range(4):
            sign_in(owner.email, "wrong password", address=f"10.{number}.0.1")
    for _try in range(attempts.FEW):
        sign_in(owner.email, "wrong password", address="198.51.100.7")
    assert not sign_in(owner.email, address="198.51.100.7")
    assert sign_in(owner.email, address="192.0.2.1")


def test_a_browser_that_knows_somebody_cannot_guess_for_ever_either() -> None:
    owner = factories.person(password=PASSWORD)
    browser = Client()
    sign_in(owner.email, address="203.0.113.9", browser=browser)
    browser.post(reverse("account_logout"))
    for _try in range(attempts.BROWSER.most + attempts.HERE.most):
        sign_in(owner.email, "wrong password", address="203.0.113.9", browser=browser)
    assert not sign_in(owner.email, address="203.0.113.9", browser=browser)


def test_a_forged_old_or_foreign_cookie_opens_nothing() -> None:
    owner, other = factories.person(password=PASSWORD), factories.person(password=PASSWORD)
    now = timezone.now().timestamp()
    for cookie in (
        "nonsense",
        signing.dumps({str(owner.id): ("name", now)}, salt="another"),
        attempts.renewed_cookie("", other),
    ):
        assert not attempts.knows(cookie, owner)
    assert attempts.knows(attempts.renewed_cookie("", owner), owner)


def test_a_new_password_makes_every_browser_a_stranger() -> None:
    owner = factories.person(password=PASSWORD)
    cookie = attempts.renewed_cookie("", owner)
    owner.password_changed_at = timezone.now() + timedelta(seconds=1)
    assert not attempts.knows(cookie, owner)


def test_a_shared_browser_knows_the_last_few_who_signed_in() -> None:
    people = [factories.person() for _number in range(attempts.MOST_PEOPLE + 2)]
    cookie = ""
    for person in people:
        cookie = attempts.renewed_cookie(cookie, person)
    assert [attempts.knows(cookie, person) for person in people] == [False, False, True, True, True, True, True]


def test_the_cookie_opens_nothing_and_scripts_cannot_read_it(client: Client) -> None:
    owner = factories.person(password=PASSWORD)
    sign_in(owner.email, address="203.0.113.9", browser=client)
    cookie = client.cookies[COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    stranger = Client()
    stranger.cookies[COOKIE] = cookie.value
    assert stranger.get(reverse("portal:account")).status_code == 302
    assert owner.email not in cookie.value


def test_signing_in_oneself_does_not_clear_the_count_of_guesses() -> None:
    owner, attacker = factories.person(password=PASSWORD), factories.person(password=PASSWORD)
    for _round in range(3):
        for _try in range(2):
            sign_in(owner.email, "wrong password", address="203.0.113.9")
        sign_in(attacker.email, address="203.0.113.9")
    assert not sign_in(owner.email, address="203.0.113.9")


def test_signing_in_often_is_no_guessing() -> None:
    owner = factories.person(password=PASSWORD)
    for _time in range(20):
        assert sign_in(owner.email, address="203.0.113.9")


def test_who_waits_is_told_how_long_and_the_audit_notes_it_once() -> None:
    owner = factories.person(password=PASSWORD)
    for _try in range(30):
        sign_in(owner.email, "wrong password", address="203.0.113.9")
    page = Client().post(
        reverse("account_login"), {"login": owner.email, "password": PASSWORD}, REMOTE_ADDR="203.0.113.9"
    )
    assert "Wait 5 minutes" in page.content.decode()
    assert Entry.objects.filter(verb=Verb.SIGN_IN_FAILED, person_id=str(owner.id)).count() == attempts.HERE.most
    assert Entry.objects.filter(verb=Verb.SIGN_IN_SLOWED, person_id=str(owner.id)).count() == 1


def test_no_address_is_kept_of_those_who_tried() -> None:
    owner = factories.person(password=PASSWORD)
    sign_in(owner.email, "wrong password", address="203.0.113.9")
    kept = " ".join(Attempts.objects.values_list("key", flat=True))
    assert kept
    assert "203.0.113" not in kept
    assert owner.email not in kept


def test_counts_end_and_are_cleared() -> None:
    owner = factories.person(password=PASSWORD)
    for _try in range(6):
        sign_in(owner.email, "wrong password", address="203.0.113.9")
    Attempts.objects.update(ends_at=timezone.now())
    assert sign_in(owner.email, address="203.0.113.9")
    Attempts.objects.update(ends_at=timezone.now())
    attempts.clear()
    assert not Attempts.objects.exists()
    assert tasks.register is not None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.0/24"),
        ("", ""),
    ],
)
def test_an_address_belongs_to_a_network(address: str, network: str) -> None:
    assert attempts.network_of(address) == network


def test_of_many_who_try_at_once_no_more_get_through_than_one_after_the_other(transactional_db: None) -> None:
    limit, together = Limit(5, timedelta(minutes=5)), threading.Barrier(8, timeout=20)

    def attempt(_number: int) -> int:
        try:
            together.wait()
            return sum(attempts.take("race", "one", limit) for _try in range(3))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as people:
        assert sum(people.map(attempt, range(8))) == 5
    assert Attempts.objects.get().number == 24


def test_of_many_guesses_at_once_five_are_looked_at(transactional_db: None) -> None:
    together = threading.Barrier(8, timeout=20)

    def guess(_number: int) -> bool:
        try:
            together.wait()
            attempts.Attempt(email="a@aldermoor.example", address="203.0.113.9", cookie="")
        except TooMany:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as people:
        assert sum(people.map(guess, range(8))) == attempts.HERE.most


def test_an_account_that_nobody_has_is_slowed_alike() -> None:
    for email in (factories.person(password=PASSWORD).email, "nobody@aldermoor.example"):
        answers = [sign_in(email, "wrong password", address="203.0.113.9") for _try in range(6)]
        assert not any(answers)
        with pytest.raises(TooMany):
            attempts.Attempt(email=email, address="203.0.113.9", cookie="")
    assert Person.objects.count() == 1
