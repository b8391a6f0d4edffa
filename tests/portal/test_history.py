"""The history of an account and of a device: in pages, from the newest line to the first, without scripts."""

import csv
import io
import json
import re
from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.audit import services as audit
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import asking
from mydevices.devices.models import Device
from mydevices.portal.views.devices import PAGE, SHOWN
from tests import factories
from tests.portal.conftest import SignedIn


def happen(device: Device, number: int, verb: Verb = Verb.PUSH_TOKEN_DEAD) -> None:
    for _each in range(number):
        audit.record(
            verb,
            actor=factories.actor(device.owner),
            device=device,
        )


def link(page: str, rel: str) -> str:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page)
    return found[1] if found else ""


def lines(page: str) -> int:
    return page.count('<span class="say">')


@pytest.mark.parametrize("of_device", [False, True])
def test_a_history_is_read_to_its_beginning_and_back(browser: Client, iphone: Device, of_device: bool) -> None:
    happen(iphone, 2 * PAGE + 7 - Entry.objects.filter(verb=Verb.SIGNED_IN).count() * (not of_device))
    address = reverse("portal:device_history", args=[iphone.id]) if of_device else reverse("portal:history")
    pages = [browser.get(address).content.decode()]
    assert not link(pages[0], "prev")
    while following := link(pages[-1], "next"):
        pages.append(browser.get(address + following).content.decode())
    assert [lines(page) for page in pages] == [PAGE, PAGE, 7]
    happen(iphone, 3)  # what happens meanwhile moves nothing
    back = browser.get(address + link(pages[2], "prev")).content.decode()
    assert link(back, "next") == link(pages[1], "next")
    assert lines(back) == PAGE
    first = browser.get(address + link(back, "prev")).content.decode()
    assert lines(first) == PAGE
    newest = browser.get(address + link(first, "prev")).content.decode()
    assert (lines(newest), link(newest, "prev")) == (PAGE, "")


def test_an_action_tells_its_end_on_whatever_page_it_stands(browser: Client, ines: Person, iphone: Device) -> None:
    now = timezone.now()
    action = asking.enqueue(device=iphone, kind=ActionKind.LOCK, actor=factories.actor(ines), now=now)
    happen(iphone, PAGE + 3)
    asking.cancel(action=action, actor=factories.actor(ines))
    for address in (reverse("portal:history"), reverse("portal:device_history", args=[iphone.id])):
        newest = browser.get(address).content.decode()
        assert "Cancelled before it was sent" not in newest
        older = browser.get(address + link(newest, "next")).content.decode()
        assert "Cancelled before it was sent" in older
        assert "Under way" not in older


@pytest.mark.parametrize("asked", ["?before=0", "?before=x", "?after=-1", f"?before={'9' * 19}", f"?after={'9' * 18}"])
def test_an_address_that_somebody_made_up_is_answered_with_a_page(browser: Client, iphone: Device, asked: str) -> None:
    happen(iphone, 2)
    assert browser.get(reverse("portal:history") + asked).status_code == 200


def test_nothing_of_a_stranger_stands_on_any_page(sign_in: SignedIn, stranger: Person, iphone: Device) -> None:
    happen(iphone, 2)
    newest = Entry.objects.latest("id").pk
    text = sign_in(stranger).get(f"{reverse('portal:history')}?before={newest + 1}").content.decode()
    assert iphone.name not in text


def test_a_device_s_page_shows_the_newest_lines_and_leads_to_all(browser: Client, iphone: Device) -> None:
    address = reverse("portal:device", args=[iphone.id])
    happen(iphone, SHOWN)
    few = browser.get(address).content.decode()
    all_of_it = reverse("portal:device_history", args=[iphone.id])
    assert (lines(few), all_of_it in few) == (SHOWN, False)
    happen(iphone, 1)
    many = browser.get(address).content.decode()
    assert (lines(many), all_of_it in many) == (SHOWN, True)


def test_a_page_that_is_empty_says_where_to_go(browser: Client, iphone: Device) -> None:
    happen(iphone, PAGE, Verb.PUSH_TOKEN_DEAD)
    happen(iphone, PAGE, Verb.TICKET_SEEN)  # which is not for people
    newest = browser.get(reverse("portal:device_history", args=[iphone.id])).content.decode()
    assert lines(newest) == 0
    assert link(newest, "next")


# As files


def as_json(browser: Client, address: str) -> list[dict[str, str]]:
    answer = browser.get(f"{address}?as=json")
    assert answer["Content-Type"] == "application/json"
    assert "attachment" in answer["Content-Disposition"]
    found: list[dict[str, str]] = json.loads(answer.content)
    return found


def test_a_history_is_downloaded_with_name_time_and_reason(browser: Client, iphone: Device) -> None:
    boss = factories.actor(factories.administrator("Amara Diallo"), proved=timezone.now())
    asking.enqueue(device=iphone, kind=ActionKind.LOCK, actor=boss, reason="You asked <us> to & said “so”.")
    for address in (
        reverse("portal:history_file"),
        reverse("portal:device_history_file", args=[iphone.id]),
    ):
        (one,) = [record for record in as_json(browser, address) if record["event"] == "action.requested"]
        assert one["who"] == "Amara Diallo"
        assert one["role"] == "Administrator"
        assert one["reason"] == "You asked <us> to & said “so”."
        assert one["device"] == iphone.name
        assert one["outcome"] == "Under way"
        assert one["what"].startswith(f"Amara Diallo asked to lock {iphone.name}.")
        assert datetime.fromisoformat(one["time"]).tzinfo is not None
        rows = list(csv.DictReader(io.StringIO(browser.get(address).content.decode("utf-8-sig"))))
        assert "Amara Diallo" in {row["Who"] for row in rows}
        assert len(rows) == len(as_json(browser, address))


def test_a_file_has_the_whole_history(browser: Client, iphone: Device) -> None:
    happen(iphone, 2 * PAGE + 7)
    assert len(as_json(browser, reverse("portal:device_history_file", args=[iphone.id]))) == 2 * PAGE + 7


def test_what_would_be_a_formula_is_text_in_a_spreadsheet(browser: Client, ines: Person, iphone: Device) -> None:
    boss = factories.actor(factories.administrator("=HYPERLINK(A1)"), proved=timezone.now())
    asking.enqueue(device=iphone, kind=ActionKind.LOCK, actor=boss, reason='=cmd|"/c calc"!A1')
    rows = list(csv.DictReader(io.StringIO(browser.get(reverse("portal:history_file")).content.decode("utf-8-sig"))))
    cells = {cell for row in rows for cell in row.values()}
    assert '\'=cmd|"/c calc"!A1' in cells
    assert "'=HYPERLINK(A1)" in cells
    assert not [cell for cell in cells if cell.startswith("=")]


def test_a_history_is_downloaded_by_its_owner_alone(
    iphone: Device, stranger: Person, sign_in: SignedIn, client: Client, browser: Client
) -> None:
    own, of_device = reverse("portal:history_file"), reverse("portal:device_history_file", args=[iphone.id])
    happen(iphone, 3)
    for other in (sign_in(stranger), sign_in(factories.administrator(password=factories.PASSWORD))):
        assert other.get(of_device).status_code == 404
        assert not [record for record in as_json(other, own) if record["device"] == iphone.name]
    for address in (own, of_device):
        assert client.get(address).status_code == 302
        assert browser.post(address).status_code == 405


def test_the_pages_offer_their_files(browser: Client, iphone: Device) -> None:
    happen(iphone, 1)
    for page, file in (
        (reverse("portal:history"), reverse("portal:history_file")),
        (
            reverse("portal:device_history", args=[iphone.id]),
            reverse("portal:device_history_file", args=[iphone.id]),
        ),
    ):
        shown = browser.get(page).content.decode()
        assert f'href="{file}"' in shown
        assert f'href="{file}?as=json"' in shown
