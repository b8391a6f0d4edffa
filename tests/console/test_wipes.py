"""Wipes beyond the limits, as administrators see and decide them."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.commands import asking
from mydevices.commands.models import Action, Command
from mydevices.commands.states import State
from mydevices.devices.models import Device
from tests import factories
from tests.confirming import is_asked
from tests.console.conftest import SignedInAs
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

LIST = "/console/waiting"


@pytest.fixture
def ines() -> Person:
    return factories.person("Ines Okafor", password=PASSWORD)


def wiped(owner: Person, name: str) -> Action:
    now = timezone.now()
    device = factories.device(owner, name=name, now=now)
    return asking.enqueue(device=device, kind=ActionKind.WIPE, actor=factories.actor(owner, proved=now))


@pytest.fixture
def held(ines: Person) -> Action:
    wiped(ines, "First iPhone")
    action = wiped(ines, "Second <iPhone>")
    assert action.approval == "waiting"
    return action


def one(action: Action) -> str:
    return reverse("console:devices_wipes_one", args=[action.id])


def state_of(action: Action) -> str:
    return Command.objects.get(action=action).state


def text(browser: Client, address: str) -> str:
    return browser.get(address).content.decode()


def stale(browser: Client) -> None:
    """Their last proof of identity is ten minutes old."""
    session = browser.session
    long_ago = (timezone.now() - timedelta(minutes=10)).timestamp()
    for method in session["account_authentication_methods"]:
        method["at"] = long_ago
    session.save()


def test_with_nothing_to_decide_the_page_says_what_comes_here(administrator: Client) -> None:
    assert "Nothing is waiting" in text(administrator, LIST)
    assert "waits for an administrator" not in text(administrator, reverse("console:overview"))


def test_the_overview_leads_to_what_waits_and_the_list_says_whose_and_why(administrator: Client, held: Action) -> None:
    overview = text(administrator, reverse("console:overview"))
    assert "1 wipe waits for an administrator" in overview
    assert f'href="{LIST}"' in overview
    page = text(administrator, LIST)
    assert "Second &lt;iPhone&gt;" in page
    assert "Its owner asked for it" in page
    assert "more devices than one person may wipe" in page
    assert "First iPhone" not in page
    assert one(held) in page
    device = text(administrator, reverse("console:devices_one", args=[held.device_id]))
    assert one(held) in device
    assert "Wipe waiting for an administrator" in device


def test_one_that_is_allowed_goes_after_its_undo_window(administrator: Client, held: Action) -> None:
    page = text(administrator, one(held))
    assert "Taken from it" in page
    answer = administrator.post(one(held), {"decision": "approve", "reason": ""})
    assert (answer.status_code, answer["Location"]) == (303, LIST)
    held.refresh_from_db()
    assert (held.approval, held.held_until is not None) == ("approved", True)
    assert "Nothing is waiting" in text(administrator, LIST)


def test_one_that_is_refused_is_over_and_its_owner_reads_who_and_why(
    administrator: Client, held: Action, ines: Person
) -> None:
    assert administrator.post(one(held), {"decision": "refuse", "reason": "Ring me first."}).status_code == 303
    assert state_of(held) == State.CANCELLED
    own = Client()
    own.post(reverse("account_login"), {"login": ines.email, "password": PASSWORD})
    for page in (reverse("portal:history"), reverse("portal:device", args=[held.device_id])):
        assert "Refused by A administrator: Ring me first." in text(own, page)


@pytest.mark.parametrize(
    "form",
    [
        {"decision": "refuse", "reason": " "},
        {"decision": "refuse", "reason": "x" * 301},
        {"decision": "perhaps", "reason": "Because."},
        {},
    ],
)
def test_what_cannot_be_read_changes_nothing(administrator: Client, held: Action, form: dict[str, str]) -> None:
    assert administrator.post(one(held), form).status_code == 400
    held.refresh_from_db()
    assert (held.approval, state_of(held)) == ("waiting", State.HELD)


def test_of_two_who_decide_the_second_is_told(administrator: Client, sign_in_as: SignedInAs, held: Action) -> None:
    other = sign_in_as(Person.Role.ADMINISTRATOR)
    other.post(one(held), {"decision": "refuse", "reason": "No."})
    answer = administrator.post(one(held), {"decision": "approve"}, follow=True)
    assert "has been decided on or called off" in answer.content.decode()
    assert state_of(held) == State.CANCELLED


@pytest.mark.parametrize("role", [Person.Role.HELPDESK, Person.Role.AUDITOR])
def test_others_of_the_console_see_it_and_do_not_decide(sign_in_as: SignedInAs, held: Action, role: str) -> None:
    browser = sign_in_as(role)
    assert "Second &lt;iPhone&gt;" in text(browser, LIST)
    assert one(held) not in text(browser, LIST)
    assert browser.get(one(held)).status_code == 403
    assert browser.post(one(held), {"decision": "approve"}).status_code == 403
    assert state_of(held) == State.HELD


def test_letting_it_go_takes_a_fresh_proof_and_refusing_it_does_not(administrator: Client, held: Action) -> None:
    stale(administrator)
    assert administrator.get(one(held)).status_code == 200
    assert is_asked(administrator.post(one(held), {"decision": "approve"}))
    assert state_of(held) == State.HELD
    assert administrator.post(one(held), {"decision": "refuse", "reason": "No need."}).status_code == 303
    assert state_of(held) == State.CANCELLED


def test_an_administrator_does_not_let_their_own_wipe_go(administrator: Client, ines: Person) -> None:
    amara = Person.objects.get(name="A administrator")
    wiped(amara, "First iPad")
    own = wiped(amara, "Second iPad")
    factories.administrator()
    page = text(administrator, one(own))
    assert "another administrator decides" in page
    assert "Allow wipe" not in page
    assert administrator.post(one(own), {"decision": "approve"}).status_code == 403
    assert state_of(own) == State.HELD


def test_an_action_that_never_waited_is_no_page(administrator: Client, ines: Person) -> None:
    assert administrator.get(one(wiped(ines, "First iPhone"))).status_code == 404


def test_who_asks_is_told_before_that_it_will_wait(administrator: Client, ines: Person) -> None:
    wiped(ines, "First iPhone")
    second = factories.device(ines, name="Second iPhone", now=timezone.now())
    own = Client()
    own.post(reverse("account_login"), {"login": ines.email, "password": PASSWORD})
    assert "An administrator is asked first." in text(own, reverse("portal:wipe", args=[second.id]))
    own.post(reverse("portal:wipe", args=[second.id]), {"typed": "Second iPhone"})
    page = text(own, reverse("portal:device", args=[second.id]))
    assert "Wipe waiting for an administrator" in page
    assert "Cancel wipe" in page
    assert "Undo wipe" not in page
    asked = text(administrator, reverse("console:devices_act", args=[_another(ines).id, "wipe"]))
    assert "Another administrator is asked first" not in asked


def _another(owner: Person) -> Device:
    return factories.device(owner, name="Third iPhone", now=timezone.now())


def test_a_wipe_of_somebody_elses_device_that_a_demoted_administrator_asked_for_does_not_go(
    administrator: Client, ines: Person
) -> None:
    devices = [factories.device(ines, name=f"iPhone {number}", now=timezone.now()) for number in range(11)]
    kofi = factories.administrator("Kofi Mensah", password=PASSWORD)
    for device in devices:
        actor = factories.actor(kofi, proved=timezone.now())
        asking.enqueue(device=device, kind=ActionKind.WIPE, actor=actor, reason="Stolen.")
    action = Action.objects.get(approval="waiting")
    Person.objects.filter(id=kofi.id).update(role=Person.Role.HELPDESK)
    answer = administrator.post(one(action), {"decision": "approve", "reason": ""}, follow=True)
    assert "may not do it any more" in answer.content.decode()
    assert Action.objects.get(id=action.id).approval == "waiting"
