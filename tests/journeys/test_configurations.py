"""An administrator and what is set up on devices: made in the console, seen to arrive, changed, refused, withdrawn."""

from playwright.sync_api import Page, expect

from tests.cli.conftest import until
from tests.journeys.browser import DESK, PHONE, PHONE_PLAIN, on
from tests.journeys.portal import Portal
from tests.journeys.stack import Simulator
from tests.journeys.test_pages import expect_good

IPHONE, MAC = "Ines’s iPhone", "Studio MacBook"
GUESTS = "guests.aldermoor.example"


def clips(simulator: Simulator, device: str) -> list[str]:
    return [clip["label"] for clip in simulator.find(device)["web_clips"]]


def hosts(simulator: Simulator, device: str) -> list[str]:
    return [account["host"] for account in simulator.find(device)["mail_accounts"]]


def open_list(page: Page) -> None:
    page.goto("/console/configurations")
    expect(page.get_by_role("heading", name="Configurations", level=1)).to_be_visible()


def save(page: Page, button: str) -> None:
    page.get_by_role("button", name=button).click()


@on(PHONE, DESK, PHONE_PLAIN)
def test_a_web_clip_is_made_arrives_is_changed_and_withdrawn(amara: Portal) -> None:
    page, simulator = amara.page, amara.stack.simulator
    open_list(page)
    page.locator("a[href$='/new/web_clip']").click()
    page.get_by_label("Name", exact=True).fill("Intranet")
    page.get_by_label("Label").fill("Intranet of $FULLNAME")
    page.get_by_label("URL").fill("no address")
    save(page, "Make configuration")
    expect(page.get_by_text("An address begins with https://")).to_be_visible()
    page.get_by_label("URL").fill("https://intranet.aldermoor.example/$USERNAME")
    save(page, "Make configuration")
    expect(page.get_by_role("heading", name="Intranet", level=1)).to_be_visible()
    until(lambda: "Intranet of Ines Okafor" in clips(simulator, IPHONE), 30, "the web clip on the iPhone")
    until(lambda: "Intranet of Ines Okafor" in clips(simulator, MAC), 30, "the web clip on the Mac")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=IPHONE))
    _seen(page, lambda: expect(row).to_contain_text("Installed", timeout=3000))

    page.get_by_role("link", name="Change").click()
    page.get_by_label("Label").fill("Home")
    save(page, "Save configuration")
    until(lambda: "Home" in clips(simulator, IPHONE), 30, "the changed web clip")
    assert "Intranet of Ines Okafor" not in clips(simulator, IPHONE)

    page.get_by_role("link", name="Change").click()
    page.get_by_label("Nobody yet").check()
    save(page, "Save configuration")
    until(lambda: "Home" not in clips(simulator, IPHONE) + clips(simulator, MAC), 30, "no web clip any more")

    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete configuration").click()
    expect(page.get_by_role("status").filter(has_text="is deleted").first).to_be_visible()
    expect(page.get_by_role("link", name="Intranet")).to_have_count(0)


def _seen(page: Page, expectation: object) -> None:
    """What a page shows by itself with scripts, and when it is loaded again without."""
    for _time in range(10):
        try:
            expectation()  # type: ignore[operator]  # an expectation is called
        except AssertionError:
            page.reload()
        else:
            return
    expectation()  # type: ignore[operator]  # the same


@on(DESK)
def test_the_portal_is_put_on_home_screens_with_one_click(amara: Portal) -> None:
    page, simulator = amara.page, amara.stack.simulator
    open_list(page)
    page.get_by_role("button", name="Switch it on").click()
    expect(page.get_by_role("heading", name="My Devices", level=1)).to_be_visible()
    until(lambda: "My Devices" in clips(simulator, IPHONE), 30, "the portal on the home screen")
    page.reload()
    expect(page.get_by_role("link", name=IPHONE)).to_be_visible()
    expect_good(page)
    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_text("It is removed from")).to_be_visible()
    page.get_by_role("button", name="Delete configuration").click()
    until(lambda: "My Devices" not in clips(simulator, IPHONE), 30, "the portal gone from the home screen")


@on(DESK)
def test_an_exchange_account_is_made_by_its_form_and_arrives_as_each_device_takes_it(amara: Portal) -> None:
    page, simulator = amara.page, amara.stack.simulator
    open_list(page)
    page.locator("a[href$='/new/exchange']").click()
    page.get_by_label("Name", exact=True).fill("Guest mail")
    page.get_by_label("Exchange server").fill(f"https://{GUESTS}")
    page.get_by_label("S/MIME signing", exact=True).check()
    save(page, "Make configuration")
    expect(page.get_by_text("The name of a server has no https:// before it")).to_be_visible()
    expect(page.get_by_text("Choose a certificate, or let people choose one themselves.")).to_be_visible()
    page.get_by_label("Exchange server").fill(GUESTS)
    page.get_by_label("Signing certificate").select_option(label="Signing certificate")
    save(page, "Make configuration")
    expect(page.get_by_role("heading", name="Guest mail", level=1)).to_be_visible()
    expect(page.get_by_role("definition").filter(has_text="Signing certificate").first).to_be_visible()
    for device in (IPHONE, MAC):
        until(lambda device=device: GUESTS in hosts(simulator, device), 30, f"the account on {device}")  # type: ignore[misc]
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete configuration").click()
    for device in (IPHONE, MAC):
        until(lambda device=device: GUESTS not in hosts(simulator, device), 30, f"none on {device}")  # type: ignore[misc]
