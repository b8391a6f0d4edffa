"""The page of an invitation's link: choose a password, or sign in with the organisation's provider, and go on."""

from typing import Final

from allauth.core.internal.ratelimit import consume
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from mydevices.accounts import providers
from mydevices.accounts.models import Person
from mydevices.accounts.requests import actor_of, address_of, enter
from mydevices.audit.actor import Actor
from mydevices.errors import Conflict, Invalid, NotFound, TooMany
from mydevices.portal.forms import FirstPasswordForm
from mydevices.presentation import moments
from mydevices.presentation.access import go, sent
from mydevices.registration import invitations
from mydevices.registration.models import Invitation

GUESSES: Final = {"invitation": "60/10m/ip"}
"""Wrong links from one place, which are looked up. Nobody guesses 256 random bits."""


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
@never_cache
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    found = _by_token(request, token)
    visitor = request.user if isinstance(request.user, Person) else None
    reason = invitations.why_over(found, timezone.now(), visitor=visitor)
    if reason:
        return _over(request, reason)
    try:
        if request.method == "POST":
            if request.user == found.person:
                return _accept_signed_in(request, token)
            return _choose(request, found, token)
    except Conflict as conflict:
        return _over(request, conflict.message)
    invitations.note_opened(invitation=found, actor=Actor(kind="anonymous", address=address_of(request)))
    return _page(request, found, FirstPasswordForm(), token)


def _choose(request: HttpRequest, found: Invitation, token: str) -> HttpResponse:
    form = FirstPasswordForm(sent(request))
    if form.is_valid():
        try:
            person = invitations.accept(
                token=token, password=form.cleaned_data["password"], address=address_of(request)
            )
        except Invalid as refusal:
            form.add_error("password", refusal.message)
        else:
            return enter(request, person, to=reverse("portal:register"))
    return _page(request, found, form, token)


def _accept_signed_in(request: HttpRequest, token: str) -> HttpResponse:
    invitations.accept_signed_in(token=token, actor=actor_of(request))
    return go(request, reverse("portal:register"))


def _page(request: HttpRequest, found: Invitation, form: FirstPasswordForm, token: str) -> HttpResponse:
    context = {
        "strength_url": reverse("portal:invitation_strength", args=[token]),
        "form": form,
        "invited": found.person,
        "by": found.created_by,
        "until": moments.moment(found.expires_at, timezone.now()),
        "may_choose": not providers.keeps_out(found.person),
        "is_here": request.user == found.person,
        "is_another": request.user.is_authenticated and request.user != found.person,
    }
    return render(request, "portal/invitation.html", context, status=400 if form.errors else 200)


def _over(request: HttpRequest, reason: str) -> HttpResponse:
    return render(request, "portal/invitation_over.html", {"reason": reason}, status=410)


def _by_token(request: HttpRequest, token: str) -> Invitation:
    """Right links always open: a whole office may accept behind one address."""
    try:
        return invitations.find(token=token)
    except NotFound as unknown:
        if consume(request, app="mydevices", action="invitation", config=GUESSES, limit_get=True) is None:
            raise TooMany(_("Too many wrong links tried from here. Wait ten minutes.")) from unknown
        raise
