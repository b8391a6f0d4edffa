"""The second factor that is asked of every role in the console: when, of whom, and what passes until then."""

import re
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import factors, people, role_factors, selectors, services, sign_in_rules, tasks
from mydevices.accounts.models import Group, Person, SignInRules
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.outbox.models import Message
from tests import factories
from tests.codes import as_if_unused, code_for
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

SECURE = "portal:secure"
SERVER = Actor.system("test")
ROLES = [Person.Role.ADMINISTRATOR, Person.Role.HELPDESK, Person.Role.AUDITOR]
FORM = {
    "minimum_length": "15",
    "classes": "0",
    "history": "0",
    "expires_after_days": "0",
    "idle_minutes": "480",
    "limited_sign_in": "on",
}


def somebody(role: Person.Role = Person.Role.ADMINISTRATOR, name: str = "Amara Diallo") -> Person:
    """As the product makes people: who has never signed in."""
    email = f"{name.split(maxsplit=1)[0].lower()}-{role}@aldermoor.example"
    return services.create_person(actor=SERVER, email=email, name=name, password=PASSWORD, role=role)


def sign_in(person: Person) -> Client:
    browser = Client()
    answer = browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    assert answer.status_code == 302, answer.content
    return browser


def is_led(browser: Client, page: str = "console:overview") -> bool:
    """Whether a page leads to the one that secures an account."""
    answer = browser.get(reverse(page))
    return answer.status_code == 303 and answer["Location"].startswith(reverse(SECURE))


def later(browser: Client) -> None:
    assert browser.post(reverse(SECURE)).status_code == 303


def set_up_app(browser: Client) -> str:
    page = browser.get(reverse("mfa_activate_totp")).content.decode()
    key = re.search(r"<code><bdi>([A-Z2-7]+)</bdi>", page)
    assert key
    browser.post(reverse("mfa_activate_totp"), {"code": code_for(key[1])})
    as_if_unused()
    return key[1]


def hours(person: Person, number: float) -> None:
    """As if so many hours had passed since their time began."""
    until = Person.objects.get(id=person.id).factor_due_at
    assert until is not None
    Person.objects.filter(id=person.id).update(factor_due_at=until - timedelta(hours=number))


def mails(person: Person) -> list[str]:
    return [row.payload["notice"] for row in Message.objects.filter(topic="mail") if row.payload["to"] == person.email]


# The first sign-in, and the second


@pytest.mark.parametrize("role", ROLES)
def test_the_first_sign_in_shows_how_to_secure_the_account_and_later_goes_on(role: Person.Role) -> None:
    browser = sign_in(somebody(role))
    answer = browser.get(reverse("console:people") + "?q=a")
    assert (answer.status_code, answer["Location"].startswith(reverse(SECURE))) == (303, True)
    page = browser.get(answer["Location"]).content.decode()
    for words in ("Secure your account", "Add a passkey", "Set up an app", "Recovery codes", "Later"):
        assert words in page
    assert re.search(r"You have until <time [^>]+>(tomorrow )?\d\d:\d\d</time>", page)
    answer = browser.post(reverse(SECURE), {"next": "/console/people?q=a"})
    assert answer["Location"] == "/console/people?q=a"
    wanted = browser.get(answer["Location"])
    assert wanted.status_code == 200
    told = r"Your role asks for more than a password\. You have until <time [^>]+>(tomorrow )?\d\d:\d\d</time>"
    assert re.search(told, wanted.content.decode())


def test_later_leads_nowhere_else() -> None:
    browser = sign_in(somebody())
    answer = browser.post(reverse(SECURE), {"next": "https://elsewhere.example/"})
    assert answer["Location"] == reverse("portal:devices")


def test_it_is_due_after_24_hours_in_the_same_session() -> None:
    amara = somebody()
    browser = sign_in(amara)
    later(browser)
    hours(amara, 23)
    assert not is_led(browser)
    hours(amara, 1.1)
    assert is_led(browser)
    page = browser.get(reverse(SECURE)).content.decode()
    assert "Later" not in page
    assert browser.post(reverse(SECURE)).status_code == 403
    assert is_led(browser)


def test_it_is_due_at_the_second_sign_in() -> None:
    amara = somebody()
    first = sign_in(amara)
    later(first)
    assert not is_led(first)
    second = sign_in(amara)
    assert is_led(second)
    assert "Later" not in second.get(reverse(SECURE)).content.decode()
    assert is_led(first), "and where they are signed in already"
    set_up_app(second)
    assert not is_led(second)
    assert not is_led(first)
    assert "Your role asks" not in second.get(reverse("console:overview")).content.decode()


def test_with_a_factor_nothing_is_shown_and_nothing_asked() -> None:
    amara = somebody()
    TOTP.activate(amara, generate_totp_secret())
    browser = sign_in(amara)
    assert browser.get(reverse("mfa_authenticate")).status_code == 200
    assert Person.objects.get(id=amara.id).factor_due_at is None


def test_people_without_a_role_are_not_asked_and_those_of_a_provider_are_asked_there() -> None:
    for person in (somebody(Person.Role.PERSON), somebody(Person.Role.HELPDESK, "Sam Stone")):
        if person.has_console:
            person.set_unusable_password()
            person.provider = "okta"
            person.save()
        browser = Client()
        for _time in range(2):
            browser.force_login(person, backend="mydevices.accounts.backends.Passwords")
            role_factors.signed_in(person=Person.objects.get(id=person.id), now=timezone.now())
        Person.objects.filter(id=person.id).update(factor_due_at=timezone.now() - timedelta(days=1))
        assert browser.get(reverse("portal:devices")).status_code == 200
        assert browser.get(reverse(SECURE))["Location"] == reverse("portal:devices")


def test_a_password_from_before_the_provider_is_no_way_round_it() -> None:
    sam = somebody(Person.Role.HELPDESK, "Sam Stone")
    Person.objects.filter(id=sam.id).update(provider="okta")
    sign_in(sam)
    assert is_led(sign_in(sam))


def overdue(role: Person.Role = Person.Role.ADMINISTRATOR) -> tuple[Person, Client]:
    person = somebody(role)
    browser = sign_in(person)
    later(browser)
    hours(person, 25)
    return person, browser


def test_nothing_passes_while_it_is_overdue() -> None:
    _amara, browser = overdue()
    ines = factories.person("Ines Okafor")
    phone = factories.device(ines)
    before = Entry.objects.count()
    led = (303, reverse(SECURE))
    for page, arguments in (
        ("console:overview", []),
        ("console:people_export", []),
        ("console:devices_one", [phone.id]),
        ("portal:devices", []),
        ("portal:account", []),
    ):
        answer = browser.get(reverse(page, args=arguments))
        assert (answer.status_code, answer["Location"]) == led, page
        part = browser.get(reverse(page, args=arguments), headers={"HX-Request": "true"})
        assert (part.status_code, part.content, part.headers["HX-Redirect"]) == (204, b"", reverse(SECURE)), page
        dialog = browser.get(reverse(page, args=arguments), headers={"X-Dialog": "1"})
        assert (dialog.status_code, dialog.headers["X-Go"]) == (204, reverse(SECURE)), page
    for page, whose, form in (
        ("console:devices_act", (phone.id, "lock"), {"reason": "Lost"}),
        ("console:settings_sign_in", (), FORM),
        ("console:people_suspend", (ines.id,), {}),
        ("portal:preferences", (), {"language": "", "time_zone": "", "theme": "dark"}),
    ):
        answer = browser.post(reverse(page, args=whose), form)
        assert (answer.status_code, answer["Location"]) == led, page
    assert Entry.objects.count() == before


def test_what_adds_a_factor_opens_and_so_does_the_way_out() -> None:
    _amara, browser = overdue()
    for page in (SECURE, "mfa_index", "mfa_add_webauthn", "mfa_activate_totp", "account_change_password"):
        assert browser.get(reverse(page)).status_code == 200, page
    assert "the only one you can use" in browser.get(reverse("mfa_index")).content.decode()
    assert browser.post(reverse("account_logout")).status_code == 302


def test_it_costs_no_statement() -> None:
    def statements(person: Person) -> int:
        browser = Client()
        browser.force_login(person, backend="mydevices.accounts.backends.Passwords")
        browser.get(reverse("portal:devices"))
        with CaptureQueriesContext(connection) as counted:
            assert browser.get(reverse("portal:devices")).status_code == 200
        return len(counted)

    usual, asked = statements(somebody(Person.Role.PERSON, "Ines Okafor")), statements(somebody())
    factored = somebody(Person.Role.HELPDESK, "Sam Stone")
    Person.objects.filter(id=factored.id).update(signed_in_at=timezone.now())
    TOTP.activate(factored, generate_totp_secret())
    assert usual == asked == statements(factored)


# Losing it


def test_who_removes_the_last_one_adds_another_before_anything_else() -> None:
    amara = somebody()
    browser = sign_in(amara)
    set_up_app(browser)
    assert not is_led(browser)
    browser.post(reverse("mfa_deactivate_totp"))
    assert is_led(browser)
    set_up_app(browser)
    assert not is_led(browser)


def test_whose_was_taken_away_adds_another_before_anything_else() -> None:
    amara, sam = somebody(), somebody(Person.Role.HELPDESK, "Sam Stone")
    TOTP.activate(sam, generate_totp_secret())
    boss = sign_in(amara)
    set_up_app(boss)
    assert boss.post(reverse("console:people_factors", args=[sam.id])).status_code == 303
    assert is_led(sign_in(sam))


def test_who_gets_a_role_while_signed_in_has_24_hours() -> None:
    ines = somebody(Person.Role.PERSON, "Ines Okafor")
    browser = sign_in(ines)
    now = timezone.now()
    people.change_role(actor=factories.actor(factories.administrator(), proved=now), person=ines, role="helpdesk")
    assert not is_led(browser)
    assert "Your role asks for more" in browser.get(reverse("console:overview")).content.decode()
    Person.objects.filter(id=ines.id).update(role_since=now - timedelta(hours=25), signed_in_at=now - timedelta(days=2))
    assert is_led(browser)


# When the rule comes


def test_who_was_here_before_is_mailed_and_has_seven_days_however_often_they_sign_in() -> None:
    amara, ines = somebody(), somebody(Person.Role.PERSON, "Ines Okafor")
    Person.objects.filter(id=amara.id).update(factor_due_by_notice=True)  # as the migration leaves it
    assert not is_led(sign_in(amara)), "who is there before the worker is told then"
    tasks.tell_of_factors()
    assert mails(amara).count("factor_needed") == 1
    assert "factor_needed" not in mails(ines)
    for _time in range(2):
        browser = sign_in(amara)
        assert not is_led(browser)
        assert "Your role asks for more" in browser.get(reverse("console:overview")).content.decode()
    hours(amara, 7 * 24 - 1)
    assert not is_led(browser)
    hours(amara, 1.1)
    assert is_led(browser)
    tasks.tell_of_factors()
    assert mails(amara).count("factor_needed") == 1


def test_the_worker_tells_those_who_do_not_sign_in() -> None:
    amara, sam = somebody(), somebody(Person.Role.HELPDESK, "Sam Stone")
    TOTP.activate(sam, generate_totp_secret())
    Person.objects.update(factor_due_by_notice=True)
    tasks.tell_of_factors()
    assert [mails(person).count("factor_needed") for person in (amara, sam)] == [1, 0]


def test_switching_it_off_opens_and_is_warned_of_and_switching_it_on_gives_a_week() -> None:
    amara = somebody()
    sign_in(amara)
    browser = sign_in(amara)
    key = set_up_app(browser)
    answer = browser.post(reverse("console:settings_sign_in"), FORM)
    assert answer.status_code == 303
    assert SignInRules.objects.get().console_factor is False
    selectors.forget_rules()
    factories.device(amara)
    assert "A password alone opens the console" in browser.get(reverse("console:overview")).content.decode()
    sam = somebody(Person.Role.HELPDESK, "Sam Stone")
    for _time in range(3):
        assert not is_led(sign_in(sam))
    browser.post(reverse("mfa_reauthenticate"), {"code": code_for(key)})
    assert browser.post(reverse("console:settings_sign_in"), {**FORM, "console_factor": "on"}).status_code == 303
    selectors.forget_rules()
    assert mails(sam).count("factor_needed") == 1
    helping = sign_in(sam)
    assert not is_led(helping)
    assert "Your role asks for more" in helping.get(reverse("console:overview")).content.decode()
    assert "A password alone opens" not in browser.get(reverse("console:overview")).content.decode()


def test_the_form_shows_what_holds() -> None:
    amara = somebody()
    browser = sign_in(amara)
    set_up_app(browser)
    page = browser.get(reverse("console:settings_sign_in")).content.decode()
    assert re.search(r'<input[^>]*name="console_factor"[^>]*checked', page)
    assert set(sign_in_rules.NAMES) == set(SignInRules.LOOSER)


# Beside the groups' demand


def test_a_group_that_asks_of_its_members_goes_on_as_before() -> None:
    ines = factories.person("Ines Okafor", password=PASSWORD)
    group = Group.objects.create(name="Finance", second_factor_since=timezone.now() - timedelta(days=8))
    ines.memberships.create(group=group)
    ines.memberships.update(since=timezone.now() - timedelta(days=8))
    factors.forget()
    answer = sign_in(ines).get(reverse("portal:devices"))
    assert (answer.status_code, answer["Location"]) == (303, reverse("mfa_index"))
    assert Authenticator.objects.count() == 0
    assert not Entry.objects.filter(verb=Verb.FACTOR_ADDED).exists()
