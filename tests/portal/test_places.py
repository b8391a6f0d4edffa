"""Where a device is, on its owner's pages, and what OwnTracks posts."""

import base64
import json

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.commands.models import Action
from mydevices.devices.models import Device, Registration
from mydevices.location import services
from mydevices.location.models import Position
from mydevices.platforms.port import ActionKind
from tests import factories
from tests.portal.conftest import SignedIn

HERE = {"latitude": "51.5072", "longitude": "-0.1276", "accuracy": "35"}


@pytest.fixture
def phone(iphone: Device) -> Device:
    Registration.objects.update(is_supervised=True)
    return iphone


@pytest.fixture
def shares(ines: Person) -> None:
    services.choose(person=ines, actor=factories.actor(ines), shares=True)


@pytest.fixture
def browser(ines: Person, sign_in: SignedIn) -> Client:
    return sign_in(ines)


def at(device: Device, name: str) -> str:
    return reverse(f"portal:{name}", args=[device.id])


def text(browser: Client, device: Device, page: str = "where") -> str:
    answer = browser.get(at(device, page))
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_phone_is_marked_lost_with_words_for_its_finder(browser: Client, phone: Device) -> None:
    answer = browser.post(at(phone, "lost"), {"message": "", "phone_number": ""})
    assert answer.status_code == 400
    assert "Give a message or a phone number" in answer.content.decode()
    assert not Action.objects.exists()
    answer = browser.post(at(phone, "lost"), {"message": "Please call me", "phone_number": "020 7946 0188"})
    assert answer.url == at(phone, "where")  # type: ignore[attr-defined]  # a redirect has one
    assert Action.objects.get().kind == ActionKind.LOST
    page = text(browser, phone)
    assert "Please call me" in page
    assert "I found it" in page


def test_the_page_shows_where_it_is_to_its_owner_alone(
    browser: Client, phone: Device, stranger: Person, sign_in: SignedIn, shares: None
) -> None:
    browser.post(at(phone, "share"), HERE)
    page = text(browser, phone)
    assert "51.50720° N, 0.12760° W" in page
    assert "Within 35 m" in page
    assert 'data-latitude="51.507200"' in page
    for other in (sign_in(stranger), sign_in(factories.administrator(password=factories.PASSWORD))):
        for name in ("where", "where_now"):
            assert other.get(at(phone, name)).status_code == 404
        for name in ("share", "locate", "sound", "found", "make_reporter", "resume_reporter", "remove_reporter"):
            assert other.post(at(phone, name), HERE).status_code == 404
    assert Position.objects.count() == 1


def test_links_open_the_map_of_what_the_page_is_read_on(browser: Client, phone: Device, shares: None) -> None:
    browser.post(at(phone, "share"), HERE)
    assert "geo:51.507200,-0.127600" in text(browser, phone)
    answer = browser.get(at(phone, "where"), headers={"user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1)"})
    assert "maps.apple.com" in answer.content.decode()


@pytest.mark.parametrize("said", [{}, {**HERE, "latitude": "here"}, {**HERE, "longitude": "181"}, {"latitude": "nan"}])
def test_what_is_no_place_is_not_kept(browser: Client, phone: Device, shares: None, said: dict[str, str]) -> None:
    answer = browser.post(at(phone, "share"), said, follow=True)
    assert "did not say where it is" in answer.content.decode()
    assert not Position.objects.exists()


def test_nothing_is_shared_while_location_is_off(browser: Client, phone: Device) -> None:
    answer = browser.post(at(phone, "share"), HERE, follow=True)
    assert "Location is off" in answer.content.decode()
    assert not Position.objects.exists()


def test_the_choice_is_made_on_the_page_and_undone_with_what_was_kept(browser: Client, phone: Device) -> None:
    choice = reverse("portal:location_choice")
    answer = browser.post(choice, {"shares": "yes", "device": str(phone.id)})
    assert answer.url == at(phone, "where")  # type: ignore[attr-defined]  # a redirect has one
    browser.post(at(phone, "share"), HERE)
    assert Position.objects.count() == 1
    answer = browser.post(choice, {"shares": "no", "device": "of somebody else"})
    assert answer.url == reverse("portal:account")  # type: ignore[attr-defined]  # the same
    assert not Position.objects.exists()


def test_the_app_s_password_is_shown_once(browser: Client, phone: Device, shares: None) -> None:
    answer = browser.post(at(phone, "make_reporter"), follow=True)
    assert "This password is shown once." in answer.content.decode()
    assert "This password is shown once." not in text(browser, phone)
    assert "An app may report where it is." in text(browser, phone)


def post(body: bytes, header: str = "") -> tuple[int, object]:
    headers = {"authorization": header} if header else {}
    answer = Client(enforce_csrf_checks=True).post(
        reverse("portal:owntracks"), body, content_type="application/json", headers=headers
    )
    return answer.status_code, json.loads(answer.content) if answer.content else None


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"mydevices:{password}".encode()).decode()


def test_owntracks_posts_with_its_password_alone(ines: Person, phone: Device, shares: None) -> None:
    token = services.make_reporter(device=phone, actor=factories.actor(ines))
    body = json.dumps({"_type": "location", "lat": 51.5, "lon": 0.1, "tst": int(timezone.now().timestamp())}).encode()
    assert post(body)[0] == 401
    for wrong in ("Basic", "Basic %%%", "Bearer " + token, basic(""), "Basic " + base64.b64encode(b"\xff:x").decode()):
        assert post(body, wrong)[0] == 401
    assert post(body, basic("another"))[0] == 403
    assert post(b"{", basic(token))[0] == 400
    assert not Position.objects.exists()
    assert post(body, basic(token)) == (200, [])
    assert Position.objects.get().source == Position.Source.OWNTRACKS
    services.choose(person=ines, actor=factories.actor(ines), shares=False)
    assert post(body, basic(token))[0] == 403
    assert not Position.objects.exists()
    assert Client().get(reverse("portal:owntracks")).status_code == 405
