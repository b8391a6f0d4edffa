"""What a simulated device remembers: plain values that can be written to a file and read again.

Private keys are not among them; they lie in files of their own.
"""

import base64
import dataclasses
import json
import types
import typing
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, TypeVar, Union

from simulator.errors import SimulatorError
from simulator.hardware import Hardware, Kind
from simulator.profiles import Management

T = TypeVar("T")


class Screen(StrEnum):
    """What a person sees."""

    HOME = "home"
    LOCKED = "locked"
    PIN_LOCK = "pin-lock"
    LOST = "lost"
    WIPED = "wiped"


@dataclass(frozen=True)
class Notice:
    """The words on a locked screen."""

    message: str = ""
    phone: str = ""
    footnote: str = ""


@dataclass(frozen=True)
class InstalledPayload:
    kind: str
    identifier: str
    uuid: str
    display_name: str = ""
    description: str = ""
    organisation: str = ""


@dataclass(frozen=True)
class InstalledCertificate:
    """A certificate on the device. `common_name` as CertificateList shows it.

    `addresses` are the e-mail addresses it speaks for, in small letters; `signs` and `encrypts` what its key is for.
    """

    common_name: str
    der: bytes
    is_identity: bool
    addresses: tuple[str, ...] = ()
    signs: bool = True
    encrypts: bool = True


@dataclass(frozen=True)
class WebClip:
    label: str
    url: str
    icon: bytes = b""


@dataclass(frozen=True)
class MailAccount:
    """An account that a profile made. `signs_with` and `encrypts_with` are the identities that it names, in DER; on a
    Mac it names none."""

    service: str
    address: str
    host: str
    signs_with: bytes | None = None
    encrypts_with: bytes | None = None
    encrypts_by_default: bool = False


@dataclass(frozen=True)
class InstalledProfile:
    """A profile on the device, in the device's scope or in that of one user of a Mac."""

    identifier: str
    uuid: str
    display_name: str
    organisation: str
    description: str
    encrypted: bool
    removal_disallowed: bool
    managed: bool
    signers: tuple[bytes, ...]
    payloads: tuple[InstalledPayload, ...]
    certificates: tuple[InstalledCertificate, ...] = ()
    web_clips: tuple[WebClip, ...] = ()
    mail_accounts: tuple[MailAccount, ...] = ()
    user_id: str | None = None


@dataclass(frozen=True)
class Push:
    """Where a channel is woken: token and magic of its TokenUpdate."""

    token: bytes
    magic: str


@dataclass(frozen=True)
class Enrolment:
    """What the enrolment profile made of the device. `users` are the push addresses of a Mac's users by UserID."""

    profile_identifier: str
    organisation: str
    management: Management
    push: Push
    unlock_token: bytes | None = None
    bootstrap_token: bytes | None = None
    enrolment_id: str | None = None
    users: dict[str, Push] = field(default_factory=dict)


@dataclass
class Account:
    """A user of a Mac. `network` users are asked for by UserAuthenticate first."""

    short_name: str
    long_name: str
    guid: str
    password: str
    network: bool = False
    locked_out: bool = False
    failures: int = 0


@dataclass(frozen=True)
class Position:
    """Degrees and metres."""

    latitude: float
    longitude: float
    accuracy: float = 12.0
    altitude: float = 34.0


@dataclass(frozen=True)
class Event:
    """One line of what happened, newest last. `at` is ISO 8601 in UTC."""

    at: str
    text: str


@dataclass
class Memory:
    """Everything of one device but its private keys."""

    hardware: Hardware
    name: str
    supervised: bool = False
    passcode: str | None = None
    screen: Screen = Screen.HOME
    notice: Notice = Notice()
    pin: str | None = None
    sound: bool = False
    restarted: bool = False  # since the last start nobody has unlocked the device
    online: bool = True
    enrolment: Enrolment | None = None
    profiles: list[InstalledProfile] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    position: Position = Position(53.5503, 10.0006)
    battery: float = 0.84
    used: float = 0.37  # share of the storage
    events: list[Event] = field(default_factory=list)


def encode(value: Any) -> Any:
    """A value of this module as JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: encode(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    return value


def decode(kind: Any, value: Any) -> Any:
    """The reverse of `encode` for a value of the annotated type `kind`. Raises SimulatorError."""
    try:
        return _decode(kind, value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SimulatorError("The stored state cannot be read.") from error


def _decode(kind: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {Union, types.UnionType}:
        inner = next(argument for argument in arguments if argument is not type(None))
        return None if value is None else _decode(inner, value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        known = {entry.name for entry in dataclasses.fields(kind)}
        return kind(**{key: _decode(hints[key], item) for key, item in value.items() if key in known})
    if kind is bytes:
        return base64.b64decode(value, validate=True)
    if origin is list:
        return [_decode(arguments[0], item) for item in value]
    if origin is tuple:
        return tuple(_decode(arguments[0], item) for item in value)
    if origin is dict:
        return {key: _decode(arguments[1], item) for key, item in value.items()}
    return kind(value)


def to_json(memory: Memory) -> str:
    return json.dumps(encode(memory), indent=1, ensure_ascii=False)


def from_json(text: str) -> Memory:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise SimulatorError("The stored state cannot be read.") from error
    memory = decode(Memory, value)
    if not isinstance(memory, Memory):
        raise SimulatorError("The stored state cannot be read.")
    return memory


def is_mobile(kind: Kind) -> bool:
    """True for what runs iOS or iPadOS."""
    return kind is not Kind.MAC
