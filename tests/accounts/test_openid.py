"""What a provider says is believed where all of it holds: through a real provider that lies, over the pages."""

import base64
import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from mydevices import front
from mydevices.accounts import openid
from mydevices.accounts.models import Person, Provider
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.errors import ProtocolError
from mydevices.protocols import oidc
from tests import factories
from tests.factories import PASSWORD
from tests.front.test_waiting import Running
from tests.identity.arriving import AGAIN, OTHER, WITH, arrive, is_signed_in, keep, make_stale
from tests.identity.people import CLIENT
from tests.identity.running import Identity

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("identity")]

LENA = "lena.brandt@aldermoor.example"
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.fixture
def provider(identity: Identity) -> Provider:
    return keep(identity.issuer)


def nobody_came(browser: Client) -> bool:
    return not is_signed_in(browser) and not Person.objects.filter(provider="aldermoor").exists()


@pytest.mark.parametrize(
    "lies",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"signer": "stranger"},
        {"signer": "stranger", "header": {"kid": ""}},
        {"header": {"kid": "another"}},
        {"header": {"crit": ["b64"], "b64": False}},
        {"claims": {"iss": "http://127.0.0.1:9"}},
        {"claims": {"iss": None}},
        {"claims": {"aud": "somebody else"}},
        {"claims": {"aud": None}},
        {"claims": {"aud": [CLIENT, "somebody else"]}},
        {"claims": {"azp": "somebody else"}},
        {"claims": {"nonce": "of another sign-in"}},
        {"claims": {"nonce": None}},
        {"claims": {"exp": 1}},
        {"claims": {"exp": None}},
        {"claims": {"exp": "tomorrow"}},
        {"claims": {"iat": None}},
        {"claims": {"iat": 32503680000, "exp": 32503680001}},
        {"claims": {"nbf": 32503680000}},
        {"claims": {"sub": None}},
        {"claims": {"sub": ""}},
        {"claims": {"sub": 7}},
        {"claims": {"sub": ["1"]}},
        {"claims": {"sub": " 1"}},
        {"claims": {"sub": "x" * 256}},
        {"userinfo": {"sub": "another"}},
        {"userinfo": {"sub": None}},
        {"answers": {"token": ["200 OK", [], '{"access_token": "x"}']}},
        {"answers": {"token": ["200 OK", [], "[]"]}},
        {"answers": {"token": ["200 OK", [], '{"access_token": "x", "id_token": "a.b"}']}},
        {"answers": {"userinfo": ["200 OK", [], "no JSON"]}},
    ],
    ids=lambda lies: json.dumps(lies)[:60],
)
def test_a_token_of_which_anything_is_wrong_signs_nobody_in(
    identity: Identity, provider: Provider, lies: dict[str, Any]
) -> None:
    identity.lie(**lies)
    browser, answer = arrive(identity, "lena")
    assert answer.status_code == 403
    assert nobody_came(browser)
    failed = Entry.objects.get(verb=Verb.SIGN_IN_FAILED)
    assert (failed.details["provider"], failed.details["step"]) == ("aldermoor", "provider")
    assert failed.details["reason"]


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_what_is_signed_with_no_key_pair_is_refused_for_that_alone(
    identity: Identity, provider: Provider, algorithm: str
) -> None:
    """Before any key is looked for: none that the provider may list can make it good."""
    identity.lie(alg=algorithm)
    arrive(identity, "lena")
    assert "asymmetric" in str(Entry.objects.get(verb=Verb.SIGN_IN_FAILED).details["reason"])


def test_a_key_on_another_curve_is_as_good(identity: Identity, provider: Provider) -> None:
    identity.lie(alg="ES256", also=["ES256"])
    browser, _answer = arrive(identity, "lena")
    assert is_signed_in(browser)


def test_keys_are_kept_and_fetched_once_more_for_one_that_is_not_known(identity: Identity, provider: Provider) -> None:
    for _time in range(2):
        arrive(identity, "lena")
    assert (identity.asked("metadata"), identity.asked("keys")) == (1, 1)
    identity.lie(signer="stranger", also=["stranger"])  # it has a new key
    browser, _answer = arrive(identity, "lena")
    assert is_signed_in(browser)
    assert identity.asked("keys") == 2
    identity.lie(signer="ES256", alg="ES256")  # and one that it does not list
    browser, answer = arrive(identity, "lena")
    assert answer.status_code == 403
    assert identity.asked("keys") == 3


def test_metadata_of_another_issuer_are_refused(identity: Identity, provider: Provider) -> None:
    identity.lie(metadata={"issuer": "https://login.example.org"})
    answer = Client().get(WITH)
    assert answer.status_code == 503


@pytest.mark.parametrize(
    "metadata",
    [
        {"token_endpoint": "http://login.example.org/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"userinfo_endpoint": "https://user:password@login.example.org/"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
def test_metadata_that_lead_elsewhere_than_by_https_are_refused(
    identity: Identity, provider: Provider, metadata: dict[str, Any]
) -> None:
    identity.lie(metadata=metadata)
    assert Client().get(WITH).status_code == 503


def test_a_provider_by_https_cannot_lead_to_this_machine() -> None:
    body = {"issuer": "https://login.example.org", "authorization_endpoint": "https://login.example.org/a"}
    body |= {"token_endpoint": "http://127.0.0.1/t", "jwks_uri": "https://login.example.org/k"}
    with pytest.raises(ProtocolError, match="token_endpoint"):
        oidc.metadata(json.dumps(body).encode(), issuer="https://login.example.org")


@pytest.mark.parametrize("place", ["metadata", "keys", "token", "userinfo"])
@pytest.mark.parametrize(
    "answer",
    [
        ["302 Found", [["Location", "/elsewhere"]], ""],
        ["200 OK", [["Content-Type", "application/json"]], "[" * 600_000],
        ["500 Internal Server Error", [], ""],
    ],
    ids=["redirect", "too large", "error"],
)
def test_redirects_are_not_followed_and_answers_have_a_largest(
    identity: Identity, provider: Provider, place: str, answer: list[Any]
) -> None:
    identity.lie(answers={place: answer})
    browser = Client()
    left = browser.get(WITH)
    if place == "metadata":
        assert left.status_code == 503
        return
    back = browser.get(identity.sign_in(identity.browser(), left["Location"], "lena"))
    assert back.status_code == 503
    assert nobody_came(browser)


def test_address_and_whether_it_is_theirs_are_of_one_source(identity: Identity, provider: Provider) -> None:
    """The token says an address and not whose; the other answer vouches for another address."""
    victim = factories.invited("amara.diallo@aldermoor.example", "Amara Diallo")
    identity.lie(
        claims={"email": victim.email, "email_verified": False},
        userinfo={"email": "mallory@aldermoor.example", "email_verified": True},
    )
    browser, answer = arrive(identity, "lena")
    assert answer.status_code == 403
    identity.lie(
        claims={"email": "mallory@aldermoor.example", "email_verified": True},
        userinfo={"email": victim.email, "email_verified": None},
    )
    arrive(identity, "lena", browser)
    victim.refresh_from_db()
    assert victim.provider == ""
    assert not victim.provider_links.exists()


def test_an_answer_that_names_another_issuer_is_refused(identity: Identity, provider: Provider) -> None:
    browser = Client()
    back = identity.sign_in(identity.browser(), browser.get(WITH)["Location"], "lena")
    answer = browser.get(f"{back}&iss=https://login.example.org")
    assert answer.status_code == 403
    assert nobody_came(browser)


@pytest.mark.parametrize(
    "at", [float("inf"), float("-inf"), float("nan"), 1e400, 10**400, 32503680000, "now", True, -1]
)
def test_a_time_of_sign_in_that_is_none_is_no_proof(identity: Identity, provider: Provider, at: object) -> None:
    browser, _answer = arrive(identity, "lena")
    make_stale(browser)
    identity.lie(claims={"auth_time": at})
    back = identity.sign_in(identity.browser(), browser.get(f"{AGAIN}?go=1")["Location"], "lena")
    assert browser.get(back).status_code == 403
    assert is_signed_in(browser)
    # Nor does signing in count as one, where it is not refused altogether: infinity is no JSON.
    browser, answer = arrive(identity, "lena")
    if answer.status_code == 403:
        assert not is_signed_in(browser)
        return
    device = factories.device(Person.objects.get(email=LENA))
    asked = browser.get(reverse("portal:unlock", args=[device.id]))
    assert asked.status_code == 303
    assert asked["Location"].startswith(reverse("account_reauthenticate"))


def test_the_nonce_and_the_proof_of_the_code_are_sent(identity: Identity, provider: Provider) -> None:
    wanted = [parse_qs(urlsplit(Client().get(WITH)["Location"]).query) for _time in range(2)]
    assert all(one["code_challenge_method"] == ["S256"] for one in wanted)
    for name in ("nonce", "state", "code_challenge"):
        assert wanted[0][name] != wanted[1][name]
        assert len(wanted[0][name][0]) >= 43


# For one purpose, one provider, one browser, and not for long


def test_an_answer_that_came_late_signs_nobody_in(identity: Identity, provider: Provider) -> None:
    browser = Client()
    back = identity.sign_in(identity.browser(), browser.get(WITH)["Location"], "lena")
    session = browser.session
    for asked in session["asked_of_providers"].values():
        asked["at"] -= 601
    session.save()
    assert browser.get(back).status_code == 403
    assert nobody_came(browser)


def test_an_answer_to_one_provider_is_none_to_another(identity: Identity, provider: Provider) -> None:
    keep(identity.other_issuer, of="birchwood", name="Birchwood ID")
    browser = Client()
    back = identity.sign_in(identity.browser(), browser.get(WITH)["Location"], "lena")
    assert browser.get(back.replace("aldermoor/back", "birchwood/back")).status_code == 403
    assert nobody_came(browser)


def test_what_is_asked_for_one_purpose_serves_no_other(identity: Identity, provider: Provider) -> None:
    """Signing in again as somebody else, with the answer to a question for a proof, changes nobody's session."""
    browser, _answer = arrive(identity, "lena")
    back = identity.sign_in(identity.browser(), browser.get(f"{AGAIN}?go=1")["Location"], "lena")
    browser.post(reverse("account_logout"))
    assert browser.get(back).status_code == 403
    assert not is_signed_in(browser)


# A provider that is slow, and who waits for it


class Meanwhile:
    """Somebody who asks for a page in a thread of their own; what they got."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self.answer: Any = None
        self._thread = threading.Thread(target=self._run, args=(ask,))
        self._thread.start()

    def _run(self, ask: Callable[[], Any]) -> None:
        try:
            self.answer = ask()
        finally:
            connection.close()

    def ended(self) -> Any:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.answer


def until_asked(identity: Identity, place: str, times: int = 1) -> None:
    event = threading.Event()
    for _round in range(1500):
        if identity.asked(place) >= times:
            return
        event.wait(0.02)
    raise AssertionError(f"Nobody asked for the {place}.")


@pytest.mark.django_db(transaction=True)
def test_one_waits_for_a_slow_provider_and_all_others_are_answered(
    identity: Identity, provider: Provider, settings: Settings
) -> None:
    settings.PROVIDER_SECONDS = 20.0
    identity.lie(stall=["metadata"])
    first = Meanwhile(lambda: Client().get(WITH))
    until_asked(identity, "metadata")
    for _time in range(3):
        second = Client().get(WITH)
        assert (second.status_code, second["Refresh"].startswith("2; url=")) == (503, True)
        assert "goes on by itself" in second.content.decode()
    assert Client().get(reverse("account_login")).status_code == 200
    assert first.answer is None
    identity.lie()
    assert first.ended().status_code == 302
    assert identity.asked("metadata") == 1
    assert Client().get(WITH).status_code == 302
    assert identity.asked("metadata") == 1


def come_back(identity: Identity, names: Sequence[str]) -> list[tuple[Client, str]]:
    """Browsers of several people, and where the provider sends each of them."""
    browsers = [Client() for _name in names]
    left = [browser.get(WITH)["Location"] for browser in browsers]
    backs = [identity.sign_in(identity.browser(), *one) for one in zip(left, names, strict=True)]
    return list(zip(browsers, backs, strict=True))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("place", "wait"), [("token", 2), ("userinfo", 2), ("keys", 1)])
def test_whoever_comes_back_meanwhile_is_told_and_loses_nothing(
    identity: Identity, provider: Provider, settings: Settings, place: str, wait: int
) -> None:
    settings.PROVIDER_SECONDS = 20.0
    everybody = come_back(identity, ["lena", "noor", "silent"][: wait + 1])
    if place != "keys":
        arrive(identity, "stale")  # the keys are known
    identity.be_honest()
    identity.lie(stall=[place])
    waiting = [Meanwhile(partial(browser.get, back)) for browser, back in everybody[:wait]]
    until_asked(identity, place, wait)
    browser, back = everybody[wait]
    told = browser.get(back)
    assert (told.status_code, "Refresh" in told.headers) == (503, True)
    assert Client().get(reverse("account_login")).status_code == 200
    assert [one.answer for one in waiting] == [None] * wait
    identity.lie()
    assert [one.ended().status_code for one in waiting] == [302] * wait
    assert browser.get(back).status_code == 302
    assert all(is_signed_in(browser) for browser, _back in everybody)


@pytest.mark.django_db(transaction=True)
def test_a_slow_provider_keeps_nobody_from_another(identity: Identity, provider: Provider, settings: Settings) -> None:
    settings.PROVIDER_SECONDS = 20.0
    keep(identity.other_issuer, of="birchwood", name="Birchwood ID")
    arrive(identity, "stale")
    arrive(identity, "silent", at=OTHER)
    waiting = come_back(identity, ["lena", "noor"])
    identity.be_honest()
    identity.lie(stall=["token@localhost"])
    held = [Meanwhile(partial(browser.get, back)) for browser, back in waiting]
    until_asked(identity, "token", 2)
    browser, _answer = arrive(identity, "silent", at=OTHER)
    assert is_signed_in(browser)
    assert [one.answer for one in held] == [None, None]
    identity.lie()
    assert [one.ended().status_code for one in held] == [302, 302]


@pytest.mark.django_db(transaction=True)
def test_what_other_pages_write_in_the_session_meanwhile_stays(
    identity: Identity, provider: Provider, settings: Settings
) -> None:
    """While keys are fetched, before the answer is taken, and while the code is exchanged, after that."""
    settings.PROVIDER_SECONDS = 20.0
    browser = Client()
    back = identity.sign_in(identity.browser(), browser.get(WITH)["Location"], "lena")
    for place in ("keys", "token"):
        identity.be_honest()
        openid.forget()
        identity.lie(stall=[place])
        waiting = Meanwhile(partial(browser.get, back))
        until_asked(identity, place)
        session = browser.session
        session[f"written while the {place} came"] = "yes"
        session.save()
        identity.lie(answers={} if place == "token" else {"token": ["500 Internal Server Error", [], ""]})
        answer = waiting.ended()
        if place == "keys":
            assert answer.status_code == 503
            assert browser.session["written while the keys came"] == "yes"
            back = identity.sign_in(identity.browser(), browser.get(WITH)["Location"], "lena")
    assert answer.status_code == 302
    assert is_signed_in(browser)
    assert browser.session["written while the token came"] == "yes"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", ["keys", "token"])
def test_a_session_that_ends_meanwhile_links_nothing_and_does_not_come_back(
    identity: Identity, provider: Provider, settings: Settings, place: str
) -> None:
    settings.PROVIDER_SECONDS = 20.0
    boss = factories.administrator(password=PASSWORD)
    browser, elsewhere = Client(), Client()
    for one in (browser, elsewhere):
        one.post(reverse("account_login"), {"login": boss.email, "password": PASSWORD})
    back = identity.sign_in(
        identity.browser(), browser.get("/account/security/with/aldermoor?go=1")["Location"], "noor"
    )
    identity.be_honest()
    openid.forget()
    identity.lie(stall=[place])
    waiting = Meanwhile(partial(browser.get, back))
    until_asked(identity, place)
    assert elsewhere.post(reverse("sessions_end_others")).status_code == 303
    identity.lie()
    assert waiting.ended().status_code == 403
    assert not boss.provider_links.exists()
    assert not is_signed_in(browser)
    assert Session.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_slow_provider_stops_no_page_of_the_server(
    identity: Identity, provider: Provider, settings: Settings
) -> None:
    settings.PROVIDER_SECONDS = 20.0
    settings.ALLOWED_HOSTS = ["localhost"]
    identity.lie(stall=["metadata"])
    server = Running(front.FrontLimits())
    try:
        first = server.send("GET", WITH, {})
        until_asked(identity, "metadata")
        told = [server.send("GET", WITH, {}).answer() for _time in range(2 * front.FrontLimits().waiting_threads)]
        assert {(one.status, one.headers["retry-after"]) for one in told} == {(503, "2")}
        signing_in = [server.send("GET", reverse("account_login"), {}).answer() for _time in range(4)]
        assert [one.status for one in signing_in] == [200] * 4
        assert not first.is_answered
        identity.lie()
        assert first.answer().status == 302
    finally:
        identity.lie()
        server.stop()
    assert identity.asked("metadata") == 1
    assert front.FrontLimits().waiting_threads > openid.MOST_AT_ONCE


@pytest.mark.parametrize("place", ["metadata", "token"])
def test_nobody_waits_longer_than_allowed_and_is_told_so(
    identity: Identity, provider: Provider, settings: Settings, place: str
) -> None:
    settings.PROVIDER_SECONDS = 0.3
    browser = Client()
    left = None if place == "metadata" else browser.get(WITH)["Location"]
    identity.lie(stall=[place])
    answer = browser.get(WITH if left is None else identity.sign_in(identity.browser(), left, "lena"))
    assert answer.status_code == 503
    assert "does not answer" in answer.content.decode()
    assert "Refresh" not in answer.headers


def test_after_a_failure_it_is_left_alone_for_a_moment(identity: Identity, provider: Provider) -> None:
    identity.lie(answers={"metadata": ["500 Internal Server Error", [], ""]})
    for _time in range(4):
        assert Client().get(WITH).status_code == 503
    assert identity.asked("metadata") == 1


@pytest.mark.parametrize(
    ("address", "hosts", "good"),
    [
        ("https://login.example.org/token", [], True),
        ("https://LOGIN.example.org/token", [], True),
        ("https://login.example.org:443/token", [], True),
        ("https://login.example.org:8443/token", [], False),
        ("https://token.example.org/", [], False),
        ("https://token.example.org/", ["Token.example.org"], True),
        ("https://token.example.org:8443/", ["token.example.org"], False),
        ("https://token.example.org:8443/", ["token.example.org:8443"], True),
        ("https://login.example.org.elsewhere.example/", [], False),
        ("https://10.0.0.5/", [], False),
        ("https://169.254.169.254/latest", [], False),
        ("https://localhost/", [], False),
        ("https://[::1]/", [], False),
        ("https://oauth2.googleapis.com/token", [], False),
    ],
)
def test_a_provider_names_addresses_of_its_own_host_or_of_one_that_is_listed(
    address: str, hosts: list[str], good: bool
) -> None:
    assert oidc.is_expected(address, issuer="https://login.example.org", hosts=hosts) is good


def test_hosts_of_large_providers_are_known_for_these_alone() -> None:
    assert oidc.is_expected("https://oauth2.googleapis.com/token", issuer="https://accounts.google.com")
    assert oidc.is_expected(
        "https://graph.microsoft.com/oidc/userinfo", issuer="https://login.microsoftonline.com/x/v2.0"
    )
    assert not oidc.is_expected("https://graph.microsoft.com/", issuer="https://accounts.google.com")


@pytest.mark.parametrize("place", ["jwks_uri", "token_endpoint", "userinfo_endpoint"])
def test_the_server_speaks_to_no_other_host_for_a_provider(identity: Identity, provider: Provider, place: str) -> None:
    read = json.loads(openid._asked(provider.issuer, "GET", oidc.well_known(provider.issuer)))
    with socket.create_server(("127.0.0.1", 0)) as within:  # something that strangers do not reach
        within.setblocking(False)
        named = f"http://127.0.0.1:{within.getsockname()[1]}/"
        identity.lie(answers={"metadata": ["200 OK", [], json.dumps({**read, place: named})]})
        browser, left = Client(), Client().get(WITH)
        if left.status_code == 302:  # its keys are elsewhere
            browser, _answer = arrive(identity, "lena")
        with pytest.raises(BlockingIOError):
            within.accept()
    assert nobody_came(browser)


def test_nobody_is_sent_on_by_a_provider_to_another_address(identity: Identity, provider: Provider) -> None:
    elsewhere = [["Location", f"{identity.issuer}/.well-known/jwks.json"]]
    identity.lie(answers={"metadata": ["302 Found", elsewhere, ""]})
    assert Client().get(WITH).status_code == 503
    assert (identity.asked("metadata"), identity.asked("keys")) == (1, 0)


def test_what_is_known_serves_while_the_provider_is_down(
    identity: Identity, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Client().get(WITH).status_code == 302
    monkeypatch.setattr(openid, "KEPT", 0.0)
    identity.lie(answers={"metadata": ["500 Internal Server Error", [], ""]})
    assert Client().get(WITH).status_code == 302
    assert identity.asked("metadata") == 2


# What is written down


def test_refused_sign_ins_are_recorded_and_nobody_fills_the_audit_with_them(
    identity: Identity, provider: Provider
) -> None:
    for _time in range(12):
        assert Client().get(f"{WITH}/back?state=made-up&code=made-up").status_code == 403
    assert Entry.objects.filter(verb=Verb.SIGN_IN_FAILED).count() == 5


def test_refused_passkeys_are_recorded_and_nobody_fills_the_audit_with_them() -> None:
    for _time in range(12):
        assert Client().post(reverse("mfa_login_webauthn"), {"credential": '{"id": "made-up"}'}).status_code in {
            302,
            429,
        }
    failed = Entry.objects.filter(verb=Verb.SIGN_IN_FAILED)
    assert [entry.details["step"] for entry in failed] == ["passkey"] * 5


def test_who_is_refused_in_the_console_is_recorded_a_few_times() -> None:
    person = factories.person(password=PASSWORD)
    browser = Client()
    browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    for _time in range(12):
        assert browser.get(reverse("console:people")).status_code == 403
    refused = Entry.objects.filter(verb=Verb.ACCESS_REFUSED, person_id=str(person.id))
    assert refused.count() == 5
    assert {(entry.actor_id, entry.details["page"]) for entry in refused} == {(str(person.id), "console:people")}


# Bytes


def key(**changes: object) -> dict[str, Any]:
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415  for this alone

    numbers = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key().public_numbers()
    whole = {"kty": "RSA", "kid": "1", "use": "sig", "n": encoded(numbers.n), "e": encoded(numbers.e)}
    return {name: value for name, value in {**whole, **changes}.items() if value is not None}


def encoded(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "one",
    [
        {"kty": "oct", "kid": "1", "k": "c2VjcmV0"},
        {"use": "enc"},
        {"n": encoded(2**1023 + 1)},
        {"n": "=="},
        {"n": None},
        {"kid": 7},
        {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"},
        {"kty": "EC", "crv": "secp256k1", "x": "AQ", "y": "AQ"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AQ"},
        {"e": encoded(1), "n": encoded(2**2048 + 1)},
    ],
    ids=lambda one: json.dumps(one)[:50],
)
def test_keys_that_cannot_be_used_are_passed_over(one: Mapping[str, Any]) -> None:
    whole = dict(one) if one.get("kty") in {"oct", "EC", "OKP"} else key(**one)
    kept = oidc.keys(json.dumps({"keys": [whole, key(kid="2")]}).encode())
    assert [good.kid for good in kept] == ["2"]


def test_the_clock_may_differ_a_little() -> None:
    seconds = NOW.timestamp()
    assert oidc.moment(seconds) == seconds
    claims = oidc.claims({"sub": "1", "auth_time": seconds + 59}, {}, groups_claim="", now=NOW)
    assert claims.signed_in_at == seconds
    later = oidc.claims({"sub": "1", "auth_time": seconds + 61}, {}, groups_claim="", now=NOW - timedelta())
    assert later.signed_in_at is None
