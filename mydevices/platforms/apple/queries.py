"""What the poll of an Apple device reads beside the queue's own: the columns that its answers are made of."""

from datetime import datetime
from typing import Final
from uuid import UUID

from mydevices.commands import queue
from mydevices.commands.queue import Next
from mydevices.platforms.apple.render import Due
from mydevices.protocols.apple import models

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


def to_render(due: queue.Due) -> Due:
    """A command with what only Apple's answers need."""
    return Due(
        id=due.id,
        uuid=due.uuid,
        request_type=due.request_type,
        parameters=due.parameters,
        registration_id=due.registration_id,
        device_id=due.device_id,
        is_mac=models.kind(due.device_model) == "mac",
        action_id=due.action_id,
        secret=due.secret,
    )
