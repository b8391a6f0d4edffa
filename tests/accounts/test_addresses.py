"""A person is found by their address in one place, by one comparison; what looks like another address is refused."""

import re
from pathlib import Path
from typing import Any

import pytest
from allauth.account.internal import userkit
from allauth.account.models import EmailAddress
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from mydevices.accounts import addresses, selectors, services
from mydevices.accounts.models import Person
from mydevices.audit.models import Entry
from mydevices.errors import Invalid
from mydevices.outbox.models import Message
from mydevices.registration import invitees
from mydevices.registration.invitees import Row
from mydevices.registration.models import Invitation
from tests import factories
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2] / "mydevices"
REFUSED = "be used here"
LOOK_ALIKES = [
    "ım.ortiz@aldermoor.example",  # dotless i
    "im.ortİz@aldermoor.example",  # dotted capital I
    "\u212aim@aldermoor.example",  # the sign for kelvin, which Unicode's small letters make a k
    "\u017fam@aldermoor.example",  # long s
    "im.ortiz@\uff41ldermoor.example",  # a wide letter
    "im.ortiz@alde\u00adrmoor.example",  # a soft hyphen
    "im.ortiz@aldermoor。example",  # the full stop of Chinese
    "josé@aldermoor.example",
    '"im\x01ortiz"@aldermoor.example',
]


def keep(email: str, **values: Any) -> Person:
    person = factories.person(password=PASSWORD, **values)
    person.email = email
    person.save(update_fields=["email"])
    return person


def sign_in(email: str) -> bool:
    browser = Client()
    browser.post(reverse("account_login"), {"login": email, "password": PASSWORD})
    return browser.get(reverse("portal:account")).status_code == 200


def mails() -> list[str]:
    return [mail.payload["to"] for mail in Message.objects.filter(topic="mail").order_by("id")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ines.Okafor@Aldermoor.EXAMPLE", "ines.okafor@aldermoor.example"),
        (" ines@aldermoor.example ", "ines@aldermoor.example"),
        ("ines@bücher.example", "INES@xn--bcher-kva.example"),
        ("ines@BÜCHER.example", "ines@bücher.example"),
    ],
)
def test_two_spellings_of_an_address_have_one_key(one: str, other: str) -> None:
    assert addresses.key_of(one) == addresses.key_of(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ines@strasse.example", "ines@straße.example"),
        ("ines@aldermoor.example", "ines@aldermoor.exampıe"),
        ("i.nes@aldermoor.example", "ines@aldermoor.example"),
        ("ines+a@aldermoor.example", "ines@aldermoor.example"),
    ],
)
def test_nothing_but_capital_letters_and_the_form_of_a_domain_is_folded(one: str, other: str) -> None:
    assert addresses.key_of(one) != addresses.key_of(other)


@pytest.mark.parametrize("typed", [*LOOK_ALIKES, "", "nobody", "@aldermoor.example", "ines@", f"{'a' * 250}@b.example"])
def test_what_might_be_taken_for_another_address_has_no_key_and_is_refused(typed: str) -> None:
    assert addresses.key_of(typed) == ""
    with pytest.raises(Invalid):
        addresses.checked(typed)
    assert not selectors.with_address(typed).exists()


@pytest.mark.parametrize("typed", LOOK_ALIKES)
def test_nobody_can_be_kept_with_such_an_address(typed: str) -> None:
    with pytest.raises(Invalid):
        services.create_person(actor=factories.actor(factories.administrator()), email=typed, name="Ines")
    with pytest.raises(Invalid), transaction.atomic():
        Person.objects.bulk_create([Person(email=typed, name="Ines")])
    somebody = factories.person()
    somebody.email = typed
    with pytest.raises(Invalid), transaction.atomic():
        somebody.save(update_fields=["email"])


def test_the_database_keeps_one_person_to_an_address() -> None:
    keep("Ines@Aldermoor.example")
    with pytest.raises(IntegrityError), transaction.atomic():
        Person.objects.bulk_create([Person(email="ines@aldermoor.EXAMPLE", name="Ines")])


def test_whose_address_is_kept_with_capital_letters_signs_in_however_it_is_typed() -> None:
    keep("Ines.Okafor@Aldermoor.Example")
    assert sign_in("ines.okafor@aldermoor.example")
    assert sign_in("INES.OKAFOR@ALDERMOOR.EXAMPLE")
    assert sign_in("Ines.Okafor@Aldermoor.Example")


def test_the_command_line_and_django_find_people_the_same_way() -> None:
    ines = keep("Ines.Okafor@Aldermoor.Example")
    assert selectors.by_email("ines.okafor@aldermoor.example") == ines
    assert Person.objects.get_by_natural_key("INES.OKAFOR@aldermoor.example") == ines
    with pytest.raises(Person.DoesNotExist):
        Person.objects.get_by_natural_key("ınes.okafor@aldermoor.example")


@pytest.mark.parametrize("typed", LOOK_ALIKES)
def test_sign_in_refuses_what_might_be_taken_for_another_address(typed: str) -> None:
    for email in ("im.ortiz@aldermoor.example", "kim@aldermoor.example", "sam@aldermoor.example"):
        keep(email)
    assert not sign_in(typed)


def test_the_librarys_own_way_of_finding_people_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def used(*_arguments: object, **_options: object) -> None:
        raise AssertionError

    for place in ("allauth.account.auth_backends", "allauth.socialaccount.adapter", "allauth.account.forms"):
        monkeypatch.setattr(f"{place}.filter_users_by_email", used)
    monkeypatch.setattr(userkit, "filter_users_by_email", used)
    ines, other = keep("ines@aldermoor.example"), keep("other@aldermoor.example")
    # The library's table could name somebody else's address.
    EmailAddress.objects.create(user=other, email="ines@aldermoor.example", verified=True, primary=True)
    browser = Client()
    browser.post(reverse("account_login"), {"login": "ines@aldermoor.example", "password": PASSWORD})
    assert browser.session["_auth_user_id"] == str(ines.id)
    assert not sign_in("nobody@aldermoor.example")


def test_a_forgotten_password_goes_to_the_address_as_it_is_kept() -> None:
    keep("Ines.Okafor@Aldermoor.Example")
    assert Client().post(reverse("portal:forgotten"), {"email": "ines.OKAFOR@aldermoor.example"}).status_code < 400
    assert mails() == ["Ines.Okafor@Aldermoor.Example"]


def test_mail_about_an_address_that_is_taken_goes_to_it_as_it_is_kept() -> None:
    keep("Ines.Okafor@Aldermoor.Example")
    somebody, browser = keep("tomas@aldermoor.example"), Client()
    browser.post(reverse("account_login"), {"login": somebody.email, "password": PASSWORD})
    assert browser.post(reverse("portal:email"), {"email": "INES.okafor@aldermoor.example"}).status_code == 303
    assert sorted(mails()) == ["Ines.Okafor@Aldermoor.Example", "tomas@aldermoor.example"]


@pytest.mark.parametrize("typed", LOOK_ALIKES)
def test_every_page_that_takes_an_address_refuses_it_and_nothing_happens(typed: str) -> None:
    for email in ("im.ortiz@aldermoor.example", "kim@aldermoor.example", "sam@aldermoor.example"):
        keep(email)
    boss, browser = keep("boss@aldermoor.example", role=Person.Role.ADMINISTRATOR), Client()
    browser.post(reverse("account_login"), {"login": boss.email, "password": PASSWORD})
    people, entries = Person.objects.count(), Entry.objects.count()
    for visitor, name, values in (
        (Client(), "portal:forgotten", {}),
        (Client(), "portal:ask_pin", {}),
        (Client(), "portal:register_by_pin", {"password": PASSWORD}),
        (browser, "portal:email", {}),
        (browser, "console:invitations_new", {"name": "Ines Okafor"}),
    ):
        answer = visitor.post(reverse(name), {"email": typed, **values})
        assert answer.status_code == 400, name
    listed = invitees.written([Row(1, "Ines Okafor", typed)])
    file = SimpleUploadedFile("people.csv", listed.encode())
    page = browser.post(reverse("console:invitations_list"), {"file": file}).content.decode()
    assert REFUSED in page or "no e-mail address" in page
    browser.post(reverse("console:invitations_send"), {"list": listed, "row": ["1"]})
    assert (Person.objects.count(), Invitation.objects.count(), mails()) == (people, 0, [])
    assert Entry.objects.count() == entries


def test_the_first_administrator_is_not_made_with_such_an_address() -> None:
    values = {"organisation": "Aldermoor", "name": "Ines", "password": "granite meadow seventeen"}
    link = reverse("portal:setup", args=[services.first_administrator_token()])
    answer = Client().post(link, {"email": LOOK_ALIKES[0], **values})
    assert (answer.status_code, Person.objects.count()) == (400, 0)
    assert REFUSED in answer.content.decode()


def test_no_address_is_compared_in_any_other_way() -> None:
    """By anything but the key, in any module of the product."""
    found = []
    for path in ROOT.rglob("*.py"):
        if "migrations" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        found += [
            f"{path.relative_to(ROOT)}: {match[0]}"
            for match in re.finditer(
                r"\w*e?mail\w*__(?:i?exact|i?contains|i?startswith|i?endswith|in|regex)\b|Lower\(\"\w*email\"\)"
                r"|\bemail\w*(?:\.strip\(\))?\.(?:lower|casefold)\(\)|(?:filter|get|exclude|update|get_or_create)\((?:[^)]*\b)?(?:old_|new_)?email=",
                text,
            )
        ]
    allowed = {
        # The policy's search for people to try it on, not for whose an address is.
        "accounts/selectors.py: email__icontains",
        "accounts/selectors.py: email_key__in",
    }
    assert set(found) <= allowed
    lookups = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if re.search(r"\bemail_key(?:__in)?=", path.read_text("utf-8"))
    }
    assert lookups == {"accounts/selectors.py", "accounts/models/people.py"}, "the question, and Django's name for it"
