"""People and groups in the console."""

import csv
import io
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from mydevices.accounts import groups, memberships, people
from mydevices.accounts.models import Group, Membership, Person
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.console import listing
from mydevices.errors import Conflict, Invalid, MyDevicesError, NeedsFreshAuthentication, NotAllowed
from mydevices.presentation import files
from tests import factories
from tests.console.conftest import SignedInAs
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> Person:
    return factories.administrator("Tomas Reiter")


def acting(somebody: Person) -> Actor:
    return factories.actor(somebody, proved=timezone.now())


def names(browser: Client, query: str = "") -> list[str]:
    page = browser.get(reverse("console:people") + query).context["page"]
    return [row.name for row in page.rows]


def test_the_list_is_searched_filtered_and_sorted(administrator: Client) -> None:
    ines, amara = factories.person("Ines Okafor"), factories.person("Amara Diallo")
    finance = Group.objects.create(name="Finance")
    Membership.objects.create(group=finance, person=ines)
    device = factories.device(amara)
    type(device).objects.filter(id=device.id).update(serial_number="C02XYZ")
    Person.objects.filter(id=ines.id).update(is_active=False)
    assert names(administrator, "?q=okaf") == ["Ines Okafor"]
    assert names(administrator, f"?q={amara.email.upper()}") == ["Amara Diallo"]
    assert names(administrator, "?q=c02xyz") == ["Amara Diallo"]
    assert names(administrator, f"?group={finance.id}") == ["Ines Okafor"]
    assert names(administrator, "?state=suspended") == ["Ines Okafor"]
    assert names(administrator, "?devices=some") == ["Amara Diallo"]
    assert names(administrator, "?role=administrator") == ["A administrator"]
    everyone = names(administrator)
    assert everyone == sorted(everyone, key=str.lower)
    assert names(administrator, "?sort=-name") == everyone[::-1]


@pytest.mark.parametrize(
    "query", ["?sort=password", "?state=x&group=y&page=0", "?page=99999", "?q=&page=abc", "?group='"]
)
def test_what_is_not_offered_is_not_heard(administrator: Client, query: str) -> None:
    assert administrator.get(reverse("console:people") + query).status_code == 200


def test_pages_hold_everybody_once(administrator: Client) -> None:
    for number in range(120):
        factories.person(f"Person {number:03}")
    seen = [name for page in (1, 2, 3) for name in names(administrator, f"?page={page}")]
    assert len(seen) == len(set(seen)) == Person.objects.count()


def test_a_page_costs_the_same_however_long_the_list(administrator: Client) -> None:
    def statements() -> int:
        """The fewest of three: what a process remembers for some seconds is read anew now and then."""
        counts = []
        for _time in range(3):
            with CaptureQueriesContext(connection) as queries:
                administrator.get(reverse("console:people"))
            counts.append(len(queries))
        return min(counts)

    factories.device(factories.person())
    few = statements()
    for _number in range(30):
        factories.device(factories.person())
    assert statements() == few


def test_the_list_goes_into_a_file_and_nothing_in_it_is_a_formula(administrator: Client) -> None:
    factories.person("=HYPERLINK(1)")
    answer = administrator.get(reverse("console:people_export") + "?q=hyperlink")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row[0] for row in rows] == ["Name", "'=HYPERLINK(1)"]
    assert Entry.objects.get(verb=Verb.LIST_EXPORTED).details == {"list": "people"}


@given(st.sampled_from(["", *"=+-@＝＋－＠\t\r\n"]), st.text())  # noqa: RUF001  the wide ones count as formulas as well
def test_no_cell_begins_as_a_formula_does(beginning: str, text: str) -> None:
    assert not files.harmless(beginning + text).startswith(tuple("=+-@＝＋－＠\t\r\n"))  # noqa: RUF001  the same


def test_a_person_is_shown_with_what_is_theirs(sign_in_as: SignedInAs) -> None:
    ines = factories.person("Ines Okafor")
    factories.device(ines, name="Ines’s iPhone")
    for role in ("administrator", "helpdesk", "auditor"):
        page = sign_in_as(role).get(reverse("console:people_person", args=[ines.id])).content.decode()
        assert "Ines’s iPhone" in page
        assert ("Suspend…" in page) is (role == "administrator")


def test_a_suspended_person_is_signed_out_at_once(administrator: Client) -> None:
    ines = factories.person("Ines Okafor", password=PASSWORD)
    browser = Client()
    browser.post(reverse("account_login"), {"login": ines.email, "password": PASSWORD})
    administrator.post(reverse("console:people_suspend", args=[ines.id]))
    assert browser.get(reverse("portal:devices")).status_code == 302
    assert Entry.objects.filter(verb=Verb.PERSON_SUSPENDED, person_id=str(ines.id)).exists()
    administrator.post(reverse("console:people_resume", args=[ines.id]))
    ines.refresh_from_db()
    assert ines.is_active


def test_a_person_is_changed_in_one_form(administrator: Client) -> None:
    ines, finance = factories.person("Ines Okafor"), Group.objects.create(name="Finance")
    values = {"name": "Inès Okafor", "role": "helpdesk", "groups": [str(finance.id)]}
    assert administrator.post(reverse("console:people_change", args=[ines.id]), values).status_code == 303
    ines.refresh_from_db()
    assert (ines.name, ines.role, list(ines.groups.all())) == ("Inès Okafor", "helpdesk", [finance])


def test_groups_that_a_provider_brought_are_not_taken_away_by_hand(boss: Person) -> None:
    ines, theirs = factories.person(), Group.objects.create(name="Theirs")
    Membership.objects.create(group=theirs, person=ines, provider="aldermoor")
    memberships.put_in_groups(actor=acting(boss), person=ines, groups=[])
    assert list(ines.groups.all()) == [theirs]


def test_the_last_administrator_stays_one(boss: Person) -> None:
    system = Actor.system("a test")
    with pytest.raises(Conflict, match="last administrator"):
        people.suspend(actor=system, person=boss)
    with pytest.raises(Conflict, match="last administrator"):
        people.change_role(actor=system, person=boss, role="person")
    other = factories.administrator()
    people.suspend(actor=acting(boss), person=other)
    boss.refresh_from_db()
    assert boss.is_active


def test_nobody_does_it_to_themselves(boss: Person) -> None:
    factories.administrator()
    for verb in (people.suspend, people.resume):
        with pytest.raises(NotAllowed, match="Not to yourself"):
            verb(actor=acting(boss), person=boss)
    with pytest.raises(NotAllowed, match="Not to yourself"):
        people.change_role(actor=acting(boss), person=boss, role="person")


@pytest.mark.parametrize("role", ["person", "helpdesk", "auditor"])
def test_only_administrators_do_any_of_it(role: str) -> None:
    actor, ines, group = acting(factories.person(role=role)), factories.person(), Group.objects.create(name="One")
    verbs: list[Callable[[], object]] = [
        lambda: people.suspend(actor=actor, person=ines),
        lambda: people.resume(actor=actor, person=ines),
        lambda: people.change_role(actor=actor, person=ines, role="administrator"),
        lambda: memberships.put_in_groups(actor=actor, person=ines, groups=[group.id]),
        lambda: groups.save_group(actor=actor, group=Group(name="Two"), demands_factor=False),
        lambda: groups.delete_group(actor=actor, group=group),
    ]
    for verb in verbs:
        with pytest.raises(NotAllowed):
            verb()
    assert not Entry.objects.exists()


def test_what_is_dangerous_needs_a_fresh_proof(boss: Person) -> None:
    stale = factories.actor(boss, proved=timezone.now() - timedelta(minutes=6))
    ines, group = factories.person(), Group.objects.create(name="One")
    with pytest.raises(NeedsFreshAuthentication):
        people.suspend(actor=stale, person=ines)
    with pytest.raises(NeedsFreshAuthentication):
        people.change_role(actor=stale, person=ines, role="helpdesk")
    with pytest.raises(NeedsFreshAuthentication):
        groups.delete_group(actor=stale, group=group)


def test_a_role_that_there_is_not_is_refused(boss: Person) -> None:
    with pytest.raises(Invalid):
        people.change_role(actor=acting(boss), person=factories.person(), role="god")


@pytest.mark.django_db(transaction=True)
def test_of_two_administrators_who_suspend_each_other_one_stays() -> None:
    pair = [factories.administrator("One"), factories.administrator("Other")]
    gate = threading.Barrier(2)
    refused: list[str] = []

    def suspend(actor: Person, person: Person) -> None:
        gate.wait(10)
        try:
            people.suspend(actor=acting(actor), person=person)
        except MyDevicesError as refusal:
            refused.append(refusal.message)
        finally:
            connection.close()

    threads = [threading.Thread(target=suspend, args=(pair[here], pair[1 - here])) for here in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(refused) == 1
    assert Person.objects.filter(role="administrator", is_active=True).count() == 1


# Groups


def test_a_group_is_made_changed_and_deleted(administrator: Client) -> None:
    assert administrator.post(reverse("console:groups_new"), {"name": "Finance", "factor": "on"}).status_code == 303
    group = Group.objects.get()
    assert group.second_factor_since is not None
    since = group.second_factor_since
    administrator.post(reverse("console:groups_one", args=[group.id]), {"name": "Money", "factor": "on"})
    group.refresh_from_db()
    assert (group.name, group.second_factor_since) == ("Money", since)
    administrator.post(reverse("console:groups_one", args=[group.id]), {"name": "Money"})
    assert Group.objects.get().second_factor_since is None
    page = administrator.get(reverse("console:groups_delete", args=[group.id])).content.decode()
    assert "Its 0 members stay as they are" in page
    administrator.post(reverse("console:groups_delete", args=[group.id]))
    assert not Group.objects.exists()


def test_two_groups_of_one_name_are_refused_in_words(administrator: Client) -> None:
    Group.objects.create(name="Finance")
    answer = administrator.post(reverse("console:groups_new"), {"name": "FINANCE"})
    assert answer.status_code == 400
    assert "There is a group of this name" in answer.content.decode()


def test_a_count_stops_where_nobody_reads_on(administrator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST", 3)
    for _number in range(5):
        factories.person()
    assert "of more than 3" in administrator.get(reverse("console:people")).content.decode()
