"""Nobody gives, opens, sends or shows what would make somebody, or themselves, more than they are."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from mydevices.accounts import password_reset
from mydevices.accounts.models import Group, Membership, Person
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.outbox.models import Message
from mydevices.registration import invitations
from mydevices.registration.models import Invitation
from tests import factories
from tests.console.conftest import SignedInAs

pytestmark = pytest.mark.django_db

NEW = "granite meadow seventeen"
OTHER = "seven quiet herons"


def invite(browser: Client, email: str = "nils@aldermoor.example", groups: list[Group] | None = None) -> int:
    form = {"name": "Nils Berg", "email": email, "groups": [str(group.id) for group in groups or []]}
    return browser.post(reverse("console:invitations_new"), form).status_code


def link_of(browser: Client, invitation: Invitation) -> str:
    """The path of its link as the console shows it; empty where it does not."""
    answer = browser.post(reverse("console:invitations_link", args=[invitation.id]))
    found = re.search(r"<bdi>https?://[^/]+(/invitation/[^<]+)</bdi>", answer.content.decode())
    return found[1] if found else ""


def send_again(browser: Client, invitation: Invitation) -> None:
    browser.post(reverse("console:invitations_change"), {"do": "resend", "id": [str(invitation.id)]})


def give_role(browser: Client, person: Person, role: str) -> None:
    answer = browser.post(reverse("console:people_change", args=[person.id]), {"name": person.name, "role": role})
    assert answer.status_code == 303
    assert Person.objects.get(id=person.id).role == role


def test_a_link_that_the_helpdesk_has_seen_stops_when_its_person_is_given_a_role(sign_in_as: SignedInAs) -> None:
    desk, boss = sign_in_as("helpdesk"), sign_in_as("administrator")
    assert invite(desk) == 303
    invitation = Invitation.objects.select_related("person").get()
    old = link_of(desk, invitation)
    assert Client().get(old).status_code == 200
    give_role(boss, invitation.person, Person.Role.ADMINISTRATOR)
    assert Client().get(old).status_code == 404
    assert Client().post(old, {"password": NEW}).status_code == 404
    assert not Person.objects.get(id=invitation.person_id).has_usable_password()
    # Nor does it come back by another way.
    assert link_of(desk, invitation) == ""
    send_again(desk, invitation)
    desk.post(reverse("console:people_crowd", args=["invite"]), {"id": [str(invitation.person_id)]})
    assert link_of(boss, invitation) == "", "there is no link until an administrator sends it again"
    # Only these: what else is mailed to somebody, such as what happens to their role, is another matter.
    mails = Message.objects.filter(
        topic="mail", payload__notice="invitation", payload__person=str(invitation.person_id)
    )
    assert mails.count() == 1
    send_again(boss, invitation)
    new = link_of(boss, invitation)
    assert Client().post(new, {"password": NEW}).status_code in {302, 303}
    assert Client().get(old).status_code == 404


def test_the_helpdesk_may_still_revoke_and_does_not_invite_again_who_has_a_role(sign_in_as: SignedInAs) -> None:
    desk, boss = sign_in_as("helpdesk"), sign_in_as("administrator")
    invite(boss)
    invitation = Invitation.objects.select_related("person").get()
    give_role(boss, invitation.person, Person.Role.AUDITOR)
    desk.post(reverse("console:invitations_change"), {"do": "revoke", "id": [str(invitation.id)]})
    assert Invitation.objects.get().revoked_at is not None
    assert invite(desk) == 400
    assert Invitation.objects.count() == 1


def test_no_reminder_brings_a_link_that_has_stopped(sign_in_as: SignedInAs) -> None:
    invite(sign_in_as("administrator"))
    invitation = Invitation.objects.get()
    later = invitation.created_at.replace(year=invitation.created_at.year - 1)
    Invitation.objects.update(sent_at=later)
    Person.objects.filter(id=invitation.person_id).update(role=Person.Role.HELPDESK)
    assert invitations.remind(now=invitation.created_at) == 0
    Person.objects.filter(id=invitation.person_id).update(role=Person.Role.PERSON)
    assert invitations.remind(now=invitation.created_at) == 1


def test_the_helpdesk_puts_nobody_into_a_group_that_is_not_open_to_it(sign_in_as: SignedInAs) -> None:
    desk, finance = sign_in_as("helpdesk"), Group.objects.create(name="Finance")
    people = Person.objects.count()
    assert "Finance" not in desk.get(reverse("console:invitations_new")).content.decode()
    assert invite(desk, "me@elsewhere.example", [finance]) == 400
    listed = "name,email,groups\nMe,me@elsewhere.example,Finance\n"
    file = SimpleUploadedFile("people.csv", listed.encode())
    page = desk.post(reverse("console:invitations_list"), {"file": file}).content.decode()
    assert "open to the helpdesk" in page
    assert desk.post(reverse("console:invitations_send"), {"list": listed, "row": ["1"]}).status_code == 400
    assert (Person.objects.count(), Membership.objects.count()) == (people, 0)


def test_an_administrator_opens_a_group_to_the_helpdesk(sign_in_as: SignedInAs) -> None:
    desk, boss = sign_in_as("helpdesk"), sign_in_as("administrator")
    boss.post(reverse("console:groups_new"), {"name": "Sales", "open_to_helpdesk": "on"})
    boss.post(reverse("console:groups_new"), {"name": "Finance"})
    sales, finance = Group.objects.get(name="Sales"), Group.objects.get(name="Finance")
    assert (sales.open_to_helpdesk, finance.open_to_helpdesk) == (True, False)
    assert invite(desk, "one@aldermoor.example", [sales]) == 303
    listed = "name,email,groups\nTwo,two@aldermoor.example,Sales\n"
    assert desk.post(reverse("console:invitations_send"), {"list": listed, "row": ["1"]}).status_code == 303
    assert Membership.objects.filter(group=sales).count() == 2
    boss.post(reverse("console:groups_one", args=[sales.id]), {"name": "Sales"})
    assert invite(desk, "three@aldermoor.example", [sales]) == 400


def test_the_helpdesk_is_shown_no_link_into_a_group_that_is_not_open_to_it(sign_in_as: SignedInAs) -> None:
    desk, boss = sign_in_as("helpdesk"), sign_in_as("administrator")
    invite(boss, groups=[Group.objects.create(name="Finance")])
    invitation = Invitation.objects.get()
    assert link_of(desk, invitation) == ""
    assert link_of(boss, invitation)
    assert Entry.objects.filter(verb=Verb.INVITATION_LINK_SHOWN).count() == 1
    send_again(desk, invitation)  # to its person, at the address as it is kept
    assert Message.objects.filter(topic="mail").latest("id").payload["to"] == "nils@aldermoor.example"


def test_an_invitation_ends_with_a_password_and_never_replaces_one(sign_in_as: SignedInAs) -> None:
    boss = sign_in_as("administrator")
    invite(boss)
    invitation = Invitation.objects.select_related("person").get()
    link = link_of(boss, invitation)
    forgotten = password_reset.link_for(invitation.person)
    assert Client().post(forgotten, {"password": NEW, "again": NEW}).status_code == 303
    assert Client().get(link).status_code == 410
    assert Client().post(link, {"password": OTHER}).status_code == 410
    person = Person.objects.get(id=invitation.person_id)
    assert person.check_password(NEW)
    assert not person.check_password(OTHER)
    assert link_of(boss, invitation) == ""
    send_again(boss, invitation)
    assert Entry.objects.filter(verb=Verb.INVITED_AGAIN).count() == 0
    invitations.settle(now=invitation.created_at)
    assert Invitation.objects.get().accepted_at is not None


def test_an_invitation_ends_with_the_first_sign_in(sign_in_as: SignedInAs) -> None:
    boss = sign_in_as("administrator")
    invite(boss)
    invitation = Invitation.objects.select_related("person").get()
    link = link_of(boss, invitation)
    Person.objects.filter(id=invitation.person_id).update(signed_in_at=factories.NOW)
    assert Client().post(link, {"password": OTHER}).status_code == 410
    assert not Person.objects.get(id=invitation.person_id).has_usable_password()
