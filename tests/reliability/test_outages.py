"""One part dies or is away at the worst moment; what it had begun is finished later, once, or was never begun."""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.audit import services as audit
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import asking, tasks
from mydevices.commands.models import Action, Command
from mydevices.commands.states import State
from mydevices.outbox import registry
from mydevices.outbox.models import Message
from mydevices.outbox.worker import Worker
from simulator.device import Device as Simulated
from tests import factories
from tests.platforms.apple.conftest import Registers, fresh, present, send
from tests.reliability.actors import LEASE
from tests.reliability.conftest import House, assert_chain_holds, eventually, request_of

pytestmark = pytest.mark.django_db(transaction=True)

Trouble = Callable[[], AbstractContextManager[None]]


# Killed half-way


@pytest.fixture
def releases_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "HANDLERS", {})
    monkeypatch.setattr(registry, "PERIODIC", {})
    registry.handler("release", tasks.release, lease=LEASE)


def work() -> int:
    return Worker(threading.Event()).drain()


def wipe_taken_by_a_worker_that_dies(house: House, person: Person, moment: str) -> Action:
    action = asking.enqueue(device=factories.device(person), kind=ActionKind.WIPE, actor=fresh(person))
    Message.objects.filter(topic="release").update(run_at=datetime.now(UTC) - timedelta(seconds=1))
    run = house.start_actor(f"stall-{moment}")
    run.wait_for("stalls", 40)
    run.process.kill()
    run.process.wait()
    assert Message.objects.get(topic="release").state == Message.State.LEASED
    assert Command.objects.get(action=action).state == (State.QUEUED if moment == "after" else State.HELD)
    return action


def released(action: Action) -> int:
    return Entry.objects.filter(action_id=str(action.id), verb=Verb.ACTION_RELEASED).count()


@pytest.mark.parametrize("moment", ["before", "within", "after"])
def test_a_wipe_whose_worker_is_killed_while_it_releases_it_is_released_once(
    house: House, person: Person, releases_only: None, moment: str
) -> None:
    action = wipe_taken_by_a_worker_that_dies(house, person, moment)
    eventually(lambda: work() or not Message.objects.filter(topic="release").exists())
    assert not Message.objects.filter(topic="release").exists()
    assert Command.objects.get(action=action).state == State.QUEUED
    assert released(action) == 1
    assert Message.objects.filter(topic="wake").count() == 1
    assert work() == 0
    assert_chain_holds()


def test_a_wipe_undone_while_its_worker_lies_dead_is_never_released(
    house: House, person: Person, releases_only: None
) -> None:
    action = wipe_taken_by_a_worker_that_dies(house, person, "before")
    asking.cancel(action=action, actor=fresh(person))
    eventually(lambda: work() or not Message.objects.filter(topic="release").exists())
    assert Command.objects.get(action=action).state == State.CANCELLED
    assert released(action) == 0
    assert not Message.objects.exists()


def test_a_command_whose_web_process_is_killed_before_the_answer_leaves_is_given_again_under_the_same_id(
    house: House, person: Person
) -> None:
    house.start_actor("deadly-web")
    house.wait_until_ready()
    simulated = house.register(person, "iphone", "Phone")
    first = Command.objects.order_by("id")[0]
    assert simulated.poll().ended == "unreachable"
    first.refresh_from_db()
    assert first.state == State.SENT
    assert house.records[simulated.udid].offers == []
    house.wait_until_ready()
    assert simulated.poll().ended == "empty"
    (offer,) = [offer for offer in house.records[simulated.udid].offers if offer.request_type == first.request_type]
    assert offer.uuid == first.uuid
    assert set(Command.objects.values_list("state", flat=True)) == {State.DONE}


# Away for a while


def test_pushes_that_found_no_push_service_arrive_when_it_is_back(house: House, person: Person) -> None:
    house.start_web()
    house.start_worker()
    house.wait_until_ready()
    simulated = house.register(person, "iphone", "Phone")
    eventually(lambda: not Command.objects.exclude(state=State.DONE).exists(), told=house.said)
    house.pause_pushes()
    action = asking.enqueue(device=present(person, simulated), kind=ActionKind.LOCK, actor=fresh(person))
    eventually(lambda: Message.objects.filter(topic="wake", attempts__gte=2).exists(), told=house.said)
    assert Command.objects.get(action=action).state == State.QUEUED
    house.resume_pushes()
    eventually(lambda: Command.objects.get(action=action).state == State.DONE, told=house.said)
    eventually(lambda: not Message.objects.exclude(topic="mail").exists(), told=house.said)


# The database


@pytest.fixture
def simulated(transactional_db: None, owner: Person, register: Registers) -> Simulated:
    made, _device = register(owner)
    made.poll()
    return made


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch) -> Trouble:
    """The database goes away: a PostgreSQL server ends the connection in the middle of a transaction, after its first
    writes; an SQLite file stays locked by somebody else."""
    return _ended_connection if connection.vendor == "postgresql" else _locked_file


def end_connection() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with psycopg.connect(os.environ["MYDEVICES_TEST_DATABASE_URL"], autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


@contextlib.contextmanager
def _ended_connection() -> Iterator[None]:
    record = audit.record

    def end_and_record(*arguments: Any, **named: Any) -> Entry:
        assert connection.in_atomic_block
        end_connection()
        return record(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "record", end_and_record)
        yield


@contextlib.contextmanager
def _locked_file() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    with contextlib.closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def counts() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Action, Command, Message, Entry))


def test_a_report_that_loses_its_database_is_answered_503_and_recorded_when_it_comes_again(
    owner: Person, simulated: Simulated, trouble: Trouble
) -> None:
    action = asking.enqueue(device=present(owner, simulated), kind=ActionKind.LOCK, actor=fresh(owner))
    command = Command.objects.get(action=action)
    status, _headers, body = send(*request_of(simulated, Status="Idle"))
    assert (status, bool(body)) == (200, True)
    before = counts()
    report = request_of(simulated, Status="Acknowledged", CommandUUID=str(command.uuid))
    with trouble():
        status, headers, _body = send(*report)
    assert status == 503
    assert headers["retry-after"] == "5"
    command.refresh_from_db()
    assert (command.state, command.finished_at) == (State.SENT, None)
    assert counts() == before
    assert send(*report)[0] == 200
    command.refresh_from_db()
    assert command.state == State.DONE
    assert Entry.objects.filter(action_id=str(action.id), verb=Verb.ACTION_DONE).count() == 1


@pytest.mark.parametrize("kind", [ActionKind.LOCK, ActionKind.CHECK_IN, ActionKind.WIPE])
def test_an_action_that_loses_its_database_leaves_nothing_behind(
    owner: Person, simulated: Simulated, trouble: Trouble, kind: ActionKind
) -> None:
    device = present(owner, simulated)
    before = counts()
    with trouble(), pytest.raises(OperationalError):
        asking.enqueue(device=device, kind=kind, actor=fresh(owner))
    assert counts() == before
    action = asking.enqueue(device=device, kind=kind, actor=fresh(owner))
    with trouble(), pytest.raises(OperationalError):
        asking.cancel(action=action, actor=fresh(owner))
    assert not Command.objects.filter(action=action, state=State.CANCELLED).exists()
    asking.cancel(action=action, actor=fresh(owner))
    assert set(action.commands.values_list("state", flat=True)) == {State.CANCELLED}


def test_a_release_that_loses_its_database_is_made_up_for(
    owner: Person, simulated: Simulated, trouble: Trouble, releases_only: None
) -> None:
    action = asking.enqueue(device=present(owner, simulated), kind=ActionKind.WIPE, actor=fresh(owner))
    with trouble(), pytest.raises(OperationalError):
        asking.release(action_id=action.id, now=datetime.now(UTC))
    assert Command.objects.get(action=action).state == State.HELD
    Message.objects.filter(topic="release").update(run_at=datetime.now(UTC) - timedelta(seconds=1))
    assert work() == 1
    assert Command.objects.get(action=action).state == State.QUEUED
    assert released(action) == 1


def test_a_poll_on_a_connection_that_died_meanwhile_is_answered_503_and_the_next_one_works(
    owner: Person, simulated: Simulated
) -> None:
    asking.enqueue(device=present(owner, simulated), kind=ActionKind.LOCK, actor=fresh(owner))
    idle = request_of(simulated, Status="Idle")
    if connection.vendor == "postgresql":
        end_connection()
        assert send(*idle)[0] == 503
    else:
        with _locked_file():
            started = time.monotonic()
            assert send(*idle)[0] == 503
            assert time.monotonic() - started < 5
        assert Command.objects.filter(request_type="DeviceLock").get().sent_at is None
    assert simulated.poll().commands == [("DeviceLock", "Acknowledged")]
