"""Waking devices that said "not now": soon, then ever more rarely, and never more than eight times in 24 hours.

A device that puts a command off comes by itself when it can, as a rule when its person unlocks it. One that forgets to
is woken here. Each channel has its own times, counted from its first "not now".
"""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from mydevices.commands import wakes
from mydevices.commands.models import Command, Deferral
from mydevices.commands.states import State
from mydevices.devices.models import Registration

STEPS: Final = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4))
THEN_EVERY: Final = timedelta(days=1)
MOST_A_DAY: Final = 8
DAY: Final = timedelta(days=1)
AT_ONCE: Final = 500


def wake(*, now: datetime) -> int:
    """Wake the channels whose time has come. Their number."""
    _begin(now)
    _end(now)
    woken = 0
    while (some := _wake_some(now)) is not None:
        woken += some
    return woken


def _put_off(now: datetime) -> QuerySet[Command]:
    """What devices that can be woken have put off, and is still wanted."""
    return Command.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now),
        state=State.DEFERRED,
        channel__registration__state=Registration.State.ACTIVE,
        channel__registration__unreachable_since=None,
    ).exclude(channel__push_token=b"")


@transaction.atomic
def _begin(now: datetime) -> None:
    new = _put_off(now).exclude(channel__deferral__next_at__isnull=False)
    since = new.values("channel_id").annotate(since=Min("deferred_at")).values_list("channel_id", "since")
    Deferral.objects.bulk_create(
        [Deferral(channel_id=channel, since=at, next_at=at + STEPS[0]) for channel, at in since],
        update_conflicts=True,  # kept from earlier today: the times at which it was woken stay
        unique_fields=["channel"],
        update_fields=["since", "next_at", "ended_at"],
    )


@transaction.atomic
def _end(now: datetime) -> None:
    is_put_off = Exists(_put_off(now).filter(channel=OuterRef("channel")))
    Deferral.objects.filter(~is_put_off, next_at__isnull=False).update(next_at=None, ended_at=now)
    Deferral.objects.filter(ended_at__lte=now - DAY).delete()


@transaction.atomic
def _wake_some(now: datetime) -> int | None:
    """How many of the next few were woken; None when no more are due."""
    due = Deferral.objects.select_for_update(of=("self",)).filter(next_at__lte=now).order_by("channel")
    rows = list(due[:AT_ONCE])
    if not rows:
        return None
    to_wake = []
    for row in rows:
        lately = [at for at in map(datetime.fromisoformat, row.woken_at) if at > now - DAY]
        row.next_at = following(row.since, now)
        if len(lately) < MOST_A_DAY:
            lately.append(now)
            to_wake.append(row.channel_id)
        else:
            row.next_at = min(lately) + DAY
        row.woken_at = [at.isoformat() for at in lately]
    Deferral.objects.bulk_update(rows, ["next_at", "woken_at"])
    wakes.wake(to_wake)
    return len(to_wake)


def following(since: datetime, now: datetime) -> datetime:
    """The first time after `now` at which a device is woken that said "not now" at `since`. What was missed, because
    no worker ran, is not made up for."""
    for step in STEPS:
        if since + step > now:
            return since + step
    days = (now - since - STEPS[-1]) // THEN_EVERY + 1
    return since + STEPS[-1] + days * THEN_EVERY
