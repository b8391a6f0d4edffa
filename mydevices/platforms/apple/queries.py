"""The one read of a poll: from the certificate that signed it to the command that is next, in a single statement.

Hand-written, because every managed device asks it all day long. It runs on SQLite and PostgreSQL alike."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from mydevices.commands.outcomes import Reported
from mydevices.commands.states import OPEN, State
from mydevices.platforms.apple.render import Due
from mydevices.protocols.apple import models

_OPEN: Final = ", ".join(f"'{state}'" for state in OPEN)

# The condition on the state repeats the words of the partial index `pending_commands`, or it would not be used.
_POLL: Final = f"""
SELECT cert.state, cert.not_after,
       reg.id, reg.state, reg.last_seen_at, reg.profile_identifier,
       dev.id, dev.hardware_id, dev.name, dev.model, dev.owner_id, owner.name,
       chan.id, chan.unlock_token,
       due.id, due.uuid, due.request_type, due.parameters, due.state, due.action_id, act.secret,
       rep.id, rep.uuid, rep.request_type, rep.parameters, rep.state, rep.action_id, repact.kind,
       (SELECT count(*) FROM commands_command sib
         WHERE sib.action_id = rep.action_id AND sib.id <> rep.id AND sib.state IN ({_OPEN}))
  FROM certificates_devicecertificate cert
  JOIN devices_registration reg ON reg.id = cert.registration_id
  JOIN devices_device dev ON dev.id = reg.device_id
  JOIN accounts_person owner ON owner.id = dev.owner_id
  LEFT JOIN devices_channel chan ON chan.registration_id = reg.id AND chan.user_id = %s
  LEFT JOIN commands_command due ON due.id = (
       SELECT cand.id FROM commands_command cand
        WHERE cand.channel_id = chan.id AND cand.state IN ('queued', 'sent', 'deferred')
          AND cand.state <> %s AND cand.uuid <> %s
          AND (cand.expires_at IS NULL OR cand.expires_at > %s)
        ORDER BY cand.id LIMIT 1)
  LEFT JOIN commands_action act ON act.id = due.action_id
  LEFT JOIN commands_command rep ON rep.uuid = %s AND rep.channel_id = chan.id
  LEFT JOIN commands_action repact ON repact.id = rep.action_id
 WHERE cert.fingerprint = %s
"""  # noqa: S608  the only text put in is the names of states

NOTHING: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Poll:
    """Who asks, what they answered, and what they are to be given."""

    certificate_state: str
    certificate_ends: datetime
    registration_id: UUID
    registration_state: str
    last_seen_at: datetime | None
    hardware_id: str
    due: Due | None
    reported: Reported | None


def poll(*, fingerprint: str, user_id: str, reported: UUID | None, is_idle: bool, now: datetime) -> Poll | None:
    """None for a certificate that no registration has. A deferred command is offered again only to an idle device."""
    adapt_uuid, adapt_time = _adapters()
    uuid = adapt_uuid(reported or NOTHING)
    parameters = (user_id, "" if is_idle else State.DEFERRED, uuid, adapt_time(now), uuid, fingerprint)
    with connection.cursor() as cursor:
        cursor.execute(_POLL, parameters)
        row = cursor.fetchone()
    return _read(row) if row else None


def _adapters() -> tuple[Any, Any]:
    """SQLite keeps UUIDs as 32 hexadecimal digits and times as text; PostgreSQL knows both."""
    if connection.vendor == "sqlite":
        return (lambda value: value.hex), connection.ops.adapt_datetimefield_value
    return (lambda value: value), (lambda value: value)


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(hex=value)


def _time(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def _read(row: tuple[Any, ...]) -> Poll:
    registration_id, device_id = _uuid(row[2]), _uuid(row[6])
    return Poll(
        certificate_state=row[0],
        certificate_ends=_time(row[1]) or datetime.min.replace(tzinfo=UTC),
        registration_id=registration_id,
        registration_state=row[3],
        last_seen_at=_time(row[4]),
        hardware_id=row[7],
        due=_due(row, registration_id, device_id) if row[14] is not None else None,
        reported=_reported(row, registration_id, device_id) if row[21] is not None else None,
    )


def _due(row: tuple[Any, ...], registration_id: UUID, device_id: UUID) -> Due:
    return Due(
        id=row[14],
        uuid=_uuid(row[15]),
        request_type=row[16],
        parameters=json.loads(row[17]),
        state=row[18],
        registration_id=registration_id,
        device_id=device_id,
        profile_identifier=row[5],
        is_mac=models.kind(row[9]) == "mac",
        action_id=_uuid(row[19]) if row[19] else None,
        secret=bytes(row[20]) if row[20] is not None else None,
        unlock_token=bytes(row[13]) if row[13] is not None else None,
    )


def _reported(row: tuple[Any, ...], registration_id: UUID, device_id: UUID) -> Reported:
    return Reported(
        id=row[21],
        uuid=_uuid(row[22]),
        request_type=row[23],
        parameters=json.loads(row[24]),
        state=State(row[25]),
        registration_id=registration_id,
        device_id=device_id,
        device_name=row[8],
        owner_id=_uuid(row[10]),
        owner_name=row[11],
        action_id=_uuid(row[26]) if row[26] else None,
        action_kind=row[27] or "",
        others_open=row[28] or 0,
    )
