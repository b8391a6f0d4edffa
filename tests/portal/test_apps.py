"""The apps on a device: on its owner's page, at the console, and for nobody else."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.applications import services
from mydevices.applications.selectors import App
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.devices.assignment import EVERYONE
from mydevices.devices.models import Device
from mydevices.policies import services as policies
from mydevices.policies.kinds import privacy
from mydevices.policies.kinds.privacy import Privacy
from tests import factories
from tests.portal.conftest import SignedIn

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"


def decide(what: str) -> None:
    policies.create(
        actor=Actor.system("test"), name="House rules", values=Privacy(app_inventory=what), assignment=EVERYONE
    )


def tell(device: Device, *apps: App, scope: str = "all") -> None:
    assert services.store(device_id=device.id, scope=scope, apps=apps, now=timezone.now())


def own(device: Device) -> str:
    return reverse("portal:apps", args=[device.id])


def of_console(device: Device) -> str:
    return reverse("console:devices_apps", args=[device.id])


def test_its_owner_reads_name_version_and_size(browser: Client, iphone: Device) -> None:
    decide(privacy.ALL_APPS)
    tell(iphone, App("Chess", "org.example.chess", "12.4", 58_720_256), App(EVIL, "", "", 3_200_000_000))
    page = browser.get(own(iphone)).content.decode()
    for said in ("2 apps", "Chess", "org.example.chess", "12.4", "59 MB", "3.2 GB", "&lt;script&gt;alert(1)"):
        assert said in page, said
    assert EVIL not in page
    assert not Entry.objects.filter(verb=Verb.APPS_SEEN).exists()


@pytest.mark.parametrize(
    ("decided", "answered", "said"),
    [
        (privacy.NO_APPS, False, "Nobody asks this device which apps are on it."),
        (privacy.ALL_APPS, False, "has not answered yet"),
        (privacy.ALL_APPS, True, "no apps on it but those that came with it"),
        (privacy.MANAGED_APPS, True, "no app on it that the organisation installed"),
    ],
)
def test_a_list_that_is_empty_says_why(
    browser: Client, iphone: Device, decided: str, answered: bool, said: str
) -> None:
    decide(decided)
    if answered:
        tell(iphone, scope=decided)
    assert said in browser.get(own(iphone)).content.decode()


def test_it_is_nobody_else_s_page(
    iphone: Device, stranger: Person, sign_in: SignedIn, client: Client, browser: Client
) -> None:
    decide(privacy.ALL_APPS)
    tell(iphone, App("Chess"))
    for other in (sign_in(stranger), sign_in(factories.administrator(password=factories.PASSWORD))):
        answer = other.get(own(iphone))
        assert answer.status_code == 404
        assert "Chess" not in answer.content.decode()
    assert client.get(own(iphone)).status_code == 302
    assert browser.post(own(iphone)).status_code == 405


@pytest.mark.parametrize("role", [Person.Role.HELPDESK, Person.Role.ADMINISTRATOR])
def test_who_assists_reads_it_at_the_console_and_its_owner_sees_that(
    browser: Client, iphone: Device, sign_in: SignedIn, role: str
) -> None:
    decide(privacy.ALL_APPS)
    tell(iphone, App("Chess"))
    console = sign_in(factories.person("Amara Diallo", role=role, password=factories.PASSWORD))
    assert of_console(iphone) in console.get(reverse("console:devices_one", args=[iphone.id])).content.decode()
    assert "Chess" in console.get(of_console(iphone)).content.decode()
    history = browser.get(reverse("portal:device_history", args=[iphone.id])).content.decode()
    assert "Amara Diallo looked at its list of apps" in history


@pytest.mark.parametrize("role", [Person.Role.PERSON, Person.Role.AUDITOR])
def test_others_do_not_read_it_at_the_console(iphone: Device, sign_in: SignedIn, role: str) -> None:
    decide(privacy.ALL_APPS)
    tell(iphone, App("Chess"))
    answer = sign_in(factories.person("Sam", role=role, password=factories.PASSWORD)).get(of_console(iphone))
    assert answer.status_code == 403
    assert "Chess" not in answer.content.decode()
    assert not Entry.objects.filter(verb=Verb.APPS_SEEN).exists()


def test_the_console_offers_no_list_where_nothing_is_read(iphone: Device, sign_in: SignedIn) -> None:
    console = sign_in(factories.administrator(password=factories.PASSWORD))
    assert of_console(iphone) not in console.get(reverse("console:devices_one", args=[iphone.id])).content.decode()
