"""Taking messages and periodic work for a while, and giving them back: each move is one statement that only one worker
wins.

Time is the worker's clock. Clocks of several machines may differ by much less than a lease.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Final
from uuid import UUID, uuid4

from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from mydevices.outbox.models import Message, Schedule
from mydevices.outbox.registry import Delivery, Periodic

LONGEST_ERROR: Final = 2000
_DICE: Final = SystemRandom()

_DUE: Final = "topic = %s AND state IN ('waiting', 'leased') AND run_at <= %s"
_TAKE: Final = """
    UPDATE outbox_message SET state = 'leased', lease_token = %s, run_at = %s, attempts = attempts + 1
    WHERE id {some} RETURNING id, "key", payload, attempts
"""
_FIRST: Final = f"SELECT id FROM outbox_message WHERE {_DUE} ORDER BY run_at, id LIMIT %s"  # noqa: S608  constants
_TAKES: Final = {
    # ARRAY: evaluated once. As IN (...) the planner may run it once per row, and then it locks more than its limit.
    # SKIP LOCKED passes by what another worker takes now, and what a transaction has posted to that has not ended.
    "postgresql": _TAKE.format(some=f"= ANY (ARRAY ({_FIRST} FOR UPDATE SKIP LOCKED))"),
    "sqlite": _TAKE.format(some=f"IN ({_FIRST})"),
}


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages that one worker holds until `ends`."""

    token: UUID
    ends: datetime
    deliveries: tuple[Delivery, ...]


def is_due(topic: str, now: datetime) -> bool:
    """Whether something waits. A read of one index entry: asked many times a second, also where writers exclude
    others."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT 1 FROM outbox_message WHERE {_DUE} LIMIT 1",  # noqa: S608  constants
            [topic, connection.ops.adapt_datetimefield_value(now)],
        )
        return cursor.fetchone() is not None


def claim(topic: str, *, limit: int, lease: timedelta, now: datetime) -> Claim:
    """Take up to `limit` due messages, those whose lease has ended among them, the longest due first."""
    token = uuid4()
    ends = now + lease
    moment = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKES[connection.vendor],
            [
                token if connection.features.has_native_uuid_field else token.hex,
                moment(ends),
                topic,
                moment(now),
                limit,
            ],
        )
        rows = cursor.fetchall()
    deliveries = (Delivery(id=pk, key=key, payload=json.loads(payload), attempts=n) for pk, key, payload, n in rows)
    return Claim(token, ends, tuple(sorted(deliveries, key=lambda delivery: delivery.id)))


def done(taken: Claim, ids: Iterable[int]) -> int:
    """Delete delivered messages; how many this claim still held."""
    return Message.objects.filter(id__in=ids, lease_token=taken.token).delete()[0]


def retry(taken: Claim, message_id: int, *, run_at: datetime, error: str) -> bool:
    """Put a message back; whether this claim still held it. If one of the same key waits by now, that one is enough.

    A transaction for each: two that put back or post several keys in different orders would otherwise block each other.
    """
    held = Message.objects.filter(id=message_id, lease_token=taken.token)
    try:
        with transaction.atomic():
            return bool(
                held.update(state=Message.State.WAITING, lease_token=None, run_at=run_at, last_error=_note(error))
            )
    except IntegrityError:
        return bool(held.delete()[0])


def give_up(taken: Claim, message_id: int, *, error: str) -> bool:
    """Leave a message for people to see; whether this claim still held it."""
    held = Message.objects.filter(id=message_id, lease_token=taken.token)
    return bool(held.update(state=Message.State.DEAD, lease_token=None, last_error=_note(error)))


def due_work(works: Iterable[Periodic], now: datetime) -> list[Periodic]:
    """Which periodic work is due, or was never seen before. One read, and a write only for what is new."""
    known = {work.name: work for work in works}
    rows = {row.name: row for row in Schedule.objects.filter(name__in=known)}
    new = [Schedule(name=name, next_run=now) for name in known if name not in rows]
    if new:
        Schedule.objects.bulk_create(new, ignore_conflicts=True)
    return [
        work
        for name, work in known.items()
        if name not in rows
        or rows[name].next_run <= now
        or (rows[name].lease_token is None and rows[name].next_run > now + work.every)
    ]


def claim_work(work: Periodic, now: datetime) -> UUID | None:
    """Take periodic work that is due; None when another worker has it. A time further off than `every` (which was
    longer once, or the clock was wrong) does not count."""
    token = uuid4()
    due = Q(next_run__lte=now) | Q(next_run__gt=now + work.every, lease_token=None)
    won = Schedule.objects.filter(due, name=work.name).update(next_run=now + work.lease, lease_token=token)
    return token if won else None


def finish_work(work: Periodic, token: UUID, *, now: datetime) -> bool:
    """Note a run that ended well; whether it was still this worker's."""
    held = Schedule.objects.filter(name=work.name, lease_token=token)
    return bool(held.update(next_run=now + work.every, lease_token=None, finished_at=now, failures=0, last_error=""))


def fail_work(work: Periodic, token: UUID, *, now: datetime, error: str) -> bool:
    """Note a run that failed; whether it was still this worker's."""
    held = Schedule.objects.filter(name=work.name, lease_token=token)
    failures = held.values_list("failures", flat=True).first()
    if failures is None:
        return False
    return bool(
        held.update(
            next_run=now + pause(failures + 1, longest=work.every),
            lease_token=None,
            failures=failures + 1,
            last_error=_note(error),
        )
    )


def pause(attempts: int, *, longest: timedelta) -> timedelta:
    """How long to wait after so many failures: about 1, 2, 4, ... seconds, each a little different, so that what failed
    together does not come back together."""
    seconds = min(longest.total_seconds(), 2.0 ** min(attempts - 1, 30))
    return timedelta(seconds=seconds * _DICE.uniform(0.75, 1))


def _note(error: str) -> str:
    """An error as it is stored: of bounded length, and without NUL, which PostgreSQL's text cannot hold."""
    return error.replace("\0", "")[:LONGEST_ERROR]
