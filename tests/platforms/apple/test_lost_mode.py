"""A lost iPhone, from the verb to its screen: marked, found on a map, heard, and found again."""

from collections.abc import Mapping

import pytest

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import asking, capabilities, selectors
from mydevices.commands.models import Action
from mydevices.commands.states import State
from mydevices.devices.assignment import EVERYONE
from mydevices.devices.models import Device
from mydevices.errors import Conflict, Invalid, Unsupported
from mydevices.location import selectors as location
from mydevices.location import services as location_services
from mydevices.location.models import Position
from mydevices.policies import services as policies
from mydevices.policies.kinds import privacy
from mydevices.policies.kinds.privacy import Privacy
from mydevices.port.actions import Parameters
from simulator.device import Device as Simulated
from simulator.iphone import IPhone
from simulator.state import Screen
from tests.platforms.apple.conftest import Registers, fresh, present

SAID = {"message": "Please call Ines", "phone_number": "020 7946 0142"}


def ask(owner: Person, simulated: Simulated, kind: ActionKind, said: Mapping[str, str] | None = None) -> Action:
    return asking.enqueue(
        device=present(owner, simulated), kind=kind, actor=fresh(owner), parameters=Parameters(**said or {})
    )


def state(action: Action) -> State:
    return selectors.progress(selectors.action_of(action.device, action.id)).state


def of(owner: Person, kind: ActionKind) -> list[Action]:
    return list(Action.objects.filter(device__owner=owner, kind=kind))


def reason(owner: Person, simulated: Simulated, kind: ActionKind) -> str:
    return capabilities.of(present(owner, simulated))[kind].reason


@pytest.fixture
def shares(owner: Person) -> None:
    location_services.choose(person=owner, actor=fresh(owner), shares=True)


@pytest.fixture
def phone(owner: Person, register: Registers) -> IPhone:
    simulated, _device = register(owner, "iphone", supervised=True)
    simulated.poll()
    assert isinstance(simulated, IPhone)
    return simulated


def test_a_lost_iphone_shows_its_message_and_says_where_it_is(owner: Person, phone: IPhone, shares: None) -> None:
    action = ask(owner, phone, ActionKind.LOST, SAID)
    assert present(owner, phone).is_lost
    phone.poll()
    phone.poll()  # woken again, for what its answer brought about
    assert phone.memory.screen == Screen.LOST
    assert (phone.memory.notice.message, phone.memory.notice.phone) == ("Please call Ines", "020 7946 0142")
    assert phone.memory.notice.footnote.startswith("Property of ")
    assert state(action) == State.DONE
    [asked] = of(owner, ActionKind.LOCATE)
    assert state(asked) == State.DONE
    [sighting] = location.kept(present(owner, phone))
    assert (sighting.fix.latitude, sighting.fix.longitude) == pytest.approx(
        (phone.memory.position.latitude, phone.memory.position.longitude)
    )
    assert sighting.source == Position.Source.LOST_MODE


def test_with_location_off_it_locks_and_shows_its_message_and_is_asked_for_no_position(
    owner: Person, phone: IPhone
) -> None:
    ask(owner, phone, ActionKind.LOST, SAID)
    phone.poll()
    assert phone.memory.screen == Screen.LOST
    assert of(owner, ActionKind.LOCATE) == []
    assert not any("where it is" in event.text for event in phone.memory.events)
    with pytest.raises(Unsupported, match="owner has not switched it on"):
        ask(owner, phone, ActionKind.LOCATE)


def test_a_position_that_is_forbidden_while_the_order_waits_is_not_asked_for(
    owner: Person, phone: IPhone, shares: None
) -> None:
    ask(owner, phone, ActionKind.LOST, SAID)
    phone.poll()
    [action] = of(owner, ActionKind.LOCATE)
    location_services.choose(person=owner, actor=fresh(owner), shares=False)
    phone.poll()
    assert state(action) == State.VOID
    assert not Position.objects.exists()


def test_it_plays_a_sound_and_is_found(owner: Person, phone: IPhone) -> None:
    ask(owner, phone, ActionKind.LOST, SAID)
    phone.poll()
    sound = ask(owner, phone, ActionKind.SOUND)
    phone.poll()
    assert phone.memory.sound
    assert state(sound) == State.DONE
    found = ask(owner, phone, ActionKind.FOUND)
    assert present(owner, phone).is_lost  # until it says so
    phone.poll()
    assert state(found) == State.DONE
    assert not present(owner, phone).is_lost
    assert phone.memory.screen == Screen.LOCKED


def test_who_marks_it_lost_calls_off_the_unlock_that_waits(owner: Person, phone: IPhone) -> None:
    unlock = ask(owner, phone, ActionKind.UNLOCK)
    ask(owner, phone, ActionKind.LOST, SAID)
    assert state(unlock) == State.CANCELLED
    assert Entry.objects.filter(verb=Verb.ACTION_CANCELLED, action_id=str(unlock.id)).count() == 1
    for kind in (ActionKind.UNLOCK, ActionKind.RETIRE, ActionKind.LOCK):
        assert "lost" in reason(owner, phone, kind)
        with pytest.raises(Unsupported):
            ask(owner, phone, kind)


def test_an_order_that_was_called_off_leaves_it_as_it_was(owner: Person, phone: IPhone) -> None:
    first = ask(owner, phone, ActionKind.LOST, SAID)
    assert asking.cancel(action=first, actor=fresh(owner))
    assert not present(owner, phone).is_lost
    ask(owner, phone, ActionKind.LOST, SAID)
    phone.poll()
    again = ask(owner, phone, ActionKind.LOST, {"message": "Another message"})
    assert asking.cancel(action=again, actor=fresh(owner))
    assert present(owner, phone).is_lost


def test_its_message_can_be_changed(owner: Person, phone: IPhone) -> None:
    ask(owner, phone, ActionKind.LOST, SAID)
    phone.poll()
    since = present(owner, phone).lost_since
    ask(owner, phone, ActionKind.LOST, {"message": "There is a reward"})
    phone.poll()
    assert phone.memory.notice.message == "There is a reward"
    assert present(owner, phone).lost_since == since


def test_what_is_found_before_it_heard_of_being_lost_ends_unlost(owner: Person, phone: IPhone) -> None:
    lost = ask(owner, phone, ActionKind.LOST, SAID)
    found = ask(owner, phone, ActionKind.FOUND)
    assert state(lost) == State.CANCELLED
    phone.poll()
    assert state(found) == State.FAILED  # it was never in Lost Mode, and says so
    assert not present(owner, phone).is_lost
    assert phone.memory.screen != Screen.LOST


def test_the_device_s_own_word_holds(owner: Person, phone: IPhone) -> None:
    Device.objects.update(lost_since=None)
    ask(owner, phone, ActionKind.LOST, SAID)
    phone.poll()
    with phone.change("ended by other means") as memory:
        memory.screen = Screen.LOCKED
    ask(owner, phone, ActionKind.CHECK_IN)
    phone.poll()
    assert not present(owner, phone).is_lost
    with phone.change("put there by other means") as memory:
        memory.screen = Screen.LOST
    ask(owner, phone, ActionKind.CHECK_IN)
    phone.poll()
    assert present(owner, phone).is_lost


def test_a_check_in_that_comes_first_does_not_undo_what_waits_behind_it(owner: Person, phone: IPhone) -> None:
    ask(owner, phone, ActionKind.CHECK_IN)
    ask(owner, phone, ActionKind.LOST, SAID)
    phone.poll()
    assert present(owner, phone).is_lost
    assert phone.memory.screen == Screen.LOST


def test_a_message_or_a_number_is_needed(owner: Person, phone: IPhone) -> None:
    with pytest.raises(Invalid, match="message or a phone number"):
        ask(owner, phone, ActionKind.LOST)
    assert not present(owner, phone).is_lost


@pytest.mark.parametrize("kind", [ActionKind.LOCATE, ActionKind.SOUND, ActionKind.FOUND])
def test_what_is_not_lost_is_neither_located_nor_heard_nor_found(
    owner: Person, phone: IPhone, kind: ActionKind
) -> None:
    with pytest.raises(Unsupported, match="lost"):
        ask(owner, phone, kind)


@pytest.mark.parametrize(("kind", "words"), [("iphone", "supervised devices only"), ("mac", "no Lost Mode")])
def test_where_there_is_no_lost_mode_it_says_what_there_is_instead(
    owner: Person, register: Registers, kind: str, words: str
) -> None:
    simulated, _device = register(owner, kind)
    simulated.poll()
    assert words in reason(owner, simulated, ActionKind.LOST)
    with pytest.raises(Unsupported, match=words):
        ask(owner, simulated, ActionKind.LOST, SAID)


def test_two_marks_at_once_are_one(owner: Person, phone: IPhone) -> None:
    ask(owner, phone, ActionKind.LOST, SAID)
    with pytest.raises(Conflict):
        ask(owner, phone, ActionKind.LOST, SAID)


def test_retiring_a_device_deletes_its_positions(owner: Person, phone: IPhone, shares: None) -> None:
    ask(owner, phone, ActionKind.LOST, SAID)
    phone.poll()
    phone.poll()
    ask(owner, phone, ActionKind.FOUND)
    phone.poll()
    assert Position.objects.count() == 1
    retire = ask(owner, phone, ActionKind.RETIRE)
    asking.release(action_id=retire.id, now=retire.requested_at)
    phone.poll()
    assert state(retire) == State.DONE
    assert not Position.objects.exists()


def test_where_a_policy_says_no_nothing_is_asked_whatever_the_owner_chose(
    owner: Person, phone: IPhone, shares: None
) -> None:
    policies.create(
        actor=Actor.system("test"), name="No positions", values=Privacy(location=privacy.OFF), assignment=EVERYONE
    )
    ask(owner, phone, ActionKind.LOST, SAID)
    phone.poll()
    with pytest.raises(Unsupported, match="No positions"):
        ask(owner, phone, ActionKind.LOCATE)
    assert not Position.objects.exists()
