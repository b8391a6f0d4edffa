"""The messages and the schema under data/."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
CAPTURES: Mapping[str, bytes] = {path.stem: path.read_bytes() for path in sorted(DATA.glob("*.plist"))}


def capture(name: str) -> bytes:
    return CAPTURES[name]


@cache
def schema() -> dict[str, dict[str, Any]]:
    """Messages of Apple's schema by part (checkin, commands) and name."""
    extract = json.loads((DATA / "schema.json").read_text())
    return {part: {message["name"]: message for message in extract[part]} for part in ("checkin", "commands")}


TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "real": (float, int),
    "data": (bytes,),
    "array": (list,),
    "dictionary": (dict,),
    "any": (object,),
}


Described = Mapping[str, Any]
"""One key, or several by name, as schema.json describes them."""


def complaints(message: Mapping[str, Any], keys: Described, system: str, path: str = "") -> Iterator[str]:
    """What the schema has against a message for a system (iOS or macOS): unknown keys, wrong types, missing keys."""
    for name, key in keys.items():
        unavailable = key["os"].get(system, {}).get("introduced") == "n/a"
        if name in message and unavailable:
            yield f"{path}{name} is not for {system}"
        if name not in message and key.get("presence") == "required" and not unavailable:
            yield f"{path}{name} is missing"
    for name, value in message.items():
        if name in keys:
            yield from _of_value(value, keys[name], system, f"{path}{name}")
        else:
            yield f"{path}{name} is unknown"


def _of_value(value: object, key: Described, system: str, path: str) -> Iterator[str]:
    within = key.get("keys", {})
    if not isinstance(value, TYPES[key["type"]]) or (isinstance(value, bool) and key["type"] != "boolean"):
        yield f"{path} is {value!r}, not {key['type']}"
    elif "rangelist" in key and value not in key["rangelist"]:
        yield f"{path} is {value!r}, not one of {key['rangelist']}"
    elif isinstance(value, dict) and within and "ANY" not in within:
        yield from complaints(value, within, system, f"{path}.")
    elif isinstance(value, list) and within:
        # The members of an array are described by one nameless key, or (Queries) by their allowed values as keys.
        (item,) = within.values()
        for member in value:
            if isinstance(member, str) and "keys" in item:
                if member not in item["keys"]:
                    yield f"{path} holds {member!r}, which is unknown"
            else:
                yield from _of_value(member, item, system, f"{path}[]")
