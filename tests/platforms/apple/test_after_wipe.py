"""A wipe whose report never comes, and a device that was told to erase itself and talks on."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import asking, pins
from mydevices.commands.models import Command
from mydevices.commands.states import State
from mydevices.devices.models import Registration
from mydevices.errors import Unsupported
from mydevices.registration import lives
from simulator.connection import CHECK_IN, Outgoing
from simulator.device import Device as Simulated
from simulator.profiles import load_plist
from simulator.state import Screen
from tests.platforms.apple.conftest import Registers, fresh, present, profile_for, send
from tests.platforms.apple.test_actions import ask, life, ready


def wiping(owner: Person, simulated: Simulated) -> Command:
    """Asked for, and past its undo window."""
    action = ask(owner, simulated, ActionKind.WIPE)
    asking.release(action_id=action.id, now=datetime.now(UTC))
    return Command.objects.get(action=action)


def given(owner: Person, simulated: Simulated) -> Command:
    """Told to erase itself, and no answer came."""
    command = wiping(owner, simulated)
    assert offered(simulated) == command.uuid
    command.refresh_from_db()
    assert command.state == State.SENT
    return command


def idle(simulated: Simulated) -> Outgoing:
    return simulated.signed_request(simulated.idle_body())


def offered(simulated: Simulated) -> UUID:
    status, _headers, body = send(*idle(simulated))
    assert status == 200
    command = load_plist(body)
    assert command["Command"]["RequestType"] == "EraseDevice"
    return UUID(command["CommandUUID"])


def shrugs(owner: Person, simulated: Simulated) -> Command:
    """It said that it erases itself, an hour ago, and did not."""
    command = wiping(owner, simulated)
    simulated.behaviour.ignore_erase = True
    assert simulated.poll().commands[-1] == ("EraseDevice", "Acknowledged")
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert Registration.objects.filter(id=life(owner, simulated).id).update(ended_at=an_hour_ago) == 1
    return command


def heard(owner: Person, simulated: Simulated) -> int:
    """How often it was recorded that it still talks."""
    device = present(owner, simulated)
    return Entry.objects.filter(verb=Verb.DEVICE_HEARD_AFTER_WIPE, device_id=str(device.id)).count()


def pages(owner: Person, simulated: Simulated) -> str:
    """What its owner reads of it."""
    client = Client()
    client.force_login(owner, backend="mydevices.accounts.backends.Passwords")
    paths = [reverse("portal:devices"), reverse("portal:device", args=[present(owner, simulated).id])]
    return "".join(client.get(path).content.decode() for path in paths)


def test_a_wipe_without_an_answer_is_offered_again_under_the_same_id(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    command = given(owner, simulated)
    assert offered(simulated) == command.uuid
    assert simulated.poll().commands == [("EraseDevice", "Acknowledged")]
    assert simulated.memory.screen == Screen.WIPED
    command.refresh_from_db()
    assert command.state == State.DONE
    assert life(owner, simulated).state == Registration.State.WIPED
    assert "Erased" in pages(owner, simulated)


@pytest.mark.parametrize("kind", ["iphone", "mac"])
def test_a_device_that_talks_on_after_a_wipe_is_told_again_and_its_owner_is_told(
    owner: Person, register: Registers, kind: str
) -> None:
    simulated = ready(owner, register, kind)
    command = shrugs(owner, simulated)
    assert [offered(simulated), offered(simulated)] == [command.uuid, command.uuid]
    assert heard(owner, simulated) == 1
    assert life(owner, simulated).state == Registration.State.WIPED
    command.refresh_from_db()
    assert command.state == State.DONE
    text = pages(owner, simulated)
    assert "Told to erase itself, but still talking" in text
    assert "It is told again whenever it asks" in text
    assert "was told to erase itself, but is still talking." in text
    # It says once more that it obeys, as it did before: what is known of it stays.
    assert simulated.poll().commands == [("EraseDevice", "Acknowledged")]
    assert "Told to erase itself, but still talking" in pages(owner, simulated)
    simulated.behaviour.ignore_erase = False
    simulated.poll()
    assert simulated.memory.screen == Screen.WIPED
    assert life(owner, simulated).state == Registration.State.WIPED


def test_a_mac_that_talks_on_is_told_with_the_same_pin(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register, "mac")
    shrugs(owner, simulated)
    _status, _headers, body = send(*idle(simulated))
    (pin,) = pins.reveal_pins(device=present(owner, simulated), actor=fresh(owner))
    assert load_plist(body)["Command"]["PIN"] == pin.value


def test_the_last_words_of_a_device_that_erases_itself_are_no_reason_for_alarm(
    owner: Person, register: Registers
) -> None:
    simulated = ready(owner, register)
    command = wiping(owner, simulated)
    simulated.behaviour.ignore_erase = True
    simulated.poll()
    assert offered(simulated) == command.uuid
    assert heard(owner, simulated) == 0
    assert "still talking" not in pages(owner, simulated)


@pytest.mark.parametrize(("message", "status"), [("TokenUpdate", 400), ("Authenticate", 400), ("CheckOut", 200)])
def test_whatever_an_erased_device_says_is_noted_and_brings_no_life_back(
    owner: Person, register: Registers, message: str, status: int
) -> None:
    simulated = ready(owner, register)
    shrugs(owner, simulated)
    body = {
        "TokenUpdate": simulated._token_update(simulated.enrolment),
        "Authenticate": simulated._authenticate(simulated.enrolment),
        "CheckOut": {"MessageType": "CheckOut", "Topic": simulated.enrolment.management.topic, "UDID": simulated.udid},
    }[message]
    connection = simulated._present_connection()
    url = simulated.enrolment.management.check_in_url
    assert send(*connection.request(url, CHECK_IN, connection._encode(body)))[0] == status
    assert heard(owner, simulated) == 1
    assert life(owner, simulated).state == Registration.State.WIPED


def test_an_old_certificate_of_a_device_that_registered_anew_erases_nothing(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    shrugs(owner, simulated)
    old = idle(simulated)
    simulated.leave(check_out=False)
    simulated.register(profile_for(owner))
    status, _headers, body = send(*old)
    assert status == 400
    assert b"EraseDevice" not in body
    assert heard(owner, simulated) == 0
    assert life(owner, simulated).state == Registration.State.ACTIVE


def test_another_device_s_certificate_speaks_for_no_erased_one(owner: Person, register: Registers) -> None:
    simulated, other = ready(owner, register), ready(owner, register)
    shrugs(owner, simulated)
    assert send(*other.signed_request(simulated.idle_body()))[0] == 400
    assert send(*simulated.signed_request(other.idle_body()))[0] == 400
    assert heard(owner, simulated) == 0


def test_a_wipe_that_was_given_is_concluded_by_long_silence(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    command = given(owner, simulated)
    now = datetime.now(UTC)
    assert lives.finish_silent(now=now + timedelta(days=13)) == 0
    assert lives.finish_silent(now=now + timedelta(days=15)) == 1
    command.refresh_from_db()
    assert command.state == State.DONE
    assert life(owner, simulated).state == Registration.State.WIPED
    assert Entry.objects.get(verb=Verb.ACTION_DONE, action_id=str(command.action_id)).details["reason"] == "silent"
    text = pages(owner, simulated)
    assert "Told to erase itself, not heard of since" in text
    assert "Counts as done: not heard of since" in text
    assert "Counts as erased" in text
    assert ">Erased" not in text


def test_a_wipe_that_was_never_given_is_not_concluded_by_silence_or_a_dead_token(
    owner: Person, register: Registers
) -> None:
    simulated = ready(owner, register)
    command = wiping(owner, simulated)
    lives.unreachable(registration=life(owner, simulated), now=datetime.now(UTC))
    assert lives.finish_silent(now=datetime.now(UTC) + timedelta(days=15)) == 0
    command.refresh_from_db()
    assert command.state == State.QUEUED
    assert life(owner, simulated).state == Registration.State.ACTIVE


def test_a_wipe_that_was_given_is_concluded_by_a_push_token_that_dies_afterwards(
    owner: Person, register: Registers
) -> None:
    simulated = ready(owner, register)
    command = given(owner, simulated)
    lives.unreachable(registration=life(owner, simulated), now=datetime.now(UTC))
    command.refresh_from_db()
    assert command.state == State.DONE
    assert life(owner, simulated).ended_because == Registration.Ending.UNREACHABLE


def test_a_push_token_that_was_dead_before_concludes_no_wipe(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    lives.unreachable(registration=life(owner, simulated), now=datetime.now(UTC))
    given(owner, simulated)
    lives.unreachable(registration=life(owner, simulated), now=datetime.now(UTC))
    assert life(owner, simulated).state == Registration.State.ACTIVE


def test_a_device_that_counts_as_erased_and_comes_back_is_told_again_and_obeys(
    owner: Person, register: Registers
) -> None:
    simulated = ready(owner, register)
    command = given(owner, simulated)
    lives.unreachable(registration=life(owner, simulated), now=datetime.now(UTC) - timedelta(hours=1))
    assert offered(simulated) == command.uuid
    assert heard(owner, simulated) == 1
    assert simulated.poll().commands == [("EraseDevice", "Acknowledged")]
    assert simulated.memory.screen == Screen.WIPED
    assert life(owner, simulated).ended_because == Registration.Ending.ACKNOWLEDGED
    assert life(owner, simulated).heard_after_wipe_at is None
    assert "Told to erase itself" not in pages(owner, simulated).partition('id="history"')[0]


def test_a_wipe_that_gets_no_answer_is_shown_as_that(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    command = given(owner, simulated)
    assert "Wiping, waiting for the iPhone" in pages(owner, simulated)
    Command.objects.filter(id=command.pk).update(sent_at=datetime.now(UTC) - timedelta(minutes=11))
    text = pages(owner, simulated)
    assert "no answer yet" in text
    assert "has the order and has not answered" in text


def test_nothing_more_can_be_asked_of_a_device_that_talks_on(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    shrugs(owner, simulated)
    offered(simulated)
    for kind in ActionKind:
        with pytest.raises(Unsupported, match="still talks"):
            ask(owner, simulated, kind)
