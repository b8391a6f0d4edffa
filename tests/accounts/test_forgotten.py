"""Forgotten passwords: a link by mail, once and for an hour; and nobody learns who has an account."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import password_reset
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.errors import NotAllowed
from mydevices.outbox.models import Message
from tests import factories
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

NEW = "granite meadow seventeen"


def posted() -> list[tuple[str, str]]:
    """Which mails wait, and for whom."""
    mails = Message.objects.filter(topic="mail").order_by("id")
    return [(mail.payload["notice"], mail.payload["to"]) for mail in mails]


def ask(email: str, address: str = "203.0.113.9") -> Any:
    return Client().post(reverse("portal:forgotten"), {"email": email}, REMOTE_ADDR=address)


def set_password(link: str, password: str = NEW, client: Client | None = None) -> int:
    return (client or Client()).post(link, {"password": password, "again": password}).status_code


def test_the_link_sets_a_new_password_ends_every_session_and_tells_by_mail() -> None:
    person, browser = factories.person(password=PASSWORD), Client()
    browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    person.refresh_from_db()
    link = password_reset.link_for(person)
    assert Client().get(link).status_code == 200
    assert Client().get(link).status_code == 200  # opening spends nothing
    assert set_password(link) == 303
    person.refresh_from_db()
    assert person.check_password(NEW)
    assert browser.get(reverse("portal:account")).status_code == 302
    assert not UserSession.objects.filter(user=person).exists()
    assert not Session.objects.filter(session_key=browser.cookies["session"].value).exists()
    assert (Notice.PASSWORD_CHANGED, person.email) in posted()
    entry = Entry.objects.get(verb=Verb.PASSWORD_CHANGED)
    assert (entry.person_id, entry.address) == (str(person.id), "127.0.0.1")


def test_the_link_works_once() -> None:
    link = password_reset.link_for(factories.person(password=PASSWORD))
    assert set_password(link) == 303
    assert set_password(link, "violet tractor opinion") == 403
    assert Client().get(link).status_code == 403


def test_the_link_ends_with_the_hour_a_sign_in_another_address_and_suspension(settings: Any) -> None:
    person = factories.person(password=PASSWORD)
    link = password_reset.link_for(person)
    Person.objects.filter(id=person.id).update(last_login=timezone.now())
    assert Client().get(link).status_code == 403
    person.refresh_from_db()
    link = password_reset.link_for(person)
    Person.objects.filter(id=person.id).update(email="other@aldermoor.example")
    assert Client().get(link).status_code == 403
    person.refresh_from_db()
    link = password_reset.link_for(person)
    Person.objects.filter(id=person.id).update(is_active=False)
    assert Client().get(link).status_code == 403
    Person.objects.filter(id=person.id).update(is_active=True)
    assert Client().get(link).status_code == 200
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert Client().get(link).status_code == 403


def test_a_changed_link_is_refused_whatever_is_changed() -> None:
    person, other = factories.person(password=PASSWORD), factories.person(password=PASSWORD)
    link = password_reset.link_for(person)
    start = link.rindex("/") + 1
    for place in range(start, len(link)):
        changed = link[:place] + ("0" if link[place] != "0" else "1") + link[place + 1 :]
        assert Client().get(changed).status_code == 403, changed
    assert Client().get(link.replace(str(person.id), str(other.id))).status_code == 403


def test_of_two_who_spend_the_link_at_once_one_sets_the_password(transactional_db: None) -> None:
    person = factories.person(password=PASSWORD)
    token = password_reset.links.make_token(person)
    together = threading.Barrier(2, timeout=20)

    def spend(password: str) -> bool:
        try:
            together.wait()
            password_reset.reset(person_id=person.id, token=token, password=password, address="", browser="")
        except NotAllowed:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as people:
        assert sorted(people.map(spend, [NEW, "violet tractor opinion"])) == [False, True]
    assert Entry.objects.filter(verb=Verb.PASSWORD_CHANGED).count() == 1


@pytest.mark.parametrize("password", ["short", "passwordpassword", "1qaz2wsx3edc4rfv"])
def test_what_will_not_do_is_said_and_the_link_stays_good(password: str) -> None:
    link = password_reset.link_for(factories.person(password=PASSWORD))
    assert set_password(link, password) == 400
    assert Client().post(link, {"password": NEW, "again": "another"}).status_code == 400
    assert set_password(link) == 303


def test_an_address_that_nobody_has_gets_as_many_mails_entries_and_hashes_and_the_same_answer() -> None:
    person = factories.person(password=PASSWORD)
    pages, effects = [], []
    for email in (person.email, "nobody@aldermoor.example"):
        before = Message.objects.count(), Entry.objects.count()
        with patch.object(Argon2PasswordHasher, "encode", autospec=True) as hashed:
            answer = ask(email)
        pages.append((answer.status_code, answer.content.decode().replace(email, "ADDRESS")))
        effects.append((Message.objects.count() - before[0], Entry.objects.count() - before[1], hashed.call_count))
    assert pages[0] == pages[1]
    assert effects == [(1, 1, 0), (1, 1, 0)]
    assert [notice for notice, _to in posted()] == [Notice.PASSWORD_FORGOTTEN, Notice.PASSWORD_FORGOTTEN_UNKNOWN]


def test_a_wrong_sign_in_hashes_and_records_as_much_for_an_address_that_nobody_has() -> None:
    known, invited = factories.person(password=PASSWORD), factories.person()
    suspended = factories.person(password=PASSWORD)
    Person.objects.filter(id=suspended.id).update(is_active=False)
    effects = []
    for email in (known.email, invited.email, suspended.email, "nobody@aldermoor.example"):
        before = Message.objects.count(), Entry.objects.count()
        with (
            patch("argon2.low_level.hash_secret", wraps=__import__("argon2").low_level.hash_secret) as hashed,
            patch(
                "argon2.PasswordHasher.verify", side_effect=__import__("argon2").exceptions.VerifyMismatchError
            ) as verified,
        ):
            answer = Client().post(reverse("account_login"), {"login": email, "password": "wrong password"})
        work = hashed.call_count + verified.call_count
        effects.append(
            (answer.status_code, Message.objects.count() - before[0], Entry.objects.count() - before[1], work)
        )
    assert effects == [(200, 0, 1, 1)] * 4


def test_mails_are_not_sent_without_end_and_the_answer_stays_the_same() -> None:
    person = factories.person(password=PASSWORD)
    for number in range(5):
        for email in (person.email, "nobody@aldermoor.example"):
            assert ask(email, address=f"10.0.{number}.1").status_code == 200
    assert [to for _notice, to in posted()] == [person.email, "nobody@aldermoor.example"] * 3


def test_one_network_cannot_have_mails_sent_to_everybody() -> None:
    answers = [ask(f"person{number}@elsewhere.example").status_code for number in range(25)]
    assert answers == [200] * 20 + [429] * 5
    assert len(posted()) == 20


def test_whoever_signs_in_elsewhere_is_told_where_the_password_is() -> None:
    person = factories.person(password=PASSWORD)
    Person.objects.filter(id=person.id).update(provider="entra")
    link = password_reset.link_for(Person.objects.get(id=person.id))
    ask(person.email)
    assert posted() == [(Notice.PASSWORD_ELSEWHERE, person.email)]
    assert Client().get(link).status_code == 403


def test_a_suspended_person_gets_no_link() -> None:
    person = factories.person(password=PASSWORD)
    Person.objects.filter(id=person.id).update(is_active=False)
    ask(person.email)
    assert posted() == [(Notice.PASSWORD_FORGOTTEN_UNKNOWN, person.email)]


def test_no_secret_of_it_is_written_down() -> None:
    person = factories.person(password=PASSWORD)
    ask(person.email)
    kept = str(list(Entry.objects.values())) + str(list(Message.objects.values_list("payload", flat=True)))
    assert "/sign-in/forgotten/" not in kept


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_pages_know_no_other_methods(method: str, client: Client) -> None:
    link = password_reset.link_for(factories.person(password=PASSWORD))
    for address in (reverse("portal:forgotten"), link, f"{link}/strength", reverse("portal:strength")):
        assert client.generic(method, address).status_code == 405
    assert client.get(f"{link}/strength").status_code == 405


def test_the_meter_of_the_link_judges_with_the_person_s_own_words() -> None:
    person = factories.person("Ines Okafor", password=PASSWORD)
    meter = f"{password_reset.link_for(person)}/strength"
    assert "besides your name" in Client().post(meter, {"password": "ines okafor 2026"}).content.decode()
    assert "Good" in Client().post(meter, {"password": NEW}).content.decode()
    assert Client().post(meter.replace(str(person.id), str(factories.person().id))).status_code == 403
