"""What has become of an action, of whose commands one is being reported."""

from collections.abc import Iterable
from typing import Final

from mydevices.commands.states import OPEN, State
from mydevices.port.commands import SiblingState


def others(states: Iterable[State]) -> SiblingState:
    """The state of the action without that command, from those of the others."""
    return max((_MATTERS.get(state, SiblingState.DONE) for state in states), default=SiblingState.DONE)


_MATTERS: Final = {
    **dict.fromkeys(OPEN, SiblingState.OPEN),
    State.CANCELLED: SiblingState.CANCELLED,
    State.FAILED: SiblingState.FAILED,
    State.EXPIRED: SiblingState.FAILED,
}
