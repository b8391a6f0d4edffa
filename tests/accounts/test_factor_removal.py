"""A forgotten password and a lost second factor: the mailbox alone gets past it only after a week of warnings."""

from datetime import datetime, timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import factor_removal, password_reset
from mydevices.accounts.models import EmailChange, FactorRemoval, Person
from mydevices.accounts.notices import Notice
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.outbox.models import Message
from tests import factories
from tests.accounts.test_undone_change import app_of, passkey_of
from tests.codes import code_for
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

NEW = "granite meadow seventeen"
OLD = timedelta(days=90)


def reset(person: Person, *missing: Authenticator, client: Client | None = None) -> int:
    """Set a new password by the mailed link, and say which factors are missing."""
    person.refresh_from_db()
    form = {"password": NEW, "again": NEW, "missing": [str(factor.pk) for factor in missing]}
    return (client or Client()).post(password_reset.link_for(person), form).status_code


def told() -> list[str]:
    """Who has been mailed about a removal, in order."""
    mails = Message.objects.filter(topic="mail", payload__notice=Notice.FACTOR_REMOVAL).order_by("id")
    return [mail.payload["to"] for mail in mails]


def sign_in(person: Person, password: str = NEW) -> Client:
    browser = Client()
    browser.post(reverse("account_login"), {"login": person.email, "password": password})
    return browser


def the_week_after() -> datetime:
    return timezone.now() + factor_removal.WAITS + timedelta(minutes=1)


def test_the_page_lists_what_else_is_needed_to_sign_in() -> None:
    person = factories.person(password=PASSWORD)
    passkey_of(person, age=OLD)
    app_of(person, age=OLD)
    page = Client().get(password_reset.link_for(person)).content.decode()
    assert "A browser far away" in page
    assert "Authenticator app" in page
    assert page.count('name="missing"') == 2
    assert "&lt;" not in page, "a tag that is read instead of seen"


def test_a_missing_factor_is_asked_for_until_a_week_has_passed_and_then_gone() -> None:
    person = factories.person(password=PASSWORD)
    passkey, (app, _key) = passkey_of(person, age=OLD), app_of(person, age=OLD)
    assert reset(person, passkey) == 303
    assert told() == [person.email]
    assert sign_in(person).get(reverse("portal:devices")).status_code == 302, "the second step is still asked for"
    assert factor_removal.sweep(now=timezone.now() + factor_removal.WAITS - timedelta(minutes=1)) == 0
    assert Authenticator.objects.filter(user=person).count() == 2
    assert factor_removal.sweep(now=the_week_after()) == 1
    assert list(Authenticator.objects.filter(user=person)) == [app]
    entry = Entry.objects.get(verb=Verb.FACTOR_REMOVED)
    assert (entry.actor_kind, entry.details["number"]) == ("system", 1)
    assert factor_removal.sweep(now=the_week_after()) == 0


def test_every_address_known_is_mailed_every_day() -> None:
    person, other = factories.person(password=PASSWORD), factories.person()
    now = timezone.now()
    for number, (old, new) in enumerate(
        [("first@elsewhere.example", other.email), (other.email, "before@aldermoor.example")]
    ):
        EmailChange.objects.create(
            person=person,
            old_email=old,
            new_email=new,
            confirm_digest=f"c{number}",
            undo_digest=f"u{number}",
            asked_at=now - OLD,
            confirm_until=now - OLD,
            undo_until=now - OLD,
            confirmed_at=now - OLD,
        )
    reset(person, passkey_of(person, age=OLD))
    known = sorted([person.email, "first@elsewhere.example", "before@aldermoor.example"])
    assert sorted(told()) == known, "and nobody who has one of these addresses today"
    for day in range(1, 7):
        for _twice in range(2):
            factor_removal.sweep(now=now + timedelta(days=day, minutes=5))
    assert sorted(set(told())) == known
    assert len(told()) == 7 * len(known)


def test_using_any_factor_ends_it() -> None:
    person = factories.person(password=PASSWORD)
    passkey, (_app, key) = passkey_of(person, age=OLD), app_of(person, age=OLD)
    reset(person, passkey)
    browser = sign_in(person)
    assert browser.post(reverse("mfa_authenticate"), {"code": code_for(key)}).status_code == 302
    assert FactorRemoval.objects.get().ended_at is not None
    assert Entry.objects.filter(verb=Verb.FACTOR_REMOVAL_STOPPED).count() == 1
    assert factor_removal.sweep(now=the_week_after()) == 0
    assert Authenticator.objects.filter(pk=passkey.pk).exists()


def test_a_password_alone_does_not_end_it() -> None:
    person = factories.person(password=PASSWORD)
    reset(person, passkey_of(person, age=OLD))
    browser = sign_in(person)
    assert browser.post(reverse("portal:limited_sign_in")).status_code in {302, 303}
    assert FactorRemoval.objects.get().ended_at is None


@pytest.mark.parametrize("role", [role for role in Person.Role.values if role != Person.Role.PERSON])
def test_nobody_with_a_role_in_the_console_gets_rid_of_a_factor_this_way(role: str) -> None:
    person = factories.person(role=role, password=PASSWORD)
    factor = passkey_of(person, age=OLD)
    page = Client().get(password_reset.link_for(person)).content.decode()
    assert 'name="missing"' not in page
    assert "ask another administrator" in page
    assert reset(person, factor) == 403
    assert not FactorRemoval.objects.exists()
    person.refresh_from_db()
    assert person.check_password(PASSWORD), "the whole form was refused"


def test_who_gets_a_role_meanwhile_keeps_the_factor() -> None:
    person = factories.person(password=PASSWORD)
    factor = passkey_of(person, age=OLD)
    reset(person, factor)
    Person.objects.filter(id=person.id).update(role=Person.Role.HELPDESK)
    assert factor_removal.sweep(now=the_week_after()) == 0
    assert Authenticator.objects.filter(pk=factor.pk).exists()


def test_factors_of_others_are_not_touched() -> None:
    mallory, ines = factories.person(password=PASSWORD), factories.person(password=PASSWORD)
    own, others = passkey_of(mallory, age=OLD), app_of(ines, age=OLD)[0]
    reset(mallory, own, others)
    assert FactorRemoval.objects.get().factors == [own.pk]
    factor_removal.sweep(now=the_week_after())
    assert list(Authenticator.objects.all()) == [others]


def test_without_a_tick_nothing_begins() -> None:
    person = factories.person(password=PASSWORD)
    passkey_of(person, age=OLD)
    assert reset(person) == 303
    assert not FactorRemoval.objects.exists()


@pytest.mark.parametrize("typed", ["9" * 30, "9" * 5000, "-1", "\u0663", "x"])
def test_what_is_no_factor_of_theirs_is_left_out(typed: str) -> None:
    person = factories.person(password=PASSWORD)
    app, _key = app_of(person, age=OLD)
    form = {"password": NEW, "again": NEW, "missing": [typed, str(app.pk)]}
    assert Client().post(password_reset.link_for(person), form).status_code == 303
    assert FactorRemoval.objects.get(person=person).factors == [app.pk]


def test_asking_again_begins_the_week_anew() -> None:
    person = factories.person(password=PASSWORD)
    passkey, (app, _key) = passkey_of(person, age=OLD), app_of(person, age=OLD)
    reset(person, passkey)
    FactorRemoval.objects.update(due_at=timezone.now() + timedelta(hours=1))
    reset(person, app)
    removal = FactorRemoval.objects.get()
    assert removal.factors == sorted([passkey.pk, app.pk])
    assert removal.due_at > timezone.now() + timedelta(days=6)


def test_the_security_page_says_what_waits() -> None:
    person = factories.person(password=PASSWORD)
    passkey_of(person, age=OLD)
    browser = sign_in(person, PASSWORD)
    browser.force_login(person)
    now = timezone.now()
    FactorRemoval.objects.create(
        person=person, factors=[1], asked_at=now, told_at=now, due_at=now + factor_removal.WAITS
    )
    assert "no longer have one of your second factors" in browser.get(reverse("mfa_index")).content.decode()
