"""Fixtures of the journeys: a person's browser. What it visits runs in other processes, reached over HTTP only."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, StorageState, expect, sync_playwright

from tests.journeys.browser import DESK, NoBrowser, Screen, arguments, find_chromium
from tests.journeys.portal import PATIENCE, Portal, open_context, sign_in
from tests.journeys.stack import Account, Simulator, Stack, running_stack

HERE = Path(__file__).parent
UNDO_SECONDS = 6
"""Long enough to press Undo on a busy machine, short enough to wait for."""
FRESH = 150.0
"""Seconds for which a sign-in is used again: well within the five minutes after which the portal asks once more."""


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
    expect.set_options(timeout=PATIENCE)
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


@contextlib.contextmanager
def visiting(
    chromium: Browser, screen: Screen, *, url: str | None = None, state: StorageState | None = None
) -> Iterator[Page]:
    """A page in a browser of its own. Fails at the end when a script threw, the console had an error to tell, or the
    security policy stopped something."""
    context = open_context(chromium, screen, url=url, state=state)
    problems: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # That a page itself is a 404, or a form's answer a 400, is told on the console too, and is as it should be.
        told = message.text.startswith("Failed to load resource")
        if told and message.page and message.location["url"] == message.page.url:
            return
        # A form in a dialog, over another page: what is wrong with it, or the question who sends it.
        if told and ("status of 400" in message.text or "status of 403" in message.text):
            return
        if message.type == "error" or "Content Security Policy" in message.text:
            problems.append(message.text)

    context.on("console", listen)
    context.on("weberror", lambda thrown: problems.append(thrown.error.message))
    yield context.new_page()
    context.close()
    assert problems == []


@pytest.fixture
def page(chromium: Browser, screen: Screen) -> Iterator[Page]:
    """A signed-out visitor's page, of no portal yet."""
    with visiting(chromium, screen) as opened:
        yield opened


# The portal, with everything that belongs to it


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The portal, its worker, a push service and the demo's three devices, once for all journeys."""
    with running_stack(tmp_path_factory.mktemp("stack"), undo_seconds=UNDO_SECONDS) as running:
        # The journeys register more devices than the demo's policy lets a person have, and wipe more of them.
        running.do(
            "from mydevices.audit.actor import Actor\n"
            "from mydevices.devices.assignment import EVERYONE\n"
            "from mydevices.policies import services\n"
            "from mydevices.policies.kinds.self_service import SelfServiceRules\n"
            "from mydevices.policies.models import Policy\n"
            "rules = SelfServiceRules(person_wipes=60, organisation_wipes=60)\n"
            "actor = Actor.system('journeys')\n"
            "services.create(actor=actor, name='Many wipes', values=rules, assignment=EVERYONE)\n"
            "for policy in Policy.objects.filter(kind='registration'):\n"
            "    policy.values['device_limit'] = 60\n"
            "    policy.save(update_fields=['values'])"
        )
        yield running


@pytest.fixture
def simulator(stack: Stack) -> Simulator:
    return stack.simulator


@dataclass
class Sessions:
    """People who are signed in already: attempts are limited, and a form filled in once is enough."""

    chromium: Browser
    stack: Stack
    kept: dict[str, tuple[float, StorageState]] = field(default_factory=dict)

    def of(self, account: Account) -> StorageState:
        """The cookies of a recent sign-in. No journey signs out with them."""
        since, state = self.kept.get(account.email, (0.0, None))
        if state is None or time.monotonic() - since > FRESH:
            since, state = time.monotonic(), self.new(account)
            self.kept[account.email] = since, state
        return state

    def new(self, account: Account) -> StorageState:
        """The cookies of a sign-in that nobody else uses."""
        context = open_context(self.chromium, url=self.stack.url)
        page = context.new_page()
        page.goto("/")
        sign_in(page, account)
        expect(page.get_by_role("heading", name="My Devices", level=1)).to_be_visible()
        state = context.storage_state()
        context.close()
        return state


@pytest.fixture(scope="session")
def sessions(chromium: Browser, stack: Stack) -> Sessions:
    return Sessions(chromium, stack)


Visit = Callable[[StorageState | None], Page]


@pytest.fixture
def visit(chromium: Browser, stack: Stack, screen: Screen) -> Iterator[Visit]:
    """Opens further browsers at the portal: `visit(state)` signed in, `visit(None)` signed out."""
    with contextlib.ExitStack() as opened:
        yield lambda state: opened.enter_context(visiting(chromium, screen, url=stack.url, state=state))


@pytest.fixture
def visitor(visit: Visit) -> Page:
    """Somebody who has not signed in."""
    return visit(None)


@pytest.fixture
def ines(visit: Visit, sessions: Sessions, stack: Stack) -> Portal:
    """Ines, signed in: the devices are hers."""
    return Portal(visit(sessions.of(stack.ines)), stack)


@pytest.fixture
def amara(visit: Visit, sessions: Sessions, stack: Stack) -> Portal:
    """Amara, signed in: an administrator, and in the portal a person like any other."""
    return Portal(visit(sessions.of(stack.amara)), stack)
