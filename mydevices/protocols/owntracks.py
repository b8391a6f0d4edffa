"""OwnTracks' HTTP format: what its phone app posts (owntracks.org/booklet/tech/json/ and /tech/http/).

One JSON object a request, told apart by `_type`. Only positions are of interest; the app sends other things too, and
wants a success for each, or it sends them again for ever.
"""

import json
from datetime import UTC, datetime

from mydevices.errors import ProtocolError
from mydevices.protocols.position import Fix

MAXIMUM: int = 16 * 1024
"""Bytes of a message; a position has some 300."""


def parse(body: bytes) -> Fix | None:
    """The position in a message of type `location`: lat, lon (degrees), tst (seconds since 1970), acc (metres), alt
    (metres), batt (percent). None for a message of another type. Raises ProtocolError for what is no message, for a
    position without place or time, and for an encrypted one, which cannot be read here."""
    if len(body) > MAXIMUM:
        raise ProtocolError("The message is longer than 16 kB.")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise ProtocolError("The message is not JSON.") from error
    if not isinstance(message, dict) or not isinstance(message.get("_type"), str):
        raise ProtocolError("The message does not say what it is.")
    if message["_type"] == "encrypted":
        raise ProtocolError("The message is encrypted. Take the encryption key out of the app's settings.")
    if message["_type"] != "location":
        return None
    latitude, longitude, seconds = (_number(message, key) for key in ("lat", "lon", "tst"))
    if latitude is None or longitude is None or seconds is None:
        raise ProtocolError("The position has no place or no time.")
    try:
        measured_at = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ProtocolError("There is no such time.") from error
    percent = _number(message, "batt")
    return Fix(
        latitude=latitude,
        longitude=longitude,
        accuracy=_number(message, "acc"),
        measured_at=measured_at,
        altitude=_number(message, "alt"),
        battery=None if percent is None else percent / 100,
    )


def _number(message: dict[str, object], key: str) -> float | None:
    value = message.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
