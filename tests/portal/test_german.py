"""Whoever reads German gets days as German writes them, and nouns with their capital letter inside sentences too."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from mydevices.accounts import mail
from mydevices.accounts.mail import Reader
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.devices.models import Device
from mydevices.presentation import moments
from tests import factories
from tests.portal.conftest import SignedIn

pytestmark = pytest.mark.django_db
WHEN = datetime(2026, 3, 9, 14, 5, tzinfo=UTC)


def test_days_are_written_as_german_writes_them() -> None:
    with translation.override("de"), timezone.override("UTC"):
        assert "9.\N{NO-BREAK SPACE}März 2026" in moments.day(WHEN)
        assert "9.\N{NO-BREAK SPACE}März, 14:05" in moments.moment(WHEN, datetime(2026, 11, 1, tzinfo=UTC))
        assert "am 9.\N{NO-BREAK SPACE}März 2026" in moments.at(WHEN, datetime(2027, 1, 1, tzinfo=UTC))
        assert "um 14:05" in moments.at(WHEN, WHEN)


def test_a_mail_says_its_times_so_too() -> None:
    facts = {"secret_link": "https://devices.example.org/l", "until": WHEN.isoformat()}
    written = mail.render(Notice.PASSWORD_FORGOTTEN, reader=Reader("Ines Okafor", "de"), facts=facts)
    assert "9.\N{NO-BREAK SPACE}März 2026, 14:05 (UTC)" in written.text


def test_a_noun_keeps_its_capital_letter_where_english_takes_it_away(sign_in: SignedIn) -> None:
    amara = factories.person("Amara Diallo", password=factories.PASSWORD, role=Person.Role.ADMINISTRATOR)
    browser, address = sign_in(amara), reverse("console:policies")
    assert "Make a registration policy" in browser.get(address).content.decode()
    amara.language = "de"
    amara.save()
    assert "Richtlinie „Registrierung“ anlegen" in browser.get(address).content.decode()


def test_the_pages_of_a_device_are_in_german(sign_in: SignedIn, ines: Person, iphone: Device) -> None:
    ines.language = "de"
    ines.save()
    page = sign_in(ines).get(reverse("portal:device", args=[iphone.id])).content.decode()
    assert '<html lang="de" dir="ltr"' in page
    assert "iPhone sperren\N{NO-BREAK SPACE}…" in page
