"""Invitations in the console: the list, one of them, one person or a list to invite, and who may."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from mydevices.accounts import list_updates
from mydevices.accounts.models import Group, Membership, Person
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.environment import Environment
from mydevices.errors import Conflict, NotAllowed
from mydevices.outbox.models import Message
from mydevices.registration import invitations
from mydevices.registration.models import Invitation
from tests import factories
from tests.console.conftest import SignedInAs

pytestmark = pytest.mark.django_db

LIST = b"name,email,groups\nNils Berg,nils@a.example,Sales\nMaja Lind,maja@a.example,\nNobody,,\n"


def invited(name: str = "Nils Berg", email: str = "nils@aldermoor.example") -> Invitation:
    return invitations.invite(actor=factories.actor(factories.administrator("Amara Diallo")), email=email, name=name)


def page(browser: Client, **query: str) -> str:
    return browser.get(reverse("console:invitations"), query).content.decode()


READ = {"invitations": [], "invitations_one": ["id"]}
WRITE = {
    "invitations_new": ("get", []),
    "invitations_mail": ("get", []),
    "invitations_change": ("post", []),
    "invitations_list": ("post", []),
    "invitations_send": ("post", []),
    "invitations_link": ("post", ["id"]),
}


def address(name: str, arguments: list[str]) -> str:
    return reverse(f"console:{name}", args=[invited().id] if arguments else [])


@pytest.mark.parametrize(("name", "arguments"), READ.items())
@pytest.mark.parametrize(("role", "status"), [("person", 403), ("auditor", 200), ("helpdesk", 200)])
def test_who_sees_people_sees_their_invitations(
    sign_in_as: SignedInAs, name: str, arguments: list[str], role: str, status: int
) -> None:
    assert sign_in_as(role).get(address(name, arguments)).status_code == status


@pytest.mark.parametrize("name", WRITE)
@pytest.mark.parametrize(("role", "may"), [("person", False), ("auditor", False), ("helpdesk", True)])
def test_only_who_may_invite_gets_to_what_invites(sign_in_as: SignedInAs, name: str, role: str, may: bool) -> None:
    method, arguments = WRITE[name]
    answer = getattr(sign_in_as(role), method)(address(name, arguments), {"do": "revoke", "list": "name,email\n"})
    assert (answer.status_code == 403) is not may
    if not may:
        assert "Helpdesk" in answer.content.decode()


@pytest.mark.parametrize("name", [*READ, *WRITE])
def test_a_visitor_is_asked_to_sign_in(client: Client, name: str) -> None:
    method, arguments = WRITE.get(name, ("get", READ.get(name, [])))
    answer = getattr(client, method)(address(name, arguments))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in")


@pytest.mark.parametrize("name", ["invitations", "invitations_one", "invitations_mail"])
def test_what_only_shows_takes_no_posts(administrator: Client, name: str) -> None:
    arguments = ["id"] if name == "invitations_one" else []
    assert administrator.post(address(name, arguments)).status_code == 405


@pytest.mark.parametrize("name", ["invitations_change", "invitations_list", "invitations_send", "invitations_link"])
def test_what_changes_takes_no_gets(administrator: Client, name: str) -> None:
    assert administrator.get(address(name, WRITE[name][1])).status_code == 405


def test_where_nobody_is_invited_the_page_says_what_to_do(administrator: Client) -> None:
    text = page(administrator)
    assert "Nobody is invited yet" in text
    assert reverse("console:invitations_new") in text


def test_the_list_can_be_narrowed_by_state_and_by_words(administrator: Client) -> None:
    def names(**query: str) -> set[str]:
        return set(re.findall(r"(Open One|Late One|Gone One|Here One|Stuck One)</a>", page(administrator, **query)))

    amara = factories.actor(factories.administrator("Amara Diallo"))
    invited("Open One", "open@a.example")
    late = invited("Late One", "late@a.example")
    Invitation.objects.filter(id=late.id).update(expires_at=timezone.now() - timedelta(seconds=1))
    invitations.revoke(invitation_id=invited("Gone One", "gone@a.example").id, actor=amara)
    here = invited("Here One", "here@a.example")
    link = invitations.show_link(invitation_id=here.id, actor=amara)
    invitations.accept(token=link.rpartition("/")[2], password="seven quiet herons")
    stuck = invited("Stuck One", "stuck@b.example")
    invitations.heard(stuck.mail_id, None, "The mail server says: 550 no")
    assert names(state="open") == {"Open One", "Stuck One"}
    assert names(state="expired") == {"Late One"}
    assert names(state="revoked") == {"Gone One"}
    assert names(state="accepted") == {"Here One"}
    assert names(state="not_sent") == {"Stuck One"}
    assert len(names()) == 5
    assert names(q="b.example") == {"Stuck One"}
    assert names(q="one LATE") == {"Late One"}
    assert "No invitation is like this" in page(administrator, q="nobody at all")
    assert "550 no" in page(administrator)


def test_the_list_has_pages(administrator: Client) -> None:
    amara = factories.actor(factories.administrator("Amara Diallo"))
    for number in range(51):
        invitations.invite(actor=amara, email=f"p{number}@a.example", name=f"Person {number}")
    first, second = page(administrator), page(administrator, page="2")
    assert "Page 1 of 2" in first
    assert "Person 50</a>" in first
    assert "Person 0</a>" in second
    assert page(administrator, page="nonsense").count("</tr>") == first.count("</tr>")


def test_inviting_one_person_leads_to_their_invitation(administrator: Client) -> None:
    group = Group.objects.create(name="Sales")
    answer = administrator.post(
        reverse("console:invitations_new"),
        {"name": "Nils Berg", "email": "nils@a.example", "groups": [str(group.id)], "language": ""},
    )
    made = Invitation.objects.select_related("person").get()
    assert answer.status_code == 303
    assert answer["Location"] == reverse("console:invitations_one", args=[made.id])
    text = administrator.get(answer["Location"]).content.decode()
    assert "Nils Berg is invited." in text
    assert "Sales" in text
    assert Message.objects.filter(topic="mail").count() == 1


def test_what_cannot_be_invited_is_said_beside_the_field(administrator: Client) -> None:
    here = factories.person("Ines Okafor", password=factories.PASSWORD)
    answer = administrator.post(reverse("console:invitations_new"), {"name": "Ines", "email": here.email})
    assert answer.status_code == 400
    assert "Ines Okafor has an account with this address already." in answer.content.decode()
    assert not Invitation.objects.exists()


def test_looking_at_the_mail_invites_nobody(administrator: Client) -> None:
    answer = administrator.post(
        reverse("console:invitations_new"), {"name": "Nils Berg", "email": "nils@a.example", "look": "yes"}
    )
    assert "Hello Nils," in answer.content.decode()
    assert 'value="nils@a.example"' in answer.content.decode()
    assert not Invitation.objects.exists()


def test_the_mail_is_shown_in_a_frame_that_can_do_nothing(administrator: Client) -> None:
    around = administrator.get(reverse("console:invitations_new"))
    assert "frame-src 'self'" in around["Content-Security-Policy"]
    assert '<iframe class="letter" sandbox src=' in around.content.decode()
    inside = administrator.get(reverse("console:invitations_mail"), {"name": "<script>alert(1)</script>"})
    policy = {part.strip().split(" ")[0]: part.strip() for part in inside["Content-Security-Policy"].split(";")}
    assert policy["default-src"] == "default-src 'none'"
    assert policy["style-src"] == "style-src 'unsafe-inline'"
    assert policy["frame-ancestors"] == "frame-ancestors 'self'"
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert inside["X-Frame-Options"] == "SAMEORIGIN"
    assert "<script>" not in inside.content.decode()


def read(browser: Client, content: bytes = LIST) -> str:
    answer = browser.post(reverse("console:invitations_list"), {"file": SimpleUploadedFile("people.csv", content)})
    return answer.content.decode()


def test_a_list_is_shown_with_what_is_wrong_before_anybody_is_invited(administrator: Client) -> None:
    text = read(administrator)
    assert "There is no group “Sales”." in text
    assert "The e-mail address is missing." in text
    assert "1 person can be invited." in text
    assert "2 rows cannot be used" in text
    assert text.count('name="row"') == 1
    assert not Invitation.objects.exists()


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x00", b"nothing"])
def test_a_file_that_is_no_list_is_refused_beside_the_field(administrator: Client, content: bytes) -> None:
    answer = administrator.post(reverse("console:invitations_list"), {"file": SimpleUploadedFile("x", content)})
    assert answer.status_code == 400
    assert 'class="error"' in answer.content.decode()


def test_the_chosen_people_of_a_list_are_invited_and_no_others(administrator: Client) -> None:
    Group.objects.create(name="Sales")
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", read(administrator), re.DOTALL)
    assert found
    answer = administrator.post(reverse("console:invitations_send"), {"list": found[1], "row": ["1", "3", "99", "x"]})
    assert answer.status_code == 303
    (made,) = Invitation.objects.select_related("person")
    assert made.person.name == "Nils Berg"
    assert [group.name for group in made.person.groups.all()] == ["Sales"]
    assert "1 person is invited." in page(administrator)


def test_who_was_invited_meanwhile_is_left_out(administrator: Client) -> None:
    here = invited("Maja Lind", email="maja@a.example")
    answer = administrator.post(
        reverse("console:invitations_send"),
        {"list": "name,email\nMaja Berg,maja@a.example\nNils,nils@a.example", "row": ["1", "2"]},
    )
    assert answer.status_code == 303
    assert set(Invitation.objects.values_list("person__email", flat=True)) == {"maja@a.example", "nils@a.example"}
    here.person.refresh_from_db()
    assert here.person.name == "Maja Lind"
    assert "it has changed meanwhile: maja@a.example. Is here already." in page(administrator)


def test_nothing_chosen_that_can_be_done_shows_the_list_again(administrator: Client) -> None:
    invited("Maja Lind", email="maja@a.example")
    for box in ("row", "change"):
        answer = administrator.post(
            reverse("console:invitations_send"), {"list": "name,email\nMaja Lind,maja@a.example", box: ["1"]}
        )
        assert answer.status_code == 400
        assert "Nothing changes." in answer.content.decode()
    assert Invitation.objects.count() == 1


@pytest.fixture
def ines() -> Person:
    return factories.person("Ines Okafor", role=Person.Role.HELPDESK, password=factories.PASSWORD)


def list_of(person: Person, name: str = "Ines Okafor-Lind", groups: str = "sales", language: str = "de") -> str:
    return f"name,email,groups,language\n{name},{person.email.upper()},{groups},{language}\n"


def test_the_list_says_what_it_would_change_for_whoever_is_here(administrator: Client, ines: Person) -> None:
    ines.groups.add(Group.objects.create(name="Berlin"))
    Group.objects.create(name="Sales")
    text = read(administrator, list_of(ines, groups="sales;Berlin").encode())
    assert "1 person is here already and can be changed." in text
    assert "Is here already. Their name is changed from “Ines Okafor”. Comes into: Sales." in text
    assert "Their language becomes Deutsch." in text or "Their language becomes German." in text
    assert 'name="change" value="1"' in text
    assert 'name="row"' not in text
    assert not Entry.objects.filter(person_id=ines.id).exists()


def test_what_the_list_leaves_empty_stays_and_a_row_that_changes_nothing_says_so(
    administrator: Client, ines: Person
) -> None:
    Person.objects.filter(id=ines.id).update(language="de")
    text = read(administrator, list_of(ines, name="Ines Okafor", groups="", language="").encode())
    assert "Is here already. Nothing changes." in text
    assert "1 row changes nothing." in text
    assert 'name="change"' not in text
    assert "the chosen people" not in text


def test_whoever_is_here_gets_name_language_and_groups_of_the_list_and_nothing_else(
    administrator: Client, ines: Person
) -> None:
    ines.groups.add(Group.objects.create(name="Berlin"))
    Group.objects.create(name="Sales")
    before = Person.objects.values("email", "role", "password", "is_active", "time_zone").get(id=ines.id)
    answer = administrator.post(reverse("console:invitations_send"), {"list": list_of(ines), "change": ["1"]})
    assert answer["Location"] == reverse("console:people")
    assert "1 person is changed." in administrator.get(answer["Location"]).content.decode()
    after = Person.objects.get(id=ines.id)
    assert (after.name, after.language) == ("Ines Okafor-Lind", "de")
    assert {group.name for group in after.groups.all()} == {"Berlin", "Sales"}
    assert Person.objects.values(*before).get(id=ines.id) == before
    verbs = Entry.objects.filter(person_id=ines.id).values_list("verb", flat=True)
    assert set(verbs) == {Verb.PERSON_CHANGED, Verb.PREFERENCES_CHANGED, Verb.GROUPS_CHANGED}
    assert not Invitation.objects.exists()
    again = administrator.post(reverse("console:invitations_send"), {"list": list_of(ines), "change": ["1"]})
    assert again.status_code == 400
    assert Entry.objects.filter(person_id=ines.id).count() == 3


def test_new_people_and_people_who_are_here_may_stand_in_one_list(administrator: Client, ines: Person) -> None:
    content = "name,email\nNils Berg,nils@a.example\n" + f"Ines Lind,{ines.email}\n"
    assert "Invite or change the chosen people" in read(administrator, content.encode())
    answer = administrator.post(reverse("console:invitations_send"), {"list": content, "row": ["1"], "change": ["2"]})
    assert answer["Location"] == reverse("console:invitations")
    assert Invitation.objects.get().person.email == "nils@a.example"
    assert Person.objects.get(id=ines.id).name == "Ines Lind"


def test_a_name_from_a_provider_stays_and_groups_of_the_list_come_beside_its_own(
    administrator: Client, ines: Person
) -> None:
    Person.objects.filter(id=ines.id).update(provider="okta", is_active=False)
    staff = Group.objects.create(name="Staff")
    Membership.objects.create(person=ines, group=staff, provider="okta")
    Group.objects.create(name="Sales")
    text = read(administrator, list_of(ines).encode())
    assert "Their name stays “Ines Okafor”: it comes from where they sign in." in text
    assert "Stays suspended." in text
    administrator.post(reverse("console:invitations_send"), {"list": list_of(ines), "change": ["1"]})
    after = Person.objects.get(id=ines.id)
    assert (after.name, after.language, after.is_active) == ("Ines Okafor", "de", False)
    assert set(after.memberships.values_list("group__name", "provider")) == {("Staff", "okta"), ("Sales", "")}


def test_who_may_invite_but_not_manage_people_changes_nobody_by_a_list(sign_in_as: SignedInAs, ines: Person) -> None:
    Group.objects.create(name="Sales")
    helpdesk = sign_in_as("helpdesk")
    text = read(helpdesk, list_of(ines).encode())
    assert "has an account with this address already." in text
    assert 'name="change"' not in text
    answer = helpdesk.post(reverse("console:invitations_send"), {"list": list_of(ines), "change": ["1"]})
    assert answer.status_code == 400
    with pytest.raises(NotAllowed):
        list_updates.bring_up_to_date(actor=factories.actor(ines), person=ines, name="Me", language="", groups=[])
    assert Person.objects.get(id=ines.id).name == "Ines Okafor"


def test_one_who_cannot_be_changed_holds_up_nobody_else(administrator: Client, ines: Person) -> None:
    other = factories.person("Nils Berg", password=factories.PASSWORD)
    content = f"name,email\nIn\x01es,{ines.email}\nNils Lind,{other.email}\n"
    administrator.post(reverse("console:invitations_send"), {"list": content, "change": ["1", "2"]})
    assert Person.objects.get(id=other.id).name == "Nils Lind"


def test_a_group_that_is_deleted_meanwhile_leaves_the_person_as_they_were(ines: Person) -> None:
    group = Group.objects.create(name="Sales")
    Group.objects.filter(id=group.id).delete()
    amara = factories.actor(factories.administrator("Amara Diallo"))
    with pytest.raises(Conflict, match="deleted"):
        list_updates.bring_up_to_date(actor=amara, person=ines, name="Ines Lind", language="", groups=[group])
    assert Person.objects.get(id=ines.id).name == "Ines Okafor"
    assert not Entry.objects.filter(person_id=ines.id).exists()


def test_several_are_sent_again_and_one_that_cannot_be_holds_up_none(administrator: Client) -> None:
    one, two, gone = (invited(f"Person {number}", f"p{number}@a.example") for number in range(3))
    invitations.revoke(invitation_id=gone.id, actor=factories.actor(factories.administrator()))
    before = {row.id: row.token_hash for row in Invitation.objects.all()}
    answer = administrator.post(
        reverse("console:invitations_change"),
        {"do": "resend", "id": [str(one.id), str(two.id), str(gone.id)], "back": "list", "state": "open"},
    )
    assert answer["Location"].startswith(f"{reverse('console:invitations')}?state=open")
    after = {row.id: row.token_hash for row in Invitation.objects.all()}
    assert {row for row in before if before[row] != after[row]} == {one.id, two.id}
    text = page(administrator)
    assert "2 invitations go out again" in text
    assert "The invitation of Person 2 is revoked." in text


def test_one_is_revoked_from_its_page(administrator: Client) -> None:
    one = invited()
    answer = administrator.post(
        reverse("console:invitations_change"), {"do": "revoke", "id": str(one.id), "back": "one"}
    )
    assert answer["Location"] == reverse("console:invitations_one", args=[one.id])
    assert "Revoked" in administrator.get(answer["Location"]).content.decode()


@pytest.mark.parametrize("values", [{"do": "dance"}, {}, {"do": "resend", "id": "no-uuid"}])
def test_an_order_that_makes_no_sense_is_refused(administrator: Client, values: dict[str, str]) -> None:
    assert administrator.post(reverse("console:invitations_change"), values).status_code in {400, 404}


def test_the_link_is_shown_on_demand_to_who_may_invite_and_that_is_recorded(
    administrator: Client, sign_in_as: SignedInAs
) -> None:
    one = invited()
    plain = administrator.get(reverse("console:invitations_one", args=[one.id])).content.decode()
    assert "/invitation/" not in plain
    shown = administrator.post(reverse("console:invitations_link", args=[one.id])).content.decode()
    found = re.search(r'data-copy="[^"]*/invitation/([\w-]+)"', shown)
    assert found
    assert invitations.find(token=found[1]) == one
    assert Entry.objects.filter(verb=Verb.INVITATION_LINK_SHOWN).count() == 1
    text = sign_in_as(Person.Role.AUDITOR).get(reverse("console:invitations_one", args=[one.id])).content.decode()
    assert "Show the link" not in text


def test_without_a_mail_server_the_pages_say_so(administrator: Client, settings: Settings) -> None:
    invited()
    assert "No mail server is set" in page(administrator)
    settings.ENVIRONMENT = Environment(smtp_url="smtp://mail.example.org", mail_from="a@b.example")
    assert "No mail server is set" not in page(administrator)
