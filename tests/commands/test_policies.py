"""What policies forbid is forbidden in the verb, to each as far as it concerns them, and said with whom to ask."""

from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mydevices.accounts.models import Group, Membership, Person
from mydevices.actions import ActionKind
from mydevices.audit.actor import Actor
from mydevices.commands import asking, capabilities
from mydevices.commands.models import Action
from mydevices.devices import selectors as devices
from mydevices.devices.assignment import EVERYONE, Assignment, To
from mydevices.devices.models import Device
from mydevices.errors import ForbiddenByPolicy, NotAllowed
from mydevices.organisation import selectors as organisation
from mydevices.policies import selectors
from mydevices.policies import services as policies
from mydevices.policies.kinds.kind import Kind
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.self_service import EVERYTHING, SelfServiceRules
from mydevices.registration import selectors as registration
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db

OWN = (ActionKind.LOCK, ActionKind.UNLOCK, ActionKind.WIPE, ActionKind.RETIRE, ActionKind.CHECK_IN)


def decide(values: Kind, assignment: Assignment = EVERYONE, name: str = "House rules") -> None:
    policies.create(actor=Actor.system("test"), name=name, values=values, assignment=assignment)


def without(*forbidden: str, **more: Any) -> SelfServiceRules:
    return SelfServiceRules(allowed=tuple(what for what in EVERYTHING if what not in forbidden), **more)


def ask(device: Device, kind: ActionKind, actor: Actor) -> Action:
    found = devices.by_id(device.id)
    return asking.enqueue(device=found, kind=kind, actor=actor, reason="Because.", now=NOW)


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("who", ["owner", "administrator", "system", "stranger"])
def test_what_people_may_not_do_by_themselves_others_still_may(kind: ActionKind, who: str) -> None:
    decide(without(kind.value, helpdesk_name="Shop desk", helpdesk_phone="4321"))
    owner = factories.person()
    device = factories.device(owner)
    match who:
        case "owner":
            with pytest.raises(ForbiddenByPolicy, match=r"“House rules”.*Shop desk: 4321"):
                ask(device, kind, factories.actor(owner))
            said = capabilities.of(devices.by_id(device.id), factories.actor(owner))[kind]
            assert (said.policy, said.possible) == ("House rules", False)
        case "stranger":
            with pytest.raises(NotAllowed):
                ask(device, kind, factories.actor(factories.person()))
        case "administrator":
            ask(device, kind, factories.actor(factories.administrator()))
        case _system:
            ask(device, kind, Actor.system("queue"))
    assert Action.objects.filter(kind=kind).count() == (0 if who in {"owner", "stranger"} else 1)


@pytest.mark.parametrize("role", [Person.Role.HELPDESK, Person.Role.ADMINISTRATOR])
def test_where_administrators_may_not_wipe_its_owner_alone_may(role: str) -> None:
    decide(Privacy(administrators_may_wipe=False))
    owner = factories.person()
    device = factories.device(owner)
    helper = factories.actor(factories.person(role=role))
    with pytest.raises(NotAllowed):
        ask(device, ActionKind.WIPE, helper)
    ask(device, ActionKind.LOCK, helper)
    ask(device, ActionKind.WIPE, factories.actor(owner))
    assert set(Action.objects.values_list("kind", flat=True)) == {"lock", "wipe"}


def test_an_administrator_is_bound_on_a_device_of_their_own() -> None:
    decide(without("lock"))
    boss = factories.administrator()
    with pytest.raises(ForbiddenByPolicy):
        ask(factories.device(boss), ActionKind.LOCK, factories.actor(boss))


def test_to_look_for_a_lost_device_goes_with_locating_and_to_have_found_it_is_never_forbidden() -> None:
    decide(without("locate", "lock"))
    owner = factories.person()
    said = capabilities.of(devices.by_id(factories.device(owner).id), factories.actor(owner))
    assert {kind for kind, one in said.items() if one.policy} == {
        ActionKind.LOCK,
        ActionKind.LOST,
        ActionKind.LOCATE,
        ActionKind.SOUND,
    }


def test_policies_come_in_the_statement_that_reads_the_device() -> None:
    sales = Group.objects.create(name="Sales")
    owner = factories.person()
    Membership.objects.create(group=sales, person=owner)
    of_sales = Assignment(to=To.GROUPS, groups=frozenset({sales.id}), ownerships=frozenset({"personal"}))
    decide(without("lock"), of_sales, "Sales, own")
    decide(without("wipe"), Assignment(to=To.NOBODY, platforms=frozenset({"apple"})), "Nobody")
    decide(without("retire"), name="Everyone")
    personal, company = factories.device(owner, ownership="personal"), factories.device(owner)
    stranger = factories.device(factories.person(), ownership="personal")
    organisation.current()  # which pages know
    for device, policy in ((personal, "Sales, own"), (company, "Everyone"), (stranger, "Everyone")):
        loaded = devices.by_id(device.id)
        with CaptureQueriesContext(connection) as statements:
            found = selectors.of_device(loaded, SelfServiceRules)
            capabilities.of(loaded, Actor(kind="person", id="x"))
        assert not statements.captured_queries
        assert found == selectors.effective(device, SelfServiceRules)
        assert found.policy_name == policy
    assert selectors.of_device(devices.by_id(personal.id), Privacy) == selectors.Effective(Privacy())


def test_a_device_from_elsewhere_is_asked_about_once() -> None:
    decide(without("lock"))
    device = Device.objects.get(id=factories.device(factories.person()).id)
    with CaptureQueriesContext(connection) as statements:
        first, second = (selectors.of_device(device, SelfServiceRules) for _time in range(2))
    assert len(statements) == 1
    assert first == second == selectors.effective(device, SelfServiceRules)


@pytest.mark.parametrize(("decided", "seconds"), [(None, settings.ENVIRONMENT.undo_seconds), (0, 0), (300, 300)])
def test_the_undo_window_is_the_policys_else_the_servers(decided: int | None, seconds: int) -> None:
    decide(SelfServiceRules(undo_seconds=decided))
    owner = factories.person()
    action = ask(factories.device(owner), ActionKind.RETIRE, factories.actor(owner))
    waits = (action.held_until - NOW).total_seconds() if action.held_until else 0
    assert waits == seconds


@pytest.mark.parametrize("setting", [False, True])
@pytest.mark.parametrize("policy", [None, False, True])
def test_who_may_erase_a_personal_device_is_the_policys_to_say_and_else_the_settings(
    monkeypatch: pytest.MonkeyPatch, *, setting: bool, policy: bool | None
) -> None:
    environment = settings.ENVIRONMENT.model_copy(update={"erase_personal_devices": setting})
    monkeypatch.setattr(settings, "ENVIRONMENT", environment)
    if policy is not None:
        decide(Privacy(administrators_may_wipe=policy), Assignment(ownerships=frozenset({"personal"})))
    owner = factories.person()
    expected = setting if policy is None else policy
    assert registration.may_erase(owner, platform="apple", ownership="personal") == expected
    assert registration.may_erase(owner, platform="apple", ownership="company")
