"""Posting: in the caller's transaction, in one statement, joining what still waits and nothing else."""

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mydevices.errors import Conflict, NotFound
from mydevices.outbox import leases, registry, selectors, services
from mydevices.outbox.models import Message, Schedule
from mydevices.outbox.registry import Delivery, DeliveryOutcome, Done
from mydevices.outbox.worker import Worker
from tests.outbox.conftest import claim, in_thread, waiting

LATER = datetime(2100, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 2, tzinfo=UTC)


@pytest.mark.django_db
def test_a_post_is_one_statement() -> None:
    with CaptureQueriesContext(connection) as queries:
        services.post("wake", {"channel": 7}, key="7")
        services.post("wake", {"channel": 7}, key="7")
    assert len(queries) == 2
    message = Message.objects.get()
    assert (message.topic, message.key, message.payload, message.state) == ("wake", "7", {"channel": 7}, "waiting")
    assert message.attempts == 0
    assert timezone.now() - message.run_at < timedelta(minutes=1)
    assert message.created_at == message.run_at


@pytest.mark.django_db(transaction=True)
def test_a_post_outside_a_transaction_is_refused() -> None:
    with pytest.raises(transaction.TransactionManagementError, match="wake"):
        services.post("wake", {})
    assert not Message.objects.exists()
    services.post("wake", {}, alone=True)
    assert Message.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_post_in_a_transaction_that_is_rolled_back_sends_nothing() -> None:
    delivered: list[int] = []

    def deliver(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
        delivered.extend(delivery.id for delivery in deliveries)
        return {delivery.id: Done() for delivery in deliveries}

    registry.handler("wake", deliver)
    with transaction.atomic():
        services.post("wake", {}, key="7")
        transaction.set_rollback(True)
    assert Worker(threading.Event()).drain() == 0
    assert delivered == []
    with transaction.atomic():
        services.post("wake", {}, key="7")
    assert Worker(threading.Event()).drain() == 1
    assert len(delivered) == 1
    assert not Message.objects.exists()


@pytest.mark.django_db
def test_a_second_post_joins_the_waiting_one_with_the_newest_payload_and_the_earlier_time() -> None:
    services.post("mail", {"v": 1}, key="k", not_before=LATER)
    Message.objects.update(attempts=4)
    services.post("mail", {"v": 2}, key="k", not_before=LATEST)
    message = Message.objects.get()
    assert (message.payload, message.run_at, message.attempts) == ({"v": 2}, LATER, 0)
    services.post("mail", {"v": 3}, key="k")
    assert Message.objects.get().run_at < LATER


@pytest.mark.django_db
def test_other_keys_other_topics_and_no_key_stand_alone() -> None:
    for topic, key in (("a", "k"), ("b", "k"), ("a", "l"), ("a", None), ("a", None)):
        services.post(topic, {}, key=key)
    assert Message.objects.count() == 5


@pytest.mark.django_db
def test_a_message_in_flight_does_not_swallow_a_new_post() -> None:
    services.post("wake", {"v": 1}, key="7")
    held = claim()
    services.post("wake", {"v": 2}, key="7")
    assert [message.payload for message in Message.objects.filter(state="waiting")] == [{"v": 2}]
    assert leases.done(held, [held.deliveries[0].id]) == 1
    assert [delivery.payload for delivery in claim().deliveries] == [{"v": 2}]


@pytest.mark.django_db
def test_a_dead_message_does_not_swallow_a_new_post() -> None:
    services.post("wake", {}, key="7")
    held = claim()
    leases.give_up(held, held.deliveries[0].id, error="no")
    services.post("wake", {}, key="7")
    assert sorted(Message.objects.values_list("state", flat=True)) == ["dead", "waiting"]


@pytest.mark.django_db
def test_a_delayed_post_waits() -> None:
    services.post("wake", {}, not_before=LATER)
    assert claim().deliveries == ()
    assert len(claim(now=LATER).deliveries) == 1


@pytest.mark.django_db(transaction=True)
def test_a_waiting_message_is_not_delivered_before_what_its_last_poster_wrote_can_be_seen() -> None:
    with transaction.atomic():
        services.post("wake", {}, key="7")
    posted, seen = threading.Event(), []

    def write_and_post() -> None:
        with transaction.atomic():
            Schedule.objects.create(name="what it is about", next_run=LATER)
            services.post("wake", {}, key="7")
            posted.set()
            time.sleep(0.4)

    def deliver(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
        seen.append(Schedule.objects.filter(name="what it is about").exists())
        return {delivery.id: Done() for delivery in deliveries}

    registry.handler("wake", deliver)
    writer = in_thread(write_and_post)
    assert posted.wait(5)
    worker = Worker(threading.Event())
    while writer.is_alive():
        worker.drain()
        time.sleep(0.02)
    worker.drain()
    assert seen
    assert seen[-1] is True
    assert False not in seen


@pytest.mark.django_db
def test_what_was_given_up_can_be_tried_again() -> None:
    message, held = waiting()[0], claim()
    leases.give_up(held, message.pk, error="no such address")
    assert [found.last_error for found in selectors.given_up()] == ["no such address"]
    services.revive(message.pk)
    assert not selectors.given_up()
    assert [delivery.attempts for delivery in claim().deliveries] == [1]
    with pytest.raises(NotFound):
        services.revive(message.pk)


@pytest.mark.django_db
def test_what_was_given_up_is_not_revived_beside_a_newer_one() -> None:
    message, held = waiting(key="7")[0], claim()
    leases.give_up(held, message.pk, error="no")
    services.post("wake", {}, key="7")
    with pytest.raises(Conflict):
        services.revive(message.pk)
    assert Message.objects.count() == 2


@pytest.mark.django_db
def test_the_lag_is_that_of_the_longest_due_message() -> None:
    now = timezone.now()
    assert selectors.lag(now) == timedelta(0)
    waiting()
    Message.objects.update(run_at=now - timedelta(minutes=3))
    waiting()
    assert selectors.lag(now) == timedelta(minutes=3)
