"""Where a device is, on its owner's pages, and what OwnTracks posts."""

import base64
import json
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.commands.models import Action
from mydevices.devices.models import Device
from mydevices.location import services
from mydevices.location.models import Position, Reporter
from mydevices.platforms.apple.models import AppleRegistration
from tests import factories
from tests.portal.conftest import SignedIn

NEW_PASSWORD = "another-Lantern-7-orchard"
HERE = {"latitude": "51.5072", "longitude": "-0.1276", "accuracy": "35"}


@pytest.fixture
def phone(iphone: Device) -> Device:
    AppleRegistration.objects.update(is_supervised=True)
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


@pytest.mark.parametrize(
    ("at_place", "words"),
    [
        ({"latitude": "53.5507", "longitude": "9.963"}, "In <bdi>Hamburg</bdi>, 2 km west of the centre"),
        ({"latitude": "53.5507", "longitude": "9.963", "accuracy": "3000"}, "In <bdi>Hamburg</bdi>"),
        ({"latitude": "52.9", "longitude": "10.2"}, "2 km east of <bdi>Faßberg</bdi>"),
    ],
)
def test_the_place_is_told_in_words_as_exactly_as_it_is_known(
    browser: Client, phone: Device, shares: None, at_place: dict[str, str], words: str
) -> None:
    browser.post(at(phone, "share"), {**HERE, **at_place})
    page = text(browser, phone)
    assert f'<p class="place">{words}</p>' in page
    assert ">GeoNames</a>, CC BY 4.0" in page


def test_where_no_town_is_near_coordinates_stand_alone(browser: Client, phone: Device, shares: None) -> None:
    browser.post(at(phone, "share"), {**HERE, "latitude": "0.5", "longitude": "-30.5"})
    page = text(browser, phone)
    assert "0.50000° N, 30.50000° W" in page
    assert "GeoNames" not in page


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


@pytest.fixture
def token(ines: Person, phone: Device, shares: None) -> str:
    """Of an app that reports where the phone is."""
    return services.make_reporter(device=phone, actor=factories.actor(ines, proved=timezone.now()))


def position(**changed: object) -> bytes:
    said = {"_type": "location", "lat": 51.5, "lon": 0.1, "tst": int(timezone.now().timestamp()), **changed}
    return json.dumps(said).encode()


FORM = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/form-data; boundary=x", FORM, 415),
        ("multipart/form-data; boundary=x", b"no form", 415),
        ("multipart/form-data; boundary=x", b"", 400),
        ("multipart/form-data", FORM, 400),
        ("multipart/form-data; boundary=\u00e9", FORM, 400),
        ("multipart/form-data; boundary=x; charset=utf-16", FORM, 415),
        ("multipart/mixed; boundary=x", FORM, 400),
        ("application/x-www-form-urlencoded", b"a=1&a=%00", 400),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % number for number in range(2000)), 400),
        ("application/x-www-form-urlencoded; charset=utf-16", b"a=1", 400),
        ("application/json; charset=none", b"[" * 100_000, 400),
        ("application/json", b'{"_type": "location", "lat": ' + b"9" * 10_000 + b"}", 400),
        ("application/json", b"\xff\xfe{", 400),
        ("application/json", b"", 400),
        ("", b"\x00" * 10, 400),
        ("text/html", b"null", 400),
    ],
)
def test_what_is_no_message_of_owntracks_is_refused_and_is_no_error(
    token: str, content_type: str, body: bytes, status: int
) -> None:
    browser = Client(enforce_csrf_checks=True)
    for header in (basic(token), ""):
        answer = browser.generic(
            "POST", reverse("portal:owntracks"), body, content_type=content_type, headers={"authorization": header}
        )
        assert answer.status_code in ({status} if header else {400, 401, 415})
    assert not Position.objects.exists()


NO_PLACE: list[object] = [None, True, "51", [], {}, 10**400, float("nan"), float("inf"), -float("inf"), 1e308]
NO_TIME: list[object] = [None, True, "0", 10**400, float("nan"), float("inf"), 1e18, -1e18, -62135596801]
NO_TYPE: list[object] = [None, 7, ["location"], {}]


@pytest.mark.parametrize(
    "changed",
    [
        *({"lat": value, "lon": value} for value in NO_PLACE),
        *({"tst": value} for value in NO_TIME),
        *({"_type": value} for value in NO_TYPE),
    ],
)
def test_a_position_with_values_out_of_all_measure_is_refused(token: str, changed: dict[str, object]) -> None:
    assert post(position(**changed), basic(token))[0] == 400
    assert not Position.objects.exists()


def test_a_position_with_odd_extras_is_taken_without_them(token: str) -> None:
    odd = {"acc": float("nan"), "alt": 10**400, "batt": "full", "tid": "\ud800", "topic": "x" * 10_000}
    assert post(position(**odd), basic(token)) == (200, [])


def test_a_password_that_is_not_even_ascii_is_none() -> None:
    for header in ("Basic é", "Basic \udce9", "BASIC  ", "Basic " + "A" * 5000):
        assert post(b"{}", header)[0] in {401, 403}


# An app's password, and what ends sessions


def test_signing_out_everywhere_else_pauses_the_apps_that_report(
    ines: Person, browser: Client, sign_in: SignedIn, phone: Device, token: str
) -> None:
    """Whoever was in that browser may have made the app's password."""
    stranger = sign_in(ines)
    assert post(position(), basic(token)) == (200, [])
    page = browser.post(reverse("sessions_end_others"), follow=True).content.decode()
    assert "Apps that report where your devices are have been paused." in page
    assert stranger.get(reverse("portal:devices")).status_code == 302
    assert post(position(), basic(token))[0] == 403
    assert Position.objects.count() == 1
    assert "Did you make it?" in text(browser, phone)
    assert browser.post(at(phone, "resume_reporter")).status_code == 303
    assert post(position(), basic(token)) == (200, [])


def test_it_pauses_them_even_where_no_other_session_is_left(browser: Client, token: str) -> None:
    browser.post(reverse("sessions_end_others"))
    assert post(position(), basic(token))[0] == 403


@pytest.mark.parametrize("is_older", [False, True])
def test_signing_one_browser_out_pauses_the_apps_that_were_let_in_since_it_signed_in(
    ines: Person, browser: Client, sign_in: SignedIn, phone: Device, token: str, is_older: bool
) -> None:
    stranger = sign_in(ines)
    row = UserSession.objects.get(session_key=stranger.session.session_key)
    made_at = row.created_at - timedelta(seconds=1) if is_older else row.created_at
    Reporter.objects.filter(device=phone).update(created_at=made_at)
    browser.post(reverse("session_end", args=[row.pk]))
    assert post(position(), basic(token))[0] == (200 if is_older else 403)


def test_a_new_password_pauses_them(browser: Client, token: str) -> None:
    answer = browser.post(
        reverse("account_change_password"),
        {"oldpassword": factories.PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD},
    )
    assert answer.status_code == 302
    assert post(position(), basic(token))[0] == 403


def test_who_is_suspended_or_signed_out_by_an_administrator_has_them_paused(
    ines: Person, sign_in: SignedIn, phone: Device, token: str
) -> None:
    chief = factories.person("Ada Chief", role="administrator", password=factories.PASSWORD)
    administrator = sign_in(chief)
    for verb in ("suspend", "resume"):
        assert administrator.post(reverse(f"console:people_{verb}", args=[ines.id])).status_code < 400
        assert post(position(), basic(token))[0] == 403
    assert sign_in(ines).post(at(phone, "resume_reporter")).status_code == 303
    assert post(position(), basic(token)) == (200, [])


def test_nobody_else_s_apps_are_paused(ines: Person, stranger: Person, sign_in: SignedIn, token: str) -> None:
    sign_in(stranger).post(reverse("sessions_end_others"))
    assert post(position(), basic(token)) == (200, [])
