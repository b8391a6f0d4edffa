"""The way to a provider and back, as requests and sessions see it.

What was asked, of whom, for what purpose and when stands in the session and nowhere else: the address that people come
back to carries only the name under which it is found there. It is good for one answer and ten minutes, for the browser
that asked.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import perform_login, perform_password_login, record_authentication
from allauth.account.models import Login
from django.contrib import messages
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from mydevices.accounts import arrivals, attempts, openid, providers
from mydevices.accounts.models import Person, Provider, ProviderLink
from mydevices.accounts.openid import Busy, NoAnswer
from mydevices.accounts.requests import actor_of, prove_by_password
from mydevices.errors import MyDevicesError, NeedsFreshAuthentication, NotAllowed, ProtocolError
from mydevices.protocols import oidc
from mydevices.protocols.oidc import Claims

ASKED: Final = "asked_of_providers"
"""In the session: what was asked, by its name in the address."""
ADOPTION: Final = "adoption"
"""In the session: what a provider said of somebody who has an account here that they have not proved yet."""
ADOPTS: Final = "adopts"
"""The key of the same among what django-allauth carries through the steps of one sign-in."""
GOOD_FOR: Final = 600
"""Seconds between asking and the answer, and between the answer and the proof."""
MOST_ASKED: Final = 5
"""Questions that a session has open."""


class Purpose(StrEnum):
    """What somebody was sent to a provider for. An answer to one is none to another."""

    SIGN_IN = "sign_in"
    AGAIN = "again"
    """To prove anew who they are."""
    LINK = "link"
    """To link their account here to the one there."""


def leave(request: HttpRequest, provider: Provider, purpose: Purpose, *, to: str) -> HttpResponse:
    """Off to the provider, which sends people back to `finish`. Whoever proves something there is asked, even where the
    provider knows them."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _one in range(3))
    back = request.build_absolute_uri(reverse("openid_connect_callback", args=[provider.id]))
    digest = hashlib.sha256(verifier.encode()).digest()
    try:
        address = openid.way_there(
            provider,
            back=back,
            state=state,
            nonce=nonce,
            challenge=base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            asked={} if purpose == Purpose.SIGN_IN else {"prompt": "login", "max_age": "0"},
        )
    except NoAnswer as error:
        return _no_answer(request, provider, error)
    user = request.user
    asked = {name: one for name, one in _asked(request).items() if time.time() - one["at"] <= GOOD_FOR}
    newest = sorted(asked.items(), key=lambda item: float(item[1]["at"]))[-(MOST_ASKED - 1) :]
    request.session[ASKED] = dict(newest) | {
        state: {
            "purpose": purpose,
            "provider": provider.id,
            "issuer": provider.issuer,
            "person": str(user.id) if isinstance(user, Person) else "",
            "nonce": nonce,
            "verifier": verifier,
            "back": back,
            "to": to,
            "at": time.time(),
        }
    }
    return HttpResponseRedirect(address)


def _asked(request: HttpRequest) -> dict[str, dict[str, Any]]:
    found = request.session.get(ASKED)
    return found if isinstance(found, dict) else {}


def _read_anew(request: HttpRequest) -> bool:
    """Read the session again: while the provider was waited for, other requests may have written to it. False where it
    has ended meanwhile, so that whoever was signed in no longer is."""
    before = request.session.get(SESSION_KEY)
    request.session = request.session.__class__(request.session.session_key)
    return bool(request.session.get(SESSION_KEY) == before)


def _taken(request: HttpRequest, provider: Provider) -> Mapping[str, Any] | None:
    """What was asked under this answer's `state`, which can't be used again; None where nothing was."""
    asked = _asked(request) if _read_anew(request) else {}
    one = asked.pop(request.GET.get("state", ""), None)
    if one is None:
        return None
    request.session[ASKED] = asked
    # At once: the rest of this request can take its time, and another one must not find it meanwhile.
    try:
        request.session.save()
    except UpdateError:  # it ended at this very moment
        request.session = request.session.__class__()
        return None
    is_of_it = one["provider"] == provider.id and one["issuer"] == provider.issuer
    return one if is_of_it and time.time() - one["at"] <= GOOD_FOR else None


def finish(request: HttpRequest, provider: Provider) -> HttpResponse:
    """The provider has sent somebody back."""
    if request.GET.get("state", "") not in _asked(request):
        return _not_asked(request, provider)
    if "code" not in request.GET:
        _taken(request, provider)
        if request.GET.get("error") == "access_denied":
            message = _("You stopped before %(provider)s let you in.") % {"provider": provider.name}
            return refused(request, provider, message)
        return _refused(request, provider, _unbelievable(provider), reason="the provider refused")
    try:
        metadata = openid.prepared(provider)
        with openid.place(provider):
            asked = _taken(request, provider)
            if asked is None:
                return _not_asked(request, provider)
            claims = openid.said(
                provider,
                metadata,
                code=request.GET["code"],
                back=asked["back"],
                verifier=asked["verifier"],
                nonce=asked["nonce"],
                named=request.GET.get("iss"),
                now=timezone.now(),
            )
    except NoAnswer as error:
        return _no_answer(request, provider, error)
    except ProtocolError as error:
        return _refused(request, provider, _unbelievable(provider), reason=error.message)
    if not _read_anew(request):
        return _not_asked(request, provider)
    return _believed(request, provider, asked, claims)


def _not_asked(request: HttpRequest, provider: Provider) -> HttpResponse:
    message = _("You did not come from here, or it took too long. Sign in again.")
    return _refused(request, provider, message, reason="nothing was asked")


def _unbelievable(provider: Provider) -> str:
    return _("%(provider)s did not let you in, or what it said can’t be trusted. Try again in a moment.") % {
        "provider": provider.name
    }


def _believed(request: HttpRequest, provider: Provider, asked: Mapping[str, Any], claims: Claims) -> HttpResponse:
    try:
        match asked["purpose"]:
            case Purpose.AGAIN:
                return _proved(request, provider, asked, claims)
            case Purpose.LINK:
                return _linked(request, provider, asked, claims)
        return _arrived(request, provider, claims, to=asked["to"])
    except MyDevicesError as refusal:
        person = ProviderLink.objects.filter(issuer=provider.issuer, subject=claims.subject).first()
        note_failure(request, provider, "not admitted", person.person if person else None)
        return refused(request, provider, refusal.message)


def _arrived(request: HttpRequest, provider: Provider, claims: Claims, *, to: str) -> HttpResponse:
    arrival = arrivals.admit(provider=provider, claims=claims, address=get_adapter(request).get_client_ip(request))
    person = arrival.person
    if request.user.is_authenticated:
        get_adapter(request).logout(request)
    if arrival.must_prove:
        request.session[ADOPTION] = {
            "provider": provider.id,
            "issuer": provider.issuer,
            "person": str(person.id),
            "claims": asdict(claims),
            "to": to,
            "at": time.time(),
        }
        return HttpResponseRedirect(reverse("provider_adopt", args=[provider.id]), status=303)
    # That a provider sent somebody here proves nothing of when it last asked them: it says so itself.
    record_authentication(request, person, "socialaccount", provider=provider.id, uid=claims.subject)
    request.proved_at = claims.signed_in_at  # type: ignore[attr-defined]  # for `Adapter.login`, once there is a session
    login = Login(user=person, redirect_url=to or None)
    answer: HttpResponse = perform_login(request, login)
    return answer


def _proved(request: HttpRequest, provider: Provider, asked: Mapping[str, Any], claims: Claims) -> HttpResponse:
    """The person who is signed in has proved anew at the provider who they are. Raises NotAllowed when it was another
    one, or when the provider does not say that it was just now: silence is no proof."""
    user = request.user
    is_theirs = (
        isinstance(user, Person)
        and asked["person"] == str(user.id)
        and user.provider_links.filter(issuer=provider.issuer, subject=claims.subject).exists()
    )
    if not is_theirs:
        raise NotAllowed(_("You confirmed as somebody else than the one who is signed in here."))
    if claims.signed_in_at is None:
        raise NotAllowed(
            _("%(provider)s did not say when you last proved who you are (auth_time). Ask the helpdesk.")
            % {"provider": provider.name}
        )
    if claims.signed_in_at < asked["at"] - oidc.SKEW:
        raise NotAllowed(
            _("%(provider)s let you through without asking. Sign out there, and try again.")
            % {"provider": provider.name}
        )
    record_authentication(request, request.user, "provider", at=claims.signed_in_at, reauthenticated=True)
    return HttpResponseRedirect(_local(request, asked["to"]), status=303)


def _linked(request: HttpRequest, provider: Provider, asked: Mapping[str, Any], claims: Claims) -> HttpResponse:
    user = request.user
    if not isinstance(user, Person) or asked["person"] != str(user.id):
        raise NotAllowed(_("You came back as somebody else than the one who is signed in here."))
    try:
        arrivals.link_own(actor=actor_of(request), person=user, provider=provider, claims=claims)
    except NeedsFreshAuthentication as stale:
        raise NotAllowed(
            _("That took longer than your last proof counts. Link %(provider)s again.") % {"provider": provider.name}
        ) from stale
    messages.success(request, _("You can sign in with %(provider)s from now on.") % {"provider": provider.name})
    return HttpResponseRedirect(reverse("mfa_index"), status=303)


def _local(request: HttpRequest, wanted: str) -> str:
    return wanted if wanted and url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}) else "/"


# Proving an account that is here already


def adoption(request: HttpRequest, provider: Provider) -> tuple[Person, dict[str, Any]] | None:
    """Whose account has to be proved in this session, and what the provider said; None where there is none, or it took
    too long."""
    found = request.session.get(ADOPTION)
    if not isinstance(found, dict) or time.time() - found["at"] > GOOD_FOR:
        return None
    if found["provider"] != provider.id or found["issuer"] != provider.issuer:
        return None
    person = Person.objects.filter(id=found["person"], is_active=True).first()
    return None if person is None else (person, found)


def prove_and_enter(request: HttpRequest, provider: Provider, *, password: str) -> HttpResponse | None:
    """Sign in whom the provider brought, by the password of their account here; None for a wrong one. It is linked once
    all steps of this sign-in are done. Counted as a sign-in is: raises TooMany; NotAllowed where nothing waits."""
    waiting = adoption(request, provider)
    if waiting is None:
        raise NotAllowed(_("That took too long. Sign in with %(provider)s again.") % {"provider": provider.name})
    person, found = waiting
    request.proves = person.id  # type: ignore[attr-defined]  # for `Passwords`: a provider that is required does not stand in its own way
    if prove_by_password(request, email=person.email, password=password) != person:
        return None
    del request.session[ADOPTION]
    login = Login(user=person, redirect_url=_local(request, found["to"]), signal_kwargs={ADOPTS: found})
    answer: HttpResponse = perform_password_login(request, {"email": person.email}, login)
    return answer


def by_passkey(request: HttpRequest, person: Person) -> dict[str, Any] | None:
    """What a sign-in by passkey has to carry so that `adopt` links the account at its end, where it was sent from the
    page on which somebody proves an account; None for any other sign-in."""
    provider = next((one for one in providers.enabled() if one.id == request.POST.get(ADOPTS)), None)
    waiting = adoption(request, provider) if provider is not None else None
    if waiting is None or waiting[0] != person:
        return None
    return {ADOPTS: waiting[1]}


def way_on(carried: Mapping[str, Any] | None) -> str | None:
    """The address that somebody wanted to go to before they were asked to prove an account; None where they named
    none. `carried` is what `by_passkey` gave."""
    return str(carried[ADOPTS]["to"]) or None if carried else None


def adopt(request: HttpRequest, person: Person, carried: Mapping[str, Any]) -> None:
    """At the end of a sign-in that proved an account: link it. Where something has changed meanwhile nothing is linked,
    and a message says so; they are signed in all the same, because they have proved who they are."""
    request.session.pop(ADOPTION, None)
    provider = next((one for one in providers.enabled() if one.id == carried["provider"]), None)
    if provider is None or provider.issuer != carried["issuer"] or carried["person"] != str(person.id):
        return
    try:
        arrivals.adopt(
            actor=actor_of(request), person=person, provider=provider, claims=Claims(**dict(carried["claims"]))
        )
    except MyDevicesError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("You can sign in with %(provider)s from now on.") % {"provider": provider.name})


# What did not work


def note_failure(request: HttpRequest, provider: Provider, reason: str, person: Person | None = None) -> None:
    """An entry of the audit for a sign-in that came to nothing: some from each network, for anybody can cause them."""
    adapter = get_adapter(request)
    if attempts.may_note("provider", adapter.get_client_ip(request)):
        adapter.proof_failed(request, person, step="provider", provider=provider.id, reason=reason)


def _refused(request: HttpRequest, provider: Provider, message: str, *, reason: str) -> HttpResponse:
    note_failure(request, provider, reason)
    return refused(request, provider, message)


def refused(request: HttpRequest, provider: Provider, message: str) -> HttpResponse:
    """A page that says why nobody was signed in."""
    context = {"provider": provider, "message": message, "local": providers.required() is not None}
    return render(request, "account/provider_refused.html", context, status=HTTPStatus.FORBIDDEN)


def _no_answer(request: HttpRequest, provider: Provider, error: NoAnswer) -> HttpResponse:
    """The provider did not answer. Where only others were in the way, the page asks again by itself."""
    is_busy = isinstance(error, Busy)
    if is_busy:
        message = _("%(provider)s is being asked. This page goes on by itself in a moment.")
    else:
        note_failure(request, provider, error.message)
        message = _("%(provider)s does not answer. Try again in a moment.")
    context = {
        "provider": provider,
        "message": message % {"provider": provider.name},
        "local": providers.required() is not None,
        "waits": is_busy,
    }
    answer = render(request, "account/provider_refused.html", context, status=HTTPStatus.SERVICE_UNAVAILABLE)
    answer.headers["Retry-After"] = "2"
    if is_busy:
        answer.headers["Refresh"] = f"2; url={request.get_full_path()}"
    return answer
