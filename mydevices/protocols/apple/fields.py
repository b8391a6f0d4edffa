"""Reading the dictionaries that devices send: a missing key is None, a wrong type is a ProtocolError.

What only describes (names, versions) is made one line that can be shown and cut at a length, as it decides nothing;
what identifies is refused when too long.
"""

import math
from collections.abc import Mapping, Sequence

from mydevices.errors import ProtocolError
from mydevices.lines import one_line

Fields = Mapping[str, object]

MAX_IDENTIFIER = 128
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _wrong(key: str, kind: str) -> ProtocolError:
    return ProtocolError(f"{key} is not {kind}.")


def text(fields: Fields, key: str, limit: int = 255) -> str | None:
    """A description in one line, cut at `limit` characters; None when missing or empty."""
    value = fields.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong(key, "text")
    return one_line(value)[:limit].strip() or None


def identifier(fields: Fields, key: str, limit: int = MAX_IDENTIFIER) -> str | None:
    """What names a thing; None when missing or empty."""
    value = fields.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong(key, "text")
    if len(value) > limit:
        raise ProtocolError(f"{key} is too long.")
    return value or None


def required(fields: Fields, key: str, limit: int = MAX_IDENTIFIER) -> str:
    value = identifier(fields, key, limit)
    if value is None:
        raise ProtocolError(f"{key} is missing.")
    return value


def flag(fields: Fields, key: str) -> bool | None:
    """A boolean, which some devices send as a word or as a number (NotOnConsole is known for it)."""
    value = fields.get(key)
    if value is None or isinstance(value, bool):
        return value
    word = str(value) if isinstance(value, int) else value
    if isinstance(word, str) and word.lower() in _WORDS:
        return _WORDS[word.lower()]
    raise _wrong(key, "true or false")


def integer(fields: Fields, key: str) -> int | None:
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(key, "an integer")
    return value


def real(fields: Fields, key: str) -> float | None:
    """A finite number; None when missing, infinite or not a number."""
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(key, "a number")
    return float(value) if math.isfinite(value) else None


def data(fields: Fields, key: str) -> bytes | None:
    """Bytes; None when missing or empty."""
    value = fields.get(key)
    if value is None:
        return None
    if not isinstance(value, bytes):
        raise _wrong(key, "data")
    return value or None


def dictionary(fields: Fields, key: str) -> Fields:
    """A dictionary; empty when missing."""
    value = fields.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(key, "a dictionary")
    return value


def dictionaries(fields: Fields, key: str) -> Sequence[Fields]:
    """A list of dictionaries; empty when missing."""
    value = fields.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _wrong(key, "a list of dictionaries")
    return value
