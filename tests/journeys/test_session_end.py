"""What a session shows does not outlast it: an open page that nobody touches asks for the sign-in when it is over. The
hours pass on the browser's clock, and for the server in its own notes."""

from collections.abc import Callable
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Sessions, Visit
from tests.journeys.stack import Stack

ALMOST, MORE = "07:59:00", "00:02:00"
"""The demo's rules keep a session that nobody uses for eight hours."""
DEVICE = "Private iPhone"
_EIGHT_HOURS_LATER: Final = """
from django.contrib.sessions.backends.db import SessionStore
from mydevices.accounts.requests import SEEN

session = SessionStore({key!r})
session[SEEN] -= 8 * 3600 + 60
session.save()
"""

Open = Callable[[], Page]


@pytest.fixture
def open_tab(visit: Visit, sessions: Sessions, stack: Stack) -> Open:
    """My Devices in a further tab of a browser in which Ines has signed in for this test alone. All tabs have one
    clock."""
    first = visit(sessions.new(stack.ines))
    first.clock.install()

    def opened() -> Page:
        page = first.context.new_page() if first.url != "about:blank" else first
        page.goto("/")
        expect(page.get_by_role("link", name=DEVICE, exact=True)).to_be_visible()
        return page

    return opened


def let_the_server_wait(page: Page, stack: Stack) -> None:
    """As if nobody had used this browser's session for more than eight hours."""
    key = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "session")
    stack.do(_EIGHT_HOURS_LATER.format(key=key))


def expect_sign_in(page: Page) -> None:
    expect(page.get_by_role("heading", name="Sign in to your devices")).to_be_visible()
    assert DEVICE not in page.content()


def test_a_page_that_nobody_touches_gives_way_to_the_sign_in_and_does_not_come_back(
    open_tab: Open, stack: Stack
) -> None:
    page = open_tab()
    page.get_by_role("link", name=DEVICE, exact=True).click()
    expect(page.get_by_role("heading", name=DEVICE, level=1)).to_be_visible()
    page.clock.fast_forward(ALMOST)
    expect(page.get_by_role("heading", name=DEVICE, level=1)).to_be_visible()
    let_the_server_wait(page, stack)
    page.clock.fast_forward(MORE)
    expect_sign_in(page)
    expect(page.get_by_text("You were signed out, because nothing was opened here for some time.")).to_be_visible()
    page.go_back()
    expect_sign_in(page)


def test_a_page_opened_in_another_tab_keeps_both_until_the_session_is_over(open_tab: Open, stack: Stack) -> None:
    first = open_tab()
    first.evaluate("document.documentElement.dataset.here = 'still'")
    first.clock.fast_forward(ALMOST)
    second = open_tab()
    second.clock.fast_forward(MORE)
    assert first.evaluate("document.documentElement.dataset.here") == "still"
    let_the_server_wait(first, stack)
    second.clock.fast_forward(ALMOST)
    expect_sign_in(first)
    expect_sign_in(second)


def test_signing_out_in_one_tab_clears_the_other(open_tab: Open) -> None:
    first, second = open_tab(), open_tab()
    second.locator("summary.avatar").click()
    second.get_by_role("group").get_by_role("button", name="Sign out", exact=True).click()
    expect_sign_in(second)
    expect_sign_in(first)


def test_a_page_whose_server_is_gone_shows_nothing_after_the_session_either(open_tab: Open) -> None:
    page = open_tab()
    page.route("**/*", lambda route: route.abort("connectionrefused"))
    page.clock.fast_forward(ALMOST)
    expect(page.get_by_role("link", name=DEVICE, exact=True)).to_be_visible()
    page.clock.fast_forward(MORE)
    expect(page.get_by_text(DEVICE)).to_have_count(0)
