"""Whatever comes in, ProtocolError is all that comes out."""

import contextlib
import plistlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mydevices.errors import ProtocolError
from mydevices.protocols.apple import checkin, inventory, plist, push, reports
from tests.protocols.apple.captures import CAPTURES

FRAGMENTS = (
    b"<dict>",
    b"</dict>",
    b"<array>",
    b"<key>UDID</key>",
    b"<string>",
    b"<integer>99999999999999999999999999</integer>",
    b"<real>nan</real>",
    b"<date>9999-99-99T99:99:99Z</date>",
    b"<data>A</data>",
    b"<!DOCTYPE plist [<!ENTITY a 'b'>]>",
    b"&a;",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"<?xml version='1.0' encoding='utf-16'?>",
    b"\x00",
    b"\xff\xfe",
    b"bplist00",
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A capture with a few pieces flipped, cut, doubled, or put in."""
    body = bytearray(CAPTURES[draw(st.sampled_from(sorted(CAPTURES)))])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        end = min(len(body), at + draw(st.integers(0, 40)))
        match draw(st.sampled_from(["flip", "cut", "double", "insert"])):
            case "flip" if at < len(body):
                body[at] ^= draw(st.integers(1, 255))
            case "cut":
                del body[at:end]
            case "double":
                body[at:at] = body[at:end]
            case _:
                body[at:at] = draw(st.sampled_from(FRAGMENTS) | st.binary(max_size=8))
    return bytes(body)


LEAVES = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, -1, 2**63, 2**64 - 1, -(2**63), 1e308, -1e308, float("nan"), float("inf"), -0.0])
    | st.sampled_from(["", "true", "Idle", "9" * 300, "2026-99-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "é" * 300])
    | st.binary(max_size=8)
    | st.just(datetime(2026, 1, 1, tzinfo=UTC))
)
NAMES = sorted(
    {name for body in CAPTURES.values() for name in plistlib.loads(body)}
    | set(inventory.QUERIES)
    | {"SecurityInfo", "HardwareEncryptionCaps", "ManagementStatus", "FDE_Enabled", "Data", "PayloadUUID", "ErrorCode"}
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


def without_none(value: Any) -> Any:
    """Property lists know no None."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_none(item) for item in value if item is not None]
    return value


@st.composite
def misshapen(draw: st.DrawFn) -> bytes:
    """A capture with some values of another type, or missing: always a well-formed property list."""
    message: dict[str, Any] = plistlib.loads(CAPTURES[draw(st.sampled_from(sorted(CAPTURES)))])
    for _ in range(draw(st.integers(1, 3))):
        place = message
        for inner in ("QueryResponses", "SecurityInfo"):
            if isinstance(place.get(inner), dict) and draw(st.booleans()):
                place = place[inner]
        place[draw(st.sampled_from(sorted(place)) if place else st.sampled_from(NAMES))] = draw(VALUES)
    body: bytes = plistlib.dumps(without_none(message))
    return body


READERS: tuple[Callable[[Any], object], ...] = (
    inventory.device_information,
    inventory.security_info,
    inventory.profile_list,
    inventory.certificate_list,
    inventory.installed_application_list,
    inventory.device_location,
)


def read_everything(body: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        checkin.parse(body)
    try:
        report = reports.parse(body)
    except ProtocolError:
        return
    for reader in READERS:
        with contextlib.suppress(ProtocolError):
            reader(report.result)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    read_everything(body)


@settings(max_examples=400)
@given(mutated())
@example(b"\xff\xfe<\x00")
def test_a_mutated_capture_is_read_or_refused(body: bytes) -> None:
    read_everything(body)


@settings(max_examples=200)
@given(misshapen())
def test_a_capture_with_wrong_types_is_read_or_refused(body: bytes) -> None:
    read_everything(body)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8))
def test_any_result_is_read_or_refused(result: dict[str, object]) -> None:
    for reader in READERS:
        with contextlib.suppress(ProtocolError):
            reader(result)


@settings(max_examples=200)
@given(mutated())
def test_what_is_accepted_plistlib_reads_alike(body: bytes) -> None:
    try:
        value = plist.loads(body)
    except ProtocolError:
        return
    if b"<date>" not in body and b"nan" not in body:
        assert plistlib.loads(body, fmt=plistlib.FMT_XML) == value


@given(st.binary(max_size=60) | st.sampled_from([b"[" * 100_000, b'{"reason": 1}', b"[]", b"\xff", b"9" * 10_000]))
def test_any_answer_of_the_push_service_gives_a_reason_or_none(answer: bytes) -> None:
    assert isinstance(push.reason(answer), str)


@pytest.mark.parametrize("limit", [plist.MAX_DEPTH, plist.MAX_NODES, plist.MAX_BYTES])
def test_there_are_limits(limit: int) -> None:
    assert 0 < limit < 2**25
