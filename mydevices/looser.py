"""Which way is looser. Each field of a policy, a rule or a limit declares it, beside the field, in the `LOOSER` of its
class; a test fails where one does not.

A change is a loosening where, by one of its fields, more is let through after it than before: more people or devices
get in, more is collected or kept longer, fewer proofs are asked, an undo or a limit comes later."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Direction:
    """Of one field: whether a value lets through more than another one. `why_neither` is the reason, for a field that
    has no direction."""

    is_looser: Callable[[Any, Any], bool]
    """Given the value before, and the value after."""
    why_neither: str = ""


def ranked(rank: Callable[[Any], Any]) -> Direction:
    """Looser is the value of the higher rank."""
    return Direction(lambda before, after: bool(rank(after) > rank(before)))


def neither(why: str) -> Direction:
    """Nothing is looser or stricter by this field."""
    return Direction(lambda _before, _after: False, why)


HIGHER: Final = ranked(lambda value: value)
"""A greater number, or yes instead of no."""
LOWER: Final = ranked(lambda value: -value)
"""A smaller number, or no instead of yes."""
HIGHER_OR_NONE: Final = ranked(lambda value: value or float("inf"))
"""A greater number, and 0 most of all: it stands for no limit."""
MORE: Final = Direction(lambda before, after: bool(set(after) - set(before)))
"""Anything in the list that was not there before."""
EMPTY: Final = ranked(lambda value: not value)
"""Nothing where there was something."""
OTHER: Final = Direction(lambda before, after: bool(after) and bool(before != after))
"""Anything else than there was, but for nothing."""
OTHER_ENTRIES: Final = Direction(lambda before, after: bool(set(after.items()) - set(before.items())))
"""Anything in the table that was not there before, or stood for something else."""


def order(*values: Any) -> Direction:
    """Looser is what comes later here."""
    places = {value: place for place, value in enumerate(values)}
    return ranked(lambda value: places.get(value, len(places)))


def asks(proofs: Mapping[Any, Iterable[str]]) -> Direction:
    """Looser is what does without something that was asked before; what asks for something else instead counts as
    looser either way."""
    known = {value: frozenset(asked) for value, asked in proofs.items()}
    return Direction(lambda before, after: bool(known.get(before, frozenset()) - known.get(after, frozenset())))


def admits(cases: Mapping[Any, Iterable[str]]) -> Direction:
    """Looser is what lets in something that was not let in before."""
    known = {value: frozenset(admitted) for value, admitted in cases.items()}
    return Direction(lambda before, after: bool(known.get(after, frozenset()) - known.get(before, frozenset())))


def fields(directions: Mapping[str, Direction], before: Values, after: Values) -> Sequence[str]:
    """The fields by which `after` lets through more than `before`, in the order in which they are declared. A value
    that `after` does not name stays as it is."""
    return [
        name
        for name, direction in directions.items()
        if name in after and before[name] != after[name] and direction.is_looser(before[name], after[name])
    ]
