"""Every page on every screen: it fits, is accessible in both themes, is quiet, and light to load."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.journeys.browser import DESK, PHONE, on
from tests.journeys.conftest import Sessions, Visit
from tests.journeys.pages import PAGES
from tests.journeys.portal import Portal
from tests.journeys.stack import Stack

FIRST_VISIT = 100_000
"""Bytes."""


def serious(page: Page) -> list[str]:
    """What axe finds that keeps people out, with where it is."""
    options = {"resultTypes": ["violations"]}
    found: list[dict[str, Any]] = Axe().run(page, options=options).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['html']}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


def expect_good(page: Page) -> None:
    """In both themes, on the screen that it is on."""
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        # Nothing moves while axe compares colours.
        page.evaluate("Promise.all(document.getAnimations().map(one => one.finished.catch(() => 0)))")
        assert serious(page) == [], scheme
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"The page is {overflow} px wider than the screen."
    assert page.title().endswith(" · MyDevices")


@on(PHONE, DESK)
@pytest.mark.parametrize("opened", PAGES, ids=lambda one: one.__name__)
def test_a_page_is_accessible_and_fits(ines: Portal, opened: Callable[[Portal], None]) -> None:
    opened(ines)
    expect_good(ines.page)


@on(PHONE, DESK)
def test_the_way_in_is_accessible_and_fits(visitor: Page) -> None:
    visitor.goto("/")
    expect(visitor.get_by_role("heading", name="Sign in to your devices")).to_be_visible()
    expect_good(visitor)


@on(PHONE, DESK)
def test_a_list_without_devices_says_what_to_do_next(amara: Portal) -> None:
    amara.open_devices()
    expect(amara.page.get_by_role("link", name="Register a device")).to_be_visible()
    expect_good(amara.page)


@on(PHONE, DESK)
def test_a_page_that_is_not_there_says_so(ines: Portal) -> None:
    response = ines.page.goto("/devices/00000000-0000-4000-8000-000000000000")
    assert response
    assert response.status == 404
    expect(ines.page.get_by_role("link", name="To My Devices")).to_be_visible()
    expect_good(ines.page)


def test_a_first_visit_is_light(visit: Visit, sessions: Sessions, stack: Stack) -> None:
    for state, path in ((None, "/"), (sessions.of(stack.ines), "/")):
        page = visit(state)
        sizes: list[int] = []

        def weigh(request: Any, sizes: list[int] = sizes) -> None:
            found = request.sizes()
            sizes.append(found["responseBodySize"] + found["responseHeadersSize"])

        page.on("requestfinished", weigh)
        page.goto(path, wait_until="networkidle")
        assert len(sizes) > 3
        assert sum(sizes) < FIRST_VISIT
