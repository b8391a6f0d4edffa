"""Where somebody is signed in, and how it ends."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import people, sessions
from mydevices.accounts.models import Person
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.errors import NotAllowed, NotFound
from tests import factories
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


def test_a_proof_of_identity_renews_the_sessions_key() -> None:
    person, browser = factories.person(password=PASSWORD), Client()
    browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    before = browser.cookies["session"].value
    assert browser.post(reverse("account_reauthenticate"), {"password": PASSWORD}).status_code == 302
    assert browser.cookies["session"].value != before
    assert browser.get(reverse("portal:account")).status_code == 200
    assert UserSession.objects.filter(user=person).count() == 1
    assert browser.get(reverse("usersessions_list")).content.decode().count("This one") == 1
    stolen = Client()
    stolen.cookies["session"] = before
    assert stolen.get(reverse("portal:account")).status_code == 302
    assert stolen.cookies["session"].value == "", "and a dead cookie is taken away"


def test_what_a_page_asks_for_by_itself_takes_no_cookie_away() -> None:
    """It may have left with the old key while the answer with the new one was on its way."""
    late = Client()
    late.cookies["session"] = "0123456789abcdefghijklmnopqrstuv"
    answer = late.get(reverse("portal:devices_now"), headers={"HX-Request": "true"})
    assert answer.status_code == 302
    assert "session" not in answer.cookies


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"


@pytest.fixture
def ines() -> Person:
    return factories.person("Ines Okafor", password=PASSWORD)


def sign_in(person: Person, agent: str = FIREFOX) -> Client:
    browser = Client(headers={"User-Agent": agent})
    browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    return browser


def is_signed_in(browser: Client) -> bool:
    return browser.get(reverse("portal:devices")).status_code == 200


def test_each_browser_is_listed_and_the_one_in_use_comes_first(ines: Person) -> None:
    sign_in(ines, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) Version/18.4 Safari/604.1")
    browser = sign_in(ines)
    listed = browser.get(reverse("usersessions_list")).context["sessions"]
    assert [(row["browser"], row["here"]) for row in listed] == [
        ("Firefox on Linux", True),
        ("Safari on iPhone", False),
    ]


def test_one_is_ended_and_recorded(ines: Person) -> None:
    other, browser = sign_in(ines), sign_in(ines)
    row = UserSession.objects.get(session_key=other.session.session_key)
    assert browser.post(reverse("session_end", args=[row.pk])).status_code == 303
    assert not is_signed_in(other)
    assert is_signed_in(browser)
    assert Entry.objects.filter(verb=Verb.SESSION_ENDED, person_id=str(ines.id)).count() == 1


def test_all_others_are_ended(ines: Person) -> None:
    others, browser = [sign_in(ines), sign_in(ines)], sign_in(ines)
    browser.post(reverse("sessions_end_others"))
    assert [is_signed_in(other) for other in others] == [False, False]
    assert is_signed_in(browser)


def test_a_session_of_somebody_else_is_not_there(ines: Person) -> None:
    theirs = sign_in(factories.person(password=PASSWORD))
    row = UserSession.objects.get(session_key=theirs.session.session_key)
    assert sign_in(ines).post(reverse("session_end", args=[row.pk])).status_code == 404
    assert is_signed_in(theirs)


@pytest.mark.parametrize("page", ["sessions_end_others", "session_end"])
def test_ending_takes_a_post(ines: Person, page: str) -> None:
    arguments = [1] if page == "session_end" else []
    assert sign_in(ines).get(reverse(page, args=arguments)).status_code == 405


def test_a_session_that_has_run_out_is_not_listed(ines: Person) -> None:
    browser = sign_in(ines)
    Session.objects.filter(session_key=browser.session.session_key).update(
        expire_date=timezone.now() - timedelta(seconds=1)
    )
    assert not sessions.of(ines)


def test_who_manages_people_ends_all_of_somebody_and_others_do_not(ines: Person) -> None:
    browser = sign_in(ines)
    with pytest.raises(NotAllowed):
        sessions.end_all(actor=factories.actor(factories.person(role="helpdesk")), person=ines)
    assert sessions.end_all(actor=factories.actor(factories.administrator()), person=ines) == 1
    assert not is_signed_in(browser)


def test_of_two_who_end_the_same_one_the_second_is_told(ines: Person) -> None:
    browser = sign_in(ines)
    row = UserSession.objects.get(session_key=browser.session.session_key)
    sessions.end(actor=factories.actor(ines), person=ines, session_id=row.pk)
    with pytest.raises(NotFound):
        sessions.end(actor=factories.actor(ines), person=ines, session_id=row.pk)


def test_use_is_noted_once_a_minute(ines: Person) -> None:
    browser = sign_in(ines)
    key = str(browser.session.session_key)
    row = UserSession.objects.filter(session_key=key)
    long_ago = timezone.now() - timedelta(hours=1)
    row.update(last_seen_at=long_ago)
    sessions.seen(session_key=key, now=timezone.now())
    noted = row.get().last_seen_at
    assert noted > long_ago
    sessions.seen(session_key=key, now=timezone.now() + timedelta(seconds=30))
    assert row.get().last_seen_at == noted


def test_who_is_suspended_is_signed_out_at_once(ines: Person) -> None:
    browser, boss = sign_in(ines), factories.actor(factories.administrator(), proved=timezone.now())
    people.suspend(actor=boss, person=ines)
    assert not Session.objects.filter(session_key=browser.session.session_key).exists()
    assert not is_signed_in(browser)
    people.resume(actor=boss, person=ines)
    assert not is_signed_in(browser), "and what has ended stays so"


def test_who_is_closed_by_other_hands_is_signed_out_too(ines: Person) -> None:
    browser = sign_in(ines)
    Person.objects.filter(id=ines.id).update(is_active=False)
    assert not is_signed_in(browser)
