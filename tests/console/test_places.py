"""Where somebody's device is, at the console: with a reason that its owner reads, by right, and as the policy says."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands.models import Action
from mydevices.console.views import places
from mydevices.devices.assignment import EVERYONE
from mydevices.devices.models import Device
from mydevices.errors import Invalid
from mydevices.location import services
from mydevices.location.models import Position
from mydevices.outbox.models import Message
from mydevices.platforms.apple.models import AppleRegistration
from mydevices.policies import services as policies
from mydevices.policies.kinds import privacy
from mydevices.policies.kinds.privacy import Privacy
from mydevices.protocols.position import Fix
from tests import factories
from tests.portal.conftest import SignedIn, sign_in

__all__ = ["sign_in"]

pytestmark = pytest.mark.django_db

WHY = "You called: it was left on the train."
HERE = "51.50720° N, 0.12760° W"


@pytest.fixture
def phone() -> Device:
    ines = factories.person("Ines Okafor", password=factories.PASSWORD)
    services.choose(person=ines, actor=factories.actor(ines), shares=True)
    found = factories.device(ines)
    AppleRegistration.objects.update(is_supervised=True)
    return found


@pytest.fixture
def console(sign_in: SignedIn) -> Client:
    return sign_in(factories.person("Hugo Desk", role=Person.Role.HELPDESK, password=factories.PASSWORD))


def keep(device: Device) -> None:
    now = timezone.now()
    fix = Fix(latitude=51.5072, longitude=-0.1276, accuracy=35, measured_at=now)
    assert services.record(device=device, source=Position.Source.LOST_MODE, fix=fix, now=now)


def at(device: Device, name: str = "where") -> str:
    return reverse(f"console:devices_{name}", args=[device.id])


def seen() -> list[Entry]:
    return list(Entry.objects.filter(verb=Verb.POSITION_SEEN).order_by("id"))


def mails() -> list[str]:
    rows = Message.objects.filter(topic="mail", payload__notice="position_seen").order_by("id")
    return [row.payload["facts"]["reason"] for row in rows]


def test_nothing_is_shown_before_the_reason(console: Client, phone: Device) -> None:
    keep(phone)
    page = console.get(at(phone)).content.decode()
    assert "Ines Okafor gets a mail" in page
    assert HERE not in page
    assert console.get(at(phone, "where_now")).status_code == 204
    for reason in ("", "   "):
        answer = console.post(at(phone), {"reason": reason})
        assert answer.status_code == 400
        assert HERE not in answer.content.decode()
    assert (seen(), mails()) == ([], [])


def test_with_a_reason_it_is_seen_recorded_and_mailed_once(console: Client, phone: Device, sign_in: SignedIn) -> None:
    keep(phone)
    page = console.post(at(phone), {"reason": WHY}, follow=True).content.decode()
    assert HERE in page
    assert 'data-latitude="51.507200"' in page
    assert f'href="{reverse("console:people")}"' in page  # the console's own places stand beside it
    console.get(at(phone))
    assert HERE in console.get(at(phone, "where_now")).content.decode()
    (entry,) = seen()
    assert (entry.actor_name, entry.details["reason"]) == ("Hugo Desk", WHY)
    assert mails() == [WHY]
    owner = sign_in(phone.owner)
    history = owner.get(reverse("portal:device_history", args=[phone.id])).content.decode()
    assert "Hugo Desk saw where it is" in history
    assert WHY in history


def test_who_looks_again_later_says_again_why(console: Client, phone: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(phone)
    console.post(at(phone), {"reason": WHY}, follow=True)
    monkeypatch.setattr(places, "LASTS", timedelta(0))
    assert HERE not in console.get(at(phone)).content.decode()
    monkeypatch.undo()
    console.post(at(phone), {"reason": "Still on the train?"}, follow=True)
    assert mails() == [WHY, "Still on the train?"]
    assert [entry.details["reason"] for entry in seen()] == mails()


def test_a_position_that_comes_while_somebody_looks_is_noted_and_told_once(console: Client, phone: Device) -> None:
    assert "No position is known." in console.post(at(phone), {"reason": WHY}, follow=True).content.decode()
    assert (seen(), mails()) == ([], [])
    for _each in range(2):
        keep(phone)
        console.get(at(phone, "where_now"))
    assert len(seen()) == 2
    assert mails() == [WHY]


def test_a_policy_that_keeps_it_to_the_owner_says_so(console: Client, phone: Device) -> None:
    keep(phone)
    console.post(at(phone), {"reason": WHY}, follow=True)
    policies.create(
        actor=Actor.system("test"),
        name="House rules",
        values=Privacy(location=privacy.ON, administrators_may_locate=False),
        assignment=EVERYONE,
    )
    answer = console.get(at(phone))
    assert "The policy “House rules” lets nobody but its owner see where it is." in answer.content.decode()
    assert HERE not in answer.content.decode()
    assert console.post(at(phone), {"reason": WHY}).status_code == 403
    assert console.get(at(phone, "where_now")).status_code == 403
    assert len(seen()) == 1


def test_a_lost_device_is_asked_for_the_reason_that_was_given(console: Client, phone: Device) -> None:
    console.post(at(phone, "locate"))
    assert not Action.objects.exists()
    console.post(at(phone), {"reason": WHY})
    assert "Only a lost device says where it is." in console.get(at(phone)).content.decode()
    Device.objects.update(lost_since=timezone.now())
    assert at(phone, "locate") in console.get(at(phone)).content.decode()
    console.post(at(phone, "locate"))
    assert Action.objects.get().kind == ActionKind.LOCATE
    assert Entry.objects.get(verb=Verb.ACTION_REQUESTED).details["reason"] == WHY
    assert "hx-get" in console.get(at(phone)).content.decode()


@pytest.mark.parametrize("role", [Person.Role.PERSON, Person.Role.AUDITOR])
def test_others_do_not_look(phone: Device, sign_in: SignedIn, client: Client, role: str) -> None:
    keep(phone)
    other = sign_in(factories.person("Sam", role=role, password=factories.PASSWORD))
    for name in ("where", "where_now"):
        assert other.get(at(phone, name)).status_code == 403
        assert client.get(at(phone, name)).status_code == 302
    for name in ("where", "locate"):
        assert other.post(at(phone, name), {"reason": WHY}).status_code == 403
    assert other.get(at(phone, "locate")).status_code in {403, 405}
    assert (seen(), mails()) == ([], [])


def test_the_verb_itself_demands_a_reason(phone: Device) -> None:
    keep(phone)
    boss = factories.actor(factories.administrator())
    for reason in ("", " \t"):
        with pytest.raises(Invalid, match="Say why"):
            services.look(device=phone, actor=boss, reason=reason)
    assert len(services.look(device=phone, actor=factories.actor(phone.owner))) == 1
