"""Leases: who holds a message, until when, and who may still speak for it."""

import json
import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from mydevices.outbox import leases
from mydevices.outbox.models import Message
from tests.outbox.conftest import PATIENCE, claim, in_thread, waiting


@pytest.mark.django_db
def test_a_claim_is_one_statement_takes_the_oldest_and_no_more_than_its_limit() -> None:
    messages = waiting(number=5)
    waiting("mail")
    Message.objects.filter(id=messages[4].pk).update(run_at=timezone.now() - timedelta(hours=1))
    with CaptureQueriesContext(connection) as queries:
        held = claim(limit=3)
    assert len(queries) == 1
    assert [delivery.id for delivery in held.deliveries] == [messages[0].pk, messages[1].pk, messages[4].pk]
    assert [delivery.payload["n"] for delivery in held.deliveries] == [0, 1, 4]
    assert {delivery.attempts for delivery in held.deliveries} == {1}
    assert len(claim(limit=3).deliveries) == 2
    assert claim(limit=3).deliveries == ()


@pytest.mark.django_db
def test_looking_for_work_is_one_statement_that_uses_the_index_of_due_messages() -> None:
    waiting(number=3)
    with CaptureQueriesContext(connection) as queries:
        assert leases.is_due("wake", timezone.now())
        assert not leases.is_due("mail", timezone.now())
    assert len(queries) == 2
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"{explain} {queries[0]['sql']}")
        assert "due_messages" in json.dumps(cursor.fetchall(), default=str)


@pytest.mark.django_db
def test_an_expired_lease_is_taken_again_and_the_late_worker_is_refused() -> None:
    message = waiting()[0]
    first = claim(seconds=60)
    assert claim(now=first.ends - timedelta(seconds=1)).deliveries == ()
    second = claim(now=first.ends)
    assert [delivery.attempts for delivery in second.deliveries] == [2]
    assert leases.done(first, [message.pk]) == 0
    assert not leases.retry(first, message.pk, run_at=timezone.now(), error="late")
    assert not leases.give_up(first, message.pk, error="late")
    assert Message.objects.get().last_error == ""
    assert leases.done(second, [message.pk]) == 1
    assert not Message.objects.exists()


@pytest.mark.django_db
def test_a_message_put_back_may_be_taken_when_its_time_has_come() -> None:
    message, held = waiting()[0], claim()
    later = timezone.now() + timedelta(minutes=5)
    assert leases.retry(held, message.pk, run_at=later, error="no answer" + "\0" * 9 + "." * 5000)
    assert Message.objects.get().last_error.startswith("no answer...")
    assert len(Message.objects.get().last_error) == leases.LONGEST_ERROR
    assert claim().deliveries == ()
    assert [delivery.attempts for delivery in claim(now=later).deliveries] == [2]


@pytest.mark.django_db
def test_a_message_put_back_gives_way_to_a_newer_one_of_its_key() -> None:
    old, held = waiting(key="7")[0], claim()
    new = waiting(key="7")[0]
    assert leases.retry(held, old.pk, run_at=timezone.now(), error="no answer")
    assert [message.pk for message in Message.objects.all()] == [new.pk]


@pytest.mark.django_db
def test_the_database_refuses_unknown_states_leases_without_token_and_a_second_waiting_message() -> None:
    message = waiting(key="7")[0]
    for change in ({"state": "gone"}, {"state": "leased"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Message.objects.filter(id=message.pk).update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        waiting(key="7")


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_take_each_message_once() -> None:
    waiting(number=200)
    taken: list[int] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait(PATIENCE)
        while held := claim(limit=7).deliveries:
            taken.extend(delivery.id for delivery in held)

    threads = [in_thread(work) for _ in range(4)]
    for thread in threads:
        thread.join(PATIENCE)
    assert len(taken) == 200
    assert len(set(taken)) == 200


@given(st.integers(1, 10_000), st.integers(1, 100_000))
def test_pauses_grow_and_never_pass_the_longest(attempts: int, seconds: int) -> None:
    longest = timedelta(seconds=seconds)
    pause = leases.pause(attempts, longest=longest)
    assert timedelta(0) < pause <= longest
    assert pause.total_seconds() >= 0.75 * min(seconds, 2.0 ** min(attempts - 1, 30)) - 1e-6
