"""What a person does with the portal, in their words. Reads and clicks what is on the page, and knows no address but
the first."""

import re
from collections.abc import Sequence

from playwright.sync_api import Browser, BrowserContext, Locator, Page, StorageState, expect

from tests.cli.conftest import until
from tests.journeys.browser import DESK, Screen
from tests.journeys.stack import Account, Simulator, Snapshot, Stack

PATIENCE = 15_000
"""Milliseconds for what devices do. On a busy machine time says nothing, so nothing here asserts how fast it was."""


def open_context(
    chromium: Browser, screen: Screen = DESK, *, url: str | None = None, state: StorageState | None = None
) -> BrowserContext:
    """A browser of somebody's own, on a screen."""
    context = chromium.new_context(
        base_url=url,
        viewport={"width": screen.width, "height": screen.height},
        color_scheme=screen.scheme,
        java_script_enabled=screen.javascript,
        locale=screen.locale,
        timezone_id="Europe/London",
        storage_state=state,
    )
    context.set_default_timeout(PATIENCE)
    return context


def sign_in(page: Page, account: Account) -> None:
    """From wherever the portal asks for it."""
    page.get_by_label("E-mail").fill(account.email)
    page.get_by_label("Password").fill(account.password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def confirm(page: Page, account: Account) -> None:
    """Prove once more who one is."""
    expect(page.get_by_role("heading", name="Confirm that it’s you")).to_be_visible()
    page.get_by_label("Password", exact=True).fill(account.password)
    page.get_by_role("button", name="Confirm").click()


class Portal:
    """The portal in one person's browser."""

    def __init__(self, page: Page, stack: Stack) -> None:
        self.page = page
        self.stack = stack

    @property
    def simulator(self) -> Simulator:
        return self.stack.simulator

    @property
    def status(self) -> Locator:
        """The status line of the device whose page is open."""
        return self.page.locator(".head .status")

    @property
    def dialog(self) -> Locator:
        """The question: a dialog over the page, or a page of its own where no scripts run."""
        return self.page.locator("dialog, main .sheet")

    def open_devices(self) -> None:
        self.page.goto("/")
        expect(self.page.get_by_role("heading", name="My Devices", level=1)).to_be_visible()

    def open_device(self, name: str) -> None:
        self.open_devices()
        self.page.get_by_role("link", name=name, exact=True).click()
        expect(self.page.get_by_role("heading", name=name, level=1)).to_be_visible()

    def action(self, title: str) -> Locator:
        """The row of an action on a device's page."""
        heading = re.compile(rf"^{title}( In progress| Not possible)?$")
        return self.page.locator("#actions li").filter(has=self.page.get_by_role("heading", name=heading))

    def ask(self, title: str) -> Locator:
        """Press an action's button; the question that it opens."""
        self.action(title).get_by_role("link").click()
        expect(self.dialog).to_be_visible()
        return self.dialog

    def timeline(self, title: str) -> Locator:
        return self.page.get_by_role("region", name=title)

    def expect_steps(self, title: str, expected: Sequence[tuple[str, str]]) -> None:
        """Wait until the timeline looks like this."""
        items = self.timeline(title).locator(".timeline li")
        expect(items).to_have_count(len(expected))
        expect(items).to_have_class([state for _, state in expected])
        expect(items.locator("b")).to_have_text([text for text, _ in expected])

    def expect_polling(self, *, within: float) -> None:
        """The page asks the server for news at least this often, in seconds."""
        trigger = self.page.locator("#live").get_attribute("hx-trigger") or ""
        every = re.search(r"every (\d+)(ms|s)\b", trigger)
        assert every, f"The page does not ask: {trigger!r}"
        assert int(every[1]) / (1000 if every[2] == "ms" else 1) <= within

    def stay(self) -> None:
        """Remember that this document is open; `expect_same_document` fails after a reload."""
        self.page.evaluate("document.documentElement.dataset.here = 'still'")

    def expect_same_document(self) -> None:
        assert self.page.evaluate("document.documentElement.dataset.here") == "still"

    def register(self, name: str, *, kind: str = "iphone", ours: bool = True, **options: object) -> Snapshot:
        """Another device, by the shortest way: the form is sent without being looked at, and a simulated device opens
        the address. With `ours` it is the organisation's and supervised."""
        page = self.page.context.new_page()
        page.goto("/register")
        link = open_registration(page, mac=kind == "mac", ours=ours)
        device = self.simulator.add(kind=kind, name=name, url=link, supervised="yes" if ours else "no", **options)
        arrived = page.get_by_role("link", name=f"Show {name}")
        until(lambda: page.reload() and arrived.is_visible(), 30, f"{name} registered")
        page.close()
        return device


def open_registration(page: Page, *, mac: bool = False, ours: bool = False) -> str:
    """On the page that registers: say which device and whose; the address that its own browser should open."""
    page.get_by_label(re.compile("Mac" if mac else "iPhone or iPad")).last.check()
    page.get_by_label("My own" if not ours else "Aldermoor’s").check()
    page.get_by_role("button", name="Continue").click()
    link = page.get_by_role("link", name="Register the device in front of you instead").get_attribute("href")
    assert link
    return link
