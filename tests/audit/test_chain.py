"""The chain of seals: every committed entry once, in the order of sealing, and no change goes unseen."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from mydevices.audit import services, tasks
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry, Seal
from mydevices.audit.verbs import Verb
from mydevices.errors import NeedsFreshAuthentication
from mydevices.outbox import registry
from mydevices.outbox.worker import Worker
from tests.conftest import without_triggers
from tests.outbox.conftest import PATIENCE, in_thread

SYSTEM = Actor.system("test")


def record(number: int = 1) -> list[int]:
    return [services.record(Verb.SETTINGS_CHANGED, actor=SYSTEM, details={"n": n}).pk for n in range(number)]


def order_of_sealing() -> list[int]:
    return list(Seal.objects.order_by("id").values_list("entry_id", flat=True))


@pytest.mark.django_db
def test_every_entry_is_sealed_once_and_the_chain_holds() -> None:
    entries = record(5)
    assert services.verify() == services.Verdict(sealed=0, unsealed=5, head=services.BEGINNING)
    assert services.seal_committed(limit=3) == 3
    assert services.seal_committed(limit=3) == 2
    assert services.seal_committed() == 0
    assert order_of_sealing() == entries
    verdict = services.verify()
    assert (verdict.sealed, verdict.unsealed, verdict.broken_at) == (5, 0, None)
    last = Seal.objects.order_by("-id").first()
    assert last is not None
    assert verdict.head == last.hash


@pytest.mark.django_db
def test_a_long_chain_is_checked_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "CHUNK", 3)
    record(10)
    services.seal_committed()
    assert services.verify().sealed == 10


@pytest.mark.django_db
def test_an_entry_that_is_committed_late_is_sealed_late(monkeypatch: pytest.MonkeyPatch) -> None:
    record(3)
    first, late, last = Entry.objects.order_by("id")
    with without_triggers(connection):
        Entry.objects.filter(id=late.pk).delete()  # as if its transaction had not ended
    services.seal_committed()
    late.save(force_insert=True)
    services.seal_committed()
    assert order_of_sealing() == [first.pk, last.pk, late.pk]
    assert services.verify().broken_at is None


@pytest.mark.django_db
def test_one_that_is_committed_very_late_is_found_by_the_round_over_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "LOOK_BACK", 2)
    record(5)
    late = Entry.objects.order_by("id").first()
    assert late is not None
    late_id = late.pk
    with without_triggers(connection):
        Entry.objects.filter(id=late_id).delete()
    services.seal_committed()
    late.pk = late_id
    late.save(force_insert=True)
    assert services.seal_committed() == 0
    assert services.verify().unsealed == 1
    assert services.seal_committed(everything=True) == 1
    assert order_of_sealing()[-1] == late_id
    assert services.verify().broken_at is None


@pytest.mark.django_db(transaction=True)
def test_writers_and_sealers_at_once_leave_one_chain_over_every_entry() -> None:
    done = threading.Event()

    def write() -> None:
        for n in range(25):
            with transaction.atomic():
                record(2)
                time.sleep(0.002)
                if n % 5 == 0:
                    transaction.set_rollback(True)

    def seal() -> None:
        while not done.is_set():
            services.seal_committed(limit=7)
            time.sleep(0.001)

    writers = [in_thread(write) for _ in range(3)]
    sealers = [in_thread(seal) for _ in range(2)]
    for thread in writers:
        thread.join(PATIENCE)
    done.set()
    for thread in sealers:
        thread.join(PATIENCE)
    while services.seal_committed(everything=True):
        pass
    assert sorted(order_of_sealing()) == sorted(Entry.objects.values_list("id", flat=True))
    assert len(order_of_sealing()) == 120
    verdict = services.verify()
    assert (verdict.sealed, verdict.unsealed, verdict.broken_at) == (120, 0, None)


@pytest.fixture
def sealed(db: None) -> Iterator[list[int]]:
    entries = record(6)
    services.seal_committed()
    with without_triggers(connection):
        yield entries


def change_text(name: str, pk: int) -> None:
    Entry.objects.filter(id=pk).update(**{name: "x"})


CHANGES: dict[str, Callable[[int], object]] = {
    "at": lambda pk: Entry.objects.filter(id=pk).update(at=datetime(2020, 1, 1, tzinfo=UTC)),
    "details": lambda pk: Entry.objects.filter(id=pk).update(details={"n": "other"}),
    "deleted": lambda pk: Entry.objects.filter(id=pk).delete(),
    "its seal": lambda pk: Seal.objects.filter(entry_id=pk).update(hash="0" * 64),
    "deleted with its seal": lambda pk: (
        Entry.objects.filter(id=pk).delete(),
        Seal.objects.filter(entry_id=pk).delete(),
    ),
}
TEXTS = [field.name for field in Entry._meta.concrete_fields if field.name not in {"id", "at", "details"}]
CHANGES |= {name: partial(change_text, name) for name in TEXTS}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_change_behind_the_triggers_is_found_where_it_was_made(
    sealed: list[int], change: Callable[[int], object]
) -> None:
    change(sealed[2])
    verdict = services.verify()
    assert verdict.sealed == 2
    assert verdict.broken_at in {sealed[2], sealed[3]}  # a missing link shows at the next one
    assert verdict.reason


def test_a_changed_entry_under_a_new_seal_breaks_the_chain_at_the_next_one(sealed: list[int]) -> None:
    Entry.objects.filter(id=sealed[2]).update(verb="x")
    link = Seal.objects.get(entry_id=sealed[2])
    forged = services._hash(link.previous_hash, Entry.objects.get(id=sealed[2]))
    Seal.objects.filter(id=link.pk).update(hash=forged)
    verdict = services.verify()
    assert (verdict.sealed, verdict.broken_at) == (3, sealed[3])


def test_a_chain_cut_off_at_its_end_has_another_head(sealed: list[int]) -> None:
    head = services.verify().head
    Entry.objects.filter(id__gte=sealed[4]).delete()
    Seal.objects.filter(entry_id__gte=sealed[4]).delete()
    verdict = services.verify()
    assert verdict.broken_at is None
    assert verdict.head != head


def test_the_command_tells_the_head_and_fails_where_the_chain_is_broken(sealed: list[int]) -> None:
    record()
    output = StringIO()
    call_command("audit_verify", stdout=output)
    assert "6 entries are sealed, 1 wait" in output.getvalue()
    assert services.verify().head in output.getvalue()
    Entry.objects.filter(id=sealed[2]).update(verb="x")
    with pytest.raises(CommandError, match=f"entry {sealed[2]}"):
        call_command("audit_verify")


@pytest.mark.django_db
def test_the_worker_seals_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "PERIODIC", {})
    tasks.register()
    record(3)
    Worker(threading.Event())._work()
    assert services.verify().sealed == 3


def test_only_somebody_who_proved_it_lately_is_fresh() -> None:
    now = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)

    def person(authenticated_at: datetime | None) -> Actor:
        return Actor(kind="person", id="1", name="Ines", role="person", authenticated_at=authenticated_at)

    person(now - timedelta(minutes=5)).require_fresh(now)
    Actor.system("command line").require_fresh(now)
    stale = [person(now - timedelta(minutes=5, seconds=1)), person(None), Actor.device("1", "iPhone")]
    for actor in [*stale, Actor(kind="anonymous")]:
        with pytest.raises(NeedsFreshAuthentication):
            actor.require_fresh(now)


def test_only_a_person_in_that_role_is_an_administrator() -> None:
    assert Actor(kind="person", role="administrator").is_administrator
    assert not Actor(kind="person", role="person").is_administrator
    assert not Actor(kind="device", role="administrator").is_administrator
    assert not Actor.system("command line").is_administrator
