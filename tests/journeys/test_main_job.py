"""The main job, as a person does it: in Chromium, with simulated devices that the portal reaches by push only."""

import re

import pytest
import segno
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Sessions, Visit
from tests.journeys.portal import Portal, confirm, open_registration, sign_in
from tests.journeys.stack import Refused, Simulator, Stack


def test_a_person_signs_in_locks_their_iphone_and_watches_it_happen(
    visitor: Page, stack: Stack, simulator: Simulator
) -> None:
    visitor.goto("/")
    sign_in(visitor, stack.ines)
    expect(visitor.get_by_role("heading", name="My Devices", level=1)).to_be_visible()
    expect(visitor.locator(".toast")).to_have_count(0)
    portal = Portal(visitor, stack)
    visitor.get_by_role("link", name="Ines’s iPhone", exact=True).click()
    expect(visitor.locator("h1")).to_have_text("Ines’s iPhone")
    simulator.act("Ines’s iPhone", "offline")
    try:
        question = portal.ask("Lock")
        question.get_by_label("Message").fill("Please call. I left it in the café.")
        question.get_by_label("Phone number").fill("+44 20 7946 0142")
        question.get_by_role("button", name="Lock iPhone").click()

        # The phone is off: the portal has pushed, and waits.
        title = "Lock iPhone"
        portal.expect_steps(title, [("Queued", "done"), ("Pushed", "done"), ("Delivered", "now"), ("Locked", "")])
        expect(portal.timeline(title)).to_contain_text("Waiting for the iPhone to ask")
        portal.expect_polling(within=1)
        portal.stay()

        # It comes back and takes the command, and is slow to answer.
        simulator.act("Ines’s iPhone", "behaviour", delay=3)
        simulator.act("Ines’s iPhone", "online")
        portal.expect_steps(title, [("Queued", "done"), ("Pushed", "done"), ("Delivered", "done"), ("Locked", "now")])
    finally:
        simulator.act("Ines’s iPhone", "behaviour", delay=0)
        simulator.act("Ines’s iPhone", "online")
    portal.expect_steps(title, [("Queued", "done"), ("Pushed", "done"), ("Delivered", "done"), ("Locked", "done")])
    expect(portal.status).to_contain_text("Locked at")
    portal.expect_same_document()
    phone = simulator.find("Ines’s iPhone")
    assert phone["screen"] == "locked"
    assert phone["message"] == "Please call. I left it in the café."
    assert phone["phone"] == "+44 20 7946 0142"
    # It is over: nothing asks the server for news any more, and everything is written down.
    expect(visitor.locator("#live")).not_to_have_attribute("hx-trigger", re.compile("."))
    expect(visitor.locator("#history li").first).to_contain_text(re.compile(r"Lock, by you.*Done", re.DOTALL))


def test_unlocking_asks_for_the_password_again_after_a_while(
    visit: Visit, sessions: Sessions, stack: Stack, simulator: Simulator
) -> None:
    state = sessions.new(stack.ines)
    portal = Portal(visit(state), stack)
    portal.register("Forgetful iPhone")
    simulator.act("Forgetful iPhone", "lock")
    session = next(cookie["value"] for cookie in state["cookies"] if cookie["name"] == "session")
    # Six minutes pass.
    stack.do(
        "from django.contrib.sessions.backends.db import SessionStore\n"
        f"session = SessionStore({session!r})\n"
        "for method in session['account_authentication_methods']: method['at'] -= 360\n"
        "session.save()"
    )
    portal.open_device("Forgetful iPhone")
    portal.action("Unlock").get_by_role("link").click()
    confirm(portal.page, stack.ines)
    expect(portal.dialog).to_contain_text("Unlock Forgetful iPhone?")
    assert simulator.find("Forgetful iPhone")["passcode"] == "2580"
    portal.dialog.get_by_role("button", name="Unlock iPhone").click()
    expect(portal.timeline("Unlock iPhone").locator("li").last).to_have_text(re.compile(r"^Unlocked"))
    portal.expect_steps(
        "Unlock iPhone", [("Queued", "done"), ("Pushed", "done"), ("Delivered", "done"), ("Unlocked", "done")]
    )
    assert simulator.find("Forgetful iPhone")["passcode"] is None
    simulator.act("Forgetful iPhone", "unlock")


def test_a_mac_is_locked_and_opens_with_the_pin_that_its_owner_reads(ines: Portal, simulator: Simulator) -> None:
    ines.register("Loft Mac", kind="mac", product="Mac16,1")
    ines.open_device("Loft Mac")
    elsewhere = Portal(ines.page.context.new_page(), ines.stack)
    elsewhere.open_device("Loft Mac")
    second = elsewhere.ask("Lock")
    simulator.act("Loft Mac", "offline")
    ines.ask("Lock").get_by_role("button", name="Lock Mac").click()
    expect(ines.action("Lock")).to_contain_text("In progress")
    # There is one PIN on its way, and no second one.
    second.get_by_role("button", name="Lock Mac").click()
    expect(elsewhere.page.get_by_role("status").filter(has_text="under way already")).to_be_visible()
    elsewhere.page.close()
    simulator.act("Loft Mac", "online")
    expect(ines.status).to_contain_text("Locked at")
    simulator.wait("Loft Mac", screen="pin-lock")

    question = ines.ask("PIN")
    expect(question.locator(".pin")).to_have_count(0)
    question.get_by_role("button", name="Show PIN").click()
    pin = question.locator(".pin").inner_text().replace(" ", "")
    assert re.fullmatch(r"[0-9]{6}", pin)
    with pytest.raises(Refused, match="Wrong PIN"):
        simulator.act("Loft Mac", "unlock", code=f"{(int(pin) + 1) % 1_000_000:06}")
    question.get_by_role("link", name="Close").click()
    expect(ines.dialog).to_have_count(0)
    assert pin not in ines.page.content()

    assert simulator.act("Loft Mac", "unlock", code=pin)["screen"] == "locked"


def test_a_check_in_refreshes_the_facts(ines: Portal, simulator: Simulator) -> None:
    ines.register("Reading iPad", kind="ipad", product="iPad14,8")
    ines.open_device("Reading iPad")
    read = ines.page.locator("#facts header time")
    again = ines.page.get_by_role("button", name="Check in now")
    expect(again).to_be_visible()
    before = read.get_attribute("datetime")
    assert before
    again.click()
    expect(ines.timeline("Check in")).to_contain_text("You,")
    expect(ines.timeline("Check in").locator("li").last).to_have_text(re.compile(r"^Checked in"))
    expect(read).not_to_have_attribute("datetime", before)
    expect(ines.page.locator("#facts")).to_contain_text("Model")


def test_a_wipe_that_is_undone_never_reaches_the_device(ines: Portal, simulator: Simulator) -> None:
    ines.register("Lucky iPhone")
    ines.open_device("Lucky iPhone")
    question = ines.ask("Wipe")
    expect(question).to_contain_text("Erased from the iPhone")
    expect(question.get_by_role("heading", name="Stays")).to_be_visible()
    button = question.get_by_role("button", name="Wipe Lucky iPhone")
    expect(button).to_be_disabled()
    question.get_by_label("to confirm").fill("Private iPhone")
    expect(button).to_be_disabled()
    question.get_by_label("to confirm").fill("lucky iphone")
    button.click()
    expect(ines.status).to_contain_text("Wipe waiting")
    release = ines.page.locator(".head [data-until]").last.get_attribute("data-until")
    ines.page.get_by_role("button", name="Undo wipe").first.click()
    expect(ines.page.get_by_role("status").filter(has_text="Called off")).to_be_visible()
    expect(ines.status).to_contain_text("Checked in")

    # The moment at which it would have been sent passes, and the iPhone takes what there is to take.
    ines.page.wait_for_function("when => Date.now() > Date.parse(when)", arg=release)
    ines.page.get_by_role("button", name="Check in now").click()
    expect(ines.timeline("Check in")).to_contain_text("You,")
    expect(ines.timeline("Check in").locator("li").last).to_have_class("done")
    phone = simulator.find("Lucky iPhone")
    assert (phone["registered"], phone["screen"]) == (True, "home")
    expect(ines.page.locator("#history")).to_contain_text("Cancelled before it was sent")


def test_a_wipe_erases_the_device_and_ends_its_management(ines: Portal, simulator: Simulator) -> None:
    udid = ines.register("Lost iPhone")["udid"]
    ines.open_device("Lost iPhone")
    question = ines.ask("Wipe")
    question.get_by_label("to confirm").fill("Lost iPhone")
    question.get_by_role("button", name="Wipe Lost iPhone").click()
    expect(ines.status).to_contain_text("Wipe waiting")
    ines.stay()
    assert simulator.find(udid)["registered"]
    expect(ines.status).to_contain_text("Erased at", timeout=(ines.stack.undo_seconds + 30) * 1000)
    ines.expect_same_document()
    phone = simulator.wait(udid, screen="wiped")
    assert not phone["registered"]
    expect(ines.page.get_by_role("link", name="Register again")).to_be_visible()
    expect(ines.page.locator("#actions").get_by_role("link")).to_have_count(0)


def test_retiring_takes_the_management_away_and_leaves_the_device_alone(ines: Portal, simulator: Simulator) -> None:
    ines.register("Old iPhone", ours=False)
    ines.open_device("Old iPhone")
    expect(ines.action("Wipe")).to_contain_text("Not possible")
    question = ines.ask("Retire")
    expect(question.get_by_role("heading", name="Stays")).to_be_visible()
    question.get_by_role("button", name="Retire Old iPhone").click()
    expect(ines.status).to_contain_text("Retire waiting")
    expect(ines.status).to_contain_text("Retired at", timeout=(ines.stack.undo_seconds + 30) * 1000)
    phone = simulator.wait("Old iPhone", registered=False)
    assert phone["screen"] == "home"
    assert phone["profiles"] == []


def test_another_device_is_registered_from_the_address_behind_its_qr_code(
    ines: Portal, visitor: Page, simulator: Simulator
) -> None:
    ines.open_devices()
    ines.page.get_by_role("link", name="Register a device").click()
    link = open_registration(ines.page)
    picture = ines.page.get_by_role("img", name="QR code")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    drawn = ines.page.request.get(picture.get_attribute("src") or "").text()
    assert segno.make(link, error="m", micro=False).svg_inline(border=4).split(' d="')[1].split('"')[0] in drawn
    ines.stay()

    # Whoever opens it needs no password, and spends nothing by looking.
    visitor.goto(link)
    expect(visitor.get_by_role("heading", name="Register this device")).to_be_visible()
    expect(visitor.locator("main")).to_contain_text("For Ines Okafor")
    visitor.reload()
    expect(ines.page.get_by_text("Opened at", exact=False).first).to_be_visible()

    simulator.add(kind="ipad", name="Kitchen iPad", product="iPad14,8", url=link)
    expect(ines.page.get_by_text("Kitchen iPad is registered.")).to_be_visible()
    ines.expect_same_document()
    ines.page.get_by_role("link", name="Show Kitchen iPad").click()
    expect(ines.page.get_by_role("heading", name="Kitchen iPad", level=1)).to_be_visible()
    expect(ines.status).to_contain_text("Checked in")
    ines.page.goto("/history")
    expect(ines.page.locator("main")).to_contain_text("Kitchen iPad was registered.")
    expect(ines.page.locator("main")).not_to_contain_text("new device")
    # One address, one device.
    with pytest.raises(Refused):
        simulator.add(kind="iphone", name="Second iPhone", url=link)


def test_signing_out_ends_the_session(visit: Visit, sessions: Sessions, stack: Stack) -> None:
    state = sessions.new(stack.ines)
    page = visit(state)
    page.goto("/")
    page.locator("summary", has_text="Menu of Ines Okafor").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to your devices")).to_be_visible()
    page.goto("/history")
    expect(page).to_have_url(re.compile(r"/sign-in\?next=/history$"))
    # Not in another browser with the same cookies either.
    copied = visit(state)
    copied.goto("/")
    expect(copied.get_by_role("heading", name="Sign in to your devices")).to_be_visible()


def test_the_old_address_leads_to_sign_in(visitor: Page) -> None:
    visitor.goto("/user/login.html")
    expect(visitor.get_by_role("heading", name="Sign in to your devices")).to_be_visible()
