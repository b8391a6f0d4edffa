"""What OwnTracks posts, and what it could post."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import ProtocolError
from mydevices.protocols import owntracks
from mydevices.protocols.position import Fix

# As the booklet prints it (owntracks.org/booklet/tech/json).
EXAMPLE = (
    b'{"_type":"location","acc":15,"alt":154,"batt":53,"conn":"w","lat":48.856826,"lon":2.292713,'
    b'"t":"u","tid":"J3","tst":1497476456,"vac":10,"vel":54}'
)


def test_a_location_is_read() -> None:
    assert owntracks.parse(EXAMPLE) == Fix(
        latitude=48.856826,
        longitude=2.292713,
        accuracy=15,
        measured_at=datetime(2017, 6, 14, 21, 40, 56, tzinfo=UTC),
        altitude=154,
        battery=0.53,
    )


@pytest.mark.parametrize("kind", ["lwt", "transition", "waypoint", "waypoints", "card", "cmd", "status", "dump"])
def test_other_messages_hold_no_position(kind: str) -> None:
    assert owntracks.parse(json.dumps({"_type": kind, "lat": 1, "lon": 2, "tst": 3}).encode()) is None


@pytest.mark.parametrize("missing", ["lat", "lon", "tst"])
def test_a_position_needs_place_and_time(missing: str) -> None:
    message = json.loads(EXAMPLE)
    del message[missing]
    with pytest.raises(ProtocolError, match="no place or no time"):
        owntracks.parse(json.dumps(message).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"lat": 91},
        {"lon": 181},
        {"lat": "48"},
        {"lat": True},
        {"lat": float("nan")},
        {"lon": float("inf")},
        {"tst": 10**30},
        {"tst": -(10**18)},
        {"tst": float("nan")},
        {"lat": 10**400},
    ],
)
def test_a_place_or_time_that_is_none_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        owntracks.parse(json.dumps({**json.loads(EXAMPLE), **change}).encode())


@pytest.mark.parametrize("change", [{"acc": -1}, {"batt": 5000}, {"alt": "high"}, {"acc": None}])
def test_what_can_only_be_a_mistake_is_not_known(change: dict[str, object]) -> None:
    fix = owntracks.parse(json.dumps({**json.loads(EXAMPLE), **change}).encode())
    assert fix is not None
    [name] = change
    assert getattr(fix, {"acc": "accuracy", "batt": "battery", "alt": "altitude"}[name]) is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b'{"_type": 7}', b"[" * 9000, b" " * 20_000]
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        owntracks.parse(body)


def test_an_encrypted_message_says_what_to_do() -> None:
    with pytest.raises(ProtocolError, match="encryption key"):
        owntracks.parse(b'{"_type": "encrypted", "data": "AAAA"}')


@given(st.binary(max_size=300) | st.builds(lambda junk: EXAMPLE.replace(b"48.856826", junk), st.binary(max_size=20)))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        found = owntracks.parse(body)
    except ProtocolError:
        return
    assert found is None or -90 <= found.latitude <= 90
