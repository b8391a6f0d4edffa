"""Who gets which page: its owner, another person, nobody; by which method; and how fresh their sign-in must be."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands.models import Action, Command
from mydevices.devices.models import Device
from mydevices.registration import tickets
from tests import factories
from tests.confirming import is_asked
from tests.portal.conftest import SignedIn

PLAIN = ["portal:devices", "portal:devices_now", "portal:history", "portal:register", "portal:account"]
OF_A_DEVICE = ["device", "device_now", "device_history", "lock", "unlock", "wipe", "retire", "pins"]
FRESH = ["unlock", "wipe", "retire", "pins"]
POSTS = ["check_in", "lock", "unlock", "wipe", "retire", "pins"]
READ_ONLY = ["device", "device_now", "device_history"]


def of(device: Device, page: str) -> str:
    return reverse(f"portal:{page}", args=[device.id])


@pytest.mark.parametrize("page", PLAIN)
def test_a_person_sees_their_own_pages(browser: Client, iphone: Device, page: str) -> None:
    assert browser.get(reverse(page)).status_code == 200


@pytest.mark.parametrize("page", OF_A_DEVICE)
def test_an_owner_sees_each_page_of_their_device(browser: Client, mac: Device, page: str) -> None:
    answer = browser.get(of(mac, page))
    assert answer.status_code == 200
    assert mac.name in answer.content.decode()


@pytest.mark.parametrize("page", [*OF_A_DEVICE, "check_in"])
def test_another_person_finds_nothing_there(sign_in: SignedIn, stranger: Person, mac: Device, page: str) -> None:
    browser = sign_in(stranger)
    answer = browser.post(of(mac, page)) if page == "check_in" else browser.get(of(mac, page))
    assert answer.status_code == 404
    assert mac.name not in answer.content.decode()


@pytest.mark.parametrize("page", [*OF_A_DEVICE, "check_in"])
def test_who_asks_for_what_is_somebody_elses_is_written_down(
    sign_in: SignedIn, stranger: Person, mac: Device, page: str
) -> None:
    browser = sign_in(stranger)
    (browser.post if page == "check_in" else browser.get)(of(mac, page))
    refused = Entry.objects.get(verb=Verb.ACCESS_REFUSED)
    assert (refused.actor_id, refused.details["asked"]) == (str(stranger.id), str(mac.id))
    assert refused.details["page"] == f"portal:{page}"
    assert not refused.device_id, "its owner's history says nothing of it"
    assert not refused.person_id, "nor does that of who asked, who would learn by it that there is such a device"


def test_what_nobody_has_is_refused_alike_and_not_written_down(
    sign_in: SignedIn, stranger: Person, mac: Device
) -> None:
    browser = sign_in(stranger)
    theirs = browser.get(of(mac, "device"))
    Entry.objects.filter(verb=Verb.ACCESS_REFUSED).get()
    none = browser.get(reverse("portal:device", args=[uuid4()]))
    assert theirs.status_code == none.status_code == 404
    assert Entry.objects.filter(verb=Verb.ACCESS_REFUSED).count() == 1
    for _time in range(12):
        browser.get(of(mac, "device"))
    assert Entry.objects.filter(verb=Verb.ACCESS_REFUSED).count() == 5, "and nobody fills the audit with it"


@pytest.mark.parametrize("page", POSTS)
def test_another_person_does_nothing_to_it(sign_in: SignedIn, stranger: Person, mac: Device, page: str) -> None:
    assert sign_in(stranger).post(of(mac, page), {"typed": mac.name}).status_code == 404
    assert not Action.objects.exists()


@pytest.mark.parametrize("page", POSTS)
def test_an_administrator_has_no_more_rights_in_the_portal_than_anyone(
    sign_in: SignedIn, mac: Device, page: str
) -> None:
    browser = sign_in(factories.administrator(password=factories.PASSWORD))
    assert browser.post(of(mac, page), {"typed": mac.name}).status_code == 404
    assert not Action.objects.exists()


@pytest.mark.parametrize("page", PLAIN)
def test_who_is_not_signed_in_is_asked_to(client: Client, db: None, page: str) -> None:
    answer = client.get(reverse(page))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("page", [*OF_A_DEVICE, "check_in"])
def test_a_device_shows_nothing_to_who_is_not_signed_in(client: Client, mac: Device, page: str) -> None:
    for answer in (client.post(of(mac, page), {"typed": mac.name}), client.head(of(mac, page))):
        assert answer.status_code in {302, 405}
        assert answer.content == b""
    assert not Action.objects.exists()


@pytest.mark.parametrize("page", [*PLAIN, "portal:old_sign_in"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_pages_know_no_other_methods(browser: Client, page: str, method: str) -> None:
    assert browser.generic(method, reverse(page)).status_code == 405


def test_nothing_is_done_by_following_a_link(browser: Client, iphone: Device) -> None:
    action = factories_action(browser, iphone)
    for address in (of(iphone, "check_in"), reverse("portal:cancel", args=[iphone.id, action.id])):
        assert browser.get(address).status_code == 405
    assert Action.objects.count() == 1


@pytest.mark.parametrize("page", READ_ONLY)
def test_pages_that_show_take_no_posts(browser: Client, iphone: Device, page: str) -> None:
    assert browser.post(of(iphone, page)).status_code == 405


def factories_action(browser: Client, device: Device) -> Action:
    browser.post(of(device, "lock"))
    return Action.objects.get(device=device)


def test_nobody_cancels_what_another_person_asked_for(
    browser: Client, sign_in: SignedIn, stranger: Person, iphone: Device
) -> None:
    action = factories_action(browser, iphone)
    address = reverse("portal:cancel", args=[iphone.id, action.id])
    assert sign_in(stranger).post(address).status_code == 404
    assert Command.objects.get(action=action).state == "queued"


def test_an_action_is_not_reached_through_another_device(browser: Client, iphone: Device, mac: Device) -> None:
    action = factories_action(browser, iphone)
    assert browser.post(reverse("portal:cancel", args=[mac.id, action.id])).status_code == 404
    assert Command.objects.get(action=action).state == "queued"


def test_forms_without_a_token_are_refused(iphone: Device, sign_in: SignedIn, ines: Person) -> None:
    browser = sign_in(ines)
    browser.handler.enforce_csrf_checks = True
    answer = browser.post(of(iphone, "lock"))
    assert answer.status_code == 403
    assert "too old" in answer.content.decode()
    assert not Action.objects.exists()


@pytest.mark.parametrize("page", FRESH)
def test_an_old_sign_in_is_renewed_before_the_form_is_shown(
    sign_in: SignedIn, ines: Person, mac: Device, page: str
) -> None:
    browser = sign_in(ines, ago=timedelta(minutes=6))
    answer = browser.get(of(mac, page))
    assert answer.status_code == 303
    assert answer["Location"] == f"{reverse('account_reauthenticate')}?next={of(mac, page).replace('/', '%2F')}"


@pytest.mark.parametrize("page", FRESH)
def test_a_form_sent_too_late_does_nothing_and_is_not_kept(
    sign_in: SignedIn, ines: Person, mac: Device, page: str
) -> None:
    browser = sign_in(ines, ago=timedelta(minutes=6))
    before = dict(browser.session)
    answer = browser.post(of(mac, page), {"typed": mac.name})
    assert is_asked(answer)
    assert dict(browser.session) == before
    assert not Action.objects.exists()


def test_who_gives_the_password_again_comes_to_the_form(sign_in: SignedIn, ines: Person, iphone: Device) -> None:
    browser = sign_in(ines, ago=timedelta(hours=1))
    asked = browser.get(of(iphone, "wipe"))["Location"]
    assert f'name="next" value="{of(iphone, "wipe")}"' in browser.get(asked).content.decode()
    again = browser.post(asked, {"password": factories.PASSWORD, "next": of(iphone, "wipe")})
    assert again["Location"] == of(iphone, "wipe")
    assert browser.get(of(iphone, "wipe")).status_code == 200


def test_a_wrong_password_does_not_renew_the_sign_in(sign_in: SignedIn, ines: Person, iphone: Device) -> None:
    browser = sign_in(ines, ago=timedelta(hours=1))
    browser.post(reverse("account_reauthenticate"), {"password": "wrong", "next": of(iphone, "wipe")})
    assert browser.get(of(iphone, "wipe")).status_code == 303


def test_a_lock_and_a_check_in_need_no_fresh_sign_in(sign_in: SignedIn, ines: Person, iphone: Device) -> None:
    browser = sign_in(ines, ago=timedelta(days=2))
    browser.post(of(iphone, "lock"))
    browser.post(of(iphone, "check_in"))
    assert set(Action.objects.values_list("kind", flat=True)) == {ActionKind.LOCK, ActionKind.CHECK_IN}


def test_a_registration_shows_itself_to_its_person_only(
    browser: Client, sign_in: SignedIn, ines: Person, stranger: Person, registrable: None
) -> None:
    ticket = tickets.open_ticket(person=ines, ownership="personal", intended="phone", actor=factories.actor(ines))
    foreign = sign_in(stranger)
    for page in ("ticket", "ticket_now", "qr"):
        address = reverse(f"portal:{page}", args=[ticket.id])
        assert browser.get(address).status_code == 200
        assert foreign.get(address).status_code == 404
        assert Client().get(address).status_code == 302
        assert browser.post(address).status_code == 405
    revoke = reverse("portal:revoke", args=[ticket.id])
    assert foreign.post(revoke).status_code == 404
    assert browser.get(revoke).status_code == 405
    assert Client().post(revoke).status_code == 302
    ticket.refresh_from_db()
    assert ticket.revoked_at is None


def test_a_device_that_does_not_exist_looks_like_somebody_elses(browser: Client) -> None:
    assert browser.get(reverse("portal:device", args=[uuid4()])).status_code == 404
