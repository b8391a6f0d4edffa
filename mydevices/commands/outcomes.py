"""What a finished command means for a device, a registration, a configuration. Adapters register it at start-up, in one
place each; it runs in the transaction of the report."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final
from uuid import UUID

from mydevices.commands.states import OPEN, State


class Others(IntEnum):
    """The state of an action without one of its commands: that of the one that matters most."""

    DONE = 0
    FAILED = 1
    CANCELLED = 2
    OPEN = 3


def others(states: Iterable[State]) -> Others:
    """The same from the states of those commands."""
    return max((_MATTERS.get(state, Others.DONE) for state in states), default=Others.DONE)


_MATTERS: Final = {
    **dict.fromkeys(OPEN, Others.OPEN),
    State.CANCELLED: Others.CANCELLED,
    State.FAILED: Others.FAILED,
    State.EXPIRED: Others.FAILED,
}


@dataclass(frozen=True, slots=True)
class Reported:
    """A command as it stood when its report came, and what had become of the others of its action: `others` may be
    out of date where it can still change."""

    id: int
    uuid: UUID
    request_type: str
    parameters: Mapping[str, object]
    state: State
    registration_id: UUID
    device_id: UUID
    device_name: str
    device_model: str
    owner_id: UUID
    owner_name: str
    action_id: UUID | None = None
    action_kind: str = ""
    others: Others = Others.DONE


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: DONE, FAILED or DEFERRED, the device's reason, and its whole answer."""

    state: State
    at: datetime
    error: str = ""
    answer: Mapping[str, object] | None = None
    address: str = ""
    """Where the device answered from."""


Meaning = Callable[[Reported, Outcome], None]
"""Does what follows from it, in the report's own transaction."""

Showing = Callable[[Outcome], Mapping[str, object] | None]
"""What of the answer may be shown with the command, or None. Asks and changes nothing."""

MEANINGS: dict[str, Meaning] = {}
SHOWN: dict[str, Showing] = {}


def on(request_type: str, meaning: Meaning, *, shown: Showing | None = None) -> None:
    MEANINGS[request_type] = meaning
    if shown is not None:
        SHOWN[request_type] = shown
