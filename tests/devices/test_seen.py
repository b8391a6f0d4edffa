"""When devices were last seen: in batches, in one order, and never backwards."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection

from mydevices.devices.models import Device, Registration
from mydevices.devices.seen import Collector
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def test_a_minute_is_noted_once() -> None:
    life = factories.life(factories.device(factories.person()))
    collector = Collector()
    collector.note(life.id, NOW, NOW - timedelta(seconds=59))
    assert collector.flush() == 0
    collector.note(life.id, NOW, NOW - timedelta(seconds=61))
    collector.note(life.id, NOW + timedelta(seconds=1), NOW - timedelta(seconds=61))
    assert collector.flush() == 1
    life.refresh_from_db()
    assert life.last_seen_at == NOW + timedelta(seconds=1)
    assert Device.objects.get().seen_at == life.last_seen_at


def test_an_older_time_does_not_replace_a_newer_one() -> None:
    life = factories.life(factories.device(factories.person()))
    newer, older = Collector(), Collector()
    older.note(life.id, NOW, None)
    newer.note(life.id, NOW + timedelta(minutes=2), None)
    newer.flush()
    older.flush()
    life.refresh_from_db()
    assert life.last_seen_at == NOW + timedelta(minutes=2)
    assert Device.objects.get().seen_at == life.last_seen_at


def test_a_life_that_is_over_says_nothing_of_its_device() -> None:
    device = factories.device(factories.person())
    former = factories.life(device)
    collector = Collector()
    collector.note(former.id, NOW + timedelta(days=2), None)
    again = Registration.objects.create(
        device=device,
        keys_held=False,
        started_at=NOW,
        state="replaced",
    )
    Device.objects.filter(id=device.id).update(registration=again, seen_at=NOW)
    collector.flush()
    assert Device.objects.get().seen_at == NOW


def test_what_could_not_be_written_is_written_the_next_time() -> None:
    life = factories.life(factories.device(factories.person()))
    collector = Collector()
    collector.note(life.id, NOW, None)

    def fail(*_arguments: object) -> None:
        raise DatabaseError("away")

    with connection.execute_wrapper(fail), pytest.raises(DatabaseError):
        collector.flush()
    assert collector.flush() == 1
    life.refresh_from_db()
    assert life.last_seen_at == NOW
