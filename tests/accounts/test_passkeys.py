"""Passkeys, with a key that signs in software: what each ceremony is good for, how long, and how often."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from mydevices.accounts import passkeys as product
from mydevices.accounts.models import Attempts, Person
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from tests import factories
from tests.factories import PASSWORD
from tests.passkeys import Key, challenge_on

pytestmark = pytest.mark.django_db


@pytest.fixture
def ines() -> Person:
    return factories.person("Ines Okafor", password=PASSWORD)


@pytest.fixture
def key(ines: Person) -> Key:
    """A passkey of hers, added in her browser."""
    key, browser = Key(), after_the_password(ines)
    assert add(browser, key).status_code == 200
    return key


def after_the_password(person: Person) -> Client:
    browser = Client()
    browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    return browser


def add(browser: Client, key: Key, *, verified: bool = True) -> HttpResponse:
    page = browser.get(reverse("mfa_add_webauthn")).content.decode()
    made = key.made(challenge_on(page), verified=verified)
    return post(browser, "mfa_add_webauthn", made, name="My laptop")


def asked_to_sign_in(browser: Client) -> str:
    answer = browser.get(reverse("mfa_login_webauthn"), headers={"X-Requested-With": "XMLHttpRequest"})
    return str(answer.json()["request_options"]["publicKey"]["challenge"])


def asked_on(browser: Client, page: str) -> str:
    return challenge_on(browser.get(reverse(page)).content.decode())


def post(browser: Client, page: str, credential: object, **more: str) -> HttpResponse:
    answer = browser.post(reverse(page), {"credential": json.dumps(credential), **more})
    assert isinstance(answer, HttpResponse)
    return answer


def handle(person: Person) -> str:
    """Whose a passkey says it is: as it was told when it was made."""
    return str(user_pk_to_url_str(person))


def is_in(browser: Client) -> bool:
    return browser.get(reverse("portal:devices")).status_code == 200


def test_a_passkey_signs_in_by_itself(ines: Person, key: Key) -> None:
    browser = Client()
    post(browser, "mfa_login_webauthn", key.given(asked_to_sign_in(browser), handle=handle(ines)))
    assert is_in(browser)


def test_a_passkey_that_did_not_verify_its_holder_signs_nobody_in(ines: Person, key: Key) -> None:
    browser = Client()
    given = key.given(asked_to_sign_in(browser), handle=handle(ines), verified=False)
    post(browser, "mfa_login_webauthn", given)
    assert not is_in(browser)


def test_what_a_second_step_asked_signs_nobody_in(ines: Person, key: Key) -> None:
    """A found key, and a password of one's own, or theirs: the second step asks for no verification."""
    for who in (ines, factored()):
        browser = after_the_password(who)
        challenge = asked_on(browser, "mfa_authenticate")
        for verified in (False, True):
            post(browser, "mfa_login_webauthn", key.given(challenge, handle=handle(ines), verified=verified))
            assert not is_in(browser)


def factored() -> Person:
    other = factories.person("Mallory", password=PASSWORD)
    add(after_the_password(other), Key(b"another identifier"))
    return other


def test_what_one_page_asked_is_good_for_no_other(ines: Person, key: Key) -> None:
    browser = Client()
    post(browser, "mfa_login_webauthn", key.given(asked_to_sign_in(browser), handle=handle(ines)))
    stale(browser)
    add_challenge = "mfa_add_webauthn"
    again = asked_on(browser, "mfa_reauthenticate_webauthn")
    assert post(browser, "mfa_reauthenticate_webauthn", key.given(again)).status_code == 302
    added = asked_on(browser, add_challenge)
    assert post(browser, "mfa_reauthenticate_webauthn", key.given(added)).status_code == 400
    again = asked_on(browser, "mfa_reauthenticate_webauthn")
    assert post(browser, add_challenge, Key(b"a third identifier").made(again)).status_code == 200
    assert Authenticator.objects.filter(type="webauthn").count() == 1


def stale(browser: Client) -> None:
    session = browser.session
    session["account_authentication_methods"] = [
        {**record, "at": record["at"] - 301} for record in session["account_authentication_methods"]
    ]
    session.save()


def test_confirming_who_one_is_takes_verification(ines: Person, key: Key) -> None:
    browser = Client()
    post(browser, "mfa_login_webauthn", key.given(asked_to_sign_in(browser), handle=handle(ines)))
    stale(browser)
    challenge = asked_on(browser, "mfa_reauthenticate_webauthn")
    assert post(browser, "mfa_reauthenticate_webauthn", key.given(challenge, verified=False)).status_code == 400
    assert browser.get(reverse("mfa_add_webauthn")).status_code == 303


def test_after_the_password_a_touch_is_enough(ines: Person, key: Key) -> None:
    browser = after_the_password(ines)
    assert not is_in(browser)
    post(browser, "mfa_authenticate", key.given(asked_on(browser, "mfa_authenticate"), verified=False))
    assert is_in(browser)


def test_a_passkey_is_added_by_those_it_verified_only(ines: Person) -> None:
    browser = after_the_password(ines)
    assert add(browser, Key(), verified=False).status_code == 200
    assert not Authenticator.objects.exists()


def test_what_was_asked_ends_after_five_minutes(ines: Person, key: Key) -> None:
    for seconds, is_good in ((product.LASTS.total_seconds() + 1, False), (0, True)):
        browser = Client()
        challenge = asked_to_sign_in(browser)
        session = browser.session
        session[product.STATES]["sign in"]["at"] -= seconds
        session.save()
        post(browser, "mfa_login_webauthn", key.given(challenge, handle=handle(ines)))
        assert is_in(browser) is is_good


def test_what_was_asked_is_spent_by_its_first_use(ines: Person, key: Key) -> None:
    browser = Client()
    challenge = asked_to_sign_in(browser)
    post(browser, "mfa_login_webauthn", {"id": "x"})
    post(browser, "mfa_login_webauthn", Key().given(challenge, handle=handle(ines)))
    given = key.given(challenge, handle=handle(ines))
    post(browser, "mfa_login_webauthn", given)
    assert not is_in(browser), "somebody tried with another key before"
    given = key.given(asked_to_sign_in(browser), handle=handle(ines))
    held = Client()
    held.cookies[settings.SESSION_COOKIE_NAME] = browser.cookies[settings.SESSION_COOKIE_NAME].value
    entry = dict(browser.session[product.STATES])
    post(browser, "mfa_login_webauthn", given)
    assert is_in(browser)
    # As a request would see it that read the session before.
    other = Client()
    asked_to_sign_in(other)
    session = other.session
    session[product.STATES] = entry
    session.save()
    post(other, "mfa_login_webauthn", given)
    assert not is_in(other)


def test_of_many_with_the_same_signature_at_once_one_gets_in(transactional_db: None, ines: Person, key: Key) -> None:
    browser = Client()
    given = key.given(asked_to_sign_in(browser), handle=handle(ines))
    cookie = browser.cookies[settings.SESSION_COOKIE_NAME].value
    together = threading.Barrier(6, timeout=20)

    def enter(_number: int) -> None:
        one = Client()
        one.cookies[settings.SESSION_COOKIE_NAME] = cookie
        try:
            together.wait()
            post(one, "mfa_login_webauthn", given)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as people:
        list(people.map(enter, range(6)))
    assert Entry.objects.filter(verb=Verb.SIGNED_IN, person_id=str(ines.id)).count() == 2, (
        "the password's, and one more"
    )


def test_a_sign_in_by_a_passkey_is_written_down_as_one(ines: Person, key: Key) -> None:
    before = Entry.objects.filter(verb=Verb.SIGNED_IN).count()
    browser = Client()
    post(browser, "mfa_login_webauthn", key.given(asked_to_sign_in(browser), handle=handle(ines)))
    assert Entry.objects.filter(verb=Verb.SIGNED_IN).count() == before + 1
    assert Entry.objects.filter(verb=Verb.SIGNED_IN).latest("id").details == {"proved_by": "webauthn"}


def test_a_passkey_that_counts_backwards_is_noted(ines: Person, key: Key) -> None:
    for count, noted in ((0, 0), (0, 0), (7, 0), (8, 0), (8, 1), (3, 2), (9, 2)):
        key.count = count
        browser = Client()
        post(browser, "mfa_login_webauthn", key.given(asked_to_sign_in(browser), handle=handle(ines)))
        assert is_in(browser)
        assert Entry.objects.filter(verb=Verb.PASSKEY_BEHIND, person_id=str(ines.id)).count() == noted, count
        Attempts.objects.all().delete()
        cache.clear()
    last = Entry.objects.filter(verb=Verb.PASSKEY_BEHIND).latest("id")
    assert last.details == {"name": "My laptop", "count": 3, "before": 8}


def test_passkeys_that_signed_nobody_in_are_in_the_audit_within_bounds(ines: Person, key: Key) -> None:
    browser = Client()
    for _try in range(9):
        cache.clear()
        post(browser, "mfa_login_webauthn", Key().given(asked_to_sign_in(browser), handle=handle(ines)))
    assert Entry.objects.filter(verb=Verb.SIGN_IN_FAILED).count() == 5
    Attempts.objects.all().delete()
    browser = after_the_password(ines)
    post(browser, "mfa_authenticate", Key().given(asked_on(browser, "mfa_authenticate")))
    entry = Entry.objects.filter(verb=Verb.SIGN_IN_FAILED).latest("id")
    assert entry.details == {"step": "second factor"}
    assert entry.person_id == str(ines.id)
