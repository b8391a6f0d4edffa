"""Who must know when something about people changes that decides what reaches their devices: their name and address,
their groups, whether they are suspended, whose a device of theirs is. Registered at start-up, by the apps above; told
in the transaction of the change."""

from collections.abc import Callable, Collection
from uuid import UUID

Following = Callable[[Collection[UUID]], None]
"""Gets the ids of people. May post to the outbox, and does no more."""

_FOLLOWING: list[Following] = []


def follow(following: Following) -> None:
    _FOLLOWING.append(following)


def changed(person_ids: Collection[UUID]) -> None:
    """By the verbs that change it."""
    if person_ids:
        for following in _FOLLOWING:
            following(person_ids)
