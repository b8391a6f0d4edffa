"""What waits for a second administrator, asked and decided at the same moment, with real transactions."""

from functools import partial

import pytest
from django.utils import timezone

from mydevices.accounts import approval_decisions, memberships
from mydevices.accounts.models import Approval, ApprovalRules, Group, Person
from mydevices.actions import ActionKind
from mydevices.commands import asking
from mydevices.commands.models import Action
from mydevices.configurations.models import Configuration
from mydevices.errors import Conflict, Waits
from tests import factories
from tests.reliability.conftest import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def amara() -> Person:
    ApprovalRules.objects.create(id=1, from_devices=2, batch_devices=2, configuration_devices=2)
    return factories.administrator("Amara Diallo")


@pytest.fixture
def tomas() -> Person:
    return factories.administrator("Tomas Reiter")


@pytest.fixture
def pilot(amara: Person) -> Group:
    group = Group.objects.create(name="Pilot")
    Configuration.objects.create(kind="web_clip", name="Elsewhere", values={}, assigned_to="groups").groups.add(group)
    return group


def crowd(number: int) -> list[Person]:
    some = [factories.person(f"Person {one}") for one in range(number)]
    for person in some:
        factories.device(person, now=timezone.now())
    return some


@pytest.mark.parametrize("round_", range(3))
def test_people_who_are_put_into_a_group_at_once_count_together(
    amara: Person, tomas: Person, pilot: Group, round_: int
) -> None:
    put = partial(memberships.put_in_group, actor=factories.actor(amara), group=pilot)
    outcomes = at_once(*(partial(put, person=person) for person in crowd(4)))
    assert sorted(str(type(outcome)) for outcome in outcomes) == sorted(map(str, [type(None)] * 2 + [Waits] * 2))
    assert pilot.memberships.count() == 2
    assert Approval.objects.filter(state="waiting").count() == 2


def test_of_two_who_allow_and_stop_at_once_one_is_heard(amara: Person, tomas: Person, pilot: Group) -> None:
    joins = {person.id: [pilot.id] for person in crowd(3)}
    with pytest.raises(Waits):
        memberships.ask_to_move(actor=factories.actor(amara), joins=joins)
    other = factories.actor(tomas)
    approval = Approval.objects.get().id
    outcomes = at_once(
        partial(approval_decisions.approve, approval_id=approval, actor=other),
        partial(approval_decisions.approve, approval_id=approval, actor=other),
        partial(approval_decisions.stop, approval_id=approval, actor=other, reason="No."),
    )
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 2
    state = Approval.objects.get().state
    assert pilot.memberships.count() == (3 if state == "done" else 0)


@pytest.mark.parametrize("round_", range(3))
def test_devices_that_are_retired_at_once_count_together(amara: Person, tomas: Person, round_: int) -> None:
    owner = factories.person()
    devices = [factories.device(owner, name=f"iPhone {number}", now=timezone.now()) for number in range(4)]
    ask = partial(asking.enqueue, kind=ActionKind.RETIRE, actor=factories.actor(amara), reason="Left.")
    outcomes = at_once(*(partial(ask, device=device) for device in devices))
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 2
    assert Action.objects.filter(kind="retire").count() == 2
