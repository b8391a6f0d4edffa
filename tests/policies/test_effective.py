"""Which policy counts: against a naive model of the same rule, on what chance makes."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from mydevices.accounts.models import Group, Membership, Person
from mydevices.devices import assignment
from mydevices.devices.assignment import Assignment, Reach, To
from mydevices.devices.models import Device
from mydevices.policies import selectors
from mydevices.policies.kinds.kind import Kind, Line
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.policies.models import Policy
from mydevices.port.platform import PLATFORMS
from tests import factories


@dataclass(frozen=True)
class OfDevices(Kind):
    """A kind as those are that ask about a device."""

    word: str = "default"

    @classmethod
    def name(cls) -> str:
        return "of_devices"

    @classmethod
    def title(cls) -> str:
        return "Of devices"

    @classmethod
    def is_of_devices(cls) -> bool:
        return True

    def problems(self) -> dict[str, str]:
        return {}

    def summary(self) -> list[Line]:
        return []


@dataclass(frozen=True)
class Drawn:
    """A policy as the naive model knows it."""

    enabled: bool
    to: str
    groups: frozenset[int]
    platforms: frozenset[str]
    ownerships: frozenset[str]


def drawn_policies() -> st.SearchStrategy[Drawn]:
    return st.builds(
        Drawn,
        enabled=st.booleans(),
        to=st.sampled_from(To.values),
        groups=st.frozensets(st.integers(0, 2)),
        platforms=st.frozensets(st.sampled_from(list(PLATFORMS))),
        ownerships=st.frozensets(st.sampled_from(Device.Ownership.values)),
    )


def counts(policy: Drawn, member_of: set[int], device: Device | None) -> bool:
    if not policy.enabled or policy.to == To.NOBODY:
        return False
    if policy.to == To.GROUPS and not policy.groups & member_of:
        return False
    if device is None:
        return not policy.platforms and not policy.ownerships
    return (not policy.platforms or device.platform in policy.platforms) and (
        not policy.ownerships or device.ownership in policy.ownerships
    )


class TheFirstPolicyThatReachesCountsAsAWhole(TestCase):
    @settings(max_examples=60)
    @given(
        drawn=st.lists(drawn_policies(), max_size=5),
        member_of=st.sets(st.integers(0, 2)),
        ownership=st.sampled_from(Device.Ownership.values),
        ask_device=st.booleans(),
    )
    def test_as_in_the_naive_model(
        self, drawn: list[Drawn], member_of: set[int], ownership: str, ask_device: bool
    ) -> None:
        person = factories.person()
        groups = [Group.objects.create(name=f"Group {number}") for number in range(3)]
        for number in member_of:
            Membership.objects.create(group=groups[number], person=person)
        for number, one in enumerate(drawn):
            policy = Policy.objects.create(
                kind="of_devices",
                name=f"Policy {number}",
                values={"word": f"word {number}"},
                precedence=number + 1,
                enabled=one.enabled,
                assigned_to=one.to,
                platform_filter=assignment._text(one.platforms),
                ownership_filter=assignment._text(one.ownerships),
            )
            policy.groups.set([groups[chosen] for chosen in one.groups])
        Policy.objects.create(kind="another", name="Of another kind", values={"word": "other"}, precedence=1)
        device = factories.device(person, ownership=ownership) if ask_device else None
        expected = next((n for n, one in enumerate(drawn) if counts(one, member_of, device)), None)
        with CaptureQueriesContext(
            connection,
        ) as statements:
            found = selectors.effective(device or person, OfDevices)
        assert len(statements) == 1
        if expected is None:
            assert found == selectors.Effective(OfDevices())
            return
        assert (found.policy_name, found.values.word) == (f"Policy {expected}", f"word {expected}")
        reached = selectors.reaching(device or person, OfDevices)
        assert {row.name for row in reached} == {
            f"Policy {n}" for n, one in enumerate(drawn) if counts(one, member_of, device)
        }


@pytest.mark.django_db
def test_reach_counts_people_who_are_not_suspended_and_their_managed_devices() -> None:
    sales = Group.objects.create(name="Sales")
    ines, tomas, gone = (factories.person(name) for name in ("Ines", "Tomas", "Gone"))
    Person.objects.filter(id=gone.id).update(is_active=False)
    for member in (ines, gone):
        Membership.objects.create(group=sales, person=member)
    factories.device(ines, ownership="personal")
    factories.device(ines, ownership="company")
    factories.device(tomas, ownership="company")
    factories.device(gone, ownership="company")
    retired = factories.life(factories.device(ines, ownership="company"))
    type(retired).objects.filter(id=retired.id).update(state="retired")
    of_sales: dict[str, Any] = {"to": To.GROUPS, "groups": frozenset({sales.id})}
    assert assignment.reach(Assignment()) == Reach(2, 3)
    assert assignment.reach(Assignment(to=To.NOBODY)) == Reach(0, 0)
    assert assignment.reach(Assignment(**of_sales)) == Reach(1, 2)
    assert assignment.reach(Assignment(**of_sales, ownerships=frozenset({"personal"}))) == Reach(1, 1)
    assert assignment.reach(Assignment(platforms=frozenset({"apple"}))) == Reach(2, 3)


@pytest.mark.django_db
def test_a_policy_whose_last_group_was_deleted_is_for_nobody() -> None:
    sales = Group.objects.create(name="Sales")
    ines = factories.person()
    Membership.objects.create(group=sales, person=ines)
    policy = Policy.objects.create(kind="registration", name="Sales", precedence=1, assigned_to=To.GROUPS)
    policy.groups.add(sales)
    assert selectors.effective(ines, RegistrationRules).policy_name == "Sales"
    sales.delete()
    assert selectors.effective(ines, RegistrationRules).policy_id is None
    assert selectors.by_id(policy.id).assignment == Assignment(to=To.NOBODY)
