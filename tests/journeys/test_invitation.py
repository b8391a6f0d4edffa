"""Somebody new: from the invitation to a registered device, a passkey and an address of their own choice."""

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.browser import DESK, PHONE, Screen, on
from tests.journeys.conftest import Sessions, Visit
from tests.journeys.portal import open_registration
from tests.journeys.stack import Stack
from tests.journeys.test_factors import plug_in

PASSWORD = "seven-quiet-lanterns-19"


def invite(page: Page, name: str, email: str) -> None:
    page.goto("/console/")
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Invitations").click()
    page.get_by_role("link", name="Invite people").first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Send invitation").click()
    expect(page.locator("main")).to_contain_text(email)


@on(PHONE, DESK)
def test_a_new_person_ends_with_an_iphone_a_passkey_and_a_new_address(
    visit: Visit, sessions: Sessions, stack: Stack, screen: Screen
) -> None:
    who = f"{screen.scheme}.{screen.width}"
    first, second = f"noor.{who}@aldermoor.example", f"n.haddad.{who}@aldermoor.example"
    administrator = visit(sessions.of(stack.amara))
    invite(administrator, "Noor Haddad", first)

    # The mail leads to a password, and on to the first device.
    noor = visit(None)
    plug_in(noor)
    noor.goto(stack.inbox.link_in(first, "Aldermoor"))
    expect(noor.get_by_role("heading", name="Welcome, Noor")).to_be_visible()
    noor.locator("input[type=password]").fill(PASSWORD)
    noor.get_by_role("button", name="Accept the invitation").click()
    expect(noor.get_by_role("heading", name="Register a device")).to_be_visible()
    link = open_registration(noor)
    stack.simulator.add(kind="iphone", name=f"Noor’s iPhone {who}", url=link)
    expect(noor.get_by_text("is registered.")).to_be_visible()
    noor.goto("/")
    expect(noor.get_by_role("link", name=f"Noor’s iPhone {who}", exact=True)).to_be_visible()

    # A passkey.
    noor.goto("/account")
    noor.get_by_role("navigation", name="Account").get_by_role("link", name="Sign-in and security").click()
    noor.get_by_role("link", name="Add a passkey").click()
    noor.get_by_label("Name").fill("This browser")
    noor.get_by_role("button", name="Add a passkey").click()
    noor.get_by_role("link", name="I have kept them").click()

    # Another address, confirmed where it is read.
    noor.get_by_role("link", name="Name and e-mail").click()
    noor.get_by_role("link", name="Change address").click()
    noor.get_by_label("New e-mail address").fill(second)
    noor.get_by_role("button", name="Send link to new address").click()
    noor.goto(stack.inbox.link_in(second, "address"))
    noor.get_by_role("button", name="Use this address").click()
    noor.goto("/account")
    expect(noor.locator("main")).to_contain_text(second)

    # And back in with nothing but the passkey.
    noor.locator("summary.avatar").click()
    noor.get_by_role("button", name="Sign out", exact=True).click()
    noor.get_by_role("button", name="Sign in with a passkey").click()
    expect(noor.get_by_role("heading", name="My Devices", level=1)).to_be_visible()
    administrator.goto("/console/invitations")
    expect(administrator.locator("main")).to_contain_text("Accepted")


def test_a_revoked_invitation_says_so_and_lets_nobody_in(visit: Visit, sessions: Sessions, stack: Stack) -> None:
    administrator = visit(sessions.of(stack.amara))
    invite(administrator, "Somebody Else", "somebody.else@aldermoor.example")
    link = stack.inbox.link_in("somebody.else@aldermoor.example", "Aldermoor")
    administrator.goto("/console/invitations")
    administrator.get_by_role("link", name="Somebody Else").click()
    administrator.get_by_role("button", name="Revoke").first.click()
    stranger = visit(None)
    stranger.goto(link)
    expect(stranger.get_by_role("button", name="Accept the invitation")).to_have_count(0)
    expect(stranger.locator("main")).to_contain_text("has been taken back")


pytestmark = pytest.mark.usefixtures("stack")
