"""A batch whose worker is killed in the middle of a device."""

import threading
from uuid import uuid4

import pytest

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import batches, tasks
from mydevices.commands.models import Action, Command
from mydevices.outbox import registry
from mydevices.outbox.models import Message
from mydevices.outbox.worker import Worker
from tests import factories
from tests.platforms.apple.conftest import fresh
from tests.reliability.actors import LEASE
from tests.reliability.conftest import House, assert_chain_holds, eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def batches_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "HANDLERS", {})
    registry.handler("batch", tasks.batch, batch=1, lease=LEASE)


def test_a_batch_whose_worker_is_killed_asks_each_device_once_and_none_by_half(
    house: House, person: Person, batches_only: None
) -> None:
    devices = [factories.device(person, name=f"iPhone {number}") for number in range(3)]
    boss = factories.administrator()
    batch = batches.start(
        batch_id=uuid4(),
        device_ids=[device.id for device in devices],
        kind=ActionKind.LOCK,
        actor=fresh(boss),
        reason="Stolen from the van.",
    )
    run = house.start_actor("stall-batch")
    run.wait_for("stalls", 40)
    run.process.kill()
    run.process.wait()
    assert Message.objects.get(topic="batch").state == Message.State.LEASED
    # The first is asked as a whole, the second not at all.
    assert Action.objects.count() == Command.objects.count() == 1
    assert Entry.objects.filter(verb=Verb.ACTION_REQUESTED).count() == 1
    assert batches.tally(batch).waiting == 2

    def over() -> bool:
        Worker(threading.Event()).drain()
        return not Message.objects.filter(topic="batch").exists()

    eventually(over)
    assert sorted(Action.objects.values_list("device__name", flat=True)) == ["iPhone 0", "iPhone 1", "iPhone 2"]
    assert Command.objects.count() == 3
    assert Entry.objects.filter(verb=Verb.ACTION_REQUESTED).count() == 3
    assert Message.objects.filter(topic="wake").count() == 3
    assert Entry.objects.filter(verb=Verb.BATCH_ENDED).count() == 1
    assert (batches.tally(batch).asked, batches.tally(batch).waiting) == (3, 0)
    assert_chain_holds()
