"""How django-allauth behaves here: nobody signs up by themselves, and every sign-in and new password is recorded."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import record_authentication
from allauth.core import context
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from mydevices.accounts import addresses, attempts, provider_sign_in, providers, role_factors, selectors, services
from mydevices.accounts.attempts import Attempt
from mydevices.accounts.models import Person
from mydevices.accounts.requests import (
    BEGAN,
    LIMITED,
    SECURE,
    SEEN,
    actor_in,
    address_of,
    browser_of,
    cookie_of,
    proved_by,
    remember_in_browser,
)
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import TooMany


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth carries no types
    error_messages: Final[dict[str, str | Promise]] = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": _("This account is closed."),
        "email_password_mismatch": _("The address or the password is not right."),
        "enter_current_password": _("That is not your present password."),
        "incorrect_password": _("That is not your password."),
        "rate_limited": _("That was tried too often. Wait a minute."),
    }

    def get_client_ip(self, request: HttpRequest) -> str:
        """For the library's own counts: ours, because the library takes `::ffff:192.0.2.1` for an address of IPv6, and
        all of those for one network. Raises PermissionDenied where it cannot be told, as the library does."""
        address = address_of(request)
        if not address:
            raise PermissionDenied("The client's address cannot be told.")
        return address

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  the signature is allauth's
        """People are invited."""
        return False

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        with transaction.atomic():
            # Django keeps what a session of the same person held, under a new key: this one is whole again.
            if request.session.pop(LIMITED, None) is not None:
                request.session.set_expiry(None)
            super().login(request, user)
            proved_at = getattr(request, "proved_at", None)
            if proved_at is not None:
                # The library's own record says when they came here, not when they last proved anything to the provider.
                record_authentication(request, user, "provider", at=proved_at)
            request.session[SEEN] = request.session[BEGAN] = int(timezone.now().timestamp())
            if isinstance(user, Person):
                remember_in_browser(request, user)
                services.signed_in(
                    actor=actor_in(request, user),
                    person=user,
                    browser=browser_of(request),
                    is_known=attempts.knows(cookie_of(request), user),
                    proved_by=proved_by(request, user),
                )
                if role_factors.signed_in(person=user, now=timezone.now()):
                    request.session[SECURE] = True

    def post_login(self, request: HttpRequest, user: AbstractBaseUser, **details: Any) -> HttpResponse:
        """All steps of a sign-in are done. Where that proved an account that a provider brought, it is linked now."""
        carried = (details.get("signal_kwargs") or {}).get(provider_sign_in.ADOPTS)
        if isinstance(user, Person) and carried is not None:
            provider_sign_in.adopt(request, user, carried)
        answer: HttpResponse = super().post_login(request, user, **details)
        return answer

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the try before anything is looked at. django-allauth's own limit could lock the owner out."""
        email = str(credentials.get("email", ""))
        address = address_of(request)
        try:
            self.attempt = Attempt(email=email, address=address, cookie=cookie_of(request))
        except TooMany as refusal:
            # Once for all tries of the next minutes: the audit is not filled by whoever hammers.
            if attempts.take(
                "slowed", f"{addresses.counted_as(email)}\n{attempts.network_of(address)}", attempts.SLOWED
            ):
                self.failed(request, selectors.with_address(email).first(), Verb.SIGN_IN_SLOWED)
            raise ValidationError(refusal.message) from refusal

    def _rollback_login_failed_rl_usage(self) -> None:
        self.attempt.succeeded()

    def logout(self, request: HttpRequest) -> None:
        user = request.user
        if isinstance(user, Person):
            audit.record(Verb.SIGNED_OUT, actor=actor_in(request, user), person=user)
        super().logout(request)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Recorded for the person concerned, if there is one: what was typed may be a password in the wrong field."""
        super().authentication_failed(request, **credentials)
        self.proof_failed(request, selectors.with_address(str(credentials.get("email", ""))).first())

    def proof_failed(self, request: HttpRequest, person: Person | None, **details: str) -> None:
        """Somebody could not prove to be this person, or anybody. Who is signed in has failed to prove it anew."""
        self.failed(request, person, Verb.SIGN_IN_FAILED, details)

    def failed(
        self, request: HttpRequest, person: Person | None, verb: Verb, details: Mapping[str, str] | None = None
    ) -> None:
        user = request.user
        audit.record(
            verb,
            actor=actor_in(request, user) if isinstance(user, Person) else _stranger(request),
            person=person,
            details=details,
        )

    def get_reauthentication_methods(self, user: AbstractBaseUser | AnonymousUser) -> list[dict[str, str]]:
        """The library's, and the providers that they are linked to."""
        methods: list[dict[str, str]] = super().get_reauthentication_methods(user)
        for provider in providers.linked(user) if isinstance(user, Person) else ():
            address = reverse("provider_again", args=[provider.id])
            methods.append({"id": "provider", "description": provider.name, "url": address})
        return methods

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """By the only verb there is. This session goes on (django-allauth renews its key next), all others end."""
        request = context.request
        if not isinstance(user, Person):
            raise TypeError(user)
        services.change_password(
            # The form has just compared the present one (`forms.ChangePassword`).
            actor=replace(actor_in(request, user), authenticated_at=timezone.now()),
            person=user,
            password=password,
            browser=browser_of(request),
            keep_session=request.session.session_key or "",
        )
        remember_in_browser(request, user)  # anew: what it remembered died with the old password


def _stranger(request: HttpRequest) -> Actor:
    return Actor(kind="anonymous", address=address_of(request))
