"""The journeys' browser itself: it shows this machine's pages as the screen says, and reaches nothing else."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Error, Page

from tests.journeys import browser
from tests.journeys.browser import DESK_PLAIN, NoBrowser, Screen, find_chromium, on, on_every_screen

PAGE = b"""<!doctype html><title>Here</title><p>still</p>
<script>
const dark = matchMedia("(prefers-color-scheme: dark)").matches
document.querySelector("p").textContent = `${innerWidth} ${dark ? "dark" : "light"}`
</script>"""


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """Say nothing on the terminal."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


@on_every_screen
def test_a_page_is_as_wide_and_as_dark_as_the_screen(page: Page, screen: Screen, address: str) -> None:
    page.goto(address)
    assert page.text_content("p") == f"{screen.width} {screen.scheme}"


@on(DESK_PLAIN)
def test_a_plain_screen_runs_no_scripts(page: Page, address: str) -> None:
    page.goto(address)
    assert page.text_content("p") == "still"


def test_the_browser_finds_no_other_machine(page: Page) -> None:
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://devices.example.org/")


def test_a_missing_browser_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(browser, "MAC_PROGRAM", Path("/nonexistent"))
    with pytest.raises(NoBrowser, match="apt install chromium"):
        find_chromium()
    monkeypatch.setenv("CHROMIUM", "/nonexistent/chromium")
    with pytest.raises(NoBrowser, match="CHROMIUM names /nonexistent/chromium"):
        find_chromium()
