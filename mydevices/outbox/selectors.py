from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from mydevices.outbox.models import Message, Schedule


def given_up() -> QuerySet[Message]:
    """The messages that nobody tries any more, newest first."""
    return Message.objects.filter(state=Message.State.DEAD).order_by("-id")


def lag(now: datetime) -> timedelta:
    """For how long the longest waiting message has been due: more than a minute means that no worker runs, or none is
    fast enough."""
    due = Message.objects.filter(state__in=["waiting", "leased"], run_at__lte=now).order_by("run_at")
    first = due.values_list("run_at", flat=True).first()
    return now - first if first else timedelta(0)


def payloads(topic: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every message of a topic that is kept, waiting, held or given up: its id and what it carries."""
    yield from Message.objects.filter(topic=topic).order_by("id").values_list("id", "payload").iterator()


def failing() -> QuerySet[Schedule]:
    """Periodic work whose last run failed."""
    return Schedule.objects.filter(failures__gt=0).order_by("name")
