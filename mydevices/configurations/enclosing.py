"""What a change of a configuration carries beside its words while it waits: an icon, and a file with a private key.
Written as one text, which is sealed (`accounts.approvals`)."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

_BYTES: Final = ("der", "key")
_TIMES: Final = ("not_before", "not_after", "uploaded_at")


@dataclass(frozen=True, slots=True)
class Enclosed:
    """`identity` are the columns of a `SharedIdentity`, its key in the clear."""

    icon: bytes | None = field(repr=False)
    identity: Mapping[str, Any] | None = field(repr=False)


def written(*, icon: bytes | None, identity: Mapping[str, Any] | None) -> bytes:
    """Nothing where there is neither."""
    if icon is None and identity is None:
        return b""
    plain: dict[str, Any] = {"icon": b64encode(icon).decode() if icon is not None else None, "identity": None}
    if identity is not None:
        columns = dict(identity)
        columns |= {name: b64encode(columns[name]).decode() for name in _BYTES}
        columns |= {name: columns[name].isoformat() for name in _TIMES}
        plain["identity"] = columns
    return json.dumps(plain).encode()


def read(text: bytes) -> Enclosed:
    if not text:
        return Enclosed(None, None)
    plain = json.loads(text)
    columns = plain["identity"]
    if columns is not None:
        columns |= {name: b64decode(columns[name]) for name in _BYTES}
        columns |= {name: datetime.fromisoformat(columns[name]) for name in _TIMES}
    return Enclosed(b64decode(plain["icon"]) if plain["icon"] is not None else None, columns)
