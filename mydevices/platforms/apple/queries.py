"""What the poll of an Apple device reads beside the queue's own: the columns that its answers are made of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from mydevices.commands import queue
from mydevices.commands.outcomes import Reported
from mydevices.platforms.apple.render import Due
from mydevices.protocols.apple import models

READING: Final = queue.Reading("reg.profile_identifier", "chan.unlock_token", "reg.old_digest_since")
ON_LOOP: Final = queue.LoopReader(READING)


@dataclass(frozen=True, slots=True)
class Poll:
    """`queue.Next`, with Apple's own."""

    certificate_state: str
    registration_id: UUID
    registration_state: str
    last_seen_at: datetime | None
    hardware_id: str
    has_old_digest: bool
    """What is written down of how it signs; `signed.Proof` says how it signed this time."""
    due: Due | None
    reported: Reported | None
    conversation: datetime | None


def poll(*, fingerprint: str, user_id: str, reported: UUID | None, is_idle: bool, now: datetime) -> Poll | None:
    """As `queue.next_for`."""
    found = queue.next_for(
        READING, fingerprint=fingerprint, user_id=user_id, reported=reported, is_idle=is_idle, now=now
    )
    return _with_own(found) if found else None


def idle_poll(*, fingerprint: str, user_id: str, now: datetime) -> Poll | None:
    """As `queue.LoopReader.next_for_idle`."""
    found = ON_LOOP.next_for_idle(fingerprint=fingerprint, user_id=user_id, now=now)
    return _with_own(found) if found else None


def _with_own(found: queue.Next) -> Poll:
    identifier, token, old_digest_since = found.own
    return Poll(
        certificate_state=found.certificate_state,
        registration_id=found.registration_id,
        registration_state=found.registration_state,
        last_seen_at=found.last_seen_at,
        hardware_id=found.hardware_id,
        has_old_digest=old_digest_since is not None,
        due=_due(found.due, identifier, token) if found.due else None,
        reported=found.reported,
        conversation=found.conversation,
    )


def _due(due: queue.Due, identifier: str, token: bytes | None) -> Due:
    return Due(
        id=due.id,
        uuid=due.uuid,
        request_type=due.request_type,
        parameters=due.parameters,
        state=due.state,
        registration_id=due.registration_id,
        device_id=due.device_id,
        profile_identifier=identifier,
        is_mac=models.kind(due.device_model) == "mac",
        action_id=due.action_id,
        secret=due.secret,
        unlock_token=bytes(token) if token is not None else None,
    )
