"""The life of a command, as a table. Whatever moves a command goes through it, and the database refuses the rest.

held       waits out an undo window, or for an administrator
queued     waits for its device to ask
sent       given to the device, and given again under the same id when it asks anew: its first answer may be lost
deferred   the device said "not now"; offered once in each conversation that begins with its next Idle
done, failed   the device's answer
expired    nobody asked in time; if the device answers after all, the truth is recorded
cancelled, void   called off by a person; made pointless by the end of its registration
"""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    HELD = "held"
    QUEUED = "queued"
    SENT = "sent"
    DEFERRED = "deferred"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    VOID = "void"


TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.HELD: frozenset({State.QUEUED, State.CANCELLED, State.VOID}),
    State.QUEUED: frozenset({State.SENT, State.CANCELLED, State.EXPIRED, State.VOID}),
    State.SENT: frozenset({State.SENT, State.DEFERRED, State.DONE, State.FAILED, State.EXPIRED, State.VOID}),
    State.DEFERRED: frozenset({State.SENT, State.CANCELLED, State.EXPIRED, State.VOID}),
    State.EXPIRED: frozenset({State.DONE, State.FAILED}),
    State.DONE: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.VOID: frozenset(),
}

PENDING: Final = (State.QUEUED, State.SENT, State.DEFERRED)
"""What a device may still be given."""

OPEN: Final = (State.HELD, *PENDING)
"""What has not come to an end."""


def before(state: State) -> tuple[State, ...]:
    """The states from which a command may move to `state`."""
    return tuple(old for old, following in TRANSITIONS.items() if state in following)
