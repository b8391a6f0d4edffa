"""Fixtures of the journeys: a person's browser. What it visits runs in other processes, reached over HTTP only."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.journeys.browser import DESK, NoBrowser, Screen, arguments, find_chromium

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("journey")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for the session; each `page` is a visitor of its own. A missing browser fails, it does not skip."""
    try:
        program = find_chromium()
    except NoBrowser as problem:
        pytest.fail(str(problem), pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments())
        yield browser
        browser.close()


@pytest.fixture
def screen(request: pytest.FixtureRequest) -> Screen:
    """Where the page is looked at: chosen with `browser.on(...)`."""
    chosen = getattr(request, "param", DESK)
    assert isinstance(chosen, Screen)
    return chosen


@pytest.fixture
def page(chromium: Browser, screen: Screen) -> Iterator[Page]:
    """A signed-out visitor's page. The test fails when a script throws or the security policy stops something."""
    context = chromium.new_context(
        viewport={"width": screen.width, "height": screen.height},
        color_scheme=screen.scheme,
        java_script_enabled=screen.javascript,
        locale="en-GB",
    )
    context.set_default_timeout(10_000)
    problems: list[str] = []

    def listen_for_violations(message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            problems.append(message.text)

    context.on("console", listen_for_violations)
    context.on("weberror", lambda thrown: problems.append(thrown.error.message))
    yield context.new_page()
    context.close()
    assert problems == []
