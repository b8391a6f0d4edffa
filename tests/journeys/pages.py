"""Every page of the portal, by the way that leads to it. What looks at all of them goes through `PAGES`."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.journeys.portal import Portal, confirm, open_registration

PRIVATE = "Private iPhone"


def devices(portal: Portal) -> None:
    portal.open_devices()


def menu(portal: Portal) -> None:
    portal.open_devices()
    portal.page.get_by_label("More actions").first.click()


def device(portal: Portal) -> None:
    portal.open_device(PRIVATE)


def mac(portal: Portal) -> None:
    portal.open_device("Studio MacBook")


def lock(portal: Portal) -> None:
    portal.open_device(PRIVATE)
    portal.ask("Lock")


def unlock(portal: Portal) -> None:
    portal.open_device(PRIVATE)
    portal.ask("Unlock")


def wipe(portal: Portal) -> None:
    portal.open_device("Ines’s iPhone")
    portal.ask("Wipe")


def retire(portal: Portal) -> None:
    portal.open_device(PRIVATE)
    portal.ask("Retire")


def pins(portal: Portal) -> None:
    portal.open_device("Studio MacBook")
    portal.ask("PIN").get_by_role("button", name="Show PIN").click()
    expect(portal.dialog.get_by_role("link", name="Close")).to_be_visible()


def lost(portal: Portal) -> None:
    portal.open_device("Ines’s iPhone")
    portal.ask("Mark as lost")


def where(portal: Portal) -> None:
    portal.open_device("Ines’s iPhone")
    portal.page.goto(f"{portal.page.url}/where")
    expect(portal.page.locator(".map path.m-land").first).to_be_attached()


def register(portal: Portal) -> None:
    portal.page.goto("/register")


def ticket(portal: Portal) -> None:
    portal.page.goto("/register")
    open_registration(portal.page)


def opened_ticket(portal: Portal) -> None:
    portal.page.goto("/register")
    portal.page.goto(open_registration(portal.page))


def history(portal: Portal) -> None:
    portal.page.goto("/history")


def certificates(portal: Portal) -> None:
    portal.page.goto("/certificates")


def add_certificate(portal: Portal) -> None:
    portal.page.goto("/certificates")
    portal.page.get_by_role("link", name="Add Certificate").first.click()
    expect(portal.dialog).to_be_visible()


def account(portal: Portal) -> None:
    portal.page.goto("/account")


def ways_to_sign_in(portal: Portal) -> None:
    portal.page.goto("/account/security")


def preferences(portal: Portal) -> None:
    portal.page.goto("/account/preferences")


def wanted_mails(portal: Portal) -> None:
    portal.page.goto("/account/mails")


def another_address(portal: Portal) -> None:
    portal.page.goto("/account/email")
    prove(portal)
    expect(portal.page.get_by_label("New e-mail address")).to_be_visible()


def another_password(portal: Portal) -> None:
    portal.page.goto("/account/password")
    portal.page.get_by_label("New password", exact=True).fill("granite meadow seventeen")
    expect(portal.page.get_by_role("status").filter(has_text="Good")).to_be_visible()


def forgotten_password(portal: Portal) -> None:
    portal.page.goto("/sign-in/forgotten")


def passkey(portal: Portal) -> None:
    portal.page.goto("/account/security/passkeys/new")
    prove(portal)
    expect(portal.page.get_by_role("button", name="Add a passkey")).to_be_visible()


def authenticator_app(portal: Portal) -> None:
    portal.page.goto("/account/security/app")
    prove(portal)
    expect(portal.page.get_by_label("Code that the app shows")).to_be_visible()


def sessions(portal: Portal) -> None:
    portal.page.goto("/account/sessions")


def prove(portal: Portal) -> None:
    """Once more who one is, where the page asks for it."""
    if "/sign-in/again" in portal.page.url:
        confirm(portal.page, portal.stack.ines)


PAGES: tuple[Callable[[Portal], None], ...] = (
    devices,
    menu,
    device,
    mac,
    lock,
    unlock,
    wipe,
    retire,
    pins,
    lost,
    where,
    register,
    ticket,
    opened_ticket,
    history,
    certificates,
    add_certificate,
    account,
    ways_to_sign_in,
    preferences,
    wanted_mails,
    another_address,
    another_password,
    forgotten_password,
    passkey,
    authenticator_app,
    sessions,
)
