"""A lost phone, as its owner lives it: marked, seen on the map, heard, and found."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.browser import DESK, PHONE, PHONE_PLAIN, on
from tests.journeys.conftest import Visit
from tests.journeys.portal import Portal, sign_in
from tests.journeys.stack import Simulator, Stack

_FACTOR = """
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from mydevices.accounts.models import Person

ines = Person.objects.get(email={email!r})
Authenticator.objects.filter(user=ines).delete()
if {has!r}:
    TOTP.activate(ines, generate_totp_secret())
"""


@pytest.fixture
def factored(stack: Stack) -> Iterator[None]:
    """Ines confirms her sign-in with an app on her phone, as long as the test lasts."""
    stack.do(_FACTOR.format(email=stack.ines.email, has=True))
    yield
    stack.do(_FACTOR.format(email=stack.ines.email, has=False))


def switch(page: Page, wanted: str) -> None:
    """Have location on, or off, whatever it was before."""
    expect(page.get_by_role("button", name=re.compile("^Switch location"))).to_be_visible()
    button = page.get_by_role("button", name=f"Switch location {wanted}")
    if button.is_visible():
        button.click()
    other = "off" if wanted == "on" else "on"
    expect(page.get_by_role("button", name=f"Switch location {other}")).to_be_visible()


def look_for(portal: Portal, name: str) -> None:
    portal.open_device(name)
    portal.page.goto(f"{portal.page.url}/where")
    expect(portal.page.get_by_role("heading", name=name, level=1)).to_be_visible()


@on(DESK, PHONE)
def test_a_lost_iphone_is_seen_on_the_map_and_found(ines: Portal, simulator: Simulator) -> None:
    page, name = ines.page, "Ines’s iPhone"
    look_for(ines, name)
    switch(page, "on")
    expect(page.get_by_text("No position yet.")).to_be_visible()
    page.get_by_role("link", name="Mark iPhone as lost…").click()
    question = ines.dialog
    question.get_by_label("Message").fill("This iPhone is lost. Please call me.")
    question.get_by_label("Phone number").fill("020 7946 0188")
    question.get_by_role("button", name="Mark iPhone as lost").click()

    # Its position arrives by itself, beside the map and on it.
    expect(page.get_by_role("heading", name="What its screen says")).to_be_visible()
    ines.stay()
    expect(page.get_by_text("The device itself, in Lost Mode")).to_be_visible()
    ines.expect_same_document()
    expect(page.locator(".map path.m-pin")).to_have_count(1)
    expect(page.locator(".map figcaption")).to_contain_text("Within 12 m")
    expect(page.locator(".map .leaflet-control-scale-line")).to_be_visible()
    expect(page.get_by_text("CC BY 4.0")).to_be_visible()
    # The map is drawn as far as its box goes, which has grown with what is told beside it.
    bottoms = [f"document.querySelector('{one}').getBoundingClientRect().bottom" for one in (".map svg", ".map")]
    page.wait_for_function(f"{bottoms[0]} >= {bottoms[1]} - 1")
    expect(page.locator("#live")).to_contain_text("seen by you")
    expect(page.locator("blockquote")).to_contain_text("020 7946 0188")
    phone = simulator.find(name)
    assert (phone["screen"], phone["message"]) == ("lost", "This iPhone is lost. Please call me.")

    page.get_by_role("button", name="Play a sound").click()
    expect(page.get_by_role("region", name="Play a sound on iPhone")).to_have_count(0)
    page.get_by_role("button", name="I found it").click()
    expect(page.get_by_role("link", name="Mark iPhone as lost…")).to_be_visible()
    assert simulator.find(name)["screen"] == "locked"

    # Switching location off deletes what was kept.
    switch(page, "off")
    expect(page.locator("#live")).to_contain_text("Location is off")
    expect(page.locator("[data-latitude]")).to_have_count(0)
    ines.open_device(name)
    expect(page.locator("#history")).to_contain_text("You saw where it is")


@on(PHONE_PLAIN)
def test_a_lost_iphone_is_found_without_scripts(ines: Portal, simulator: Simulator) -> None:
    page = ines.page
    look_for(ines, "Ines’s iPhone")
    switch(page, "on")
    page.get_by_role("link", name="Mark iPhone as lost…").click()
    page.get_by_label("Message").fill("Please call me.")
    page.get_by_role("button", name="Mark iPhone as lost").click()
    expect(page.get_by_text("The device itself, in Lost Mode")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("link", name="Open in Maps")).to_be_visible()
    expect(page.locator(".map")).to_be_hidden()
    page.get_by_role("button", name="I found it").click()
    expect(page.get_by_role("link", name="Mark iPhone as lost…")).to_be_visible(timeout=20_000)
    assert simulator.find("Ines’s iPhone")["screen"] == "locked"
    switch(page, "off")


def test_a_mac_says_why_it_cannot_be_found_and_shares_from_its_own_browser(ines: Portal) -> None:
    page = ines.page
    look_for(ines, "Studio MacBook")
    expect(page.get_by_text("Macs have no Lost Mode.")).to_be_visible()
    switch(page, "on")
    page.context.grant_permissions(["geolocation"])
    page.context.set_geolocation({"latitude": 51.5072, "longitude": -0.1276, "accuracy": 40})
    page.get_by_role("button", name="Share this browser’s position").click()
    expect(page.get_by_text("A browser on it, when its owner asked")).to_be_visible()
    expect(page.locator("#live")).to_contain_text("51.50720° N, 0.12760° W")
    page.get_by_text("OwnTracks", exact=True).click()
    page.get_by_role("button", name="Make a password for the app").click()
    expect(page.get_by_text("This password is shown once.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("This password is shown once.")).to_have_count(0)
    switch(page, "off")
    expect(page.locator("#live")).not_to_contain_text("51.50720")


@on(DESK, PHONE)
def test_an_administrator_marks_a_device_lost_and_its_owner_reads_why(
    ines: Portal, amara: Portal, simulator: Simulator
) -> None:
    name, page = "Ines’s iPhone", amara.page
    page.goto(f"/console/devices?q={name}")
    page.get_by_role("link", name=name).click()
    page.get_by_role("link", name="Mark as lost…").click()
    page.get_by_label("Message on its screen").fill("Left in a taxi. Please call.")
    page.get_by_label("Why").fill("She rang the service desk.")
    page.get_by_role("button", name="Mark as lost").click()
    expect(page.get_by_role("heading", name="What its screen says")).to_be_visible()
    amara.stay()
    last = amara.timeline("Mark iPhone as lost").locator("li").last
    expect(last).to_contain_text("Locked, with the message")
    expect(last).to_have_class("done", timeout=20_000)
    amara.expect_same_document()
    assert simulator.wait(name, screen="lost")["message"] == "Left in a taxi. Please call."
    mail = ines.stack.inbox.link_in(ines.stack.ines.email, "Somebody has marked your device as lost")
    ines.page.goto(mail)
    expect(ines.page.locator("#history")).to_contain_text("by Amara Diallo")
    expect(ines.page.locator("#history")).to_contain_text("Reason: “She rang the service desk.”")
    page.get_by_role("link", name="End Lost Mode…").click()
    page.get_by_label("Why").fill("The driver brought it back.")
    page.get_by_role("button", name="End Lost Mode").click()
    expect(page.get_by_role("heading", name="What its screen says")).to_have_count(0)
    simulator.wait(name, screen="locked")


@on(PHONE, DESK, PHONE_PLAIN)
@pytest.mark.usefixtures("factored")
def test_whoever_lost_the_second_factor_with_the_phone_locks_it_with_the_password_alone(
    visit: Visit, stack: Stack
) -> None:
    page = visit(None)
    page.goto("/")
    page.get_by_role("link", name="I lost a device").click()
    page.get_by_role("link", name="Sign in").click()
    sign_in(page, stack.ines)
    page.get_by_role("link", name="I lost it").click()
    page.get_by_role("button", name="Lock or find my device").click()
    banner = page.get_by_label("Limited session")
    expect(banner).to_contain_text("Signed in with your password alone")

    # The steps: what the phone has done is ticked off.
    page.get_by_role("link", name="I lost Private iPhone").click()
    step = page.locator("#step-secure")
    page.get_by_role("link", name="Lock iPhone…").click()
    question = Portal(page, stack).dialog
    question.get_by_label("Phone number").fill("020 7946 0188")
    question.get_by_role("button", name="Lock iPhone").click()
    expect(question).to_have_count(0)  # the page behind may tell of the lock before the browser has left the question
    expect(step).to_have_class("card done", timeout=20_000)
    expect(step).to_contain_text("Locked")
    assert stack.simulator.find("Private iPhone")["screen"] == "locked"
    expect(page.get_by_role("link", name="Call")).to_be_visible()
    expect(page.locator("#step-wipe")).to_contain_text("this needs your second factor")

    # Everything else is shut, and says what opens it.
    expect(banner).to_be_visible()
    page.goto("/account")
    expect(page.get_by_role("heading", name="Not with your password alone")).to_be_visible()
    page.get_by_role("main").get_by_role("button", name="Sign in with the second factor").click()
    expect(page.get_by_role("heading", name="Sign in to your devices")).to_be_visible()
    page.goto("/lost")
    expect(page.get_by_role("heading", name="Sign in to your devices")).to_be_visible()
