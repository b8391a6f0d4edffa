from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from mydevices.audit.models import Entry, Seal
from mydevices.audit.verbs import Verb


def of_device(device_id: UUID) -> QuerySet[Entry]:
    """Everything that happened to a device, newest first."""
    return Entry.objects.filter(device_id=str(device_id)).order_by("-id")


def of_person(person_id: UUID) -> QuerySet[Entry]:
    """Everything that happened to a person's account and devices, newest first."""
    return Entry.objects.filter(person_id=str(person_id)).order_by("-id")


def happened_to(person_id: UUID, verb: Verb, *, since: datetime) -> bool:
    """Whether this happened to somebody's account since then."""
    return of_person(person_id).filter(verb=verb, at__gt=since).exists()


def latest() -> QuerySet[Entry]:
    """Everything, newest first."""
    return Entry.objects.order_by("-id")


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a history, newest first. `older` and `newer` are the ids to go on from, None where nothing is. Where
    `stopped`, there may be more entries of that kind than were looked at."""

    entries: Sequence[Entry]
    older: int | None = None
    newer: int | None = None
    stopped: bool = False


LOOKED_AT: Final = 50_000
"""Entries that one page of a search through texts reads."""


def page_of_search(entries: QuerySet[Entry], *, size: int, before: int | None = None) -> Page:
    """As `page`, for what no index finds: not more than LOOKED_AT entries are read, and whoever wants to know about
    older ones goes on from there. The way back to newer ones is the way that one came."""
    newest = Entry.objects.order_by("-id").values_list("id", flat=True).first() or 0
    begin = min(before or newest + 1, newest + 1)
    end = begin - LOOKED_AT
    found = list(entries.filter(id__lt=begin, id__gte=end).order_by("-id")[: size + 1])
    if len(found) > size:
        return Page(found[:size], found[size - 1].pk)
    goes_on = Entry.objects.filter(id__lt=end).exists()
    return Page(found, end if goes_on else None, stopped=goes_on)


def page(entries: QuerySet[Entry], *, size: int, before: int | None = None, after: int | None = None) -> Page:
    """The newest `size` of these entries, or those next to an entry's id: `before` it, or `after` it. What is written
    meanwhile moves nothing from one page to another."""
    if after is not None:
        found = list(entries.filter(id__gt=after).order_by("id")[: size + 1])
        if len(found) > size:
            found = found[size - 1 :: -1]
            return Page(found, found[-1].pk, found[0].pk)
        before = None  # there are no more than fit on the first page
    older = entries if before is None else entries.filter(id__lt=before)
    found = list(older.order_by("-id")[: size + 1])
    is_last = len(found) <= size
    found = found[:size]
    is_first = before is None or not entries.filter(id__gte=before).exists()
    newest = found[0].pk if found else (before or 1) - 1
    return Page(found, None if is_last else found[-1].pk, None if is_first else newest)


def about_actions_of(entries: Sequence[Entry], verbs: Collection[Verb]) -> QuerySet[Entry]:
    """What of these kinds was written later about the actions that these entries tell of, newest first."""
    actions = {entry.action_id for entry in entries if entry.action_id}
    if not actions:
        return Entry.objects.none()
    devices = {entry.device_id for entry in entries if entry.action_id}  # for the index
    oldest = min(entry.pk for entry in entries)
    told = Entry.objects.filter(device_id__in=devices, id__gt=oldest, action_id__in=actions, verb__in=verbs)
    return told.order_by("-id")


def reasons_of(actions: Mapping[UUID, UUID]) -> Mapping[UUID, str]:
    """Why actions were asked for, where somebody said it, by the action's id. `actions`: the device of each, by the
    same."""
    asked = Entry.objects.filter(
        device_id__in={str(device) for device in actions.values()},  # for the index
        action_id__in=[str(action) for action in actions],
        verb=Verb.ACTION_REQUESTED,
    )
    return {UUID(entry.action_id): str(entry.details.get("reason", "")) for entry in asked}


def sealed() -> tuple[int, int]:
    """About how many entries the chain holds, and about how many wait for it: the worker seals every ten seconds. By
    their ids, because a page would wait for a count; `chain.head` counts."""
    newest = Seal.objects.order_by("-id").values_list("id", flat=True).first() or 0
    last = Entry.objects.order_by("-id").values_list("id", flat=True).first() or 0
    held = Seal.objects.order_by("-id").values_list("entry_id", flat=True).first() or 0
    return int(newest), max(0, int(last) - int(held))
