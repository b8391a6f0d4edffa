"""Who delivers what, and what is done again and again. Apps name their functions here at start-up, each once.

A handler is given a batch of messages and answers for each: Done, Retry or Dead. It may be given a message twice (a
worker can die between delivery and its note of it), so it must be one that can be repeated. Periodic work likewise.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as its handler sees it. `attempts` counts this one."""

    id: int
    key: str | None
    payload: Mapping[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True)
class Done:
    """Delivered, or no longer needed: the message is deleted."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Not delivered. Tried again `after` that time, or by the back-off of its topic. `error` is kept with the message,
    so it may hold no secret."""

    error: str | Exception
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """Can never be delivered: the message stays as it is, with the error, for people to see."""

    error: str | Exception


DeliveryOutcome = Done | Retry | Dead
Function = Callable[[Sequence[Delivery]], Mapping[int, DeliveryOutcome]]


@dataclass(frozen=True, slots=True)
class Handler:
    topic: str
    function: Function
    batch: int
    give_up_after: int | None
    lease: timedelta
    longest_pause: timedelta


@dataclass(frozen=True, slots=True)
class Periodic:
    name: str
    every: timedelta
    function: Callable[[], object]
    lease: timedelta


HANDLERS: Final[dict[str, Handler]] = {}
PERIODIC: Final[dict[str, Periodic]] = {}


def handler(
    topic: str,
    function: Function,
    *,
    batch: int = 50,
    give_up_after: int | None = None,
    lease: timedelta = timedelta(minutes=1),
    longest_pause: timedelta = timedelta(minutes=10),
) -> None:
    """Deliver the messages of `topic` with `function`, in batches, in a thread of its own.

    A message without an outcome, and every message when the function raises, is tried again: after about 1, 2, 4, ...
    seconds up to `longest_pause`, `give_up_after` times in all (None: for ever). A batch must be done within `lease`;
    after that another worker takes it.
    """
    HANDLERS[topic] = Handler(topic, function, batch, give_up_after, lease, longest_pause)


def periodic(
    name: str, every: timedelta, function: Callable[[], object], *, lease: timedelta = timedelta(minutes=5)
) -> None:
    """Run `function` about every so often, in one worker at a time. What was missed while none ran is made up for once.

    When it raises it is tried again by a back-off, at the latest after `every`. It must end within `lease`; after that
    it counts as lost with its worker, and is run again.
    """
    PERIODIC[name] = Periodic(name, every, function, lease)
