"""What a process goes on with for some seconds instead of reading it anew for every page: a row that stands in every
sentence and hardly ever changes."""

import time
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

SECONDS: Final = 5.0

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """A value that is read when it is asked for, and again once it is SECONDS old or was forgotten. Two threads that
    ask at the same moment may both read it."""

    clock: Callable[[], float] = time.monotonic
    """Of all of them: tests stop it, so that what a page asks the database does not depend on how long it takes."""

    every: Final["list[Remembered[Any]]"] = []

    def __init__(self, read: Callable[[], Value]) -> None:
        self._read = read
        self._known: tuple[float, Value] | None = None
        self.every.append(self)

    def __call__(self) -> Value:
        now, known = Remembered.clock(), self._known
        if known is None or now - known[0] > SECONDS:
            known = self._known = (now, self._read())
        return known[1]

    def forget(self) -> None:
        """Read it anew next time, because this process has changed it."""
        self._known = None
