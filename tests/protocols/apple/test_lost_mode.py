"""Where a lost device says it is."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import ProtocolError
from mydevices.protocols.apple import lost_mode

ANSWER: dict[str, Any] = {
    "Latitude": 37.33,
    "Longitude": -122.03,
    "HorizontalAccuracy": 65.0,
    "VerticalAccuracy": 10.0,
    "Altitude": 30.5,
    "Speed": -1.0,
    "Course": -1.0,
    "Timestamp": "2026-11-22T08:12:31Z",
}


def test_a_position_is_read() -> None:
    fix = lost_mode.fix(ANSWER)
    assert (fix.latitude, fix.longitude, fix.accuracy, fix.altitude) == (37.33, -122.03, 65.0, 30.5)
    assert fix.measured_at == datetime(2026, 11, 22, 8, 12, 31, tzinfo=UTC)


def test_whole_numbers_are_numbers() -> None:
    assert lost_mode.fix({**ANSWER, "Latitude": 37, "Longitude": 0}).longitude == 0


@pytest.mark.parametrize("key", ["HorizontalAccuracy", "Altitude"])
def test_below_zero_means_unknown(key: str) -> None:
    fix = lost_mode.fix({**ANSWER, key: -1.0})
    assert {"HorizontalAccuracy": fix.accuracy, "Altitude": fix.altitude}[key] is None


@pytest.mark.parametrize("key", ["Latitude", "Longitude", "Timestamp"])
def test_place_and_time_are_needed(key: str) -> None:
    with pytest.raises(ProtocolError):
        lost_mode.fix({name: value for name, value in ANSWER.items() if name != key})


@pytest.mark.parametrize(
    "change",
    [
        {"Latitude": 90.5},
        {"Longitude": float("nan")},
        {"Latitude": "37"},
        {"Timestamp": "yesterday"},
        {"Timestamp": "2026-11-22T08:12:31"},
        {"Timestamp": 7},
    ],
)
def test_what_is_no_place_or_no_time_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        lost_mode.fix({**ANSWER, **change})


@given(
    st.dictionaries(
        st.sampled_from(sorted(ANSWER)),
        st.none() | st.floats() | st.integers() | st.text() | st.binary() | st.booleans(),
    )
)
def test_anything_is_read_or_refused(change: dict[str, object]) -> None:
    try:
        fix = lost_mode.fix({**ANSWER, **change})
    except ProtocolError:
        return
    assert -90 <= fix.latitude <= 90
