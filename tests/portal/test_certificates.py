"""My Certificates: what a person sees, uploads, changes, clears, deletes and takes along."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.audit.models import Entry
from mydevices.certificates.models import Certificate, CertificateType
from mydevices.commands.models import Command
from mydevices.configurations import services as configurations
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.models import Installation
from mydevices.configurations.selectors import identifier
from mydevices.devices.assignment import Assignment, To
from mydevices.organisation import services as organisation
from mydevices.protocols.pki import pkcs12
from tests import factories, smime
from tests.certificates.identities import PASSWORD, SYSTEM, identity_for, type_for, uploaded
from tests.confirming import is_asked
from tests.portal.conftest import SignedIn

pytestmark = pytest.mark.django_db

TABLE = "portal:certificates"


@pytest.fixture
def browser(sign_in: SignedIn, ines: Person) -> Client:
    return sign_in(ines)


def add(browser: Client, of: CertificateType, data: bytes, password: str = PASSWORD, **more: str) -> tuple[int, str]:
    form = {"type": str(of.id), "file": SimpleUploadedFile("mine.p12", data), "password": password, **more}
    answer = browser.post(reverse("portal:certificate_add"), form, follow=True)
    return answer.status_code, text(answer.content)


def text(content: bytes) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", content.decode()).split())


def table(browser: Client) -> str:
    answer = browser.get(reverse(TABLE))
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    return text(answer.content)


def address(name: str, certificate: Certificate) -> str:
    return reverse(f"portal:certificate_{name}", args=[certificate.id])


def test_without_a_type_the_page_says_whom_to_ask(browser: Client) -> None:
    organisation.describe(
        actor=SYSTEM, name="Aldermoor", helpdesk_name="The desk", helpdesk_phone="", helpdesk_email="desk@a.example"
    )
    shown = table(browser)
    assert "Aldermoor has not set up any type of certificate" in shown
    assert "Questions go to The desk: desk@a.example." in shown
    assert "Add Certificate" not in shown
    assert browser.get(reverse("portal:certificate_add")).status_code == 303


def test_a_certificate_is_added_and_stands_in_the_table(browser: Client, ines: Person) -> None:
    of = type_for("signing")
    assert "No certificate yet" in table(browser)
    status, shown = add(browser, of, identity_for(ines).exported(PASSWORD))
    assert status == 200
    assert "“Signing certificate” is uploaded." in shown
    row = shown.partition("Actions")[2]
    assert re.search(rf"Signing certificate {re.escape(ines.email)} Aldermoor Mail ", row)
    assert "in 11 months" in row
    assert "Private key kept here" in row
    for action in ("Edit Certificate", "Clear Private Key", "Delete Certificate", "Download"):
        assert f"{action} : Signing certificate" in row
    assert "Download with Private Key" not in row


@pytest.mark.parametrize(
    ("file", "password", "field", "said"),
    [
        ("right", "wrong", "password", "The password is not the one of this file."),
        ("pem", PASSWORD, "file", "This is a text file (PEM) of a certificate without its private key."),
        ("empty", PASSWORD, "file", "The file is empty."),
        ("large", PASSWORD, "file", "The file is larger than 64 kB"),
        ("encryption", PASSWORD, "file", "The certificate does not allow signing."),
        ("expired", PASSWORD, "file", "The certificate has expired."),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_at_its_field(
    browser: Client, ines: Person, file: str, password: str, field: str, said: str
) -> None:
    of = type_for("signing")
    data = {
        "right": identity_for(ines).exported(PASSWORD),
        "pem": b"-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n",
        "empty": b"",
        "large": bytes(100_000),
        "encryption": identity_for(ines, key_usage=smime.ENCRYPTION).exported(PASSWORD),
        "expired": identity_for(ines, not_after=timezone.now() - timedelta(days=1)).exported(PASSWORD),
    }[file]
    form = {"type": str(of.id), "file": SimpleUploadedFile("mine.p12", data), "password": password}
    answer = browser.post(reverse("portal:certificate_add"), form)
    assert answer.status_code == 400
    assert [said in error for error in answer.context["form"].errors[field]] == [True]
    assert set(answer.context["form"].errors) == {field}
    assert "Nothing was stored." in text(answer.content)
    assert PASSWORD not in answer.content.decode()
    assert not Certificate.objects.exists()


def test_a_type_that_is_gone_or_none_and_a_missing_file_are_said(browser: Client) -> None:
    type_for("signing")
    answer = browser.post(reverse("portal:certificate_add"), {"type": "nothing"})
    assert answer.status_code == 400
    assert set(answer.context["form"].errors) == {"type", "file"}


def test_a_warning_is_shown_once_stored_and_stays_in_the_row(browser: Client, ines: Person, stranger: Person) -> None:
    of = type_for("both")
    _status, shown = add(browser, of, identity_for(stranger).exported(PASSWORD))
    assert shown.count("The certificate is for another e-mail address than yours.") == 2
    assert "another e-mail address" in table(browser)


def test_a_replaced_encryption_certificate_is_listed_below(browser: Client, ines: Person) -> None:
    of = type_for("encryption")
    first = uploaded(ines, of).certificate
    assert "Encryption certificate (replaces the present one)" in text(
        browser.get(reverse("portal:certificate_add")).content
    )
    _status, shown = add(browser, of, identity_for(ines).exported(PASSWORD))
    assert "is replaced. The former one stays below, for old mail." in shown
    assert "Replaced, kept so that old mail still opens" in shown
    page = browser.get(address("edit", first))
    assert set(page.context["form"].fields) == {"note"}


def test_edit_changes_the_note_or_replaces_the_file(browser: Client, ines: Person) -> None:
    of = type_for("signing")
    certificate = uploaded(ines, of).certificate
    answer = browser.post(address("edit", certificate), {"note": "on my card"}, follow=True)
    assert "The note is saved. Nothing was sent to your devices." in text(answer.content)
    assert "Note: on my card" in text(answer.content)
    wrong = browser.post(address("edit", certificate), {"note": "x", "file": SimpleUploadedFile("a.p12", b"no")})
    assert wrong.status_code == 400
    assert Certificate.objects.get().note == "on my card"
    file = SimpleUploadedFile("new.p12", identity_for(ines).exported(PASSWORD))
    form = {"note": "", "file": file, "password": PASSWORD}
    answer = browser.post(address("edit", certificate), form, follow=True)
    assert "“Signing certificate” is replaced." in text(answer.content)
    assert Certificate.objects.get().note == ""


def test_clear_says_what_goes_and_what_stays_and_does_it_on_request(browser: Client, ines: Person) -> None:
    certificate = uploaded(ines, type_for("encryption")).certificate
    shown = text(browser.get(address("clear", certificate)).content)
    assert "The private keys of those that it replaced" in shown
    assert "What your devices have" in shown
    assert Certificate.objects.get().has_key, "A page may be opened by looking."
    shown = text(browser.post(address("clear", certificate), follow=True).content)
    assert "Devices that have it keep it." in shown
    assert "Private key cleared on" in shown
    assert "Clear Private Key : " not in shown
    assert browser.get(address("clear", certificate)).status_code == 303


def test_delete_says_what_goes_and_what_stays_and_does_it_on_request(browser: Client, ines: Person) -> None:
    certificate = uploaded(ines, type_for("encryption")).certificate
    shown = text(browser.get(address("delete", certificate)).content)
    assert "Mail that was encrypted to it opens only where its private key is." in shown
    assert Certificate.objects.exists()
    shown = text(browser.post(address("delete", certificate), follow=True).content)
    assert "The certificate is gone from here. Devices that have it keep it." in shown
    assert browser.get(address("edit", certificate)).status_code == 404


def test_the_public_part_is_downloaded(browser: Client, ines: Person) -> None:
    certificate = uploaded(ines, type_for("signing")).certificate
    answer = browser.get(address("file", certificate))
    assert answer.content == bytes(certificate.der)
    assert answer["Content-Disposition"] == 'attachment; filename="signing-certificate.cer"'
    assert answer["Content-Type"] == "application/pkix-cert"


def test_the_private_key_is_downloaded_under_a_password_of_ones_own(browser: Client, ines: Person) -> None:
    certificate = uploaded(ines, type_for("signing", key_download=True)).certificate
    assert "Download with Private Key" in table(browser)
    answer = browser.post(address("take", certificate), {"password": "only mine 7", "again": "only mine 7"})
    assert answer["Content-Type"] == "application/x-pkcs12"
    assert "no-store" in answer["Cache-Control"]
    assert pkcs12.open_bundle(answer.content, "only mine 7").certificate == bytes(certificate.der)
    for form in ({"password": "short", "again": "short"}, {"password": "only mine 7", "again": "only mine 8"}, {}):
        assert browser.post(address("take", certificate), form).status_code == 400
    assert Entry.objects.filter(verb="certificate.downloaded").count() == 1


def test_the_private_key_takes_a_fresh_proof_and_the_administrator_s_leave(
    sign_in: SignedIn, browser: Client, ines: Person
) -> None:
    kept = uploaded(ines, type_for("signing")).certificate
    given = uploaded(ines, type_for("both", key_download=True)).certificate
    form = {"password": "only mine 7", "again": "only mine 7"}
    stale = sign_in(ines, ago=timedelta(minutes=6))
    assert stale.get(address("take", given))["Location"].startswith(reverse("account_reauthenticate"))
    assert is_asked(stale.post(address("take", given), form))
    for answer in (browser.get(address("take", kept)), browser.post(address("take", kept), form)):
        assert answer["Location"] == reverse(TABLE)
    assert not Entry.objects.filter(verb="certificate.downloaded").exists()


@pytest.mark.parametrize("name", ["edit", "clear", "delete", "file", "take"])
def test_nobody_else_finds_a_certificate(sign_in: SignedIn, ines: Person, stranger: Person, name: str) -> None:
    certificate = uploaded(ines, type_for("signing", key_download=True)).certificate
    theirs = sign_in(stranger)
    assert theirs.get(address(name, certificate)).status_code == 404
    assert theirs.post(address(name, certificate)).status_code in {404, 405}
    assert ines.email not in table(theirs)
    assert Client().get(address(name, certificate)).status_code in {302, 303}
    assert Certificate.objects.get().has_key


@pytest.mark.parametrize("name", ["add", "edit", "clear", "delete"])
def test_a_question_opens_in_a_dialog_and_leads_on(browser: Client, ines: Person, name: str) -> None:
    certificate = uploaded(ines, type_for("signing")).certificate
    url = reverse("portal:certificate_add") if name == "add" else address(name, certificate)
    answer = browser.get(url, headers={"X-Dialog": "1"})
    assert answer["X-Dialog"] == "1"
    assert b"<html" not in answer.content
    assert b"data-close" in answer.content
    if name in {"clear", "delete"}:
        done = browser.post(url, headers={"X-Dialog": "1"})
        assert (done.status_code, done["X-Go"]) == (204, reverse(TABLE))


# --- on devices


def on_phone(person: Person, certificate: Certificate, state: str, reason: str = "") -> Installation:
    """This certificate in a profile on a phone of theirs."""
    return Installation.objects.create(
        channel=factories.channel(factories.device(person)),
        identifier=identifier(certificate.type_id, certificate.id),
        state=state,
        reason=reason,
        sent_digest="x",
        carried={str(certificate.type_id): certificate.fingerprint},
        changed_at=timezone.now(),
    )


@pytest.mark.parametrize(
    ("state", "said", "is_live"),
    [
        ("installed", "On Ines’s iPhone", False),
        ("pending", "On its way to Ines’s iPhone", True),
        ("removing", "Being removed from Ines’s iPhone", True),
        ("failed", "Not installed on Ines’s iPhone: The keychain is full.", False),
        ("removed", "On none of your devices", False),
    ],
)
def test_the_table_says_how_it_is_on_each_device(
    browser: Client, ines: Person, state: str, said: str, is_live: bool
) -> None:
    one = uploaded(ines, type_for("signing")).certificate
    on_phone(ines, one, state, "The keychain is full.")
    assert said in table(browser)
    part = browser.get(reverse("portal:certificates_now"))
    assert said in text(part.content)
    assert (b"hx-trigger" in part.content) == is_live


def test_what_was_deleted_here_is_offered_to_be_taken_off_the_devices(browser: Client, ines: Person) -> None:
    of = configurations.create(
        actor=SYSTEM, name="Mail", values=IdentityCertificate(), assignment=Assignment(to=To.EVERYONE)
    )
    one = uploaded(ines, CertificateType.objects.get(id=of.id)).certificate
    row = on_phone(ines, one, "installed")
    browser.post(address("delete", one))
    assert "Deleted here, still on your devices Mail On Ines’s iPhone Remove from my devices" in table(browser)
    where = reverse("portal:certificate_withdraw", args=[of.id, one.fingerprint])
    assert "Removed from Ines’s iPhone" in text(browser.get(where).content)
    assert not Command.objects.exists()
    answer = browser.post(where, follow=True)
    assert "Being removed from Ines’s iPhone" in text(answer.content)
    assert Command.objects.get().parameters == {"installation": row.pk}


def test_nobody_else_takes_it_off(browser: Client, ines: Person) -> None:
    other = factories.person("Ada Lund")
    one = uploaded(other, type_for("signing")).certificate
    on_phone(other, one, "installed")
    where = reverse("portal:certificate_withdraw", args=[one.type_id, one.fingerprint])
    assert (browser.get(where).status_code, browser.post(where).status_code) == (404, 404)
    assert Client().post(where).status_code == 302
    assert not Command.objects.exists()


def test_a_file_that_is_something_else_is_refused_by_its_content(browser: Client) -> None:
    form = {"type": str(type_for("signing").id), "file": SimpleUploadedFile("mine.exe", b"MZ"), "password": PASSWORD}
    answer = browser.post(reverse("portal:certificate_add"), form)
    assert answer.status_code == 400
    assert "PKCS #12" in answer.content.decode()
    assert not Certificate.objects.exists()
