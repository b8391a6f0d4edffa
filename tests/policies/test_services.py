"""Policies are made, changed, ordered and deleted by those who may, and every step is recorded."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from mydevices.accounts.models import Group, Person
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.devices.assignment import EVERYONE, Assignment, To
from mydevices.errors import Conflict, Invalid, NotAllowed
from mydevices.policies import selectors, services
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.policies.models import Policy
from mydevices.policies.services import Direction
from mydevices.port.versions import is_older
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator() -> Actor:
    return factories.actor(factories.administrator())


def made(actor: Actor, name: str = "Everyone", **values: Any) -> Policy:
    return services.create(
        actor=actor,
        name=name,
        values=replace(RegistrationRules(), **values),
        assignment=EVERYONE,
    )


def order() -> list[str]:
    return [policy.name for policy in selectors.of_kind(RegistrationRules)]


def test_a_new_policy_comes_behind_the_others_and_is_recorded_in_words(administrator: Actor) -> None:
    made(administrator, "First")
    second = made(administrator, "  Second   one ", device_limit=5)
    assert (second.name, second.precedence) == ("Second one", 2)
    entry = Entry.objects.latest("id")
    assert entry.verb == "policy.created"
    assert entry.details["policy"] == "Second one"
    assert "At most 5" in entry.details["decided"]


def test_values_and_assignment_come_back_as_they_were(administrator: Actor) -> None:
    sales = Group.objects.create(name="Sales")
    values = RegistrationRules(
        sign_in="both", device_limit=3, systems=("iOS",), minimums={"iOS": "17.4"}, terms="Be kind."
    )
    to_sales = Assignment(to=To.GROUPS, groups=frozenset({sales.id}))
    policy = services.create(actor=administrator, name="Sales", values=values, assignment=to_sales)
    read = selectors.by_id(policy.id)
    assert RegistrationRules.read(read.values) == replace(values, terms_version=1)
    assert read.assignment == to_sales


def test_a_value_of_another_version_is_left_out_and_a_missing_one_has_its_default() -> None:
    assert RegistrationRules.read({"device_limit": 4, "gone": 1}) == RegistrationRules(device_limit=4)


@pytest.mark.parametrize("name", ["everyone", "EVERYONE", " Everyone "])
def test_two_policies_of_a_kind_have_different_names(administrator: Actor, name: str) -> None:
    made(administrator)
    with pytest.raises(Conflict, match="another policy"):
        made(administrator, name)
    other = made(administrator, "Other")
    with pytest.raises(Conflict, match="another policy"):
        services.change(actor=administrator, policy=other, name=name, values=RegistrationRules(), assignment=EVERYONE)
    assert order() == ["Everyone", "Other"]


def test_a_policy_keeps_its_own_name_when_it_changes(administrator: Actor) -> None:
    policy = made(administrator)
    changed = services.change(
        actor=administrator,
        policy=policy,
        name="everyone",
        values=RegistrationRules(device_limit=2),
        assignment=Assignment(to=To.NOBODY),
        enabled=False,
    )
    assert (changed.name, changed.enabled, changed.assigned_to) == ("everyone", False, "nobody")
    assert Entry.objects.latest("id").verb == "policy.changed"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"sign_in": "smile"}, "sign_in"),
        ({"pin_length": 3}, "pin_length"),
        ({"pin_length": 13}, "pin_length"),
        ({"pin_days": 0}, "pin_days"),
        ({"pin_days": 31}, "pin_days"),
        ({"ownership": "nobody"}, "ownership"),
        ({"device_limit": -1}, "device_limit"),
        ({"device_limit": 101}, "device_limit"),
        ({"systems": ()}, "systems"),
        ({"systems": ("BeOS",)}, "systems"),
        ({"minimums": {"iOS": "seventeen"}}, "minimum_ios"),
        ({"minimums": {"macOS": "14."}}, "minimum_macos"),
        ({"minimums": {"iPadOS": "\u0661\u0667"}}, "minimum_ipados"),
        ({"terms": "x" * 50_001}, "terms"),
    ],
)
def test_a_wrong_value_is_refused_at_its_field(administrator: Actor, values: dict[str, Any], field: str) -> None:
    wrong = replace(RegistrationRules(), **values)
    assert set(wrong.problems()) == {field}
    with pytest.raises(Invalid):
        made(administrator, **values)
    assert not Policy.objects.exists()


@pytest.mark.parametrize("length", [4, 12])
def test_the_ends_of_a_range_belong_to_it(administrator: Actor, length: int) -> None:
    made(administrator, pin_length=length, pin_days=30, device_limit=100, systems=("iOS", "iPadOS", "macOS"))


def test_a_policy_for_people_does_not_depend_on_devices(administrator: Actor) -> None:
    with pytest.raises(Invalid, match="for people"):
        services.create(
            actor=administrator,
            name="Personal",
            values=RegistrationRules(),
            assignment=Assignment(ownerships=frozenset({"personal"})),
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "all"},
        {"to": To.GROUPS},
        {"to": To.EVERYONE, "groups": frozenset({uuid4()})},
        {"platforms": frozenset({"beos"})},
        {"ownerships": frozenset({"stolen"})},
    ],
)
def test_an_assignment_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        Assignment(**wrong)


def test_a_group_that_is_gone_is_refused_and_nothing_is_kept(administrator: Actor) -> None:
    gone = Assignment(to=To.GROUPS, groups=frozenset({uuid4()}))
    with pytest.raises(Invalid, match="gone"):
        services.create(actor=administrator, name="Gone", values=RegistrationRules(), assignment=gone)
    assert not Policy.objects.exists()


def test_policies_move_step_by_step_and_stop_at_the_ends(administrator: Actor) -> None:
    first, second, third = (made(administrator, name) for name in ("A", "B", "C"))
    assert services.move(actor=administrator, policy=third, direction=Direction.UP)
    assert order() == ["A", "C", "B"]
    assert services.move(actor=administrator, policy=first, direction=Direction.DOWN)
    assert order() == ["C", "A", "B"]
    assert not services.move(actor=administrator, policy=third, direction=Direction.UP)
    assert not services.move(actor=administrator, policy=second, direction=Direction.DOWN)
    assert order() == ["C", "A", "B"]
    assert Entry.objects.filter(verb="policy.moved").count() == 2


def test_deleting_closes_the_gap_and_lets_the_next_one_count(administrator: Actor) -> None:
    somebody = factories.person()
    first, _second, third = (made(administrator, name, device_limit=n) for n, name in enumerate("ABC", 1))
    services.delete(actor=administrator, policy=first)
    assert [policy.precedence for policy in selectors.of_kind(RegistrationRules)] == [1, 2]
    assert selectors.effective(somebody, RegistrationRules).policy_name == "B"
    with pytest.raises(Conflict, match="deleted"):
        services.delete(actor=administrator, policy=first)
    with pytest.raises(Conflict, match="deleted"):
        services.move(actor=administrator, policy=first, direction=Direction.UP)
    with pytest.raises(Conflict, match="deleted"):
        services.change(actor=administrator, policy=first, name="A", values=RegistrationRules(), assignment=EVERYONE)
    assert third.name in order()


def test_terms_have_a_version_that_counts_their_texts(administrator: Actor) -> None:
    policy = made(administrator, terms="Be kind.")

    def version(terms: str) -> object:
        services.change(
            actor=administrator,
            policy=policy,
            name=policy.name,
            values=RegistrationRules(terms=terms, terms_version=99),
            assignment=EVERYONE,
        )
        return selectors.by_id(policy.id).values["terms_version"]

    assert policy.values["terms_version"] == 1
    assert version("Be kind.") == 1
    assert version("Be kind, always.") == 2
    assert version("") == 3
    assert made(administrator, "None").values["terms_version"] == 0


DONE_TO_A_POLICY: list[Callable[[Actor, Policy], object]] = [
    lambda actor, _policy: made(actor, "New"),
    lambda actor, policy: services.change(
        actor=actor, policy=policy, name="Changed", values=RegistrationRules(), assignment=EVERYONE
    ),
    lambda actor, policy: services.move(actor=actor, policy=policy, direction=Direction.UP),
    lambda actor, policy: services.delete(actor=actor, policy=policy),
]


@pytest.mark.parametrize("role", ["person", "helpdesk", "auditor"])
@pytest.mark.parametrize("verb", DONE_TO_A_POLICY)
def test_only_administrators_decide(administrator: Actor, verb: Callable[[Actor, Policy], object], role: str) -> None:
    policy = made(administrator)
    with pytest.raises(NotAllowed, match="Administrator"):
        verb(factories.actor(factories.person(role=role)), policy)
    assert order() == ["Everyone"]


def test_the_command_line_decides_as_an_administrator_does() -> None:
    assert made(Actor.system("command line")).name == "Everyone"


def test_nobody_known_decides_nothing() -> None:
    with pytest.raises(NotAllowed):
        made(Actor(kind="anonymous"))
    assert not Person.objects.exists()


@pytest.mark.parametrize(
    ("version", "minimum", "older"),
    [
        ("17.4", "17.4", False),
        ("17.4.1", "17.4", False),
        ("17.3.9", "17.4", True),
        ("9.3", "17", True),
        ("18", "17.9.9", False),
        ("17.0", "17", False),
        ("17", "17.0.0", False),
        ("26.1 beta", "26", False),
        ("", "17", True),
        ("unknown", "17", True),
        ("", "", False),
    ],
)
def test_versions_are_compared_as_numbers(version: str, minimum: str, older: bool) -> None:
    assert is_older(version, minimum) is older
