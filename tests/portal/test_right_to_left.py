"""Whoever reads Arabic gets pages and mails that run from right to left, and names that keep their own direction."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from mydevices.accounts import mail
from mydevices.accounts.mail import Reader
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.devices.models import Device
from tests import factories
from tests.portal.conftest import SignedIn
from tests.portal.test_access import OF_A_DEVICE, PLAIN, of

pytestmark = pytest.mark.django_db
HEAD = '<html lang="ar" dir="rtl"'


def in_arabic(person: Person) -> None:
    person.language = "ar"
    person.save()


def test_every_page_of_somebody_who_chose_arabic_runs_from_right_to_left(
    sign_in: SignedIn, ines: Person, mac: Device
) -> None:
    in_arabic(ines)
    browser = sign_in(ines)
    whole = 0
    for address in [*(reverse(name) for name in PLAIN), *(of(mac, page) for page in OF_A_DEVICE)]:
        page = browser.get(address).content.decode()
        assert HEAD in page or "<html" not in page, address  # what a page fetches to renew a part of it has no head
        assert not re.search(r'="-?\d+,\d', page), f"{address} has a picture with a number that only people read"
        whole += HEAD in page
    assert whole > 10


def test_the_console_runs_from_right_to_left_too(sign_in: SignedIn, db: None) -> None:
    amara = factories.person("Amara Diallo", password=factories.PASSWORD, role=Person.Role.ADMINISTRATOR)
    in_arabic(amara)
    browser = sign_in(amara)
    for name in ("overview", "people", "devices", "policies", "audit", "settings"):
        page = browser.get(reverse(f"console:{name}")).content.decode()
        assert HEAD in page, name


def test_who_has_not_signed_in_is_read_to_as_the_browser_asks() -> None:
    arabic = Client(headers={"accept-language": "ar-EG,ar;q=0.9,en;q=0.1"})
    english = Client(headers={"accept-language": "en-US,en;q=0.9,ar;q=0.1"})
    assert HEAD in arabic.get(reverse("account_login")).content.decode()
    assert '<html lang="en-gb" dir="ltr"' in english.get(reverse("account_login")).content.decode()


@pytest.mark.parametrize("notice", Notice)
def test_every_mail_in_arabic_runs_from_right_to_left(notice: Notice) -> None:
    facts = {"secret_link": "https://devices.example.org/l", "secret_pin": "482913"}
    written = mail.render(notice, reader=Reader("Ines Okafor", "ar"), facts=facts)
    assert HEAD in written.html


def test_a_line_of_a_mail_that_begins_with_a_name_in_latin_letters_still_runs_from_right_to_left() -> None:
    facts = {"secret_link": "https://devices.example.org/l", "by": "Amara Diallo"}
    arabic = mail.render(Notice.INVITATION, reader=Reader("Ines Okafor", "ar"), facts=facts).text.splitlines()
    assert {line[0] for line in arabic if re.search("[\u0621-\u064a]", line)} == {"\u200f"}
    assert "https://devices.example.org/l" in arabic
    english = mail.render(Notice.INVITATION, reader=Reader("أمارا", "en-gb"), facts=facts).text
    assert "\u200f" not in english
