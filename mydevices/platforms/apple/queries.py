"""What the poll of an Apple device reads beside the queue's own."""

from datetime import datetime
from typing import Final
from uuid import UUID

from mydevices.commands import queue
from mydevices.commands.queue import Next

READING: Final = queue.Reading("reg.old_digest_since")
ON_LOOP: Final = queue.LoopReader(READING)


def poll(*, fingerprint: str, user_id: str, reported: UUID | None, is_idle: bool, now: datetime) -> Next | None:
    """As `queue.next_for`."""
    return queue.next_for(
        READING, fingerprint=fingerprint, user_id=user_id, reported=reported, is_idle=is_idle, now=now
    )


def idle_poll(*, fingerprint: str, user_id: str, now: datetime) -> Next | None:
    """As `queue.LoopReader.next_for_idle`."""
    return ON_LOOP.next_for_idle(fingerprint=fingerprint, user_id=user_id, now=now)


def has_old_digest(found: Next) -> bool:
    """What is written down of how the device signs; `signed.Proof` says how it signed this time."""
    return found.own[0] is not None
