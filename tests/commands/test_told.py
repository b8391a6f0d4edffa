"""A device's owner is told by mail, at once, when somebody else asks something of it."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from mydevices.accounts.models import Person
from mydevices.accounts.notices import OPTIONAL, Notice
from mydevices.actions import ACTIONS, ActionKind
from mydevices.audit.actor import Actor
from mydevices.commands import asking, batches, wakes
from mydevices.devices import selectors as devices
from mydevices.devices.models import Device
from mydevices.errors import MyDevicesError
from mydevices.outbox.models import Message
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db

ASKED = {
    ActionKind.LOCK: Notice.DEVICE_LOCKED,
    ActionKind.UNLOCK: Notice.DEVICE_UNLOCKED,
    ActionKind.WIPE: Notice.DEVICE_WIPED,
    ActionKind.RETIRE: Notice.DEVICE_RETIRED,
}


@pytest.fixture
def ines() -> Person:
    return factories.person("Ines Okafor")


@pytest.fixture
def phone(ines: Person) -> Device:
    return factories.device(ines)


def mails() -> list[dict[str, Any]]:
    return [message.payload for message in Message.objects.filter(topic="mail").order_by("id")]


def ask(device: Device, kind: ActionKind, actor: Actor) -> None:
    asking.enqueue(device=devices.by_id(device.id), kind=kind, actor=actor, reason="Found in a taxi.", now=NOW)


@pytest.mark.parametrize("kind", ASKED)
def test_whatever_somebody_else_does_to_a_device_its_owner_reads_who_what_why_and_where(
    phone: Device, ines: Person, kind: ActionKind
) -> None:
    ask(phone, kind, factories.actor(factories.administrator("Amara Diallo")))
    [mail] = mails()
    assert (mail["notice"], mail["to"], mail["person"]) == (ASKED[kind], ines.email, str(ines.id))
    assert mail["facts"] == {
        "device": "Ines’s iPhone",
        "by": "Amara Diallo",
        "reason": "Found in a taxi.",
        "at": NOW.isoformat(),
        "page": reverse("portal:device", args=[phone.id]),
    }


@pytest.mark.parametrize("kind", [*ASKED, ActionKind.CHECK_IN])
def test_what_the_owner_or_the_server_asks_is_no_mail(phone: Device, ines: Person, kind: ActionKind) -> None:
    ask(phone, kind, factories.actor(ines))
    assert not mails()
    ask(factories.device(ines), kind, Actor.system("test"))
    assert not mails()


def test_a_check_in_is_nothing_to_write_about(phone: Device) -> None:
    ask(phone, ActionKind.CHECK_IN, factories.actor(factories.administrator()))
    assert not mails()


def test_of_many_devices_each_owner_is_told(phone: Device) -> None:
    theirs = factories.device(factories.person("Jon Bell"))
    actor = factories.actor(factories.administrator())
    batch = batches.start(
        batch_id=uuid4(), device_ids=[phone.id, theirs.id], kind=ActionKind.LOCK, actor=actor, reason="Audit.", now=NOW
    )
    batches.advance(batch_id=batch.id, now=NOW)
    assert {mail["to"] for mail in mails()} == {phone.owner.email, theirs.owner.email}
    assert {mail["facts"]["reason"] for mail in mails()} == {"Audit."}


def test_what_was_refused_or_did_not_come_about_is_no_mail(phone: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MyDevicesError):
        ask(phone, ActionKind.LOCK, factories.actor(factories.person("A Stranger")))
    assert not mails()

    def fail(*_arguments: object, **_named: object) -> None:
        raise IntegrityError("nothing of it stands")

    monkeypatch.setattr(wakes, "wake", fail)
    with pytest.raises(IntegrityError), transaction.atomic():
        ask(phone, ActionKind.LOCK, factories.actor(factories.administrator()))
    assert not mails()


def test_nobody_can_turn_these_mails_off() -> None:
    assert not {rules.notice for rules in ACTIONS.values()} & set(OPTIONAL)
