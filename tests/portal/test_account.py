"""The account's pages: preferences that pages then follow, mails, sessions that nobody uses, passwords that expire."""

import re
from datetime import timedelta
from typing import Any, Final

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import selectors, services, sign_in_rules
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.accounts.requests import BEGAN, SEEN
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.errors import Invalid
from mydevices.location import selectors as location
from mydevices.outbox.models import Message
from tests import factories
from tests.confirming import grow_stale, is_asked, send_again
from tests.portal.conftest import SignedIn

PAGES = ["portal:account", "portal:email", "mfa_index", "portal:preferences", "portal:notices"]
DEFAULTS: Final[dict[str, Any]] = {
    "minimum_length": 15,
    "classes": 0,
    "history": 0,
    "expires_after_days": 0,
    "idle_minutes": 480,
    "limited_sign_in": True,
    "console_factor": True,
}


def decide(**values: int) -> None:
    sign_in_rules.change(actor=Actor.system("test"), **DEFAULTS | values)
    selectors.forget_rules()


@pytest.mark.parametrize("page", PAGES)
def test_each_page_is_its_person_s_and_asks_others_to_sign_in(browser: Client, client: Client, page: str) -> None:
    assert browser.get(reverse(page)).status_code == 200
    for answer in (client.get(reverse(page)), client.post(reverse(page))):
        assert answer.status_code in {302, 303, 405}
        assert answer.content == b""


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_pages_know_no_other_methods(browser: Client, page: str, method: str) -> None:
    assert browser.generic(method, reverse(page)).status_code == 405


def test_another_address_takes_a_fresh_proof(sign_in: SignedIn, ines: Person) -> None:
    browser = sign_in(ines, ago=timedelta(minutes=6))
    answer = browser.get(reverse("portal:email"))
    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert is_asked(browser.post(reverse("portal:email"), {"email": "a@b.example"}))
    assert not Message.objects.filter(payload__notice=Notice.EMAIL_CONFIRM).exists()


@override_settings(LANGUAGES=[("en-gb", "English"), ("ar", "العربية")])
def test_pages_are_in_the_language_zone_and_theme_that_their_person_chose(browser: Client, ines: Person) -> None:
    values = {"language": "ar", "time_zone": "new york", "theme": "dark"}
    assert browser.post(reverse("portal:preferences"), values).status_code == 303
    ines.refresh_from_db()
    assert (ines.language, ines.time_zone, ines.theme) == ("ar", "America/New_York", "dark")
    browser.cookies["zone"] = "Asia%2FTokyo"
    answer = browser.get(reverse("portal:devices"))
    page = answer.content.decode()
    assert '<html lang="ar" dir="rtl" data-theme="dark"' in page
    assert "America/New York" in page
    assert answer["Content-Language"] == "ar"
    assert Client().get(reverse("account_login"))["Content-Language"] == "en-gb"


def test_without_a_choice_pages_follow_the_browser(browser: Client) -> None:
    browser.cookies["zone"] = "Asia%2FTokyo"
    page = browser.get(reverse("portal:devices")).content.decode()
    assert "Asia/Tokyo" in page
    assert "data-theme" not in page


@pytest.mark.parametrize("wrong", [{"time_zone": "Atlantis"}, {"language": "tlh"}, {"theme": "plaid"}])
def test_what_there_is_not_cannot_be_chosen(browser: Client, ines: Person, wrong: dict[str, str]) -> None:
    assert browser.post(reverse("portal:preferences"), wrong).status_code == 400
    with pytest.raises(Invalid):
        services.change_preferences(
            actor=factories.actor(ines), person=ines, **{"language": "", "time_zone": "", "theme": "", **wrong}
        )
    ines.refresh_from_db()
    assert (ines.language, ines.time_zone, ines.theme) == ("", "", "")


def test_a_person_does_without_mails_that_they_may_do_without(browser: Client, ines: Person, sign_in: SignedIn) -> None:
    browser.post(reverse("portal:notices"), {"wanted": [Notice.CERTIFICATE_EXPIRES.value]})
    ines.refresh_from_db()
    assert ines.unwanted_notices == [Notice.CERTIFICATE_KEY_ENDS]
    services.notify(person=ines, notice=Notice.CERTIFICATE_KEY_ENDS)
    assert not Message.objects.filter(payload__notice=Notice.CERTIFICATE_KEY_ENDS).exists()


@pytest.mark.parametrize(
    "notice", [Notice.NEW_SIGN_IN, Notice.DEVICE_REGISTERED, Notice.NOTICES_OFF, Notice.PASSWORD_CHANGED]
)
def test_what_tells_of_an_intruder_cannot_be_turned_off(browser: Client, ines: Person, notice: Notice) -> None:
    browser.post(reverse("portal:notices"), {"wanted": [notice.value]})
    with pytest.raises(Invalid):
        services.change_notices(actor=factories.actor(ines), person=ines, unwanted=[notice])
    # Not even for those who turned it off while they could.
    Person.objects.filter(id=ines.id).update(unwanted_notices=[notice.value])
    ines.refresh_from_db()
    services.notify(person=ines, notice=notice)
    assert Message.objects.filter(payload__notice=notice).exists()


def test_to_turn_mails_off_needs_a_proof_and_is_mailed_and_to_turn_them_on_is_neither(
    browser: Client, ines: Person
) -> None:
    told = Message.objects.filter(payload__notice=Notice.NOTICES_OFF)
    both = [Notice.CERTIFICATE_EXPIRES.value, Notice.CERTIFICATE_KEY_ENDS.value]
    grow_stale(browser)
    answer = browser.post(reverse("portal:notices"), {"wanted": both[:1]})
    assert is_asked(answer)
    assert not told.exists()
    assert send_again(browser, answer).status_code == 303
    assert told.get().payload["to"] == ines.email
    entry = Entry.objects.get(verb=Verb.NOTICES_CHANGED)
    assert entry.details == {"without": "certificate_key_ends", "off": "certificate_key_ends"}
    grow_stale(browser)
    assert browser.post(reverse("portal:notices"), {"wanted": both}).status_code == 303
    ines.refresh_from_db()
    assert ines.unwanted_notices == []
    assert told.count() == 1


def test_a_sign_in_in_a_new_browser_is_told_by_mail_and_one_in_a_known_browser_is_not(
    browser: Client, ines: Person, sign_in: SignedIn
) -> None:
    told = Message.objects.filter(payload__notice=Notice.NEW_SIGN_IN)
    assert not told.exists(), "the first sign-in of all is no news"
    browser.post(reverse("account_logout"))
    browser.post(reverse("account_login"), {"login": ines.email, "password": factories.PASSWORD})
    assert not told.exists()
    sign_in(ines)
    assert told.count() == 1


def test_people_who_come_from_a_provider_read_where_to_change_what_it_keeps(browser: Client, ines: Person) -> None:
    Person.objects.filter(id=ines.id).update(provider="gone")
    page = browser.get(reverse("portal:account")).content.decode()
    assert "come from your organisation" in page
    assert "Change name" not in page
    assert reverse("portal:email") not in page
    assert browser.post(reverse("portal:account"), {"name": "Another"}).status_code == 403
    assert browser.post(reverse("portal:email"), {"email": "a@b.example"}).status_code == 403
    assert browser.get(reverse("account_change_password")).status_code == 403
    ines.refresh_from_db()
    assert ines.name == "Ines Okafor"


def idle(client: Client, length: timedelta) -> None:
    session = client.session
    session[SEEN] -= int(length.total_seconds())
    session.save()


def test_a_session_that_nobody_used_for_long_ends(browser: Client, ines: Person) -> None:
    key = browser.session.session_key
    idle(browser, timedelta(hours=7))
    assert browser.get(reverse("portal:devices")).status_code == 200
    idle(browser, timedelta(hours=9))
    answer = browser.get(reverse("portal:devices"), follow=True)
    assert "nothing was opened here for some time" in answer.content.decode()
    assert not Session.objects.filter(session_key=key).exists()
    assert browser.get(reverse("portal:devices")).status_code == 302
    assert Entry.objects.filter(verb=Verb.SIGNED_OUT_IDLE, person_id=str(ines.id)).count() == 1


def test_rules_without_a_time_out_end_no_session(browser: Client) -> None:
    decide(idle_minutes=0)
    idle(browser, timedelta(days=9))
    assert browser.get(reverse("portal:devices")).status_code == 200


def aged(client: Client, length: timedelta) -> str:
    """As if somebody had signed in earlier, and had opened a page a moment ago."""
    session = client.session
    session[BEGAN] -= int(length.total_seconds())
    session.save()
    return str(session.session_key)


def test_a_session_ends_after_two_weeks_however_much_it_was_used(browser: Client, ines: Person) -> None:
    """Each page that writes into the session moves Django's own end; a stolen key would be good for ever."""
    aged(browser, timedelta(days=13, hours=23))
    assert browser.get(reverse("portal:devices")).status_code == 200
    key = aged(browser, timedelta(hours=2))
    answer = browser.get(reverse("portal:devices"), follow=True)
    assert "two weeks have passed" in answer.content.decode()
    assert not Session.objects.filter(session_key=key).exists()
    assert browser.get(reverse("portal:devices")).status_code == 302
    assert Entry.objects.filter(verb=Verb.SESSION_ENDED, person_id=str(ines.id)).count() == 1


def test_neither_a_time_out_that_is_off_nor_a_page_that_renews_itself_nor_a_proof_prolongs_it(browser: Client) -> None:
    decide(idle_minutes=0)
    aged(browser, timedelta(days=13, hours=23))
    browser.post(reverse("account_reauthenticate"), {"password": factories.PASSWORD})
    aged(browser, timedelta(hours=2))
    assert browser.get(reverse("portal:devices_now"), headers={"HX-Request": "true"}).status_code == 302
    assert browser.get(reverse("portal:devices")).status_code == 302


def test_a_session_of_an_earlier_version_began_when_its_person_signed_in(browser: Client) -> None:
    session = browser.session
    del session[BEGAN]
    session.save()
    UserSession.objects.update(created_at=timezone.now() - timedelta(days=15))
    assert browser.get(reverse("portal:devices")).status_code == 302


def test_a_page_that_renews_itself_keeps_no_session_alive(browser: Client) -> None:
    idle(browser, timedelta(hours=7))
    seen = browser.session[SEEN]
    browser.get(reverse("portal:devices_now"), headers={"HX-Request": "true"})
    assert browser.session[SEEN] == seen
    browser.get(reverse("portal:devices"))
    assert browser.session[SEEN] > seen


def test_a_page_writes_nothing_about_being_opened_a_moment_after_another(browser: Client) -> None:
    browser.get(reverse("portal:preferences"))
    with CaptureQueriesContext(connection) as queries:
        browser.get(reverse("portal:preferences"))
    assert not [query for query in queries if not query["sql"].startswith("SELECT")]


def test_with_an_expired_password_only_the_page_that_changes_it_opens(browser: Client, ines: Person) -> None:
    decide(expires_after_days=90)
    assert browser.get(reverse("portal:devices")).status_code == 200
    Person.objects.filter(id=ines.id).update(password_changed_at=timezone.now() - timedelta(days=91))
    change = reverse("account_change_password")
    for page in ("portal:devices", "portal:account", "portal:register"):
        assert browser.get(reverse(page))["Location"] == change
    assert browser.get(reverse("portal:devices"), headers={"X-Dialog": "1"})["X-Go"] == change
    assert "has expired" in browser.get(change).content.decode()
    new = "granite meadow seventeen"
    values = {"oldpassword": factories.PASSWORD, "password1": new, "password2": new}
    assert browser.post(change, values).status_code == 302
    assert browser.get(reverse("portal:devices")).status_code == 200


def test_a_new_password_ends_every_other_session_and_keeps_this_one(
    browser: Client, ines: Person, sign_in: SignedIn
) -> None:
    other = sign_in(ines)
    key = other.session.session_key
    new = "granite meadow seventeen"
    values = {"oldpassword": factories.PASSWORD, "password1": new, "password2": new}
    assert browser.post(reverse("account_change_password"), values).status_code == 302
    assert browser.get(reverse("portal:devices")).status_code == 200
    assert other.get(reverse("portal:devices")).status_code == 302
    assert not Session.objects.filter(session_key=key).exists()
    told = Message.objects.get(payload__notice=Notice.PASSWORD_CHANGED)
    assert {"at", "browser", "address"} <= told.payload["facts"].keys()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"oldpassword": "wrong password"}, "not your present password"),
        ({"password2": "granite meadow eighteen"}, "not the same"),
        ({"password1": "short", "password2": "short"}, "at least 15"),
        ({"password1": "ines okafor 2026", "password2": "ines okafor 2026"}, "besides your name"),
        ({"password1": factories.PASSWORD, "password2": factories.PASSWORD}, "the one you have"),
    ],
)
def test_a_new_password_that_will_not_do_is_refused_in_words(
    browser: Client, values: dict[str, str], said: str
) -> None:
    new = "granite meadow seventeen"
    given = {"oldpassword": factories.PASSWORD, "password1": new, "password2": new, **values}
    answer = browser.post(reverse("account_change_password"), given)
    assert answer.status_code == 200
    assert said in answer.content.decode()


def test_the_meter_judges_as_the_form_does_and_keeps_nothing(browser: Client) -> None:
    address = reverse("portal:strength")
    assert "besides your name" in browser.post(address, {"password": "ines okafor 2026"}).content.decode()
    assert 'data-level="3"' in browser.post(address, {"password": "granite meadow seventeen"}).content.decode()
    assert browser.get(address).status_code == 405
    assert "shows here" in browser.post(address).content.decode()
    assert not Entry.objects.filter(details__icontains="granite").exists()


def test_location_is_switched_where_the_account_is(browser: Client, ines: Person) -> None:
    address = reverse("portal:account")
    page = browser.get(address).content.decode()
    assert "Nobody keeps where your devices are." in page
    answer = browser.post(reverse("portal:location_choice"), {"shares": "yes"})
    assert answer["Location"] == address
    assert location.shares(ines.id)
    assert "Switch location off" in browser.get(address).content.decode()
    browser.post(reverse("portal:location_choice"), {"shares": "no"})
    assert not location.shares(ines.id)


def test_a_page_says_how_long_it_may_show_what_it_does(browser: Client, client: Client) -> None:
    """Its script asks for it anew after that, so that an ended session leaves nothing on a screen."""
    decide(idle_minutes=90)
    assert 'data-lasts="5400"' in browser.get(reverse("portal:devices")).content.decode()
    decide(idle_minutes=0)
    lasts = re.search(r'data-lasts="(\d+)"', browser.get(reverse("portal:devices")).content.decode())
    assert lasts is not None
    assert 5400 < int(lasts[1]) <= 1_209_600, "two weeks from the session's beginning, less what has passed of them"
    assert "data-lasts" not in client.get(reverse("account_login")).content.decode()


def test_the_end_of_a_session_clears_what_its_pages_left_in_the_browser(browser: Client) -> None:
    assert "Clear-Site-Data" not in browser.get(reverse("portal:devices"))
    assert browser.post(reverse("account_logout"))["Clear-Site-Data"] == '"storage"'
    assert "Clear-Site-Data" not in browser.get(reverse("account_login"))


def test_a_time_out_clears_it_too(browser: Client) -> None:
    idle(browser, timedelta(hours=9))
    assert browser.get(reverse("portal:devices"))["Clear-Site-Data"] == '"storage"'
