"""OpenID Connect, as django-allauth speaks it: from its answers to plain claims, and on to `providers.admit`."""

import time
from typing import Any, Final

from allauth.account.internal.flows.login import record_authentication
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.db import transaction
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from mydevices.accounts import providers
from mydevices.accounts.models import Person, Provider
from mydevices.accounts.providers import Claims
from mydevices.accounts.requests import address_of
from mydevices.errors import Invalid, MyDevicesError, NotAllowed

KIND: Final = "openid_connect"
SKEW: Final = 60
"""Seconds by which the provider's clock may be behind ours."""


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth carries no types
    def list_apps(
        self,
        request: HttpRequest,  # noqa: ARG002  the signature is allauth's
        provider: str | None = None,
        client_id: str | None = None,
    ) -> list[SocialApp]:
        """Our providers in the library's terms; none of its own rows, where secrets stand in the clear."""
        return [
            _app(one)
            for one in providers.enabled()
            if provider in {None, KIND, one.id} and client_id in {None, one.client_id}
        ]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:  # noqa: ARG002  the same
        """Never by the library: `pre_social_login` has made the account where one is to be."""
        return False

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: Any) -> Any:  # noqa: ARG002  the same
        """Not here: `providers.admit` describes people."""
        return sociallogin.user

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """The provider has answered. Whoever is admitted goes on to be signed in; a proof of identity ends here."""
        provider = providers.by_id(sociallogin.account.provider)
        try:
            said = _said(sociallogin)
            again = (sociallogin.state.get("data") or {}).get("again")
            if again is not None:
                raise ImmediateHttpResponse(_proved(request, sociallogin, said, float(again), provider))
            known = sociallogin.user if sociallogin.is_existing else None
            with transaction.atomic():
                person = providers.admit(
                    provider=provider,
                    claims=_claims(provider, sociallogin.account.uid, said),
                    known=known if isinstance(known, Person) else None,
                    address=address_of(request),
                )
                # What else it told is nobody's business here.
                sociallogin.account.extra_data = {}
                if sociallogin.is_existing:
                    sociallogin.user = person
                    sociallogin.account.save(update_fields=["extra_data"])
                else:
                    sociallogin.connect(request, person)
        except MyDevicesError as refusal:
            raise ImmediateHttpResponse(_refused(request, provider, refusal.message)) from refusal
        request.proved_at = _signed_in_at(said)  # type: ignore[attr-defined]  # for `Adapter.login`, once there is a session

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: Any = None,  # noqa: ARG002  the signature is allauth's
    ) -> None:
        ours = providers.by_id(provider.app.provider_id)
        if error == "cancelled" or getattr(error, "value", error) == "cancelled":
            message = _("You stopped before %(provider)s let you in.") % {"provider": ours.name}
        else:
            message = _("%(provider)s did not let you in, or did not answer. Try again in a moment.") % {
                "provider": ours.name
            }
        raise ImmediateHttpResponse(_refused(request, ours, message)) from exception


def _app(provider: Provider) -> SocialApp:
    return SocialApp(
        provider=KIND,
        provider_id=provider.id,
        name=provider.name,
        client_id=provider.client_id,
        secret=providers.secret_of(provider),
        settings={"server_url": provider.issuer, "oauth_pkce_enabled": True},
    )


def _said(sociallogin: SocialLogin) -> dict[str, Any]:
    """Everything the provider said, in its token and its answer about the user. Raises Invalid when they speak of
    different people (OpenID Connect Core, 5.3.2)."""
    data = sociallogin.account.extra_data
    token, answer = data.get("id_token"), data.get("userinfo") or {}
    if not isinstance(token, dict) or not isinstance(answer, dict):
        raise Invalid(_("The provider sent no proof of who you are."))
    if answer and answer.get("sub") != token.get("sub"):
        raise Invalid(_("The provider spoke of two different people."))
    return {**token, **answer}


def _claims(provider: Provider, subject: str, said: dict[str, Any]) -> Claims:
    groups = said.get(provider.groups_claim) if provider.groups_claim else None
    values = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    names = [str(said.get(part) or "") for part in ("given_name", "family_name")]
    return Claims(
        subject=subject,
        email=str(said.get("email") or "").strip(),
        email_verified=said.get("email_verified") in {True, "true"},
        name=str(said.get("name") or " ".join(filter(None, names))).strip(),
        groups=[value for value in values if isinstance(value, str)],
    )


def _signed_in_at(said: dict[str, Any]) -> float | None:
    """When the person proved to the provider who they are; None where it does not say."""
    at = said.get("auth_time")
    return min(float(at), time.time()) if isinstance(at, int | float) and not isinstance(at, bool) else None


def _proved(
    request: HttpRequest, sociallogin: SocialLogin, said: dict[str, Any], asked_at: float, provider: Provider
) -> HttpResponseRedirect:
    """The person who is signed in has proved anew at the provider who they are. Raises NotAllowed when it was another
    one, or when the provider does not say that it was just now: silence is no proof."""
    if not request.user.is_authenticated or sociallogin.user != request.user:
        raise NotAllowed(_("You confirmed as somebody else than the one who is signed in here."))
    at = _signed_in_at(said)
    if at is None:
        raise NotAllowed(
            _("%(provider)s did not say when you last proved who you are (auth_time). Ask the helpdesk.")
            % {"provider": provider.name}
        )
    if at < asked_at - SKEW:
        raise NotAllowed(
            _("%(provider)s let you through without asking. Sign out there, and try again.")
            % {"provider": provider.name}
        )
    record_authentication(request, request.user, "provider", at=at, reauthenticated=True)
    wanted = str(sociallogin.state.get("next") or "/")
    local = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()})
    return HttpResponseRedirect(wanted if local else "/", status=303)


def _refused(request: HttpRequest, provider: Provider, message: str) -> Any:
    context = {"provider": provider, "message": message, "local": providers.required() is not None}
    return render(request, "account/provider_refused.html", context, status=403)
