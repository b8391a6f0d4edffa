"""The one read of a poll: from the certificate that signed it to the command that is next, in a single statement.

Hand-written, because every managed device asks it all day long, and handed to the driver itself: what Django's cursor
adds costs SQLite more than the reading, and PostgreSQL plans such a statement for longer than it runs it, unless it is
prepared. It runs on both alike."""

import json
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

from mydevices.commands.outcomes import Others, Reported
from mydevices.commands.states import OPEN, State
from mydevices.platforms.apple.render import Due
from mydevices.protocols.apple import models

_OPEN: Final = ", ".join(f"'{state}'" for state in OPEN)

# The condition on the state repeats the words of the partial index `pending_commands`, or it would not be used.
_STATEMENT: Final = """
SELECT cert.state, reg.id, reg.state, reg.last_seen_at, dev.hardware_id,
       dev.id, dev.model, reg.profile_identifier, chan.unlock_token,
       due.id, due.uuid, due.request_type, due.parameters, due.state, due.action_id, act.secret,
       reg.old_digest_since {columns}
  FROM certificates_devicecertificate cert
  JOIN devices_registration reg ON reg.id = cert.registration_id
  JOIN devices_device dev ON dev.id = reg.device_id
  LEFT JOIN devices_channel chan ON chan.registration_id = reg.id AND chan.user_id = %s {reported}
  LEFT JOIN commands_command due ON due.id = (
       SELECT cand.id FROM commands_command cand
        WHERE cand.channel_id = chan.id AND cand.state IN ('queued', 'sent', 'deferred')
          AND (cand.expires_at IS NULL OR cand.expires_at > %s) {condition}
        ORDER BY cand.id LIMIT 1)
  LEFT JOIN commands_action act ON act.id = due.action_id {joins}
 WHERE cert.fingerprint = %s
"""
_IDLE: Final = _STATEMENT.format(columns="", reported="", condition="", joins="")
_REPORT: Final = _STATEMENT.format(
    columns=f""",
       rep.id, rep.uuid, rep.request_type, rep.parameters, rep.state, rep.action_id, repact.kind,
       dev.name, dev.owner_id, owner.name,
       (SELECT max(CASE WHEN sib.state IN ({_OPEN}) THEN {Others.OPEN:d}
                        WHEN sib.state = 'cancelled' THEN {Others.CANCELLED:d}
                        WHEN sib.state IN ('failed', 'expired') THEN {Others.FAILED:d} ELSE {Others.DONE:d} END)
          FROM commands_command sib WHERE sib.action_id = rep.action_id AND sib.id <> rep.id),
       rep.offered_in""",  # noqa: S608  states
    reported="""
  LEFT JOIN commands_command rep ON rep.uuid = %s AND rep.channel_id = chan.id""",
    # Within a conversation, what was put off is offered if that was in an earlier one.
    condition=f"""AND cand.uuid <> %s
          AND (cand.state <> '{State.DEFERRED}' OR cand.offered_in < rep.offered_in
               OR (cand.offered_in IS NULL AND rep.offered_in IS NOT NULL))""",
    joins="""
  JOIN accounts_person owner ON owner.id = dev.owner_id
  LEFT JOIN commands_action repact ON repact.id = rep.action_id""",
)
_FOR_SQLITE: Final = {statement: statement.replace("%s", "?") for statement in (_IDLE, _REPORT)}

NOTHING: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Poll:
    """Who asks, what they answered, and what they are to be given."""

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
    """When the device last said that it is idle, which began this conversation. None where a report answers nothing
    that was given in one."""


def poll(*, fingerprint: str, user_id: str, reported: UUID | None, is_idle: bool, now: datetime) -> Poll | None:
    """None for a certificate that no registration has. A deferred command is offered once in a conversation: to the
    device that is idle, and to the one that has answered what was offered before it."""
    if is_idle:
        row = _fetch(_IDLE, (user_id, now, fingerprint))
    else:
        uuid = reported or NOTHING
        row = _fetch(_REPORT, (user_id, uuid, now, uuid, fingerprint))
    return _read(row, now) if row else None


class Beside:
    """The read of an idle poll for the event loop, on an SQLite connection of its own that never waits and cannot
    write: readers do not wait for the writer there (WAL), and where they must after all (a file that is being
    recovered, say) sqlite3 says so at once.

    For one thread only. PostgreSQL answers over a socket, which is something to wait for: not here."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None

    @property
    def is_possible(self) -> bool:
        return connections[DEFAULT_DB_ALIAS].vendor == "sqlite"

    def idle_poll(self, *, fingerprint: str, user_id: str, now: datetime) -> Poll | None:
        """As `poll` of an idle device. Raises sqlite3.Error where it cannot be told without waiting."""
        if self._connection is None:
            self._connection = self._open()
        try:
            row = self._connection.execute(_FOR_SQLITE[_IDLE], (user_id, _plain(now), fingerprint)).fetchone()
        except sqlite3.Error:
            self.close()  # whatever it was, the next one begins anew
            raise
        return _read(row, now) if row else None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        name = connections[DEFAULT_DB_ALIAS].settings_dict["NAME"]
        opened = sqlite3.connect(name, timeout=0, isolation_level=None)
        opened.execute("PRAGMA query_only=ON")
        return opened


BESIDE: Final = Beside()


def _fetch(statement: str, parameters: tuple[str | UUID | datetime, ...]) -> tuple[Any, ...] | None:
    """The row that a statement finds, by the driver of Django's connection.

    As with a cursor of Django's: errors are its own, and whoever logs or counts queries is told of this one."""
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    begin = time.monotonic()
    with database.wrap_database_errors:
        if database.vendor == "postgresql":
            # Django's cursors prepare nothing whatever this says, so it speaks of this one only.
            database.connection.prepare_threshold = 0
            with psycopg.Cursor(database.connection) as cursor:
                row = cursor.execute(statement, parameters, prepare=True).fetchone()
        else:
            row = database.connection.execute(
                _FOR_SQLITE[statement], [_plain(value) for value in parameters]
            ).fetchone()
    if database.queries_logged:
        database.queries_log.append({"sql": statement.strip(), "time": f"{time.monotonic() - begin:.3f}"})
    return row


def _plain(value: str | UUID | datetime) -> str:
    """As Django keeps it in SQLite: UUIDs as 32 hexadecimal digits, times as text in UTC."""
    if isinstance(value, str):
        return value
    return value.hex if isinstance(value, UUID) else str(value.astimezone(UTC).replace(tzinfo=None))


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(hex=value)


def _time(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def _read(row: tuple[Any, ...], now: datetime) -> Poll:
    registration_id = _uuid(row[1])
    is_report = len(row) > 17
    return Poll(
        certificate_state=row[0],
        registration_id=registration_id,
        registration_state=row[2],
        last_seen_at=_time(row[3]),
        hardware_id=row[4],
        has_old_digest=row[16] is not None,
        due=_due(row, registration_id) if row[9] is not None else None,
        reported=_reported(row, registration_id) if is_report and row[17] is not None else None,
        conversation=_time(row[28]) if is_report else now,
    )


def _due(row: tuple[Any, ...], registration_id: UUID) -> Due:
    return Due(
        id=row[9],
        uuid=_uuid(row[10]),
        request_type=row[11],
        parameters=json.loads(row[12]),
        state=row[13],
        registration_id=registration_id,
        device_id=_uuid(row[5]),
        profile_identifier=row[7],
        is_mac=models.kind(row[6]) == "mac",
        action_id=_uuid(row[14]) if row[14] else None,
        secret=bytes(row[15]) if row[15] is not None else None,
        unlock_token=bytes(row[8]) if row[8] is not None else None,
    )


def _reported(row: tuple[Any, ...], registration_id: UUID) -> Reported:
    return Reported(
        id=row[17],
        uuid=_uuid(row[18]),
        request_type=row[19],
        parameters=json.loads(row[20]),
        state=State(row[21]),
        registration_id=registration_id,
        device_id=_uuid(row[5]),
        device_name=row[24],
        device_model=row[6],
        owner_id=_uuid(row[25]),
        owner_name=row[26],
        action_id=_uuid(row[22]) if row[22] else None,
        action_kind=row[23] or "",
        others=Others(row[27] or 0),
    )
