"""Registering another device from the portal: the choice, the address, what the device sees, and the end."""

import re

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.certificates import services as certificates
from mydevices.devices.models import Device
from mydevices.registration import tickets
from mydevices.registration.models import Ticket
from tests import factories

pytestmark = pytest.mark.usefixtures("registrable")

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) Safari/605.1"
PC = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/150.0"


@pytest.fixture
def ticket(ines: Person) -> Ticket:
    return tickets.open_ticket(
        person=ines, ownership=Device.Ownership.PERSONAL, intended="phone", actor=factories.actor(ines)
    )


def address(ticket: Ticket) -> str:
    return reverse("portal:open_ticket", args=[tickets.code_of(ticket)])


def test_a_choice_opens_a_ticket_and_shows_its_code_and_address(browser: Client) -> None:
    answer = browser.post(
        reverse("portal:register"), {"which": "mac", "ownership": "company"}, headers={"user-agent": PC}
    )
    ticket = Ticket.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, reverse("portal:ticket", args=[ticket.id]))
    assert (ticket.intended, ticket.ownership) == ("mac", "company")
    page = browser.get(answer["Location"]).content.decode()
    code = tickets.code_of(ticket)
    assert f"/r/{code[:4]}-{code[4:8]}-{code[8:]}" in page
    assert reverse("portal:qr", args=[ticket.id]) in page
    picture = browser.get(reverse("portal:qr", args=[ticket.id]))
    assert picture["Content-Type"] == "image/svg+xml; charset=utf-8"
    assert b"<svg" in picture.content


def test_on_the_phone_itself_the_first_choice_leads_straight_to_the_download(browser: Client) -> None:
    page = browser.get(reverse("portal:register"), headers={"user-agent": IPHONE}).content.decode()
    assert "This iPhone or iPad" in page
    answer = browser.post(
        reverse("portal:register"), {"which": "here", "ownership": "personal"}, headers={"user-agent": IPHONE}
    )
    assert answer["Location"] == address(Ticket.objects.get())
    assert Ticket.objects.get().intended == "phone"


def test_here_is_no_answer_on_a_machine_that_cannot_be_registered(browser: Client) -> None:
    answer = browser.post(
        reverse("portal:register"), {"which": "here", "ownership": "personal"}, headers={"user-agent": PC}
    )
    assert answer.status_code == 400
    assert not Ticket.objects.exists()


@pytest.mark.parametrize("values", [{}, {"which": "phone"}, {"which": "phone", "ownership": "nobody"}])
def test_both_questions_want_an_answer_that_was_offered(browser: Client, values: dict[str, str]) -> None:
    assert browser.post(reverse("portal:register"), values).status_code == 400
    assert not Ticket.objects.exists()


def test_the_address_needs_no_password_and_opening_it_spends_nothing(ticket: Ticket) -> None:
    device = Client(headers={"user-agent": IPHONE})
    for _visit in range(3):
        page = device.get(address(ticket))
        assert page.status_code == 200
        assert "no-store" in page["Cache-Control"]
    text = page.content.decode()
    assert "For Ines Okafor" in text
    assert f'href="{address(ticket)}/profile"' in text
    ticket.refresh_from_db()
    assert (ticket.used_at, ticket.opened_at is not None) == (None, True)


def test_the_page_of_the_person_sees_that_it_was_opened(browser: Client, ticket: Ticket) -> None:
    now = reverse("portal:ticket_now", args=[ticket.id])
    assert "Opened" not in browser.get(now).content.decode()
    Client().get(address(ticket))
    assert "Opened <time" in browser.get(now).content.decode()


def test_the_profile_is_the_same_however_often_it_is_fetched(ticket: Ticket) -> None:
    certificates.ensure_authority()
    first, second = (Client().get(f"{address(ticket)}/profile") for _fetch in range(2))
    assert first["Content-Type"] == "application/x-apple-aspen-config"
    assert "attachment" in first["Content-Disposition"]
    plain = re.compile(rb"<plist.*</plist>", re.DOTALL)
    one, two = plain.search(first.content), plain.search(second.content)
    assert one is not None
    assert two is not None
    assert one[0] == two[0]


def test_a_machine_that_is_no_apple_device_is_told_so(ticket: Ticket) -> None:
    page = Client(headers={"user-agent": PC}).get(address(ticket)).content.decode()
    assert "This is no iPhone or iPad" in page


def test_a_code_is_read_with_hyphens_and_capital_letters(ticket: Ticket) -> None:
    code = tickets.code_of(ticket)
    typed = f"{code[:4]}-{code[4:8]}-{code[8:]}".upper()
    assert Client().get(reverse("portal:open_ticket", args=[typed])).status_code == 200


def test_a_revoked_address_opens_nothing(browser: Client, ticket: Ticket) -> None:
    answer = browser.post(reverse("portal:revoke", args=[ticket.id]), follow=True)
    assert "Revoked. Its address no longer works." in answer.content.decode()
    for path in (address(ticket), f"{address(ticket)}/profile"):
        assert Client().get(path).status_code == 404
    page = browser.get(reverse("portal:ticket", args=[ticket.id])).content.decode()
    assert "was revoked" in page
    assert "hx-get" not in page


def test_an_expired_address_opens_nothing_and_says_so_to_its_person(browser: Client, ticket: Ticket) -> None:
    Ticket.objects.update(expires_at=timezone.now())
    assert Client().get(address(ticket)).status_code == 404
    assert "has expired" in browser.get(reverse("portal:ticket", args=[ticket.id])).content.decode()


def test_guesses_at_addresses_are_limited(db: None) -> None:
    visitor = Client()
    answers = [visitor.get(f"/r/guess{number}").status_code for number in range(61)]
    assert answers[:60] == [404] * 60
    assert answers[60] == 429


def test_a_device_that_has_come_ends_the_waiting(browser: Client, ines: Person, ticket: Ticket) -> None:
    device = factories.device(ines)
    Ticket.objects.update(used_at=timezone.now(), device=device)
    page = browser.get(reverse("portal:ticket_now", args=[ticket.id])).content.decode()
    assert reverse("portal:device", args=[device.id]) in page
    assert "is registered" in page
    assert "hx-get" not in page


def test_a_server_that_cannot_register_says_what_is_missing(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    answer = browser.post(reverse("portal:register"), {"which": "phone", "ownership": "personal"})
    assert "push certificate" in answer.content.decode()
    assert not Ticket.objects.exists()
    assert settings.PUBLIC_URL
