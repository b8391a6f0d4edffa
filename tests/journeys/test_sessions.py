"""What a session has shown doesn't stay on a screen when it's over (OWASP ASVS 5.0, 14.3.1): the script's part."""

from playwright.sync_api import Page, expect

from tests.journeys.browser import DESK, on
from tests.journeys.conftest import Sessions, Visit
from tests.journeys.stack import Stack


def shows_devices(page: Page) -> None:
    expect(page.get_by_role("heading", name="My Devices", level=1)).to_be_visible()


def asks_who_it_is(page: Page) -> None:
    expect(page.get_by_label("Password", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="My Devices", level=1)).to_have_count(0)


@on(DESK)
def test_signing_out_in_one_tab_empties_the_others(visit: Visit, sessions: Sessions, stack: Stack) -> None:
    left = visit(sessions.new(stack.ines))
    left.goto("/")
    shows_devices(left)
    other = left.context.new_page()
    other.goto("/")
    other.evaluate("document.querySelector('form[action=\"/sign-out\"]').requestSubmit()")
    asks_who_it_is(other)
    asks_who_it_is(left)


@on(DESK)
def test_a_page_that_was_left_open_is_asked_for_anew_when_its_time_is_over(
    visit: Visit, sessions: Sessions, stack: Stack
) -> None:
    left = visit(sessions.new(stack.ines))
    left.clock.install()
    left.goto("/")
    shows_devices(left)
    left.context.clear_cookies()  # as good as over: it opens nothing any more
    left.clock.fast_forward("07:00:00")
    shows_devices(left)
    left.clock.fast_forward("01:01:00")
    asks_who_it_is(left)
