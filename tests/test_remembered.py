"""What a process remembers for some seconds."""

from collections.abc import Iterator

import pytest

from mydevices.remembered import SECONDS, Remembered


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(Remembered, "clock", lambda: now[0])
    return now


@pytest.fixture
def counted() -> Iterator[Remembered[int]]:
    numbers = iter(range(10))
    remembered = Remembered(lambda: next(numbers))
    yield remembered
    Remembered.every.remove(remembered)


def test_a_value_is_read_once_in_some_seconds(clock: list[float], counted: Remembered[int]) -> None:
    assert [counted(), counted()] == [0, 0]
    clock[0] += SECONDS
    assert counted() == 0
    clock[0] += 0.01
    assert counted() == 1


def test_what_was_forgotten_is_read_anew(clock: list[float], counted: Remembered[int]) -> None:
    assert counted() == 0
    counted.forget()
    assert counted() == 1


def test_a_value_that_could_not_be_read_is_not_remembered(clock: list[float]) -> None:
    def fail() -> int:
        raise ValueError

    failing = Remembered(fail)
    for _time in range(2):
        with pytest.raises(ValueError):
            failing()
    Remembered.every.remove(failing)
