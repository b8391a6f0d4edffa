"""Commands that a device cannot do now: each has one turn in a conversation, and the device is woken for them with
patience."""

import plistlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.commands import deferrals, queue, wakes
from mydevices.commands.models import Command, Deferral
from mydevices.commands.states import State
from mydevices.devices.models import Channel, Registration
from mydevices.outbox.models import Message
from mydevices.outbox.registry import PERIODIC
from simulator.device import Device as Simulated
from simulator.fleet import Fleet
from tests.platforms.apple.conftest import Registers, clear_outbox, send
from tests.platforms.apple.test_actions import ask, counted, ready

ASKED = "CertificateList"
"""What a phone answers only once somebody has unlocked it since it started."""
MINUTES = timedelta(minutes=1)
HOURS = timedelta(hours=1)


@pytest.fixture
def phone(owner: Person, register: Registers) -> Simulated:
    """Registered and checked in, then restarted: nobody has unlocked it yet."""
    simulated = ready(owner, register)
    simulated.restart()
    return simulated


def upkeep(number: int, request_type: str = ASKED) -> list[Command]:
    """So many commands for the only device."""
    channel = Channel.objects.get(kind=Channel.Kind.DEVICE)
    queued = [queue.upkeep(channel=channel, request_type=request_type) for _each in range(number)]
    clear_outbox()
    return [command for command in queued if command is not None]


def unlock(phone: Simulated) -> None:
    phone.unlock(phone.memory.passcode or "")


def states() -> list[str]:
    return list(Command.objects.filter(request_type=ASKED, action=None).order_by("id").values_list("state", flat=True))


class Conversation:
    """What the device says and is told, message by message."""

    def __init__(self, phone: Simulated) -> None:
        self._phone = phone

    def _say(self, **report: Any) -> str | None:
        body = plistlib.dumps({"UDID": self._phone.udid, **report})
        status, _headers, answer = send(*self._phone.signed_request(body))
        assert status == 200
        return plistlib.loads(answer)["CommandUUID"] if answer else None

    def idle(self) -> str | None:
        return self._say(Status="Idle")

    def not_now(self, command: str | None) -> str | None:
        return self._say(Status="NotNow", CommandUUID=command)

    def done(self, command: str | None) -> str | None:
        return self._say(Status="Acknowledged", CommandUUID=command, CertificateList=[])


def test_a_phone_that_was_locked_overnight_gets_everything_in_one_conversation(phone: Simulated) -> None:
    upkeep(4)
    session = phone.poll()
    assert session.commands == [(ASKED, "NotNow")] * 4
    assert session.ended == "empty"
    unlock(phone)
    session = phone.poll()
    assert session.commands == [(ASKED, "Acknowledged")] * 4
    assert session.ended == "empty"
    assert states() == [State.DONE] * 4


def test_a_phone_that_stays_locked_is_asked_once_for_each_and_then_left_alone(phone: Simulated) -> None:
    upkeep(3)
    for _morning in range(2):
        session = phone.poll()
        assert session.commands == [(ASKED, "NotNow")] * 3
        assert session.ended == "empty"
    assert states() == [State.DEFERRED] * 3


def test_each_deferred_command_has_one_turn_and_a_not_now_ends_it_until_the_next_idle(phone: Simulated) -> None:
    first, second, third = (str(command.uuid) for command in upkeep(3))
    says = Conversation(phone)
    assert says.idle() == first
    assert says.not_now(first) == second
    assert says.not_now(second) == third
    assert says.not_now(third) is None
    assert says.idle() == first
    assert says.not_now(first) == second
    assert says.done(second) == third
    assert says.not_now(third) is None
    assert says.idle() == first
    assert says.done(first) == third
    assert says.done(third) is None
    assert says.idle() is None


def test_what_is_new_is_given_in_its_turn_beside_what_was_put_off(phone: Simulated, owner: Person) -> None:
    put_off = [str(command.uuid) for command in upkeep(2)]
    phone.poll()
    lock = Command.objects.get(action=ask(owner, phone, ActionKind.LOCK))
    says = Conversation(phone)
    assert says.idle() == put_off[0]
    assert says.not_now(put_off[0]) == put_off[1]
    assert says.not_now(put_off[1]) == str(lock.uuid)
    assert says.done(str(lock.uuid)) is None


def test_a_late_answer_from_an_earlier_conversation_offers_nothing_twice(phone: Simulated) -> None:
    first, second, third = (str(command.uuid) for command in upkeep(3))
    says = Conversation(phone)
    assert says.idle() == first
    assert says.not_now(first) == second  # and no answer: it went off
    assert says.not_now(third) == second  # never given, so that it says nothing
    assert says.done(second) == third  # the answer at last; `first` had its turn
    assert says.not_now(third) is None
    assert says.idle() == first


def test_an_answer_to_nothing_of_ours_gives_nothing_that_was_put_off(phone: Simulated) -> None:
    upkeep(2)
    phone.poll()
    assert Conversation(phone).done("11111111-2222-3333-4444-555555555555") is None


def test_what_was_put_off_before_an_upgrade_is_offered(phone: Simulated) -> None:
    upkeep(2)
    phone.poll()
    Command.objects.update(offered_in=None)
    unlock(phone)
    assert phone.poll().commands == [(ASKED, "Acknowledged")] * 2


def test_what_was_put_off_costs_no_statement_more_than_what_was_not(phone: Simulated) -> None:
    upkeep(3)
    with CaptureQueriesContext(connection) as queries:
        phone.poll()
    assert len(about_commands(queries)) <= 3 * 3 + 1, about_commands(queries)
    unlock(phone)
    with CaptureQueriesContext(connection) as queries:
        assert len(phone.poll().commands) == 3
    assert len(about_commands(queries)) <= 3 * 3 + 1, about_commands(queries)


def about_commands(queries: CaptureQueriesContext) -> list[str]:
    """A read, a delivery and an answer for each, and the read that finds nothing more."""
    return [sql for sql in counted(queries) if "commands_command" in sql]


def test_whoever_put_something_off_asks_by_themselves_once_they_can(phone: Simulated) -> None:
    """The simulator, as a phone that is unlocked in the morning."""
    upkeep(2)
    phone.poll()
    asked: list[Simulated] = []
    phone.on_ready = lambda device, _channel: asked.append(device)
    unlock(phone)
    assert asked == [phone]
    phone.restart()
    unlock(phone)
    assert asked == [phone]
    with Fleet(send=send) as fleet:
        fleet.add(phone)
        assert phone.on_ready == fleet.wake


# Woken with patience


@pytest.fixture
def since(phone: Simulated) -> datetime:
    """When the phone said "not now"."""
    upkeep(1)
    phone.poll()
    clear_outbox()
    at = Command.objects.get(request_type=ASKED, action=None).deferred_at
    assert at is not None
    return at


def woken(now: datetime) -> bool:
    """Whether the phone's time has come."""
    deferrals.wake(now=now)
    posted = Message.objects.filter(topic="wake").exists()
    clear_outbox()
    return posted


def test_it_is_woken_after_15_minutes_an_hour_four_hours_and_then_daily(since: datetime) -> None:
    minutes = [minute for minute in range(0, 4 * 24 * 60, 15) if woken(since + minute * MINUTES)]
    day = 24 * 60
    assert minutes == [15, 60, 240, 240 + day, 240 + 2 * day, 240 + 3 * day]


def test_the_worker_looks_every_minute() -> None:
    assert PERIODIC["commands.wake_deferred"].every == MINUTES


def test_the_push_that_goes_again_for_what_waits_leaves_it_alone(since: datetime) -> None:
    assert wakes.wake_again(now=since + 2 * HOURS) == 0
    assert wakes.wake_again(now=since + 48 * HOURS) == 0
    assert not Message.objects.filter(topic="wake").exists()


def test_what_was_missed_while_no_worker_ran_is_not_made_up_for(since: datetime) -> None:
    assert [woken(since + 30 * HOURS), woken(since + 31 * HOURS), woken(since + 52 * HOURS)] == [True, False, True]


def test_it_is_not_woken_once_it_has_done_everything(phone: Simulated, since: datetime) -> None:
    assert woken(since + 20 * MINUTES)
    unlock(phone)
    phone.poll()
    assert not any(woken(since + hour * HOURS) for hour in range(1, 40))
    assert not Deferral.objects.exists()


def test_it_is_not_woken_when_it_is_gone_or_cannot_be(since: datetime) -> None:
    Registration.objects.update(unreachable_since=since)
    assert not woken(since + 2 * HOURS)
    Registration.objects.update(unreachable_since=None)
    Channel.objects.update(push_token=b"")
    assert not woken(since + 2 * HOURS)


def test_it_is_never_woken_more_than_eight_times_in_a_day(phone: Simulated, since: datetime) -> None:
    """However often it does something in between and puts something else off."""
    times = []
    for quarter in range(4 * 48):
        now = since + quarter * 15 * MINUTES
        if woken(now):
            times.append(now)
            Command.objects.filter(state=State.DEFERRED).update(state=State.SENT)
            deferrals.wake(now=now)
            Command.objects.filter(state=State.SENT).update(state=State.DEFERRED, deferred_at=now)
    assert len(times) > 8
    assert all(sum(time <= other < time + timedelta(days=1) for other in times) <= 8 for time in times)


def test_each_channel_has_its_own_times(phone: Simulated, owner: Person, register: Registers, since: datetime) -> None:
    assert woken(since + 15 * MINUTES)
    other = ready(owner, register)
    other.restart()
    queue.upkeep(
        channel=Channel.objects.exclude(commands__state=State.DEFERRED).get(kind=Channel.Kind.DEVICE),
        request_type=ASKED,
    )
    assert other.poll().commands == [(ASKED, "NotNow")]
    Command.objects.filter(channel__deferral=None, state=State.DEFERRED).update(deferred_at=since + 30 * MINUTES)
    clear_outbox()
    assert deferrals.wake(now=since + 46 * MINUTES) == 1
    assert deferrals.wake(now=since + 61 * MINUTES) == 1
    assert deferrals.wake(now=since + 62 * MINUTES) == 0


def test_a_time_that_has_come_is_the_first_after_now() -> None:
    start = datetime(2026, 11, 28, tzinfo=UTC)
    assert deferrals.following(start, start) == start + 15 * MINUTES
    assert deferrals.following(start, start + 15 * MINUTES) == start + HOURS
    assert deferrals.following(start, start + 4 * HOURS) == start + 28 * HOURS
    assert deferrals.following(start, start + 27 * HOURS) == start + 28 * HOURS
    assert deferrals.following(start, start + 28 * HOURS) == start + 52 * HOURS
