"""The queue: which command a device is given next, and what becomes of it.

Which commands may be given, in which order, when they expire and when a deferred one is offered again is said here and
nowhere else, for all platforms. Moves are compare-and-swap: the loser of a race gets Conflict, or changes nothing.

The one read of a poll goes from the certificate that signed it to the command that is next, in a single statement.
It is hand-written, because every managed device asks it all day long, and handed to the driver itself: what Django's
cursor adds costs SQLite more than the reading, and PostgreSQL plans such a statement for longer than it runs it, unless
it is prepared. It runs on both alike.
"""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, transaction
from django.db.models import Q
from django.utils import timezone

from mydevices.actions import ActionKind
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.commands import outcomes, selectors, wakes
from mydevices.commands.models import Action, Batch, Command
from mydevices.commands.states import OPEN, PENDING, State, before
from mydevices.devices.models import Channel, Device, Registration
from mydevices.errors import ProtocolError
from mydevices.port.commands import Due, Outcome, Reported, SiblingState
from mydevices.port.platform import platform_named

UPKEEP_KEPT: Final = timedelta(days=30)
"""How long a finished command that nobody asked for is worth its row."""

PARKED_AT_ONCE: Final = 500


# What is next


def _listed(states: Sequence[State]) -> str:
    return ", ".join(f"'{state}'" for state in states)


# The condition on the state repeats the words of the partial index `pending_commands`, or it would not be used.
_STATEMENT: Final = """
SELECT cert.state, reg.id, reg.state, reg.last_seen_at, dev.hardware_id, dev.id, dev.model,
       due.id, due.uuid, due.request_type, due.parameters, due.state, due.action_id, act.secret
       {{own}} {columns}
  FROM certificates_devicecertificate cert
  JOIN devices_registration reg ON reg.id = cert.registration_id
  JOIN devices_device dev ON dev.id = reg.device_id
  LEFT JOIN devices_channel chan ON chan.registration_id = reg.id AND chan.user_id = %s {{joins}} {reported}
  LEFT JOIN commands_command due ON due.id = (
       SELECT cand.id FROM commands_command cand
        WHERE cand.channel_id = chan.id AND cand.state IN ({pending})
          AND (cand.expires_at IS NULL OR cand.expires_at > %s) {condition}
        ORDER BY cand.id LIMIT 1)
  LEFT JOIN commands_action act ON act.id = due.action_id {owner}
 WHERE cert.fingerprint = %s
"""
_IDLE: Final = _STATEMENT.format(columns="", reported="", condition="", owner="", pending=_listed(PENDING))
_REPORT: Final = _STATEMENT.format(
    pending=_listed(PENDING),
    columns=f""",
       rep.id, rep.uuid, rep.request_type, rep.parameters, rep.state, rep.action_id, repact.kind,
       dev.name, dev.owner_id, owner.name, dev.platform,
       (SELECT max(CASE WHEN sib.state IN ({_listed(OPEN)}) THEN {SiblingState.OPEN:d}
                        WHEN sib.state = 'cancelled' THEN {SiblingState.CANCELLED:d}
                        WHEN sib.state IN ('failed', 'expired') THEN {SiblingState.FAILED:d}
                        ELSE {SiblingState.DONE:d} END)
          FROM commands_command sib WHERE sib.action_id = rep.action_id AND sib.id <> rep.id),
       rep.offered_in""",  # noqa: S608  states
    reported="""
  LEFT JOIN commands_command rep ON rep.uuid = %s AND rep.channel_id = chan.id""",
    # Within a conversation, what was put off is offered if that was in an earlier one.
    condition=f"""AND cand.uuid <> %s
          AND (cand.state <> '{State.DEFERRED}' OR cand.offered_in < rep.offered_in
               OR (cand.offered_in IS NULL AND rep.offered_in IS NOT NULL))""",
    owner="""
  JOIN accounts_person owner ON owner.id = dev.owner_id
  LEFT JOIN commands_action repact ON repact.id = rep.action_id""",
)
_FIRST_OWN: Final = 14
"""Where the platform's own columns begin in a row; those of a report come behind them."""
_NOTHING: Final = UUID(int=0)


class Reading:
    """The statement of a poll with the columns that a platform needs beside the queue's own, of `reg` (the
    registration), `dev` (its device), `chan` (the channel that asks) or what its `joins` bring. Made once, of
    constants: they stand in the statement as they are."""

    def __init__(self, *columns: str, joins: str = "") -> None:
        own = "".join(f", {column}" for column in columns)
        self.width = len(columns)
        self.idle = _IDLE.format(own=own, joins=joins)
        self.report = _REPORT.format(own=own, joins=joins)
        self.for_sqlite = {statement: statement.replace("%s", "?") for statement in (self.idle, self.report)}


@dataclass(frozen=True, slots=True)
class Next:
    """Who asks, what they answered, and what they are to be given. `own` is what the platform's columns hold, as the
    driver gives it."""

    certificate_state: str
    registration_id: UUID
    registration_state: str
    last_seen_at: datetime | None
    hardware_id: str
    own: tuple[Any, ...]
    due: Due | None
    reported: Reported | None
    conversation: datetime | None
    """When the device last said that it is idle, which began this conversation. None where a report answers nothing
    that was given in one."""


def next_for(
    reading: Reading, *, fingerprint: str, user_id: str, reported: UUID | None, is_idle: bool, now: datetime
) -> Next | None:
    """What the device of this certificate (SHA-256 in hex) is given next, on the channel of this user (empty for its
    own). None for a certificate that no registration has. A deferred command is offered once in a conversation: to the
    device that is idle, and to the one that has answered what was offered before it."""
    if is_idle:
        row = _fetch(reading, reading.idle, (user_id, now, fingerprint))
    else:
        uuid = reported or _NOTHING
        row = _fetch(reading, reading.report, (user_id, uuid, now, uuid, fingerprint))
    return _read(row, reading, now) if row else None


class LoopReader:
    """The read of an idle poll for the event loop, on an SQLite connection of its own that never waits and cannot
    write: readers do not wait for the writer there (WAL), and where they must after all (a file that is being
    recovered, say) sqlite3 says so at once.

    For one thread only. PostgreSQL answers over a socket, which is something to wait for: not here."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._connection: sqlite3.Connection | None = None

    @property
    def is_possible(self) -> bool:
        return connections[DEFAULT_DB_ALIAS].vendor == "sqlite"

    def next_for_idle(self, *, fingerprint: str, user_id: str, now: datetime) -> Next | None:
        """As `next_for` of an idle device. Raises sqlite3.Error where it cannot be told without waiting."""
        if self._connection is None:
            self._connection = self._open()
        statement = self._reading.for_sqlite[self._reading.idle]
        try:
            row = self._connection.execute(statement, (user_id, _plain(now), fingerprint)).fetchone()
        except sqlite3.Error:
            self.close()  # whatever it was, the next one begins anew
            raise
        return _read(row, self._reading, now) if row else None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        name = connections[DEFAULT_DB_ALIAS].settings_dict["NAME"]
        opened = sqlite3.connect(name, timeout=0, isolation_level=None)
        opened.execute("PRAGMA query_only=ON")
        return opened


def _fetch(reading: Reading, statement: str, parameters: tuple[str | UUID | datetime, ...]) -> tuple[Any, ...] | None:
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
                reading.for_sqlite[statement], [_plain(value) for value in parameters]
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


def _read(row: tuple[Any, ...], reading: Reading, now: datetime) -> Next:
    report = row[_FIRST_OWN + reading.width :]
    return Next(
        certificate_state=row[0],
        registration_id=_uuid(row[1]),
        registration_state=row[2],
        last_seen_at=_time(row[3]),
        hardware_id=row[4],
        own=row[_FIRST_OWN : _FIRST_OWN + reading.width],
        due=_due(row) if row[7] is not None else None,
        reported=_reported(row, report) if report and report[0] is not None else None,
        conversation=_time(report[12]) if report else now,
    )


def _due(row: tuple[Any, ...]) -> Due:
    return Due(
        id=row[7],
        uuid=_uuid(row[8]),
        request_type=row[9],
        parameters=json.loads(row[10]),
        state=State(row[11]),
        registration_id=_uuid(row[1]),
        device_id=_uuid(row[5]),
        device_model=row[6],
        action_id=_uuid(row[12]) if row[12] else None,
        secret=bytes(row[13]) if row[13] is not None else None,
    )


def _reported(row: tuple[Any, ...], report: tuple[Any, ...]) -> Reported:
    return Reported(
        id=report[0],
        uuid=_uuid(report[1]),
        platform=report[10],
        request_type=report[2],
        parameters=json.loads(report[3]),
        state=State(report[4]),
        registration_id=_uuid(row[1]),
        device_id=_uuid(row[5]),
        device_name=report[7],
        device_model=row[6],
        owner_id=_uuid(report[8]),
        owner_name=report[9],
        action_id=_uuid(report[5]) if report[5] else None,
        action_kind=report[6] or "",
        others=SiblingState(report[11] or 0),
    )


def given(command: Command) -> Due:
    """A command as it is given: same id, same PIN, whenever that is. `command` comes with its action, and its channel
    with registration and device."""
    life, action = command.channel.registration, command.action
    return Due(
        id=command.pk,
        uuid=command.uuid,
        request_type=command.request_type,
        parameters=command.parameters,
        state=State(command.state),
        registration_id=life.id,
        device_id=life.device_id,
        device_model=life.device.model,
        action_id=action.id if action else None,
        secret=bytes(action.secret) if action and action.secret is not None else None,
    )


def to_tell(channels: Sequence[Channel], *, now: datetime) -> Sequence[Due]:
    """What waits for these channels of devices that are told instead of asking, in the order in which it was asked
    for."""
    waiting = Command.objects.filter(channel__in=[channel.pk for channel in channels], state=State.QUEUED)
    waiting = waiting.filter(Q(expires_at=None) | Q(expires_at__gt=now))
    return [given(one) for one in waiting.select_related("action", "channel__registration__device").order_by("id")]


# What becomes of it


def upkeep(
    *,
    channel: Channel,
    request_type: str,
    parameters: Mapping[str, object] | None = None,
    exclusive: str | None = None,
    now: datetime | None = None,
) -> Command | None:
    """Queue a command that nobody asked for, such as a renewal. None when the same is under way already."""
    try:
        with transaction.atomic():
            command = Command.objects.create(
                channel=channel,
                request_type=request_type,
                parameters=dict(parameters or {}),
                exclusive=exclusive,
                queued_at=now or timezone.now(),
            )
            wakes.wake([channel.pk])
    except IntegrityError:
        return None
    return command


def call_off(*, command_id: int, now: datetime) -> bool:
    """Take back upkeep that no device has been given. False when it has, or it has ended."""
    waiting = Command.objects.filter(id=command_id, action=None, state=State.QUEUED)
    return bool(waiting.update(state=State.CANCELLED, finished_at=now))


def mark_sent(*, command_id: int, seen: str, now: datetime, offered_in: datetime | None = None) -> bool:
    """The device is being given this command, in the conversation that began at `offered_in`. False when it moved on
    meanwhile (cancelled, say): then it must not be sent."""
    present = Command.objects.filter(id=command_id, state=seen)
    return bool(present.update(state=State.SENT, sent_at=now, offered_in=offered_in))


def report(*, command: Reported, outcome: Outcome) -> bool:
    """Record a device's answer and do what it means. False, and nothing changed, for one that is late, doubled or
    stale. An answer that cannot be read is a failure of the command, and holds up nothing that waits behind it."""
    try:
        return _report(command, outcome)
    except ProtocolError as unreadable:
        return _report(command, replace(outcome, state=State.FAILED, error=unreadable.message, answer=None))


def reported(command_id: int) -> Reported | None:
    """A command whose answer comes by another way than a poll; None for none."""
    row = Command.objects.select_related("action", "channel__registration__device__owner").filter(id=command_id).first()
    if row is None:
        return None
    device = row.channel.registration.device
    family = row.action.commands.exclude(id=row.pk).values_list("state", flat=True) if row.action else ()
    return Reported(
        id=row.pk,
        uuid=row.uuid,
        platform=device.platform,
        request_type=row.request_type,
        parameters=row.parameters,
        state=row.state,
        registration_id=row.channel.registration_id,
        device_id=device.id,
        device_name=device.name,
        device_model=device.model,
        owner_id=device.owner_id,
        owner_name=device.owner.name,
        action_id=row.action_id,
        action_kind=row.action.kind if row.action else "",
        others=outcomes.others(map(State, family)),
    )


@transaction.atomic
def _report(command: Reported, outcome: Outcome) -> bool:
    state, ended = State(outcome.state), outcome.state != State.DEFERRED
    others = _others(command, command.action_id) if ended and command.action_id else command.others
    answered = platform_named(command.platform).outcomes().get(command.request_type)
    shown = answered.shown(outcome) if answered and answered.shown and ended else None
    moved = Command.objects.filter(id=command.id, state__in=before(state)).update(
        state=state,
        error=outcome.error[:2000],
        **{"finished_at" if ended else "deferred_at": outcome.at},
        **({"result": dict(shown)} if shown else {}),
    )
    if not moved:
        return False
    if answered and ended:
        answered.meaning(command, outcome)
    if ended and command.action_id and others <= SiblingState.FAILED:
        is_done = outcome.state == State.DONE and others == SiblingState.DONE
        audit.record(
            Verb.ACTION_DONE if is_done else Verb.ACTION_FAILED,
            actor=Actor.device(str(command.device_id), command.device_name, outcome.address),
            device=audit.Mention(command.device_id, command.device_name),
            person=audit.Mention(command.owner_id, command.owner_name),
            action_id=command.action_id,
            outcome=State.DONE if is_done else State.FAILED,
            details={"action": command.action_kind, **({"reason": outcome.error[:200]} if outcome.error else {})},
        )
    return True


def _others(command: Reported, action_id: UUID) -> SiblingState:
    """What has become of the others of the action, for good: whoever reports last must know that they are the last.

    What the poll read stands when nothing can change it any more, and always for an action of one command. Otherwise
    the action's commands are locked and read again, so that of two last ones that are reported at the same moment the
    second sees the first. Only on PostgreSQL does a test fail without the lock (tests/reliability/test_races.py):
    SQLite has one writer at a time anyway."""
    if command.others in {SiblingState.DONE, SiblingState.CANCELLED}:
        return command.others
    family = Command.objects.filter(action_id=action_id).select_for_update(of=("self",)).order_by("id")
    states = {State(state) for pk, state in family.values_list("id", "state") if pk != command.id}
    return outcomes.others(states)


@transaction.atomic
def conclude(*, registration: Registration, kind: ActionKind, reason: str, now: datetime) -> int:
    """The device has shown that this has come true, without answering: what waited for it, given or not, counts as
    done, and why is kept with it. The number of commands."""
    asked = Command.objects.filter(action__registration=registration, action__kind=kind)
    asked.filter(state__in=before(State.SENT)).update(state=State.SENT)
    open_ones = asked.filter(state__in=before(State.DONE))
    actions = list(Action.objects.filter(commands__in=open_ones).select_related("device__owner").distinct())
    moved = open_ones.update(state=State.DONE, finished_at=now, result={"concluded": reason})
    for action in actions:
        record(Verb.ACTION_DONE, actor=Actor.system("queue"), device=action.device, action=action, reason=reason)
    return moved


@transaction.atomic
def void(*, registration: Registration, now: datetime, user_id: str | None = None) -> int:
    """A registration, or one user's channel of it, has ended: whatever waits there is pointless. The number of
    commands."""
    channels = Channel.objects.filter(registration=registration)
    if user_id is not None:
        channels = channels.filter(user_id=user_id)
    return end(Q(channel_id__in=channels.values("id")), State.VOID, Verb.ACTION_VOID, now)


@transaction.atomic
def give_up(*, command_id: int, reason: str, now: datetime) -> None:
    """What a command needs is gone (a token of another life, say), so that it can be given to nobody: the reason is
    kept."""
    Command.objects.filter(id=command_id).update(error=reason)
    end(Q(id=command_id), State.VOID, Verb.ACTION_VOID, now, reason)


def expire(*, now: datetime) -> int:
    """End what nobody asked for in time, and what was queued at the very moment its registration ended."""
    with transaction.atomic():
        expired = end(Q(expires_at__lte=now), State.EXPIRED, Verb.ACTION_EXPIRED, now)
        orphaned = end(Q(channel__registration__state__in=Registration.ENDED), State.VOID, Verb.ACTION_VOID, now)
    return expired + orphaned


def end(which: Q, state: State, verb: Verb, now: datetime, reason: str = "") -> int:
    """Move whatever may still move and matches, and record the actions concerned. In a transaction, for the rows are
    locked: a report that comes meanwhile is waited for, and its command then no longer matches."""
    rows = list(Command.objects.filter(which, state__in=before(state)).select_for_update(of=("self",)).order_by("id"))
    if not rows:
        return 0
    moved = Command.objects.filter(id__in=[command.pk for command in rows], state__in=before(state)).update(
        state=state, finished_at=now
    )
    for action in Action.objects.filter(commands__in=rows).select_related("device__owner").distinct():
        record(verb, actor=Actor.system("queue"), device=action.device, action=action, reason=reason)
    return moved


def park(*, now: datetime) -> int:
    """Let go of finished upkeep after a month and of finished actions after a year or what is set, so that the queue's
    tables do not grow for ever; the audit keeps their history. The number of rows."""
    old = Command.objects.filter(action=None, finished_at__lt=now - UPKEEP_KEPT).exclude(state__in=OPEN)
    parked = old.delete()[0]
    before_that = now - timedelta(days=settings.ENVIRONMENT.keep_actions_days)
    while ids := list(selectors.past_their_use(before_that).values_list("id", flat=True)[:PARKED_AT_ONCE]):
        parked += Action.objects.filter(id__in=ids).delete()[0]
    parked += Batch.objects.filter(finished_at__lt=before_that).delete()[0]
    return parked


def record(verb: Verb, *, actor: Actor, device: Device, action: Action, reason: str = "") -> None:
    """An entry about an action, in the caller's transaction."""
    audit.record(
        verb,
        actor=actor,
        device=device,
        action_id=action.id,
        details={
            "action": action.kind,
            **({"reason": reason} if reason else {}),
            **({"limit": str(action.limit)} if action.limit and verb == Verb.ACTION_REQUESTED else {}),
        },
    )
