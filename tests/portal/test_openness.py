"""What a device's page says that the organisation sees, has set up and may do: as it is decided and as it was read."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.applications import services as applications
from mydevices.applications.selectors import App
from mydevices.audit.actor import Actor
from mydevices.configurations.models import Installation
from mydevices.devices import services as device_services
from mydevices.devices.assignment import EVERYONE
from mydevices.devices.models import Device, Inventory, Registration
from mydevices.location import services
from mydevices.location.models import Position
from mydevices.platforms.apple.models import AppleRegistration
from mydevices.policies import services as policies
from mydevices.policies.kinds import privacy
from mydevices.policies.kinds.privacy import Privacy
from mydevices.protocols.position import Fix
from tests import factories

pytestmark = pytest.mark.django_db


def decide(**values: object) -> None:
    policies.create(
        actor=Actor.system("test"),
        name="House rules",
        values=Privacy(**values),  # type: ignore[arg-type]  # the test's own values
        assignment=EVERYONE,
    )


def groups(browser: Client, device: Device) -> dict[str, str]:
    """What stands under each heading, as plain text."""
    page = browser.get(reverse("portal:device", args=[device.id])).content.decode()
    part = page[page.index('<section class="card sights"') :]
    found = {}
    for one in part[: part.index("</section>")].split('<h3 id="sights-')[1:]:
        key, _quote, rest = one.partition('"')
        found[key] = " ".join(re.sub(r"<[^>]+>", " ", rest.partition(">")[2]).split())
    return found


def row(text: str, title: str, chip: str) -> bool:
    return f"{title} {chip}" in text


def test_what_is_read_says_when_it_was_read_last(browser: Client, iphone: Device) -> None:
    assert groups(browser, iphone)["seen"].count("Not read yet.") == 3
    Inventory.objects.create(device=iphone, collected_at=timezone.now() - timedelta(hours=3))
    assert groups(browser, iphone)["seen"].count("Last read 3 hours ago .") == 3


def keep(device: Device) -> None:
    now = timezone.now()
    fix = Fix(latitude=51.5, longitude=-0.1, accuracy=10, measured_at=now - timedelta(minutes=5))
    assert services.record(device=device, source=Position.Source.BROWSER, fix=fix, now=now)


def test_a_position_is_told_as_it_is_decided_and_kept(browser: Client, ines: Person, iphone: Device) -> None:
    seen = groups(browser, iphone)["seen"]
    assert row(seen, "Position", "Off, your choice")
    services.choose(person=ines, actor=factories.actor(ines), shares=True)
    seen = groups(browser, iphone)["seen"]
    assert row(seen, "Position", "On, your choice")
    assert "None is kept now." in seen
    keep(iphone)
    assert "The newest that is kept is from 5 minutes ago ." in groups(browser, iphone)["seen"]


@pytest.mark.parametrize(
    ("decided", "chip", "said"),
    [
        (privacy.OFF, "Never", "The policy “House rules” forbids it."),
        (privacy.ON, "When lost", "The policy “House rules” says so."),
        (privacy.CHOICE, "Off, your choice", "The policy “House rules” leaves it to you."),
    ],
)
def test_the_policy_that_decides_of_positions_is_named(
    browser: Client, iphone: Device, decided: str, chip: str, said: str
) -> None:
    decide(location=decided)
    seen = groups(browser, iphone)["seen"]
    assert row(seen, "Position", chip)
    assert said in seen


@pytest.mark.parametrize(
    ("decided", "chip", "said"),
    [
        (privacy.NO_APPS, "Off", "Nobody asks which are installed. The policy “House rules” says so."),
        (privacy.MANAGED_APPS, "Managed apps", "Those that the organisation installed"),
        (privacy.ALL_APPS, "All apps", "All that are installed"),
    ],
)
def test_apps_are_told_as_they_are_decided(browser: Client, iphone: Device, decided: str, chip: str, said: str) -> None:
    decide(app_inventory=decided)
    seen = groups(browser, iphone)["seen"]
    assert row(seen, "Your apps", chip)
    assert said in seen
    assert ("See the list" in seen) == (decided != privacy.NO_APPS)


def test_apps_say_when_they_were_read(browser: Client, iphone: Device) -> None:
    decide(app_inventory=privacy.ALL_APPS)
    now = timezone.now() - timedelta(hours=5)
    applications.store(device_id=iphone.id, scope="all", apps=[App("Chess")], now=now)
    assert "Last read 5 hours ago ." in groups(browser, iphone)["seen"]


def test_apps_that_cannot_be_read_say_why(browser: Client, ines: Person) -> None:
    decide(app_inventory=privacy.ALL_APPS)
    blind = factories.device(ines, rights=8191 & ~256)
    assert "Your apps Not possible The profile of the iPhone gives no right" in groups(browser, blind)["seen"]


def test_what_has_been_set_up_stands_there_with_its_state(browser: Client, iphone: Device) -> None:
    assert "has sent it no configuration" in groups(browser, iphone)["set-up"]
    states = {"Wiki": "installed", "Mail": "pending", "Wi-Fi": "failed", "Old": "removing", "Gone": "removed"}
    for name, state in states.items():
        Installation.objects.create(
            channel=factories.channel(iphone),
            identifier=f"org.example.{name}",
            name=name,
            state=state,
            reason="It does not fit." if state == "failed" else "",
            digest="",
            changed_at=timezone.now(),
        )
    said = groups(browser, iphone)["set-up"]
    for title, chip in {"Wiki": "Installed", "Mail": "On its way", "Wi-Fi": "Failed", "Old": "Being removed"}.items():
        assert row(said, title, chip)
    assert "It does not fit." in said
    assert "Gone" not in said


def test_what_administrators_may_do_is_what_device_and_policy_let_them(browser: Client, iphone: Device) -> None:
    powers = groups(browser, iphone)["powers"]
    for title in ("Check in", "Lock", "Unlock", "Retire", "Wipe"):
        assert row(powers, title, "Allowed"), title
    assert row(powers, "Locate", "Not possible")  # it has not said whether it is supervised
    AppleRegistration.objects.update(is_supervised=True)
    decide(administrators_may_wipe=False, administrators_may_locate=False, location=privacy.ON)
    powers = groups(browser, iphone)["powers"]
    assert row(powers, "Mark as lost", "Allowed")
    for title in ("Locate", "Wipe"):
        assert row(powers, title, "Not allowed"), title
    assert "The policy “House rules” lets nobody but its owner wipe this device." in powers


def test_nobody_locates_what_keeps_no_position(browser: Client, iphone: Device) -> None:
    AppleRegistration.objects.update(is_supervised=True)
    powers = groups(browser, iphone)["powers"]
    assert "Locate Not possible Location is off, because its owner has not switched it on." in powers


def test_a_lost_device_says_the_same_of_what_is_allowed(browser: Client, iphone: Device) -> None:
    before = groups(browser, iphone)["powers"]
    Device.objects.update(lost_since=timezone.now())
    assert groups(browser, iphone)["powers"] == before


def test_the_pins_of_a_mac_are_its_owner_s(browser: Client, mac: Device) -> None:
    powers = groups(browser, mac)["powers"]
    assert row(powers, "See its PIN", "Never")
    assert "Macs have no Lost Mode." in powers


def test_of_a_device_that_has_gone_nothing_new_is_seen(browser: Client, iphone: Device) -> None:
    life = Registration.objects.get(device=iphone)
    device_services.end(registration=life, state="retired", now=timezone.now())
    found = groups(browser, iphone)
    assert list(found) == ["seen"]
    assert "Management has ended." in found["seen"]


def test_a_device_s_page_costs_the_same_statements_whatever_there_is_to_tell(
    browser: Client, ines: Person, iphone: Device
) -> None:
    def statements() -> int:
        # What processes know for some seconds is read here.
        browser.get(reverse("portal:device", args=[iphone.id]))
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(reverse("portal:device", args=[iphone.id])).status_code == 200
        return len(queries)

    statements()
    before = statements()
    assert before <= STATEMENTS
    services.choose(person=ines, actor=factories.actor(ines), shares=True)
    decide(location=privacy.ON)
    for number in range(3):
        keep(iphone)
        Installation.objects.create(
            channel=factories.channel(iphone), identifier=str(number), name="Wiki", digest="", changed_at=timezone.now()
        )
    assert statements() == before - 1  # its owner has no choice now, and is not asked for it


STATEMENTS = 10


def test_whoever_registers_is_not_told_that_nothing_is_read_which_a_policy_has_read(client: Client) -> None:
    ines = factories.person(password=factories.PASSWORD)
    client.post(reverse("account_login"), {"login": ines.email, "password": factories.PASSWORD})
    decide(app_inventory=privacy.ALL_APPS, location=privacy.ON)
    page = client.get(reverse("portal:register")).content.decode()
    seen, never = page.split("will see</h3>")[1].split("will never see</h3>")
    assert "which apps are there, and where it is" in seen
    assert not re.search(r"\bapps\b|where", never[: never.index("</li>")])
