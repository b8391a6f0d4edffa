"""Two at the same moment: exactly one wins, and the other is told so."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import pytest

from mydevices.accounts import approval_decisions, memberships, sign_in_rules
from mydevices.accounts.models import Approval, ApprovalRules, Group, Person, SignInRules
from mydevices.actions import ActionKind
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.certificates.models import DeviceCertificate
from mydevices.commands import asking, queue
from mydevices.commands.models import Action, Command
from mydevices.commands.queue import Next
from mydevices.commands.states import State
from mydevices.devices.models import Channel
from mydevices.errors import Conflict, Waits
from mydevices.outbox.models import Message
from mydevices.platforms.apple import queries
from mydevices.port.commands import Outcome
from simulator.connection import Outgoing
from simulator.device import Device as Simulated
from simulator.profiles import load_plist
from simulator.transport import Reply
from tests import factories
from tests.approving import carry_out_due
from tests.platforms.apple.conftest import Registers, fresh, present, send
from tests.reliability.conftest import at_once, request_of

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 25


@pytest.fixture
def simulated(transactional_db: None, owner: Person, register: Registers) -> Simulated:
    """A registered iPhone whose first check in is over."""
    made, _device = register(owner)
    made.poll()
    return made


def asks(owner: Person, simulated: Simulated, kind: ActionKind) -> Callable[[], Action]:
    device, actor = present(owner, simulated), fresh(owner)
    return lambda: asking.enqueue(device=device, kind=kind, actor=actor)


def cancels(action: Action, owner: Person) -> Callable[[], bool]:
    actor = fresh(owner)
    return lambda: asking.cancel(action=action, actor=actor)


def releases(action: Action) -> Callable[[], bool]:
    return lambda: asking.release(action_id=action.id, now=datetime.now(UTC))


def reports(poll: Next | None) -> Callable[[], bool]:
    assert poll is not None
    assert poll.reported is not None
    command, outcome = poll.reported, Outcome(State.FAILED, datetime.now(UTC))
    return lambda: queue.report(command=command, outcome=outcome)


def sends(request: Outgoing) -> Callable[[], Reply]:
    return lambda: send(*request)


def entries(action: Action, verb: Verb) -> int:
    return Entry.objects.filter(action_id=str(action.id), verb=verb).count()


def given(reply: Reply) -> UUID | None:
    """The id of the command in an answer."""
    status, _headers, body = reply
    assert status == 200
    return UUID(load_plist(body)["CommandUUID"]) if body else None


def test_of_two_wipes_at_the_same_moment_one_waits_for_an_administrator(owner: Person) -> None:
    for _ in range(ROUNDS):
        now = datetime.now(UTC)
        actor = fresh(owner)
        some = [factories.device(owner, name=f"iPhone {number}", now=now) for number in range(2)]
        wipes = at_once(
            *(partial(asking.enqueue, device=one, kind=ActionKind.WIPE, actor=actor, now=now) for one in some)
        )
        assert sorted(action.approval for action in wipes) == ["", "waiting"]
        for action in wipes:
            asking.cancel(action=action, actor=actor)


def test_of_a_cancel_and_a_delivery_exactly_one_wins(owner: Person, simulated: Simulated) -> None:
    delivered = 0
    for _ in range(ROUNDS):
        action = asks(owner, simulated, ActionKind.LOCK)()
        cancelled, session = at_once(cancels(action, owner), simulated.poll)
        command = Command.objects.get(action=action)
        if isinstance(cancelled, Conflict):
            assert session.commands == [("DeviceLock", "Acknowledged")]
            assert command.state == State.DONE
            delivered += 1
        else:
            assert cancelled is True
            assert session.commands == []
            assert command.state == State.CANCELLED
            assert command.sent_at is None
        assert entries(action, Verb.ACTION_CANCELLED) == (not isinstance(cancelled, Conflict))
        assert simulated.poll().commands == []
    # With luck alone on one side, nothing would have been tried here.
    assert 0 <= delivered <= ROUNDS


def test_of_an_undo_and_the_end_of_its_window_exactly_one_wins(owner: Person, simulated: Simulated) -> None:
    for _ in range(ROUNDS):
        action = asks(owner, simulated, ActionKind.WIPE)()
        cancelled, released = at_once(cancels(action, owner), releases(action))
        # Released first, it can still be called off: it has not been sent.
        assert cancelled is True
        assert entries(action, Verb.ACTION_RELEASED) == released
        assert entries(action, Verb.ACTION_CANCELLED) == 1
        assert Command.objects.get(action=action).state == State.CANCELLED
        assert simulated.poll().commands == []


def test_of_two_cancels_one_wins(owner: Person, simulated: Simulated) -> None:
    for _ in range(ROUNDS):
        action = asks(owner, simulated, ActionKind.LOCK)()
        results = at_once(cancels(action, owner), cancels(action, owner))
        assert [type(result) for result in results].count(Conflict) == 1
        assert entries(action, Verb.ACTION_CANCELLED) == 1


@pytest.mark.parametrize("kind", [ActionKind.LOCK, ActionKind.CHECK_IN, ActionKind.WIPE])
def test_the_same_asked_twice_at_once_is_one_action_and_one_refusal(
    owner: Person, simulated: Simulated, kind: ActionKind
) -> None:
    for _ in range(ROUNDS // 3):
        before = Action.objects.count()
        results = at_once(*(asks(owner, simulated, kind) for _ in range(3)))
        (action,) = [result for result in results if isinstance(result, Action)]
        assert [type(result) for result in results].count(Conflict) == 2
        assert Action.objects.count() == before + 1
        assert entries(action, Verb.ACTION_REQUESTED) == 1
        asking.cancel(action=action, actor=fresh(owner))


def test_a_release_done_twice_at_once_is_done_once(owner: Person, simulated: Simulated) -> None:
    for _ in range(ROUNDS // 3):
        action = asks(owner, simulated, ActionKind.WIPE)()
        Message.objects.all().delete()
        assert sorted(at_once(releases(action), releases(action))) == [False, True]
        assert entries(action, Verb.ACTION_RELEASED) == 1
        assert Message.objects.filter(topic="wake").count() == 1
        asking.cancel(action=action, actor=fresh(owner))


def test_two_polls_at_once_are_given_the_same_command_under_the_same_id(owner: Person, simulated: Simulated) -> None:
    for _ in range(ROUNDS // 2):
        action = asks(owner, simulated, ActionKind.LOCK)()
        command = Command.objects.get(action=action)
        idle = request_of(simulated, Status="Idle")
        replies = at_once(sends(idle), sends(idle))
        assert {given(reply) for reply in replies} == {command.uuid}
        report = request_of(simulated, Status="Acknowledged", CommandUUID=str(command.uuid))
        replies = at_once(sends(report), sends(report))
        assert {given(reply) for reply in replies} == {None}
        command.refresh_from_db()
        assert command.state == State.DONE
        assert entries(action, Verb.ACTION_DONE) == 1


def test_a_device_that_talks_twice_at_once_still_finishes_its_check_in(owner: Person, simulated: Simulated) -> None:
    def converse() -> None:
        command = given(send(*request_of(simulated, Status="Idle")))
        while command is not None:
            command = given(send(*request_of(simulated, Status="Error", CommandUUID=str(command))))

    for _ in range(5):
        action = asks(owner, simulated, ActionKind.CHECK_IN)()
        assert at_once(converse, converse) == [None, None]
        assert set(action.commands.values_list("state", flat=True)) == {State.FAILED}
        assert entries(action, Verb.ACTION_FAILED) == 1


def test_of_two_last_commands_reported_at_once_the_second_finishes_the_action(
    owner: Person, register: Registers
) -> None:
    """Two channels of a Mac. Each poll has read that the other command is still open before either is recorded."""
    mac, _device = register(owner, "mac")
    mac.poll()
    channels = list(Channel.objects.filter(registration__device=present(owner, mac)).order_by("kind"))
    assert [channel.kind for channel in channels] == ["device", "user"]
    for _ in range(ROUNDS):
        action = asks(owner, mac, ActionKind.CHECK_IN)()
        first, second, *rest = Command.objects.filter(action=action).order_by("id")
        Command.objects.filter(id__in=[command.pk for command in rest]).delete()
        Command.objects.filter(id=second.pk).update(channel=channels[1])
        Command.objects.filter(action=action).update(state=State.SENT, sent_at=datetime.now(UTC))
        polls = [
            queries.poll(
                fingerprint=DeviceCertificate.objects.get(registration=channel.registration_id).fingerprint,
                user_id=channel.user_id,
                reported=command.uuid,
                is_idle=False,
                now=datetime.now(UTC),
            )
            for channel, command in zip(channels, (first, second), strict=True)
        ]
        recorded = at_once(*(reports(poll) for poll in polls))
        assert recorded == [True, True]
        assert set(action.commands.values_list("state", flat=True)) == {State.FAILED}
        assert entries(action, Verb.ACTION_FAILED) == 1
        assert entries(action, Verb.ACTION_DONE) == 0


def test_groups_given_to_somebody_at_once_are_all_theirs() -> None:
    person, boss = factories.person(), factories.actor(factories.person(role="administrator"))
    groups = [Group.objects.create(name=f"Group {number}") for number in range(4)]
    kept, left, *_joined = groups
    for group in (kept, left):
        memberships.put_in_group(actor=boss, person=person, group=group)
    steps = [partial(memberships.put_in_group, actor=boss, person=person, group=group) for group in groups[2:]]
    away = partial(memberships.take_from_group, actor=boss, person=person, group=left)
    twice = partial(memberships.put_in_group, actor=boss, person=person, group=groups[2])
    outcomes = at_once(*steps, away, twice)
    assert set(person.groups.all()) == {kept, *groups[2:]}
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert [type(outcome) for outcome in refused] == [Conflict]
    assert Entry.objects.filter(verb=Verb.GROUPS_CHANGED).count() == 2 + 3


RULES: Final[dict[str, Any]] = {
    "classes": 0,
    "history": 0,
    "expires_after_days": 0,
    "idle_minutes": 480,
    "limited_sign_in": True,
    "console_factor": True,
}


def test_a_change_that_waited_is_carried_out_once_however_many_decide(transactional_db: None) -> None:
    """Two workers whose time has come, who allows it, and who stops it."""
    ApprovalRules.objects.create(id=1, from_devices=0)
    amara, tomas = factories.administrator("Amara Diallo"), factories.administrator("Tomas Reiter")
    for _ in range(ROUNDS):
        SignInRules.objects.update_or_create(id=1, defaults={**RULES, "minimum_length": 15})
        before = Entry.objects.filter(verb=Verb.SIGN_IN_RULES_CHANGED).count()
        with pytest.raises(Waits) as waits:
            sign_in_rules.change(actor=fresh(amara), minimum_length=8, **RULES)
        approval = Approval.objects.get(id=waits.value.approval)
        due = partial(carry_out_due, now=approval.ends_at)
        approve = partial(approval_decisions.approve, approval_id=approval.id, actor=fresh(tomas))
        stop = partial(approval_decisions.stop, approval_id=approval.id, actor=fresh(tomas), reason="No.")
        ends = at_once(due, approve, due, stop)
        approval.refresh_from_db()
        carried_out = Entry.objects.filter(verb=Verb.SIGN_IN_RULES_CHANGED).count() - before
        assert carried_out == (approval.state == "done"), ends
        assert SignInRules.objects.get().minimum_length == (8 if carried_out else 15)
        assert sum(end == 1 or isinstance(end, Approval) for end in ends) == 1, ends
