import time
from typing import Final

from django.utils.translation import gettext as _

from mydevices.organisation.models import Organisation

LIFETIME: Final = 5.0
"""Seconds that a process goes on with the name it read: it stands in every sentence, and hardly ever changes."""

_known: tuple[float, Organisation] | None = None


def current() -> Organisation:
    """The organisation; unsaved defaults until somebody has named it. At most 5 seconds old."""
    global _known  # noqa: PLW0603  one value per process is what a cache of one row is
    now = time.monotonic()
    if _known is None or now - _known[0] > LIFETIME:
        _known = (now, Organisation.objects.filter(id=1).first() or Organisation(id=1))
    return _known[1]


def forget() -> None:
    """Read anew next time, because this process has changed it."""
    global _known  # noqa: PLW0603  the same
    _known = None


def whom_to_ask() -> str:
    """A sentence with the helpdesk and how it is reached; empty while nobody has said."""
    organisation = current()
    ways = [way for way in (organisation.helpdesk_phone, organisation.helpdesk_email) if way]
    if not ways:
        return ""
    desk = organisation.helpdesk_name or organisation.name
    return _("Questions go to %(desk)s: %(ways)s.") % {"desk": desk, "ways": _(", ").join(ways)}


def size_of(png: bytes | memoryview) -> tuple[int, int]:
    """Width and height of a PNG picture in pixels, by its first chunk (PNG, third edition, 11.2.1)."""
    head = bytes(png[16:24])
    return int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
