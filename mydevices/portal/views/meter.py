"""How hard a new password is to guess, as a part of the pages where somebody chooses one.

Judging costs time, so it isn't for everybody: for whoever is signed in, and for visitors whose link is good. Both can
ask as often as people type, and no more.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from mydevices.accounts import attempts, email_change, password_reset, passwords, selectors
from mydevices.accounts import services as accounts
from mydevices.accounts.attempts import Limit
from mydevices.accounts.models import Person, SignInRules
from mydevices.accounts.requests import address_of, person_of
from mydevices.errors import Conflict, TooMany
from mydevices.registration import invitations

PER_PERSON: Final = Limit(60, timedelta(minutes=1))
"""The page asks when somebody stops typing, at most twice a second."""
PER_NETWORK: Final = Limit(120, timedelta(minutes=1))


@require_POST
@sensitive_post_parameters("password")
@login_required
@never_cache
def usual(request: HttpRequest) -> HttpResponse:
    """For somebody who is signed in."""
    person = person_of(request)
    _count("meter of", str(person.id), PER_PERSON)
    return _judged(request, person)


@require_POST
@sensitive_post_parameters("password")
@never_cache
def setup(request: HttpRequest, token: str) -> HttpResponse:
    """For the first administrator, of whom nothing is known but what is typed beside it."""
    _count_visitor(request)
    accounts.check_first_administrator_token(token)
    return _judged(request, Person(name=request.POST.get("name", "")[:120], email=request.POST.get("email", "")[:254]))


@require_POST
@sensitive_post_parameters("password")
@never_cache
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    _count_visitor(request)
    found = invitations.find(token=token)
    reason = invitations.why_over(found, timezone.now())
    if reason:
        raise Conflict(reason)
    return _judged(request, found.person)


@require_POST
@sensitive_post_parameters("password")
@never_cache
def reset(request: HttpRequest, person_id: UUID, token: str) -> HttpResponse:
    """For whoever has forgotten theirs."""
    _count_visitor(request)
    return _judged(request, password_reset.whose(person_id=person_id, token=token))


@require_POST
@sensitive_post_parameters("password")
@never_cache
def restore(request: HttpRequest, token: str) -> HttpResponse:
    """For whoever has taken their address back."""
    _count_visitor(request)
    return _judged(request, email_change.to_settle(token).person)


def _count_visitor(request: HttpRequest) -> None:
    """Before a link is looked at: wrong ones cost as much."""
    for network, times in attempts.networks_of(address_of(request)).items():
        _count("meter from", network, Limit(PER_NETWORK.most * times, PER_NETWORK.within))


def _count(what: str, key: str, limit: Limit) -> None:
    if not attempts.take(what, key, limit):
        raise TooMany(_("That was tried too often. Wait a minute."))


def _judged(request: HttpRequest, person: Person) -> HttpResponse:
    """By the rules that the form asks; history alone is left to it, for it costs hashes."""
    typed = request.POST.get("password", "")[: SignInRules.LONGEST + 1]
    judgement = passwords.judge(typed, person=person, rules=selectors.sign_in_rules()) if typed else None
    return render(request, "parts/strength.html", {"judgement": judgement})
