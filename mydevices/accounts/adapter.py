"""How django-allauth behaves here: nobody signs up by themselves, and every sign-in and new password is recorded."""

from typing import Any, Final

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import record_authentication
from allauth.core import context
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from mydevices.accounts import providers
from mydevices.accounts.models import Person
from mydevices.accounts.requests import address_of
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth carries no types
    error_messages: Final[dict[str, str | Promise]] = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": _("This account is closed."),
        "email_password_mismatch": _("The address or the password is not right."),
        "enter_current_password": _("That is not your present password."),
        "incorrect_password": _("That is not your password."),
        "rate_limited": _("That was tried too often. Wait a minute."),
        "too_many_login_attempts": _("That was tried too often. Wait five minutes."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  the signature is allauth's
        """People are invited."""
        return False

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        super().login(request, user)
        proved_at = getattr(request, "proved_at", None)
        if proved_at is not None:
            # The library's own record says when they came here, not when they last proved anything to the provider.
            record_authentication(request, user, "provider", at=proved_at)
        if isinstance(user, Person):
            audit.record(Verb.SIGNED_IN, actor=_actor(user, request), person_id=user.id, person_name=user.name)

    def logout(self, request: HttpRequest) -> None:
        user = request.user
        if isinstance(user, Person):
            audit.record(Verb.SIGNED_OUT, actor=_actor(user, request), person_id=user.id, person_name=user.name)
        super().logout(request)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Recorded for the person concerned, if there is one: what was typed may be a password in the wrong field."""
        super().authentication_failed(request, **credentials)
        person = Person.objects.filter(email__iexact=str(credentials.get("email", ""))).first()
        self.proof_failed(request, person)

    def proof_failed(self, request: HttpRequest, person: Person | None) -> None:
        """Somebody could not prove to be this person, or anybody. Who is signed in has failed to prove it anew."""
        user = request.user
        audit.record(
            Verb.SIGN_IN_FAILED,
            actor=_actor(user, request) if isinstance(user, Person) else _stranger(request),
            person_id=person.id if person else None,
            person_name=person.name if person else "",
        )

    def get_reauthentication_methods(self, user: AbstractBaseUser | AnonymousUser) -> list[dict[str, str]]:
        """The library's, and the provider of those who came from one."""
        methods: list[dict[str, str]] = super().get_reauthentication_methods(user)
        provider = providers.of(user) if isinstance(user, Person) else None
        if provider is not None:
            address = reverse("provider_again", args=[provider.id])
            methods.append({"id": "provider", "description": provider.name, "url": address})
        return methods

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """The new password and its entry stand together: allauth's signal comes after the password is kept."""
        with transaction.atomic():
            super().set_password(user, password)
            if isinstance(user, Person):
                actor = _actor(user, context.request)
                audit.record(Verb.PASSWORD_CHANGED, actor=actor, person_id=user.id, person_name=user.name)


def _actor(person: Person, request: HttpRequest) -> Actor:
    return Actor(kind="person", id=str(person.id), name=person.name, role=person.role, address=address_of(request))


def _stranger(request: HttpRequest) -> Actor:
    return Actor(kind="anonymous", address=address_of(request))
