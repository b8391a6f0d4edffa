"""What a device in Lost Mode answers (mdm/commands/device.lostmode.location.yaml)."""

from collections.abc import Mapping
from datetime import datetime

from mydevices.errors import ProtocolError
from mydevices.protocols.apple.fields import real, text
from mydevices.protocols.position import Fix


def fix(answer: Mapping[str, object]) -> Fix:
    """Where it is, from the answer to DeviceLocation. Latitude, longitude and the time are required; accuracies and
    altitudes below zero say that they are not known. Raises ProtocolError."""
    latitude, longitude = real(answer, "Latitude"), real(answer, "Longitude")
    if latitude is None or longitude is None:
        raise ProtocolError("The device answered without saying where it is.")
    altitude = real(answer, "Altitude")
    return Fix(
        latitude=latitude,
        longitude=longitude,
        accuracy=real(answer, "HorizontalAccuracy"),
        measured_at=_time(text(answer, "Timestamp", 64)),
        altitude=altitude if altitude is not None and altitude >= 0 else None,
    )


def _time(given: str | None) -> datetime:
    """RFC 3339, which is ISO 8601 with date, time and offset."""
    try:
        moment = datetime.fromisoformat(given or "")
    except ValueError as error:
        raise ProtocolError("The device did not say when it was there.") from error
    if moment.utcoffset() is None:
        raise ProtocolError("The device did not say in which time zone its clock is.")
    return moment
