"""Whoever it does not belong to gets nothing: another person (even an administrator), a visitor, a made-up session."""

import itertools
import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Sessions, Visit
from tests.journeys.portal import Portal, open_registration
from tests.journeys.stack import Simulator, Stack

QUESTIONS = ("lock", "unlock", "wipe", "retire", "pins")
_number = itertools.count(1)


@dataclass(frozen=True)
class Belongings:
    """Addresses that are Ines's alone, as (method, path), and what her device's page says."""

    name: str
    device: str
    addresses: tuple[tuple[str, str], ...]
    history: str


@pytest.fixture
def belongings(ines: Portal) -> Belongings:
    """A registered iPhone with a lock under way, and an open registration."""
    name = f"Guarded iPhone {next(_number)}"
    ines.register(name)
    ines.simulator.act(name, "offline")
    ines.open_device(name)
    device = re.sub(r"^https?://[^/]+", "", ines.page.url)
    ines.ask("Lock").get_by_role("button", name="Lock iPhone").click()
    ines.expect_steps("Lock iPhone", [("Queued", "done"), ("Pushed", "done"), ("Delivered", "now"), ("Locked", "")])
    cancel = ines.page.locator("form", has=ines.page.get_by_role("button", name="Cancel lock")).first
    history = ines.page.locator("#history").inner_text()
    action = cancel.get_attribute("action") or ""
    assert action.startswith(f"{device}/actions/")
    page = ines.page.context.new_page()
    page.goto("/register")
    open_registration(page)
    ticket = re.sub(r"^https?://[^/]+", "", page.url)
    page.close()
    reading = [device, f"{device}/now", ticket, f"{ticket}/now", f"{ticket}/code.svg"]
    writing = [f"{device}/check-in", action, f"{ticket}/revoke"]
    asking = [f"{device}/{question}" for question in QUESTIONS]
    addresses = [("GET", path) for path in reading + asking] + [("POST", path) for path in asking + writing]
    return Belongings(name, device, tuple(addresses), history)


def ask(page: Page, method: str, path: str, token: str) -> tuple[int, str]:
    """The status, and where the answer leads. They know how the portal's forms are sent."""
    form: dict[str, str | float | bool] = {"csrfmiddlewaretoken": token, "typed": "Guarded iPhone 1", "message": "Mine"}
    response = page.request.fetch(
        path,
        method=method,
        form=form if method == "POST" else None,
        headers={"Origin": re.sub(r"(https?://[^/]+).*", r"\1", page.url), "X-Dialog": "1"},
        max_redirects=0,
    )
    assert "Guarded" not in response.text()
    return response.status, response.headers.get("location", "") or response.headers.get("x-go", "")


def token_on(page: Page) -> str:
    token = page.locator("input[name=csrfmiddlewaretoken]").first.get_attribute("value")
    assert token
    return token


def expect_nothing_happened(ines: Portal, belongings: Belongings, simulator: Simulator) -> None:
    ines.page.goto(belongings.device)
    assert ines.page.locator("#history").inner_text() == belongings.history
    expect(ines.timeline("Lock iPhone")).to_contain_text("Waiting for the iPhone to ask")
    phone = simulator.act(belongings.name, "online")
    assert phone["registered"]
    simulator.wait(belongings.name, screen="locked", message="")
    simulator.act(belongings.name, "remove")


def test_another_person_finds_nothing_at_any_address_of_a_device(
    ines: Portal, amara: Portal, belongings: Belongings, simulator: Simulator
) -> None:
    amara.open_devices()
    assert "Guarded" not in amara.page.content()
    token = token_on(amara.page)
    answers = {address: ask(amara.page, *address, token) for address in belongings.addresses}
    assert answers == dict.fromkeys(belongings.addresses, (404, ""))
    expect_nothing_happened(ines, belongings, simulator)
    amara.page.goto("/history")
    assert "Guarded" not in amara.page.content()


def test_a_visitor_is_asked_to_sign_in_at_every_address_of_a_device(
    ines: Portal, visitor: Page, belongings: Belongings, simulator: Simulator
) -> None:
    visitor.goto("/sign-in")
    token = token_on(visitor)
    for method, path in belongings.addresses:
        assert ask(visitor, method, path, token) == (302, f"/sign-in?next={path}"), (method, path)
    for path in ("/", "/now", "/history", "/register", "/account"):
        assert ask(visitor, "GET", path, token) == (302, f"/sign-in?next={path}")
    expect_nothing_happened(ines, belongings, simulator)


def test_a_session_that_has_ended_or_was_made_up_opens_nothing(
    visit: Visit, sessions: Sessions, stack: Stack, ines: Portal, belongings: Belongings, simulator: Simulator
) -> None:
    ended = sessions.new(stack.ines)
    page = visit(ended)
    page.goto("/")
    page.request.post("/sign-out", form={"csrfmiddlewaretoken": token_on(page)}, headers={"Origin": stack.url})
    made_up = sessions.new(stack.ines)
    for cookie in made_up["cookies"]:
        if cookie["name"] == "session":
            cookie["value"] = "0123456789abcdefghijklmnopqrstuv"
    for state in (ended, made_up):
        page = visit(state)
        page.goto("/sign-in")
        token = token_on(page)
        for method, path in belongings.addresses:
            assert ask(page, method, path, token) == (302, f"/sign-in?next={path}"), (method, path)
    expect_nothing_happened(ines, belongings, simulator)
