"""Who may sign in with a password."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from mydevices.accounts import providers, selectors
from mydevices.accounts.models import Person


class Passwords(AuthenticationBackend):  # type: ignore[misc]  # allauth carries no types
    """Where a provider is required, a password is the way in for administrators alone: for the day it is down.
    Everybody else's right password does as little as a wrong one, after the same work. Only where it is to prove an
    account that the provider itself has brought does it count."""

    def _authenticate_by_email(self, email: str, password: str) -> Person | None:
        """The library looks into its own table of addresses, which is not used here, and compares by other rules."""
        person: Person | None = self._check_password(selectors.with_address(email).first(), password)
        return person

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Person | None:
        person = super().authenticate(request, **credentials)
        if not isinstance(person, Person):
            return None
        if getattr(request, "proves", None) == person.id:  # `provider_sign_in`
            return person
        return None if providers.keeps_out(person) else person
