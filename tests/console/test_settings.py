"""Settings: who sees them, who changes them, and what comes of it."""

import struct
import zlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from mydevices.accounts import providers
from mydevices.accounts.models import Person, Provider
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.errors import NotAllowed
from mydevices.organisation import selectors as organisation
from mydevices.organisation import services as organisation_services
from mydevices.organisation.models import Organisation
from mydevices.platforms.apple.models import PushCertificate
from tests import factories
from tests.certificates import apple
from tests.console.conftest import SignedInAs

pytestmark = pytest.mark.django_db

PAGES = ["settings", "settings_about", "settings_brand", "settings_platform"]
FORMS = ["settings_about", "settings_brand", "settings_logo", "settings_platform", "settings_platform_file"]


def address(page: str) -> str:
    return reverse(f"console:{page}", args=["apple"] if "platform" in page else [])


PROVIDER = {
    "name": "Aldermoor ID",
    "id": "aldermoor",
    "issuer": "https://login.aldermoor.example",
    "client_id": "mydevices",
    "secret": "between the two",
    "groups_claim": "groups",
    "groups": "0f3a = Finance\n\n9b1c=Engineering",
    "is_enabled": "on",
    "makes_people": "on",
}


def png(width: int = 64, height: int = 28) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x1b\x54\xc0" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def file(content: bytes, name: str = "logo.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("role", "status"), [("administrator", 200), ("auditor", 200), ("helpdesk", 403), ("person", 403)]
)
def test_administrators_and_auditors_see_the_settings(
    sign_in_as: SignedInAs, page: str, role: str, status: int
) -> None:
    assert sign_in_as(role).get(address(page)).status_code == status


@pytest.mark.parametrize("page", [*PAGES, "settings_provider_new"])
def test_a_visitor_is_asked_to_sign_in(client: Client, page: str) -> None:
    assert client.get(address(page))["Location"].startswith("/sign-in")


@pytest.mark.parametrize("page", FORMS)
@pytest.mark.parametrize("role", ["auditor", "helpdesk", "person"])
def test_nobody_but_administrators_changes_them(sign_in_as: SignedInAs, page: str, role: str) -> None:
    answer = sign_in_as(role).post(
        address(page),
        {
            "name": "Theirs",
            "own_accent": "on",
            "accent": "#ff0000",
            "language": "en-gb",
            "logo": file(png()),
            "remove": "1",
            "certificate": file(b"-", "push.pem"),
        },
    )
    assert answer.status_code == 403
    assert not Organisation.objects.filter(name="Theirs").exists()
    assert not PushCertificate.objects.exists()
    assert not Entry.objects.filter(verb=Verb.SETTINGS_CHANGED).exists()


@pytest.mark.parametrize("page", ["settings_logo", "settings_platform_file"])
def test_what_only_changes_is_only_posted(administrator: Client, page: str) -> None:
    assert administrator.get(address(page)).status_code == 405


def test_the_name_and_the_helpdesk_are_changed_and_recorded(administrator: Client) -> None:
    answer = administrator.post(reverse("console:settings_about"), {"name": "Aldermoor", "helpdesk_phone": "+44 20 1"})
    assert answer.status_code == 303
    organisation.forget()
    assert "Aldermoor" in administrator.get(reverse("portal:devices")).content.decode()
    assert Entry.objects.get(verb=Verb.SETTINGS_CHANGED).details == {"organisation": "Aldermoor"}


def test_a_name_is_needed(administrator: Client) -> None:
    assert administrator.post(reverse("console:settings_about"), {"name": " "}).status_code == 400


def test_a_colour_of_ones_own_reaches_every_page(administrator: Client) -> None:
    administrator.post(
        reverse("console:settings_brand"), {"own_accent": "on", "accent": "#E07A00", "language": "en-gb"}
    )
    organisation.forget()
    page = administrator.get(reverse("portal:devices")).content.decode()
    assert "/brand/e07a00.css" in page
    sheet = Client().get("/brand/e07a00.css")
    assert sheet["Content-Type"] == "text/css; charset=utf-8"
    assert "--accent-fill" in sheet.content.decode()
    assert Client().get("/brand/00ff00.css").status_code == 404
    administrator.post(reverse("console:settings_brand"), {"accent": "#E07A00", "language": "en-gb"})
    organisation.forget()
    assert "/brand/" not in administrator.get(reverse("portal:devices")).content.decode()


@pytest.mark.parametrize("accent", ["red", "#12", "#1b54c0;}"])
def test_a_colour_that_is_none_is_refused_in_words(administrator: Client, accent: str) -> None:
    values = {"own_accent": "on", "accent": accent[:7], "language": "en-gb"}
    answer = administrator.post(reverse("console:settings_brand"), values)
    if accent[:7] == "#1b54c0":
        assert answer.status_code == 303
    else:
        assert answer.status_code == 400
        assert "A colour is #" in answer.content.decode()


def test_a_logo_stands_on_the_sign_in_page_and_goes_again(administrator: Client) -> None:
    picture = png()
    assert administrator.post(reverse("console:settings_logo"), {"logo": file(picture)}).status_code == 303
    organisation.forget()
    version = organisation.current().logo_version
    assert f"/brand/{version}.png" in Client().get(reverse("account_login")).content.decode()
    served = Client().get(f"/brand/{version}.png")
    assert (served.content, served["Content-Type"]) == (picture, "image/png")
    assert Client().get("/brand/0123456789ab.png").status_code == 404
    administrator.post(reverse("console:settings_logo"), {"remove": "1"})
    organisation.forget()
    assert Client().get(f"/brand/{version}.png").status_code == 404


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<svg onload='alert(1)'/>", "must be a PNG"),
        (b"\x89PNG\r\n\x1a\n", "must be a PNG"),
        (png(1201, 1), "pixels"),
        (png() + b"\0" * 200 * 1024, "no larger than 200 kB"),
        (b"", "empty"),
    ],
)
def test_a_logo_that_is_none_is_refused_in_words(administrator: Client, content: bytes, reason: str) -> None:
    answer = administrator.post(reverse("console:settings_logo"), {"logo": file(content)})
    assert answer.status_code == 400
    assert reason in answer.content.decode()
    assert not Organisation.objects.exclude(logo=None).exists()


def test_the_verbs_refuse_whoever_the_pages_would_not_have_let_in() -> None:
    actor = factories.actor(factories.person(role=Person.Role.HELPDESK))
    with pytest.raises(NotAllowed):
        organisation_services.describe(actor=actor, name="Theirs")
    with pytest.raises(NotAllowed):
        organisation_services.brand(actor=actor, accent="", language="")
    with pytest.raises(NotAllowed):
        organisation_services.show_logo(actor=actor, png=None)


# The push certificate


def test_a_request_is_made_and_what_apple_answers_is_installed(administrator: Client) -> None:
    made = administrator.post(reverse("console:settings_platform_file", args=["apple"]))
    assert made["Content-Disposition"] == 'attachment; filename="mydevices-push.csr"'
    public = x509.load_pem_x509_csr(made.content).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    certificate = apple.pem(apple.authority().push_certificate(public))
    answer = administrator.post(
        reverse("console:settings_platform", args=["apple"]), {"certificate": file(certificate, "push.pem")}
    )
    assert answer.status_code == 303
    assert PushCertificate.objects.get().installed_at is not None
    assert "Valid until" in administrator.get(reverse("console:settings")).content.decode()


def test_a_file_that_is_no_certificate_is_refused_in_words(administrator: Client) -> None:
    answer = administrator.post(
        reverse("console:settings_platform", args=["apple"]), {"certificate": file(b"no certificate", "a.pem")}
    )
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()


# Providers


def test_a_provider_is_added_changed_and_removed(administrator: Client) -> None:
    assert administrator.post(reverse("console:settings_provider_new"), PROVIDER).status_code == 303
    row = Provider.objects.get()
    assert row.group_names == {"0f3a": "Finance", "9b1c": "Engineering"}
    assert providers.secret_of(row) == "between the two"
    page = administrator.get(reverse("console:settings_provider", args=["aldermoor"])).content.decode()
    assert "/sign-in/with/aldermoor/back" in page
    assert "between the two" not in page
    changed = {**PROVIDER, "name": "Aldermoor account", "secret": ""}
    assert administrator.post(reverse("console:settings_provider", args=["aldermoor"]), changed).status_code == 303
    row.refresh_from_db()
    assert (row.name, providers.secret_of(row)) == ("Aldermoor account", "between the two")
    assert administrator.post(reverse("console:settings_provider_remove", args=["aldermoor"])).status_code == 303
    assert not Provider.objects.exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"issuer": "http://login.aldermoor.example"}, "https://"),
        ({"groups": "nonsense"}, "is not “value = group”"),
        ({"id": "with space"}, "valid"),
    ],
)
def test_a_provider_that_will_not_do_is_refused_in_words(
    administrator: Client, changes: dict[str, str], reason: str
) -> None:
    answer = administrator.post(reverse("console:settings_provider_new"), {**PROVIDER, **changes})
    assert answer.status_code == 400
    assert reason in answer.content.decode()
    assert not Provider.objects.exists()


@pytest.mark.parametrize("role", ["auditor", "helpdesk", "person"])
def test_nobody_but_administrators_touches_providers(sign_in_as: SignedInAs, role: str) -> None:
    browser = sign_in_as(role)
    assert browser.post(reverse("console:settings_provider_new"), PROVIDER).status_code == 403
    assert browser.get(reverse("console:settings_provider", args=["aldermoor"])).status_code == 403
    assert browser.post(reverse("console:settings_provider_remove", args=["aldermoor"])).status_code == 403
    assert not Provider.objects.exists()


def test_a_provider_that_is_not_there_is_not_found(administrator: Client) -> None:
    assert administrator.get(reverse("console:settings_provider", args=["nobody"])).status_code == 404
    assert administrator.post(reverse("console:settings_provider_remove", args=["nobody"])).status_code == 404
