"""The port between the house and the platforms: what an adapter must be able to do, and the small values that pass
through.

An adapter registers itself once at start-up (`register`), and so do its device-plane endpoints (`route`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from django.utils.translation import gettext as _

from mydevices.actions import ActionKind
from mydevices.devices.models import Channel, Device
from mydevices.devices.services import Terms
from mydevices.errors import Invalid, MyDevicesError, Unsupported

UNSENDABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML cannot carry (XML 1.0, 2.2), and so no device could read."""


@dataclass(frozen=True, slots=True)
class Capability:
    """Whether an action is possible on a device now. `explanation` says what it does, `reason` why it is not possible
    and what is possible instead (empty when it is). `policy` is the name of the policy that forbids it, where one
    does."""

    kind: ActionKind
    explanation: str
    reason: str = ""
    policy: str = ""

    @property
    def possible(self) -> bool:
        return not self.reason


@dataclass(frozen=True, slots=True)
class Step:
    """One command of an action. `parameters` are public and stored as they are; secrets belong to the action."""

    request_type: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    channel: str = Channel.Kind.DEVICE


@dataclass(frozen=True, slots=True)
class Plan:
    """What an action becomes: its commands in order, and the secret (a PIN) that they share, kept sealed with the
    action."""

    steps: Sequence[Step]
    secret: bytes = b""


@dataclass(frozen=True, slots=True)
class Fates:
    """What an action takes from a device and what it leaves there, in the words that a person reads before
    confirming."""

    erased: Sequence[str]
    stays: Sequence[str]


LONGEST_MESSAGE: Final = 200
LONGEST_PHONE: Final = 40
"""Characters that a lock screen shows without cutting."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a person may say with an action: a message and a phone number for the lock screen. Raises Invalid for what
    no device could be sent."""

    message: str = ""
    phone_number: str = ""

    def __post_init__(self) -> None:
        if UNSENDABLE.search(self.message + self.phone_number):
            raise Invalid(_("The message has characters that cannot be shown. Type it anew."))
        if len(self.message) > LONGEST_MESSAGE or len(self.phone_number) > LONGEST_PHONE:
            words = {"message": LONGEST_MESSAGE, "phone": LONGEST_PHONE}
            raise Invalid(_("A message has at most %(message)d characters, a phone number %(phone)d.") % words)

    def public(self) -> dict[str, str]:
        given = {"message": self.message, "phone_number": self.phone_number}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, slots=True)
class Document:
    """What a person opens on a device to register it."""

    content: bytes
    content_type: str
    file_name: str


@dataclass(frozen=True, slots=True)
class Appearance:
    """What a person calls a device, which drawing stands for it, and whether it can be locked with a PIN to show."""

    noun: str
    silhouette: str
    has_pins: bool = False


class NotWoken(MyDevicesError):
    """A channel could not be asked to poll, and why. To be tried again `after` that time, or by the usual back-off."""

    def __init__(self, message: str, *, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.after = after


class Adapter(Protocol):
    """What a platform can do. All of it is free of side effects but `wake`."""

    def appearance(self, device: Device) -> Appearance:
        """How to call and draw it."""

    def terms(self, *, may_erase: bool) -> Terms:
        """What a new registration is promised, with or without the right to erase the device. Raises Conflict, with
        what to do, while something is missing for it."""

    def invite(self, *, terms: Terms, password: str, subject: str, signed: bool) -> Document:
        """The document that registers a device, or renews its certificate: the same for the same terms, but for
        `password`, the challenge that it carries. `subject` names the certificate."""

    def capabilities(self, device: Device) -> Mapping[ActionKind, Capability]:
        """Each action with what it does here, or why it cannot be done; one that is left out does not exist on this
        platform. Needs `device.registration` loaded, asks nothing."""

    def plan(self, device: Device, kind: ActionKind, parameters: Parameters) -> Plan:
        """The commands of an action. Raises Unsupported where `capabilities` says so."""

    def fates(self, device: Device, kind: ActionKind) -> Fates:
        """What WIPE or RETIRE takes and leaves."""

    def wake(self, channels: Sequence[Channel]) -> Mapping[int, NotWoken | None]:
        """Ask each channel to poll, and answer by channel id: None when the push was accepted, or never will be."""


ADAPTERS: dict[str, Adapter] = {}


def register(platform: str, adapter: Adapter) -> None:
    ADAPTERS[platform] = adapter


def adapter_for(platform: str) -> Adapter:
    try:
        return ADAPTERS[platform]
    except KeyError:
        raise Unsupported(f"Devices of the platform “{platform}” cannot be managed here.") from None


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the device plane. `query` is the raw query string; header names are lower case; `body` is whole."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of the device plane. An empty body is sent with Content-Length 0."""

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: Sequence[tuple[str, str]] = ()


Endpoint = Callable[[Request], Response]
Quick = Callable[[Request], Response | None]
"""The same answer as the endpoint's, or None: "not here". It is called on the event loop, where whatever waits holds up
every connection: no lock, no write, nothing from the network, and None for all but the one case that it is for. What it
may cost a stranger to have it work is for it to bound."""


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint with the largest body it reads, in bytes, the methods that it answers, and where it has one its quick
    answer to short requests."""

    endpoint: Endpoint
    body_limit: int
    methods: Sequence[str]
    quick: Quick | None = None


ROUTES: dict[str, Route] = {}


def route(
    path: str, endpoint: Endpoint, *, body_limit: int, methods: Sequence[str], quick: Quick | None = None
) -> None:
    """Serve `path` (exact, under `/mdm/`) on the device plane. All other methods are refused before the endpoint. One
    that answers HEAD sees to it that nothing follows from it: HEAD is no GET."""
    ROUTES[path] = Route(endpoint, body_limit, methods, quick)
