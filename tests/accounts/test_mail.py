"""Mails as they are written: every notice, in every language, as text and as HTML, and as bytes."""

import email
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.template import engines
from django.template.backends.django import DjangoTemplates
from django.urls import reverse
from hypothesis import assume, given
from hypothesis import strategies as st
from pytest_django import Settings

from mydevices.accounts import mail, services
from mydevices.accounts.mail import Mail, Reader
from mydevices.accounts.notices import FACTS, OPTIONAL, Notice
from mydevices.audit.actor import Actor
from mydevices.organisation import colour
from mydevices.organisation import selectors as organisation
from mydevices.organisation import services as organisation_services
from tests import factories

SAMPLES: dict[str, str | int] = {
    "provider": "Okta",
    "secret_link": "https://devices.example.org/somewhere/tQ7-_aLongTokenWithoutAnySpaces0123456789",
    "secret_pin": "482913",
    "until": "2026-12-06T09:30:00+00:00",
    "at": "2026-11-22T14:05:00+00:00",
    "by": "Amara O’Diallo & Co",
    "goes": "2026-11-23T14:05:00+00:00",
    "change": "Change “Wipes & locks”",
    "details": "Wipes: 1 → 100",
    "browser": "Safari on an iPhone",
    "address": "2001:db8::7",
    "email": "new@aldermoor.example",
    "factor": "Passkey",
    "left": 3,
    "signed_in": 1,
    "minutes": 30,
    "head": "5f" * 32,
    "entries": 1204,
    "device": "Ines's iPhone",
    "name": "Tomas Reiter & Sons",
    "owner": "Ines Okafor & Sons",
    "page": "/devices/7e2f5d0c-6d3b-4f7e-9a52-0c5b8f1d2e3a",
    "model": "iPhone 16 Pro",
    "certificate": "Signing & encryption",
    "issuer": "Aldermoor Mail",
    "reason": "Bought at the end of its lease & paid.",
}
READER = Reader(name="Ines Okafor", time_zone="Europe/Berlin")
POSTED = datetime(2026, 11, 22, 14, 6, tzinfo=UTC)


@pytest.fixture(autouse=True)
def strict_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that a template has and nobody gave shows."""
    django = engines["django"]
    assert isinstance(django, DjangoTemplates)
    monkeypatch.setattr(django.engine, "string_if_invalid", "UNKNOWN(%s)")
    organisation.forget()


def sample(notice: Notice, *, reader: Reader = READER, without: frozenset[str] = frozenset()) -> Mail:
    return mail.render(notice, reader=reader, facts={name: SAMPLES[name] for name in FACTS[notice] - without})


@pytest.mark.django_db
@pytest.mark.parametrize("language", [code for code, _name in settings.LANGUAGES])
@pytest.mark.parametrize("notice", Notice)
def test_every_notice_is_written_in_every_language_with_its_facts_alone(notice: Notice, language: str) -> None:
    written = sample(notice, reader=Reader("Ines Okafor", language))
    assert written.language == language
    for text in (written.subject, written.text, written.html):
        assert text.strip()
        assert "UNKNOWN(" not in text
    for name in FACTS[notice] - mail.TIMES:
        assert str(SAMPLES[name]) in written.text, name
    assert f'lang="{language}"' in written.html


@pytest.mark.django_db
@pytest.mark.parametrize("notice", Notice)
def test_every_name_in_a_template_is_a_fact_of_its_notice_or_everybodys(notice: Notice) -> None:
    everybodys = {"person", "organisation", "site", "accent", "optional", "subject", "label", "desk", "url", "forloop"}
    own = FACTS[notice] | everybodys
    for ending in ("html", "txt"):
        text = (Path(settings.BASE) / "templates" / "mail" / f"{notice}.{ending}").read_text(encoding="utf-8")
        names = re.findall(r"{{ *(\w+)", text) + re.findall(r"{% if (\w+)", text) + re.findall(r"with url=(\w+)", text)
        assert set(names) <= own, ending


@pytest.mark.django_db
@pytest.mark.parametrize("notice", Notice)
def test_a_mail_without_what_may_be_missing_is_still_whole(notice: Notice, monkeypatch: pytest.MonkeyPatch) -> None:
    django = engines["django"]
    assert isinstance(django, DjangoTemplates)
    monkeypatch.setattr(django.engine, "string_if_invalid", "")
    written = mail.render(notice, reader=Reader(), facts={"secret_link": "https://x.example/l", "secret_pin": "1"})
    assert "None" not in written.subject + written.text.replace("None remain", "")
    assert "Hello" not in written.text


@pytest.mark.django_db
def test_the_text_says_names_as_they_are_and_the_page_as_html() -> None:
    written = mail.render(
        Notice.DEVICE_REGISTERED, reader=Reader("<b>Ines</b> O'Brien"), facts={"device": "Ben's <phone>"}
    )
    assert "Hello <b>Ines</b>," in written.text
    assert "Ben's <phone>" in written.text
    assert "&lt;b&gt;Ines&lt;/b&gt;" in written.html
    assert "<phone>" not in written.html


@pytest.mark.django_db
def test_times_are_in_the_zone_of_the_reader() -> None:
    assert "22 November 2026, 15:05 (Europe/Berlin)" in sample(Notice.NEW_SIGN_IN).text
    assert "22 November 2026, 14:05 (UTC)" in sample(Notice.NEW_SIGN_IN, reader=Reader("Ines", time_zone="Mars")).text


@pytest.mark.django_db
def test_lines_of_the_text_are_short_and_links_are_whole() -> None:
    text = sample(Notice.INVITATION).text
    assert str(SAMPLES["secret_link"]) in text.splitlines()
    assert all(len(line) <= mail.WIDTH or line.startswith("https://") for line in text.splitlines())
    assert "\n\n\n" not in text


@pytest.mark.django_db
def test_mails_load_nothing_from_anywhere() -> None:
    for notice in Notice:
        html = sample(notice).html
        assert not re.search(r"<(img|link|script|iframe)\b|url\(|@import", html), notice


def composed(written: Mail, *, to: str = "ines@aldermoor.example", sender: str = "devices@aldermoor.example") -> bytes:
    return mail.compose(written, to=to, sender=sender, mail_id="6f1c", posted=POSTED).as_bytes()


def parsed(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.django_db
def test_a_mail_has_the_headers_of_one_that_a_machine_sends() -> None:
    message = parsed(composed(sample(Notice.INVITATION)))
    assert message["Message-ID"] == "<6f1c@aldermoor.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["From"] == "MyDevices <devices@aldermoor.example>"
    assert message["To"] == "ines@aldermoor.example"
    assert message["Date"] == "Sun, 22 Nov 2026 14:06:00 +0000"
    assert "List-Unsubscribe" not in message
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    text = message.get_body(("plain",))
    assert text is not None
    assert str(SAMPLES["secret_link"]) in text.get_content()


@pytest.mark.django_db
def test_only_what_can_be_turned_off_says_where() -> None:
    for notice in Notice:
        assert ("turn these mails off" in sample(notice).text) is (notice in OPTIONAL)
    message = mail.compose(
        sample(Notice.CERTIFICATE_EXPIRES),
        to="a@b.example",
        sender="c@d.example",
        mail_id="1",
        posted=POSTED,
        optional=True,
    )
    assert message["List-Unsubscribe"] == f"<{settings.PUBLIC_URL}/account>"


@pytest.mark.django_db
def test_the_same_mail_composed_twice_is_the_same_bytes() -> None:
    assert composed(sample(Notice.INVITATION)) == composed(sample(Notice.INVITATION))


@pytest.mark.django_db
@given(subject=st.text(max_size=300), name=st.text(max_size=120))
def test_nothing_in_a_subject_or_name_makes_another_header(subject: str, name: str) -> None:
    written = Mail(subject + "\r\nBcc: thief@evil.example", "text", "<p>html</p>", "en-gb")
    sender = f'"{name}" <devices@a.example>'
    assume(mail.address_of(sender) == "devices@a.example")
    message = mail.compose(written, to="ines@a.example", sender=sender, mail_id="1", posted=POSTED)
    read = parsed(message.as_bytes())
    assert "Bcc" not in read
    assert read["To"] == "ines@a.example"
    assert read["From"].addresses[0].addr_spec == "devices@a.example"
    assert len(read["From"].addresses) == 1


@pytest.mark.parametrize("to", ["a@b.example\r\nBcc: thief@evil.example", "a@b.example, thief@evil.example", "", "a"])
def test_an_address_that_is_more_than_one_address_is_refused(to: str) -> None:
    with pytest.raises(ValidationError):
        mail.wire_address(to)


def test_a_domain_beyond_ascii_goes_over_the_wire_in_ascii() -> None:
    assert mail.wire_address("ines@bücher.example") == "ines@xn--bcher-kva.example"


@pytest.mark.django_db
def test_letters_of_every_script_arrive(settings: Settings) -> None:
    written = Mail("Größe 密码 🔒", "Zoë’s Gerät — 密码", "<p>Zoë’s Gerät</p>", "en-gb")
    message = parsed(composed(written, sender="Dürüm & Söhne <devices@aldermoor.example>"))
    assert message["Subject"] == "Größe 密码 🔒"
    assert message["From"].addresses[0].display_name == "Dürüm & Söhne"
    text = message.get_body(("plain",))
    assert text is not None
    assert "Zoë’s Gerät — 密码" in text.get_content()


@pytest.mark.django_db
def test_a_fact_that_the_notice_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="surprise"):
        services.notify(person=factories.person(), notice=Notice.NEW_SIGN_IN, facts={"surprise": "!"})


# The logo


def picture(width: int, height: int) -> bytes:
    """A PNG picture of one colour (PNG, third edition, 5)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    rows = zlib.compress((b"\0" + b"\x40" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def logo() -> Iterator[bytes]:
    png = picture(600, 60)
    organisation_services.show_logo(actor=Actor.system("test"), png=png)
    organisation.forget()
    yield png
    organisation.forget()


@pytest.mark.django_db
@pytest.mark.parametrize("notice", Notice)
def test_the_logo_travels_in_the_mail_and_the_page_names_it(logo: bytes, notice: Notice) -> None:
    message = parsed(composed(sample(notice)))
    plain, related = message.iter_parts()
    assert [part.get_content_type() for part in (plain, related)] == ["text/plain", "multipart/related"]
    page, image = related.iter_parts()
    assert page.get_content_type() == "text/html"
    html = page.get_content()
    (address,) = re.findall(r'<img src="([^"]+)"', html)
    assert image["Content-ID"] == f"<{address.removeprefix('cid:')}>"
    assert image.get_content_type() == "image/png"
    assert image.get_content_disposition() == "inline"
    assert image.get_content() == logo
    assert 'width="200" height="20"' in html
    assert not re.search(r"<(link|script|iframe)\b|url\(|@import|src=\"(?!cid:)", html)


@pytest.mark.django_db
def test_the_text_of_a_mail_is_the_same_with_a_logo(logo: bytes) -> None:
    with_logo = sample(Notice.INVITATION)
    assert with_logo.logo == logo
    organisation_services.show_logo(actor=Actor.system("test"), png=None)
    organisation.forget()
    without = sample(Notice.INVITATION)
    assert (without.text, without.logo) == (with_logo.text, b"")
    assert "<img" not in without.html
    first, second = (parsed(composed(one)).get_body(("plain",)) for one in (with_logo, without))
    assert first is not None
    assert second is not None
    assert first.as_bytes() == second.as_bytes()


@pytest.mark.django_db
def test_a_mail_with_a_logo_composed_twice_is_the_same_bytes_with_short_lines(logo: bytes) -> None:
    content = composed(sample(Notice.INVITATION))
    assert content == composed(sample(Notice.INVITATION))
    assert logo not in content
    assert max(len(line) for line in content.split(b"\r\n")) <= 998


@pytest.mark.django_db
def test_a_logo_is_never_made_larger_and_stands_on_white_in_both_themes(logo: bytes) -> None:
    organisation_services.show_logo(actor=Actor.system("test"), png=picture(16, 12))
    organisation.forget()
    html = sample(Notice.INVITATION).html
    assert 'width="16" height="12"' in html
    (style,) = re.findall(r'<img [^>]*style="([^"]+)"', html)
    assert "background:#ffffff" in style


@pytest.mark.django_db
@pytest.mark.parametrize("accent", ["#ffff00", "#000000", "#ffffff", "#00ff88"])
def test_the_button_of_a_mail_can_be_read_in_every_accent(accent: str) -> None:
    organisation_services.brand(actor=Actor.system("test"), accent=accent, language="")
    organisation.forget()
    html = sample(Notice.INVITATION).html
    fills = set(re.findall(r"border-radius:8px;background:(#[0-9a-f]{6})", html))
    organisation.forget()
    assert fills
    assert all(colour.contrast(colour.parse(fill), colour.WHITE) >= colour.TEXT for fill in fills)


@pytest.mark.django_db
def test_a_mail_that_is_shown_on_a_page_has_the_servers_picture(logo: bytes) -> None:
    shown = mail.render(Notice.INVITATION, reader=READER, facts={}, on_page=True)
    assert f'src="{reverse("portal:logo", args=[organisation.current().logo_version])}"' in shown.html
    assert shown.logo == logo
