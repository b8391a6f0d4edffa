"""The chain of seals: every committed entry once, in the order of sealing, and no change goes unseen."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from mydevices.audit import chain, services, tasks
from mydevices.audit.actor import Actor
from mydevices.audit.models import ChainKey, Entry, Seal
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, NeedsFreshAuthentication
from mydevices.outbox import registry
from mydevices.outbox.worker import Worker
from mydevices.vault import services as vault
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
    key = ChainKey.objects.get()
    assert chain.verify() == chain.Verdict(sealed=0, unsealed=5, head=key.hash, key_made_at=key.made_at)
    assert chain.seal_committed(limit=3) == 3
    assert chain.seal_committed(limit=3) == 2
    assert chain.seal_committed() == 0
    assert order_of_sealing() == entries
    verdict = chain.verify()
    assert (verdict.sealed, verdict.unsealed, verdict.broken_at) == (5, 0, None)
    last = Seal.objects.order_by("-id").first()
    assert last is not None
    assert verdict.head == last.hash


@pytest.mark.django_db
def test_a_long_chain_is_checked_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "CHUNK", 3)
    record(10)
    chain.seal_committed()
    assert chain.verify().sealed == 10


@pytest.mark.django_db
def test_an_entry_that_is_committed_late_is_sealed_late(monkeypatch: pytest.MonkeyPatch) -> None:
    record(3)
    first, late, last = Entry.objects.order_by("id")
    with without_triggers(connection):
        Entry.objects.filter(id=late.pk).delete()  # as if its transaction had not ended
    chain.seal_committed()
    late.save(force_insert=True)
    chain.seal_committed()
    assert order_of_sealing() == [first.pk, last.pk, late.pk]
    assert chain.verify().broken_at is None


@pytest.mark.django_db
def test_one_that_is_committed_very_late_is_found_by_the_round_over_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "LOOK_BACK", 2)
    record(5)
    late = Entry.objects.order_by("id").first()
    assert late is not None
    late_id = late.pk
    with without_triggers(connection):
        Entry.objects.filter(id=late_id).delete()
    chain.seal_committed()
    late.pk = late_id
    late.save(force_insert=True)
    assert chain.seal_committed() == 0
    assert chain.verify().unsealed == 1
    assert chain.seal_committed(everything=True) == 1
    assert order_of_sealing()[-1] == late_id
    assert chain.verify().broken_at is None


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
            chain.seal_committed(limit=7)
            time.sleep(0.001)

    writers = [in_thread(write) for _ in range(3)]
    sealers = [in_thread(seal) for _ in range(2)]
    for thread in writers:
        thread.join(PATIENCE)
    done.set()
    for thread in sealers:
        thread.join(PATIENCE)
    while chain.seal_committed(everything=True):
        pass
    assert sorted(order_of_sealing()) == sorted(Entry.objects.values_list("id", flat=True))
    assert len(order_of_sealing()) == 120
    verdict = chain.verify()
    assert (verdict.sealed, verdict.unsealed, verdict.broken_at) == (120, 0, None)


@pytest.fixture
def sealed(db: None) -> Iterator[list[int]]:
    entries = record(6)
    chain.seal_committed()
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
    verdict = chain.verify()
    assert verdict.sealed == 2
    assert verdict.broken_at in {sealed[2], sealed[3]}  # a missing link shows at the next one
    assert verdict.reason


def rebuilt(secret: bytes | None) -> None:
    """The whole chain computed anew over the entries as they are, as whoever can write to the database would: without
    a key, or with one of their own."""
    previous = ChainKey.objects.get().hash if ChainKey.objects.exists() else chain.BEGINNING
    for link in Seal.objects.order_by("id"):
        text = chain._text(Entry.objects.get(id=link.entry_id))
        made = chain._plain(previous, text) if secret is None else chain._keyed(secret, previous, text)
        Seal.objects.filter(id=link.pk).update(previous_hash=previous, hash=made)
        previous = made


@pytest.mark.parametrize("secret", [None, b"a key of their own"])
def test_a_chain_that_was_computed_anew_without_the_key_is_found(sealed: list[int], secret: bytes | None) -> None:
    Entry.objects.filter(id=sealed[2]).update(verb="x")
    rebuilt(secret)
    verdict = chain.verify()
    assert (verdict.sealed, verdict.broken_at) == (0, sealed[0])
    with pytest.raises(CommandError, match=f"broken at entry {sealed[0]}"):
        call_command("audit_verify")


def test_a_key_that_is_gone_is_missed_and_not_made_again(sealed: list[int]) -> None:
    """Else whoever deletes it, and computes the chain as it was before there were keys, would have the server sign
    it."""
    ChainKey.objects.all().delete()
    rebuilt(None)
    record()
    with pytest.raises(Conflict, match="audit_begin_anew"):
        chain.seal_committed()
    call_command("migrate", verbosity=0, interactive=False)
    assert not ChainKey.objects.exists()
    assert not chain.verify().holds
    with pytest.raises(CommandError, match="key of the audit’s chain is not in the database"):
        call_command("audit_verify")


def test_a_key_that_is_gone_gives_way_to_a_new_one_by_an_operators_word_which_shows(sealed: list[int]) -> None:
    old = chain.verify().head
    ChainKey.objects.all().delete()
    output = StringIO()
    call_command("audit_begin_anew", stdout=output)
    assert "6 entries" in output.getvalue()
    assert Entry.objects.filter(verb=Verb.AUDIT_BEGUN_ANEW).count() == 1
    assert chain.seal_committed() == 1
    verdict = chain.verify(noted=old)
    assert (verdict.holds, verdict.sealed, verdict.before_key, verdict.contains) == (True, 7, 6, True)
    Entry.objects.filter(id=sealed[2]).update(verb="x")
    assert "is not as it was then" in chain.verify().reason
    with pytest.raises(CommandError, match="nothing to begin anew"):
        call_command("audit_begin_anew")


def test_a_key_of_another_master_key_gives_way_too(sealed: list[int], settings: Settings) -> None:
    settings.MASTER_KEYS = [b"n" * 32]
    assert "can’t be opened" in chain.verify().reason
    call_command("audit_begin_anew")
    chain.seal_committed()
    verdict = chain.verify()
    assert (verdict.holds, verdict.sealed, verdict.before_key) == (True, 7, 6)
    Seal.objects.filter(entry_id=sealed[3]).update(hash="0" * 64)
    assert chain.verify().broken_at == sealed[4]


def test_a_seam_that_was_changed_is_found(sealed: list[int]) -> None:
    ChainKey.objects.update(entries=5)
    assert "was changed" in chain.verify().reason
    ChainKey.objects.update(entries=0)
    assert chain.verify().holds
    ChainKey.objects.update(sealed=vault.seal(b"n" * 32, vault.Place("audit_chainkey", "sealed", row=1, owner="audit")))
    assert not chain.verify().holds  # even with a key that the server itself has sealed
    ChainKey.objects.update(sealed=b"")
    assert "can’t be opened" in chain.verify().reason


@pytest.fixture
def old(sealed: list[int]) -> list[int]:
    """The chain as it was before it had a key: a plain hash of each entry and the link before."""
    ChainKey.objects.all().delete()
    rebuilt(None)
    return sealed


def upgrade() -> None:
    """A key, where there is none yet."""
    if not chain.has_key():
        chain.begin()


def test_entries_from_before_there_was_a_key_are_sealed_once_under_it_and_the_seam_is_told(old: list[int]) -> None:
    noted = Seal.objects.get(entry_id=old[-1]).hash
    upgrade()
    upgrade()
    key = ChainKey.objects.get()
    assert (key.entries, key.lost) == (6, False)
    record(2)
    assert chain.seal_committed() == 2
    assert list(Seal.objects.order_by("id").values_list("previous_hash", flat=True))[6] == key.hash
    verdict = chain.verify(noted=noted)
    assert (verdict.holds, verdict.sealed, verdict.before_key, verdict.contains) == (True, 8, 6, True)
    output = StringIO()
    call_command("audit_verify", stdout=output)
    assert "6 entries are older than the key" in output.getvalue()


def test_what_is_older_than_the_key_is_held_by_the_seam(old: list[int]) -> None:
    upgrade()
    Entry.objects.filter(id=old[2]).update(verb="x")
    assert chain.verify().broken_at == old[2]
    previous = chain.BEGINNING
    for link in Seal.objects.order_by("id"):
        made = chain._plain(previous, chain._text(Entry.objects.get(id=link.entry_id)))
        Seal.objects.filter(id=link.pk).update(previous_hash=previous, hash=made)
        previous = made
    verdict = chain.verify()
    assert (verdict.broken_at, verdict.sealed) == (None, 6)
    assert "is not as it was then" in verdict.reason
    Entry.objects.filter(id=old[5]).delete()
    Seal.objects.filter(entry_id=old[5]).delete()
    assert "is not as it was then" in chain.verify().reason


def test_a_new_master_key_wraps_the_key_and_leaves_every_link_as_it_is(sealed: list[int], settings: Settings) -> None:
    before = list(Seal.objects.order_by("id").values())
    settings.MASTER_KEYS = [b"n" * 32, *settings.MASTER_KEYS]
    call_command("rotate_master_key")
    settings.MASTER_KEYS = [b"n" * 32]
    record()
    assert chain.seal_committed() == 1
    assert chain.verify().holds
    assert list(Seal.objects.order_by("id").values())[:6] == before


@pytest.mark.django_db
@pytest.mark.parametrize("change", ["DELETE FROM audit_chainkey", "UPDATE audit_chainkey SET entries = 1"])
def test_the_database_refuses_to_change_a_key(change: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)


def test_a_head_that_was_noted_is_found_in_the_chain_or_missed(sealed: list[int]) -> None:
    output = StringIO()
    call_command("audit_verify", "--head", stdout=output)
    noted = output.getvalue().strip()
    assert noted == chain.verify().head
    record()
    chain.seal_committed()
    call_command("audit_verify", "--contains", noted, stdout=output)
    assert "is in the chain" in output.getvalue()
    Entry.objects.filter(id__gte=sealed[4]).delete()
    Seal.objects.filter(entry_id__gte=sealed[4]).delete()
    assert chain.verify().holds
    with pytest.raises(CommandError, match="is not in the chain"):
        call_command("audit_verify", "--contains", noted)


def test_a_chain_cut_off_at_its_end_has_another_head(sealed: list[int]) -> None:
    head = chain.verify().head
    Entry.objects.filter(id__gte=sealed[4]).delete()
    Seal.objects.filter(entry_id__gte=sealed[4]).delete()
    verdict = chain.verify()
    assert verdict.broken_at is None
    assert verdict.head != head


def test_the_command_tells_the_head_and_fails_where_the_chain_is_broken(sealed: list[int]) -> None:
    record()
    output = StringIO()
    call_command("audit_verify", stdout=output)
    assert "6 entries are sealed, 1 wait" in output.getvalue()
    assert chain.verify().head in output.getvalue()
    Entry.objects.filter(id=sealed[2]).update(verb="x")
    with pytest.raises(CommandError, match=f"entry {sealed[2]}"):
        call_command("audit_verify")


@pytest.mark.django_db
def test_the_worker_seals_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "PERIODIC", {})
    tasks.register()
    record(3)
    Worker(threading.Event())._work()
    assert chain.verify().sealed == 3


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
