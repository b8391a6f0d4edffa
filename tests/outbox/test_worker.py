"""The worker: delivers everything at least once, whatever dies, and each thing once while nothing does."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import NoReturn

import pytest
from django.db import connection, transaction
from django.utils import timezone

from mydevices.outbox import registry, selectors, services
from mydevices.outbox.models import Message, Schedule
from mydevices.outbox.registry import Dead, Delivery, DeliveryOutcome, Done, Retry
from mydevices.outbox.worker import Worker
from tests.outbox.conftest import PATIENCE, Start, claim, eventually, waiting


class Recorder:
    """A handler that notes what it is given and answers what it is told."""

    def __init__(self, answer: Callable[[Delivery], DeliveryOutcome] = lambda _: Done()) -> None:
        self.batches: list[list[int]] = []
        self.answer = answer

    def __call__(self, deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
        self.batches.append([delivery.id for delivery in deliveries])
        return {delivery.id: self.answer(delivery) for delivery in deliveries}

    @property
    def given(self) -> list[int]:
        return [message_id for batch in self.batches for message_id in batch]


def drain() -> int:
    return Worker(threading.Event()).drain()


def all_due() -> None:
    Message.objects.update(run_at=timezone.now())


# One worker, one thread: what outcomes mean ---------------------------------------------------------------------------


@pytest.mark.django_db
def test_delivered_messages_are_gone_and_come_in_batches_of_their_topic() -> None:
    wakes, mails = Recorder(), Recorder()
    registry.handler("wake", wakes, batch=2)
    registry.handler("mail", mails)
    waiting("wake", number=5)
    waiting("mail", number=2)
    waiting("nobody's")
    assert drain() == 7
    assert [len(batch) for batch in wakes.batches] == [2, 2, 1]
    assert [len(batch) for batch in mails.batches] == [2]
    assert [message.topic for message in Message.objects.all()] == ["nobody's"]


@pytest.mark.django_db
def test_each_message_of_a_batch_has_its_own_fate() -> None:
    fates: list[DeliveryOutcome] = [Done(), Retry("later", timedelta(hours=1)), Dead("never"), Retry("soon")]
    registry.handler("wake", Recorder(lambda delivery: fates[delivery.payload["n"]]))
    waiting(number=4)
    start = timezone.now()
    drain()
    later, dead, soon = Message.objects.order_by("id")
    assert (later.state, later.last_error) == ("waiting", "later")
    assert later.run_at >= start + timedelta(hours=1)
    assert (dead.state, dead.last_error, dead.lease_token) == ("dead", "never", None)
    assert (soon.state, soon.last_error) == ("waiting", "soon")
    assert timedelta(seconds=0.5) < soon.run_at - start < timedelta(seconds=30)


@pytest.mark.django_db
def test_a_message_without_an_outcome_is_tried_again() -> None:
    registry.handler("wake", lambda deliveries: {deliveries[0].id: Done(), -1: Done()})
    waiting(number=2)
    drain()
    assert Message.objects.get().last_error == "The handler gave no outcome."


@pytest.mark.django_db
def test_a_handler_that_raises_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(deliveries: Sequence[Delivery]) -> NoReturn:
        raise RuntimeError("the gateway is on fire")

    registry.handler("wake", fail)
    registry.handler("zebra", zebras := Recorder())
    waiting(number=2)
    waiting("zebra")
    drain()
    assert [(m.state, m.last_error) for m in Message.objects.all()] == [
        ("waiting", "RuntimeError: the gateway is on fire")
    ] * 2
    assert "Traceback" in caplog.text
    assert len(zebras.given) == 1


@pytest.mark.django_db
def test_an_error_may_be_given_as_the_exception_itself() -> None:
    registry.handler("wake", Recorder(lambda _: Retry(TimeoutError("no answer"))))
    waiting()
    drain()
    assert Message.objects.get().last_error == "TimeoutError: no answer"


@pytest.mark.django_db
def test_a_topic_that_gives_up_does_so_after_its_number_of_attempts() -> None:
    recorder = Recorder(lambda _: Retry("no answer"))
    registry.handler("mail", recorder, give_up_after=3)
    waiting("mail")
    for _ in range(5):
        drain()
        all_due()
    assert len(recorder.given) == 3
    assert [(m.state, m.attempts, m.last_error) for m in selectors.given_up()] == [("dead", 3, "no answer")]


@pytest.mark.django_db
def test_a_topic_that_never_gives_up_does_not() -> None:
    registry.handler("wake", recorder := Recorder(lambda _: Retry("no answer")))
    waiting()
    for _ in range(30):
        drain()
        all_due()
    assert len(recorder.given) == 30
    assert not selectors.given_up()


@pytest.mark.django_db
def test_a_message_that_kills_its_workers_is_given_up_undelivered() -> None:
    registry.handler("mail", recorder := Recorder(), give_up_after=2)
    waiting("mail")
    for _ in range(2):
        claim("mail", seconds=0)  # taken, and never heard of again
    drain()
    assert recorder.given == []
    assert selectors.given_up()[0].last_error == "Taken 3 times without an outcome."


@pytest.mark.django_db
def test_a_handler_that_posts_to_itself_does_not_keep_drain_for_ever() -> None:
    def echo(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
        services.post("echo", {})
        return {delivery.id: Done() for delivery in deliveries}

    registry.handler("echo", echo)
    waiting("echo")
    assert Worker(threading.Event()).drain(rounds=5) == 5


@pytest.mark.django_db
def test_a_batch_that_took_longer_than_its_lease_is_not_noted(caplog: pytest.LogCaptureFixture) -> None:
    def slow(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
        all_due()  # as if the lease had ended
        assert len(claim().deliveries) == 1
        return {delivery.id: Done() for delivery in deliveries}

    registry.handler("wake", slow)
    waiting()
    drain()
    assert Message.objects.get().state == "leased"
    assert "after the lease had ended" in caplog.text


# Threads, and what dies -----------------------------------------------------------------------------------------------


def test_two_workers_deliver_each_message_once(start: Start) -> None:
    registry.handler("wake", recorder := Recorder(), batch=3)
    start()
    start()
    for n in range(60):
        with transaction.atomic():
            services.post("wake", {"n": n}, key=str(n))
    eventually(lambda: not Message.objects.exists())
    assert len(recorder.given) == 60
    assert set(Counter(recorder.given).values()) == {1}


def test_a_slow_topic_does_not_hold_up_another(start: Start) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
        begun.set()
        assert go_on.wait(PATIENCE)
        return {delivery.id: Done() for delivery in deliveries}

    registry.handler("mail", slow)
    registry.handler("wake", recorder := Recorder())
    waiting("mail")
    start()
    assert begun.wait(PATIENCE)
    waiting("wake")
    eventually(lambda: [message.topic for message in Message.objects.all()] == ["mail"])
    assert recorder.given
    go_on.set()
    eventually(lambda: not Message.objects.exists())


def test_a_message_is_taken_soon_after_it_was_posted(start: Start) -> None:
    registry.handler("wake", recorder := Recorder())
    start()
    time.sleep(0.3)
    begin = time.monotonic()
    waiting()
    eventually(lambda: bool(recorder.given))
    assert time.monotonic() - begin < 1


def test_what_a_killed_worker_held_is_delivered_when_its_lease_ends(start: Start) -> None:
    registry.handler("wake", recorder := Recorder())
    message = waiting()[0]
    claim(seconds=0.5)  # killed: its process is gone, its lease remains
    start()
    time.sleep(0.2)
    assert recorder.given == []
    eventually(lambda: recorder.given == [message.pk])
    eventually(lambda: not Message.objects.exists())


def test_a_worker_that_is_stopped_ends_its_batch_and_takes_no_other(start: Start) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
        begun.set()
        assert go_on.wait(PATIENCE)
        return {delivery.id: Done() for delivery in deliveries}

    registry.handler("wake", slow, batch=1)
    waiting(number=3)
    stop = start()
    assert begun.wait(PATIENCE)
    stop.set()
    go_on.set()
    eventually(lambda: Message.objects.filter(state="leased").count() == 0)
    assert Message.objects.filter(state="waiting").count() == 2


def lose_connection() -> None:
    """Break this thread's connection under Django's feet, as a restarted server does."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        other.close()
    else:
        connection.connection.close()


def test_a_connection_lost_during_a_delivery_costs_nothing(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    def deliver(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
        recorder(deliveries)
        if len(recorder.batches) == 1:
            lose_connection()
        return {delivery.id: Done() for delivery in deliveries}

    recorder = Recorder()
    registry.handler("wake", deliver, batch=1)
    messages = waiting(number=3)
    start()
    eventually(lambda: not Message.objects.exists())
    assert recorder.given == [message.pk for message in messages]
    assert "could not be noted, trying again" in caplog.text


def test_a_connection_lost_while_idle_is_made_anew(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = threading.Event()
    registry.handler("wake", recorder := Recorder())
    is_due = Worker._deliver

    def once_broken(self: Worker, handler: registry.Handler) -> int:
        if not broken.is_set():
            connection.ensure_connection()
            lose_connection()
            broken.set()
        return is_due(self, handler)

    monkeypatch.setattr(Worker, "_deliver", once_broken)
    start()
    assert broken.wait(PATIENCE)
    waiting()
    eventually(lambda: bool(recorder.given))


def test_a_thread_survives_what_nobody_expected(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    registry.handler("wake", recorder := Recorder())
    deliver, raised = Worker._deliver, threading.Event()

    def once_wrong(self: Worker, handler: registry.Handler) -> int:
        if not raised.is_set():
            raised.set()
            raise RuntimeError("a bug")
        return deliver(self, handler)

    monkeypatch.setattr(Worker, "_deliver", once_wrong)
    waiting()
    start()
    eventually(lambda: bool(recorder.given))
    assert "a bug" in caplog.text


# Periodic work --------------------------------------------------------------------------------------------------------


def work() -> int:
    return Worker(threading.Event())._work()


def due_since(hours: int) -> None:
    Schedule.objects.update(next_run=timezone.now() - timedelta(hours=hours))


@pytest.mark.django_db
def test_periodic_work_runs_at_first_sight_and_then_when_it_is_due() -> None:
    runs: list[int] = []
    registry.periodic("sweep", timedelta(hours=1), lambda: runs.append(1))
    assert work() == 1
    assert work() == 0
    row = Schedule.objects.get()
    assert row.finished_at is not None
    assert row.next_run == row.finished_at + timedelta(hours=1)
    due_since(0)
    assert work() == 1
    assert len(runs) == 2


@pytest.mark.django_db
def test_missed_runs_are_made_up_for_once() -> None:
    runs: list[int] = []
    registry.periodic("sweep", timedelta(hours=1), lambda: runs.append(1))
    work()
    due_since(hours=48)
    assert work() == 1
    assert work() == 0
    assert len(runs) == 2


@pytest.mark.django_db
def test_periodic_work_that_fails_is_tried_again_sooner_and_shown(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> NoReturn:
        raise RuntimeError("disk full")

    other: list[int] = []
    registry.periodic("a", timedelta(hours=1), fail)
    registry.periodic("b", timedelta(hours=1), lambda: other.append(1))
    work()
    assert other == [1]
    row = selectors.failing().get()
    assert (row.name, row.failures, row.last_error, row.lease_token) == ("a", 1, "RuntimeError: disk full", None)
    assert row.next_run - timezone.now() < timedelta(seconds=2)
    due_since(0)
    work()
    assert selectors.failing().get().failures == 2
    assert "disk full" in caplog.text
    registry.periodic("a", timedelta(hours=1), lambda: None)
    due_since(0)
    work()
    assert not selectors.failing()


@pytest.mark.django_db
def test_periodic_work_of_a_killed_worker_is_taken_over_and_its_late_end_does_not_count() -> None:
    runs: list[str] = []

    def late() -> None:
        runs.append("late")
        due_since(0)  # as if the lease had ended
        registry.periodic("sweep", timedelta(hours=1), lambda: runs.append("other"))
        assert work() == 1
        due_since(0)

    registry.periodic("sweep", timedelta(hours=1), late)
    work()
    assert runs == ["late", "other"]
    assert work() == 1


@pytest.mark.django_db
def test_periodic_work_that_became_more_frequent_does_not_wait_out_the_old_time() -> None:
    registry.periodic("sweep", timedelta(days=30), lambda: None)
    work()
    registry.periodic("sweep", timedelta(hours=1), lambda: None)
    assert work() == 1
    assert work() == 0


def test_periodic_work_runs_in_one_worker_at_a_time(start: Start) -> None:
    inside, most, runs = 0, 0, 0
    lock = threading.Lock()

    def sweep() -> None:
        nonlocal inside, most, runs
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.05)
        with lock:
            inside -= 1
            runs += 1

    registry.periodic("sweep", timedelta(milliseconds=10), sweep)
    start()
    start()
    start()
    eventually(lambda: runs >= 5)
    assert most == 1
