"""Every action, from the verb to its effect on a simulated device, and what happens when answers get lost."""

import plistlib
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.certificates.models import Challenge
from mydevices.commands import asking, capabilities, pins, queue, selectors
from mydevices.commands.models import Action, Command
from mydevices.commands.states import State
from mydevices.devices.models import Device, Registration
from mydevices.errors import Invalid, Unsupported
from mydevices.organisation import selectors as organisation
from mydevices.port.actions import Parameters
from mydevices.presentation import timelines
from mydevices.registration import lives, renewal
from simulator.device import Device as Simulated
from simulator.iphone import IPhone
from simulator.state import Screen
from tests.platforms.apple.conftest import Registers, fresh, present, send


def ask(owner: Person, simulated: Simulated, kind: ActionKind, **said: str) -> Action:
    return asking.enqueue(
        device=present(owner, simulated), kind=kind, actor=fresh(owner), parameters=Parameters(**said)
    )


def state(action: Action) -> State:
    return selectors.progress(selectors.action_of(action.device, action.id)).state


def ready(owner: Person, register: Registers, kind: str = "iphone", **more: object) -> Simulated:
    simulated, _device = register(owner, kind, **more)
    simulated.poll()
    return simulated


def life(owner: Person, simulated: Simulated) -> Registration:
    found = present(owner, simulated).registration
    assert found is not None
    return found


def test_lock_shows_its_message_on_the_iphone(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    action = ask(owner, simulated, ActionKind.LOCK, message="Please call Ines", phone_number="020 7946 0142")
    simulated.poll()
    assert simulated.memory.screen == Screen.LOCKED
    assert simulated.memory.notice.message == "Please call Ines"
    assert simulated.memory.notice.phone == "020 7946 0142"
    assert state(action) == State.DONE
    assert Entry.objects.filter(verb=Verb.ACTION_DONE, action_id=str(action.id)).count() == 1


def test_unlock_clears_the_passcode_with_the_token_that_the_device_gave(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    action = ask(owner, simulated, ActionKind.UNLOCK)
    simulated.poll()
    assert simulated.memory.passcode is None
    assert state(action) == State.DONE


def test_a_locked_mac_opens_with_the_pin_that_its_owner_reads(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register, "mac")
    action = ask(owner, simulated, ActionKind.LOCK, message="Locked by Ines")
    simulated.poll()
    assert simulated.memory.screen == Screen.PIN_LOCK
    assert state(action) == State.DONE
    (pin,) = pins.reveal_pins(device=present(owner, simulated), actor=fresh(owner))
    simulated.unlock(pin.value)
    assert simulated.memory.screen != Screen.PIN_LOCK


def test_unlock_on_a_mac_lifts_the_lockout_of_its_registered_user(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register, "mac")
    assert simulated.memory.accounts
    simulated.memory.accounts[0].locked_out = True
    action = ask(owner, simulated, ActionKind.UNLOCK)
    simulated.poll()
    assert not simulated.memory.accounts[0].locked_out
    assert state(action) == State.DONE


@pytest.mark.parametrize("kind", ["iphone", "mac"])
def test_wipe_erases_after_its_undo_window_and_ends_the_registration(
    owner: Person, register: Registers, kind: str
) -> None:
    simulated = ready(owner, register, kind)
    action = ask(owner, simulated, ActionKind.WIPE)
    assert ("EraseDevice", "Acknowledged") not in simulated.poll().commands  # the undo window has not passed
    assert asking.release(action_id=action.id, now=datetime.now(UTC))
    simulated.poll()
    assert simulated.memory.screen == Screen.WIPED
    assert state(action) == State.DONE
    assert life(owner, simulated).state == Registration.State.WIPED
    assert capabilities.of(present(owner, simulated))[ActionKind.LOCK].reason


def test_an_undone_wipe_never_reaches_the_device(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    action = ask(owner, simulated, ActionKind.WIPE)
    asking.cancel(action=action, actor=fresh(owner))
    asking.release(action_id=action.id, now=datetime.now(UTC))
    assert ("EraseDevice", "Acknowledged") not in simulated.poll().commands
    assert simulated.memory.screen != Screen.WIPED


@pytest.mark.parametrize("acknowledges", [False, True])
def test_retire_is_finished_by_check_out_or_acknowledgement(
    owner: Person, register: Registers, acknowledges: bool
) -> None:
    simulated = ready(owner, register)
    simulated.behaviour.acknowledge_removal = acknowledges
    action = ask(owner, simulated, ActionKind.RETIRE)
    asking.release(action_id=action.id, now=datetime.now(UTC))
    simulated.poll()
    assert not simulated.is_registered
    assert state(action) == State.DONE
    assert life(owner, simulated).state == Registration.State.RETIRED


def retiring(owner: Person, simulated: Simulated) -> Action:
    """Told to go, and given the command, without an answer."""
    action = ask(owner, simulated, ActionKind.RETIRE)
    asking.release(action_id=action.id, now=datetime.now(UTC))
    command = Command.objects.get(action=action)
    assert queue.mark_sent(command_id=command.pk, seen=State.QUEUED, now=datetime.now(UTC))
    return action


def test_retire_is_finished_by_a_dead_push_token(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    action = retiring(owner, simulated)
    lives.unreachable(registration=life(owner, simulated), now=datetime.now(UTC))
    assert state(action) == State.DONE
    assert life(owner, simulated).state == Registration.State.RETIRED


def test_retire_is_finished_by_long_silence(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    action = retiring(owner, simulated)
    now = datetime.now(UTC)
    assert lives.finish_silent(now=now + timedelta(days=13)) == 0
    assert lives.finish_silent(now=now + timedelta(days=15)) == 1
    assert state(action) == State.DONE
    assert life(owner, simulated).state == Registration.State.RETIRED


def test_a_dead_push_token_alone_retires_nobody(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    lives.unreachable(registration=life(owner, simulated), now=datetime.now(UTC))
    assert life(owner, simulated).state == Registration.State.ACTIVE
    assert life(owner, simulated).unreachable_since is not None
    simulated.update_token()
    assert life(owner, simulated).unreachable_since is None


def test_check_in_brings_the_inventory(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    simulated.memory.battery = 0.42
    action = ask(owner, simulated, ActionKind.CHECK_IN)
    session = simulated.poll()
    assert [kind for kind, _status in session.commands] == [
        "DeviceInformation",
        "SecurityInfo",
        "ProfileList",
        "CertificateList",
    ]
    assert state(action) == State.DONE
    inventory = present(owner, simulated).inventory
    assert inventory.battery == pytest.approx(0.42)
    assert inventory.profiles
    assert inventory.certificates


def test_a_failure_shows_the_device_s_own_reason(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    simulated.behaviour.fail_next = True
    action = ask(owner, simulated, ActionKind.LOCK)
    simulated.poll()
    progress = selectors.progress(selectors.action_of(action.device, action.id))
    assert progress.state == State.FAILED
    assert progress.error


def test_not_now_is_offered_again_at_the_next_idle_and_never_within_the_same_session(
    owner: Person, register: Registers
) -> None:
    simulated = ready(owner, register)
    simulated.behaviour.busy = True
    renewal.renew_due(now=datetime.now(UTC) + timedelta(days=336))
    lock = ask(owner, simulated, ActionKind.LOCK)
    session = simulated.poll()
    assert session.commands == [("InstallProfile", "NotNow"), ("DeviceLock", "Acknowledged")]
    assert session.ended == "empty"
    assert state(lock) == State.DONE
    assert Command.objects.get(request_type="RENEW").state == State.DEFERRED
    simulated.behaviour.busy = False
    simulated.unlock(simulated.memory.passcode or "")
    assert ("InstallProfile", "Acknowledged") in simulated.poll().commands


def test_a_lost_report_is_asked_for_again_under_the_same_id(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    action = ask(owner, simulated, ActionKind.LOCK)
    simulated.behaviour.lose_next_report = True
    assert simulated.poll().ended == "lost"
    assert state(action) == State.SENT
    assert simulated.poll().commands == [("DeviceLock", "Acknowledged")]
    assert state(action) == State.DONE


def test_a_lost_answer_changes_nothing_at_the_second_report(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    action = ask(owner, simulated, ActionKind.LOCK)
    simulated.behaviour.lose_next_answer = True
    assert simulated.poll().ended == "lost"
    assert state(action) == State.DONE
    assert simulated.poll().commands == []
    assert Entry.objects.filter(verb=Verb.ACTION_DONE, action_id=str(action.id)).count() == 1


def test_a_user_of_a_mac_has_a_queue_of_their_own(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register, "mac")
    ask(owner, simulated, ActionKind.LOCK)
    (_token, channel), *_others = [
        (token, channel) for token, (_magic, channel) in simulated.pushes().items() if channel.account is not None
    ]
    assert simulated.poll(channel).commands == []
    assert simulated.poll().commands == [("DeviceLock", "Acknowledged")]


def counted(queries: CaptureQueriesContext) -> list[str]:
    return [
        query["sql"]
        for query in queries
        if not query["sql"].startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK"))
        and "audit_" not in query["sql"]
    ]


def test_an_idle_poll_is_one_read_and_no_write(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    with CaptureQueriesContext(connection) as queries:
        assert simulated.poll().ended == "empty"
    (only,) = counted(queries)
    assert only.strip().startswith("SELECT")


@pytest.mark.parametrize("message", ["", "Call me"])
def test_a_command_delivered_and_acknowledged_is_four_statements(
    owner: Person, register: Registers, message: str
) -> None:
    """Also where the answer has something to show, and whatever the process has to read anew every few seconds."""
    simulated = ready(owner, register)
    ask(owner, simulated, ActionKind.LOCK, message=message)
    organisation.forget()
    with CaptureQueriesContext(connection) as queries:
        assert simulated.poll().commands == [("DeviceLock", "Acknowledged")]
    assert len(counted(queries)) <= 4, counted(queries)


def test_a_check_in_is_four_statements_for_each_of_its_commands(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    ask(owner, simulated, ActionKind.CHECK_IN)
    with CaptureQueriesContext(connection) as queries:
        commands = simulated.poll().commands
    assert len(commands) == 4
    # What an inventory is stored with is not counted.
    about = [sql for sql in counted(queries) if "commands_command" in sql]
    assert len(about) <= 4 * len(commands), about


def test_no_secret_stands_in_the_database_in_the_clear(owner: Person, register: Registers) -> None:
    mac = ready(owner, register, "mac")
    ask(owner, mac, ActionKind.LOCK)
    mac.poll()
    assert mac.memory.pin
    assert mac.enrolment.bootstrap_token
    iphone = ready(owner, register)
    secrets = [mac.memory.pin.encode(), mac.enrolment.bootstrap_token, iphone.enrolment.unlock_token or b"-"]
    rows: list[object] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            rows += [value for row in cursor.fetchall() for value in row]
    for value in rows:
        stored = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
        assert not any(stored == secret or (len(secret) > 8 and secret in stored) for secret in secrets)


def test_capabilities_name_the_alternative_where_an_own_iphone_cannot_be_wiped(
    owner: Person, register: Registers
) -> None:
    simulated = ready(owner, register, ownership=Device.Ownership.PERSONAL)
    reasons = {kind: cap.reason for kind, cap in capabilities.of(present(owner, simulated)).items()}
    assert "Retire" in reasons[ActionKind.WIPE]
    assert not reasons[ActionKind.LOCK]


def test_a_message_that_no_device_could_read_is_refused_at_once(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    with pytest.raises(Invalid):
        ask(owner, simulated, ActionKind.LOCK, message="hello\x0bworld")


def test_a_command_that_cannot_be_rendered_holds_up_nothing_behind_it(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    action = ask(owner, simulated, ActionKind.LOCK)
    Command.objects.filter(action=action).update(parameters={"message": "hello\x0bworld"})
    behind = ask(owner, simulated, ActionKind.CHECK_IN)
    assert simulated.poll().ended == "empty"
    assert (state(action), state(behind)) == (State.VOID, State.DONE)
    entry = Entry.objects.get(verb=Verb.ACTION_VOID, action_id=str(action.id))
    assert entry.details["reason"]


def test_a_renewal_whose_right_is_gone_holds_up_nothing_behind_it(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    renewal.renew_due(now=datetime.now(UTC) + timedelta(days=336))
    Challenge.objects.filter(purpose=Challenge.Purpose.RENEWAL).delete()
    lock = ask(owner, simulated, ActionKind.LOCK)
    simulated.poll()
    assert state(lock) == State.DONE


def test_an_answer_that_cannot_be_read_fails_its_command_and_holds_up_nothing(
    owner: Person, register: Registers
) -> None:
    simulated = ready(owner, register)
    check_in, lock = ask(owner, simulated, ActionKind.CHECK_IN), ask(owner, simulated, ActionKind.LOCK)
    first = Command.objects.filter(action=check_in).earliest("id")
    assert queue.mark_sent(command_id=first.pk, seen=State.QUEUED, now=datetime.now(UTC))
    body = plistlib.dumps(
        {
            "UDID": simulated.udid,
            "Status": "Acknowledged",
            "CommandUUID": str(first.uuid),
            "QueryResponses": {"BatteryLevel": "full"},
        }
    )
    status, _headers, answer = send(*simulated.signed_request(body))
    assert status == 200
    assert answer
    first.refresh_from_db()
    assert (first.state, bool(first.error)) == (State.FAILED, True)
    simulated.poll()
    assert (state(check_in), state(lock)) == (State.FAILED, State.DONE)
    assert not Entry.objects.filter(verb=Verb.ACTION_DONE, action_id=str(check_in.id)).exists()
    assert Entry.objects.filter(verb=Verb.ACTION_FAILED, action_id=str(check_in.id)).count() == 1


def test_what_was_called_off_half_way_is_not_told_to_be_done(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    check_in = ask(owner, simulated, ActionKind.CHECK_IN)
    first = Command.objects.filter(action=check_in).earliest("id")
    assert queue.mark_sent(command_id=first.pk, seen=State.QUEUED, now=datetime.now(UTC))
    assert not asking.cancel(action=check_in, actor=fresh(owner))  # something had been sent
    simulated.poll()
    assert state(check_in) == State.CANCELLED
    assert not Entry.objects.filter(verb=Verb.ACTION_DONE, action_id=str(check_in.id)).exists()


def test_a_doubled_report_of_a_life_that_it_ended_is_answered_and_changes_nothing(
    owner: Person, register: Registers
) -> None:
    simulated = ready(owner, register)
    action = ask(owner, simulated, ActionKind.WIPE)
    asking.release(action_id=action.id, now=datetime.now(UTC))
    command = Command.objects.get(action=action)
    assert queue.mark_sent(command_id=command.pk, seen=State.QUEUED, now=datetime.now(UTC))
    body = plistlib.dumps({"UDID": simulated.udid, "Status": "Acknowledged", "CommandUUID": str(command.uuid)})
    request = simulated.signed_request(body)
    assert [send(*request)[0], send(*request)[0]] == [200, 200]
    assert life(owner, simulated).state == Registration.State.WIPED
    assert life(owner, simulated).heard_after_wipe_at is None


def test_a_retire_that_was_never_fetched_ends_with_a_dead_token(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    action = ask(owner, simulated, ActionKind.RETIRE)
    asking.release(action_id=action.id, now=datetime.now(UTC))
    lives.unreachable(registration=life(owner, simulated), now=datetime.now(UTC))
    assert state(action) == State.DONE
    assert life(owner, simulated).state == Registration.State.RETIRED


def test_a_retire_that_was_never_fetched_ends_after_long_silence(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    action = ask(owner, simulated, ActionKind.RETIRE)
    asking.release(action_id=action.id, now=datetime.now(UTC))
    assert lives.finish_silent(now=datetime.now(UTC) + timedelta(days=15)) == 1
    assert state(action) == State.DONE


def test_a_user_who_has_left_a_mac_is_neither_named_nor_pushed_to(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register, "mac")
    assert not capabilities.of(present(owner, simulated))[ActionKind.UNLOCK].reason
    user = life(owner, simulated).channels.get(kind="user")
    lives.user_left(registration=life(owner, simulated), user_id=user.user_id, now=datetime.now(UTC))
    assert capabilities.of(present(owner, simulated))[ActionKind.UNLOCK].reason
    user.refresh_from_db()
    assert bytes(user.push_token) == b""


def test_an_answer_is_recorded_with_where_it_came_from(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    action = ask(owner, simulated, ActionKind.LOCK)
    simulated.poll()
    assert Entry.objects.get(verb=Verb.ACTION_DONE, action_id=str(action.id)).address == "127.0.0.1"


def test_a_lock_without_a_passcode_says_what_it_did_not_do(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    assert isinstance(simulated, IPhone)
    simulated.set_passcode(None)
    ask(owner, simulated, ActionKind.CHECK_IN)
    simulated.poll()
    assert "no passcode" in capabilities.of(present(owner, simulated))[ActionKind.LOCK].explanation
    action = ask(owner, simulated, ActionKind.LOCK, message="Please call Ines")
    simulated.poll()
    progress = selectors.progress(selectors.action_of(action.device, action.id))
    assert progress.result == {"message_result": "NoPasscodeSet"}
    page = str(timelines.timeline(present(owner, simulated), progress, owner, datetime.now(UTC)))
    assert "not shown" in page


# --- restart


def test_a_supervised_iphone_restarts_at_once(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register, supervised=True)
    action = ask(owner, simulated, ActionKind.RESTART)
    assert [(c.request_type, c.parameters) for c in action.commands.all()] == [("RestartDevice", {})]
    simulated.poll()
    assert simulated.memory.restarted
    assert state(action) == State.DONE


def test_the_user_of_a_mac_is_asked_to_restart_it(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register, "mac")
    simulated.memory.restarted = False
    action = ask(owner, simulated, ActionKind.RESTART)
    simulated.poll()
    assert "Asked its user to restart" in str(simulated.snapshot())
    assert not simulated.memory.restarted
    assert state(action) == State.DONE


def test_an_iphone_that_is_not_supervised_cannot_be_restarted(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register)
    with pytest.raises(Unsupported, match="supervised"):
        ask(owner, simulated, ActionKind.RESTART)
    assert not Action.objects.filter(kind=ActionKind.RESTART).exists()


@pytest.mark.parametrize(("version", "possible"), [("11.3.1", False), ("11.4", True), ("26.1", True), ("", True)])
def test_only_a_mac_that_asks_its_user_is_restarted(
    owner: Person, register: Registers, version: str, possible: bool
) -> None:
    simulated = ready(owner, register, "mac")
    device = present(owner, simulated)
    device.os_version = version
    assert capabilities.of(device)[ActionKind.RESTART].possible == possible


def test_a_lost_iphone_is_not_restarted(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register, supervised=True)
    ask(owner, simulated, ActionKind.LOST, message="Please call Ines")
    with pytest.raises(Unsupported, match="no longer be found"):
        ask(owner, simulated, ActionKind.RESTART)


def test_a_restart_that_the_device_did_not_ask_for_in_an_hour_expires(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register, supervised=True)
    action = ask(owner, simulated, ActionKind.RESTART)
    queue.expire(now=action.requested_at + timedelta(minutes=59))
    assert state(action) == State.QUEUED
    queue.expire(now=action.requested_at + timedelta(hours=1))
    assert state(action) == State.EXPIRED
