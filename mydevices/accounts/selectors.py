from collections.abc import Iterable
from typing import Final

from django.db.models import QuerySet

from mydevices.accounts import addresses
from mydevices.accounts.models import EmailChange, Person, SignInRules
from mydevices.errors import NotFound
from mydevices.remembered import Remembered

_rules: Final = Remembered(lambda: SignInRules.objects.filter(id=1).first() or SignInRules(id=1))
forget_rules: Final = _rules.forget


def sign_in_rules() -> SignInRules:
    """The rules for passwords and sessions, at most 5 seconds old; the defaults until somebody has decided."""
    return _rules()


def has_sign_in_rules() -> bool:
    """Whether somebody has decided about them."""
    return SignInRules.objects.exists()


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
