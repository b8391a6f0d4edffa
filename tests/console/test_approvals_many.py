"""A second administrator for what reaches many devices at once, over HTTP: batches, and configurations."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import approvals
from mydevices.accounts.models import Approval, ApprovalRules, Group, Membership, Person, ReachedDevice
from mydevices.accounts.notices import Notice
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import batches
from mydevices.commands.models import Action, Batch
from mydevices.configurations import services as configurations
from mydevices.configurations.kinds.exchange import Exchange
from mydevices.configurations.models import Configuration, SharedIdentity
from mydevices.devices.assignment import EVERYONE, Assignment, To
from mydevices.devices.models import Device
from mydevices.outbox.models import Message
from mydevices.policies import services as policies
from mydevices.policies.kinds.privacy import Privacy
from tests import factories
from tests.approving import carry_out_due
from tests.certificates import identities
from tests.console.test_approvals import browser_of, decide, mails, one, text, told, waits
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

WEEK = timedelta(days=7, seconds=1)


@pytest.fixture
def sam() -> Person:
    return factories.person("Sam Stone", role=Person.Role.HELPDESK, password=PASSWORD)


@pytest.fixture
def some() -> Sequence[Device]:
    """Three devices, of which nobody asks more than two without another's word."""
    ApprovalRules.objects.create(id=1, from_devices=2, batch_devices=2, configuration_devices=2)
    owner = factories.person("Ines Okafor")
    return [factories.device(owner, name=f"iPhone {number}", now=timezone.now()) for number in range(3)]


def ask(browser: Client, kind: str, devices: Sequence[Device], **form: str) -> Any:
    given = {
        "id": [str(device.id) for device in devices],
        "number": str(len(devices)),
        "typed": str(len(devices)),
        "batch": str(uuid4()),
        "reason": "Audit week.",
        **form,
    }
    return browser.post(reverse("console:devices_bulk", args=[kind]), given)


def work() -> int:
    """What the worker would be given; how many devices have been asked after it."""
    for message in Message.objects.filter(topic="batch"):
        batches.advance(batch_id=message.payload["batch"], now=timezone.now())
    Message.objects.filter(topic="batch").delete()
    return Action.objects.count()


# Batches


def test_the_helpdesk_does_not_lock_many_devices_alone(amara: Person, sam: Person, some: Sequence[Device]) -> None:
    """H6: one session of the helpdesk locked everything there was, with a text of its own. One administrator is enough
    for another to ask."""
    browser, boss = browser_of(sam), browser_of(amara)
    question = browser.get(f"{reverse('console:devices_bulk', args=['lock'])}?" + "&".join(f"id={d.id}" for d in some))
    assert "another administrator is asked first" in question.content.decode()
    answer = ask(browser, "lock", some, message="Pay here.")
    batch = Batch.objects.get()
    assert answer["Location"] == reverse("console:devices_batch", args=[batch.id])
    assert "No device has been asked yet" in text(browser, answer["Location"])
    assert work() == 0
    assert told(Notice.CHANGE_WAITS) == {str(amara.id)}
    page = text(boss, one(waits()))
    for words in ("Lock 3 devices", "Pay here.", "iPhone 2", "Ines Okafor", "Audit week.", "Sam Stone"):
        assert words in page
    assert decide(browser, waits(), "approve").status_code == 403
    decide(boss, waits(), "stop", "Who is that?")
    assert "Who is that?" in mails(Notice.CHANGE_STOPPED)[0]["facts"]["reason"]
    assert work() == 0
    batch.refresh_from_db()
    assert (batch.finished_at is not None, batches.tally(batch).stopped) == (True, 3)


def test_a_lock_that_is_allowed_goes_at_once(amara: Person, tomas: Person, some: Sequence[Device]) -> None:
    ask(browser_of(amara), "lock", some)
    assert decide(browser_of(amara), waits(), "approve").status_code == 403
    decide(browser_of(tomas), waits(), "approve")
    assert work() == 3
    assert {action.actor_id for action in Action.objects.all()} == {str(amara.id)}


def test_a_lock_waits_for_a_quarter_of_an_hour(amara: Person, sam: Person, some: Sequence[Device]) -> None:
    ask(browser_of(sam), "lock", some)
    approval = waits()
    assert approval.ends_at - approval.asked_at == timedelta(minutes=15)
    assert carry_out_due(now=approval.asked_at + timedelta(minutes=14)) == 0
    assert carry_out_due(now=approval.ends_at) == 1
    assert carry_out_due(now=approval.ends_at) == 0
    assert work() == 3


def test_retiring_many_waits_for_a_week_and_is_dropped(amara: Person, tomas: Person, some: Sequence[Device]) -> None:
    ask(browser_of(amara), "retire", some)
    approval = waits()
    assert "goes" not in mails(Notice.CHANGE_WAITS)[0]["facts"]
    assert "it is dropped" in text(browser_of(tomas), one(approval))
    assert carry_out_due(now=approval.asked_at + timedelta(days=6)) == 0
    assert carry_out_due(now=approval.asked_at + WEEK) == 1
    assert work() == 0
    approval.refresh_from_db()
    assert (approval.state, approval.decided_by) == ("stopped", "")
    assert Entry.objects.filter(verb=Verb.CHANGE_DROPPED).count() == 1
    assert Batch.objects.get().finished_at is not None
    assert told(Notice.CHANGE_STOPPED) == {str(amara.id)}


def test_few_devices_one_after_another_count_together(amara: Person, tomas: Person, some: Sequence[Device]) -> None:
    browser = browser_of(amara)
    ask(browser, "lock", some[:1])
    ask(browser, "lock", some[1:2])
    assert work() == 2
    ask(browser, "lock", some[2:])
    assert work() == 2
    # What waits itself counts for nothing, nor does another kind, another person or another day.
    Action.objects.all().delete()
    ask(browser, "check_in", some)
    ask(browser, "retire", some[:2])
    ask(browser_of(tomas), "lock", some[:2])
    assert approvals.waiting().count() == 1
    Batch.objects.update(started_at=timezone.now() - timedelta(hours=25))
    ask(browser, "lock", some[2:])
    assert approvals.waiting().count() == 1


def retire(browser: Client, device: Device) -> str:
    """By the page of the one device. What the next page says."""
    address = reverse("console:devices_act", args=[device.id, "retire"])
    form = {"typed": device.name, "reason": "Left."}
    return browser.post(address, form, follow=True).content.decode()


def test_many_devices_are_not_retired_one_by_one_either(amara: Person, tomas: Person, some: Sequence[Device]) -> None:
    """A list that is gone through by hand, or by a script, is a list."""
    browser = browser_of(amara)
    for device in some:
        page = retire(browser, device)
    assert "another administrator is asked first" in page
    assert Action.objects.filter(kind="retire").count() == 2
    # Nor in a small batch after them.
    ask(browser, "retire", some[2:])
    assert (work(), waits().kind) == (2, "batch.retire")
    decide(browser_of(tomas), waits(), "approve")
    assert work() == 3


def test_devices_whose_turn_in_a_batch_has_not_come_count_too(
    amara: Person, tomas: Person, some: Sequence[Device]
) -> None:
    browser = browser_of(amara)
    ask(browser, "retire", some[:2])
    assert not Action.objects.exists()
    assert "another administrator is asked first" in retire(browser, some[2])
    assert not Action.objects.exists()
    assert work() == 2


def test_retiring_ones_own_devices_asks_nobody(amara: Person, tomas: Person, some: Sequence[Device]) -> None:
    browser = browser_of(amara)
    for number in range(3):
        own = factories.device(amara, name=f"Own {number}", now=timezone.now())
        browser.post(reverse("portal:retire", args=[own.id]), {"typed": own.name})
    assert Action.objects.filter(kind="retire").count() == 3
    retire(browser, some[0])
    assert Action.objects.filter(kind="retire").count() == 4


@pytest.mark.parametrize("kind", ["lock", "retire"])
def test_with_one_administrator_or_few_devices_nothing_waits(amara: Person, some: Sequence[Device], kind: str) -> None:
    browser = browser_of(amara)
    ask(browser, kind, some)
    assert work() == 3
    factories.administrator()
    ApprovalRules.objects.update(from_devices=4)
    Action.objects.all().delete()
    ask(browser, kind, some)
    assert work() == 3
    assert not Approval.objects.exists()


def test_who_stops_the_batch_takes_it_back(amara: Person, tomas: Person, sam: Person, some: Sequence[Device]) -> None:
    browser = browser_of(sam)
    ask(browser, "lock", some)
    approval = waits()
    browser.post(reverse("console:devices_batch_stop", args=[Batch.objects.get().id]))
    approval.refresh_from_db()
    assert (approval.state, approval.decided_by) == ("stopped", "Sam Stone")
    assert carry_out_due(now=approval.ends_at) == 0
    assert work() == 0


def test_a_batch_of_somebody_who_is_suspended_or_demoted_meanwhile_does_not_go(
    amara: Person, sam: Person, some: Sequence[Device]
) -> None:
    ask(browser_of(sam), "lock", some)
    approval = waits()
    Person.objects.filter(id=sam.id).update(role=Person.Role.PERSON)
    carry_out_due(now=approval.ends_at)
    approval.refresh_from_db()
    assert approval.state == "failed"
    assert work() == 0
    assert Batch.objects.get().finished_at is not None


# Configurations


def clip(**changed: Any) -> dict[str, Any]:
    form = {
        "name": "Intranet",
        "about": "",
        "enabled": "on",
        "label": "Intranet",
        "url": "https://intranet.example",
        "removable": "on",
        "to": "everyone",
    }
    return form | changed


def new(kind: str = "web_clip") -> str:
    return reverse("console:configurations_new", args=[kind])


def test_a_configuration_for_many_devices_waits(amara: Person, tomas: Person, some: Sequence[Device]) -> None:
    browser, other = browser_of(amara), browser_of(tomas)
    answer = browser.post(new(), clip())
    approval = waits()
    assert answer["Location"] == one(approval)
    assert not Configuration.objects.exists()
    assert told(Notice.CHANGE_WAITS) == {str(amara.id), str(tomas.id)}
    page = text(other, one(approval))
    assert "Make the configuration “Intranet” for 3 devices" in page
    assert "https://intranet.example" in page
    assert decide(browser, approval, "approve").status_code == 403
    decide(other, approval, "approve")
    made = Configuration.objects.get()
    assert (made.name, made.values["url"]) == ("Intranet", "https://intranet.example")
    assert Entry.objects.get(verb=Verb.CONFIGURATION_CREATED).actor_id == str(tomas.id)


def test_one_for_few_goes_and_reaching_more_waits(amara: Person, tomas: Person, some: Sequence[Device]) -> None:
    group, everybody = Group.objects.create(name="Few"), Group.objects.create(name="Everybody")
    lena = factories.person("Lena Brandt")
    factories.device(lena, now=timezone.now())
    Membership.objects.create(group=group, person=lena)
    Membership.objects.create(group=everybody, person=some[0].owner)
    browser = browser_of(amara)
    browser.post(new(), clip(to="groups", groups=[str(group.id)]))
    made = Configuration.objects.get()
    edit = reverse("console:configurations_edit", args=[made.id])
    # Three more than before, though four are no more than twice the number.
    answer = browser.post(edit, clip(to="groups", groups=[str(group.id), str(everybody.id)]))
    assert answer["Location"] == one(waits())
    assert "new to 3 devices" in text(browser, one(waits()))
    assert "waits for another administrator" in text(browser, reverse("console:configurations_one", args=[made.id]))
    carry_out_due(now=waits().ends_at)
    made.refresh_from_db()
    assert {found.name for found in made.groups.all()} == {"Few", "Everybody"}


def installed(browser: Client, **changed: Any) -> Configuration:
    """One that reaches all, made while nothing waited."""
    ApprovalRules.objects.update(configuration_devices=100)
    browser.post(new(), clip(**changed))
    ApprovalRules.objects.update(configuration_devices=2)
    return Configuration.objects.get()


def test_what_many_devices_have_is_not_changed_by_one_alone(
    amara: Person, tomas: Person, some: Sequence[Device]
) -> None:
    """H6: one session moved everybody's Exchange host."""
    browser = browser_of(amara)
    made = installed(browser)
    edit = reverse("console:configurations_edit", args=[made.id])
    assert browser.post(edit, clip(url="https://elsewhere.example"))["Location"] == one(waits())
    made.refresh_from_db()
    assert made.values["url"] == "https://intranet.example"
    icon = SimpleUploadedFile("icon.png", b"\x89PNG\r\n\x1a\nanother", content_type="image/png")
    browser.post(edit, {**clip(), "icon": icon})
    approval = waits()
    assert approval.enclosure
    made.refresh_from_db()
    assert made.icon is None
    decide(browser_of(tomas), approval, "approve")
    made.refresh_from_db()
    approval.refresh_from_db()
    assert bytes(Configuration.objects.values_list("icon", flat=True).get() or b"") == b"\x89PNG\r\n\x1a\nanother"
    assert approval.enclosure is None


def test_another_name_and_fewer_devices_and_taking_it_away_do_not_wait(
    amara: Person, tomas: Person, some: Sequence[Device]
) -> None:
    browser = browser_of(amara)
    made = installed(browser)
    edit = reverse("console:configurations_edit", args=[made.id])
    browser.post(edit, clip(url="https://elsewhere.example"))
    assert browser.post(edit, clip(name="The intranet"))["Location"] == reverse(
        "console:configurations_one", args=[made.id]
    )
    assert not approvals.waiting().exists()  # replaced
    browser.post(edit, clip(to="nobody"))
    made.refresh_from_db()
    assert made.assigned_to == "nobody"
    # Once it is for nobody, or not in use, everybody is new to it.
    assert browser.post(edit, clip())["Location"] == one(waits())
    browser.post(reverse("console:configurations_delete", args=[made.id]))
    assert not Configuration.objects.exists()
    assert not approvals.waiting().exists()


def test_a_file_for_many_waits_sealed_and_arrives(amara: Person, tomas: Person, some: Sequence[Device]) -> None:
    data = identities.identity_for(amara).exported(identities.PASSWORD)
    form = {
        "name": "Shared",
        "about": "",
        "enabled": "on",
        "source": "single_file",
        "purpose": "both",
        "delete_key": "never",
        "to": "everyone",
        "file": SimpleUploadedFile("shared.p12", data),
        "password": identities.PASSWORD,
    }
    browser = browser_of(amara)
    answer = browser.post(new("identity_certificate"), form)
    assert answer["Location"] == one(waits()), answer.content.decode()
    assert "PRIVATE" not in str(waits().arguments)
    assert not SharedIdentity.objects.exists()
    decide(browser_of(tomas), waits(), "approve")
    kept = SharedIdentity.objects.get()
    assert kept.configuration.name == "Shared"
    assert Approval.objects.get().enclosure is None


def test_a_file_that_accounts_carry_reaches_their_devices_and_waits(
    amara: Person, tomas: Person, some: Sequence[Device]
) -> None:
    """It is for nobody by itself; the account that names it is for all."""
    data = identities.identity_for(amara).exported(identities.PASSWORD)
    form = {
        "name": "Shared",
        "about": "",
        "enabled": "on",
        "source": "single_file",
        "purpose": "both",
        "delete_key": "never",
        "to": "nobody",
        "password": identities.PASSWORD,
    }
    browser = browser_of(amara)
    browser.post(new("identity_certificate"), {**form, "file": SimpleUploadedFile("shared.p12", data)})
    shared = Configuration.objects.get()
    configurations.create(
        actor=Actor.system("test"),
        name="Mail",
        values=Exchange(host="mail.aldermoor.example", login_identity=str(shared.id)),
        assignment=EVERYONE,
    )
    before = SharedIdentity.objects.get().fingerprint
    another = identities.identity_for(tomas).exported(identities.PASSWORD)
    edit = reverse("console:configurations_edit", args=[shared.id])
    answer = browser.post(edit, {**form, "file": SimpleUploadedFile("shared.p12", another)})
    assert answer["Location"] == one(waits()), answer.content.decode()
    assert "new to 3 devices" in text(browser, one(waits()))
    assert SharedIdentity.objects.get().fingerprint == before
    decide(browser_of(tomas), waits(), "approve")
    assert SharedIdentity.objects.get().fingerprint != before


def test_with_one_administrator_a_configuration_goes_at_once(amara: Person, some: Sequence[Device]) -> None:
    assert browser_of(amara).post(new(), clip())["Location"] == reverse(
        "console:configurations_one", args=[Configuration.objects.get().id]
    )


def test_the_portal_as_a_web_clip_waits_as_well(amara: Person, tomas: Person, some: Sequence[Device]) -> None:
    assert browser_of(amara).post(reverse("console:configurations_portal"))["Location"] == one(waits())
    assert not Configuration.objects.exists()


def test_a_configuration_that_was_changed_meanwhile_is_not_overwritten(
    amara: Person, tomas: Person, some: Sequence[Device]
) -> None:
    browser = browser_of(amara)
    made = installed(browser)
    browser.post(reverse("console:configurations_edit", args=[made.id]), clip(url="https://elsewhere.example"))
    Configuration.objects.filter(id=made.id).update(revision=7)
    decide(browser_of(tomas), waits(), "approve")
    assert Approval.objects.get().state == "failed"
    made.refresh_from_db()
    assert made.values["url"] == "https://intranet.example"


def test_a_configuration_is_not_brought_to_many_devices_in_small_steps(
    amara: Person, tomas: Person, some: Sequence[Device]
) -> None:
    """Each change reaches few enough by itself."""
    browser, made = browser_of(amara), 0
    owners = [factories.person(f"Person {number}") for number in range(3)]
    for number, owner in enumerate(owners):
        factories.device(owner, now=timezone.now())
        group = Group.objects.create(name=f"Group {number}")
        Membership.objects.create(group=group, person=owner)
        form = clip(name=f"Clip {number}", to="groups", groups=[str(group.id)])
        made += "configurations" in browser.post(new(), form)["Location"]
    assert (made, Configuration.objects.count()) == (2, 2)
    assert "for 1 device" in text(browser, one(waits()))
    # The same devices again are no more devices, and another person or another day counts by itself.
    small = Configuration.objects.get(name="Clip 0")
    edit = reverse("console:configurations_edit", args=[small.id])
    groups = [str(group.id) for group in small.groups.all()]
    browser.post(edit, clip(name="Clip 0", url="https://elsewhere.example", to="groups", groups=groups))
    small.refresh_from_db()
    assert small.values["url"] == "https://elsewhere.example"
    form = clip(name="Another", to="groups", groups=[str(Group.objects.get(name="Group 2").id)])
    assert "configurations" in browser_of(tomas).post(new(), form)["Location"]
    ReachedDevice.objects.update(at=timezone.now() - timedelta(hours=25))
    assert "configurations" in browser.post(new(), {**form, "name": "Next day"})["Location"]


def test_what_is_changed_while_everybody_is_suspended_waits_as_well(
    amara: Person, tomas: Person, some: Sequence[Device]
) -> None:
    """Nobody is reached then, and everybody is once they are let in again."""
    browser = browser_of(amara)
    made = installed(browser)
    crowd = {"id": [str(some[0].owner_id)]}
    browser.post(reverse("console:people_crowd", args=["suspend"]), crowd)
    edit = reverse("console:configurations_edit", args=[made.id])
    assert browser.post(edit, clip(url="https://elsewhere.example"))["Location"] == one(waits())
    made.refresh_from_db()
    assert made.values["url"] == "https://intranet.example"


def test_groups_that_are_filled_while_a_configuration_waits_are_not_reached_by_it(
    amara: Person, tomas: Person, some: Sequence[Device]
) -> None:
    """Whoever allows it has read another number."""
    group = Group.objects.create(name="Pilot")
    Membership.objects.create(group=group, person=some[0].owner)
    browser = browser_of(amara)
    browser.post(new(), clip(to="groups", groups=[str(group.id)]))
    assert "for 3 devices" in text(browser, one(waits()))
    for number in range(3):
        owner = factories.person(f"Person {number}")
        factories.device(owner, now=timezone.now())
        browser.post(reverse("console:people_crowd", args=["join"]), {"id": [str(owner.id)], "group": str(group.id)})
    assert group.memberships.count() == 4
    answer = decide(browser_of(tomas), waits(), "approve")
    assert answer.status_code == 303
    assert Approval.objects.get().state == "failed"
    assert not Configuration.objects.exists()


def test_a_name_that_is_longer_in_lower_case_waits_like_any_other(
    amara: Person, tomas: Person, some: Sequence[Device]
) -> None:
    assert browser_of(amara).post(new(), clip(name="\u0390" * 120))["Location"] == one(waits())


# Groups


@pytest.fixture
def pilot(amara: Person, some: Sequence[Device]) -> Group:
    """A group that a configuration is for, and nobody is in it yet."""
    group = Group.objects.create(name="Pilot")
    made = Configuration.objects.create(kind="web_clip", name="Elsewhere", values=clip(), assigned_to="groups")
    made.groups.add(group)
    return group


def crowd_of(number: int) -> list[Person]:
    people = [factories.person(f"Person {one}", password=PASSWORD) for one in range(number)]
    for person in people:
        factories.device(person, now=timezone.now())
    return people


def join(browser: Client, people: Sequence[Person], group: Group, *, deed: str = "join") -> Any:
    given = {"id": [str(person.id) for person in people], "group": str(group.id)}
    return browser.post(reverse("console:people_crowd", args=[deed]), given)


def test_putting_many_people_into_a_group_that_a_configuration_is_for_waits(
    amara: Person, tomas: Person, pilot: Group
) -> None:
    people, browser, other = crowd_of(3), browser_of(amara), browser_of(tomas)
    assert join(browser, people, pilot)["Location"] == one(waits())
    assert not pilot.memberships.exists()
    page = text(other, one(waits()))
    for words in ("Put 3 people into: Pilot", "Person 2", "Elsewhere", people[0].email):
        assert words in page
    assert told(Notice.CHANGE_WAITS) == {str(amara.id), str(tomas.id)}
    assert decide(browser, waits(), "approve").status_code == 403
    decide(other, waits(), "approve")
    assert {row.person_id for row in pilot.memberships.all()} == {person.id for person in people}
    assert Entry.objects.filter(verb=Verb.GROUPS_CHANGED, actor_id=str(tomas.id)).count() == 3


def test_few_people_join_at_once_and_one_after_another_count_together(
    amara: Person, tomas: Person, pilot: Group
) -> None:
    people, browser = crowd_of(3), browser_of(amara)
    join(browser, people[:1], pilot)
    address = reverse("console:people_change", args=[people[1].id])
    browser.post(address, {"name": people[1].name, "role": "person", "groups": [str(pilot.id)]})
    assert pilot.memberships.count() == 2
    join(browser, people[2:], pilot)
    assert pilot.memberships.count() == 2
    assert "Put 1 person into: Pilot" in text(browser, one(waits()))
    carry_out_due(now=waits().ends_at)
    assert pilot.memberships.count() == 3


def test_where_nothing_is_for_a_group_everybody_joins_at_once(
    amara: Person, tomas: Person, some: Sequence[Device]
) -> None:
    group, people = Group.objects.create(name="Choir"), crowd_of(3)
    join(browser_of(amara), people, group)
    assert group.memberships.count() == 3
    assert not Approval.objects.exists()


def test_a_list_that_puts_many_into_a_group_waits_once_and_does_the_rest(
    amara: Person, tomas: Person, pilot: Group
) -> None:
    people = crowd_of(3)
    listed = "name,email,groups\n" + "".join(f"New {one.name},{one.email},Pilot\n" for one in people)
    form = {"list": listed, "change": ["1", "2", "3"]}
    browser_of(amara).post(reverse("console:invitations_send"), form)
    assert not pilot.memberships.exists()
    assert waits().arguments["devices"] == 3
    assert Person.objects.filter(name__startswith="New Person").count() == 3


def test_who_is_invited_with_devices_already_counts_as_well(amara: Person, tomas: Person, pilot: Group) -> None:
    """A PIN registers devices of people who have never signed in."""
    lena = factories.invited("lena@aldermoor.example")
    for _time in range(3):
        factories.device(lena, now=timezone.now())
    form = {"name": lena.name, "email": lena.email, "groups": [str(pilot.id)]}
    assert browser_of(amara).post(reverse("console:invitations_new"), form).status_code == 303
    assert lena.invitations.exists()
    assert not pilot.memberships.exists()
    decide(browser_of(tomas), waits(), "approve")
    assert pilot.memberships.get().person == lena


def test_a_role_and_groups_of_one_form_wait_by_themselves(amara: Person, tomas: Person, pilot: Group) -> None:
    (lena,) = crowd_of(1)
    for _time in range(2):
        factories.device(lena, now=timezone.now())
    address = reverse("console:people_change", args=[lena.id])
    form = {"name": lena.name, "role": "helpdesk", "groups": [str(pilot.id)]}
    assert browser_of(amara).post(address, form)["Location"] == one(waits())
    lena.refresh_from_db()
    assert (lena.role, pilot.memberships.exists()) == ("helpdesk", False)


def test_what_comes_with_a_group_is_not_exchanged_while_joining_it_waits(
    amara: Person, tomas: Person, pilot: Group
) -> None:
    """Nobody was in it, so the change of the configuration reached nobody and did not wait."""
    browser = browser_of(amara)
    join(browser, crowd_of(3), pilot)
    approval, made = waits(), Configuration.objects.get()
    edit = reverse("console:configurations_edit", args=[made.id])
    browser.post(edit, clip(name="Elsewhere", url="https://bad.example", to="groups", groups=[str(pilot.id)]))
    made.refresh_from_db()
    assert made.values["url"] == "https://bad.example"
    decide(browser_of(tomas), approval, "approve")
    approval.refresh_from_db()
    assert (approval.state, pilot.memberships.exists()) == ("failed", False)


def test_a_looser_policy_waits_for_many_that_come_into_its_group_or_leave_a_stricter_one(
    amara: Person, tomas: Person, some: Sequence[Device]
) -> None:
    watched, strict = Group.objects.create(name="Watched"), Group.objects.create(name="Strict")
    server, people = Actor.system("test"), crowd_of(3)
    for group, location in ((watched, "on"), (strict, "off")):
        only = Assignment(to=To.GROUPS, groups=frozenset({group.id}))
        policies.create(actor=server, name=group.name, values=Privacy(location=location), assignment=only)
    Membership.objects.bulk_create([Membership(group=strict, person=person) for person in people])
    browser = browser_of(amara)
    assert join(browser, people, watched)["Location"] == one(waits())
    decide(browser, waits(), "stop")
    assert join(browser, people, strict, deed="leave")["Location"] == one(waits())
    assert "Take 3 people out of: Strict" in text(browser, one(waits()))
    assert strict.memberships.count() == 3
    decide(browser_of(tomas), waits(), "approve")
    assert not strict.memberships.exists()


@pytest.mark.parametrize("step", ["leave two", "leave one and join another"])
def test_groups_that_are_changed_in_one_step_are_looked_at_together(
    amara: Person, tomas: Person, some: Sequence[Device], step: str
) -> None:
    """The first of two strict policies hid that the second was gone, or that a looser one came."""
    first, second = Group.objects.create(name="First"), Group.objects.create(name="Second")
    server, (lena,) = Actor.system("test"), crowd_of(1)
    for _time in range(2):
        factories.device(lena, now=timezone.now())
    values = {first: "off", second: "off" if step == "leave two" else "on"}
    for group, location in values.items():
        only = Assignment(to=To.GROUPS, groups=frozenset({group.id}))
        policies.create(actor=server, name=group.name, values=Privacy(location=location), assignment=only)
    if step != "leave two":
        policies.create(actor=server, name="All", values=Privacy(location="off"), assignment=EVERYONE)
    inside = [first, second] if step == "leave two" else [first]
    Membership.objects.bulk_create([Membership(group=group, person=lena) for group in inside])
    address = reverse("console:people_change", args=[lena.id])
    after = [] if step == "leave two" else [str(second.id)]
    answer = browser_of(amara).post(address, {"name": lena.name, "role": "person", "groups": after})
    assert answer["Location"] == one(waits())
    assert waits().arguments["devices"] == 3
    assert set(lena.groups.all()) == set(inside)
    decide(browser_of(tomas), waits(), "approve")
    assert {str(group.id) for group in lena.groups.all()} == set(after)


def test_a_group_that_demands_a_second_factor_is_not_emptied_by_one_alone(
    amara: Person, tomas: Person, some: Sequence[Device]
) -> None:
    """Deleting it waits; taking everybody out of it comes to the same."""
    group, people = Group.objects.create(name="Sales", second_factor_since=timezone.now()), crowd_of(3)
    Membership.objects.bulk_create([Membership(group=group, person=person) for person in people])
    assert join(browser_of(amara), people, group, deed="leave")["Location"] == one(waits())
    assert group.memberships.count() == 3


def test_with_one_administrator_everybody_joins_at_once(amara: Person, pilot: Group) -> None:
    join(browser_of(amara), crowd_of(3), pilot)
    assert pilot.memberships.count() == 3
