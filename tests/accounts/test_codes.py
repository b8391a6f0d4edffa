"""Codes of a second factor: guessed at sign-in and when confirming who one is, from everywhere and by many at once."""

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.mfa.utils import decrypt
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import attempts, codes, password_reset, services, tasks
from mydevices.accounts.codes import make
from mydevices.accounts.models import Attempts, Person
from mydevices.accounts.requests import COOKIE
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.outbox.models import Message
from tests import factories
from tests.accounts.test_email_change import begun
from tests.codes import as_if_unused, code_for
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

KEY = str(generate_totp_secret())
HOME, ELSEWHERE = "198.51.100.7", "203.0.113.9"


@pytest.fixture
def kofi() -> Person:
    """Somebody whose second factor is an app, with recovery codes."""
    person = factories.person("Kofi Mensah", password=PASSWORD)
    TOTP.activate(person, KEY)
    make(person)
    return person


def right_code() -> str:
    return code_for(KEY)


def wrong_code() -> str:
    """A code that is none of those of these minutes."""
    soon = {code_for(KEY, steps=step) for step in range(-3, 10)}
    return next(code for code in ("000000", "111111", "222222", *map(str, range(300000, 300100))) if code not in soon)


def after_the_password(person: Person, *, address: str = ELSEWHERE, browser: Client | None = None) -> Client:
    """A browser in which the password was given, and the code is asked for."""
    browser = browser or Client()
    values = {"login": person.email, "password": PASSWORD}
    answer = browser.post(reverse("account_login"), values, REMOTE_ADDR=address)
    assert answer["Location"] == reverse("mfa_authenticate"), answer.content
    return browser


def give(browser: Client, code: str, *, address: str = ELSEWHERE) -> HttpResponse:
    answer = browser.post(reverse("mfa_authenticate"), {"code": code}, REMOTE_ADDR=address)
    assert isinstance(answer, HttpResponse)
    return answer


def is_in(browser: Client) -> bool:
    return browser.get(reverse("portal:devices")).status_code == 200


def at_the_second_step(browser: Client) -> bool:
    return browser.get(reverse("mfa_authenticate")).status_code == 200


def known_browser(person: Person) -> Client:
    """One in which they have signed in before."""
    browser = Client()
    browser.cookies[COOKIE] = attempts.renewed_cookie("", person)
    return browser


def looked_at() -> int:
    """Codes that were tried and found wrong."""
    return Entry.objects.filter(verb=Verb.SIGN_IN_FAILED, details__step="second factor").count()


def mails(person: Person) -> list[str]:
    return [row.payload["notice"] for row in Message.objects.filter(topic="mail") if row.payload["to"] == person.email]


def hammer(person: Person, *, times: int, address: str = ELSEWHERE, browser: Client | None = None) -> None:
    """Wrong codes, with the password anew whenever that is asked for."""
    browser = browser or Client()
    for _try in range(times):
        if not at_the_second_step(browser):
            after_the_password(person, address=address, browser=browser)
        give(browser, wrong_code(), address=address)


def wait(limit: attempts.Limit) -> None:
    """As if so much time had passed: what was counted for no longer is forgotten."""
    Attempts.objects.filter(ends_at__lte=timezone.now() + limit.within).delete()


def test_forty_wrong_codes_and_then_the_right_one_let_nobody_in(kofi: Person) -> None:
    browser = Client()
    hammer(kofi, times=40, browser=browser)
    after_the_password(kofi, browser=browser)
    give(browser, right_code())
    assert not is_in(browser)
    assert looked_at() == attempts.CODES.most


def test_after_five_wrong_codes_it_begins_with_the_password_again(kofi: Person) -> None:
    browser = after_the_password(kofi)
    for _try in range(attempts.CODES.most - 1):
        assert give(browser, wrong_code()).status_code == 200
    answer = give(browser, wrong_code())
    assert (answer.status_code, answer["Location"]) == (302, reverse("account_login"))
    assert not at_the_second_step(browser)
    assert "Start again with your password" in browser.get(reverse("account_login")).content.decode()
    after_the_password(kofi, browser=browser)
    assert give(browser, right_code())["Location"] == reverse("account_login")
    assert "Wait 5 minutes" in browser.get(reverse("account_login")).content.decode()


def test_after_a_while_the_right_code_is_enough_again(kofi: Person) -> None:
    hammer(kofi, times=6)
    wait(attempts.CODES)
    browser = after_the_password(kofi)
    give(browser, right_code())
    assert is_in(browser)


def test_who_signs_in_often_guesses_nothing(kofi: Person) -> None:
    for _time in range(attempts.CODES.most * 2):
        as_if_unused()
        browser = after_the_password(kofi)
        give(browser, right_code())
        assert is_in(browser)


def test_a_right_code_does_not_clear_the_count_of_wrong_ones(kofi: Person) -> None:
    hammer(kofi, times=4)
    browser = after_the_password(kofi)
    give(browser, right_code())
    assert is_in(browser)
    hammer(kofi, times=1)
    as_if_unused()
    assert give(after_the_password(kofi), right_code())["Location"] == reverse("account_login")


def test_the_owner_is_free_at_another_place_meanwhile(kofi: Person) -> None:
    hammer(kofi, times=8)
    browser = after_the_password(kofi, address=HOME)
    give(browser, right_code(), address=HOME)
    assert is_in(browser)


def test_neighbours_are_one_and_so_is_a_customer_with_many_networks(kofi: Person) -> None:
    for number in range(attempts.CODES.most):
        hammer(kofi, times=1, address=f"203.0.113.{number}")
    assert give(after_the_password(kofi), right_code())["Location"] == reverse("account_login")
    Attempts.objects.all().delete()
    for number in range(attempts.CODES.most * attempts.WIDER):
        hammer(kofi, times=1, address=f"2001:db8:1:{number:x}::1")
    seen = looked_at()
    hammer(kofi, times=1, address="2001:db8:1:ffff::1")
    assert looked_at() == seen
    browser = after_the_password(kofi, address="2001:db8:2::1")
    give(browser, right_code(), address="2001:db8:2::1")
    assert is_in(browser)


def test_from_everywhere_there_are_thirty_a_day_and_then_one_an_hour(kofi: Person) -> None:
    for number in range(8):
        hammer(kofi, times=5, address=f"10.{number}.0.1")
    assert looked_at() == attempts.CODES_IN_ALL.most + attempts.CODES_THEN.most
    fresh = after_the_password(kofi, address=HOME)
    give(fresh, right_code(), address=HOME)
    assert not is_in(fresh)
    wait(attempts.CODES_THEN)
    hammer(kofi, times=3, address="10.99.0.1")
    assert looked_at() == attempts.CODES_IN_ALL.most + attempts.CODES_THEN.most + 1
    wait(attempts.CODES_THEN)
    give(after_the_password(kofi, address=HOME, browser=fresh), right_code(), address=HOME)
    assert is_in(fresh), "an hour later the owner is the one who tries"


def test_a_browser_that_knows_the_person_goes_on_whatever_others_do(kofi: Person) -> None:
    for number in range(8):
        hammer(kofi, times=5, address=f"10.{number}.0.1")
    hammer(kofi, times=5, address=HOME)
    browser = after_the_password(kofi, address=HOME, browser=known_browser(kofi))
    give(browser, right_code(), address=HOME)
    assert is_in(browser)


def test_a_browser_that_knows_the_person_has_five_tries_and_thirty_a_day(kofi: Person) -> None:
    browser = known_browser(kofi)
    hammer(kofi, times=8, browser=browser)
    assert looked_at() == attempts.CODES.most
    for _round in range(7):
        wait(attempts.CODES)
        hammer(kofi, times=8, browser=browser)
    assert looked_at() == attempts.CODES_IN_ALL.most + attempts.CODES_THEN.most
    wait(attempts.CODES)
    assert give(after_the_password(kofi, browser=browser), right_code())["Location"] == reverse("account_login")


def test_a_new_password_by_mail_makes_no_browser_known_where_a_second_factor_is_asked_for(kofi: Person) -> None:
    browser = Client()
    words = "quite another battery"
    answer = browser.post(password_reset.link_for(kofi), {"password": words, "again": words})
    assert answer.status_code == 303, answer.content
    kofi.refresh_from_db()
    assert COOKIE not in browser.cookies


def test_recovery_codes_are_no_way_round_it(kofi: Person) -> None:
    shown = make(kofi)
    browser = Client()
    for number in range(20):
        if not at_the_second_step(browser):
            after_the_password(kofi, browser=browser)
        guess = f"{number:08d}"
        give(browser, guess if guess not in shown else "99999999")
    after_the_password(kofi, browser=browser)
    give(browser, shown[0])
    assert not is_in(browser)
    assert looked_at() == attempts.CODES.most
    wait(attempts.CODES)
    give(after_the_password(kofi, browser=browser), shown[0])
    assert is_in(browser)


def test_who_confirms_who_they_are_is_counted_alike(kofi: Person) -> None:
    browser = Client()
    browser.force_login(kofi, backend="mydevices.accounts.backends.Passwords")
    for _try in range(attempts.CODES.most):
        answer = browser.post(reverse("mfa_reauthenticate"), {"code": wrong_code()}, REMOTE_ADDR=ELSEWHERE)
        assert answer.status_code == 200
        assert "not right" in answer.content.decode()
    answer = browser.post(reverse("mfa_reauthenticate"), {"code": right_code()}, REMOTE_ADDR=ELSEWHERE)
    assert answer.status_code == 429
    assert "Wait 5 minutes" in answer.content.decode()
    assert not browser.session.get("account_authentication_methods")
    # The same count: one is no way round the other.
    assert give(after_the_password(kofi), right_code())["Location"] == reverse("account_login")
    notice = Message.objects.get(topic="mail", payload__notice="codes_guessed")
    assert notice.payload["facts"]["signed_in"] == 1
    wait(attempts.CODES)
    answer = browser.post(reverse("mfa_reauthenticate"), {"code": right_code()}, REMOTE_ADDR=ELSEWHERE)
    assert answer.status_code == 302
    assert browser.session["account_authentication_methods"][-1]["method"] == "mfa"


def end_by_a_new_password(kofi: Person) -> None:
    services.change_password(
        actor=factories.actor(kofi), person=kofi, password="granite meadow seventeen", browser="a browser"
    )


def end_by_an_undo(kofi: Person) -> None:
    _confirm, undo = begun(kofi)
    assert Client().post(undo).status_code == 303


def end_by_suspending(kofi: Person) -> None:
    Person.objects.filter(id=kofi.id).update(is_active=False)


@pytest.mark.parametrize("end", [end_by_a_new_password, end_by_an_undo, end_by_suspending])
@pytest.mark.parametrize("way", ["code", "recovery code", "password alone"])
def test_what_ends_sessions_ends_sign_ins_that_are_half_done(
    kofi: Person, end: Callable[[Person], None], way: str
) -> None:
    """Somebody who knows the password that is replaced stands at the second step meanwhile."""
    recovery = codes.make(kofi)[0]
    Authenticator.objects.update(created_at=timezone.now() - timedelta(days=9))
    browser = after_the_password(kofi)
    end(kofi)
    if way == "password alone":
        browser.post(reverse("portal:limited_sign_in"))
        assert browser.get(reverse("portal:lost_devices")).status_code == 302
    else:
        answer = give(browser, right_code() if way == "code" else recovery)
        assert answer["Location"] == reverse("account_login")
    assert not is_in(browser)
    assert not at_the_second_step(browser)
    assert not Entry.objects.filter(verb__in=[Verb.SIGNED_IN, Verb.SIGNED_IN_LIMITED]).exists()


def test_the_present_password_is_no_place_to_guess_it(kofi: Person) -> None:
    browser = Client()
    browser.force_login(kofi, backend="mydevices.accounts.backends.Passwords")
    words = {"password1": "quite another battery", "password2": "quite another battery"}
    place = reverse("account_change_password")
    for _try in range(attempts.HERE.most):
        cache.clear()  # the library has a limit besides, of five a minute
        browser.post(place, {"oldpassword": "wrong password", **words}, REMOTE_ADDR=ELSEWHERE)
    cache.clear()
    answer = browser.post(place, {"oldpassword": PASSWORD, **words}, REMOTE_ADDR=ELSEWHERE)
    assert "Wait 5 minutes" in answer.content.decode()
    values = {"login": kofi.email, "password": PASSWORD}
    assert Client().post(reverse("account_login"), values, REMOTE_ADDR=ELSEWHERE).status_code == 200


def test_the_owner_is_told_once_and_the_audit_notes_it_once(kofi: Person) -> None:
    for number in range(4):
        hammer(kofi, times=12, address=f"10.{number}.0.1")
    assert mails(kofi).count("codes_guessed") == 1
    assert Entry.objects.filter(verb=Verb.SIGN_IN_SLOWED, person_id=str(kofi.id)).count() == 1
    assert looked_at() == 4 * attempts.CODES.most
    message = Message.objects.get(topic="mail", payload__notice="codes_guessed")
    assert message.payload["facts"]["signed_in"] == 0
    assert message.payload["facts"]["address"] == "10.0.0.1"


def test_of_many_codes_at_once_five_are_looked_at(transactional_db: None, kofi: Person) -> None:
    browsers = [after_the_password(kofi) for _number in range(8)]
    together = threading.Barrier(8, timeout=20)
    wrong = wrong_code()

    def guess(browser: Client) -> None:
        try:
            together.wait()
            for _try in range(3):
                give(browser, wrong)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as people:
        list(people.map(guess, browsers))
    assert looked_at() == attempts.CODES.most
    assert mails(kofi).count("codes_guessed") == 1
    assert Entry.objects.filter(verb=Verb.SIGN_IN_SLOWED, person_id=str(kofi.id)).count() == 1


def test_of_many_codes_from_everywhere_at_once_thirty_and_one_are_looked_at(
    transactional_db: None, kofi: Person
) -> None:
    places = [f"10.{number}.0.1" for number in range(8)]
    browsers = [after_the_password(kofi, address=place) for place in places]
    together = threading.Barrier(8, timeout=20)
    wrong = wrong_code()

    def guess(number: int) -> None:
        try:
            together.wait()
            for _try in range(5):
                give(browsers[number], wrong, address=places[number])
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as people:
        list(people.map(guess, range(8)))
    assert looked_at() == attempts.CODES_IN_ALL.most + attempts.CODES_THEN.most


def test_what_was_counted_is_forgotten_in_the_end(kofi: Person) -> None:
    hammer(kofi, times=6)
    kept = " ".join(Attempts.objects.values_list("key", flat=True))
    assert "203.0.113" not in kept
    Attempts.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    attempts.clear()
    assert not Attempts.objects.exists()


# Of an app


def test_a_code_is_good_in_its_half_minute_and_the_next_one_and_in_no_other(
    kofi: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "present_step", lambda: 60_000_000)
    for steps, is_good in ((0, True), (-1, True), (1, False), (2, False), (-2, False)):
        as_if_unused()
        Attempts.objects.all().delete()
        browser = after_the_password(kofi)
        give(browser, code_for(KEY, steps=steps))
        assert is_in(browser) is is_good, steps


def test_each_code_is_good_once_and_none_after_a_later_one(kofi: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "present_step", lambda: 60_000_000)
    browser = after_the_password(kofi)
    give(browser, code_for(KEY))
    assert is_in(browser)
    cache.clear()
    for steps in (0, -1):
        second = after_the_password(kofi)
        assert give(second, code_for(KEY, steps=steps)).status_code == 200
        assert not is_in(second)
    assert browser.post(reverse("mfa_reauthenticate"), {"code": code_for(KEY)}).status_code == 200


def test_people_put_spaces_between_digits(kofi: Person) -> None:
    browser = after_the_password(kofi)
    code = right_code()
    give(browser, f" {code[:3]} {code[3:]} ")
    assert is_in(browser)


def test_of_many_with_the_same_code_at_once_one_gets_in(transactional_db: None, kofi: Person) -> None:
    for code in (right_code(), make(kofi)[0]):
        Attempts.objects.all().delete()
        browsers = [after_the_password(kofi, address=f"10.{number}.0.1") for number in range(6)]
        together = threading.Barrier(6, timeout=20)

        def try_it(number: int, code: str = code, browsers: list[Client] = browsers, all_of: Any = together) -> bool:
            try:
                all_of.wait()
                return give(browsers[number], code, address=f"10.{number}.0.1").status_code == 302
            finally:
                connection.close()

        with ThreadPoolExecutor(6) as people:
            assert sum(people.map(try_it, range(6))) == 1


def test_the_key_of_an_app_being_set_up_lies_sealed_in_the_session(kofi: Person) -> None:
    other = factories.person(password=PASSWORD)
    browser = Client()
    browser.post(reverse("account_login"), {"login": other.email, "password": PASSWORD})
    page = browser.get(reverse("mfa_activate_totp")).content.decode()
    key = re.search(r"<code><bdi>([A-Z2-7]{32})</bdi>", page)
    assert key
    assert key[1] not in json.dumps(dict(browser.session))
    code = code_for(key[1])  # once: the half minute can end at any line
    answer = browser.post(reverse("mfa_activate_totp"), {"code": code})
    assert "Recovery codes" in answer.content.decode()
    # The code that set it up has been used.
    second = after_the_password(other)
    assert give(second, code).status_code == 200
    assert not is_in(second)


# Recovery codes


def test_of_recovery_codes_salted_hashes_are_kept_that_are_sealed_besides(kofi: Person) -> None:
    shown = make(kofi)
    assert len(set(shown)) == 10
    factor = Authenticator.objects.get(user=kofi, type="recovery_codes")
    assert set(factor.data) == {"hashes"}
    kept = decrypt(factor.data["hashes"])
    assert not any(code in kept for code in shown)
    assert len(json.loads(kept)["hashes"]) == 10
    make(kofi)
    again = decrypt(Authenticator.objects.get(user=kofi, type="recovery_codes").data["hashes"])
    assert json.loads(again)["salt"] != json.loads(kept)["salt"]


def test_a_used_recovery_code_is_gone_and_new_ones_end_the_old_ones(kofi: Person) -> None:
    old = make(kofi)
    browser = after_the_password(kofi)
    give(browser, f"{old[0][:4]}-{old[0][4:]}")
    assert is_in(browser)
    factor = Authenticator.objects.get(user=kofi, type="recovery_codes")
    assert len(json.loads(decrypt(factor.data["hashes"]))["hashes"]) == 9
    page = browser.post(reverse("mfa_generate_recovery_codes")).content.decode()
    new = re.findall(r"<code><bdi>([0-9]{8})</bdi>", page)
    assert len(new) == 10
    assert "10 codes are left" in browser.get(reverse("mfa_view_recovery_codes")).content.decode()
    for code, is_good in ((old[0], False), (old[1], False), (new[0], True)):
        other = after_the_password(kofi)
        give(other, code)
        assert is_in(other) is is_good


def test_recovery_codes_from_before_they_were_hashed_go_on_working(kofi: Person) -> None:
    Authenticator.objects.filter(type="recovery_codes").delete()
    factor = RecoveryCodes.activate(kofi).instance
    shown = factor.wrap().get_unused_codes()
    assert factor.wrap().validate_code(shown[3])
    browser = after_the_password(kofi)
    give(browser, shown[0])
    assert is_in(browser)
    factor.refresh_from_db()
    assert set(factor.data) == {"hashes"}
    for code, is_good in ((shown[0], False), (shown[3], False), (shown[1], True)):
        Attempts.objects.all().delete()
        other = after_the_password(kofi)
        give(other, code)
        assert is_in(other) is is_good


def test_the_worker_hashes_what_nobody_has_used(kofi: Person) -> None:
    Authenticator.objects.filter(type="recovery_codes").delete()
    factor = RecoveryCodes.activate(kofi).instance
    shown = factor.wrap().get_unused_codes()
    assert codes.left(factor) == 10
    tasks.hash_codes()
    assert codes.hash_all_old() == 0
    factor.refresh_from_db()
    assert codes.left(factor) == 10
    browser = after_the_password(kofi)
    give(browser, shown[7])
    assert is_in(browser)


def test_a_sign_in_by_two_factors_is_written_down_with_both(kofi: Person) -> None:
    give(after_the_password(kofi), right_code())
    assert Entry.objects.get(verb=Verb.SIGNED_IN).details == {"proved_by": "password+totp"}
