"""“I lost a device”: the list, and the steps as the device says how far they are."""

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
from mydevices.devices import selectors as devices
from mydevices.devices import services as registrations
from mydevices.devices.assignment import Assignment, To
from mydevices.devices.models import Device, Registration
from mydevices.location import services as location
from mydevices.location.models import Position
from mydevices.platforms.apple.models import AppleRegistration
from mydevices.policies import services as policies
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.port.actions import Parameters
from mydevices.protocols.position import Fix
from tests import factories
from tests.portal.conftest import SignedIn


@pytest.fixture
def phone(iphone: Device) -> Device:
    AppleRegistration.objects.filter(registration__device=iphone).update(is_supervised=True)
    return iphone


def at(device: Device, name: str = "lost_device") -> str:
    return reverse(f"portal:{name}", args=[device.id])


def page(browser: Client, device: Device) -> str:
    answer = browser.get(at(device))
    assert answer.status_code == 200
    return answer.content.decode()


def part(html: str, key: str) -> str:
    """One step of the list."""
    return html.split(f'id="step-{key}"')[1].split("</li>", maxsplit=1)[0]


def is_done(html: str, key: str) -> bool:
    return "(done)" in part(html, key)


def answered(kind: ActionKind, state: State = State.DONE) -> None:
    """The device has reported."""
    asked = Command.objects.filter(action__kind=kind)
    asked.update(state=State.SENT, sent_at=timezone.now())
    asked.update(state=state, finished_at=timezone.now())


def ask(device: Device, kind: ActionKind) -> Action:
    owner = Person.objects.get(id=device.owner_id)
    acting = factories.actor(owner, proved=timezone.now())
    said = Parameters(message="Please call me")
    return asking.enqueue(device=devices.owned(owner, device.id), kind=kind, actor=acting, parameters=said)


def test_the_first_screen_leads_to_the_list_of_what_can_be_lost(browser: Client, iphone: Device, mac: Device) -> None:
    assert f'href="{reverse("portal:lost_devices")}"' in browser.get("/").content.decode()
    html = browser.get(reverse("portal:lost_devices")).content.decode()
    assert f'href="{at(iphone)}"' in html
    assert f'href="{at(mac)}"' in html
    registration = Registration.objects.get(device=mac)
    registrations.end(registration=registration, state=Registration.State.RETIRED, now=timezone.now())
    html = browser.get(reverse("portal:lost_devices")).content.decode()
    assert f'href="{at(mac)}"' not in html


def test_without_devices_the_page_says_whom_to_ask(ines: Person, browser: Client) -> None:
    html = browser.get(reverse("portal:lost_devices")).content.decode()
    assert "Nothing to lock" in html


def test_the_step_of_a_supervised_phone_is_ticked_when_the_phone_says_so(browser: Client, phone: Device) -> None:
    html = page(browser, phone)
    assert 'aria-current="step"' in html.split('id="step-secure"')[1].split(">")[0]
    assert f'href="{at(phone, "lost")}?guide"' in part(html, "secure")
    assert f'href="{at(phone, "lock")}?guide"' in part(html, "secure")
    assert not is_done(html, "secure")

    answer = browser.post(f"{at(phone, 'lost')}?guide", {"message": "Please call me", "phone_number": ""})
    assert answer.url == at(phone)  # type: ignore[attr-defined]  # a redirect has one
    html = page(browser, phone)
    assert "as soon as it is on" in part(html, "secure")
    assert not is_done(html, "secure")
    assert at(phone, "lost_device_now") in html  # it asks by itself for what changes

    answered(ActionKind.LOST)
    html = page(browser, phone)
    assert is_done(html, "secure")
    assert "I found it" in html
    assert at(phone, "lost_device_now") not in html
    assert "(done)" in browser.get(at(phone, "lost_device_now")).content.decode()


def test_a_failure_is_told_with_its_reason_and_ticks_nothing(browser: Client, iphone: Device) -> None:
    ask(iphone, ActionKind.LOCK)
    answered(ActionKind.LOCK, State.FAILED)
    Command.objects.update(error="It has no passcode.")
    html = page(browser, iphone)
    assert "The last try failed: It has no passcode." in part(html, "secure")
    assert f"{at(iphone, 'lock')}?guide" in part(html, "secure")
    assert not is_done(html, "secure")


def test_a_lock_is_ticked_for_a_day_and_until_it_is_unlocked(browser: Client, iphone: Device) -> None:
    ask(iphone, ActionKind.LOCK)
    assert "as soon as it is on" in part(page(browser, iphone), "secure")
    answered(ActionKind.LOCK)
    assert is_done(page(browser, iphone), "secure")
    Command.objects.update(finished_at=timezone.now() - timedelta(days=2))
    assert not is_done(page(browser, iphone), "secure")
    Command.objects.update(finished_at=timezone.now())
    assert is_done(page(browser, iphone), "secure")
    ask(iphone, ActionKind.UNLOCK)
    assert not is_done(page(browser, iphone), "secure")


def test_a_mac_is_ticked_while_it_waits_for_its_pin(browser: Client, mac: Device) -> None:
    assert "Macs have no Lost Mode." in part(page(browser, mac), "where")
    Device.objects.filter(id=mac.id).update(pin_locked_at=timezone.now())
    Registration.objects.filter(device=mac).update(last_seen_at=timezone.now() - timedelta(hours=1))
    assert is_done(page(browser, mac), "secure")


def test_where_it_is_is_ticked_once_it_said_so_and_the_place_itself_is_not_shown(
    browser: Client, ines: Person, phone: Device
) -> None:
    assert "Location is off" in part(page(browser, phone), "where")
    location.choose(person=ines, actor=factories.actor(ines), shares=True)
    assert "Once it is marked as lost" in part(page(browser, phone), "where")
    ask(phone, ActionKind.LOST)
    answered(ActionKind.LOST)
    assert "has not said yet" in part(page(browser, phone), "where")
    now = timezone.now()
    location.record(
        device=devices.owned(ines, phone.id),
        source=Position.Source.LOST_MODE,
        fix=Fix(latitude=51.5072, longitude=-0.1276, accuracy=12, measured_at=now),
        now=now,
    )
    html = page(browser, phone)
    assert is_done(html, "where")
    assert "51.50" not in html
    assert f'href="{at(phone, "where")}"' in part(html, "where")


def test_the_helpdesk_of_its_policy_is_called_from_there(browser: Client, iphone: Device) -> None:
    rules = SelfServiceRules(helpdesk_name="Field desk", helpdesk_phone="020 7946 0999")
    policies.create(
        actor=factories.actor(factories.administrator()),
        name="Field",
        values=rules,
        assignment=Assignment(to=To.EVERYONE),
    )
    html = page(browser, iphone)
    assert "Tell Field desk" in html
    assert 'href="tel:020 7946 0999"' in html


def test_a_wipe_is_confirmed_as_ever_and_leads_back_to_the_steps(browser: Client, phone: Device) -> None:
    html = page(browser, phone)
    assert f'href="{at(phone, "wipe")}?guide"' in part(html, "wipe")
    question = browser.get(f"{at(phone, 'wipe')}?guide").content.decode()
    assert f'action="{at(phone, "wipe")}?guide"' in question
    assert f'href="{at(phone)}"' in question
    answer = browser.post(f"{at(phone, 'wipe')}?guide", {"typed": "Ines’s iPhone"})
    assert answer.url == at(phone)  # type: ignore[attr-defined]  # a redirect has one
    html = page(browser, phone)
    assert "Undo wipe" in part(html, "wipe")
    registration = Registration.objects.get(device=phone)
    registrations.end(registration=registration, state=Registration.State.WIPED, now=timezone.now())
    html = page(browser, phone)
    assert is_done(html, "wipe")
    assert "Nothing more is heard of it." in part(html, "where")


def test_a_wipe_asks_once_more_who_one_is(sign_in: SignedIn, ines: Person, phone: Device) -> None:
    answer = sign_in(ines, ago=timedelta(minutes=6)).get(f"{at(phone, 'wipe')}?guide")
    assert reverse("account_reauthenticate") in answer.url  # type: ignore[attr-defined]  # a redirect has one
    assert "guide" in answer.url  # type: ignore[attr-defined]  # the same


def test_what_cannot_be_wiped_can_be_retired(browser: Client, ines: Person) -> None:
    own = factories.device(
        ines, ownership=Device.Ownership.PERSONAL, rights=factories.ALL_RIGHTS & ~8, now=timezone.now()
    )
    html = page(browser, own)
    assert "/wipe" not in part(html, "wipe")
    assert f'href="{at(own, "retire")}?guide"' in part(html, "wipe")


@pytest.mark.parametrize("name", ["lost_device", "lost_device_now"])
def test_the_steps_are_its_owners_alone_and_only_looked_at(
    sign_in: SignedIn, stranger: Person, browser: Client, iphone: Device, name: str
) -> None:
    address = at(iphone, name)
    assert sign_in(stranger).get(address).status_code == 404
    assert sign_in(factories.administrator(password=factories.PASSWORD)).get(address).status_code == 404
    assert reverse("account_login") in Client().get(address)["Location"]
    assert browser.post(address).status_code == 405
    assert browser.post(reverse("portal:lost_devices")).status_code == 405
