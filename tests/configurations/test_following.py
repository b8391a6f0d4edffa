"""What changes about people, their groups and devices is compared at once, and not only now and then."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from mydevices.accounts import groups, memberships, people
from mydevices.accounts import services as accounts
from mydevices.accounts.models import Group, Membership
from mydevices.configurations import comparison
from mydevices.configurations.kinds.web_clip import WebClip
from mydevices.devices import services as devices
from mydevices.devices.assignment import Assignment, To
from mydevices.devices.models import Device
from mydevices.outbox.models import Message
from mydevices.port.commands import INSTALL, REMOVE
from tests import factories
from tests.configurations.test_identities import IPHONE, MAC, Office, made, office
from tests.configurations.test_web_clip import work
from tests.platforms.apple.conftest import fresh

__all__ = ["office"]

pytestmark = pytest.mark.django_db

CLIP = WebClip(label="Hello $FULLNAME", url="https://portal.example/")


@pytest.fixture
def group(office: Office) -> Group:
    """One with Ines in it, that a web clip is for."""
    one = Group.objects.create(name="Sales")
    Membership.objects.create(group=one, person=office.ines)
    made("Clip", CLIP, Assignment(to=To.GROUPS, groups=frozenset({one.id})))
    work()
    office.deliver()
    return one


def follows(office: Office, verb: Callable[[], object]) -> list[tuple[str, str]]:
    """What is queued for Ines after a verb, by device and request, without any other comparison."""
    verb()
    assert Message.objects.filter(topic=comparison.TOPIC).count() == 1
    work()
    return [(device, request) for device, name, request in office.waiting() if name == "Clip"]


def test_whoever_leaves_a_group_loses_what_is_for_it(office: Office, group: Group) -> None:
    boss = fresh(factories.administrator())
    gone = follows(office, lambda: memberships.take_from_group(actor=boss, person=office.ines, group=group))
    assert gone == [(IPHONE, REMOVE), (MAC, REMOVE)]
    office.deliver()
    back = follows(office, lambda: memberships.put_in_group(actor=boss, person=office.ines, group=group))
    assert back == [(IPHONE, INSTALL), (MAC, INSTALL)]


def test_a_deleted_group_takes_what_was_for_it_along(office: Office, group: Group) -> None:
    boss = fresh(factories.administrator())
    assert follows(office, lambda: groups.delete_group(actor=boss, group=group)) == [(IPHONE, REMOVE), (MAC, REMOVE)]


def test_another_name_is_filled_in_on_the_devices(office: Office, group: Group) -> None:
    own = fresh(office.ines)
    sent = follows(office, lambda: accounts.change_name(actor=own, person=office.ines, name="Ines Abara"))
    assert sent == [(IPHONE, INSTALL), (MAC, INSTALL)]


def test_suspended_people_keep_nothing(office: Office, group: Group) -> None:
    boss = fresh(factories.administrator())
    sent = follows(office, lambda: people.suspend(actor=boss, person=office.ines))
    assert sent == [(IPHONE, REMOVE), (MAC, REMOVE)]


def test_a_device_that_becomes_personal_is_compared(office: Office) -> None:
    made("Clip", CLIP, Assignment(ownerships=frozenset({Device.Ownership.COMPANY})))
    work()
    office.deliver()
    boss = fresh(factories.administrator())

    def becomes_personal() -> None:
        devices.change_ownership(
            actor=boss, device=office.iphone, ownership=Device.Ownership.PERSONAL, reason="Bought", now=timezone.now()
        )

    assert follows(office, becomes_personal) == [(IPHONE, REMOVE)]


def test_a_crowd_is_one_message(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "AT_ONCE", 1)
    comparison.of_people([office.ines.id, office.other.id])
    assert [one.payload for one in Message.objects.filter(topic=comparison.TOPIC)] == [
        {"configuration": "", "after": ""}
    ]
