from mydevices.accounts.models import Person
from mydevices.errors import NotFound


def by_email(email: str) -> Person:
    """The active person with this address, whatever its capital letters. Raises NotFound."""
    person = Person.objects.filter(email__iexact=email.strip(), is_active=True).first()
    if person is None:
        raise NotFound(f"Nobody here has the address {email}.")
    return person


def has_administrator() -> bool:
    return Person.objects.filter(role=Person.Role.ADMINISTRATOR, is_active=True).exists()
