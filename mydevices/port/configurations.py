"""How configurations and questions about apps get to the devices of a platform, and which fields it reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mydevices.devices.models import Channel
from mydevices.port.registering import Words


@dataclass(frozen=True, slots=True)
class Ways:
    """How configurations get to a device."""

    channels: Sequence[Channel]
    """Where they go."""
    carries: bool
    """An account's profile brings the certificates for S/MIME that it names."""
    all_apps: bool = False
    """That every application may use a key is something that can be said there."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A kind of device that configurations are rendered for, with what it reads of them. What is read by some and not
    by others is labelled with who reads it."""

    name: Words
    """“Laptops”: stands behind a label, in parentheses."""
    fields: Mapping[str, frozenset[str]]
    """By the name of a kind of configuration (`configurations.kinds`), the fields that it reads; a kind that is not
    named is not sent there."""
    reasons: Mapping[str, Words] = field(default_factory=dict)
    """By kind, why it cannot be taken, as a sentence: for each that is not among `fields`."""


@dataclass(frozen=True, slots=True)
class AppQuestion:
    """The command that asks a device for its apps."""

    channel: Channel
    request_type: str
    parameters: Mapping[str, object]
