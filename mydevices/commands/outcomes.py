"""What has become of an action, of whose commands one is being reported."""

from collections.abc import Iterable
from typing import Final

from mydevices.commands.states import OPEN, State
from mydevices.port.commands import Others


def others(states: Iterable[State]) -> Others:
    """The state of the action without that command, from those of the others."""
    return max((_MATTERS.get(state, Others.DONE) for state in states), default=Others.DONE)


_MATTERS: Final = {
    **dict.fromkeys(OPEN, Others.OPEN),
    State.CANCELLED: Others.CANCELLED,
    State.FAILED: Others.FAILED,
    State.EXPIRED: Others.FAILED,
}
