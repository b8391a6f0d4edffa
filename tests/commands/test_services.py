"""The queue: who may ask, what is kept, what is sent, and what late, doubled and lost answers change."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mydevices.actions import ACTIONS, ActionKind
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import asking, capabilities, pins, queue, selectors, wakes
from mydevices.commands.models import Action, Command
from mydevices.commands.states import State
from mydevices.devices.models import Device, Registration
from mydevices.devices.selectors import owned
from mydevices.errors import Conflict, NeedsFreshAuthentication, NotAllowed, Unsupported
from mydevices.organisation import selectors as organisation
from mydevices.organisation.models import Organisation
from mydevices.outbox.models import Message
from mydevices.port.actions import Parameters
from mydevices.port.commands import Outcome, Reported, SiblingState
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def enqueue(device: Device, kind: ActionKind = ActionKind.LOCK, *, parameters: Parameters | None = None) -> Action:
    return asking.enqueue(device=device, kind=kind, actor=factories.actor(device.owner), parameters=parameters, now=NOW)


def reported(command: Command, *, others: SiblingState = SiblingState.DONE) -> Reported:
    device = command.channel.registration.device
    return Reported(
        id=command.pk,
        uuid=command.uuid,
        platform=device.platform,
        request_type=command.request_type,
        parameters=command.parameters,
        state=State(command.state),
        registration_id=command.channel.registration_id,
        device_id=device.id,
        device_name=device.name,
        device_model=device.model,
        owner_id=device.owner_id,
        owner_name=device.owner.name,
        action_id=command.action_id,
        action_kind=command.action.kind if command.action else "",
        others=others,
    )


def answer(command: Command, state: State = State.DONE, *, after: int = 5) -> bool:
    return queue.report(
        command=reported(command), outcome=Outcome(state=state, at=NOW + timedelta(seconds=after), answer={})
    )


def only(action: Action) -> Command:
    return Command.objects.get(action=action)


def state_of(action: Action) -> State:
    return selectors.progress(selectors.action_of(action.device, action.id)).state


def test_a_lock_is_queued_audited_and_wakes_the_device() -> None:
    device = factories.device(factories.person())
    action = enqueue(device, parameters=Parameters(message="Please call", phone_number="020 7946 0142"))
    command = only(action)
    assert (command.request_type, command.state) == ("DeviceLock", State.QUEUED)
    assert command.parameters == {"message": "Please call", "phone_number": "020 7946 0142"}
    wake = Message.objects.get(topic="wake")
    assert wake.payload == {"channel": command.channel_id}
    entry = Entry.objects.get(verb=Verb.ACTION_REQUESTED)
    assert (entry.device_id, entry.actor_name, entry.address) == (str(device.id), "Ines Okafor", "127.0.0.1")


@pytest.mark.parametrize(("kind", "most"), [(ActionKind.LOCK, 3), (ActionKind.CHECK_IN, 3), (ActionKind.WIPE, 6)])
def test_asking_takes_three_statements_from_a_loaded_device_and_a_wipe_counts_the_wipes(
    kind: ActionKind, most: int
) -> None:
    device = factories.device(factories.person())
    Organisation.objects.get_or_create(id=1)
    organisation.forget()
    organisation.current()  # known for some seconds from here on
    with CaptureQueriesContext(connection) as captured:
        enqueue(device, kind)
    counted = [
        query["sql"]
        for query in captured
        if not query["sql"].startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")) and "audit_" not in query["sql"]
    ]
    assert len(counted) <= most, counted


def test_a_stranger_cannot_lock_the_device() -> None:
    device = factories.device(factories.person())
    with pytest.raises(NotAllowed):
        asking.enqueue(device=device, kind=ActionKind.LOCK, actor=factories.actor(factories.person("A Stranger")))
    assert not Action.objects.filter(kind=ActionKind.LOCK).exists()


def test_an_administrator_can_lock_the_device() -> None:
    device = factories.device(factories.person())
    boss = factories.administrator()
    asking.enqueue(device=device, kind=ActionKind.LOCK, actor=factories.actor(boss), reason="Stolen.", now=NOW)
    assert Action.objects.get(kind=ActionKind.LOCK).actor_name == boss.name


@pytest.mark.parametrize("kind", [ActionKind.WIPE, ActionKind.RETIRE, ActionKind.UNLOCK])
@pytest.mark.parametrize("proved", [None, NOW - timedelta(minutes=5, seconds=1)])
def test_what_destroys_or_opens_needs_a_fresh_proof(kind: ActionKind, proved: datetime | None) -> None:
    device = factories.device(factories.person())
    actor = factories.actor(device.owner, proved=proved)
    with pytest.raises(NeedsFreshAuthentication):
        asking.enqueue(device=device, kind=kind, actor=actor, now=NOW)


def test_a_second_lock_of_a_mac_is_refused_while_one_is_outstanding() -> None:
    device = factories.mac(factories.person())
    first = enqueue(device)
    with pytest.raises(Conflict):
        enqueue(device)
    asking.cancel(action=first, actor=factories.actor(device.owner), now=NOW)
    assert enqueue(device).id != first.id


def test_each_lock_of_a_mac_has_a_pin_of_its_own_that_its_owner_alone_can_read() -> None:
    device = factories.mac(factories.person())
    action = enqueue(device)
    assert action.secret
    command = only(action)
    assert "pin" not in str(command.parameters).lower()
    actor = factories.actor(device.owner)
    assert pins.reveal_pins(device=device, actor=actor, now=NOW) == []  # it has not reached the Mac
    queue.mark_sent(command_id=command.pk, seen=State.QUEUED, now=NOW)
    answer(command)
    pin = pins.reveal_pins(device=device, actor=actor, now=NOW)[0]
    assert len(pin.value) == 6
    assert pin.value.isdecimal()
    for other in (factories.person("A Stranger"), factories.administrator()):
        with pytest.raises(NotAllowed):
            pins.reveal_pins(device=device, actor=factories.actor(other), now=NOW)
    with pytest.raises(NeedsFreshAuthentication):
        pins.reveal_pins(device=device, actor=factories.actor(device.owner, proved=None), now=NOW)
    for entry in Entry.objects.all():
        assert pin.value not in str(entry.details)


def test_an_earlier_pin_is_kept_when_the_mac_is_locked_again() -> None:
    owner = factories.person()
    mac = factories.mac(owner)
    for round_ in range(2):
        # It has spoken since, so somebody has entered the last PIN.
        Registration.objects.filter(device=mac).update(last_seen_at=NOW + timedelta(hours=round_))
        device = owned(owner, mac.id)
        command = only(enqueue(device))
        queue.mark_sent(command_id=command.pk, seen=State.QUEUED, now=NOW)
        answer(command)
    assert len(pins.reveal_pins(device=device, actor=factories.actor(device.owner), now=NOW)) == 2


def test_a_mac_that_waits_for_its_pin_is_not_locked_again() -> None:
    owner = factories.person()
    mac = factories.mac(owner)
    command = only(enqueue(mac))
    queue.mark_sent(command_id=command.pk, seen=State.QUEUED, now=NOW)
    answer(command)
    with pytest.raises(Unsupported, match="Show PIN"):
        enqueue(owned(owner, mac.id))
    Registration.objects.filter(device=mac).update(last_seen_at=NOW + timedelta(minutes=5))
    assert enqueue(owned(owner, mac.id)).id != command.action_id


def test_a_wipe_waits_out_its_undo_window() -> None:
    device = factories.device(factories.person())
    action = enqueue(device, ActionKind.WIPE)
    assert state_of(action) == State.HELD
    assert action.held_until == NOW + timedelta(seconds=settings.ENVIRONMENT.undo_seconds)
    assert not Message.objects.filter(topic="wake").exists()
    assert Message.objects.get(topic="release").run_at == action.held_until
    assert asking.release(action_id=action.id, now=NOW + timedelta(seconds=30))
    assert state_of(action) == State.QUEUED
    assert Message.objects.filter(topic="wake").count() == 1


def test_an_undone_wipe_is_never_released() -> None:
    device = factories.device(factories.person())
    action = enqueue(device, ActionKind.WIPE)
    asking.cancel(action=action, actor=factories.actor(device.owner), now=NOW)
    assert not asking.release(action_id=action.id, now=NOW + timedelta(seconds=30))
    assert state_of(action) == State.CANCELLED
    assert not queue.mark_sent(command_id=only(action).pk, seen=State.QUEUED, now=NOW)


def test_a_stranger_cannot_cancel() -> None:
    device = factories.device(factories.person())
    action = enqueue(device)
    with pytest.raises(NotAllowed):
        asking.cancel(action=action, actor=factories.actor(factories.person("A Stranger")))
    assert state_of(action) == State.QUEUED


def test_what_the_device_has_cannot_be_cancelled() -> None:
    device = factories.device(factories.person())
    action = enqueue(device)
    queue.mark_sent(command_id=only(action).pk, seen=State.QUEUED, now=NOW)
    with pytest.raises(Conflict):
        asking.cancel(action=action, actor=factories.actor(device.owner))


def test_a_doubled_report_changes_nothing_the_second_time() -> None:
    device = factories.device(factories.person())
    command = only(enqueue(device))
    queue.mark_sent(command_id=command.pk, seen=State.QUEUED, now=NOW)
    assert answer(command)
    assert not answer(command, State.FAILED, after=9)
    command.refresh_from_db()
    assert (command.state, command.finished_at) == (State.DONE, NOW + timedelta(seconds=5))
    assert Entry.objects.filter(verb=Verb.ACTION_DONE).count() == 1


def test_an_answer_after_the_expiry_is_the_truth() -> None:
    device = factories.device(factories.person())
    command = only(enqueue(device, ActionKind.UNLOCK))
    queue.mark_sent(command_id=command.pk, seen=State.QUEUED, now=NOW)
    assert queue.expire(now=NOW + timedelta(hours=1)) == 1
    assert state_of(Action.objects.get(commands=command)) == State.EXPIRED
    assert answer(command, after=4000)
    assert state_of(Action.objects.get(commands=command)) == State.DONE


def test_lifetimes_are_an_hour_for_unlock_and_restart_a_day_for_check_in_and_none_for_the_rest() -> None:
    device = factories.device(factories.person())
    assert device.registration
    device.registration.apple.is_supervised = True
    ends = {
        kind: Command.objects.filter(action=enqueue(device, kind)).values_list("expires_at", flat=True)[0]
        for kind in ActionKind
        if not ACTIONS[kind].is_about_loss
    }
    assert ends[ActionKind.UNLOCK] == ends[ActionKind.RESTART] == NOW + timedelta(hours=1)
    assert ends[ActionKind.CHECK_IN] == NOW + timedelta(days=1)
    assert {ends[ActionKind.LOCK], ends[ActionKind.WIPE], ends[ActionKind.RETIRE]} == {None}


def test_the_end_of_a_registration_voids_what_waits() -> None:
    device = factories.device(factories.person())
    lock, wipe = enqueue(device), enqueue(device, ActionKind.WIPE)
    queue.void(registration=factories.life(device), now=NOW)
    assert {state_of(lock), state_of(wipe)} == {State.VOID}
    assert not asking.release(action_id=wipe.id, now=NOW + timedelta(seconds=30))


def test_what_was_queued_at_the_very_moment_of_the_end_is_swept_up() -> None:
    device = factories.device(factories.person())
    Registration.objects.filter(device=device).update(state=Registration.State.REPLACED)
    action = enqueue(device)  # with the device as it was loaded before
    queue.expire(now=NOW)
    assert state_of(action) == State.VOID


def test_unlock_is_refused_on_a_device_marked_lost() -> None:
    device = factories.device(factories.person())
    Device.objects.filter(id=device.id).update(lost_since=NOW)
    device.lost_since = NOW
    assert "lost" in capabilities.of(device)[ActionKind.UNLOCK].reason
    with pytest.raises(Unsupported, match="lost"):
        enqueue(device, ActionKind.UNLOCK)


def test_a_personal_device_without_the_right_cannot_be_wiped_and_the_reason_says_so() -> None:
    device = factories.device(factories.person(), ownership=Device.Ownership.PERSONAL, rights=8183)
    with pytest.raises(Unsupported, match="Retire"):
        enqueue(device, ActionKind.WIPE)


def test_an_iphone_that_gave_no_unlock_token_cannot_be_unlocked() -> None:
    device = factories.device(factories.person(), unlock_token=None)
    with pytest.raises(Unsupported, match="unlock token"):
        enqueue(device, ActionKind.UNLOCK)


def test_a_mac_unlock_names_its_registered_user() -> None:
    device = factories.mac(factories.person(), user_name="ines")
    command = only(enqueue(device, ActionKind.UNLOCK))
    assert (command.request_type, command.parameters) == ("UnlockUserAccount", {"user_name": "ines"})


def test_an_action_that_takes_several_commands_is_as_far_as_the_slowest() -> None:
    device = factories.device(factories.person())
    action = enqueue(device, ActionKind.CHECK_IN)
    first = Command.objects.filter(action=action).earliest("id")
    queue.mark_sent(command_id=first.pk, seen=State.QUEUED, now=NOW)
    queue.report(command=reported(first, others=SiblingState.OPEN), outcome=Outcome(State.DONE, NOW, answer={}))
    assert state_of(action) == State.QUEUED
    assert not Entry.objects.filter(verb=Verb.ACTION_DONE).exists()


def test_whoever_has_waited_long_since_the_last_push_is_pushed_again() -> None:
    device = factories.device(factories.person())
    enqueue(device)
    Message.objects.all().delete()
    channel = factories.channel(device)
    assert wakes.wake_again(now=NOW + timedelta(minutes=5)) == 0
    channel.pushed_at = NOW
    channel.save()
    assert wakes.wake_again(now=NOW + timedelta(minutes=11)) == 1
    assert Message.objects.get().payload == {"channel": channel.pk}
    assert wakes.wake_again(now=NOW + timedelta(hours=7)) == 0
    assert wakes.wake_again(now=NOW + timedelta(hours=25)) == 1


def test_upkeep_is_queued_once() -> None:
    channel = factories.channel(factories.device(factories.person()))
    challenge = {"challenge": str(uuid4())}
    assert queue.upkeep(channel=channel, request_type="RENEW", parameters=challenge, exclusive="renewal")
    assert not queue.upkeep(channel=channel, request_type="RENEW", parameters=challenge, exclusive="renewal")


def test_finished_upkeep_is_let_go_and_people_s_history_is_not() -> None:
    device = factories.device(factories.person())
    long_ago = NOW - timedelta(days=31)
    upkeep = queue.upkeep(channel=factories.channel(device), request_type="RENEW")
    assert upkeep
    lock = only(enqueue(device))
    for command in (upkeep, lock):
        queue.mark_sent(command_id=command.pk, seen=State.QUEUED, now=long_ago)
        queue.report(command=reported(command), outcome=Outcome(State.DONE, long_ago, answer={}))
    assert queue.park(now=NOW) == 1
    assert Command.objects.filter(id=lock.pk).exists()


def test_waking_again_asks_the_pending_commands_only_and_once() -> None:
    device = factories.device(factories.person())
    channel = factories.channel(device)
    Command.objects.bulk_create(
        Command(channel=channel, request_type="DeviceLock", state=State.DONE, queued_at=NOW - timedelta(hours=index))
        for index in range(50)
    )
    channel.pushed_at = NOW - timedelta(hours=2)
    channel.save()
    Command.objects.create(channel=channel, request_type="DeviceLock", queued_at=NOW - timedelta(days=3))
    # Old finished commands and young ones do not make the waiting one young: a push a day is enough for it.
    assert wakes.wake_again(now=NOW) == 0
    assert wakes.wake_again(now=NOW + timedelta(days=1)) == 1


def test_what_was_answered_meanwhile_is_not_told_to_have_expired() -> None:
    device = factories.device(factories.person())
    command = only(enqueue(device, ActionKind.UNLOCK))
    queue.mark_sent(command_id=command.pk, seen=State.QUEUED, now=NOW)
    answer(command)
    assert queue.expire(now=NOW + timedelta(hours=2)) == 0
    assert not Entry.objects.filter(verb=Verb.ACTION_EXPIRED).exists()


def test_a_wipe_that_waits_stays_in_sight_however_much_is_asked_after_it() -> None:
    device = factories.device(factories.person())
    wipe = enqueue(device, ActionKind.WIPE)
    for _day in range(selectors.RECENT + 2):
        asking.cancel(action=enqueue(device), actor=factories.actor(device.owner), now=NOW)
    found = selectors.recent_of_each([device])[device.id]
    assert len(found) == selectors.RECENT
    assert wipe.id in {progress.action.id for progress in found}
