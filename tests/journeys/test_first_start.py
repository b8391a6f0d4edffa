"""`./run serve` for the first time: whoever started it becomes the administrator, in their browser."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.cli.conftest import Run, free_port
from tests.journeys.browser import DESK, PHONE, Screen, on
from tests.journeys.conftest import visiting
from tests.journeys.portal import sign_in
from tests.journeys.stack import Account
from tests.journeys.test_pages import expect_good

AMARA = Account("Amara Diallo", "amara.diallo@aldermoor.example", "granite meadow seventeen")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Run]:
    settings = {"MYDEVICES_DATA": str(tmp_path / "data"), "MYDEVICES_PORT": str(free_port())}
    run = Run([sys.executable, "-m", "mydevices", "serve", "--workers", "1"], tmp_path / "log", settings)
    run.wait_for("MyDevices is at", 90)
    yield run
    assert run.stop() == 0
    run.end()


@on(PHONE, DESK)
def test_the_first_start_makes_an_administrator_once(server: Run, chromium: Browser, screen: Screen) -> None:
    link = re.search(r"(http://localhost:\d+)/setup/\S+", server.said)
    assert link
    with visiting(chromium, screen, url=link[1]) as page:
        page.goto(link[0])
        expect_good(page)
        page.set_viewport_size({"width": screen.width, "height": screen.height})
        _fill_in(page, password="password")
        expect(page.get_by_text("It is known from breaches")).to_be_visible()
        _fill_in(page, password=AMARA.password)
        expect(page.get_by_role("heading", name="Sign in to your devices")).to_be_visible()
        sign_in(page, AMARA)
        expect(page.get_by_role("heading", name="Secure your account")).to_be_visible()
        expect_good(page)
        page.set_viewport_size({"width": screen.width, "height": screen.height})
        page.get_by_role("button", name="Later").click()
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
        expect(page.get_by_role("link", name="Secure your account")).to_be_visible()
        expect_good(page)
        page.set_viewport_size({"width": screen.width, "height": screen.height})
        page.goto(link[0])
        expect(page.get_by_role("heading", name="Welcome. Who are you?")).to_have_count(0)
        expect(page.get_by_role("heading", level=1)).to_be_visible()


def _fill_in(page: Page, *, password: str) -> None:
    page.get_by_label("Name of your organisation").fill("Aldermoor")
    page.get_by_label("Your name").fill(AMARA.name)
    page.get_by_label("Your e-mail address").fill(AMARA.email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Set up this server").click()
