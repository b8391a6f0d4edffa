"""Passwords that expire are announced a week before, once each."""

from datetime import timedelta

import pytest
from django.utils import timezone

from mydevices.accounts import selectors, services
from mydevices.accounts.models import Person, SignInRules
from mydevices.outbox.models import Message
from tests import factories
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture(autouse=True)
def ninety_days() -> None:
    SignInRules.objects.update_or_create(id=1, defaults={"expires_after_days": 90})
    selectors.forget_rules()


def somebody(age: int, **changes: object) -> Person:
    """Whose password is so many days old."""
    person = factories.person(password=PASSWORD)
    Person.objects.filter(id=person.id).update(password_changed_at=NOW - timedelta(days=age), **changes)
    person.refresh_from_db()
    return person


def told() -> list[str]:
    rows = Message.objects.filter(topic="mail").order_by("id")
    return [row.payload["to"] for row in rows if row.payload["notice"] == "password_expires"]


def test_who_has_a_week_left_is_told_once() -> None:
    person = somebody(84)
    assert services.announce_expiry(now=NOW) == 1
    assert services.announce_expiry(now=NOW + timedelta(days=1)) == 0
    assert told() == [person.email]


def test_a_new_password_is_announced_anew() -> None:
    person = somebody(84)
    services.announce_expiry(now=NOW)
    Person.objects.filter(id=person.id).update(password_changed_at=NOW)
    assert services.announce_expiry(now=NOW + timedelta(days=85)) == 1


@pytest.mark.parametrize(
    ("age", "changes"), [(82, {}), (91, {}), (84, {"provider": "aldermoor"}), (84, {"is_active": False})]
)
def test_nobody_else_is(age: int, changes: dict[str, object]) -> None:
    somebody(age, **changes)
    assert services.announce_expiry(now=NOW) == 0


def test_nobody_is_where_passwords_do_not_expire() -> None:
    SignInRules.objects.update(expires_after_days=0)
    selectors.forget_rules()
    somebody(84)
    assert services.announce_expiry(now=NOW) == 0
