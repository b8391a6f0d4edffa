"""Entries: written in one statement, in the transaction of what they tell of, without secrets, and never changed."""

from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from mydevices.audit import chain, selectors, services
from mydevices.audit.actor import Actor, Proof
from mydevices.audit.models import Entry, Seal
from mydevices.audit.verbs import Verb

DEVICE = UUID("0c3b16a8-55c6-4a0e-a0a1-4b6b4a2f7f8f")
PERSON = UUID("3f0b9d3e-8ad1-4b0e-9a51-0d9f1c7f2f11")
INES = Actor(kind="person", id=str(PERSON), name="Ines Okafor", role="person", address="192.0.2.7", proof=Proof.LINK)


def record(verb: Verb = Verb.ACTION_REQUESTED, **more: Any) -> Entry:
    about = {"device": services.Mention(DEVICE), "person": services.Mention(PERSON), **more}
    return services.record(verb, actor=INES, **about)


@pytest.mark.django_db
def test_an_entry_says_who_did_what_to_which_device_when_from_where_with_what_outcome() -> None:
    action = UUID("11111111-2222-3333-4444-555555555555")
    before = timezone.now()
    with CaptureQueriesContext(connection) as queries:
        record(
            device=services.Mention(DEVICE, "Ines’ iPhone"),
            person=services.Mention(PERSON, "Ines Okafor"),
            action_id=action,
            outcome="held",
            details={"action": "wipe", "seconds": 30, "personal": True},
        )
    assert len(queries) == 1
    entry = Entry.objects.get()
    assert before <= entry.at <= timezone.now()
    assert (entry.verb, entry.outcome, entry.address) == (Verb.ACTION_REQUESTED, "held", "192.0.2.7")
    assert (entry.actor_kind, entry.actor_id, entry.actor_name, entry.actor_role) == (
        "person",
        str(PERSON),
        "Ines Okafor",
        "person",
    )
    assert (entry.device_id, entry.device_name) == (str(DEVICE), "Ines’ iPhone")
    assert (entry.person_id, entry.person_name, entry.action_id) == (str(PERSON), "Ines Okafor", str(action))
    assert entry.details == {"action": "wipe", "seconds": 30, "personal": True}


@pytest.mark.django_db
def test_an_entry_stands_only_if_what_it_tells_of_does() -> None:
    with transaction.atomic():
        record()
        transaction.set_rollback(True)
    assert not Entry.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    [
        "pin",
        "PIN",
        "mac_pin",
        "pins",
        "unlock_token",
        "password",
        "new-password",
        "secret",
        "key",
        "private_key",
        "code",
        "ticket_code",
        "challenge",
        "passcode",
        "credentials",
    ],
)
def test_a_detail_that_sounds_like_a_secret_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="sounds like a secret"):
        record(details={name: "123456"})
    assert not Entry.objects.exists()


@pytest.mark.django_db
def test_a_detail_whose_name_only_contains_such_letters_is_kept() -> None:
    details = {"mapping": "a", "keyboard": "b", "shipping": "c", "decoded": "d", "topic": "e"}
    record(details=details)
    assert Entry.objects.get().details == details


@pytest.mark.django_db
@pytest.mark.parametrize("value", [b"bytes", 1.5, None, ["a"], {"pin": "123456"}])
def test_details_are_flat_and_public(value: object) -> None:
    with pytest.raises(ValueError, match="neither text nor a number"):
        record(details={"thing": value})


class AnyText(TestCase):
    @given(st.text(alphabet=st.characters(codec=None), max_size=600))
    def test_no_name_that_a_device_gives_itself_can_stop_its_entry(self, name: str) -> None:
        entry = record(device=services.Mention(DEVICE, name), outcome=name, details={"reason": name})
        stored = Entry.objects.get(id=entry.pk)
        assert len(stored.device_name) <= 200
        assert len(stored.details["reason"]) <= services.LONGEST
        if name.isascii() and "\0" not in name:
            assert stored.device_name == name[:200]


def attempts() -> list[str]:
    """Statements that would change what was recorded."""
    found = []
    for table, columns in (("audit_entry", "verb"), ("audit_seal", "hash")):
        found += [
            f"UPDATE {table} SET {columns} = 'x'",
            f"UPDATE {table} SET id = id + 1000",
            f"DELETE FROM {table}",
            f"DELETE FROM {table} WHERE id > 0",
        ]
        if connection.vendor == "postgresql":
            found += [f"TRUNCATE {table}", f"TRUNCATE {table} CASCADE"]
        else:
            found += [f"REPLACE INTO {table} SELECT * FROM {table}", f"UPDATE OR REPLACE {table} SET id = 1"]
    if connection.vendor == "postgresql":
        copy = "INSERT INTO audit_entry SELECT * FROM audit_entry ON CONFLICT (id) DO UPDATE SET verb = 'x'"
        found.append(copy)
    else:
        replace = "INSERT OR REPLACE INTO audit_seal SELECT"
        found.append(f"{replace} id + 7, entry_id, previous_hash || 'x', 'x' FROM audit_seal")
        found.append(f"{replace} id + 7, entry_id + 7, previous_hash, 'x' FROM audit_seal")
    return found


@pytest.mark.django_db
def test_the_database_refuses_every_change() -> None:
    for _ in range(3):
        record()
    chain.seal_committed()
    entries, seals = list(Entry.objects.order_by("id").values()), list(Seal.objects.order_by("id").values())
    assert len(entries) == len(seals) == 3
    for statement in attempts():
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
        assert list(Entry.objects.order_by("id").values()) == entries, statement
        assert list(Seal.objects.order_by("id").values()) == seals, statement


@pytest.mark.django_db
def test_the_models_cannot_change_anything_either() -> None:
    entry = record()
    with pytest.raises(IntegrityError), transaction.atomic():
        entry.save()
    with pytest.raises(IntegrityError), transaction.atomic():
        entry.delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        Entry.objects.update(verb="x")
    assert Entry.objects.count() == 1


@pytest.mark.django_db
def test_histories_are_newest_first_and_of_their_device_or_person_only() -> None:
    first, second = record(), record()
    other = services.record(Verb.SIGNED_IN, actor=INES, person=services.Mention(PERSON))
    stranger = services.record(
        Verb.SIGNED_IN, actor=INES, device=services.Mention(PERSON), person=services.Mention(DEVICE)
    )
    assert list(selectors.of_device(DEVICE)) == [second, first]
    assert list(selectors.of_person(PERSON)) == [other, second, first]
    assert list(selectors.latest()) == [stranger, other, second, first]


def test_verbs_are_distinct_and_fit_their_column() -> None:
    longest = Entry._meta.get_field("verb").max_length or 0
    assert all("." in verb and len(verb) <= longest for verb in Verb)
    assert len(set(Verb)) == len(Verb.__members__)
