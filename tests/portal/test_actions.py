"""What the forms do, without a script and in a dialog."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.actions import ActionKind
from mydevices.commands.models import Action, Command
from mydevices.devices.models import Device
from mydevices.platforms.apple.models import AppleRegistration
from mydevices.vault import services as vault
from tests.portal.test_access import of

DIALOG = {"X-Dialog": "1"}


def test_a_lock_carries_its_message_and_leads_back_to_the_device(browser: Client, iphone: Device) -> None:
    answer = browser.post(of(iphone, "lock"), {"message": "Please call me", "phone_number": "020 7946 0142"})
    assert (answer.status_code, answer["Location"]) == (303, of(iphone, "device"))
    action = Action.objects.get()
    assert (action.kind, action.parameters) == (
        ActionKind.LOCK,
        {"message": "Please call me", "phone_number": "020 7946 0142"},
    )
    assert "Locking, waiting for the iPhone" in browser.get(of(iphone, "device")).content.decode()


def test_a_message_that_no_screen_holds_is_refused_with_the_reason_beside_it(browser: Client, iphone: Device) -> None:
    answer = browser.post(of(iphone, "lock"), {"message": "x" * 201})
    assert answer.status_code == 400
    assert 'aria-invalid="true"' in answer.content.decode()
    assert not Action.objects.exists()


def test_a_wipe_needs_the_name_of_the_device(browser: Client, iphone: Device) -> None:
    answer = browser.post(of(iphone, "wipe"), {"typed": "another phone"})
    assert answer.status_code == 400
    assert "That is not its name" in answer.content.decode()
    assert not Action.objects.exists()


def test_a_wipe_forgives_a_straight_apostrophe_and_small_letters(browser: Client, iphone: Device) -> None:
    assert iphone.name == "Ines’s iPhone"
    answer = browser.post(of(iphone, "wipe"), {"typed": "ines's  iphone "})
    assert answer.status_code == 303
    assert Command.objects.get().state == "held"


def test_a_wipe_says_first_what_goes_what_stays_and_how_long_it_can_be_undone(browser: Client, iphone: Device) -> None:
    page = browser.get(of(iphone, "wipe")).content.decode()
    assert "Photos, files and messages kept only on it" in page
    assert "Its entry here, with the history" in page
    assert "30 seconds to undo" in page


def test_a_wipe_is_undone_from_the_page(browser: Client, iphone: Device) -> None:
    browser.post(of(iphone, "wipe"), {"typed": iphone.name})
    action = Action.objects.get()
    undo = reverse("portal:cancel", args=[iphone.id, action.id])
    assert undo in browser.get(of(iphone, "device")).content.decode()
    answer = browser.post(undo, follow=True)
    assert "Called off. Nothing was sent to Ines’s iPhone." in answer.content.decode()
    assert Command.objects.get().state == "cancelled"
    late = browser.post(undo, follow=True)
    assert "Too late to call this off" in late.content.decode()


@pytest.mark.parametrize("page", ["unlock", "retire", "check_in"])
def test_each_other_action_is_asked_for_by_one_post(browser: Client, iphone: Device, page: str) -> None:
    answer = browser.post(of(iphone, page))
    assert (answer.status_code, answer["Location"]) == (303, of(iphone, "device"))
    assert Action.objects.get().kind == page


def test_a_second_lock_of_a_mac_is_refused_in_words(browser: Client, mac: Device) -> None:
    browser.post(of(mac, "lock"))
    answer = browser.post(of(mac, "lock"), follow=True)
    assert "under way already" in answer.content.decode()
    assert Action.objects.count() == 1


def test_what_is_not_possible_is_shown_with_its_reason_and_does_nothing(browser: Client, iphone: Device) -> None:
    Device.objects.filter(id=iphone.id).update(ownership=Device.Ownership.PERSONAL)
    AppleRegistration.objects.filter(registration__device=iphone).update(access_rights=8183)
    page = browser.get(of(iphone, "device")).content.decode()
    assert "Not possible" in page
    assert "registered as personal" in page
    assert of(iphone, "wipe") not in page
    for answer in (browser.get(of(iphone, "wipe")), browser.post(of(iphone, "wipe"), {"typed": iphone.name})):
        assert (answer.status_code, answer["Location"]) == (303, of(iphone, "device"))
    assert not Action.objects.exists()


def locked(browser: Client, mac: Device) -> str:
    """The PIN of a lock that has reached the Mac."""
    browser.post(of(mac, "lock"))
    action = Action.objects.get()
    now = timezone.now()
    Command.objects.filter(action=action).update(state="sent", sent_at=now)
    Command.objects.filter(action=action).update(state="done", finished_at=now)
    assert action.secret is not None
    place = vault.Place("commands_action", "secret", row=action.id, owner=mac.id)
    return vault.open_sealed(bytes(action.secret), place).decode()


def test_a_pin_is_shown_by_a_button_and_not_by_opening_the_page(browser: Client, mac: Device) -> None:
    pin = locked(browser, mac)
    shown = f"{pin[:3]} {pin[3:]}"
    for address in (of(mac, "pins"), of(mac, "device"), reverse("portal:devices"), reverse("portal:history")):
        page = browser.get(address).content.decode()
        assert pin not in page
        assert shown not in page
    answer = browser.post(of(mac, "pins"))
    assert shown in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert "PIN shown to you" in browser.get(of(mac, "device")).content.decode()


def test_a_mac_that_was_never_locked_has_no_pin_to_show(browser: Client, mac: Device) -> None:
    assert "There is none" in browser.post(of(mac, "pins")).content.decode()


@pytest.mark.parametrize("page", ["lock", "unlock", "wipe", "retire", "pins"])
def test_a_question_is_a_page_of_its_own_and_the_content_of_a_dialog(browser: Client, mac: Device, page: str) -> None:
    whole = browser.get(of(mac, page))
    part = browser.get(of(mac, page), headers=DIALOG)
    assert "<html" in whole.content.decode()
    assert "<html" not in part.content.decode()
    for answer in (whole, part):
        text = answer.content.decode()
        assert 'id="dialog-title"' in text
        assert f'action="{of(mac, page)}"' in text
        assert "csrfmiddlewaretoken" in text
        assert "X-Dialog" in answer["Vary"]


def test_a_dialog_is_told_where_to_go_so_that_no_message_is_lost(browser: Client, iphone: Device) -> None:
    answer = browser.post(of(iphone, "retire"), headers=DIALOG)
    assert (answer.status_code, answer["X-Go"]) == (204, of(iphone, "device"))
    refused = browser.post(of(iphone, "retire"), headers=DIALOG)
    assert refused["X-Go"] == of(iphone, "device")
    assert "under way already" in browser.get(of(iphone, "device")).content.decode()


def test_a_dialog_shows_what_is_wrong_in_its_place(browser: Client, iphone: Device) -> None:
    answer = browser.post(of(iphone, "wipe"), {"typed": "no"}, headers=DIALOG)
    assert answer.status_code == 400
    assert answer["X-Dialog"] == "1"
    assert "That is not its name" in answer.content.decode()


def test_the_page_asks_again_by_itself_only_while_something_is_under_way(browser: Client, iphone: Device) -> None:
    asks = f'hx-get="{of(iphone, "device_now")}"'
    assert asks not in browser.get(of(iphone, "device")).content.decode()
    browser.post(of(iphone, "lock"))
    assert asks in browser.get(of(iphone, "device")).content.decode()
    assert asks in browser.get(of(iphone, "device_now")).content.decode()
    assert 'hx-get="/now"' in browser.get(reverse("portal:devices")).content.decode()
    asked = Action.objects.get().requested_at  # whatever the pages above took
    Command.objects.update(state="sent", sent_at=asked)
    Command.objects.update(state="done", finished_at=asked + timedelta(seconds=4))
    ended = browser.get(of(iphone, "device_now")).content.decode()
    assert "hx-get" not in ended
    assert "in 4 s" in ended


def test_a_page_without_a_script_renews_itself_while_something_is_under_way(browser: Client, iphone: Device) -> None:
    renews = '<noscript><meta http-equiv="refresh"'
    assert renews not in browser.get(of(iphone, "device")).content.decode()
    browser.post(of(iphone, "lock"))
    assert renews in browser.get(of(iphone, "device")).content.decode()
