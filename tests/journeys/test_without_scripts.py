"""The same main job where no scripts run: questions are pages, and a page with news to come reads itself again."""

import re

from playwright.sync_api import expect

from tests.journeys.browser import DESK_PLAIN, PHONE_PLAIN, on
from tests.journeys.portal import Portal, open_registration
from tests.journeys.stack import Simulator


@on(PHONE_PLAIN)
def test_an_iphone_is_locked_without_scripts(ines: Portal, simulator: Simulator) -> None:
    ines.register("Plain iPhone")
    ines.open_device("Plain iPhone")
    simulator.act("Plain iPhone", "offline")
    question = ines.ask("Lock")
    expect(ines.page).to_have_url(re.compile("/lock$"))
    question.get_by_label("Message").fill("Back at nine.")
    question.get_by_role("button", name="Lock iPhone").click()
    expect(ines.status).to_contain_text("Locking, waiting for the iPhone")
    expect(ines.timeline("Lock iPhone")).to_contain_text("waits for it")
    simulator.act("Plain iPhone", "online")
    expect(ines.status).to_contain_text("Locked at")
    ines.expect_steps(
        "Lock iPhone", [("Queued", "done"), ("Pushed", "done"), ("Delivered", "done"), ("Locked", "done")]
    )
    expect(ines.page.locator("meta[http-equiv=refresh]")).to_have_count(0)
    assert simulator.find("Plain iPhone")["message"] == "Back at nine."


@on(PHONE_PLAIN)
def test_a_wipe_is_undone_without_scripts(ines: Portal, simulator: Simulator) -> None:
    ines.register("Spared iPhone")
    ines.open_device("Spared iPhone")
    question = ines.ask("Wipe")
    question.get_by_label("to confirm").fill("Another iPhone")
    question.get_by_role("button", name="Wipe Spared iPhone").click()
    expect(ines.dialog).to_contain_text("That is not its name.")
    ines.dialog.get_by_label("to confirm").fill("Spared iPhone")
    ines.dialog.get_by_role("button", name="Wipe Spared iPhone").click()
    expect(ines.status).to_contain_text("Wipe waiting")
    ines.page.get_by_role("button", name="Undo wipe").first.click()
    expect(ines.status).to_contain_text("Checked in")
    assert simulator.find("Spared iPhone")["registered"]


@on(DESK_PLAIN)
def test_a_mac_is_registered_without_scripts(ines: Portal, simulator: Simulator) -> None:
    ines.open_devices()
    ines.page.get_by_role("link", name="Register a device").click()
    link = open_registration(ines.page, mac=True, ours=True)
    simulator.add(kind="mac", name="Plain Mac", product="Mac14,3", url=link)
    expect(ines.page.get_by_text("Plain Mac is registered.")).to_be_visible()
    ines.page.get_by_role("link", name="Show Plain Mac").click()
    expect(ines.status).to_contain_text("Checked in")
