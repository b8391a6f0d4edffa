"""Signing in with a password alone, for somebody whose second factor is the very phone that they lost.

What such a session may do is said in three places, and everything else is refused: `portal.middleware.Limited` (pages),
`audit.services.record` (verbs) and `actions` (actions). It proves nothing for what asks for a fresh
proof. Whoever finds their second factor signs in anew: nothing turns this session into a whole one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.models import Login
from allauth.account.stages import LoginStageController
from allauth.mfa.stages import AuthenticateStage
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import login as open_session
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import attempts, providers, selectors, services
from mydevices.accounts.attempts import Limit
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.accounts.requests import LIMITED, SEEN, actor_in, address_of, browser_of
from mydevices.audit import services as audit
from mydevices.audit.verbs import Verb
from mydevices.errors import NotAllowed, TooMany

LASTS: Final = timedelta(minutes=30)
OFTEN: Final = Limit(5, timedelta(hours=1))
"""How often a person may begin one: each is mailed to them."""
BACKEND: Final = "mydevices.accounts.backends.Passwords"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody who has given their password in this sign-in, and has yet to show a second factor. `refusal` says why
    the password alone opens nothing for them; empty where it does."""

    person: Person
    refusal: str


def waiting(request: HttpRequest) -> Waiting | None:
    """Who stands at the second step of signing in; None where nobody does, or too much time has passed
    (`ACCOUNT_LOGIN_TIMEOUT`, fifteen minutes)."""
    stage = LoginStageController.enter(request, AuthenticateStage.key)
    person = stage.login.user if stage is not None else None
    if stage is None or not isinstance(person, Person) or not still_counts(stage.login):
        return None
    records = get_authentication_records(request, person)
    # Of this very attempt: an earlier one may have left its record in the session.
    by_password = any(
        record.get("method") == "password" and float(record.get("at", 0)) >= stage.login.initiated_at
        for record in records
    )
    return Waiting(person, _refusal(person, by_password=by_password))


def still_counts(login: Login) -> bool:
    """Whether a sign-in that was begun a while ago may go on: not past a suspension, nor past a new password or the
    undo of a change, which end all that began before them."""
    person = login.user
    if not isinstance(person, Person) or not person.is_active:
        return False
    changed_at = person.password_changed_at
    return changed_at is None or changed_at.timestamp() <= login.initiated_at


def _refusal(person: Person, *, by_password: bool) -> str:
    if person.has_console:
        return _("Your role sees more than your own devices, so your password alone opens nothing.")
    if not selectors.sign_in_rules().limited_sign_in:
        return _("Your organisation asks for the second factor here, too.")
    if person.provider or not by_password:
        return _("You sign in with %(provider)s, and not with a password.") % {
            "provider": providers.keeper(person) or _("your organisation’s provider")
        }
    return ""


def begin(request: HttpRequest) -> Person:
    """Sign in whoever stands at the second step, for locking and finding a device and nothing else. Under a session of
    a new key, which holds nothing that was there before; recorded, and mailed to them at once.

    Raises NotAllowed where nobody stands there or it is not for them, TooMany after `OFTEN`."""
    found = waiting(request)
    if found is None:
        raise NotAllowed(_("Sign in first."))
    if found.refusal:
        raise NotAllowed(found.refusal)
    person = found.person
    if not attempts.take("limited session", str(person.id), OFTEN):
        raise TooMany(_("That was done too often. Call the helpdesk: they can lock the device for you."))
    now = timezone.now()
    until = now + LASTS
    with transaction.atomic():
        request.session.flush()
        open_session(request, person, backend=BACKEND)
        request.session[LIMITED] = int(until.timestamp())
        request.session[SEEN] = int(now.timestamp())
        request.session.set_expiry(until)
        UserSession.objects.create_from_request(request)
        UserSession.objects.filter(session_key=request.session.session_key).update(data={LIMITED: True})
        audit.record(Verb.SIGNED_IN_LIMITED, actor=actor_in(request, person), person=person)
        facts: dict[str, str | int] = {
            "at": now.isoformat(timespec="seconds"),
            "browser": browser_of(request),
            "address": address_of(request),
            "minutes": int(LASTS.total_seconds() // 60),
        }
        services.notify(person=person, notice=Notice.LIMITED_SIGN_IN, facts=facts)
    return person


def until_of(request: HttpRequest) -> datetime | None:
    """Until when a limited session goes on; None for every other. Asks nothing for who brings no session."""
    session = getattr(request, "session", None)
    if session is None or settings.SESSION_COOKIE_NAME not in request.COOKIES or LIMITED not in session:
        return None
    return datetime.fromtimestamp(int(session[LIMITED]), tz=UTC)


def is_over(request: HttpRequest, person: Person) -> bool:
    """Whether its time has passed, or whether it would not be opened any more."""
    until = until_of(request)
    return until is None or until <= timezone.now() or bool(_refusal(person, by_password=True))


def end(request: HttpRequest) -> None:
    """Sign this browser out."""
    UserSession.objects.filter(session_key=request.session.session_key).delete()
    request.session.flush()
    request.user = AnonymousUser()
