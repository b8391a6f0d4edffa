"""What the queue lets go of, and what it keeps however old it is."""

from datetime import datetime, timedelta

import pytest
from pytest_django import Settings

from mydevices.actions import ActionKind
from mydevices.audit.models import Entry
from mydevices.commands import asking, pins, queue
from mydevices.commands.models import Action, Command
from mydevices.commands.states import State
from mydevices.devices.models import Device, Registration
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db

YEAR = timedelta(days=365)
LATER = NOW + YEAR + timedelta(days=1)


def ended(
    device: Device, kind: ActionKind = ActionKind.LOCK, state: State = State.DONE, *, at: datetime = NOW
) -> Action:
    """An action that the device was given and that has come to an end."""
    action = asking.enqueue(device=device, kind=kind, actor=factories.actor(device.owner), now=NOW)
    asking.release(action_id=action.id, now=NOW)
    Command.objects.filter(action=action).update(state=State.SENT, sent_at=at)
    Command.objects.filter(action=action).update(state=state, finished_at=at)
    return action


def spoke(device: Device, at: datetime) -> None:
    Registration.objects.filter(device=device).update(last_seen_at=at)


def is_kept(action: Action) -> bool:
    return Action.objects.filter(id=action.id).exists()


def test_an_action_is_let_go_a_year_after_its_end_and_its_history_stays() -> None:
    action = ended(factories.device(factories.person()), ActionKind.CHECK_IN)
    entries = Entry.objects.filter(action_id=str(action.id)).count()
    queue.park(now=NOW + YEAR - timedelta(seconds=1))
    assert is_kept(action)
    assert queue.park(now=LATER) == 5
    assert not is_kept(action)
    assert Entry.objects.filter(action_id=str(action.id)).count() == entries > 0


def test_how_long_is_a_setting(settings: Settings) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"keep_actions_days": 2})
    action = ended(factories.device(factories.person()))
    queue.park(now=NOW + timedelta(days=3))
    assert not is_kept(action)


@pytest.mark.parametrize("state", [State.QUEUED, State.SENT, State.DEFERRED])
def test_what_waits_is_kept_however_long(state: State) -> None:
    device = factories.device(factories.person())
    action = asking.enqueue(device=device, kind=ActionKind.LOCK, actor=factories.actor(device.owner), now=NOW)
    for following in {State.QUEUED: (), State.SENT: (State.SENT,), State.DEFERRED: (State.SENT, State.DEFERRED)}[state]:
        Command.objects.filter(action=action).update(state=following)
    queue.park(now=NOW + 10 * YEAR)
    assert is_kept(action)


def test_an_action_is_as_old_as_its_last_command() -> None:
    action = ended(factories.device(factories.person()), ActionKind.CHECK_IN)
    newest = Command.objects.filter(action=action).latest("id")
    Command.objects.filter(id=newest.pk).update(finished_at=NOW + timedelta(days=30))
    queue.park(now=LATER)
    assert is_kept(action)


@pytest.mark.parametrize("kind", [ActionKind.LOCK, ActionKind.WIPE])
@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.VOID])
def test_a_pin_is_kept_until_the_mac_has_spoken_again(kind: ActionKind, state: State) -> None:
    device = factories.mac(factories.person())
    action = ended(device, kind, state)
    spoke(device, NOW + timedelta(minutes=1))  # last words
    queue.park(now=NOW + 10 * YEAR)
    assert is_kept(action)
    assert [pin.kind for pin in pins.reveal_pins(device=device, actor=factories.actor(device.owner), now=NOW)] == [kind]
    spoke(device, NOW + timedelta(days=3))
    queue.park(now=NOW + 10 * YEAR)
    assert not is_kept(action)


def test_a_pin_that_never_left_is_not_kept() -> None:
    device = factories.mac(factories.person())
    action = asking.enqueue(device=device, kind=ActionKind.LOCK, actor=factories.actor(device.owner), now=NOW)
    asking.cancel(action=action, actor=factories.actor(device.owner), now=NOW)
    spoke(device, NOW)
    queue.park(now=LATER)
    assert not is_kept(action)


def test_the_order_of_a_wiped_device_is_kept_until_it_registers_anew() -> None:
    device = factories.device(factories.person())
    action = ended(device, ActionKind.WIPE)
    Registration.objects.filter(device=device).update(state=Registration.State.WIPED, ended_at=NOW)
    queue.park(now=LATER)
    assert is_kept(action)
    device.registration = None
    device.save()
    queue.park(now=LATER)
    assert not is_kept(action)


def test_many_are_let_go_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "PARKED_AT_ONCE", 2)
    device = factories.device(factories.person())
    for _each in range(5):
        ended(device)
    assert queue.park(now=LATER) == 10
    assert not Action.objects.exists()
