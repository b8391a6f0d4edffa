"""Every page on every screen: it fits, is accessible in both themes, is quiet, and light to load."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, StorageState, expect

from tests.journeys.browser import DESK, DESK_GERMAN, PHONE, on
from tests.journeys.conftest import Sessions, Visit
from tests.journeys.pages import LOOKS, PAGES, Look
from tests.journeys.portal import Portal
from tests.journeys.scene import Scene
from tests.journeys.stack import Stack

FIRST_VISIT = 100_000
"""Bytes."""


WITHOUT_SCRIPTS: Final = {
    "account_login", "register_by_pin", "console-overview", "console-people", "console-devices", "console-audit",
    "console-policies_new", "console-invitations_new", "console-settings_brand", "404",
}  # fmt: skip
"""Pages looked at without scripts as well: one of each composition."""
WCAG: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
MAIL_RULES: Final = {
    "iframes": False,
    "resultTypes": ["violations"],
    "runOnly": WCAG,
    "rules": {"target-size": {"enabled": True}},
}
"""A mail has no landmarks: the program that shows it has."""
RULES: Final = {**MAIL_RULES, "runOnly": (*WCAG, "best-practice")}
"""Whatever axe finds, however grave it thinks it."""
COLOURS: Final = {"resultTypes": ["violations"], "runOnly": {"type": "rule", "values": ["color-contrast"]}}
"""What another theme can change."""
SIZES: Final = (PHONE, DESK)


def found(page: Page, options: Mapping[str, object]) -> list[str]:
    """What axe finds, with where it is."""
    found: list[dict[str, Any]] = Axe().run(page, options=dict(options)).response["violations"]
    return [f"{one['id']} ({one['impact']}): {node['html']}" for one in found for node in one["nodes"]]


def expect_good(page: Page, *, title: str = " · MyDevices", rules: Mapping[str, object] = RULES) -> None:
    """In both themes, on the screens of a phone and of a desk. The title ends with the product's name."""
    for screen in SIZES:
        page.set_viewport_size({"width": screen.width, "height": screen.height})
        page.emulate_media(color_scheme="light")
        _still(page)
        assert found(page, rules) == [], screen
        page.emulate_media(color_scheme="dark")
        _still(page)
        assert found(page, COLOURS) == [], f"{screen}, dark"
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"The page is {overflow} px wider than {screen}."
    assert page.title().endswith(title)


def _still(page: Page) -> None:
    """Nothing moves while axe compares colours."""
    page.evaluate("Promise.all(document.getAnimations().map(one => one.finished.catch(() => 0)))")


@pytest.mark.parametrize("opened", PAGES, ids=lambda one: one.__name__)
def test_a_page_is_accessible_and_fits(ines: Portal, opened: Callable[[Portal], None]) -> None:
    opened(ines)
    expect_good(ines.page)


@pytest.fixture(scope="module")
def scene(stack: Stack) -> Scene:
    return Scene(stack)


@pytest.fixture
def state_of(sessions: Sessions, scene: Scene) -> Callable[[str], StorageState | None]:
    def state(who: str) -> StorageState | None:
        if who == "visitor":
            return None
        if who in {"ines", "amara"}:
            return sessions.of(getattr(scene.stack, who))
        return scene.enter(who)

    return state


StateOf = Callable[[str], StorageState | None]


def look_at(page: Page, look: Look, scene: Scene) -> None:
    response = page.goto(look.url(scene))
    assert response
    assert response.status == look.status
    assert "/sign-in/again" not in page.url or "again" in look.address + look.name or "reauth" in look.address
    if look.then is not None:
        look.then(page, scene)


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_every_other_page_is_accessible_and_fits(visit: Visit, state_of: StateOf, scene: Scene, look: Look) -> None:
    page = visit(state_of(look.who))
    look_at(page, look, scene)
    expect_good(page)


@pytest.mark.parametrize("look", [look for look in LOOKS if str(look) in WITHOUT_SCRIPTS], ids=str)
def test_a_page_whose_scripts_never_come_is_accessible_and_fits(
    visit: Visit, state_of: StateOf, scene: Scene, look: Look
) -> None:
    page = visit(state_of(look.who))
    # Axe is a script itself, so the browser runs them: only the portal's are empty.
    page.route("**/*.js", lambda route: route.fulfill(content_type="text/javascript", body=""))
    look_at(page, look, scene)
    expect_good(page)


def test_a_mail_is_accessible_and_fits(visit: Visit, state_of: StateOf) -> None:
    page = visit(state_of("amara"))
    written = page.request.get("/console/invitations/mail?name=Sun+Wei").text()
    # As a mail program shows it: in the console no script may look into it, and axe is one.
    page.route("**/mail", lambda route: route.fulfill(content_type="text/html", body=written))
    page.goto("/mail")
    expect_good(page, title="MyDevices", rules=MAIL_RULES)


def test_the_page_of_a_failed_server_is_accessible_and_fits(visitor: Page, scene: Scene) -> None:
    broken = scene.broken()
    visitor.route("**/broken", lambda route: route.fulfill(status=500, content_type="text/html", body=broken))
    visitor.goto("/broken")
    expect_good(visitor)


@on(DESK_GERMAN)
def test_no_name_in_the_navigation_is_cut_off_where_names_are_long(
    visit: Visit, sessions: Sessions, stack: Stack
) -> None:
    page = visit(sessions.of(stack.amara))
    for path in ("/account", "/console/"):
        page.goto(path)
        expect(page.locator("html")).to_have_attribute("lang", "de")
        assert page.locator("nav.side").evaluate("nav => nav.scrollWidth - nav.clientWidth") <= 0, path


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
