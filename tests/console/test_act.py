"""What administrators and the helpdesk ask of devices that are not theirs."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import asking
from mydevices.commands.models import Action, Command
from mydevices.devices.models import Device
from mydevices.errors import Invalid, NotAllowed
from mydevices.platforms.apple.models import AppleRegistration
from tests import factories
from tests.confirming import grow_stale, is_asked, send_again
from tests.console.conftest import SignedInAs
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def ines() -> Person:
    return factories.person("Ines Okafor", password=PASSWORD)


@pytest.fixture
def phone(ines: Person) -> Device:
    return factories.device(ines, name="Ines’s iPhone", now=timezone.now())


def ask(device: Device, kind: str) -> str:
    return reverse("console:devices_act", args=[device.id, kind])


def test_the_owner_reads_who_did_it_and_why(administrator: Client, phone: Device, ines: Person) -> None:
    answer = administrator.post(ask(phone, "lock"), {"reason": "Reported stolen.", "message": "Call us."})
    assert answer.status_code == 303
    action = Action.objects.get()
    assert (action.kind, action.actor_name) == ("lock", "A administrator")
    assert Entry.objects.get(verb=Verb.ACTION_REQUESTED).details == {"action": "lock", "reason": "Reported stolen."}
    own = Client()
    own.post(reverse("account_login"), {"login": ines.email, "password": PASSWORD})
    history = own.get(reverse("portal:history")).content.decode()
    assert "A administrator asked to lock" in history
    assert "Reported stolen." in history


def test_without_a_reason_nothing_is_asked(administrator: Client, phone: Device) -> None:
    assert administrator.post(ask(phone, "lock"), {"reason": " "}).status_code == 400
    assert not Action.objects.exists()
    with pytest.raises(Invalid):
        asking.enqueue(device=phone, kind=ActionKind.LOCK, actor=factories.actor(factories.administrator()))


@pytest.mark.parametrize("kind", ["wipe", "retire"])
def test_what_takes_a_device_away_is_confirmed_by_its_name(administrator: Client, phone: Device, kind: str) -> None:
    assert administrator.post(ask(phone, kind), {"reason": "Left.", "typed": "another"}).status_code == 400
    assert not Action.objects.exists()
    assert administrator.post(ask(phone, kind), {"reason": "Left.", "typed": "ines's iphone"}).status_code == 303
    action = Action.objects.get()
    assert action.held_until is not None
    page = administrator.get(reverse("console:devices_one", args=[phone.id])).content.decode()
    assert "Call off" in page
    administrator.post(reverse("console:devices_cancel", args=[phone.id, action.id]))
    assert Entry.objects.filter(verb=Verb.ACTION_CANCELLED).exists()


def test_the_helpdesk_assists_and_takes_nothing_away(sign_in_as: SignedInAs, phone: Device) -> None:
    desk = sign_in_as("helpdesk")
    assert desk.post(ask(phone, "check_in"), {"reason": "Asked by phone."}).status_code == 303
    assert Action.objects.get().kind == "check_in"
    page = desk.get(reverse("console:devices_one", args=[phone.id])).content.decode()
    assert "Wipe…" not in page
    for kind in ("wipe", "retire"):
        assert desk.post(ask(phone, kind), {"reason": "x", "typed": "Ines’s iPhone"}).status_code == 403
    assert Action.objects.count() == 1


@pytest.mark.parametrize(
    ("role", "kind"), [("helpdesk", ActionKind.WIPE), ("auditor", ActionKind.LOCK), ("person", ActionKind.CHECK_IN)]
)
def test_the_verb_asks_for_the_right_itself(phone: Device, role: str, kind: ActionKind) -> None:
    actor = factories.actor(factories.person(role=role), proved=timezone.now())
    with pytest.raises(NotAllowed):
        asking.enqueue(device=phone, kind=kind, actor=actor, reason="because")


def test_the_helpdesk_opens_no_administrators_device() -> None:
    theirs = factories.device(factories.administrator(), now=timezone.now())
    desk = factories.actor(factories.person(role="helpdesk"), proved=timezone.now())
    with pytest.raises(NotAllowed):
        asking.enqueue(device=theirs, kind=ActionKind.UNLOCK, actor=desk, reason="because")
    asking.enqueue(device=theirs, kind=ActionKind.LOCK, actor=desk, reason="Stolen.")


@pytest.mark.parametrize("kind", ["wipe", "retire", "unlock"])
def test_what_is_dangerous_needs_a_fresh_proof(administrator: Client, phone: Device, kind: str) -> None:
    session = administrator.session
    for record in session["account_authentication_methods"]:
        record["at"] -= timedelta(minutes=6).total_seconds()
    session.save()
    answer = administrator.post(ask(phone, kind), {"reason": "x", "typed": "Ines’s iPhone"})
    assert is_asked(answer)
    assert not Action.objects.exists()


def test_the_page_follows_what_is_under_way_and_rests_when_nothing_is(administrator: Client, phone: Device) -> None:
    now = reverse("console:devices_now", args=[phone.id])
    assert now not in page_of(administrator, phone)
    administrator.post(ask(phone, "lock"), {"reason": "Stolen."})
    assert now in page_of(administrator, phone)
    part = administrator.get(now).content.decode()
    assert part.lstrip().startswith('<div id="live" hx-get=')
    assert "<html" not in part
    Command.objects.update(state="sent", sent_at=timezone.now())
    Command.objects.update(state="done", finished_at=timezone.now())
    assert "hx-get" not in administrator.get(now).content.decode()
    assert administrator.post(now).status_code == 405


# A lost device


@pytest.fixture
def supervised(phone: Device) -> Device:
    AppleRegistration.objects.filter(registration__device=phone).update(is_supervised=True)
    return phone


def page_of(browser: Client, device: Device) -> str:
    return browser.get(reverse("console:devices_one", args=[device.id])).content.decode()


def test_the_helpdesk_marks_a_device_lost_lets_it_ring_and_says_that_it_was_found(
    sign_in_as: SignedInAs, supervised: Device
) -> None:
    desk = sign_in_as("helpdesk")
    before = page_of(desk, supervised)
    assert ask(supervised, "lost") in before
    assert ask(supervised, "found") not in before
    said = {"reason": "He rang us.", "message": "Bring it <back>.", "phone_number": "020 7946 0142"}
    assert desk.post(ask(supervised, "lost"), said).status_code == 303
    action = Action.objects.get()
    assert action.parameters == {"message": "Bring it <back>.", "phone_number": "020 7946 0142"}
    lost = page_of(desk, supervised)
    assert "What its screen says" in lost
    assert "Bring it &lt;back&gt;." in lost
    for kind in ("sound", "found"):
        assert ask(supervised, kind) in lost
        assert desk.get(ask(supervised, kind)).status_code == 200
        assert desk.post(ask(supervised, kind), {"reason": " "}).status_code == 400
        assert desk.post(ask(supervised, kind), {"reason": "It turned up."}).status_code == 303
    assert list(Action.objects.order_by("requested_at").values_list("kind", flat=True)) == ["lost", "sound", "found"]
    found = page_of(desk, supervised)
    assert "What its screen says" not in found


def test_its_owner_reads_who_marked_it_lost_and_why(administrator: Client, supervised: Device, ines: Person) -> None:
    administrator.post(ask(supervised, "lost"), {"reason": "Left on a train.", "message": "Please call."})
    own = Client()
    own.post(reverse("account_login"), {"login": ines.email, "password": PASSWORD})
    page = own.get(reverse("portal:device", args=[supervised.id])).content.decode()
    assert "Mark as lost, by A administrator" in page
    assert "Left on a train." in page
    assert "Please call." in own.get(reverse("portal:where", args=[supervised.id])).content.decode()


@pytest.mark.parametrize(
    "form",
    [
        {"reason": "Stolen."},
        {"reason": "Stolen.", "message": "x" * 201},
        {"reason": "Stolen.", "phone_number": "1" * 41},
        {"message": "Please call."},
    ],
)
def test_a_lost_device_has_something_to_say_and_its_owner_a_reason(
    administrator: Client, supervised: Device, form: dict[str, str]
) -> None:
    assert administrator.post(ask(supervised, "lost"), form).status_code == 400
    assert not Action.objects.exists()


def test_what_cannot_be_lost_says_why_and_who_only_looks_loses_nothing(
    administrator: Client, sign_in_as: SignedInAs, phone: Device
) -> None:
    answer = administrator.post(ask(phone, "lost"), {"reason": "Stolen.", "message": "Call."}, follow=True)
    assert "supervised" in answer.content.decode()
    AppleRegistration.objects.filter(registration__device=phone).update(is_supervised=True)
    for role in ("auditor", "person"):
        assert sign_in_as(role).post(ask(phone, "lost"), {"reason": "x", "message": "y"}).status_code == 403
    assert not Action.objects.exists()


def test_a_message_that_was_called_off_is_not_what_its_screen_says(administrator: Client, supervised: Device) -> None:
    administrator.post(ask(supervised, "lost"), {"reason": "Stolen.", "message": "First words."})
    Command.objects.update(state="sent", sent_at=timezone.now())
    Command.objects.update(state="done", finished_at=timezone.now())
    assert "Change the message" in page_of(administrator, supervised)
    administrator.post(ask(supervised, "lost"), {"reason": "Stolen.", "message": "Second words."})
    assert "Second words." in page_of(administrator, supervised)
    second = Action.objects.latest("requested_at")
    administrator.post(reverse("console:devices_cancel", args=[supervised.id, second.id]))
    assert "First words." in page_of(administrator, supervised)


def test_an_action_that_there_is_not_is_not_found(administrator: Client, phone: Device) -> None:
    assert administrator.get(ask(phone, "explode")).status_code == 404


def test_a_session_left_open_does_not_lock_one_device_after_the_other(
    sign_in_as: SignedInAs, ines: Person, phone: Device
) -> None:
    """One is somebody who calls; many, one by one, are a list by another name."""
    helpdesk = grow_stale(sign_in_as("helpdesk"))
    phones = [phone, *(factories.device(ines, name=f"Phone {number}", now=timezone.now()) for number in range(5))]
    answers = [helpdesk.post(ask(one, "lock"), {"reason": "Reported stolen."}) for one in phones]
    assert [is_asked(answer) for answer in answers] == [False, False, False, True, True, True]
    assert Action.objects.count() == asking.WITHOUT_PROOF.most
    assert Entry.objects.filter(verb=Verb.ACTION_REQUESTED).count() == 3
    assert send_again(helpdesk, answers[3]).status_code == 303
    assert Action.objects.count() == 4
