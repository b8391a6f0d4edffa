from typing import Final

from django.utils.translation import gettext as _

from mydevices.organisation.models import Organisation
from mydevices.remembered import Remembered

_current: Final = Remembered(lambda: Organisation.objects.filter(id=1).first() or Organisation(id=1))
forget: Final = _current.forget


def current() -> Organisation:
    """The organisation; unsaved defaults until somebody has named it. At most 5 seconds old."""
    return _current()


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
