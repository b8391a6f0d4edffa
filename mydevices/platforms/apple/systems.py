"""The systems of Apple that are managed here, what people register of them, and how devices are called and drawn."""

from collections.abc import Mapping, Sequence
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from mydevices.devices.models import Device
from mydevices.platforms.apple.registrations import kept_of
from mydevices.port.pictures import Appearance, Shape
from mydevices.port.registering import DeviceKind, GuideStep, System
from mydevices.protocols.apple import models

NAME: Final = "apple"
SYSTEMS: Final = (System("iOS", "17.4"), System("iPadOS", "17.4"), System("macOS", "14.5"))
PHONE: Final = "phone"
MAC: Final = "mac"

_STEPS: Final = "apple/steps.svg"
KINDS: Final = (
    DeviceKind(
        name=PHONE,
        systems=("iOS", "iPadOS"),
        one=lazy("An iPhone or iPad"),
        this=lazy("This iPhone or iPad"),
        other=lazy("Another iPhone or iPad"),
        heading=lazy("Register this device"),
        how_to_open=lazy(
            "Point the camera of the iPhone or iPad at the code and tap the link that appears. Or type the address "
            "into Safari:"
        ),
        wrong_device=lazy(
            "This is no iPhone or iPad, as far as its browser says. Open this address on the one that you register."
        ),
        installing=lazy("Install the profile"),
        how_to_install=lazy(
            "On the device: open Settings, tap <b>Profile Downloaded</b>, then <b>Install</b>, and enter its passcode."
        ),
        button=lazy("Download profile"),
        steps=(
            GuideStep(
                lazy("Download the profile"),
                lazy("Safari asks whether to allow it: tap <b>Allow</b>."),
                _STEPS,
                "h-allow",
            ),
            GuideStep(lazy("Open Settings"), lazy("Tap <b>Profile Downloaded</b>, near the top."), _STEPS, "h-profile"),
            GuideStep(
                lazy("Install it"),
                lazy("Tap <b>Install</b>, enter the passcode, and tap Install until it says Done."),
                _STEPS,
                "h-install",
            ),
        ),
    ),
    DeviceKind(
        name=MAC,
        systems=("macOS",),
        one=lazy("A Mac"),
        this=lazy("This Mac, in front of me"),
        other=lazy("Another Mac"),
        heading=lazy("Register this Mac"),
        how_to_open=lazy("Type this address into Safari on the Mac:"),
        wrong_device=lazy(
            "This is no Mac, as far as its browser says. Open this address on the Mac that you register."
        ),
        installing=lazy("Install the profile"),
        how_to_install=lazy(
            "On the Mac: open System Settings, choose General and then Device Management, open the profile and "
            "install it."
        ),
        button=lazy("Download profile"),
        steps=(
            GuideStep(
                lazy("Download the profile"),
                lazy("Safari may ask whether to allow the download: allow it."),
                _STEPS,
                "h-mac-open",
            ),
            GuideStep(
                lazy("Open it in System Settings"),
                lazy("Choose <b>General</b>, then <b>Device Management</b>, and double-click the profile."),
                _STEPS,
                "h-mac-profile",
            ),
            GuideStep(
                lazy("Install it"),
                lazy("Click <b>Install</b> and enter the password of the Mac."),
                _STEPS,
                "h-mac-install",
            ),
        ),
    ),
)

_DRAWINGS: Final = "apple/drawings.svg"
_PHONE_SHAPE: Final = (44, 88, 22.0, 44.0, 12)
SHAPES: Final[Mapping[str, Shape]] = {
    name: Shape(_DRAWINGS, f"d-{name}", *measures)
    for name, measures in {
        "iphone": _PHONE_SHAPE,
        "iphone-notch": _PHONE_SHAPE,
        "iphone-home": (44, 88, 22.0, 42.0, 12),
        "ipad": (72, 92, 36.0, 46.0, 12),
        "ipad-home": (72, 92, 36.0, 43.0, 12),
        "macbook": (112, 76, 56.0, 32.5, 17),
        "imac": (104, 88, 52.0, 30.0, 15),
        "mac-mini": (104, 88, 52.0, 27.5, 15),
    }.items()
}
FAMILY: Final = Shape(_DRAWINGS, "family", 386, 96, 0, 0, 0)
_LIKE: Final[Mapping[str, str]] = {"mac-studio": "mac-mini", "mac-pro": "mac-mini", "ipod": "iphone-home"}
"""What looks near enough, for shapes that have no drawing of their own."""
_NOUNS: Final = {"iphone": "iPhone", "ipad": "iPad", "mac": "Mac", "ipod": "iPod"}


def is_mac(device: Device) -> bool:
    return models.kind(device.model) == "mac"


def noun(device: Device) -> str:
    """What a person calls it."""
    return _NOUNS.get(models.kind(device.model)) or _("device")


def appearance(device: Device) -> Appearance:
    shape = models.silhouette(device.model)
    drawn = SHAPES.get(shape) or SHAPES.get(_LIKE.get(shape, "")) or SHAPES["iphone"]
    management = _("supervised") if _is_supervised(device) else ""
    return Appearance(noun(device), drawn, has_pins=is_mac(device), management=management)


def _is_supervised(device: Device) -> bool | None:
    own = kept_of(device)
    return own.is_supervised if own is not None else None


def facts(device: Device) -> Sequence[tuple[str, str]]:
    supervised = _is_supervised(device)
    return () if supervised is None else ((_("Supervised"), _("Yes") if supervised else _("No")),)


def detect(user_agent: str) -> str:
    """The kind of device that a browser runs on, as far as it says; an iPad may call itself a Mac."""
    if "iPhone" in user_agent or "iPad" in user_agent:
        return PHONE
    return MAC if "Macintosh" in user_agent else ""


def map_link(user_agent: str, *, latitude: str, longitude: str) -> str:
    """Maps, which knows no geo address; empty for a browser that runs on nothing of Apple's."""
    if not detect(user_agent):
        return ""
    return f"https://maps.apple.com/?ll={latitude},{longitude}&q={latitude},{longitude}"
