"""Every page, by the way that leads to it: those of somebody with devices in `PAGES`, all others in `LOOKS`. What looks
at all of them goes through both; which address has no page at all, and why, stands in `NO_PAGE`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.journeys.portal import Portal, confirm, open_registration, sign_in
from tests.journeys.scene import BOUND, FACTORED, TAKEN_OVER, Scene

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


def restart(portal: Portal) -> None:
    portal.open_device("Studio MacBook")
    portal.ask("Restart")


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


def lost_devices(portal: Portal) -> None:
    portal.page.goto("/lost")


def lost_device(portal: Portal) -> None:
    portal.page.goto("/lost")
    portal.page.get_by_role("link", name="I lost Private iPhone").click()
    expect(portal.page.get_by_role("heading", name="I lost Private iPhone")).to_be_visible()


def where(portal: Portal) -> None:
    portal.open_device("Ines’s iPhone")
    portal.page.goto(f"{portal.page.url}/where")
    expect(portal.page.locator(".map path.m-land").first).to_be_attached()


def apps(portal: Portal) -> None:
    portal.open_device("Ines’s iPhone")
    portal.page.goto(f"{portal.page.url}/apps")


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


PAGES: Final[Mapping[Callable[[Portal], None], str]] = {
    devices: "portal:devices",
    menu: "portal:devices",
    device: "portal:device",
    mac: "portal:device",
    lock: "portal:lock",
    unlock: "portal:unlock",
    restart: "portal:restart",
    wipe: "portal:wipe",
    retire: "portal:retire",
    pins: "portal:pins",
    lost: "portal:lost",
    lost_devices: "portal:lost_devices",
    lost_device: "portal:lost_device",
    where: "portal:where",
    apps: "portal:apps",
    register: "portal:register",
    ticket: "portal:ticket",
    opened_ticket: "portal:open_ticket",
    history: "portal:history",
    certificates: "portal:certificates",
    add_certificate: "portal:certificate_add",
    account: "portal:account",
    ways_to_sign_in: "mfa_index",
    preferences: "portal:preferences",
    wanted_mails: "portal:notices",
    another_address: "portal:email",
    another_password: "account_change_password",
    forgotten_password: "portal:forgotten",
    passkey: "mfa_add_webauthn",
    authenticator_app: "mfa_activate_totp",
    sessions: "usersessions_list",
}
"""The pages of Ines, whom the demo's devices belong to, with the name of their address."""


@dataclass(frozen=True)
class Look:
    """A page and how it is reached. `who` sees it: "visitor", "ines", "amara", or an e-mail address of the scene."""

    address: str
    who: str = "amara"
    of: Mapping[str, str] | None = None
    """What varies in the address: names of the scene's things, or values."""
    query: str = ""
    then: Callable[[Page, Scene], None] | None = None
    """What is done there before it is looked at."""
    start: Callable[[Scene], str] | None = None
    """Where to begin, for an address with a secret in it."""
    status: int = 200
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.address.replace("console:", "console-").replace("portal:", "")

    def url(self, scene: Scene) -> str:
        if self.start is not None:
            return self.start(scene)
        values = {part: scene.things.get(value, value) for part, value in (self.of or {}).items()}
        return reverse(self.address, kwargs=values) + self.query


def _half_signed_in(page: Page, _scene: Scene) -> None:
    sign_in(page, FACTORED)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()


def _too_late(page: Page, scene: Scene) -> None:
    """Send a form six minutes after the last proof."""
    _six_minutes_later(page, scene, FACTORED.email)
    page.goto(reverse("portal:account"))
    page.get_by_role("textbox", name="Name").fill("Kofi Mensah-Addo")
    page.get_by_role("button", name="Change name").click()
    expect(page.get_by_role("heading", name="Confirm that it’s you")).to_be_visible()


def _too_late_and_wrong(page: Page, scene: Scene) -> None:
    _too_late(page, scene)
    page.get_by_label("Your password").fill("not this one")
    page.get_by_role("button", name="Confirm and go on").click()
    expect(page.get_by_text("That is not your password.")).to_be_visible()


def _too_late_in_a_dialog(page: Page, scene: Scene) -> None:
    _six_minutes_later(page, scene, BOUND.email)
    page.goto(reverse("portal:certificates"))
    page.get_by_role("link", name="Add Certificate").first.click()
    dialog = page.get_by_role("dialog")
    file = {"name": "mine.p12", "mimeType": "application/x-pkcs12", "buffer": b"no certificate"}
    dialog.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]  # as Playwright documents it
    dialog.get_by_label("Password").fill("of the file")
    dialog.get_by_role("button", name="Upload certificate").click()
    expect(dialog.get_by_role("heading", name="Confirm that it’s you")).to_be_visible()
    assert page.url.endswith(reverse("portal:certificates"))


def _six_minutes_later(page: Page, scene: Scene, email: str) -> None:
    page.context.clear_cookies()
    page.context.add_cookies(scene.enter(email, ago=360)["cookies"])  # type: ignore[arg-type]  # of one shape


def _say_why(page: Page, _scene: Scene) -> None:
    page.get_by_label("Why").fill("You asked us to look for it.")
    page.get_by_role("button", name="Show where it is").click()
    expect(page.get_by_role("heading", name="Why you look")).to_be_visible()


def _lost_it(page: Page, scene: Scene) -> None:
    _half_signed_in(page, scene)
    page.get_by_role("link", name="I lost it").click()
    expect(page.get_by_role("heading", name="I lost my second factor")).to_be_visible()


def _limited(page: Page, scene: Scene) -> None:
    _lost_it(page, scene)
    page.get_by_role("button", name="Lock or find my device").click()
    expect(page.get_by_role("heading", name="I lost a device")).to_be_visible()


def _beyond_the_limit(page: Page, scene: Scene) -> None:
    _limited(page, scene)
    page.goto(reverse("portal:account"))
    expect(page.get_by_role("heading", name="Not with your password alone")).to_be_visible()


def _prove_by_pin(page: Page, scene: Scene) -> None:
    page.get_by_label("E-mail").fill(BOUND.email)
    page.get_by_label("Password").fill(BOUND.password)
    page.get_by_label("PIN").fill(scene["pin"])
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("2 devices")).to_be_visible()


def _ask_for_nothing(page: Page, _scene: Scene) -> None:
    page.get_by_role("button").last.click()


def _ask_too_often(page: Page, scene: Scene) -> None:
    for _time in range(3):
        page.goto(reverse("portal:ask_pin"))
        page.get_by_label("E-mail").fill(f"nobody.{scene['policy']}@aldermoor.example")
        page.locator("main form button").last.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def _lose_the_cookie(page: Page, _scene: Scene) -> None:
    page.context.clear_cookies()
    page.get_by_label("E-mail").fill("ines@aldermoor.example")
    page.get_by_label("Password").fill("anything")
    page.get_by_role("button", name="Sign in", exact=True).click()


def _send_a_name_alone(page: Page, _scene: Scene) -> None:
    page.get_by_label("Name").fill("Somebody")
    page.locator("form[novalidate], main form").last.evaluate(
        "form => { form.noValidate = true; form.requestSubmit() }"
    )
    expect(page.locator(".error, [aria-invalid=true]").first).to_be_visible()


def _read_a_list(page: Page, _scene: Scene) -> None:
    people = f"name,e-mail,language\nAda Berg,ada@aldermoor.example,\n,nobody,\nLena,{BOUND.email},de\n".encode()
    page.get_by_label("CSV file").set_input_files({"name": "people.csv", "mimeType": "text/csv", "buffer": people})
    page.get_by_role("button", name="Read the list").click()
    expect(page.get_by_text("ada@aldermoor.example", exact=True)).to_be_visible()


def _one_by_bulk(kind: str) -> Callable[[Scene], str]:
    return lambda scene: f"{reverse('console:devices_bulk', args=[kind])}?id={scene['iphone']}"


def _one_of_a_crowd(deed: str) -> Callable[[Scene], str]:
    return lambda scene: f"{reverse('console:people_crowd', args=[deed])}?id={scene['lena']}"


def _refuse_without_a_word(page: Page, _scene: Scene) -> None:
    page.get_by_role("button", name="Refuse wipe").click()
    expect(page.get_by_text("Say why. Whoever asked for it gets your reason by mail.").first).to_be_visible()


def _send_as_it_is(page: Page, _scene: Scene) -> None:
    page.locator("main form").last.evaluate("form => { form.noValidate = true; form.requestSubmit() }")
    expect(page.locator("[aria-invalid=true]").first).to_be_visible()


def _weaken(page: Page, scene: Scene) -> None:
    page.get_by_label("Shortest password").fill("4")
    _send_as_it_is(page, scene)


def _stop_without_a_word(page: Page, _scene: Scene) -> None:
    page.get_by_role("button", name="Stop change").click()
    expect(page.get_by_text("Say why. Whoever asked for it gets your reason by mail.").first).to_be_visible()


def _ask_many(page: Page, _scene: Scene) -> None:
    page.get_by_label("Why").fill("To see that all is well.")
    page.locator(".dialog-foot button, main form button").last.click()
    expect(page).to_have_url(re.compile("/batches/"))


def _undo(page: Page, _scene: Scene) -> None:
    keep = page.get_by_role("button", name="Keep my old address")
    if keep.is_visible():
        keep.click()
    expect(page.get_by_role("heading", name="Show that it’s you")).to_be_visible()


def _settle(page: Page, scene: Scene) -> None:
    _undo(page, scene)
    page.get_by_label("The password you had").fill(TAKEN_OVER.password)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_label("Authenticator app")).to_be_visible()


def _mailed(to: str, subject: str) -> Callable[[Scene], str]:
    return lambda scene: scene.stack.inbox.link_in(to, subject)


_PERSON, _GROUP = {"person_id": "lena"}, {"group_id": "group"}
_CONFIGURATION = {"configuration_id": "type"}
_POLICY, _DEVICE = {"policy_id": "policy"}, {"device_id": "iphone"}

LOOKS: Final = (
    # The way in.
    Look("account_login", "visitor"),
    Look("account_logout", "ines"),
    Look("account_inactive", "visitor"),
    Look("account_login", "visitor", then=_half_signed_in, name="second-step"),
    Look("portal:lost_signed_out", "visitor"),
    Look("account_login", "visitor", then=_lost_it, name="lost-factor"),
    Look("account_login", "visitor", then=_limited, name="limited"),
    Look("account_login", "visitor", then=_beyond_the_limit, name="limited-refused"),
    Look("account_reauthenticate", "ines", query="?next=/"),
    Look("openid_connect_login", "visitor", {"provider_id": "entra"}, status=503),
    Look("openid_connect_callback", "visitor", {"provider_id": "entra"}, "?error=access_denied", status=403),
    Look("provider_adopt", "visitor", {"provider_id": "entra"}, status=403),
    Look("provider_link", of={"provider_id": "entra"}),
    Look("portal:forgotten", "visitor"),
    Look("portal:reset", "visitor", start=lambda scene: scene.forgotten(BOUND.email)),
    Look("portal:reset", "visitor", {"person_id": "lena", "token": "old"}, status=403, name="reset-old"),
    Look("portal:confirm_email", "visitor", start=_mailed("lena.b@aldermoor.example", "")),
    Look("portal:restore_email", "visitor", start=_mailed(BOUND.email, "")),
    Look(
        "portal:restore_email",
        "visitor",
        start=_mailed(TAKEN_OVER.email, "address changes"),
        then=_undo,
        name="restore-prove",
    ),
    Look(
        "portal:restore_email",
        "visitor",
        start=_mailed(TAKEN_OVER.email, "address changes"),
        then=_settle,
        name="restore-settle",
    ),
    Look("portal:reset", "visitor", start=lambda scene: scene.forgotten(FACTORED.email), name="reset-factors"),
    Look(
        "portal:reset",
        "visitor",
        start=lambda scene: scene.forgotten(FACTORED.email),
        then=_send_as_it_is,
        name="reset-factors-errors",
    ),
    Look("portal:invitation", "visitor", start=_mailed("sun.wei@aldermoor.example", "")),
    Look("portal:invitation", "visitor", {"token": "no-such-token"}, status=404, name="invitation-unknown"),
    Look("portal:setup", "visitor", {"token": "no-such-token"}, status=403),
    # Registering by PIN.
    Look("portal:ask_pin", "visitor"),
    Look("portal:register_by_pin", "visitor"),
    Look("portal:register_by_pin", "visitor", then=_prove_by_pin, name="register_by_pin_device"),
    Look("portal:register", BOUND.email, name="register-with-pin"),
    Look("portal:terms", BOUND.email),
    # Certificates.
    Look("portal:certificates", BOUND.email, name="certificates-one"),
    Look("portal:certificate_edit", BOUND.email, {"certificate_id": "certificate"}),
    Look("portal:certificate_clear", BOUND.email, {"certificate_id": "certificate"}),
    Look("portal:certificate_delete", BOUND.email, {"certificate_id": "certificate"}),
    Look("portal:certificate_take", BOUND.email, {"certificate_id": "certificate"}),
    Look("portal:certificate_withdraw", "ines", {"type_id": "type", "fingerprint": "ab" * 32}),
    Look("portal:certificates", "ines", name="certificates-deleted"),
    # A device that its owner has to confirm.
    Look("portal:device", FACTORED.email, {"device_id": "unconfirmed"}, name="device-unconfirmed"),
    Look("portal:devices", FACTORED.email, name="devices-unconfirmed"),
    Look("portal:certificates", FACTORED.email, name="certificates-unconfirmed"),
    Look("portal:confirm_device", FACTORED.email, {"device_id": "unconfirmed"}),
    Look("portal:confirm_by_link", "visitor", start=_mailed(FACTORED.email, "Is this device yours?")),
    Look("console:devices_one", of={"device_id": "unconfirmed"}, name="console-devices_one-unconfirmed"),
    # Second factors.
    Look("mfa_index", FACTORED.email, name="security-with-factors"),
    Look("mfa_view_recovery_codes", FACTORED.email),
    Look("mfa_generate_recovery_codes", FACTORED.email),
    Look("mfa_deactivate_totp", FACTORED.email),
    Look("account_reauthenticate", FACTORED.email, name="again-with-factors"),
    Look("mfa_reauthenticate", FACTORED.email),
    Look("portal:account", FACTORED.email, then=_too_late, name="confirm-again"),
    Look("portal:account", FACTORED.email, then=_too_late_and_wrong, name="confirm-again-errors"),
    Look("portal:certificates", BOUND.email, then=_too_late_in_a_dialog, name="confirm-again-dialog"),
    Look("confirmed", "ines", name="confirmed-again"),
    # Errors.
    Look("portal:device", "ines", {"device_id": "person"}, status=404, name="404"),
    Look("console:overview", "ines", status=403, name="403"),
    Look("console:people", query="?q=%00", status=400, name="400"),
    Look("account_login", "visitor", then=_lose_the_cookie, name="403-csrf"),
    Look("portal:ask_pin", "visitor", then=_ask_too_often, name="429"),
    # The console.
    Look("portal:devices", name="devices-none"),
    Look("console:overview"),
    Look("console:people"),
    Look("console:people", query="?state=suspended&q=nobody", name="console-people-none"),
    Look("console:people_person", of=_PERSON),
    Look("console:people_person", of={"person_id": "person"}, name="console-people_person-devices"),
    Look("console:people_change", of=_PERSON),
    Look("console:people_suspend", of=_PERSON),
    Look("console:people_factors", of={"person_id": "kofi"}),
    Look("console:groups"),
    Look("console:groups_new"),
    Look("console:groups_one", of=_GROUP),
    Look("console:groups_delete", of=_GROUP),
    Look("console:devices"),
    Look("console:devices_one", of=_DEVICE),
    Look("console:people_crowd", start=_one_of_a_crowd("join")),
    Look("console:people_crowd", start=_one_of_a_crowd("suspend"), name="console-people_suspended"),
    Look("console:devices_bulk", start=_one_by_bulk("retire")),
    Look("console:devices_bulk", start=_one_by_bulk("check_in"), then=_ask_many, name="console-devices_batch"),
    Look("console:certificates"),
    Look("console:devices_act", of={**_DEVICE, "kind": "lock"}),
    Look("console:devices_act", of={**_DEVICE, "kind": "wipe"}, name="console-devices_act-wipe"),
    Look("console:devices_ownership", of=_DEVICE),
    Look("console:devices_apps", of=_DEVICE),
    Look("console:devices_where", of=_DEVICE),
    Look("console:devices_where", of=_DEVICE, then=_say_why, name="console-devices_where-map"),
    Look("console:approvals"),
    Look("console:approvals_one", of={"approval_id": "change_that_waits"}),
    Look(
        "console:approvals_one",
        of={"approval_id": "change_that_waits"},
        then=_stop_without_a_word,
        name="console-approvals_one-errors",
    ),
    Look("console:settings_approvals"),
    Look("console:devices_wipes_one", of={"action_id": "wipe_that_waits"}),
    Look(
        "console:devices_wipes_one",
        of={"action_id": "wipe_that_waits"},
        then=_refuse_without_a_word,
        name="console-devices_wipes_one-errors",
    ),
    Look("console:invitations"),
    Look("console:invitations_new"),
    Look("console:invitations_new", then=_send_a_name_alone, name="console-invitations_new-errors"),
    Look("console:invitations_new", then=_read_a_list, name="console-invitations_list"),
    Look("console:invitations_one", of={"invitation_id": "invitation"}),
    Look("console:policies"),
    Look("console:policies_new", of={"kind": "registration"}),
    Look("console:policies_edit", of=_POLICY),
    Look("console:policies_delete", of=_POLICY),
    Look("console:policies_who", query="?q=Lena"),
    Look("console:configurations"),
    Look("console:configurations_new", of={"kind": "identity_certificate"}),
    Look("console:configurations_new", of={"kind": "exchange"}, name="console-configurations_new-exchange"),
    Look("console:configurations_new", of={"kind": "email"}, name="console-configurations_new-email"),
    Look("console:configurations_new", of={"kind": "web_clip"}, name="console-configurations_new-clip"),
    Look(
        "console:configurations_new",
        of={"kind": "web_clip"},
        then=_send_a_name_alone,
        name="console-configurations_new-errors",
    ),
    Look("console:configurations_one", of=_CONFIGURATION),
    Look("console:configurations_edit", of=_CONFIGURATION),
    Look("console:configurations_delete", of=_CONFIGURATION),
    Look("console:audit"),
    Look("console:settings"),
    Look("console:settings_about"),
    Look("console:settings_brand"),
    Look("console:settings_mail"),
    Look("console:settings_sign_in"),
    Look("console:settings_sign_in", then=_weaken, name="console-settings_sign_in-errors"),
    Look("console:settings_invitations"),
    Look("console:settings_provider_new"),
    Look("console:settings_provider", of={"provider_id": "entra"}),
    Look("console:settings_provider_remove", of={"provider_id": "entra"}),
    Look("console:settings_platform", of={"platform": "apple"}),
)
"""The pages of everybody else, and of Ines where something has gone wrong."""

NO_PAGE: Final[Mapping[str, str]] = {
    "portal:brand": "a stylesheet",
    "portal:logo": "a picture",
    "portal:qr": "a picture",
    "portal:profile": "a file",
    "portal:certificate_file": "a file",
    "portal:certificates_now": "a part of `certificates`",
    "console:audit_export": "a file",
    "console:devices_export": "a file",
    "console:people_export": "a file",
    "console:certificates_export": "a file",
    "console:settings_platform_file": "a file",
    "portal:devices_now": "a part of `devices`",
    "portal:device_now": "a part of `device`",
    "portal:ticket_now": "a part of `ticket`",
    "portal:strength": "a part of `another_password`",
    "portal:reset_strength": "a part of `reset`",
    "portal:setup_strength": "a part of `setup`",
    "portal:invitation_strength": "a part of `invitation`",
    "portal:restore_strength": "a part of `restore_email`",
    "console:policies_reach": "a part of `console:policies_new`",
    "console:devices_batch": "after `console:devices_bulk`, looked at there",
    "console:devices_batch_now": "a part of `console:devices_batch`",
    "console:devices_batch_stop": "sent only",
    "console:invitations_list": "after `console:invitations_new`, looked at there",
    "console:invitations_mail": "a mail, looked at as one",
    "portal:device_history": "the page of `history`, with other lines",
    "portal:register_by_pin_device": "after `register_by_pin`, looked at there",
    "portal:limited_sign_in": "after `account_login`, looked at there",
    "mfa_authenticate": "after `account_login`, looked at there",
    "portal:old_sign_in": "leads on",
    "portal:secure": "leads on where no second factor is asked for; looked at in test_first_start",
    "provider_again": "leads on",
    "provider_unlink": "sent only",
    "mfa_login_webauthn": "sent only",
    "mfa_reauthenticate_webauthn": "a part of `account_reauthenticate`",
    "mfa_remove_webauthn": "looked at where a passkey is, in test_factors",
    "portal:cancel": "sent only",
    "portal:found": "sent only",
    "portal:locate": "sent only",
    "portal:location_choice": "sent only",
    "portal:make_reporter": "sent only",
    "portal:remove_reporter": "sent only",
    "portal:resume_reporter": "sent only",
    "console:devices_now": "a part of `console:devices_one`",
    "console:devices_where_now": "a part of `devices_where`",
    "console:devices_locate": "a form alone",
    "portal:history_file": "a file",
    "portal:device_history_file": "a file",
    "portal:share": "sent only",
    "portal:sound": "sent only",
    "portal:owntracks": "for an app",
    "portal:where_now": "a part of `where`",
    "portal:lost_device_now": "a part of `lost_device`",
    "portal:check_in": "sent only",
    "portal:keep_email": "sent only",
    "portal:new_pin": "sent only",
    "portal:revoke": "sent only",
    "sessions_end_others": "sent only",
    "session_end": "sent only",
    "console:devices_cancel": "sent only",
    "console:devices_confirmation": "sent only",
    "console:invitations_change": "sent only",
    "console:invitations_link": "sent only",
    "console:invitations_send": "sent only",
    "console:people_end_sessions": "sent only",
    "console:people_resume": "sent only",
    "console:policies_move": "sent only",
    "console:settings_logo": "sent only",
    "console:configurations_icon": "a picture",
    "console:configurations_now": "a part of `console:configurations_one`",
    "console:configurations_portal": "sent only",
    "console:configurations_reach": "a part of `console:configurations_new`",
    "console:configurations_retry": "sent only",
    "console:settings_mail_trial": "sent only; its answer stands on `console:settings_mail`",
}
"""Addresses that have no page of their own to look at."""
