"""What fields of configurations have in common: when a text, a server or a port can be sent."""

import re
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from mydevices.configurations import variables
from mydevices.policies.kinds.kind import Line

UNREADABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
BUNDLE: Final = re.compile(r"[A-Za-z0-9.-]{0,155}", re.ASCII)
LONGEST: Final = 255
_HOST: Final = re.compile(r"[^\s/:@?#]+|\[[0-9A-Fa-f:.]+\]")
_SECURE: Final = re.compile(r"https://[^\s/][^\s]*")


def text(value: str, *, longest: int = LONGEST, required: bool = False) -> str:
    """What is wrong with a line of text, as a sentence; empty for nothing."""
    if required and not value.strip():
        return _("This is needed.")
    if len(value) > longest or UNREADABLE.search(value):
        return _("At most %(number)d characters, without line breaks.") % {"number": longest}
    return ""


def host(value: str, *, required: bool) -> str:
    """The same for the name of a server, in which there may be variables."""
    if not value:
        return _("The server is needed.") if required else ""
    plain = variables.put_aside(value)
    if len(value) > LONGEST or UNREADABLE.search(value) or not _HOST.fullmatch(plain):
        return _("The name of a server has no https:// before it, and no path and no port after it.")
    return ""


def secure(value: str) -> str:
    """The same for an address of the web; none is fine."""
    if value and (len(value) > 2000 or UNREADABLE.search(value) or not _SECURE.fullmatch(value)):
        return _("An address for signing in begins with https:// and has no spaces.")
    return ""


def port(value: int | None) -> str:
    """The same for a number of a port; none is fine."""
    return _("A port is a number from 1 to 65535.") if value is not None and not 0 < value < 65536 else ""


def bundle(value: str) -> str:
    return "" if BUNDLE.fullmatch(value) else _("A bundle identifier has letters, digits, dots and hyphens.")


def identifier(value: str) -> str:
    """The same for what another configuration is named by; none is fine."""
    try:
        return "" if not value or str(UUID(value)) == value else _("Choose one of the list.")
    except ValueError:
        return _("Choose one of the list.")


def wrong(found: Mapping[str, str]) -> Mapping[str, str]:
    """Only those fields about which there is something to say."""
    return {field: sentence for field, sentence in found.items() if sentence}


def said(fields: Sequence[tuple[str, str, bool]]) -> list[Line]:
    return [Line(field, label, _("Yes") if value else _("No")) for field, label, value in fields]


def given(fields: Sequence[tuple[str, str, object]]) -> list[Line]:
    """Those that have been filled in."""
    return [Line(field, label, str(value)) for field, label, value in fields if value not in {None, ""}]
