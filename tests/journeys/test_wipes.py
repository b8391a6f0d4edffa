"""A wipe beyond the limits: it waits, an administrator refuses it, and lets the next one go."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.journeys.browser import DESK, PHONE, Screen, on
from tests.journeys.portal import Portal
from tests.journeys.stack import Simulator, Stack

_LIMIT = """
from mydevices.policies.models import Policy
policy = Policy.objects.get(name="Many wipes")
policy.values["person_wipes"] = {number}
policy.save(update_fields=["values"])
"""


@pytest.fixture
def guarded(stack: Stack) -> Iterator[None]:
    """No wipe goes without an administrator."""
    stack.do(_LIMIT.format(number=0))
    yield
    stack.do(_LIMIT.format(number=60))


def ask(ines: Portal, name: str) -> None:
    question = ines.ask("Wipe")
    expect(question).to_contain_text("An administrator is asked first.")
    question.get_by_label("to confirm").fill(name)
    question.get_by_role("button", name=f"Wipe {name}").click()
    expect(ines.status).to_contain_text("Wipe waiting for an administrator")


def decide(amara: Portal, name: str, how: str, reason: str) -> None:
    amara.page.goto("/console/")
    amara.page.get_by_role("link", name="Show wipes").click()
    amara.page.get_by_role("link", name=re.compile(f"^Decide….*{name}$")).click()
    amara.page.get_by_label("Why").fill(reason)
    amara.page.get_by_role("button", name=how).click()
    expect(amara.page).to_have_url(re.compile("/console/waiting$"))
    expect(amara.page.get_by_role("link", name=name)).to_have_count(0)


@on(DESK, PHONE)
@pytest.mark.usefixtures("guarded")
def test_an_administrator_refuses_a_wipe_and_lets_the_next_one_go(
    ines: Portal, amara: Portal, simulator: Simulator, screen: Screen
) -> None:
    name = f"Guarded iPhone {screen.width}"
    udid = ines.register(name)["udid"]
    ines.open_device(name)
    ask(ines, name)
    assert "/console/waiting" in ines.stack.inbox.link_in(ines.stack.amara.email, "A wipe waits for an administrator")
    decide(amara, name, "Refuse wipe", "Bring it to the desk first.")
    ines.page.reload()
    expect(ines.page.locator("#history")).to_contain_text("Refused by Amara Diallo: Bring it to the desk first.")
    assert simulator.find(udid)["registered"]
    ask(ines, name)
    decide(amara, name, "Allow wipe", "")
    expect(ines.status).to_contain_text("Erased at", timeout=(ines.stack.undo_seconds + 30) * 1000)
    simulator.wait(udid, screen="wiped")
