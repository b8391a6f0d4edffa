"""From a web request to the actor that verbs are given. The only place that looks into the session for it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records, perform_password_login
from allauth.account.models import Login
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _

from mydevices import clients
from mydevices.accounts import attempts, browsers, codes, rights
from mydevices.accounts.models import Person
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import FRESH, Actor, Strength
from mydevices.audit.verbs import Verb
from mydevices.errors import NotAllowed, TooMany

COOKIE: Final = f"__Host-{attempts.COOKIE}" if settings.SESSION_COOKIE_SECURE else attempts.COOKIE
"""Tells in which browsers somebody has signed in before; opens nothing."""


_REMEMBERS: Final = "mydevices.remembers"

FRESH_FOR: Final = FRESH.total_seconds()
SIGN_IN_LASTS: Final = 900
"""Seconds from the first step of a sign-in to its last (the library's own `LOGIN_TIMEOUT`)."""
_METHODS: Final = {"socialaccount": "provider"}

SEEN: Final = "seen"
"""In the session: when a page was last opened, as whole seconds since 1970."""


BEGAN: Final = "began"
"""In the session: when somebody signed in, as whole seconds since 1970. Whatever the session writes anew moves the end
that Django keeps; this it doesn't."""


LIMITED: Final = "limited_until"
"""In the session: until when it goes on, as whole seconds since 1970, where it was begun with a password alone."""


SECURE: Final = "secure"
"""In the session: they have still to be shown how to secure their account (`role_factors`)."""


def strength_of(request: HttpRequest) -> Strength:
    """What whoever is signed in here has proved themselves with."""
    return Strength.LIMITED if LIMITED in request.session else Strength.FULL


def address_of(request: HttpRequest) -> str:
    """The client's IP address, by the number of trusted proxies; empty where it cannot be told."""
    given: Mapping[str, str] = request.META
    return clients.address(
        given.get("REMOTE_ADDR", ""),
        given.get("HTTP_X_FORWARDED_FOR", ""),
        proxies=settings.ENVIRONMENT.trusted_proxies,
    )


def person_of(request: HttpRequest) -> Person:
    """Who is signed in. Raises NotAllowed for nobody; pages ask for sign-in before they come here."""
    user = request.user
    if isinstance(user, AnonymousUser) or not isinstance(user, Person):
        raise NotAllowed(_("Sign in first."))
    return user


def actor_in(request: HttpRequest, person: Person) -> Actor:
    """A person as the one who acts in this request, such as in the middle of signing in. No proof is claimed."""
    return Actor(
        kind="person",
        id=str(person.id),
        name=person.name,
        role=person.role,
        address=address_of(request),
        strength=strength_of(request),
    )


def rights_of(request: HttpRequest) -> frozenset[Right]:
    """What the visitor may do in the console, by their role alone: for what a page offers. Verbs ask for themselves."""
    user = request.user
    if not isinstance(user, Person):
        return frozenset()
    return rights.of(Actor(kind="person", id=str(user.id), role=user.role, strength=strength_of(request)))


def actor_of(request: HttpRequest) -> Actor:
    """Who acts, in what role, from where, and when they last proved who they are."""
    person = person_of(request)
    records = get_authentication_records(request, person)
    return Actor(
        kind="person",
        id=str(person.id),
        name=person.name,
        role=person.role,
        address=address_of(request),
        # That a provider sent somebody here proves nothing of when it last asked them: it says so itself (`social.py`).
        authenticated_at=_latest(record for record in records if record.get("method") != "socialaccount"),
        factor_at=_latest(record for record in records if _has_factor(record)),
        strength=strength_of(request),
    )


def _latest(records: Iterable[Mapping[str, Any]]) -> datetime | None:
    """When the last of these proofs was given. No record is no proof: an empty answer of a library is not consent."""
    return max(
        (datetime.fromtimestamp(float(record["at"]), tz=UTC) for record in records if record.get("at")), default=None
    )


def _has_factor(record: Mapping[str, Any]) -> bool:
    """Whether a second factor was part of this proof. A passkey that signs in alone is one: its holder was verified
    (`passkeys.SignInForm`). A provider's word counts where it says that it asked for one."""
    method = record.get("method")
    return method == "mfa" or (method == "provider" and record.get("factor") is True)


def proved_by(request: HttpRequest, person: Person) -> str:
    """What somebody who is just signing in has proved themselves by, for the audit: such as `password+totp`, `webauthn`
    or `provider`. Of this sign-in alone: the library keeps what was given earlier in the same session."""
    begins = datetime.now(UTC).timestamp() - SIGN_IN_LASTS
    records = [one for one in get_authentication_records(request, person) if float(one.get("at", 0)) >= begins]
    names = [str(one.get("type") or _METHODS.get(str(one.get("method")), one.get("method"))) for one in records]
    return "+".join(dict.fromkeys(names))


def fresh_factor_of(request: HttpRequest, now: datetime) -> int | None:
    """The second factor (its primary key) with which the person has proved themselves in the last five minutes; None
    where it was something else."""
    records = [record for record in get_authentication_records(request, person_of(request)) if record.get("id")]
    fresh = [record for record in records if _has_factor(record) and now.timestamp() - float(record["at"]) <= FRESH_FOR]
    return int(fresh[-1]["id"]) if fresh else None


def prove_by_password(request: HttpRequest, *, email: str, password: str) -> Person | None:
    """Whose password this is, without signing anybody in: counted, slowed down and recorded as a sign-in is, and with
    the same work for an address that nobody has. Raises TooMany after too many tries."""
    try:
        user = get_adapter(request).authenticate(request, email=email, password=password)
    except ValidationError as error:
        raise TooMany(" ".join(error.messages)) from error
    return user if isinstance(user, Person) and user.is_active else None


def prove_by_code(request: HttpRequest, person: Person, code: str) -> Authenticator | None:
    """The second factor of this person that a code belongs to, without signing anybody in or noting the proof in the
    session; None where it is wrong. The code is used up, and the try counted, slowed down, recorded and mailed as at
    sign-in. Not inside of a transaction (`codes.check`). Raises TooMany after too many tries."""
    answer = check_code(request, person, code)
    if answer.refused_until is not None:
        raise attempts.refusal(answer.refused_until)
    if answer.factor is not None:
        answer.factor.record_usage()
    return answer.factor


def check_code(request: HttpRequest, person: Person, code: str) -> codes.Answer:
    """The same with all that came of it, for pages that have to go on from there."""
    return codes.check(
        actor=actor_in(request, person),
        person=person,
        code=code,
        cookie=cookie_of(request),
        browser=browser_of(request),
        has_session=request.user == person,
    )


def enter(request: HttpRequest, person: Person, *, to: str) -> HttpResponse:
    """Sign somebody in who has just chosen their password, as if they had typed it, and show them `to`."""
    login = Login(user=person, redirect_url=to)
    answer: HttpResponse = perform_password_login(request, {"email": person.email}, login)
    return answer


def note_refusal(request: HttpRequest, *, hidden: bool = False) -> None:
    """An entry of the audit for somebody whose role does not allow what they asked of the console, or who asked for
    what is somebody else's: a few, however often they ask. `asked` is what the address names.
    `hidden`: not in their own history, where it would tell them what is there and what is not."""
    person, match = person_of(request), request.resolver_match
    if not attempts.take("refused in the console", str(person.id), attempts.NOTED):
        return
    audit.record(
        Verb.ACCESS_REFUSED,
        actor=actor_in(request, person),
        person=None if hidden else person,
        details={
            "page": match.view_name if match else "",
            "method": request.method or "",
            # Numbers of rows alone: what else stands in an address may be a token.
            "asked": " ".join(str(value) for value in match.kwargs.values() if isinstance(value, UUID | int))
            if match
            else "",
        },
    )


def browser_of(request: HttpRequest) -> str:
    """The visitor's browser in words, for mails."""
    return browsers.described(request.headers.get("User-Agent", ""))


def cookie_of(request: HttpRequest) -> str:
    return request.COOKIES.get(COOKIE, "")


def remember_in_browser(request: HttpRequest, person: Person) -> None:
    """Tell this browser, with the answer to this request, that the person has proved here who they are: guesses that
    are made elsewhere do not slow them here."""
    request.META[_REMEMBERS] = person


def write_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """What `remember_in_browser` promised. For the middleware: django-allauth makes answers in many places."""
    person = request.META.get(_REMEMBERS)
    if not isinstance(person, Person):
        return
    response.set_cookie(
        COOKIE,
        attempts.renewed_cookie(cookie_of(request), person),
        max_age=attempts.COOKIE_LIFETIME,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
