"""Post a message in the transaction of what it belongs to, so that it leaves the machine if and only if that is true.

The statements are written by hand: each must be exactly one, and conflict with the right partial index.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from mydevices.errors import Conflict, NotFound
from mydevices.outbox.models import Message

# A conflict updates instead of doing nothing, although the message would stay the same: the update locks the waiting
# row until this transaction ends, so that no worker can deliver it before what the caller writes can be seen. With DO
# NOTHING a device could be woken too early, find nothing, and never be woken again.
_POST: Final = """
    INSERT INTO outbox_message (topic, "key", payload, created_at, run_at, attempts, state, last_error)
    VALUES (%s, %s, %s, %s, %s, 0, 'waiting', '')
    ON CONFLICT (topic, "key") WHERE state = 'waiting' DO UPDATE
    SET payload = excluded.payload, attempts = 0, run_at = {least}(outbox_message.run_at, excluded.run_at)
"""
_POSTS: Final = {"postgresql": _POST.format(least="least"), "sqlite": _POST.format(least="min")}


def post(
    topic: str,
    payload: Mapping[str, object],
    *,
    key: str | None = None,
    not_before: datetime | None = None,
    alone: bool = False,
) -> None:
    """Leave a message for the worker, in the caller's transaction. One statement.

    With a `key`, a message of the same topic and key that still waits is joined: it takes the new payload and the
    earlier of both times, and its attempts begin anew. One that is being delivered is not joined: its handler may have
    looked already.

    Raises TransactionManagementError outside a transaction, where the message could stand without what it tells of; a
    caller that has nothing else to write says so with `alone`.
    """
    if not (alone or connection.in_atomic_block):
        raise transaction.TransactionManagementError(f"A message ({topic}) is posted in the transaction it belongs to.")
    now = timezone.now()
    moment = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(
            _POSTS[connection.vendor],
            [topic, key, json.dumps(payload), moment(now), moment(not_before or now)],
        )


def withdraw(topic: str, *, key: str) -> bool:
    """Take back a message; whether there was one. What is being delivered at this moment may go, but not a second
    time."""
    return bool(Message.objects.filter(topic=topic, key=key).delete()[0])


def rewrite(message_id: int, change: Callable[[dict[str, Any]], bool]) -> bool:
    """Let `change` alter the payload of a message that is still there, whatever its state; whether it did. A worker
    that holds the message goes on with the payload that it read."""
    with transaction.atomic():
        message = Message.objects.select_for_update().filter(id=message_id).first()
        if message is None or not change(message.payload):
            return False
        message.save(update_fields=["payload"])
    return True


def clear_dead(topic: str, *, before: datetime) -> int:
    """Forget the messages that were given up and are older than this; how many."""
    return Message.objects.filter(topic=topic, state=Message.State.DEAD, created_at__lt=before).delete()[0]


def revive(message_id: int) -> None:
    """Try a message again that was given up. Raises NotFound when there is none, Conflict when a newer one waits."""
    dead = Message.objects.filter(id=message_id, state=Message.State.DEAD)
    try:
        with transaction.atomic():
            revived = dead.update(state=Message.State.WAITING, run_at=timezone.now(), attempts=0)
    except IntegrityError as error:
        raise Conflict("A newer message about the same thing is waiting already.") from error
    if not revived:
        raise NotFound(f"No message {message_id} was given up.")
