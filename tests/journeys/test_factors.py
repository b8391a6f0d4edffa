"""Passkeys and authenticator apps, with a virtual authenticator in the browser."""

import re
from collections.abc import Iterator
from dataclasses import astuple
from typing import Final

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Page, expect

from tests.journeys.browser import DESK, PHONE, on
from tests.journeys.conftest import Sessions, Visit
from tests.journeys.portal import sign_in
from tests.journeys.stack import Account, Stack
from tests.journeys.test_pages import expect_good

MARA: Final = Account("Mara Lind", "mara@aldermoor.example", "granite meadow twenty")
"""Of these journeys alone: for a week after a factor was removed, a new device of its owner waits for their word."""


@pytest.fixture(scope="session")
def mara(stack: Stack) -> Account:
    stack.do(
        "from mydevices.accounts import services\n"
        "from mydevices.audit.actor import Actor\n"
        f"name, email, password = {astuple(MARA)!r}\n"
        "services.create_person(actor=Actor.system('journeys'), email=email, name=name, password=password)\n"
    )
    return MARA


@pytest.fixture
def keyed(visit: Visit, sessions: Sessions, mara: Account) -> Iterator[Page]:
    """A page of hers on a device that holds passkeys. Whatever she adds is removed again."""
    page = visit(sessions.new(mara))
    plug_in(page)
    yield page
    page.goto("/account/security")
    for name in ("Remove the passkey", "Remove the app"):
        while page.get_by_role("link", name=name).count():
            page.get_by_role("link", name=name).first.click()
            page.locator(".sheet").get_by_role("button", name="Remove").click()
            expect(page.get_by_role("link", name="Add a passkey")).to_be_visible()


def plug_in(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )


@on(PHONE, DESK)
def test_a_passkey_is_added_and_signs_in_by_itself(keyed: Page) -> None:
    keyed.goto("/account/security")
    keyed.get_by_role("link", name="Add a passkey").click()
    keyed.get_by_label("Name").fill("My laptop")
    keyed.get_by_role("button", name="Add a passkey").click()
    expect(keyed.get_by_role("heading", name="Recovery codes")).to_be_visible()
    expect(keyed.locator(".codes li")).to_have_count(10)
    keyed.get_by_role("link", name="I have kept them").click()
    expect(keyed.get_by_role("heading", name="My laptop")).to_be_visible()
    keyed.get_by_role("link", name="Remove the passkey").click()
    expect(keyed.locator(".sheet").get_by_role("button", name="Remove")).to_be_visible()
    expect_good(keyed)

    sign_out(keyed)
    keyed.goto("/register")
    keyed.get_by_role("button", name="Sign in with a passkey").click()
    expect(keyed.get_by_role("heading", name="Register a device")).to_be_visible()


def test_a_browser_that_gives_no_passkey_says_so_and_the_password_still_works(visit: Visit, stack: Stack) -> None:
    page = visit(None)
    page.goto("/")
    # As if the person pressed Cancel.
    page.evaluate("() => { navigator.credentials.get = async () => { throw new DOMException('', 'NotAllowedError') } }")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("Your browser gave no passkey")
    sign_in(page, stack.ines)
    expect(page.get_by_role("heading", name="My Devices", level=1)).to_be_visible()


def test_after_the_password_a_passkey_is_the_second_step(keyed: Page, mara: Account) -> None:
    keyed.goto("/account/security/passkeys/new")
    keyed.get_by_role("button", name="Add a passkey").click()
    keyed.get_by_role("link", name="I have kept them").click()
    sign_out(keyed)
    sign_in(keyed, mara)
    expect(keyed.get_by_role("heading", name="One more step")).to_be_visible()
    keyed.get_by_role("button", name="Use a passkey").click()
    expect(keyed.get_by_role("heading", name="My Devices", level=1)).to_be_visible()


def test_an_app_is_set_up_and_asked_for_after_the_password(keyed: Page, mara: Account) -> None:
    keyed.goto("/account/security/app")
    key = keyed.locator("code bdi").inner_text()
    shown = keyed.evaluate("Math.floor(Date.now() / 30000)")
    keyed.get_by_label("Code that the app shows").fill(code(key, shown))
    keyed.get_by_role("button", name="Set up this app").click()
    spare = keyed.locator(".codes li").first.inner_text()
    keyed.get_by_role("link", name="I have kept them").click()
    expect(keyed.get_by_role("heading", name="It is set up")).to_be_visible()
    sign_out(keyed)
    sign_in(keyed, mara)
    keyed.get_by_label("Code from your app").fill(code(key, shown))
    keyed.get_by_role("button", name="Sign in", exact=True).click()
    expect(keyed.get_by_text("it has been used")).to_be_visible()
    keyed.get_by_label("Code from your app").fill(spare)  # the next one takes half a minute
    keyed.get_by_role("button", name="Sign in", exact=True).click()
    expect(keyed.get_by_role("heading", name="My Devices", level=1)).to_be_visible()


def code(key: str, counter: int) -> str:
    return str(format_hotp_value(hotp_value(key, counter)))


def sign_out(page: Page) -> None:
    page.locator("summary.avatar").click()
    page.get_by_role("group").get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("Sign in"))).to_be_visible()
