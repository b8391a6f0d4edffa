"""Apps: kept where a policy says so, replaced whole, sealed, shown to whom they concern, and let go of."""

import pytest
from django.db import connection
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.applications import selectors, services
from mydevices.applications.models import Listing
from mydevices.applications.selectors import App
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands.models import Command
from mydevices.devices import selectors as devices
from mydevices.devices.assignment import EVERYONE, Assignment, To
from mydevices.devices.models import Device, Registration
from mydevices.errors import CannotOpen, NotAllowed
from mydevices.platforms.apple.models import AppleRegistration
from mydevices.policies import services as policies
from mydevices.policies.kinds import privacy
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.models import Policy
from mydevices.registration import lives
from tests import factories

pytestmark = pytest.mark.django_db

CHESS = App("Chess", "org.example.chess", "12.4", 58_720_256)
WIKI = App("wiki reader", "org.example.wiki", "", None)


@pytest.fixture
def ines() -> Person:
    return factories.person("Ines Okafor")


@pytest.fixture
def phone(ines: Person) -> Device:
    return factories.device(ines)


def decide(what: str, *, assignment: Assignment = EVERYONE) -> Policy:
    return policies.create(
        actor=Actor.system("test"), name="Apps", values=Privacy(app_inventory=what), assignment=assignment
    )


def change(policy: Policy, what: str) -> None:
    Policy.objects.filter(id=policy.id).update(values=Privacy(app_inventory=what).stored())


def read(device: Device) -> Device:
    return devices.by_id(device.id)


def rows() -> int:
    """What the table holds, asked past everything that could hide a row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM applications_listing")
        return int(cursor.fetchone()[0])


def store(device: Device, *apps: App, scope: str = "all") -> bool:
    return services.store(device_id=device.id, scope=scope, apps=apps, now=timezone.now())


def asked() -> list[str]:
    return [str(one.parameters["scope"]) for one in Command.objects.filter(request_type="InstalledApplicationList")]


# Asking


def test_nobody_is_asked_until_a_policy_says_so(phone: Device) -> None:
    assert services.sweep(now=timezone.now()) == 0
    decide(privacy.NO_APPS)
    assert services.sweep(now=timezone.now()) == 0
    assert (asked(), rows()) == ([], 0)


@pytest.mark.parametrize("what", [privacy.MANAGED_APPS, privacy.ALL_APPS])
def test_a_device_is_asked_once_a_day_for_what_the_policy_says(phone: Device, what: str) -> None:
    decide(what)
    now = timezone.now()
    assert services.sweep(now=now) == 1
    assert asked() == [what]
    Command.objects.update(state="cancelled")
    assert services.sweep(now=now + services.EVERY / 2) == 0
    assert services.sweep(now=now + services.EVERY) == 1
    assert asked() == [what, what]


def test_a_device_that_has_not_answered_is_not_asked_twice(phone: Device) -> None:
    decide(privacy.ALL_APPS)
    now = timezone.now()
    services.sweep(now=now)
    assert services.sweep(now=now + services.EVERY) == 0
    assert asked() == ["all"]


def test_only_those_are_asked_whom_the_deciding_policy_reaches(ines: Person, phone: Device) -> None:
    own = factories.device(ines, ownership=Device.Ownership.PERSONAL)
    decide(privacy.NO_APPS, assignment=Assignment(to=To.EVERYONE, ownerships=frozenset({Device.Ownership.PERSONAL})))
    policies.create(
        actor=Actor.system("test"), name="Rest", values=Privacy(app_inventory=privacy.ALL_APPS), assignment=EVERYONE
    )
    services.sweep(now=timezone.now())
    assert list(Listing.objects.values_list("device", flat=True)) == [phone.id]
    assert selectors.scope(read(own)) == ""


def test_all_of_many_are_asked_in_steps(ines: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "AT_ONCE", 2)
    for _each in range(5):
        factories.device(ines)
    decide(privacy.ALL_APPS)
    assert services.sweep(now=timezone.now()) == 5


def test_a_profile_without_the_right_is_not_asked(ines: Person) -> None:
    blind = factories.device(ines, rights=8191 & ~256)
    decide(privacy.ALL_APPS)
    assert services.sweep(now=timezone.now()) == 0
    assert "gives no right" in selectors.refusal(read(blind))


def test_a_user_enrolment_has_no_rights_and_is_asked_all_the_same(ines: Person) -> None:
    factories.device(ines, rights=0)
    AppleRegistration.objects.update(is_user_enrollment=True)
    decide(privacy.MANAGED_APPS)
    assert services.sweep(now=timezone.now()) == 1


def test_a_mac_of_a_user_enrolment_is_not_asked(ines: Person) -> None:
    mac = factories.mac(ines)
    AppleRegistration.objects.update(is_user_enrollment=True)
    decide(privacy.ALL_APPS)
    assert services.sweep(now=timezone.now()) == 0
    assert "Apple lets nobody" in selectors.refusal(read(mac))


@pytest.mark.parametrize(
    ("version", "what", "is_asked"),
    [
        ("10.14.6", privacy.MANAGED_APPS, False),
        ("", privacy.MANAGED_APPS, False),
        ("٣.1", privacy.MANAGED_APPS, False),
        ("10.14.6", privacy.ALL_APPS, True),
        ("10.15", privacy.MANAGED_APPS, True),
        ("26", privacy.MANAGED_APPS, True),
    ],
)
def test_a_mac_too_old_to_tell_managed_apps_is_not_asked_for_them(
    ines: Person, version: str, what: str, is_asked: bool
) -> None:
    factories.mac(ines)
    Device.objects.update(os_version=version)
    decide(what)
    assert services.sweep(now=timezone.now()) == int(is_asked)


# Keeping


def test_what_a_device_tells_replaces_what_it_told(phone: Device) -> None:
    decide(privacy.ALL_APPS)
    assert store(phone, WIKI, CHESS)
    listing, apps = selectors.kept(phone)
    assert list(apps) == [CHESS, WIKI]
    assert listing is not None
    assert (listing.number, listing.is_cut) == (2, False)
    assert store(phone)
    assert selectors.kept(phone)[1] == []
    assert rows() == 1


def test_no_more_are_kept_than_are_worth_it(phone: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST", 1)
    decide(privacy.ALL_APPS)
    store(phone, WIKI, CHESS)
    listing, apps = selectors.kept(phone)
    assert listing is not None
    assert listing.is_cut
    assert list(apps) == [CHESS]


def test_a_list_is_sealed_to_its_device(ines: Person, phone: Device) -> None:
    decide(privacy.ALL_APPS)
    other = factories.device(ines)
    store(phone, CHESS)
    store(other, WIKI)
    content = Listing.objects.get(device=phone).content
    assert content is not None
    assert b"Chess" not in bytes(content)
    Listing.objects.filter(device=other).update(content=content)
    with pytest.raises(CannotOpen):
        selectors.kept(other)


@pytest.mark.parametrize("what", [privacy.NO_APPS, privacy.MANAGED_APPS])
def test_an_answer_that_comes_after_the_policy_changed_is_not_kept(phone: Device, what: str) -> None:
    decide(what)
    assert not store(phone, CHESS)
    assert rows() == 0


def test_a_device_that_has_left_tells_nothing(phone: Device) -> None:
    decide(privacy.ALL_APPS)
    Registration.objects.update(state=Registration.State.RETIRED, ended_at=timezone.now())
    assert not store(phone, CHESS)
    assert rows() == 0


# Letting go


@pytest.mark.parametrize("what", [privacy.NO_APPS, privacy.MANAGED_APPS])
def test_what_a_policy_no_longer_allows_is_gone_in_batches(
    ines: Person, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(services, "AT_ONCE", 2)
    policy = decide(privacy.ALL_APPS)
    found = [factories.device(ines) for _each in range(5)]
    for device in found:
        store(device, CHESS)
    assert rows() == 5
    change(policy, what)
    assert services.look(device=read(found[0]), actor=factories.actor(ines)) == (None, ())  # before it is swept
    services.sweep(now=timezone.now())
    assert not Listing.objects.exclude(content=None).exists()
    assert rows() == (5 if what == privacy.MANAGED_APPS else 0)  # these have been asked for less


def test_retiring_a_device_deletes_its_list_at_once(phone: Device) -> None:
    decide(privacy.ALL_APPS)
    store(phone, CHESS)
    life = Registration.objects.select_related("device__owner").get(device=phone)
    lives.retired(registration=life, reason=Registration.Ending.CHECKED_OUT, now=timezone.now())
    assert rows() == 0


@pytest.mark.parametrize("state", Registration.ENDED)
def test_what_a_device_left_behind_is_swept(phone: Device, state: str) -> None:
    decide(privacy.ALL_APPS)
    store(phone, CHESS)
    Registration.objects.update(state=state, ended_at=timezone.now())
    services.sweep(now=timezone.now())
    assert rows() == 0


# Looking


def test_its_owner_looks_and_nothing_is_noted(ines: Person, phone: Device) -> None:
    decide(privacy.ALL_APPS)
    store(phone, CHESS)
    assert services.look(device=read(phone), actor=factories.actor(ines))[1] == [CHESS]
    assert not Entry.objects.filter(verb=Verb.APPS_SEEN).exists()


@pytest.mark.parametrize("role", [Person.Role.HELPDESK, Person.Role.ADMINISTRATOR])
def test_who_assists_looks_and_its_owner_sees_it(ines: Person, phone: Device, role: str) -> None:
    decide(privacy.ALL_APPS)
    store(phone, CHESS)
    somebody = factories.actor(factories.person("Amara", role=role))
    assert services.look(device=read(phone), actor=somebody)[1] == [CHESS]
    entry = Entry.objects.get(verb=Verb.APPS_SEEN)
    assert (entry.actor_name, entry.person_id, entry.device_id) == ("Amara", str(ines.id), str(phone.id))
    assert entry.details == {"how_many": 1}


@pytest.mark.parametrize("role", [Person.Role.PERSON, Person.Role.AUDITOR])
def test_strangers_and_auditors_do_not_look(phone: Device, role: str) -> None:
    decide(privacy.ALL_APPS)
    store(phone, CHESS)
    with pytest.raises(NotAllowed):
        services.look(device=read(phone), actor=factories.actor(factories.person("Sam", role=role)))
    assert not Entry.objects.filter(verb=Verb.APPS_SEEN).exists()
