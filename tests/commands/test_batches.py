"""One action for many devices: who may, what becomes of each, and that a part done twice is done once."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import asking, batches, queue
from mydevices.commands.models import Action, Batch, BatchItem
from mydevices.devices.models import Device, Registration
from mydevices.errors import Conflict, Invalid, NeedsFreshAuthentication, NotAllowed, Unsupported
from mydevices.outbox.models import Message
from mydevices.port.actions import Parameters
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def devices(number: int) -> list[Device]:
    owner = factories.person()
    return [factories.device(owner, name=f"iPhone {index}") for index in range(number)]


def start(some: list[Device], kind: ActionKind = ActionKind.CHECK_IN, **named: object) -> Batch:
    values: dict[str, object] = {"reason": "Audit week.", "batch_id": uuid4(), "now": NOW, **named}
    actor = values.pop("actor", None) or factories.actor(factories.administrator())
    return batches.start(device_ids=[device.id for device in some], kind=kind, actor=actor, **values)  # type: ignore[arg-type]  # as named


def advance(batch: Batch, rounds: int = 1) -> None:
    for _round in range(rounds):
        batches.advance(batch_id=batch.id, now=NOW)
    batch.refresh_from_db()


def test_each_device_is_asked_with_the_reason_and_the_message() -> None:
    some = devices(3)
    batch = start(some, ActionKind.LOCK, parameters=Parameters(message="Bring it back."))
    assert not Action.objects.exists()
    advance(batch)
    assert {action.device_id for action in Action.objects.all()} == {device.id for device in some}
    assert {action.parameters["message"] for action in Action.objects.all()} == {"Bring it back."}
    told = Entry.objects.filter(verb=Verb.ACTION_REQUESTED)
    assert [entry.details["reason"] for entry in told] == ["Audit week."] * 3
    assert {entry.actor_name for entry in told} == {"Tomas Reiter"}
    assert batch.finished_at == NOW
    assert (batches.tally(batch).asked, batches.tally(batch).waiting) == (3, 0)
    ended = Entry.objects.get(verb=Verb.BATCH_ENDED)
    assert ended.details == {"action": "lock", "batch": str(batch.id), "asked": 3, "refused": 0, "stopped": 0}


def test_what_cannot_be_done_is_refused_with_its_reason_and_holds_up_nothing() -> None:
    some = devices(3)
    Registration.objects.filter(device=some[1]).update(state=Registration.State.RETIRED)
    asking.enqueue(device=some[0], kind=ActionKind.RETIRE, actor=factories.actor(some[0].owner), now=NOW)
    batch = start(some, ActionKind.RETIRE)
    advance(batch)
    tally = batches.tally(batch)
    assert (tally.asked, tally.refused) == (1, 2)
    assert sorted(number for _reason, number in tally.reasons) == [1, 1]
    assert any("no longer managed" in reason for reason, _number in tally.reasons)
    assert any("under way already" in reason for reason, _number in tally.reasons)
    assert Action.objects.filter(device=some[2]).get().held_until is not None
    assert {item.device_id for item in batches.refused(batch)} == {some[0].id, some[1].id}


def test_a_long_batch_goes_on_by_parts_each_with_a_message_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "AT_ONCE", 2)
    batch = start(devices(5))
    Message.objects.filter(topic="batch").delete()
    advance(batch)
    assert (Action.objects.count(), batch.finished_at) == (2, None)
    assert Message.objects.filter(topic="batch").count() == 1
    advance(batch, 2)
    assert Action.objects.count() == 5
    assert batch.finished_at is not None


def test_a_part_that_is_delivered_again_asks_nobody_twice() -> None:
    batch = start(devices(3))
    advance(batch, 3)
    assert Action.objects.count() == 3
    assert Entry.objects.filter(verb=Verb.BATCH_ENDED).count() == 1


def test_a_device_that_another_worker_has_in_hand_is_left_to_it() -> None:
    batch = start(devices(1))
    item = BatchItem.objects.get()
    BatchItem.objects.update(state=BatchItem.State.ASKED)
    person = Person.objects.get(id=batch.actor_id)
    batches._do(batch, item.pk, item.device, person, NOW)
    assert not Action.objects.exists()


def test_a_form_that_is_sent_twice_is_one_batch() -> None:
    some, boss, batch_id = devices(2), factories.actor(factories.administrator()), uuid4()
    first = start(some, actor=boss, batch_id=batch_id)
    assert start(some, actor=boss, batch_id=batch_id).id == first.id
    assert BatchItem.objects.count() == 2
    with pytest.raises(Conflict):
        start(some, batch_id=batch_id)  # another administrator


def test_stopping_spares_who_has_not_been_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "AT_ONCE", 1)
    batch = start(devices(3))
    advance(batch)
    boss = factories.actor(factories.administrator("Amara Diallo"))
    assert batches.stop(batch=batch, actor=boss, now=NOW) == 2
    advance(batch)
    assert Action.objects.count() == 1
    assert batches.tally(batch).stopped == 2
    assert Entry.objects.get(verb=Verb.BATCH_STOPPED).actor_name == "Amara Diallo"
    with pytest.raises(Conflict):
        batches.stop(batch=batch, actor=boss, now=NOW)


@pytest.mark.parametrize(
    ("role", "kind", "may"),
    [
        ("person", ActionKind.CHECK_IN, False),
        ("auditor", ActionKind.CHECK_IN, False),
        ("auditor", ActionKind.RETIRE, False),
        ("helpdesk", ActionKind.CHECK_IN, True),
        ("helpdesk", ActionKind.LOCK, True),
        ("helpdesk", ActionKind.RETIRE, False),
        ("administrator", ActionKind.RETIRE, True),
    ],
)
def test_the_right_is_asked_for_when_it_starts_and_when_it_is_stopped(role: str, kind: ActionKind, may: bool) -> None:
    actor = factories.actor(factories.person(role=role))
    some = devices(1)
    if may:
        batches.stop(batch=start(some, kind, actor=actor), actor=actor)
        return
    with pytest.raises(NotAllowed):
        start(some, kind, actor=actor)
    batch = start(some, kind)
    with pytest.raises(NotAllowed):
        batches.stop(batch=batch, actor=actor)


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "auditor"}])
def test_who_lost_the_right_meanwhile_asks_nobody_any_more(change: dict[str, object]) -> None:
    boss = factories.administrator()
    batch = start(devices(2), actor=factories.actor(boss))
    Person.objects.filter(id=boss.id).update(**change)
    advance(batch)
    assert not Action.objects.exists()
    assert batches.tally(batch).refused == 2


@pytest.mark.parametrize("kind", [ActionKind.WIPE, ActionKind.UNLOCK])
def test_nobody_wipes_or_opens_a_list(kind: ActionKind) -> None:
    with pytest.raises(Unsupported):
        start(devices(1), kind)


def test_a_proof_is_fresh_when_it_is_confirmed_however_long_the_batch_takes() -> None:
    boss = factories.administrator()
    with pytest.raises(NeedsFreshAuthentication):
        start(devices(1), ActionKind.RETIRE, actor=factories.actor(boss, proved=NOW - timedelta(minutes=6)))
    batch = start(devices(1), ActionKind.RETIRE, actor=factories.actor(boss))
    batches.advance(batch_id=batch.id, now=NOW + timedelta(hours=1))
    assert Action.objects.get().requested_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize("reason", ["  ", "x" * 501])
def test_a_batch_has_a_reason(reason: str) -> None:
    with pytest.raises(Invalid):
        start(devices(1), reason=reason)


def test_a_batch_has_devices_and_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST", 2)
    for number in (0, 3):
        with pytest.raises(Invalid):
            start(devices(number))
    assert not Batch.objects.exists()


def test_a_device_that_is_gone_is_no_obstacle() -> None:
    batch = start(devices(2))
    first: UUID = BatchItem.objects.order_by("id")[0].device_id
    Device.objects.filter(id=first).delete()
    advance(batch)
    assert Action.objects.count() == 1
    assert batch.finished_at is not None


def test_a_batch_is_forgotten_after_a_year() -> None:
    batch = start(devices(1))
    advance(batch)
    queue.park(now=NOW + timedelta(days=300))
    assert Batch.objects.exists()
    queue.park(now=NOW + timedelta(days=366))
    assert not Batch.objects.exists()
