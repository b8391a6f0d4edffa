"""How a device is called and drawn."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from mydevices.devices.models import Device
from mydevices.port.pictures import Appearance, Shape
from mydevices.port.platform import PLATFORMS, platform_of
from mydevices.presentation import moments


@dataclass(frozen=True, slots=True)
class Drawing:
    """A silhouette, and what its screen shows."""

    shape: Shape
    screen: str = ""
    """An icon on the screen, "countdown", or nothing."""
    until: datetime | None = None
    left: int = 0
    of: int = 0

    @property
    def icon_size(self) -> float:
        return round(self.shape.radius * 4 / 3, 1)

    @property
    def icon_x(self) -> float:
        return round(self.shape.x - self.icon_size / 2, 1)

    @property
    def icon_y(self) -> float:
        return round(self.shape.y - self.icon_size / 2, 1)

    @property
    def text_y(self) -> float:
        return round(self.shape.y + self.shape.radius * 0.36, 1)

    @property
    def ring(self) -> float:
        return self.shape.radius + 1

    @property
    def text_size(self) -> float:
        return round(self.shape.radius * 1.04, 1)


def appearance(device: Device) -> Appearance:
    return platform_of(device).appearance(device)


def noun(device: Device) -> str:
    """What a person calls a device of its kind."""
    return appearance(device).noun


def name_of(device: Device) -> str:
    """Its own name; before it has said one, what it is."""
    return device.name or device.model_name or _("New %(noun)s") % {"noun": noun(device)}


def names(owned: Iterable[Device]) -> Mapping[str, str]:
    """What somebody's devices are called now, by their id as text."""
    return {str(device.id): name_of(device) for device in owned}


def line_of(device: Device) -> str:
    """Model and system, as its maker calls them."""
    system = f"{device.os_name} {device.os_version}".strip() if device.os_version else ""
    return ", ".join(part for part in (device.model_name or device.model, system) if part)


def whose(device: Device, organisation: str) -> str:
    if device.is_personal:
        return _("Your own")
    theirs = _("%(organisation)s’s") % {"organisation": organisation}
    return _(", ").join(filter(None, (theirs, appearance(device).management)))


def drawing(
    device: Device, screen: str = "", until: datetime | None = None, now: datetime | None = None, of: int = 0
) -> Drawing:
    seconds = moments.left(until, now) if until and now else 0
    return Drawing(appearance(device).shape, screen, until, seconds, max(of, seconds, 1))


def example() -> Drawing:
    """A device for a page that has none to show."""
    return Drawing(next(iter(PLATFORMS.values())).example)
