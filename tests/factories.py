"""People, devices and registrations for tests that are not about how these come to be."""

from datetime import UTC, datetime, timedelta
from itertools import count

from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.audit.actor import Actor
from mydevices.devices import selectors, services
from mydevices.devices.models import Channel, Device, Registration
from mydevices.devices.services import Introduction
from mydevices.platforms.apple import registrations
from mydevices.platforms.apple.registrations import Arrival, Promise

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ALL_RIGHTS = 8191
PASSWORD = "correct horse battery"

_numbers = count(1)


def person(name: str = "Ines Okafor", *, role: str = Person.Role.PERSON, password: str | None = None) -> Person:
    somebody = Person(
        name=name,
        email=f"person{next(_numbers)}@aldermoor.example",
        role=role,
        role_since=NOW - timedelta(days=300),
    )
    if somebody.has_console:  # tests that are about it (test_role_factors) make people of their own
        somebody.factor_due_at, somebody.factor_due_by_notice = datetime(2100, 1, 1, tzinfo=UTC), True
    somebody.set_password(password)
    somebody.save()
    return somebody


def invited(email: str, name: str = "Lena Brandt") -> Person:
    """Somebody who has an account, and nothing to sign in with yet."""
    somebody = Person(name=name, email=email)
    somebody.set_password(None)
    somebody.save()
    return somebody


def administrator(name: str = "Tomas Reiter", *, password: str | None = None) -> Person:
    return person(name, role=Person.Role.ADMINISTRATOR, password=password)


class _Now:
    """Stands for the moment of the call."""


def actor(somebody: Person, *, proved: datetime | type[_Now] | None = _Now) -> Actor:
    """This person, acting from their desk; `proved` is when they last gave their password: just now, unless it is
    said otherwise."""
    return Actor(
        kind="person",
        id=str(somebody.id),
        name=somebody.name,
        role=somebody.role,
        address="127.0.0.1",
        authenticated_at=timezone.now() if isinstance(proved, type) else proved,
    )


def device(
    owner: Person,
    *,
    model: str = "iPhone17,1",
    name: str = "Ines’s iPhone",
    ownership: str = Device.Ownership.COMPANY,
    rights: int = ALL_RIGHTS,
    unlock_token: bytes | None = b"unlock token",
    user_name: str = "",
    keys_held: bool = False,
    now: datetime = NOW,
) -> Device:
    """A registered device that can be woken, as `devices.selectors` gives it. With `user_name`, a Mac's user has a
    channel."""
    number = next(_numbers)
    registration, _replaced = services.begin(
        owner=owner,
        platform="apple",
        ownership=ownership,
        introduction=Introduction(
            hardware_id=f"UDID-{number}", name=name, model=model, os_name="iOS", os_version="26.1"
        ),
        now=now - timedelta(days=1),
        keys_held=keys_held,
    )
    registrations.begin(
        registration,
        Promise(
            topic="com.apple.mgmt.External.test",
            server_url="https://devices.example/mdm/apple/connect",
            checkin_url="https://devices.example/mdm/apple/checkin",
            scep_url="https://devices.example/mdm/apple/scep",
            access_rights=rights,
            profile_identifier="org.mydevices.registration.test",
        ),
        Arrival("com.apple.mgmt.External.test", is_user_enrollment=False),
    )
    for user_id, name_of_user, token in (("", "", unlock_token), (f"USER-{number}", user_name, None)):
        if user_id and not user_name:
            continue
        channel, _is_new = services.put_channel(
            registration=registration,
            user_id=user_id,
            user_name=name_of_user,
            push_token=f"token {number} {user_id}".encode(),
        )
        registrations.keep_channel(channel=channel, push_magic=f"magic {number} {user_id}", unlock_token=token)
    services.activate(registration=registration)
    return selectors.owned(owner, registration.device_id)


def supervise(of: Device, *, is_supervised: bool = True) -> None:
    """It has said so."""
    registrations.supervised(of.id, is_supervised=is_supervised)


def mac(owner: Person, *, user_name: str = "ines", name: str = "Studio MacBook") -> Device:
    return device(owner, model="Mac15,12", name=name, unlock_token=None, user_name=user_name)


def channel(of: Device) -> Channel:
    """The device's own channel."""
    return Channel.objects.get(registration=of.registration_id, kind=Channel.Kind.DEVICE)


def life(of: Device) -> Registration:
    return Registration.objects.filter(device=of).latest("started_at")
