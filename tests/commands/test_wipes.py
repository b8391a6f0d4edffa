"""Wipes beyond the limits: what is counted, who decides, and that nothing is sent before."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.actions import ActionKind
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import asking, limits, queue, selectors, tasks, wipes
from mydevices.commands.models import Action, Command
from mydevices.commands.states import State
from mydevices.devices import selectors as devices
from mydevices.devices.assignment import EVERYONE
from mydevices.devices.models import Device, Registration
from mydevices.errors import Conflict, Invalid, NeedsFreshAuthentication, NotAllowed, NotFound
from mydevices.outbox.models import Message
from mydevices.policies import services as policies
from mydevices.policies.kinds.self_service import EVERYTHING, SelfServiceRules
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def decide(**values: Any) -> None:
    policies.create(
        actor=Actor.system("test"), name="House rules", values=SelfServiceRules(**values), assignment=EVERYONE
    )


def wipe(device: Device, actor: Actor | None = None, *, now: datetime = NOW) -> Action:
    """As its owner, unless somebody else asks."""
    by = actor or factories.actor(device.owner)
    return asking.enqueue(device=devices.by_id(device.id), kind=ActionKind.WIPE, actor=by, reason="Because.", now=now)


def state_of(action: Action) -> str:
    return Command.objects.get(action=action).state


def held(owner: Person | None = None) -> Action:
    """The second device that a person wipes in a day."""
    owner = owner or factories.person()
    wipe(factories.device(owner))
    action = wipe(factories.device(owner, name="Second iPhone"))
    assert action.approval == Action.Approval.WAITING
    return action


def mails(notice: Notice) -> list[dict[str, Any]]:
    return [row.payload for row in Message.objects.filter(topic="mail") if row.payload["notice"] == notice]


def chief(name: str = "Tomas Reiter") -> Actor:
    return factories.actor(factories.administrator(name))


# What is counted


def test_the_first_device_goes_and_the_second_waits_for_an_administrator() -> None:
    owner = factories.person()
    first, second = wipe(factories.device(owner)), wipe(factories.device(owner, name="Second iPhone"))
    assert (first.approval, first.limit, first.held_until is not None) == ("", "", True)
    assert (second.approval, second.limit, second.held_until) == ("waiting", "person", None)
    assert state_of(second) == State.HELD
    released = Message.objects.filter(topic="release").values_list("key", flat=True)
    assert list(released) == [str(first.id)]
    assert Entry.objects.get(verb=Verb.ACTION_REQUESTED, action_id=str(second.id)).details["limit"] == "person"
    assert list(limits.waiting()) == [second]


@pytest.mark.parametrize(("hours", "waits"), [(23, True), (24, False), (25, False)])
def test_a_day_later_a_person_may_wipe_again(hours: int, waits: bool) -> None:
    owner = factories.person()
    wipe(factories.device(owner), now=NOW)
    later = wipe(factories.device(owner), now=NOW + timedelta(hours=hours))
    assert (later.approval == "waiting") is waits


def test_the_same_device_is_no_second_one() -> None:
    owner = factories.person()
    device = factories.device(owner)
    asking.cancel(action=wipe(device), actor=factories.actor(owner), now=NOW)
    assert wipe(device).approval == ""


@pytest.mark.parametrize("state", [State.CANCELLED, State.FAILED, State.VOID, State.EXPIRED])
def test_what_wiped_nothing_counts_for_nothing(state: State) -> None:
    owner = factories.person()
    action = wipe(factories.device(owner))
    way = {
        State.CANCELLED: [State.CANCELLED],
        State.VOID: [State.VOID],
        State.FAILED: [State.QUEUED, State.SENT, State.FAILED],
        State.EXPIRED: [State.QUEUED, State.EXPIRED],
    }[state]
    for each in way:
        Command.objects.filter(action=action).update(state=each)
    assert wipe(factories.device(owner)).approval == ""


def test_what_waits_itself_does_not_count_and_what_was_approved_does() -> None:
    owner = factories.person()
    first = wipe(factories.device(owner))
    second = wipe(factories.device(owner))
    asking.cancel(action=first, actor=factories.actor(owner), now=NOW)
    third = wipe(factories.device(owner))
    assert (second.approval, third.approval) == ("waiting", "")
    asking.cancel(action=third, actor=factories.actor(owner), now=NOW)
    wipes.approve(action=second, actor=chief(), now=NOW)
    assert wipe(factories.device(owner)).approval == "waiting"


def test_each_person_counts_for_themselves() -> None:
    wipe(factories.device(factories.person()))
    assert wipe(factories.device(factories.person("Jon Bell"))).approval == ""


def test_a_policy_says_how_many() -> None:
    decide(person_wipes=2)
    owner = factories.person()
    assert [wipe(factories.device(owner)).approval for _ in range(3)] == ["", "", "waiting"]


def test_with_none_allowed_the_first_one_waits() -> None:
    decide(person_wipes=0)
    assert wipe(factories.device(factories.person())).limit == "person"


def test_what_administrators_wipe_counts_for_all_and_not_for_the_person() -> None:
    decide(organisation_wipes=2, person_wipes=5)
    administrator = chief()
    owners = [factories.person(f"Person {number}") for number in range(4)]
    asked = [wipe(factories.device(owner), administrator) for owner in owners[:3]]
    assert [action.limit for action in asked] == ["", "", "organisation"]
    assert wipe(factories.device(owners[3])).limit == "organisation"
    assert wipe(factories.device(owners[3]), now=NOW + timedelta(hours=1)).limit == ""


def test_the_server_itself_is_not_held_up() -> None:
    decide(person_wipes=0, organisation_wipes=0)
    device = factories.device(factories.person())
    assert wipe(device, Actor.system("test")).approval == ""


@pytest.mark.parametrize("kind", [ActionKind.LOCK, ActionKind.UNLOCK, ActionKind.RETIRE, ActionKind.CHECK_IN])
def test_nothing_else_is_limited(kind: ActionKind) -> None:
    decide(person_wipes=0, organisation_wipes=0)
    device = factories.device(factories.person())
    action = asking.enqueue(device=devices.by_id(device.id), kind=kind, actor=factories.actor(device.owner), now=NOW)
    assert action.approval == ""


# Who decides


def test_an_approved_wipe_has_its_undo_window_and_then_goes() -> None:
    action, actor = held(), chief()
    wipes.approve(action=action, actor=actor, reason="She rang me.", now=NOW)
    action.refresh_from_db()
    assert action.approval == "approved"
    assert action.held_until is not None
    assert state_of(action) == State.HELD
    assert Message.objects.filter(topic="release", key=str(action.id)).get().run_at == action.held_until
    entry = Entry.objects.get(verb=Verb.WIPE_APPROVED)
    assert (entry.actor_name, entry.details["reason"]) == ("Tomas Reiter", "She rang me.")
    asking.release(action_id=action.id, now=action.held_until)
    assert state_of(action) == State.QUEUED


def test_without_an_undo_window_an_approved_wipe_goes_at_once() -> None:
    decide(undo_seconds=0)
    action = held()
    wipes.approve(action=action, actor=chief(), now=NOW)
    assert state_of(action) == State.QUEUED
    assert Message.objects.filter(topic="wake").exists()


def test_a_refused_wipe_is_over_and_whoever_asked_reads_why() -> None:
    action = held()
    wipes.refuse(action=action, actor=chief(), reason="Not that one.", now=NOW)
    action.refresh_from_db()
    assert (action.approval, state_of(action)) == ("refused", State.CANCELLED)
    [mail] = mails(Notice.WIPE_REFUSED)
    assert (mail["person"], mail["facts"]["reason"], mail["facts"]["by"]) == (
        action.actor_id, "Not that one.", "Tomas Reiter",
    )  # fmt: skip
    assert not limits.waiting().exists()
    again = wipe(Device.objects.get(id=action.device_id))
    assert again.approval == "waiting"


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_refusal_says_why(reason: str) -> None:
    action = held()
    with pytest.raises(Invalid):
        wipes.refuse(action=action, actor=chief(), reason=reason, now=NOW)
    assert state_of(action) == State.HELD


@pytest.mark.parametrize("deed", [wipes.approve, wipes.refuse])
def test_only_who_manages_devices_decides_and_lets_go_only_freshly_signed_in(deed: Any) -> None:
    owner = factories.person()
    action = held(owner)
    factories.administrator("Another One")
    for role in (Person.Role.PERSON, Person.Role.HELPDESK, Person.Role.AUDITOR):
        with pytest.raises(NotAllowed):
            deed(action=action, actor=factories.actor(factories.person(role=role)), reason="Because.", now=NOW)
    with pytest.raises(NotAllowed):
        deed(action=action, actor=factories.actor(owner), reason="Because.", now=NOW)
    with pytest.raises(Invalid):
        deed(action=action, actor=chief(), reason="x" * 501, now=NOW)
    stale = factories.actor(factories.administrator(), proved=NOW - timedelta(minutes=6))
    if deed is wipes.approve:
        with pytest.raises(NeedsFreshAuthentication):
            deed(action=action, actor=stale, reason="Because.", now=NOW)
        assert state_of(action) == State.HELD
    else:
        deed(action=action, actor=stale, reason="Because.", now=NOW)  # it stops something
        assert state_of(action) == State.CANCELLED


def test_nobody_lets_their_own_wipe_go_unless_they_are_the_only_administrator() -> None:
    amara = factories.administrator("Amara Diallo")
    action, actor = held(amara), factories.actor(amara)
    other = factories.administrator()
    with pytest.raises(NotAllowed, match="another administrator"):
        wipes.approve(action=action, actor=actor, now=NOW)
    other.is_active = False
    other.save()
    wipes.approve(action=action, actor=actor, now=NOW)
    action.refresh_from_db()
    assert action.approval == "approved"


@pytest.mark.parametrize("deed", [wipes.approve, wipes.refuse])
def test_what_was_decided_called_off_or_has_ended_cannot_be_decided(deed: Any) -> None:
    decided, gone, ended = held(factories.person("A")), held(factories.person("B")), held(factories.person("C"))
    wipes.refuse(action=decided, actor=chief(), reason="No.", now=NOW)
    asking.cancel(action=gone, actor=factories.actor(gone.device.owner), now=NOW)
    queue.void(registration=Registration.objects.get(id=ended.registration_id), now=NOW)
    for action in (decided, gone, ended):
        assert not wipes.is_waiting(action)
        with pytest.raises(Conflict):
            deed(action=action, actor=chief(), reason="Because.", now=NOW)


def test_what_a_policy_forbids_meanwhile_or_a_suspended_person_asked_for_is_not_let_go() -> None:
    owner = factories.person()
    action = held(owner)
    owner.is_active = False
    owner.save()
    with pytest.raises(Conflict, match="suspended"):
        wipes.approve(action=action, actor=chief(), now=NOW)
    owner.is_active = True
    owner.save()
    decide(allowed=tuple(what for what in EVERYTHING if what != "wipe"))
    with pytest.raises(Conflict, match="House rules"):
        wipes.approve(action=action, actor=chief(), now=NOW)
    assert state_of(action) == State.HELD


def test_nobody_can_ask_for_an_action_that_never_needed_a_decision() -> None:
    plain = wipe(factories.device(factories.person()))
    with pytest.raises(NotFound):
        wipes.one(plain.id)
    action = held()
    assert wipes.one(action.id) == action


# Mails, and time


def test_administrators_are_told_once_an_hour_however_many_wait() -> None:
    amara, tomas = factories.administrator("Amara Diallo"), factories.administrator()
    factories.person("Helga Desk", role=Person.Role.HELPDESK)
    owner = factories.person()
    asking.cancel(action=held(owner), actor=factories.actor(owner), now=NOW)
    wipe(factories.device(owner))
    assert {mail["person"] for mail in mails(Notice.WIPE_WAITS)} == {str(amara.id), str(tomas.id)}
    assert len(mails(Notice.WIPE_WAITS)) == 2
    assert mails(Notice.WIPE_WAITS)[0]["facts"]["by"] == owner.name
    wipe(factories.device(owner), now=NOW + timedelta(hours=2))
    assert len(mails(Notice.WIPE_WAITS)) == 4


def test_who_decides_on_their_own_gets_no_mail_about_it() -> None:
    amara = factories.administrator("Amara Diallo")
    wipes.refuse(action=held(amara), actor=factories.actor(amara), reason="No.", now=NOW)
    assert not mails(Notice.WIPE_REFUSED)


def test_nobody_decides_for_a_week_and_the_wipe_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    action = held()
    assert wipes.expire(now=NOW + timedelta(days=6, hours=23)) == 0
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW + timedelta(days=7))
    tasks.expire_wipes()
    assert state_of(action) == State.CANCELLED
    entry = Entry.objects.get(verb=Verb.WIPE_REFUSED)
    assert entry.actor_kind == "system"
    [mail] = mails(Notice.WIPE_REFUSED)
    assert "by" not in mail["facts"]
    assert selectors.progress(selectors.action_of(action.device, action.id)).state == State.CANCELLED


def test_a_wipe_that_waits_can_be_called_off_by_whoever_asked() -> None:
    action = held()
    assert asking.cancel(action=action, actor=factories.actor(action.device.owner), now=NOW)
    assert state_of(action) == State.CANCELLED
