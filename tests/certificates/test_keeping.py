"""Keys end, and so do certificates; their owners know beforehand."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.certificates import keeping, tasks, types
from mydevices.certificates.models import Certificate
from mydevices.certificates.types import TypeRules
from mydevices.outbox import registry
from mydevices.outbox.models import Message
from tests import factories
from tests.certificates.identities import SYSTEM, identity_for, type_for, uploaded

pytestmark = pytest.mark.django_db

NOW = timezone.now()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def ines() -> Person:
    cache.clear()
    return factories.person()


@pytest.fixture(autouse=True)
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[keeping.Waiting]]:
    """Nobody waits, unless a test says so."""
    waiting: list[keeping.Waiting] = []
    monkeypatch.setattr(keeping, "_waiting", waiting)
    return iter([waiting])


def notices() -> list[str]:
    return [one.payload["notice"] for one in Message.objects.filter(topic="mail").order_by("id")]


def by_the_hour(until: datetime) -> list[tuple[str, float]]:
    """What happens each hour from now on: what is told, and after how many days."""
    told, now = [], NOW
    while now <= until:
        before = len(notices())
        keeping.remind(now=now)
        keeping.announce_ends(now=now)
        keeping.delete_keys(now=now)
        told += [(notice, (now - NOW) / DAY) for notice in notices()[before:]]
        now += HOUR
    return told


def test_an_end_is_told_of_30_7_and_1_days_ahead_and_once_each(ines: Person) -> None:
    identity = identity_for(ines, not_after=NOW + 40 * DAY)
    uploaded(ines, type_for(delete_key_after=None), identity, now=NOW)
    found = [40 - hours / 24 for hours in range(0, 42 * 24, 6) if keeping.remind(now=NOW + hours * HOUR)]
    assert [round(left) for left in found] == [30, 7, 1]
    assert set(notices()) == {"certificate_expires"}
    told = Entry.objects.filter(verb=Verb.CERTIFICATE_EXPIRES).order_by("id")
    assert [entry.details["days"] for entry in told] == [30, 7, 1]


def test_who_was_away_for_long_is_told_once_of_what_is_left(ines: Person) -> None:
    uploaded(ines, type_for(), identity_for(ines, not_after=NOW + 40 * DAY), now=NOW)
    assert keeping.remind(now=NOW + 36 * DAY) == 1
    assert keeping.remind(now=NOW + 36 * DAY) == 0
    assert Entry.objects.get(verb=Verb.CERTIFICATE_EXPIRES).details["days"] == 7


def test_who_uploads_what_ends_soon_has_read_so_and_is_told_at_the_next_step(ines: Person) -> None:
    uploaded(ines, type_for(), identity_for(ines, not_after=NOW + 20 * DAY), now=NOW)
    assert keeping.remind(now=NOW + HOUR) == 0
    assert keeping.remind(now=NOW + 14 * DAY) == 1


def test_nobody_is_told_of_replaced_certificates_or_while_suspended_or_after_the_end(ines: Person) -> None:
    of, amara, ben = type_for("encryption"), factories.person("Amara Diallo"), factories.person("Ben")
    uploaded(ines, of, identity_for(ines, not_after=NOW + 40 * DAY), now=NOW)
    uploaded(ines, of, now=NOW)
    uploaded(amara, of, identity_for(amara, not_after=NOW + 40 * DAY), now=NOW)
    Person.objects.filter(id=amara.id).update(is_active=False)
    uploaded(ben, of, identity_for(ben, not_after=NOW + 10 * DAY), now=NOW)
    assert keeping.remind(now=NOW + 20 * DAY) == 0


@pytest.mark.parametrize("days", [1, 2, 30])
def test_a_key_is_deleted_after_its_days_and_its_owner_knows_before_and_after(ines: Person, days: int) -> None:
    certificate = uploaded(ines, type_for(delete_key_after=days), now=NOW).certificate
    told = by_the_hour(NOW + (days + 2) * DAY)
    assert [notice for notice, _at in told] == ["certificate_key_ends", "certificate_key_deleted"]
    assert abs(told[0][1] - (days - 1)) <= 0.1
    assert days <= told[1][1] <= days + 0.1
    gone = Certificate.objects.get(id=certificate.id)
    assert (gone.key, gone.key_cleared_why) == (None, "age")
    assert Entry.objects.get(verb=Verb.CERTIFICATE_KEY_CLEARED).details["why"] == "age"


def test_a_key_that_is_kept_is_not_deleted(ines: Person) -> None:
    uploaded(ines, type_for(delete_key_after=None), now=NOW)
    assert by_the_hour(NOW + 3 * DAY) == []
    assert Certificate.objects.get().has_key


def test_a_key_waits_for_devices_that_need_it_but_30_days_at_most(
    ines: Person, waiting: Iterator[list[keeping.Waiting]]
) -> None:
    next(waiting).append(lambda certificate: certificate.person_id == ines.id)
    uploaded(ines, type_for(delete_key_after=2), now=NOW)
    keeping.announce_ends(now=NOW + DAY)
    assert keeping.delete_keys(now=NOW + 2 * DAY) == 0
    assert keeping.delete_keys(now=NOW + 30 * DAY - HOUR) == 0
    assert keeping.delete_keys(now=NOW + 30 * DAY) == 1


def test_who_waits_is_named_at_start_up(waiting: Iterator[list[keeping.Waiting]]) -> None:
    named = next(waiting)
    keeping.wait_for(lambda _certificate: True)
    assert len(named) == 1


def test_a_key_uploaded_again_has_its_days_again(ines: Person) -> None:
    of, identity = type_for(delete_key_after=2), identity_for(ines)
    uploaded(ines, of, identity, now=NOW)
    keeping.announce_ends(now=NOW + DAY)
    uploaded(ines, of, identity, now=NOW + 1.5 * DAY)
    assert keeping.delete_keys(now=NOW + 2.5 * DAY) == 0
    keeping.announce_ends(now=NOW + 2.5 * DAY)
    assert keeping.delete_keys(now=NOW + 3.5 * DAY) == 1


def test_who_reads_of_another_day_after_a_change_is_told_anew(ines: Person) -> None:
    of = type_for(delete_key_after=None)
    uploaded(ines, of, now=NOW)
    late = NOW + 10 * DAY
    types.change(actor=SYSTEM, type_id=of.id, rules=TypeRules(label=of.label, purpose="both", delete_key_after=2))
    assert keeping.delete_keys(now=late) == 0, "Nobody was told."
    assert keeping.announce_ends(now=late) == 1
    assert keeping.delete_keys(now=late + HOUR) == 0
    assert keeping.delete_keys(now=late + DAY) == 1


def test_the_worker_does_this_by_itself(ines: Person) -> None:
    assert {"certificates.remind", "certificates.end_keys"} <= set(registry.PERIODIC)
    uploaded(ines, type_for(delete_key_after=1), now=NOW - 3 * DAY)
    tasks.remind()
    tasks.end_keys()
    assert notices() == ["certificate_key_ends"]
