"""E-mail addresses: which ones can be used here, and when two spellings are the same address.

An address is kept as it was typed, and mail goes to that. People are found by its key: the part before the @ in ASCII
small letters, the domain as DNS has it. Nothing else is folded: an address with characters that some database, library
or mail server might take for others is refused, so that it can never stand for somebody else's (Unicode Technical
Report 36, 2.11; CVE-2019-19844).
"""

import unicodedata
from typing import Final

import idna
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from mydevices.errors import Invalid

LONGEST: Final = 254
"""Characters of an address and of its key: RFC 5321 lets a path have 256 with its brackets."""


def checked(typed: str) -> str:
    """The address as it is kept. Raises Invalid, with a sentence for people, for one that can't be used here."""
    address = typed.strip()
    try:
        validate_email(address)
    except ValidationError as error:
        raise Invalid(_("That is no e-mail address.")) from error
    if len(address) > LONGEST:
        raise Invalid(_("This e-mail address is too long."))
    if not key_of(address):
        raise Invalid(
            _(
                "This e-mail address can't be used here. Before the @ it may only have the letters A to Z, digits and "
                "punctuation, and after it no characters that stand for others."
            )
        )
    return address


def key_of(address: str) -> str:
    """What all spellings of one address share; empty for an address that can't be used here."""
    local, at, domain = address.strip().rpartition("@")
    if not (local and at and domain) or not (local.isascii() and local.isprintable()):
        return ""
    if unicodedata.normalize("NFKC", domain) != domain:
        return ""
    try:
        key = f"{local.lower()}@{'.'.join(map(_label, domain.split('.')))}"
    except idna.IDNAError:
        return ""
    return key if len(key) <= LONGEST else ""


def _label(label: str) -> str:
    """A part of a domain as DNS has it (IDNA 2008). Capital letters are no part of it; nothing else is mapped."""
    if label.isascii():
        return label.lower()
    return idna.alabel("".join(character.lower() for character in label)).decode("ascii")


def on_the_wire(address: str) -> str:
    """The address as mail servers take it: as it is kept, with the domain as DNS has it. Raises ValueError for an
    address that can't be used here."""
    key = key_of(address)
    if not key:
        raise ValueError(address)
    return f"{address.strip().rpartition('@')[0]}@{key.rpartition('@')[2]}"


def counted_as(typed: str) -> str:
    """What tries and mails for an address are counted under: its key, or the text itself where that's no address."""
    return key_of(typed) or typed.strip().casefold()[: 2 * LONGEST]
