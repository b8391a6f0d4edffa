"""One thing done to many people, from the list: who may, what becomes of each, and what is left as it was."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Group, Membership, Person
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.console.views import crowd
from mydevices.registration import invitations
from tests import factories
from tests.confirming import is_asked
from tests.console.conftest import SignedInAs

pytestmark = pytest.mark.django_db

NOBODY = "00000000-0000-4000-8000-000000000000"
MANAGED = ["join", "leave", "suspend", "resume"]


@pytest.fixture
def some(db: None) -> list[Person]:
    return [factories.person(name) for name in ("Ines Okafor", "Sam Stone", "Elif Yıldız")]


@pytest.fixture
def design(db: None) -> Group:
    return Group.objects.create(name="Design")


def at(deed: str) -> str:
    return reverse("console:people_crowd", args=[deed])


def ids(people: list[Person], **more: str) -> dict[str, str | list[str]]:
    return {"id": [str(person.id) for person in people], "query": "?role=person", **more}


def told(answer: object) -> str:
    return answer.content.decode()  # type: ignore[attr-defined, no-any-return]  # a response has a content


def test_the_list_offers_what_its_reader_may_do(sign_in_as: SignedInAs, some: list[Person]) -> None:
    pages = {
        role: told(sign_in_as(role).get(reverse("console:people"))) for role in Person.Role.values if role != "person"
    }
    for deed in crowd.CROWD_ACTIONS:
        assert (at(deed) in pages["administrator"]) is True
        assert (at(deed) in pages["helpdesk"]) is (deed == "invite")
        assert at(deed) not in pages["auditor"]
    assert "Choose Ines Okafor" in pages["administrator"]
    assert "Choose Ines Okafor" not in pages["auditor"]


def test_a_question_names_who_it_is_about_and_does_nothing(administrator: Client, some: list[Person]) -> None:
    page = told(administrator.get(at("suspend"), ids(some)))
    assert "Suspend 3 people?" in page
    assert all(person.name in page for person in some)
    assert Person.objects.filter(is_active=False).count() == 0


def test_people_are_put_into_a_group_and_taken_out(administrator: Client, some: list[Person], design: Group) -> None:
    Membership.objects.create(person=some[0], group=design)
    Membership.objects.create(person=some[1], group=Group.objects.create(name="Sales"))
    page = told(administrator.post(at("join"), ids(some, group=str(design.id)), follow=True))
    assert "2 people were added." in page
    assert "Ines Okafor is in this group already." in page
    assert design.memberships.count() == 3
    assert some[1].groups.count() == 2  # what they were in, they stay in
    page = told(administrator.post(at("leave"), ids(some[:2], group=str(design.id)), follow=True))
    assert "2 people were removed." in page
    assert [row.person for row in design.memberships.all()] == [some[2]]
    assert Entry.objects.filter(verb=Verb.GROUPS_CHANGED).count() == 4


def test_what_a_provider_says_of_a_group_stays(administrator: Client, some: list[Person], design: Group) -> None:
    Membership.objects.create(person=some[0], group=design, provider="okta")
    page = told(administrator.post(at("leave"), ids(some[:1], group=str(design.id)), follow=True))
    assert "because their provider says so" in page
    assert design.memberships.count() == 1


@pytest.mark.parametrize("group", ["", "nothing", NOBODY])
def test_a_group_is_chosen_from_those_there_are(administrator: Client, some: list[Person], group: str) -> None:
    answer = administrator.post(at("join"), ids(some, group=group))
    assert answer.status_code == 400
    assert not Membership.objects.exists()


def test_people_are_suspended_and_let_in_again(administrator: Client, some: list[Person]) -> None:
    me = Person.objects.get(role=Person.Role.ADMINISTRATOR)
    page = told(administrator.post(at("suspend"), ids([*some, me]), follow=True))
    assert "3 people were suspended." in page
    assert "Not to yourself" in page
    assert Person.objects.filter(is_active=True).get() == me
    page = told(administrator.post(at("resume"), ids([some[0], me]), follow=True))
    assert "1 person may sign in again." in page
    assert "is not suspended." in page


def test_the_last_administrator_stays(administrator: Client, sign_in_as: SignedInAs) -> None:
    other = factories.administrator()
    page = told(administrator.post(at("suspend"), ids([other]), follow=True))
    assert "1 person was suspended." in page
    assert Person.objects.filter(role=Person.Role.ADMINISTRATOR, is_active=True).count() == 1


def test_suspending_needs_a_fresh_proof(administrator: Client, some: list[Person]) -> None:
    session = administrator.session
    for record in session["account_authentication_methods"]:
        record["at"] -= timedelta(minutes=6).total_seconds()
    session.save()
    answer = administrator.post(at("suspend"), ids(some))
    assert is_asked(answer)
    assert Person.objects.filter(is_active=False).count() == 0


def test_open_invitations_go_out_again(sign_in_as: SignedInAs, some: list[Person]) -> None:
    amara = factories.actor(factories.administrator("Amara Diallo"), proved=timezone.now())
    invited = invitations.invite(actor=amara, email="new@aldermoor.example", name="New Person", groups=[], language="")
    page = told(sign_in_as("helpdesk").post(at("invite"), ids([invited.person, some[0]]), follow=True))
    assert "1 person was invited again." in page
    assert "Ines Okafor has no invitation that is open." in page
    assert Entry.objects.filter(verb=Verb.INVITED_AGAIN).count() == 1


@pytest.mark.parametrize("deed", MANAGED)
@pytest.mark.parametrize("role", ["helpdesk", "auditor", "person"])
def test_others_may_not(sign_in_as: SignedInAs, some: list[Person], design: Group, role: str, deed: str) -> None:
    browser = sign_in_as(role)
    for answer in (browser.get(at(deed), ids(some)), browser.post(at(deed), ids(some, group=str(design.id)))):
        assert answer.status_code == 403
    assert not Membership.objects.exists()
    assert Person.objects.filter(is_active=False).count() == 0


@pytest.mark.parametrize("chosen", [[], ["x"], [NOBODY], ["x" * 5000]])
def test_nobody_chosen_is_said(administrator: Client, chosen: list[str]) -> None:
    page = told(administrator.get(at("suspend"), {"id": chosen}, follow=True))
    assert "Choose at least one person." in page


def test_what_there_is_not_is_not_found(administrator: Client, some: list[Person]) -> None:
    assert administrator.get(at("erase"), ids(some)).status_code == 404
    assert administrator.delete(at("suspend")).status_code == 405


def test_many_reasons_are_told_in_part(administrator: Client, some: list[Person]) -> None:
    many = [factories.person(f"Person {number}") for number in range(12)]
    page = told(administrator.post(at("resume"), ids(many), follow=True))
    assert page.count("is not suspended.") == crowd.TOLD
    assert "And 4 more are left as they were." in page


def test_more_than_fit_are_refused_whole(administrator: Client, some: list[Person], design: Group) -> None:
    too_many = {"id": [str(some[0].id)] * (crowd.MOST + 1), "query": "", "group": str(design.id)}
    answer = administrator.post(at("join"), too_many, follow=True)
    assert f"Choose at most {crowd.MOST} people at once. Nothing was done." in told(answer)
    assert not design.memberships.exists()
