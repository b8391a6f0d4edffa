"""The main job in Arabic, from right to left: what a person reads, where it stands, and that axe finds nothing."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.journeys.browser import DESK_ARABIC, PHONE_ARABIC, on
from tests.journeys.conftest import Sessions, Visit
from tests.journeys.stack import Account, Simulator, Stack
from tests.journeys.test_pages import expect_good

NAME = "Private iPhone"


def middle(found: Locator) -> float:
    """How far from the left edge its middle is, in CSS pixels."""
    box = found.bounding_box()
    assert box
    return box["x"] + box["width"] / 2


def expect_from_right_to_left(page: Page) -> None:
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.locator("html")).to_have_attribute("lang", "ar")
    page.emulate_media(reduced_motion="reduce")  # what waits would move for ever while axe waits for it to rest


def sign_in(page: Page, account: Account) -> None:
    page.get_by_label("البريد الإلكتروني").fill(account.email)
    page.get_by_label("كلمة السر", exact=True).fill(account.password)
    page.get_by_role("button", name="تسجيل الدخول", exact=True).click()


@on(PHONE_ARABIC)
def test_a_person_who_reads_arabic_signs_in_opens_a_device_and_locks_it(
    visitor: Page, stack: Stack, simulator: Simulator
) -> None:
    visitor.goto("/")
    expect(visitor.get_by_role("heading", name="تسجيل الدخول إلى أجهزتك")).to_be_visible()
    expect_from_right_to_left(visitor)
    expect_good(visitor)
    sign_in(visitor, stack.ines)

    expect(visitor.get_by_role("heading", name="أجهزتي", level=1)).to_be_visible()
    expect_from_right_to_left(visitor)
    expect_good(visitor)
    # The brand stands where reading begins, the person's menu where a line ends.
    assert middle(visitor.locator(".brand")) > middle(visitor.locator(".bar .avatar"))
    card = visitor.locator(".device").first
    assert middle(card.locator(".sil")) > middle(card.locator("h2 a"))

    visitor.get_by_role("link", name=NAME, exact=True).click()
    expect(visitor.locator("h1")).to_have_text(NAME)
    expect_good(visitor)
    simulator.act(NAME, "offline")
    visitor.get_by_role("link", name="قفل iPhone…", exact=True).click()
    dialog = visitor.locator("dialog")
    expect(dialog).to_be_visible()
    expect_good(visitor)
    dialog.get_by_label("الرسالة على الشاشة").fill("يُرجى الاتصال بي.")
    dialog.get_by_label("رقم الهاتف للاتصال").fill("+44 20 7946 0142")
    dialog.get_by_role("button", name="قفل iPhone", exact=True).click()

    line = visitor.get_by_role("region", name="قفل iPhone", exact=True)
    expect(line).to_contain_text("في انتظار اتصال iPhone")
    expect_good(visitor)
    simulator.act(NAME, "online")
    expect(line.locator("li.done b").last).to_have_text("تم القفل")
    phone = simulator.find(NAME)
    assert (phone["screen"], phone["message"]) == ("locked", "يُرجى الاتصال بي.")
    # The page now tells the same, and the script tells times in the same digits as the server.
    expect(visitor.locator(".head .status")).to_contain_text("قُفل")
    expect(visitor.locator("#facts time[data-ago]").first).to_contain_text("قبل")
    assert not re.search("[\\u0660-\\u0669]", visitor.locator("main").inner_text())


@on(DESK_ARABIC)
def test_the_steps_of_an_action_lead_from_right_to_left(visit: Visit, sessions: Sessions, stack: Stack) -> None:
    page = visit(sessions.of(stack.ines))
    page.goto("/")
    expect_from_right_to_left(page)
    page.get_by_role("link", name="Studio MacBook", exact=True).click()
    page.get_by_role("button", name="الاتصال الآن").click()
    steps = page.locator(".timeline").first.locator("li")
    expect(steps).to_have_count(4)
    places = [middle(steps.nth(at)) for at in range(4)]
    assert places == sorted(places, reverse=True)
    expect_good(page)


CONSOLE = ["", "people", "groups", "devices", "invitations", "invitations/new", "policies", "audit", "settings"]


@on(PHONE_ARABIC, DESK_ARABIC)
@pytest.mark.parametrize("path", CONSOLE)
def test_a_page_of_the_console_is_accessible_and_fits_in_arabic(
    path: str, visit: Visit, sessions: Sessions, stack: Stack
) -> None:
    page = visit(sessions.of(stack.amara))
    page.goto(f"/console/{path}")
    expect_from_right_to_left(page)
    expect_good(page)
