import time
from collections.abc import Iterable
from typing import Final

from django.db.models import QuerySet

from mydevices.accounts import addresses
from mydevices.accounts.models import EmailChange, Person, SignInRules
from mydevices.errors import NotFound

RULES_LIFETIME: Final = 5.0
"""Seconds that a process goes on with the rules it read: every page asks for them."""

_rules: tuple[float, SignInRules] | None = None


def sign_in_rules() -> SignInRules:
    """The rules for passwords and sessions, at most 5 seconds old; the defaults until somebody has decided."""
    global _rules  # noqa: PLW0603  one value per process is what a cache of one row is
    now = time.monotonic()
    if _rules is None or now - _rules[0] > RULES_LIFETIME:
        _rules = (now, SignInRules.objects.filter(id=1).first() or SignInRules(id=1))
    return _rules[1]


def has_sign_in_rules() -> bool:
    """Whether somebody has decided about them."""
    return SignInRules.objects.exists()


def forget_rules() -> None:
    """Read anew next time, because this process has changed them."""
    global _rules  # noqa: PLW0603  the same
    _rules = None


def waiting_email_change(person: Person) -> EmailChange | None:
    """The change of address that waits to be confirmed, be it too late for that."""
    return person.email_changes.filter(confirmed_at=None, ended_at=None).order_by("-asked_at").first()


def with_address(email: str) -> QuerySet[Person]:
    """The person with this address, or nobody. The only place where somebody is found by an address."""
    return Person.objects.filter(email_key=addresses.key_of(email))


def with_addresses(emails: Iterable[str]) -> QuerySet[Person]:
    """The people with one of these addresses, told apart by their `email_key`."""
    return Person.objects.filter(email_key__in={addresses.key_of(email) for email in emails})


def by_email(email: str) -> Person:
    """The active person with this address. Raises NotFound."""
    person = with_address(email).filter(is_active=True).first()
    if person is None:
        raise NotFound(f"Nobody here has the address {email}.")
    return person


def has_administrator() -> bool:
    return Person.objects.filter(role=Person.Role.ADMINISTRATOR, is_active=True).exists()
