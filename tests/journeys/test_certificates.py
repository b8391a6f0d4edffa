"""A person and their e-mail certificates: refused, uploaded, replaced, cleared, deleted and taken along."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from mydevices.protocols.pki import pkcs12
from simulator.issuer import mail_identity
from tests.cli.conftest import until
from tests.journeys.browser import DESK, DESK_DARK, PHONE, PHONE_PLAIN, on
from tests.journeys.conftest import Sessions, Visit
from tests.journeys.portal import Portal
from tests.journeys.stack import Stack
from tests.journeys.test_pages import expect_good

PASSWORD = "meadow-lantern-7"
SIGNING, ENCRYPTION = "Signing certificate", "Encryption certificate"


@pytest.fixture
def files(stack: Stack) -> Path:
    """The demo's own files, with nothing uploaded yet."""
    stack.do("from mydevices.certificates.models import Certificate; Certificate.objects.all().delete()")
    return Path(stack.environment["MYDEVICES_DATA"]) / "certificates"


def open_table(portal: Portal) -> None:
    portal.page.goto("/")
    portal.page.get_by_role("navigation", name="Portal").get_by_role("link", name="My Certificates").click()
    expect(portal.page.get_by_role("heading", name="My Certificates", level=1)).to_be_visible()


def add(portal: Portal, label: str, file: Path, password: str = PASSWORD) -> Locator:
    """Choose, type and press Upload; the question, if it is still there."""
    portal.page.get_by_role("link", name="Add Certificate").first.click()
    question = portal.dialog
    found = question.get_by_label("Certificate Type").locator("option").filter(has_text=label)
    question.get_by_label("Certificate Type").select_option(found.get_attribute("value"))
    question.get_by_label("Certificate to Upload").set_input_files(file)
    question.get_by_label("Password").fill(password)
    question.get_by_role("button", name="Upload certificate").click()
    return question


def row(portal: Portal, label: str) -> Locator:
    return portal.page.locator("#certificates tbody").filter(has=portal.page.get_by_role("rowheader", name=label))


@on(PHONE, DESK, PHONE_PLAIN)
def test_certificates_are_uploaded_replaced_cleared_and_deleted(ines: Portal, files: Path, tmp_path: Path) -> None:
    page = ines.page
    open_table(ines)
    expect(page.get_by_role("heading", name="No certificate yet")).to_be_visible()

    add(ines, SIGNING, files / "signing.p12")
    expect(page.get_by_role("status").filter(has_text="is uploaded")).to_contain_text(SIGNING)
    add(ines, ENCRYPTION, files / "encryption.p12")
    expect(row(ines, ENCRYPTION)).to_contain_text("Simulated Mail Authority")
    expect(row(ines, SIGNING)).to_contain_text(ines.stack.ines.email)
    expect(row(ines, SIGNING)).to_contain_text("in 2 years")

    # A note, which changes nothing else.
    row(ines, SIGNING).get_by_role("link", name="Edit Certificate").click()
    question = ines.dialog
    question.get_by_label("Note").fill("On the card in my drawer")
    question.get_by_role("button", name="Save changes").click()
    expect(row(ines, SIGNING)).to_contain_text("On the card in my drawer")

    # A newer file in place of the present one.
    newer = tmp_path / "newer.p12"
    person = ines.stack.ines
    newer.write_bytes(mail_identity(name=person.name, email=person.email, purpose="encryption", password="newer one"))
    row(ines, ENCRYPTION).get_by_role("link", name="Edit Certificate").click()
    ines.dialog.get_by_label("Certificate to Upload").set_input_files(newer)
    ines.dialog.get_by_label("Password").fill("newer one")
    ines.dialog.get_by_role("button", name="Save changes").click()
    expect(row(ines, ENCRYPTION)).to_have_count(2)
    expect(row(ines, ENCRYPTION).last).to_contain_text("Replaced, kept so that old mail still opens")

    # Cleared: here, and in the history.
    row(ines, ENCRYPTION).first.get_by_role("link", name="Clear Private Key").click()
    ines.dialog.get_by_role("button", name="Clear Private Key").click()
    expect(page.get_by_role("status").filter(has_text="Devices that have it keep it")).to_be_visible()
    for cleared in range(2):
        expect(row(ines, ENCRYPTION).nth(cleared)).to_contain_text("Private key cleared on")
    expect(row(ines, ENCRYPTION).get_by_role("link", name="Clear Private Key")).to_have_count(0)

    # Deleted, after one look at what that means.
    row(ines, ENCRYPTION).last.get_by_role("link", name="Delete Certificate").click()
    ines.dialog.get_by_role("link", name="Keep certificate").click()
    expect(row(ines, ENCRYPTION)).to_have_count(2)
    row(ines, ENCRYPTION).last.get_by_role("link", name="Delete Certificate").click()
    ines.dialog.get_by_role("button", name="Delete Certificate").click()
    expect(row(ines, ENCRYPTION)).to_have_count(1)


@on(DESK)
def test_a_file_that_cannot_be_taken_is_refused_with_what_to_do(ines: Portal, files: Path, tmp_path: Path) -> None:
    def refused(file: Path, password: str, what: str, label: str = SIGNING) -> None:
        open_table(ines)
        question = add(ines, label, file, password)
        expect(question).to_contain_text("Nothing was stored.")
        expect(question.locator(".error")).to_contain_text(what)
        expect_good(ines.page)

    text = tmp_path / "certificate.pem"
    text.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    refused(files / "signing.p12", "not the one", "The password is not the one of this file.")
    refused(text, PASSWORD, "This is a text file (PEM) of a certificate without its private key.")
    refused(files / "encryption.p12", PASSWORD, "The certificate does not allow signing.")
    ended = tmp_path / "ended.p12"
    ended.write_bytes(
        mail_identity(name="Ines", email=ines.stack.ines.email, purpose="signing", password=PASSWORD, days=0)
    )
    refused(ended, PASSWORD, "The certificate has expired.")
    open_table(ines)
    expect(ines.page.get_by_role("heading", name="No certificate yet")).to_be_visible()


@on(DESK)
def test_a_wrong_password_is_typed_again_and_the_file_stays_chosen(ines: Portal, files: Path) -> None:
    open_table(ines)
    ines.stay()
    question = add(ines, SIGNING, files / "signing.p12", "not the one")
    expect(question.locator(".error")).to_contain_text("The password is not the one of this file.")
    expect(question.get_by_label("Password")).to_be_focused()
    ines.expect_same_document()
    question.get_by_label("Password").fill(PASSWORD)
    question.get_by_role("button", name="Upload certificate").click()
    expect(row(ines, SIGNING)).to_be_visible()


@on(DESK)
def test_a_file_that_is_too_large_is_not_sent(ines: Portal, files: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.p12"
    large.write_bytes(bytes(10_000_000))
    open_table(ines)
    question = add(ines, SIGNING, large)
    message = question.get_by_label("Certificate to Upload").evaluate("field => field.validationMessage")
    assert message.startswith("The file is larger than 64 kB")
    expect(question).to_be_visible()


@on(PHONE, DESK)
def test_a_certificate_is_taken_along_with_its_key(ines: Portal, files: Path, stack: Stack, tmp_path: Path) -> None:
    stack.do(
        "from mydevices.certificates.models import CertificateType;"
        "CertificateType.objects.filter(purpose='signing').update(key_download=True)"
    )
    open_table(ines)
    add(ines, SIGNING, files / "signing.p12")
    expect(row(ines, SIGNING)).to_be_visible()
    with ines.page.expect_download() as public:
        row(ines, SIGNING).get_by_role("link", name=re.compile(r"^Download ?:")).click()
    assert public.value.suggested_filename == "signing-certificate.cer"

    row(ines, SIGNING).get_by_role("link", name="Download with Private Key").click()
    expect_good(ines.page)
    ines.page.get_by_label("Password for the file").fill("carried along")
    ines.page.get_by_label("The same password again").fill("carried along")
    with ines.page.expect_download() as private:
        ines.page.get_by_role("button", name="Download file").click()
    taken = tmp_path / "taken.p12"
    private.value.save_as(taken)
    carried = pkcs12.open_bundle(taken.read_bytes(), "carried along")
    original = pkcs12.open_bundle((files / "signing.p12").read_bytes(), PASSWORD)
    assert (carried.key, carried.certificate, carried.chain) == (original.key, original.certificate, original.chain)


@on(PHONE, DESK_DARK)
def test_the_table_and_the_console_s_list_are_accessible_and_fit(
    ines: Portal, files: Path, visit: Visit, sessions: Sessions, stack: Stack
) -> None:
    open_table(ines)
    for label, name in ((SIGNING, "signing"), (ENCRYPTION, "encryption")):
        add(ines, label, files / f"{name}.p12")
        expect(row(ines, label)).to_be_visible()
    expect_good(ines.page)
    for question in ("Edit Certificate", "Clear Private Key", "Delete Certificate"):
        open_table(ines)
        row(ines, SIGNING).get_by_role("link", name=question).click()
        expect(ines.dialog).to_be_visible()
        expect_good(ines.page)

    console = visit(sessions.of(stack.amara))
    console.goto("/console/")
    console.get_by_role("navigation", name="Console").get_by_role("link", name="Certificates").click()
    expect(console.get_by_role("heading", name="User provided certificates")).to_be_visible()
    console.get_by_role("searchbox").fill("okafor signing")
    console.get_by_role("button", name="Show").click()
    expect(console.locator("tbody tr")).to_have_count(1)
    expect(console.locator("tbody tr")).to_contain_text("Kept, sealed")
    expect_good(console)
    with console.expect_download() as exported:
        console.get_by_role("link", name="Export list").click()
    assert exported.value.suggested_filename == "certificates.csv"


def sent(stack: Stack) -> int:
    """How many times anything was sent to a device that has to do with configurations."""
    return int(
        stack.do(
            "from mydevices.commands.models import Command;"
            "print(Command.objects.filter(parameters__has_key='installation').count())"
        )
    )


@on(DESK)
def test_what_is_uploaded_arrives_on_the_devices_while_one_looks(ines: Portal, files: Path, stack: Stack) -> None:
    phone, mac = "Post phone", "Post Mac"
    ines.register(phone)
    ines.register(mac, kind="mac", product="Mac16,1")
    until(lambda: bool(ines.simulator.find(phone)["mail_accounts"]), 30, "the account without a certificate")
    ines.simulator.act(phone, "offline")
    before = sent(stack)
    open_table(ines)
    add(ines, SIGNING, files / "signing.p12")
    expect(row(ines, SIGNING)).to_contain_text(f"On its way to {phone}")
    ines.stay()
    expect(row(ines, SIGNING)).to_contain_text(f"On {mac}", timeout=20_000)
    expect(row(ines, SIGNING)).to_contain_text("Used by Aldermoor mail")
    ines.simulator.act(phone, "online")
    expect(row(ines, SIGNING)).to_contain_text(f"On {phone}", timeout=20_000)
    ines.expect_same_document()
    (account,) = ines.simulator.find(phone)["mail_accounts"]
    assert account["signs_with"]
    assert not account["encrypts_with"]
    assert sent(stack) > before

    add(ines, ENCRYPTION, files / "encryption.p12")
    expect(row(ines, ENCRYPTION)).to_contain_text(f"On {phone}", timeout=20_000)
    expect(row(ines, ENCRYPTION)).to_contain_text(f"On {mac}", timeout=20_000)
    expect_good(ines.page)

    # Clearing and deleting send nothing, and devices keep what they have.
    settled = sent(stack)
    row(ines, SIGNING).get_by_role("link", name="Clear Private Key").click()
    ines.dialog.get_by_role("button", name="Clear Private Key").click()
    expect(row(ines, SIGNING)).to_contain_text("Private key cleared on")
    expect(row(ines, SIGNING)).to_contain_text(f"On {phone}")
    row(ines, SIGNING).get_by_role("link", name="Delete Certificate").click()
    ines.dialog.get_by_role("button", name="Delete Certificate").click()
    left = ines.page.get_by_role("region", name="Deleted here, still on your devices")
    expect(left).to_contain_text(f"On {phone}")
    assert sent(stack) == settled
    assert ines.simulator.find(phone)["mail_accounts"][0]["signs_with"]
    expect_good(ines.page)

    # Taking it off is a step of its own.
    left.get_by_role("link", name=re.compile(f"^Remove from my devices ?: {SIGNING}")).click()
    expect(ines.dialog).to_contain_text(phone)
    expect_good(ines.page)
    ines.dialog.get_by_role("button", name="Remove from my devices").click()
    until(lambda: not ines.simulator.find(phone)["mail_accounts"][0]["signs_with"], 20, "the account without it")
    assert ines.simulator.find(phone)["mail_accounts"][0]["encrypts_with"]
