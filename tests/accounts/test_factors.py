"""Second factors: set up, used at sign-in, recorded, mailed, sealed, demanded by a group, taken away."""

import base64
import re
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import factors
from mydevices.accounts.models import Group, Membership, Person
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, NeedsFreshAuthentication, NotAllowed
from mydevices.outbox.models import Message
from mydevices.vault import services as vault
from tests import factories
from tests.codes import as_if_unused, code_for
from tests.confirming import is_asked
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def ines() -> Person:
    return factories.person("Ines Okafor", password=PASSWORD)


def sign_in(person: Person) -> Client:
    browser = Client()
    browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    return browser


def is_signed_in(browser: Client) -> bool:
    return browser.get(reverse("portal:devices")).status_code == 200


def set_up_app(browser: Client) -> str:
    """The key of an app that has just been set up."""
    return set_up(browser)[0]


def set_up(browser: Client) -> tuple[str, list[str]]:
    """The same, and the recovery codes that came with it."""
    page = browser.get(reverse("mfa_activate_totp")).content.decode()
    key = re.search(r"<code><bdi>([A-Z2-7]+)</bdi>", page)
    assert key
    answer = browser.post(reverse("mfa_activate_totp"), {"code": code_for(key[1])})
    assert answer.status_code == 200, answer.content
    as_if_unused()
    return key[1], shown_on(answer.content.decode())


def shown_on(page: str) -> list[str]:
    """The recovery codes on a page."""
    return re.findall(r"<code><bdi>([0-9]{8})</bdi>", page)


def mails(person: Person) -> list[str]:
    return [row.payload["notice"] for row in Message.objects.filter(topic="mail") if row.payload["to"] == person.email]


def test_an_app_is_set_up_recorded_and_told_by_mail(ines: Person) -> None:
    browser = sign_in(ines)
    set_up_app(browser)
    assert "It is set up" in browser.get(reverse("mfa_index")).content.decode()
    added = [entry.details["factor"] for entry in Entry.objects.filter(verb=Verb.FACTOR_ADDED).order_by("id")]
    assert added == ["totp", "recovery_codes"]
    assert mails(ines) == ["factor_added"]
    browser.post(reverse("mfa_generate_recovery_codes"))
    assert mails(ines) == ["factor_added", "factor_added"]


def test_a_wrong_code_sets_nothing_up(ines: Person) -> None:
    browser = sign_in(ines)
    browser.get(reverse("mfa_activate_totp"))
    answer = browser.post(reverse("mfa_activate_totp"), {"code": "000000"})
    assert answer.status_code == 200
    assert "not right" in answer.content.decode()
    assert not Authenticator.objects.exists()


def test_with_an_app_the_password_alone_signs_nobody_in(ines: Person) -> None:
    key = set_up_app(sign_in(ines))
    browser = sign_in(ines)
    assert not is_signed_in(browser)
    assert browser.post(reverse("mfa_authenticate"), {"code": "123456"}).status_code == 200
    assert not is_signed_in(browser)
    assert browser.post(reverse("mfa_authenticate"), {"code": code_for(key)}).status_code == 302
    assert is_signed_in(browser)


def test_a_recovery_code_signs_in_once_is_recorded_and_told(ines: Person) -> None:
    browser = sign_in(ines)
    _key, codes = set_up(browser)
    assert len(codes) == 10
    other = sign_in(ines)
    assert other.post(reverse("mfa_authenticate"), {"code": codes[0]}).status_code == 302
    assert is_signed_in(other)
    again = sign_in(ines)
    assert again.post(reverse("mfa_authenticate"), {"code": codes[0]}).status_code == 200
    assert not is_signed_in(again)
    assert Entry.objects.get(verb=Verb.RECOVERY_USED).details == {"left": 9}
    assert "recovery_code_used" in mails(ines)


def test_recovery_codes_are_shown_once(ines: Person) -> None:
    browser = sign_in(ines)
    _key, codes = set_up(browser)
    page = browser.get(reverse("mfa_view_recovery_codes")).content.decode()
    assert "10 codes are left" in page
    assert not any(code in page for code in codes)


def test_what_an_app_and_recovery_codes_share_is_sealed_at_rest(ines: Person) -> None:
    key = set_up_app(sign_in(ines))
    rows = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert key not in rows
    for row in Authenticator.objects.all():
        sealed = base64.b64decode(row.data.get("secret") or row.data["hashes"])
        assert vault.key_id(sealed) == vault.current_key_id()


def test_factors_follow_the_master_key_when_it_changes(ines: Person) -> None:
    key = set_up_app(sign_in(ines))
    old, new = settings.MASTER_KEYS[0], bytes(range(32))
    settings.MASTER_KEYS = [new, old]
    try:
        assert vault.rotate().rewrapped == 3  # with the audit's own key
        settings.MASTER_KEYS = [new]
        browser = sign_in(ines)
        assert browser.post(reverse("mfa_authenticate"), {"code": code_for(key)}).status_code == 302
    finally:
        settings.MASTER_KEYS = [old]


def test_whoever_changes_how_they_sign_in_is_offered_to_sign_out_everywhere_else(ines: Person) -> None:
    browser, other = sign_in(ines), sign_in(ines)
    browser.get(reverse("mfa_activate_totp"))
    key = browser.get(reverse("mfa_activate_totp")).content.decode()
    found = re.search(r"<code><bdi>([A-Z2-7]+)</bdi>", key)
    assert found
    page = browser.post(reverse("mfa_activate_totp"), {"code": code_for(found[1])}).content.decode()
    assert "Sign out everywhere else?" in page
    answer = browser.post(reverse("mfa_deactivate_totp"))
    assert answer["Location"] == reverse("mfa_index") + "?changed"
    assert "1 other browser" in browser.get(answer["Location"]).content.decode()
    assert "Sign out everywhere else?" not in browser.get(reverse("mfa_index")).content.decode()
    assert browser.post(reverse("sessions_end_others")).status_code == 303
    assert not is_signed_in(other)
    assert is_signed_in(browser)
    assert "Sign out everywhere else?" not in browser.get(reverse("mfa_index") + "?changed").content.decode()


def test_codes_are_made_for_those_who_have_something_else(ines: Person) -> None:
    browser = sign_in(ines)
    assert browser.post(reverse("mfa_generate_recovery_codes")).status_code == 409
    assert browser.get(reverse("mfa_view_recovery_codes")).status_code == 404
    assert not Authenticator.objects.exists()


def test_removing_the_last_factor_takes_the_recovery_codes_with_it(ines: Person) -> None:
    browser = sign_in(ines)
    set_up_app(browser)
    page = browser.get(reverse("mfa_deactivate_totp")).content.decode()
    assert "your recovery codes stop working" in page
    assert browser.post(reverse("mfa_deactivate_totp")).status_code == 302
    assert not Authenticator.objects.exists()
    assert [entry.details["factor"] for entry in Entry.objects.filter(verb=Verb.FACTOR_REMOVED)] == ["totp"]
    assert "factor_removed" in mails(ines)


PAGES = [
    "mfa_add_webauthn",
    "mfa_activate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_deactivate_totp",
]


@pytest.mark.parametrize("page", PAGES)
def test_factors_are_touched_by_the_freshly_signed_in_only(ines: Person, page: str) -> None:
    browser = sign_in(ines)
    set_up_app(browser)
    session = browser.session
    for record in session["account_authentication_methods"]:
        record["at"] -= 301
    session.save()
    answer = browser.get(reverse(page))
    assert answer.status_code == 303
    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    answer = browser.post(reverse(page), {"code": "1"})
    assert is_asked(answer)
    assert "account_reauthentication_state" not in browser.session


@pytest.mark.parametrize("page", [*PAGES, "mfa_index", "usersessions_list"])
def test_a_visitor_is_asked_to_sign_in(page: str) -> None:
    answer = Client().get(reverse(page))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))


def test_a_passkey_of_somebody_else_is_not_there(ines: Person) -> None:
    other = factories.person()
    theirs = Authenticator.objects.create(user=other, type="webauthn", data={"name": "Key", "credential": {}})
    browser = sign_in(ines)
    assert browser.post(reverse("mfa_remove_webauthn", args=[theirs.pk])).status_code == 404
    assert Authenticator.objects.filter(pk=theirs.pk).exists()


@pytest.mark.parametrize("credential", ["", "{}", "[]", "null", '{"id": 1}', '{"response": {"userHandle": "!"}}'])
def test_a_passkey_that_is_none_signs_nobody_in(credential: str) -> None:
    browser = Client()
    browser.get(reverse("mfa_login_webauthn"), headers={"Accept": "application/json"})
    answer = browser.post(reverse("mfa_login_webauthn"), {"credential": credential})
    assert answer.status_code == 302
    assert not is_signed_in(browser)


# Demanded by a group


def demand(person: Person, *, days_ago: int) -> Group:
    when = timezone.now() - timedelta(days=days_ago)
    group = Group.objects.create(name="Finance", second_factor_since=when)
    Membership.objects.create(group=group, person=person)
    Membership.objects.update(since=when)
    return group


def test_within_the_days_of_grace_everything_works_and_the_page_says_until_when(ines: Person) -> None:
    demand(ines, days_ago=1)
    browser = sign_in(ines)
    assert is_signed_in(browser)
    assert "You have until" in browser.get(reverse("mfa_index")).content.decode()


def test_after_them_only_the_pages_that_add_one_open(ines: Person) -> None:
    demand(ines, days_ago=8)
    browser = sign_in(ines)
    answer = browser.get(reverse("portal:devices"))
    assert (answer.status_code, answer["Location"]) == (303, reverse("mfa_index"))
    assert "the only one you can use" in browser.get(reverse("mfa_index")).content.decode()
    set_up_app(browser)
    assert is_signed_in(browser)


def test_nobody_can_act_by_skipping_the_page(ines: Person) -> None:
    device = factories.device(ines)
    demand(ines, days_ago=8)
    answer = sign_in(ines).post(reverse("portal:lock", args=[device.id]))
    assert (answer.status_code, answer["Location"]) == (303, reverse("mfa_index"))
    assert not Entry.objects.filter(verb=Verb.ACTION_REQUESTED).exists()


def test_a_new_member_has_the_days_of_grace_too(ines: Person) -> None:
    group = demand(ines, days_ago=30)
    Membership.objects.filter(group=group).update(since=timezone.now())
    assert is_signed_in(sign_in(ines))


# Taken away by an administrator


def test_an_administrator_takes_away_what_somebody_lost(ines: Person) -> None:
    set_up_app(sign_in(ines))
    boss = factories.administrator()
    now = timezone.now()
    assert factors.take_away(actor=factories.actor(boss, proved=now), person=ines, now=now) == 2
    assert is_signed_in(sign_in(ines))
    entry = Entry.objects.get(verb=Verb.FACTOR_REMOVED)
    assert (entry.actor_id, entry.person_id) == (str(boss.id), str(ines.id))


def test_nobody_else_does(ines: Person) -> None:
    set_up_app(sign_in(ines))
    now = timezone.now()
    for role in (Person.Role.PERSON, Person.Role.HELPDESK, Person.Role.AUDITOR):
        with pytest.raises(NotAllowed):
            factors.take_away(actor=factories.actor(factories.person(role=role), proved=now), person=ines, now=now)
    stale = factories.actor(factories.administrator(), proved=now - timedelta(minutes=6))
    with pytest.raises(NeedsFreshAuthentication):
        factors.take_away(actor=stale, person=ines, now=now)
    assert factors.has_one(ines)


def test_there_is_nothing_to_take_from_somebody_without(ines: Person) -> None:
    now = timezone.now()
    with pytest.raises(Conflict):
        factors.take_away(actor=factories.actor(factories.administrator(), proved=now), person=ines, now=now)
