"""Configurations in the console: made, changed, seen on devices, sent again, deleted."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.certificates.models import CertificateType
from mydevices.configurations import portal_clip
from mydevices.configurations.kinds.email import Email
from mydevices.configurations.kinds.exchange import Exchange
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.kinds.web_clip import WebClip
from mydevices.configurations.models import Configuration, Installation, SharedIdentity
from mydevices.configurations.selectors import identifier
from mydevices.console.configuration_forms import FORMS
from mydevices.devices.models import Channel
from tests import factories
from tests.certificates.identities import identity_for, uploaded
from tests.console.conftest import SignedInAs
from tests.console.test_policy_kinds import PRIVACY

pytestmark = pytest.mark.django_db

INDEX = "console:configurations"
PNG = b"\x89PNG\r\n\x1a\n and more"
CLIP = {
    "name": "Intranet",
    "enabled": "on",
    "label": "Intranet",
    "url": "https://in.example/$USERNAME",
    "to": "everyone",
}


def new(kind: str) -> str:
    return reverse("console:configurations_new", args=[kind])


def at(name: str, one: Configuration) -> str:
    return reverse(f"console:configurations_{name}", args=[one.id])


def text(answer: Any) -> str:
    return str(answer.content.decode())


def form_of(kind: str, **values: object) -> dict[str, object]:
    """What a browser sends for the form as it begins, with these values."""
    form = FORMS[kind]()
    begins = FORMS[kind].kind().stored()
    sent: dict[str, object] = {"name": f"A {kind}", "enabled": "on", "to": "everyone"}
    for name in form.fields:
        value = begins.get(name)
        if isinstance(value, bool):
            sent |= {name: "on"} if value else {}
        elif value is not None:
            sent[name] = str(value)
    sent |= values
    return {name: value for name, value in sent.items() if value is not None}


@pytest.fixture
def clip(administrator: Client) -> Configuration:
    administrator.post(new("web_clip"), {**CLIP, "icon": SimpleUploadedFile("icon.png", PNG)})
    return Configuration.objects.get()


def test_the_first_page_guides_and_puts_the_portal_on_home_screens_with_one_click(administrator: Client) -> None:
    page = text(administrator.get(reverse(INDEX)))
    assert "Nothing is sent to devices yet. Begin with one of these:" in page
    for kind in FORMS:
        assert new(kind) in page
    answer = administrator.post(reverse("console:configurations_portal"))
    made = Configuration.objects.get()
    assert answer["Location"] == at("one", made)
    values = WebClip.read(made.values)
    assert (values.label, values.url.startswith("http"), made.assigned_to) == ("My Devices", True, "everyone")
    administrator.post(reverse("console:configurations_portal"))
    assert Configuration.objects.count() == 1
    assert "This portal as a web clip" not in text(administrator.get(reverse(INDEX)))


def test_a_web_clip_is_made_seen_changed_and_keeps_its_icon(administrator: Client, clip: Configuration) -> None:
    assert WebClip.read(clip.values) == WebClip(label="Intranet", url="https://in.example/$USERNAME", removable=False)
    assert bytes(clip.icon or b"") == PNG
    page = text(administrator.get(at("one", clip)))
    assert "https://in.example/$USERNAME" in page
    assert at("icon", clip) in page
    icon = administrator.get(at("icon", clip))
    assert (icon.content, icon["Content-Type"]) == (PNG, "image/png")
    assert 'value="https://in.example/$USERNAME"' in text(administrator.get(at("edit", clip)))
    administrator.post(at("edit", clip), {**CLIP, "label": "Home", "full_screen": "on"})
    clip.refresh_from_db()
    assert (WebClip.read(clip.values).label, WebClip.read(clip.values).full_screen) == ("Home", True)
    assert bytes(clip.icon or b"") == PNG
    administrator.post(at("edit", clip), {**CLIP, "no_icon": "on"})
    clip.refresh_from_db()
    assert clip.icon is None
    assert administrator.get(at("icon", clip)).status_code == 404
    assert Entry.objects.filter(verb=Verb.CONFIGURATION_CHANGED).count() == 2


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("web_clip", {"name": ""}, "This field is required"),
        ("web_clip", {"url": "no address"}, "An address begins with https://"),
        ("web_clip", {"label": "a\x07b"}, "label"),
        ("web_clip", {"icon": SimpleUploadedFile("a.png", b"GIF89a")}, "must be a PNG picture"),
        ("web_clip", {"to": "groups"}, "at least one group"),
        ("exchange", {"host": ""}, "server"),
        ("exchange", {"host": "https://mail.example"}, "no https://"),
        ("exchange", {"host": "mail.example", "port": "70000"}, "65535"),
        ("exchange", {"host": "mail.example", "smime_signing": "on"}, "Choose a certificate"),
        ("exchange", {"host": "mail.example", "signing_type": "elsewhere"}, "valid choice"),
        ("email", {"incoming_host": ""}, "This field is required"),
        ("identity_certificate", {"delete_key_after": "31"}, "30"),
        ("identity_certificate", {"source": "single_file"}, "Choose the file"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(
    administrator: Client, kind: str, values: dict[str, object], said: str
) -> None:
    begin = {"label": "Home", "url": "https://a.example"} if kind == "web_clip" else {}
    answer = administrator.post(new(kind), form_of(kind, **{**begin, **values}))
    assert answer.status_code == 400
    assert said in text(answer)
    assert not Configuration.objects.exists()


def test_a_type_and_accounts_that_use_it_are_made_by_their_forms(administrator: Client) -> None:
    administrator.post(new("identity_certificate"), form_of("identity_certificate", name="Signing", purpose="signing"))
    of = Configuration.objects.get()
    assert IdentityCertificate.read(of.values) == IdentityCertificate(purpose="signing")
    signed = {"smime_signing": "on", "signing_type": str(of.id)}
    administrator.post(new("exchange"), form_of("exchange", name="Mail", host="mail.example", **signed))
    exchange = Exchange.read(Configuration.objects.get(kind="exchange").values)
    assert exchange == Exchange(host="mail.example", smime_signing=True, signing_type=str(of.id))
    answer = administrator.post(
        new("email"), form_of("email", name="Imap", incoming_host="in.example", outgoing_host="out.example", **signed)
    )
    assert answer.status_code == 303, text(answer)
    email = Email.read(Configuration.objects.get(kind="email").values)
    assert email == Email(
        incoming_host="in.example", outgoing_host="out.example", smime_signing=True, signing_type=str(of.id)
    )
    page = text(administrator.get(at("one", of)))
    assert "Used by" in page
    assert "Imap" in page
    assert "<bdi>Signing</bdi>" in text(administrator.get(at("one", Configuration.objects.get(kind="exchange"))))
    refused = administrator.post(at("delete", of))
    assert refused.status_code == 409
    assert "It is used by" in text(refused)
    wrong = form_of("exchange", name="Other", host="m.example", smime_encryption="on", encryption_type=str(of.id))
    assert administrator.post(new("exchange"), wrong).status_code == 400


def test_a_single_file_is_opened_kept_sealed_and_a_wrong_password_is_said(administrator: Client) -> None:
    data = identity_for(factories.person()).exported("right")
    form = form_of("identity_certificate", name="Shared", source="single_file", purpose="both")

    def sent(password: str) -> Any:
        file = SimpleUploadedFile("shared.p12", data)
        return administrator.post(new("identity_certificate"), {**form, "file": file, "password": password})

    wrong = sent("wrong")
    assert wrong.status_code == 400
    assert "password" in text(wrong)
    assert not Configuration.objects.exists()
    assert sent("right").status_code == 303
    kept = SharedIdentity.objects.get()
    assert kept.configuration.name == "Shared"
    assert not CertificateType.objects.exists()
    # Without another file the present one stays.
    administrator.post(at("edit", kept.configuration), form | {"name": "Everybody’s"})
    assert SharedIdentity.objects.get().fingerprint == kept.fingerprint
    assert Configuration.objects.get().name == "Everybody’s"


def test_certificates_that_people_uploaded_go_with_a_type_only_when_that_is_meant(administrator: Client) -> None:
    administrator.post(new("identity_certificate"), form_of("identity_certificate", name="Both"))
    of = Configuration.objects.get()
    uploaded(factories.person("Ines Okafor"), CertificateType.objects.get(id=of.id))
    assert "Delete the 1 certificate that somebody uploaded for it" in text(administrator.get(at("delete", of)))
    assert administrator.post(at("delete", of)).status_code == 409
    answer = administrator.post(at("delete", of), {"certificates": "1"})
    assert answer["Location"] == reverse(INDEX)
    assert not Configuration.objects.exists()


def installed(clip: Configuration, state: str, reason: str = "") -> Installation:
    device = factories.device(factories.person("Ines Okafor"), name="Ines’s iPhone")
    channel = Channel.objects.get(registration=device.registration, kind="device")
    return Installation.objects.create(
        configuration=clip, channel=channel, identifier=identifier(clip.id), name=clip.name, state=state, reason=reason,
        digest="x", changed_at=timezone.now(),
    )  # fmt: skip


def test_each_device_stands_there_with_the_reason_it_gave_and_is_sent_it_again(
    administrator: Client, clip: Configuration
) -> None:
    failed = installed(clip, "failed", "The profile is damaged.")
    page = text(administrator.get(at("one", clip)))
    assert "Ines’s iPhone" in page
    assert "The profile is damaged." in page
    assert "?state=failed" in text(administrator.get(reverse(INDEX)))
    assert "Ines’s iPhone" not in text(administrator.get(at("one", clip) + "?state=installed"))
    assert "Ines’s iPhone" in text(administrator.get(at("now", clip) + "?q=okafor&state=failed"))
    said = administrator.post(at("retry", clip), {"installation": str(failed.pk)}, follow=True)
    assert "It is sent to 1 device again." in text(said)
    failed.refresh_from_db()
    assert failed.state != Installation.State.FAILED
    assert Entry.objects.filter(verb=Verb.INSTALLATION_RETRIED).count() == 1
    for chosen in ("", "9" * 30, "x", str(failed.pk)):
        again = administrator.post(at("retry", clip), {"installation": chosen}, follow=True)
        assert "Nothing has failed" in text(again)


def test_a_page_costs_the_same_however_many_devices_there_are(administrator: Client, clip: Configuration) -> None:
    def statements(address: str) -> int:
        administrator.get(address)
        with CaptureQueriesContext(connection) as queries:
            administrator.get(address)
        return len(queries)

    installed(clip, "installed")
    few = [statements(address) for address in (reverse(INDEX), at("one", clip))]
    for state in ("pending", "failed", "removed"):
        installed(clip, state)
    assert [statements(address) for address in (reverse(INDEX), at("one", clip))] == few


def test_the_form_counts_whom_it_reaches_before_it_is_saved(administrator: Client) -> None:
    factories.device(factories.person("Ines Okafor"))
    answer = administrator.post(reverse("console:configurations_reach"), {"to": "everyone"})
    assert "1 managed device" in text(answer)
    counted = administrator.post(new("web_clip"), {**CLIP, "to": "nobody", "count": "1"})
    assert "0 managed devices" in text(counted)
    assert not Configuration.objects.exists()


def test_who_may_not_change_them_reads_them(sign_in_as: SignedInAs, clip: Configuration) -> None:
    browser = sign_in_as("auditor")
    assert "Intranet" in text(browser.get(reverse(INDEX)))
    assert "Begin with" not in text(browser.get(reverse(INDEX)))
    page = text(browser.get(at("one", clip)))
    assert at("edit", clip) not in page
    assert at("delete", clip) not in page
    assert browser.get(at("edit", clip)).status_code == 403
    assert browser.post(at("retry", clip)).status_code == 403


def put(of: Configuration, state: str, *, name: str = "Red phone", reason: str = "") -> Installation:
    return Installation.objects.create(
        configuration=of,
        channel=factories.channel(factories.device(factories.person(f"Owner of {name}"), name=name)),
        identifier=identifier(of.id),
        name=of.name,
        state=state,
        reason=reason,
        changed_at=timezone.now(),
    )


def test_all_that_failed_is_sent_again_at_once(administrator: Client, clip: Configuration) -> None:
    failed = [put(clip, Installation.State.FAILED, name=f"Phone {number}", reason="No room.") for number in range(2)]
    there = put(clip, Installation.State.INSTALLED)
    answer = administrator.post(at("retry", clip), follow=True)
    assert "It is sent to 2 devices again." in text(answer)
    for row in failed:
        row.refresh_from_db()
        assert (row.state, row.reason) == (Installation.State.PENDING, "")
    there.refresh_from_db()
    assert there.state == Installation.State.INSTALLED
    (entry,) = Entry.objects.filter(verb=Verb.INSTALLATION_RETRIED)
    assert entry.details["devices"] == 2
    assert "Nothing has failed" in text(administrator.post(at("retry", clip), follow=True))


def test_a_device_lists_what_it_is_sent_and_sends_again_what_failed(administrator: Client, clip: Configuration) -> None:
    row = put(clip, Installation.State.FAILED, reason="The profile is not acceptable.")
    device = reverse("console:devices_one", args=[row.channel.registration.device_id])
    shown = text(administrator.get(device))
    assert "The profile is not acceptable." in shown
    assert at("retry", clip) in shown
    assert administrator.post(at("retry", clip), {"installation": str(row.id), "device": "1"})["Location"] == device
    row.refresh_from_db()
    assert row.state == Installation.State.PENDING
    assert at("retry", clip) not in text(administrator.get(device))


def test_the_list_is_searched_and_counts_each_of_its_rows(administrator: Client, clip: Configuration) -> None:
    put(clip, Installation.State.INSTALLED, name="Red phone")
    put(clip, Installation.State.FAILED, name="Blue phone")
    found = administrator.get(f"{reverse(INDEX)}?q=intra")
    (row,) = found.context["rows"]
    assert (row["tally"].installed, row["tally"].pending, row["tally"].failed) == (1, 0, 1)
    assert "No configuration fits." in text(administrator.get(f"{reverse(INDEX)}?q=nothing"))
    assert not administrator.get(f"{reverse(INDEX)}?kind=exchange").context["rows"]


def test_the_portals_icon_has_the_organisations_colour() -> None:
    icon = portal_clip.picture("#336699")
    assert icon.startswith(b"\x89PNG\r\n\x1a\n")
    assert icon != portal_clip.picture("#996633")


@pytest.mark.parametrize(
    ("name", "kind", "form", "verb", "label"),
    [
        ("console:configurations_new", "web_clip", CLIP, Verb.CONFIGURATION_CREATED, "Full screen: "),
        ("console:policies_new", "privacy", PRIVACY, Verb.POLICY_CREATED, "Location: "),
    ],
)
def test_the_audit_speaks_one_language_whoever_decides(
    administrator: Client, name: str, kind: str, form: dict[str, str], verb: Verb, label: str
) -> None:
    Person.objects.update(language="de")
    assert administrator.post(reverse(name, args=[kind]), form).status_code == 303
    assert "Konfigurationen" in text(administrator.get(reverse(INDEX)))
    assert label in str(Entry.objects.get(verb=verb).details["decided"])
