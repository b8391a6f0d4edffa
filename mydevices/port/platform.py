"""A platform: one object that says and does everything that is its own."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Final

from django.utils.translation import gettext as _

from mydevices.actions import ActionKind
from mydevices.devices import selectors as devices
from mydevices.devices.assignment import KNOWN_PLATFORMS
from mydevices.devices.models import Channel, Device, Registration
from mydevices.errors import MyDevicesError, Unsupported
from mydevices.port import routes
from mydevices.port.actions import Capability, Fates, Parameters, Plan
from mydevices.port.commands import Answered, Due, Outcome
from mydevices.port.configurations import AppQuestion, Reader, Ways
from mydevices.port.pictures import Appearance, Shape
from mydevices.port.registering import DeviceKind, Document, System
from mydevices.port.routes import Route
from mydevices.port.samples import Demonstration
from mydevices.port.settings import SettingsPage

Promise = Mapping[str, object]
"""What a registration is promised, as JSON: opaque to the house, which keeps it with the ticket."""


class NotWoken(MyDevicesError):
    """A channel could not be asked to poll, and why. To be tried again `after` that time, or by the usual back-off."""

    def __init__(self, message: str, *, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.after = after


class Platform(ABC):
    """What the house asks of a platform. All of it is free of side effects, but for what says that it is not."""

    name: ClassVar[str]
    """Stored with each device; never changes."""
    title: ClassVar[str]
    """As its maker is called."""
    systems: ClassVar[Sequence[System]]
    device_kinds: ClassVar[Sequence[DeviceKind]]
    """In the order in which pages offer them."""
    example: ClassVar[Shape]
    """A drawing for a page that has no device to show yet."""
    family: ClassVar[Shape]
    """Some of its devices together, for a page that greets. Only symbol and size are used."""

    beside: ClassVar[str] = ""
    """The relation that leads from a registration, and from a channel, to the row that is kept beside it; empty where
    nothing is (`devices.selectors.kept_beside`)."""
    demonstration: ClassVar[Demonstration | None] = None
    """What it brings to the demo; None for nothing."""
    settings: ClassVar[SettingsPage | None] = None
    """Its page in the console's settings, with what it warns of; None where nothing has to be set."""

    # What devices look like

    @abstractmethod
    def appearance(self, device: Device) -> Appearance:
        """How to call and draw it. Asks nothing of a device of `devices.selectors`, nor does `facts`."""

    def facts(self, device: Device) -> Sequence[tuple[str, str]]:
        """What else is worth knowing of it, as labels and values in the language of the page."""
        del device
        return ()

    # What a browser tells of the machine that it runs on

    def detect(self, user_agent: str) -> str:
        """The name of the kind of device that a browser runs on, as far as it says; empty for what is not ours."""
        del user_agent
        return ""

    def map_link(self, user_agent: str, *, latitude: str, longitude: str) -> str:
        """The address that opens the maps of the machine that a browser runs on; empty where it is not ours. Degrees,
        as text."""
        del user_agent, latitude, longitude
        return ""

    # How a device is registered

    @abstractmethod
    def promise(self, *, may_erase: bool) -> Promise:
        """What a new registration is promised, with or without the right to erase the device. Raises Conflict, with
        what to do, while something is missing for it."""

    @abstractmethod
    def document(self, *, promise: Promise, password: str, subject: str, signed: bool) -> Document:
        """What registers a device, or renews its certificate: the same for the same promise, but for `password`, the
        challenge that it carries. `subject` names the certificate."""

    def link(self, *, promise: Promise, password: str, subject: str) -> str:
        """The address that a device is registered by, where that is no document; empty where it is one."""
        del promise, password, subject
        return ""

    @abstractmethod
    def check_arrival(self, promise: Promise, arrival: object) -> None:
        """Raises ProtocolError where what a device said when it arrived does not fit what it was promised. `arrival` is
        what the adapter gave to `registration.lives.begin`."""

    @abstractmethod
    def begin(self, registration: Registration, promise: Promise, arrival: object) -> None:
        """Keep what a registration needs, beside the registration, in the transaction that began it."""

    def begin_again(self, registration: Registration) -> None:
        """A device that has begun its registration begins it once more. Writes, where that means something."""
        del registration

    @abstractmethod
    def promised(self, registration: Registration) -> Promise:
        """What this registration was promised: a renewal repeats it exactly."""

    @abstractmethod
    def may_erase(self, registration: Registration) -> bool:
        """Whether its promise gives the right to erase the device."""

    # What can be done with it

    @abstractmethod
    def capabilities(self, device: Device) -> Mapping[ActionKind, Capability]:
        """Each action with what it does here, or why it cannot be done; one that is left out does not exist on this
        platform. Needs `device.registration` loaded, asks nothing."""

    @abstractmethod
    def plan(self, device: Device, kind: ActionKind, parameters: Parameters) -> Plan:
        """The commands of an action. Raises Unsupported where `capabilities` says so."""

    @abstractmethod
    def fates(self, device: Device, kind: ActionKind) -> Fates:
        """What WIPE or RETIRE takes and leaves."""

    readers: ClassVar[Sequence[Reader]] = ()
    """Who of its devices reads which fields of which configurations."""

    def ways(self, device: Device) -> Ways | None:
        """How configurations get to a device with its registration and channels loaded; None where none do. Asks
        nothing."""
        del device
        return None

    def app_question(self, device: Device, scope: str) -> AppQuestion:
        """How a device, with its registration and channels loaded, is asked for the apps of a scope
        (`applications.models.Listing.Scope`). Asks nothing. Raises Unsupported, with the reason, where it cannot be."""
        del device, scope
        raise Unsupported(_("Devices of this kind do not tell which apps are on them."))

    def outcomes(self) -> Mapping[str, Answered]:
        """What the end of a command means, by its request type. The same each time."""
        return {}

    # Where its devices knock

    def routes(self) -> Mapping[str, Route]:
        """Its addresses on the device plane, anywhere."""
        return {}


class Asked(Platform):
    """Its devices ask: the server wakes them, and they poll."""

    @abstractmethod
    def wake(self, channels: Sequence[Channel]) -> Mapping[int, NotWoken | None]:
        """Ask each channel to poll, and answer by channel id: None when the push was accepted, or never will be.
        Channels come with registration, device, owner, and what is kept beside them."""


class Told(Platform):
    """Its devices are told, by a service that commands are handed to. What becomes of them comes as a notification,
    which its adapter hands to `commands.queue.report`."""

    @abstractmethod
    def deliver(self, commands: Sequence[Due]) -> Mapping[int, NotWoken | Outcome | None]:
        """Hand each command to the service, in this order, and answer by command id: None when the service has it,
        NotWoken where it is to be tried again, and an Outcome where the service has refused it for good."""


PLATFORMS: Final[dict[str, Platform]] = {}
"""By name, in the order in which pages list them."""


def register(platform: Platform) -> None:
    """By an adapter, once, at start-up. Raises ValueError for a name, a kind of device or an address that is taken."""
    taken = {kind.name for one in PLATFORMS.values() for kind in one.device_kinds}
    if platform.name in PLATFORMS or taken & {kind.name for kind in platform.device_kinds}:
        raise ValueError(f"“{platform.name}”, or a kind of device of it, is registered already.")
    PLATFORMS[platform.name] = platform
    KNOWN_PLATFORMS.add(platform.name)
    if platform.beside:
        devices.kept_beside(platform.beside)
    routes.serve(platform.routes())


def platform_named(name: str) -> Platform:
    """Raises Unsupported for one that is not registered here."""
    try:
        return PLATFORMS[name]
    except KeyError:
        raise Unsupported(f"Devices of the platform “{name}” cannot be managed here.") from None


def platform_of(device: Device) -> Platform:
    """The platform of a device. Raises Unsupported as `platform_named` does."""
    return platform_named(device.platform)


def settings_pages() -> Mapping[str, SettingsPage]:
    """Those of all platforms, by the platform's name."""
    return {name: platform.settings for name, platform in PLATFORMS.items() if platform.settings is not None}


def demonstrations() -> Mapping[str, Demonstration]:
    """What all platforms bring to the demo, by the platform's name."""
    return {name: one.demonstration for name, one in PLATFORMS.items() if one.demonstration is not None}


def systems() -> Sequence[System]:
    """Of all platforms."""
    return [system for platform in PLATFORMS.values() for system in platform.systems]


def device_kinds() -> Mapping[str, DeviceKind]:
    """What can be registered, by name, of all platforms."""
    return {kind.name: kind for platform in PLATFORMS.values() for kind in platform.device_kinds}


def device_kind(name: str) -> DeviceKind:
    """Raises Unsupported for one that no platform has."""
    try:
        return device_kinds()[name]
    except KeyError:
        raise Unsupported(f"A device of the kind “{name}” cannot be registered here.") from None


def platform_of_kind(name: str) -> Platform:
    """The platform to which a kind of device belongs. Raises Unsupported for an unknown one."""
    kind = device_kind(name)
    return next(platform for platform in PLATFORMS.values() if kind in platform.device_kinds)


def detect(user_agent: str) -> str:
    """The kind of device that a browser runs on, as far as it says; empty for none that can be registered."""
    return next(filter(None, (platform.detect(user_agent) for platform in PLATFORMS.values())), "")
