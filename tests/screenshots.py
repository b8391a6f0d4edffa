"""`./run screenshots`: pictures of the real pages, with simulated devices in telling states.

The README's pictures go to docs/images; every page on every screen goes to ./screenshots, which git ignores.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.journeys.browser import DESK, DESK_DARK, PHONE, PHONE_DARK, NoBrowser, arguments, find_chromium
from tests.journeys.pages import PAGES
from tests.journeys.portal import Portal, open_context, sign_in
from tests.journeys.stack import Stack, running_stack

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
ALL = ROOT / "screenshots"
SCREENS = (DESK, DESK_DARK, PHONE, PHONE_DARK)
UNDO_SECONDS = 30  # as anyone has it who sets nothing
LARGEST = 180_000  # bytes of a picture in the README
MAIL_PASSWORD = "meadow-lantern-7"
IPHONE, MAC, IPAD = "Ines’s iPhone", "Studio MacBook", "Gallery iPad"


def picture(page: Page, path: Path, *, whole: bool = False) -> Path:
    """Take it when fonts and pictures are there and nothing moves."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path, full_page=whole, animations="disabled", caret="hide")
    return path


def lock_the_mac(ines: Portal) -> None:
    ines.open_device(MAC)
    question = ines.ask("Lock")
    question.get_by_role("button", name="Lock Mac").click()
    expect(ines.status).to_contain_text("Locked at")


def lock_the_iphone(ines: Portal) -> None:
    """It is offline: the lock is on its way and stays there."""
    ines.simulator.act(IPHONE, "offline")
    ines.open_device(IPHONE)
    question = ines.ask("Lock")
    question.get_by_label("Message").fill("Please call. I left it in the café.")
    question.get_by_role("button", name="Lock iPhone").click()
    expect(ines.timeline("Lock iPhone")).to_contain_text("Waiting for the iPhone to ask")


def wipe_the_ipad(ines: Portal) -> None:
    """Waits to be undone."""
    ines.open_device(IPAD)
    question = ines.ask("Wipe")
    question.get_by_label("to confirm").fill(IPAD)
    question.get_by_role("button", name=f"Wipe {IPAD}").click()
    expect(ines.status).to_contain_text("Wipe waiting")


def upload_certificates(ines: Portal) -> None:
    """Both of the demo's files, until they are on its devices."""
    files = Path(ines.stack.environment["MYDEVICES_DATA"]) / "certificates"
    for label, name in (("Signing certificate", "signing.p12"), ("Encryption certificate", "encryption.p12")):
        ines.page.goto("/certificates/add")
        ines.page.get_by_label("Certificate Type").select_option(label=label)
        ines.page.get_by_label("Certificate to Upload").set_input_files(files / name)
        ines.page.get_by_label("Password").fill(MAIL_PASSWORD)
        ines.page.get_by_role("button", name="Upload certificate").click()
        expect(ines.page.get_by_role("heading", name="My Certificates", level=1)).to_be_visible()
    for name in (IPHONE, MAC):
        expect(ines.page.get_by_text(f"On {name}")).to_have_count(2)


def lose_the_iphone(ines: Portal) -> None:
    """It is asked where it is, and says so."""
    ines.open_device(IPHONE)
    ines.page.goto(f"{ines.page.url}/where")
    ines.page.get_by_role("button", name="Switch location on").click()
    ines.page.get_by_role("link", name="Mark iPhone as lost…").click()
    ines.dialog.get_by_label("Message").fill("This iPhone is lost. Please call me.")
    ines.dialog.get_by_label("Phone number").fill("020 7946 0188")
    ines.dialog.get_by_role("button", name="Mark iPhone as lost").click()
    expect(ines.page.locator(".map path.m-pin")).to_have_count(1)


def take(chromium: Browser, stack: Stack) -> list[Path]:
    """Every picture; the README's come first."""
    context = open_context(chromium, url=stack.url)
    ines = Portal(context.new_page(), stack)
    ines.page.goto("/")
    taken = [picture(ines.page, ALL / "sign-in-1280-light.png")]
    sign_in(ines.page, stack.ines)
    state = context.storage_state()
    contexts = {screen: open_context(chromium, screen, url=stack.url, state=state) for screen in SCREENS}
    portals = {screen: Portal(opened.new_page(), stack) for screen, opened in contexts.items()}

    upload_certificates(portals[DESK])
    taken.append(picture(portals[DESK].page, IMAGES / "certificates.png"))
    ines.register(IPAD, kind="ipad", product="iPad14,8")
    lock_the_mac(ines)
    lock_the_iphone(ines)
    wipe_the_ipad(ines)
    for screen, portal in portals.items():
        portal.open_devices()
        taken.append(picture(portal.page, ALL / f"devices-{screen}.png", whole=True))
        if screen is DESK:
            taken.insert(0, picture(portal.page, IMAGES / "devices.png"))
    for screen, portal in portals.items():
        portal.open_device(IPAD)
        taken.append(picture(portal.page, ALL / f"wipe-waiting-{screen}.png", whole=True))
    ines.page.get_by_role("button", name="Undo wipe").first.click()
    expect(ines.status).to_contain_text("Checked in")

    for screen, portal in portals.items():
        portal.open_device(IPHONE)
        taken.append(picture(portal.page, ALL / f"device-{screen}.png", whole=True))
        if screen is DESK:
            taken.insert(1, picture(portal.page, IMAGES / "device.png"))
        for open_page in PAGES:
            name = open_page.__name__.replace("_", "-")
            path = ALL / f"{name}-{screen}.png"
            if path not in taken:
                open_page(portal)
                taken.append(picture(portal.page, path, whole=portal.page.locator("dialog").count() == 0))
        signed_out = open_context(chromium, screen, url=stack.url)
        page = signed_out.new_page()
        page.goto("/")
        path = ALL / f"sign-in-{screen}.png"
        if path not in taken:
            taken.append(picture(page, path))
        signed_out.close()
    ines.simulator.act(IPHONE, "online")
    lose_the_iphone(portals[DESK])
    taken.append(picture(portals[DESK].page, IMAGES / "map.png"))
    for opened in (context, *contexts.values()):
        opened.close()
    return taken


def main() -> int:
    for folder in (IMAGES, ALL):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        program = find_chromium()
    except NoBrowser as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    with (
        tempfile.TemporaryDirectory(prefix="mydevices-screenshots-") as temporary,
        running_stack(Path(temporary), undo_seconds=UNDO_SECONDS) as stack,
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(executable_path=program, args=arguments())
        taken = take(chromium, stack)
        chromium.close()
    heavy = [path for path in taken if path.parent == IMAGES and path.stat().st_size > LARGEST]
    for path in taken:
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    for path in heavy:
        sys.stderr.write(f"{path.name} is too heavy for a README: {path.stat().st_size} bytes.\n")
    return 1 if heavy else 0


if __name__ == "__main__":
    sys.exit(main())
