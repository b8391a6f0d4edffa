"""What Apple's schema says of a profile: which keys exist where, of which type, with which values.

The table beside this file, `payloads.json`, is an extract of Apple's schema for exactly the payloads that are made
here (tests/protocols/apple/extract_schema.py makes it, `payloads.LICENSE.txt` is its licence). It is part of the code,
and read with it once.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Literal

System = Literal["iOS", "macOS"]
"""iPadOS is iOS here, as in the schema."""
Channel = Literal["device", "user"]
Version = tuple[int, ...]

TOP_LEVEL = "TopLevel"
_COMMON = "CommonPayloadKeys"
_ANY = "ANY"
_NOT_AVAILABLE = "n/a"
_REFERENCE = "CertificateUUID"


class Fault(StrEnum):
    """What may be wrong with a key."""

    UNKNOWN = "unknown"
    MISSING = "missing"
    WRONG_TYPE = "wrong type"
    WRONG_VALUE = "wrong value"
    UNSUPPORTED = "unsupported"
    """Not on that system, version, channel or kind of management."""
    DEPRECATED = "deprecated"
    UNRESOLVED = "unresolved"
    """It names a certificate that is not in the profile: devices look nowhere else."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing the schema has against a payload. Neither part ever shows a value: it may be a password."""

    path: str
    """Where, such as `PayloadContent[1].SMIMESigningEnabled`."""
    fault: Fault
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


@dataclass(frozen=True, slots=True)
class _Support:
    """Where something exists: from `introduced` up to `removed`; None of `introduced` is "nowhere"."""

    introduced: Version | None
    deprecated: Version | None
    removed: Version | None
    supervised: bool
    device_channel: bool
    user_channel: bool
    user_enrolment: bool


@dataclass(frozen=True, slots=True)
class _Key:
    type: str
    required: bool
    support: Mapping[str, _Support]
    keys: Mapping[str, "_Key"]
    values: Sequence[object] = ()
    minimum: float | None = None
    maximum: float | None = None
    members: tuple[int, int] | None = None
    """How many of it an array holds."""
    form: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class _Payload:
    support: Mapping[str, _Support]
    keys: Mapping[str, _Key]


@dataclass(frozen=True, slots=True)
class _Target:
    """Whom a payload is for. None: not known, and not checked; of the version, the newest that the schema knows."""

    system: System
    version: Version | None
    supervised: bool | None
    channel: Channel | None
    user_enrolment: bool | None


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "real": (float, int),
    "data": (bytes,),
    "date": (datetime,),
    "array": (list, tuple),
    "dictionary": (dict,),
    "any": (object,),
}


# --- the table


def _version(text: str | None) -> Version | None:
    """The numbers of a version such as 17.5.1; None for what does not begin with one."""
    found = re.match(r"[0-9]+(\.[0-9]+)*", text or "")
    return tuple(int(part) for part in found[0].split(".")) if found else None


def _support(facts: Mapping[str, Any]) -> _Support:
    introduced = facts.get("introduced", _NOT_AVAILABLE)
    return _Support(
        introduced=None if introduced == _NOT_AVAILABLE else _version(introduced),
        deprecated=_version(facts.get("deprecated")),
        removed=_version(facts.get("removed")),
        supervised=facts.get("supervised", False),
        device_channel=facts.get("devicechannel", True),
        user_channel=facts.get("userchannel", True),
        user_enrolment=facts.get("userenrollment") != "forbidden",
    )


def _key(described: Mapping[str, Any], inherited: Mapping[str, Mapping[str, Any]]) -> _Key:
    """A key has what is around it in its support, changed by what it says itself (docs/schema.md, supportedOS)."""
    facts = {system: {**around, **described["os"].get(system, {})} for system, around in inherited.items()}
    within = described.get("keys", {})
    if described["type"] == "dictionary" and len(within) == 1:
        # ConsentText: what is said of its one "item" is meant of the dictionary itself.
        (only,) = within.values()
        if only["type"] == "dictionary" and _ANY in only.get("keys", {}):
            within = only["keys"]
    bounds, members = described.get("range", {}), described.get("repetition")
    return _Key(
        type=described["type"],
        required=described.get("presence") == "required",
        support={system: _support(entry) for system, entry in facts.items()},
        keys={name: _key(entry, facts) for name, entry in within.items()},
        values=tuple(described.get("rangelist", ())),
        minimum=bounds.get("min"),
        maximum=bounds.get("max"),
        members=(members["min"], members["max"]) if members else None,
        form=re.compile(described["format"], re.ASCII) if "format" in described else None,
    )


@cache
def _table() -> Mapping[str, _Payload]:
    extract = json.loads(files("mydevices.protocols.apple").joinpath("payloads.json").read_text(encoding="utf-8"))
    return {
        kind: _Payload(
            support={system: _support(facts) for system, facts in payload["os"].items()},
            keys={name: _key(entry, payload["os"]) for name, entry in payload["keys"].items()},
        )
        for kind, payload in extract["payloads"].items()
    }


def kinds() -> frozenset[str]:
    """The payload types that the table has."""
    return frozenset(_table()) - {TOP_LEVEL, _COMMON}


def has(kind: str, key: str, *, os: System, os_version: str | None = None) -> bool:
    """Whether a key of a payload type does something on that system: introduced, neither deprecated nor removed.

    Without a version (or with one that is not a number) the newest is meant. Raises LookupError for a type or key that
    the table does not have at all.
    """
    support = _table()[kind].keys[key].support[os]
    version = _version(os_version)
    return not _too_early_or_late(support, version) and not _reached(support.deprecated, version)


def _reached(mark: Version | None, version: Version | None) -> bool:
    return mark is not None and (version is None or version >= mark)


def _too_early_or_late(support: _Support, version: Version | None) -> bool:
    if support.introduced is None or _reached(support.removed, version):
        return True
    return version is not None and version < support.introduced


# --- the checks


def validate(
    payload: Mapping[str, object],
    *,
    os: System,
    os_version: str | None = None,
    supervised: bool | None = None,
    channel: Channel | None = None,
    user_enrolment: bool | None = None,
) -> list[Problem]:
    """What the schema has against a payload, or a whole profile (PayloadType Configuration, with all payloads in it).

    `payload` is the property list as a dictionary. What is None is not known and not checked; without a version the
    newest is meant, so what is deprecated is reported. `user_enrolment`: management of the work part only.
    """
    target = _Target(os, _version(os_version), supervised, channel, user_enrolment)
    if payload.get("PayloadType") == "Configuration":
        return list(_of_profile(payload, target))
    return list(_of_payload(payload, target, ""))


def unresolved(payloads: Iterable[Mapping[str, object]]) -> Iterator[tuple[int, str]]:
    """The references to certificates that are not among the payloads: position of the payload, and its key."""
    payloads = list(payloads)
    present = {payload.get("PayloadUUID") for payload in payloads}
    for position, payload in enumerate(payloads):
        for key, value in payload.items():
            if key.endswith(_REFERENCE) and value not in present:
                yield position, key


def _of_profile(profile: Mapping[str, object], target: _Target) -> Iterator[Problem]:
    encrypted = profile.get("IsEncrypted") is True
    for problem in _of_dictionary(profile, _table()[TOP_LEVEL].keys, target, ""):
        # "If IsEncrypted is true, this array isn't needed" (TopLevel.yaml).
        if not (encrypted and problem.path == "PayloadContent" and problem.fault is Fault.MISSING):
            yield problem
    if encrypted and not isinstance(profile.get("EncryptedPayloadContent"), bytes):
        yield Problem("EncryptedPayloadContent", Fault.MISSING, "it is missing")
    content = profile.get("PayloadContent")
    payloads = [item for item in content if isinstance(item, dict)] if isinstance(content, list | tuple) else []
    for position, payload in enumerate(payloads):
        yield from _of_payload(payload, target, f"PayloadContent[{position}].")
    for key in ("PayloadIdentifier", "PayloadUUID"):
        seen: set[object] = set()
        for position, value in enumerate(payload.get(key) for payload in payloads):
            if isinstance(value, str) and value in seen:
                yield Problem(f"PayloadContent[{position}].{key}", Fault.WRONG_VALUE, "another payload has it too")
            if isinstance(value, str):
                seen.add(value)
    for position, key in unresolved(payloads):
        text = "there is no such payload in the profile"
        yield Problem(f"PayloadContent[{position}].{key}", Fault.UNRESOLVED, text)


def _of_payload(payload: Mapping[str, object], target: _Target, path: str) -> Iterator[Problem]:
    kind = payload.get("PayloadType")
    described = _table().get(kind) if isinstance(kind, str) and kind in kinds() else None
    if described is None:
        yield Problem(f"{path}PayloadType", Fault.UNKNOWN, "the schema has no such payload here")
        return
    out_of_place = list(_of_support(described.support[target.system], target, f"{path}PayloadType"))
    # What cannot go there at all has no keys there either: once is enough.
    yield from out_of_place or _of_dictionary(payload, {**_table()[_COMMON].keys, **described.keys}, target, path)


def _of_support(support: _Support, target: _Target, path: str) -> Iterator[Problem]:
    where = target.system
    if support.introduced is None:
        yield Problem(path, Fault.UNSUPPORTED, f"it does not exist on {where}")
    elif _too_early_or_late(support, target.version):
        yield Problem(path, Fault.UNSUPPORTED, f"it does not exist on this version of {where}")
    elif _reached(support.deprecated, target.version):
        yield Problem(path, Fault.DEPRECATED, f"it is out of use on this version of {where}")
    if support.supervised and target.supervised is False:
        yield Problem(path, Fault.UNSUPPORTED, "it is for supervised devices")
    if not support.user_enrolment and target.user_enrolment:
        yield Problem(path, Fault.UNSUPPORTED, "a user enrolment does not allow it")
    if (target.channel == "device" and not support.device_channel) or (
        target.channel == "user" and not support.user_channel
    ):
        yield Problem(path, Fault.UNSUPPORTED, f"it cannot be sent to the {target.channel} channel")


def _of_dictionary(
    value: Mapping[str, object], keys: Mapping[str, _Key], target: _Target, path: str
) -> Iterator[Problem]:
    for name, key in keys.items():
        support = key.support[target.system]
        if key.required and name not in value and name != _ANY and not _too_early_or_late(support, target.version):
            yield Problem(f"{path}{name}", Fault.MISSING, "it is missing")
    for name, item in value.items():
        found = keys.get(name) or keys.get(_ANY)
        if found is None:
            yield Problem(f"{path}{name}", Fault.UNKNOWN, "the schema does not have it")
        else:
            yield from _of_support(found.support[target.system], target, f"{path}{name}")
            yield from _of_value(item, found, target, f"{path}{name}")


def _of_value(value: object, key: _Key, target: _Target, path: str) -> Iterator[Problem]:
    # In Python a boolean is an integer too; in a property list it is not.
    is_flag = isinstance(value, bool) and key.type not in {"boolean", "any"}
    if is_flag or not isinstance(value, _TYPES[key.type]):
        yield Problem(path, Fault.WRONG_TYPE, f"it must be of type {key.type}")
        return
    if key.values and value not in key.values:
        yield Problem(path, Fault.WRONG_VALUE, f"it must be one of {', '.join(map(str, key.values))}")
    if isinstance(value, int | float) and (
        (key.minimum is not None and value < key.minimum) or (key.maximum is not None and value > key.maximum)
    ):
        yield Problem(path, Fault.WRONG_VALUE, f"it must be between {key.minimum} and {key.maximum}")
    if isinstance(value, str) and key.form is not None and not key.form.fullmatch(value):
        yield Problem(path, Fault.WRONG_VALUE, "it is not of the form that is asked for")
    if isinstance(value, dict) and key.keys:
        yield from _of_dictionary(value, key.keys, target, f"{path}.")
    elif isinstance(value, list | tuple) and key.keys:
        yield from _of_array(value, tuple(key.keys.values()), target, path)


def _of_array(members: Sequence[object], described: Sequence[_Key], target: _Target, path: str) -> Iterator[Problem]:
    """The members of an array are of one of the described kinds, usually of the only one."""
    counts = [key.members for key in described if key.members]
    if counts and not sum(low for low, _ in counts) <= len(members) <= sum(high for _, high in counts):
        yield Problem(path, Fault.WRONG_VALUE, "it has too few or too many members")
    for position, member in enumerate(members):
        tried = [list(_of_value(member, key, target, f"{path}[{position}]")) for key in described]
        yield from min(tried, key=len)
