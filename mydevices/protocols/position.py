"""Where something is: the same value whoever says it, an Apple device, a browser or OwnTracks."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from mydevices.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class Fix:
    """A position in degrees (WGS 84) and metres; what is not known is None. Raises ProtocolError for a place that is
    not on Earth, and takes for unknown what can only be a mistake."""

    latitude: float
    longitude: float
    accuracy: float | None
    """The radius of the circle that it lies in, most likely."""
    measured_at: datetime
    """With its offset."""
    altitude: float | None = None
    battery: float | None = None
    """0 to 1."""

    def __post_init__(self) -> None:
        if not (-90 <= self.latitude <= 90 and -180 <= self.longitude <= 180):  # also what is no number at all
            raise ProtocolError("There is no such place.")
        if self.measured_at.utcoffset() is None:
            raise ProtocolError("The time of a position needs its offset.")
        try:
            object.__setattr__(self, "measured_at", self.measured_at.astimezone(UTC))
        except OverflowError as error:  # the first or the last day that there is, and an offset that leads beyond it
            raise ProtocolError("There is no such time.") from error
        object.__setattr__(self, "accuracy", _within(self.accuracy, 0, 50_000_000))
        object.__setattr__(self, "altitude", _within(self.altitude, -12_000, 1_000_000))
        object.__setattr__(self, "battery", _within(self.battery, 0, 1))


def _within(value: float | None, least: float, most: float) -> float | None:
    return value if value is not None and math.isfinite(value) and least <= value <= most else None
