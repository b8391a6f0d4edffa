"""How long invitations are good and how people are reminded: in the console, by default by the environment."""

from datetime import timedelta
from typing import Any, Final

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from mydevices.accounts.models import Person
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.environment import Environment
from mydevices.errors import Invalid, NotAllowed
from mydevices.registration import invitation_rules, invitations
from mydevices.registration.models import InvitationRules
from tests import factories
from tests.console.conftest import SignedInAs, administrator, sign_in_as
from tests.factories import NOW

__all__ = ["administrator", "sign_in_as"]

pytestmark = pytest.mark.django_db
PAGE = "console:settings_invitations"
VALUES: Final[dict[str, Any]] = {"good_for_days": 10, "remind_every_days": 2, "reminders": 3}


@pytest.fixture
def amara() -> Actor:
    return factories.actor(factories.administrator("Amara Diallo"))


def test_the_environment_holds_until_somebody_decides_and_again_after_that(amara: Actor, settings: Settings) -> None:
    settings.ENVIRONMENT = Environment(invitation_days=30, reminder_days=5, reminders=1)
    assert not invitation_rules.are_set_here()
    assert invitation_rules.current().good_for_days == 30
    invitation_rules.change(actor=amara, **VALUES)
    assert invitation_rules.are_set_here()
    assert {name: getattr(invitation_rules.current(), name) for name in VALUES} == VALUES
    invitation_rules.leave_to_environment(actor=amara)
    invitation_rules.leave_to_environment(actor=amara)  # nothing more to forget, and nothing to write down
    assert invitation_rules.current().good_for_days == 30
    assert [entry.details for entry in Entry.objects.filter(verb=Verb.INVITATION_RULES_CHANGED).order_by("id")] == [
        VALUES,
        {"environment": True},
    ]


def test_invitations_and_reminders_follow_what_was_decided(amara: Actor, settings: Settings) -> None:
    settings.ENVIRONMENT = Environment(invitation_days=60, reminder_days=0, reminders=0)
    first = invitations.invite(actor=amara, email="a@b.example", name="A", now=NOW)
    assert first.expires_at == NOW + timedelta(days=60)
    invitations.heard(first.mail_id, NOW, "")
    assert invitations.remind(now=NOW + timedelta(days=2)) == 0
    invitation_rules.change(actor=amara, **VALUES)
    second = invitations.invite(actor=amara, email="c@d.example", name="C", now=NOW)
    assert second.expires_at == NOW + timedelta(days=10)
    assert invitations.remind(now=NOW + timedelta(days=1)) == 0
    assert invitations.remind(now=NOW + timedelta(days=2)) == 1  # the first, which waits already


@pytest.mark.parametrize(
    "wrong",
    [
        {"good_for_days": 0},
        {"good_for_days": 366},
        {"remind_every_days": 366, "good_for_days": 365},
        {"reminders": 11},
        {"remind_every_days": 10},
    ],
)
def test_what_cannot_be_is_refused(amara: Actor, wrong: dict[str, int]) -> None:
    with pytest.raises(Invalid):
        invitation_rules.change(actor=amara, **(VALUES | wrong))
    assert not InvitationRules.objects.exists()


def test_without_reminders_their_days_do_not_matter(amara: Actor) -> None:
    rules = invitation_rules.change(actor=amara, good_for_days=3, remind_every_days=30, reminders=0)
    assert "Nobody is reminded." in invitation_rules.described(rules)


@pytest.mark.parametrize("role", [Person.Role.PERSON, Person.Role.HELPDESK, Person.Role.AUDITOR])
def test_only_administrators_decide(role: str) -> None:
    actor = factories.actor(factories.person(role=role))
    with pytest.raises(NotAllowed):
        invitation_rules.change(actor=actor, **VALUES)
    with pytest.raises(NotAllowed):
        invitation_rules.leave_to_environment(actor=actor)


def test_an_administrator_decides_on_a_page_and_takes_it_back(administrator: Client, settings: Settings) -> None:
    settings.ENVIRONMENT = Environment(invitation_days=30, reminder_days=5, reminders=1)
    page = administrator.get(reverse(PAGE)).content.decode()
    assert 'value="30"' in page
    assert "Nobody has decided anything here" in page
    answer = administrator.post(reverse(PAGE), VALUES, follow=True)
    assert "An invitation is good for 10 days." in answer.content.decode()
    page = administrator.get(reverse(PAGE)).content.decode()
    assert 'value="10"' in page
    assert "An invitation is good for 30 days." in page
    assert "Leave it to the environment" in page
    administrator.post(reverse(PAGE), {"environment": "1"})
    assert not InvitationRules.objects.exists()


@pytest.mark.parametrize("typed", ["", "x", "0", "1\0", "9" * 40, "-3", "1.5"])
def test_what_is_no_number_is_told_beside_its_field(administrator: Client, typed: str) -> None:
    answer = administrator.post(reverse(PAGE), VALUES | {"good_for_days": typed})
    assert answer.status_code == 400
    assert not InvitationRules.objects.exists()


def test_an_auditor_looks_and_has_no_button(sign_in_as: SignedInAs) -> None:
    page = sign_in_as(Person.Role.AUDITOR).get(reverse(PAGE)).content.decode()
    assert "Save rules" not in page
