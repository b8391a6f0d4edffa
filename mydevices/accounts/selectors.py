from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from mydevices.accounts import addresses
from mydevices.accounts.models import EmailChange, Group, Membership, Person, SignInRules
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


def all_people() -> QuerySet[Person]:
    """For a list that narrows and orders them itself."""
    return Person.objects.all()


def person_by_id(person_id: UUID) -> Person:
    """Raises NotFound."""
    found = Person.objects.filter(id=person_id).first()
    if found is None:
        raise NotFound(_("There is no such person."))
    return found


def people_of(person_ids: Iterable[UUID]) -> QuerySet[Person]:
    """Those of these ids that are somebody's, by name."""
    return Person.objects.filter(id__in=person_ids).order_by("name", "id")


def people_containing(text: str) -> QuerySet[Person]:
    """Whose name or address has this text anywhere, by name."""
    return Person.objects.filter(Q(name__icontains=text) | Q(email__icontains=text)).order_by("name", "id")


def all_groups() -> QuerySet[Group]:
    """For a form or a list that orders them itself."""
    return Group.objects.all()


def group_by_id(group_id: UUID) -> Group:
    """Raises NotFound."""
    found = Group.objects.filter(id=group_id).first()
    if found is None:
        raise NotFound(_("There is no such group."))
    return found


def memberships_of_group(group_id: UUID) -> QuerySet[Membership]:
    return Membership.objects.filter(group=group_id)


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
