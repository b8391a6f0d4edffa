"""What a finished command means for a device, a registration, a configuration. Adapters register it at start-up, in one
place each; it runs in the transaction of the report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from uuid import UUID

from mydevices.commands.states import State


class Others(IntEnum):
    """The state of an action without one of its commands: that of the one that matters most."""

    DONE = 0
    FAILED = 1
    CANCELLED = 2
    OPEN = 3


@dataclass(frozen=True, slots=True)
class Reported:
    """A command as it stood when its report came, and what has become of the others of its action."""

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


Meaning = Callable[[Reported, Outcome], Mapping[str, object] | None]
"""Returns what of the answer may be shown with the command, or None."""

MEANINGS: dict[str, Meaning] = {}


def on(request_type: str, meaning: Meaning) -> None:
    MEANINGS[request_type] = meaning
