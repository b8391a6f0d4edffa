"""Mails as they are written: a notice and its facts become a subject, a text and a page, in their reader's language.

`accounts.post` sends them.
"""

import copy
import hashlib
import textwrap
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.validators import validate_email
from django.template import Context
from django.template.backends.django import Template
from django.template.loader import get_template
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext, pgettext

from mydevices.accounts import addresses
from mydevices.accounts.models import Person
from mydevices.accounts.notices import OPTIONAL, Notice
from mydevices.lines import one_line
from mydevices.organisation import colour
from mydevices.organisation import selectors as organisation
from mydevices.organisation.models import Organisation

TIMES: Final = frozenset({"at", "until", "goes"})
"""Facts that are times."""
WIDTH: Final = 76
"""Columns of the text. Links are never broken."""
LONGEST_SUBJECT: Final = 150
LOGO: Final = (200, 40)
"""Width and height, in pixels, that a logo has at most."""
ACCENT: Final = "#1b54c0"
"""The stylesheet's, in its light form."""


@dataclass(frozen=True, slots=True)
class Mail:
    """What a person reads."""

    subject: str
    text: str
    html: str
    language: str
    logo: bytes = b""
    """The organisation's, a PNG picture that travels in the mail; empty where there is none. `html` names it by its
    Content-ID, so that nothing is loaded from anywhere."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a mail speaks to; a stranger has no name."""

    name: str = ""
    language: str = ""
    time_zone: str = ""

    @property
    def first_name(self) -> str:
        return self.name.split(" ", 1)[0]

    @classmethod
    def of(cls, person: Person) -> "Reader":
        return cls(person.name, person.language, person.time_zone)


def render(notice: Notice, *, reader: Reader, facts: Mapping[str, str | int], on_page: bool = False) -> Mail:
    """Write a mail. Facts are as `accounts.notices` has them, secrets in the clear. `on_page`: it is not sent but shown
    in a browser, and its logo is the server's picture."""
    language = reader.language if reader.language in dict(settings.LANGUAGES) else organisation.current().mail_language
    with translation.override(language):
        about = organisation.current()
        context = {
            **{name: _shown(name, value, reader.time_zone) for name, value in facts.items()},
            "person": replace(reader, name=one_line(reader.name)),
            "organisation": _lines_of(about),
            "site": settings.PUBLIC_URL,
            "accent": colour.tokens(about.accent)[0]["--accent-fill"] if about.accent else ACCENT,
            "optional": notice in OPTIONAL,
        }
        if about.logo:
            width, height = _fitted(*organisation.size_of(about.logo))
            address = (
                reverse("portal:logo", args=[about.logo_version]) if on_page else f"cid:{_logo_id(bytes(about.logo))}"
            )
            context |= {"logo": address, "logo_width": width, "logo_height": height}
        # The text is not HTML: an apostrophe stays one.
        written = _rendered(f"mail/{notice}.txt", Context(context, autoescape=False))
        subject, _newline, text = written.strip().partition("\n")
        subject = " ".join(subject.split())[:LONGEST_SUBJECT]
        html = _rendered(f"mail/{notice}.html", Context({**context, "subject": subject}))
        text = _wrapped(text)
        if translation.get_language_bidi():
            text = _from_right_to_left(text)
    return Mail(subject, text, html, language, bytes(about.logo or b""))


def _lines_of(about: Organisation) -> Organisation:
    """As mails name it. What was kept before names had to be one line is one here."""
    found = copy.copy(about)
    for field in ("name", "helpdesk_name", "helpdesk_phone", "helpdesk_email"):
        setattr(found, field, one_line(getattr(found, field)))
    return found


def _logo_id(png: bytes) -> str:
    """The Content-ID of a picture (RFC 2392), without its brackets: the same for the same picture."""
    return f"logo.{hashlib.sha256(png).hexdigest()[:16]}@mydevices.invalid"


def _fitted(width: int, height: int) -> tuple[int, int]:
    """A picture's size where it must be no larger than the logo's place. Mail programs go by these numbers alone."""
    scale = min(LOGO[0] / width, LOGO[1] / height, 1.0)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _rendered(name: str, context: Context) -> str:
    template = get_template(name)
    if not isinstance(template, Template):
        raise TypeError(name)
    return template.template.render(context)


def _shown(name: str, value: str | int, time_zone: str) -> str | int:
    """A fact as its reader takes it: a time in their zone, with that zone's name."""
    if name not in TIMES:
        return one_line(value) if isinstance(value, str) else value
    try:
        zone = ZoneInfo(time_zone or settings.TIME_ZONE)
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo(settings.TIME_ZONE)
    when = timezone.localtime(datetime.fromisoformat(str(value)), zone)
    day = date_format(when, pgettext("day, month and year, as Django’s date format", "j F Y"))
    return f"{day}{gettext(', ')}{date_format(when, 'H:i')} ({zone.key.replace('_', ' ')})"


def _wrapped(text: str) -> str:
    """Paragraphs apart by one empty line, in lines of at most WIDTH columns."""
    lines: list[str] = []
    for line in text.strip().splitlines():
        plain = line.strip()
        if plain or (lines and lines[-1]):
            lines += textwrap.wrap(plain, WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join(lines) + "\n"


def _from_right_to_left(text: str) -> str:
    """Programs that show plain text take a line's direction from its first letter. Where a line in Arabic begins with a
    name in Latin letters, a mark before it (U+200F) says the direction; lines without Arabic, such as addresses, are
    left as they are."""
    lines = text.split("\n")
    for at, line in enumerate(lines):
        written = {unicodedata.bidirectional(letter) for letter in line}
        if written & {"R", "AL"}:
            lines[at] = f"\u200f{line}"
    return "\n".join(lines)


def address_of(sender: str) -> str:
    """The bare address of `Name <address>`."""
    return parseaddr(sender)[1]


def wire_address(address: str) -> str:
    """An address as mail servers take it: the domain in ASCII. Raises ValidationError or ValueError for none."""
    validate_email(address)
    return addresses.on_the_wire(address)


def compose(
    mail: Mail, *, to: str, sender: str, mail_id: str, posted: datetime, optional: bool = False
) -> EmailMessage:
    """The mail as it goes over the wire. The same arguments give the same bytes, so that one which is sent again is
    recognised by its Message-ID.

    `to` is as `wire_address` gives it. Raises ValueError or MessageError for an address that no header can hold."""
    name, address = parseaddr(sender)
    box, _at, domain = address.rpartition("@")
    message = EmailMessage(policy=SMTP)
    # Addresses and names are given in parts: the library quotes and encodes them, and refuses line ends.
    message["From"] = Address(_line(name) or _line(organisation.current().name), box, domain)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = _line(mail.subject)
    message["Date"] = format_datetime(posted)
    message["Message-ID"] = f"<{mail_id}@{domain}>"
    message["Content-Language"] = mail.language
    # RFC 3834: no holiday notes in answer, please.
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    if optional:
        message["List-Unsubscribe"] = f"<{settings.PUBLIC_URL}{reverse('portal:account')}>"
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    if mail.logo:
        page = message.get_body(("html",))
        if page is None:
            raise TypeError(message)
        page.add_related(
            mail.logo, "image", "png", cid=f"<{_logo_id(mail.logo)}>", disposition="inline", filename="logo.png"
        )
        page.set_boundary(f"={mail_id}-page=")
    message.set_boundary(f"={mail_id}=")
    return message


def _line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
