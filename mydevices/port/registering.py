"""What a person is shown while they register a device of a platform."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.functional import Promise as Lazy

Words = str | Lazy
"""What people read: lazy, in the language of the page."""


@dataclass(frozen=True, slots=True)
class System:
    """An operating system, in the word that its devices use of themselves (`Device.os_name`)."""

    name: str
    example: str
    """A version of it that people know, such as 17.4."""


@dataclass(frozen=True, slots=True)
class GuideStep:
    """What a person does on the device, with a picture: a symbol of an SVG file among the static files. `text` is the
    adapter's own HTML: it may hold <b>."""

    title: Words
    text: Words
    picture_file: str
    """As `{% static %}` takes it."""
    picture: str
    """Its symbol, 96 by 72."""


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """What a person can register, as they would say it. The device says itself what it is; this decides which words and
    pictures they are shown."""

    name: str
    """Stored with a ticket; one of all platforms together."""
    systems: Sequence[str]
    """Names of the systems that it may run."""
    one: Words
    """“A laptop”."""
    this: Words
    """“This laptop, in front of me”."""
    other: Words
    """“Another laptop”."""
    heading: Words
    """Of the page that is opened on it: “Register this laptop”."""
    how_to_open: Words
    """The sentence before the address that is to be opened on it."""
    wrong_device: Words
    """What its page says where its browser is certainly not on such a device."""
    installing: Words
    """What is done on it, in a line: a title."""
    how_to_install: Words
    """The same as a sentence, as HTML: it may hold <b>."""
    button: Words
    """“Download profile”: opens what `Platform.document` or `Platform.link` gives. It stands below the first step."""
    steps: Sequence[GuideStep]


@dataclass(frozen=True, slots=True)
class Document:
    """What a person opens on a device to register it."""

    content: bytes
    content_type: str
    file_name: str
