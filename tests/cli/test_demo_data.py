"""A database of made-up people and devices, to see the console at size."""

import pytest
from django.core.management import CommandError, call_command

from mydevices.accounts.models import Person
from mydevices.devices import selectors as devices
from mydevices.devices.models import Device, Registration
from tests import factories

pytestmark = pytest.mark.django_db


def test_it_makes_as_many_as_it_is_told_each_whole() -> None:
    call_command("demo_data", people=30, devices=50)
    assert Person.objects.count() == 30
    assert Device.objects.count() == 50
    assert Registration.objects.count() == 50
    assert all(
        device.registration and device.registration.device_id == device.id and device.inventory
        for device in Device.objects.select_related("registration")
    )
    assert not any(person.has_usable_password() for person in Person.objects.all())


def test_what_it_makes_is_found_by_a_search() -> None:
    call_command("demo_data", people=3, devices=4)
    last = Device.objects.get(serial_number="MU0000000003")
    assert set(devices.searched(Device.objects.all(), "mu0000000003")) == {last}
    assert last in devices.searched(Device.objects.all(), last.owner.email)
    found = Person.objects.filter(id__in=Person.matching("made.up.2@aldermoor"))
    assert [one.email for one in found] == ["made.up.2@aldermoor.example"]


def test_it_keeps_away_from_devices_that_somebody_has() -> None:
    factories.device(factories.person())
    with pytest.raises(CommandError, match="--force"):
        call_command("demo_data", people=1, devices=1)
    assert Device.objects.count() == 1
    call_command("demo_data", people=1, devices=1, force=True)
    assert Device.objects.count() == 2


@pytest.mark.parametrize(("people", "devices"), [(0, 1), (1, -1), (-5, 0)])
def test_numbers_that_make_no_sense_are_refused(people: int, devices: int) -> None:
    with pytest.raises(CommandError, match="At least one person"):
        call_command("demo_data", people=people, devices=devices)
