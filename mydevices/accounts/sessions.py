"""Where a person is signed in, and how to end it. The rows are django-allauth's (`usersessions`), the truth is Django's
session: a row without one is nothing."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from allauth.account.signals import authentication_step_completed
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import rights
from mydevices.accounts.models import Person
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import NotFound, NotTheirs

SEEN_EVERY: Final = timedelta(minutes=1)
"""A page writes that the session is still used at most this often."""
REMEMBERED: Final = 10_000
"""Sessions of which a process remembers that."""


Pause = Callable[[UUID, datetime, datetime], object]
"""Gets a person's id, since when something may be somebody else's, and the time."""

_PAUSING: list[Pause] = []
EVER: Final = datetime.min.replace(tzinfo=UTC)


def also(pause: Pause) -> None:
    """Have something in an app above this one that speaks for a person without a session (an app's token) stopped as
    well, until they say that it is theirs. At start-up."""
    _PAUSING.append(pause)


def pause_others(*, person: Person, since: datetime = EVER) -> None:
    """Stop what speaks for this person beside their sessions and was made since then. In the transaction of a verb that
    ends sessions."""
    now = timezone.now()
    for pause in _PAUSING:
        pause(person.id, since, now)


def connect() -> None:
    """From the app's `ready`: a proof of identity in a session that goes on renews its key."""
    authentication_step_completed.connect(_proved_again, dispatch_uid="accounts.session_renewed")


def _proved_again(*, request: HttpRequest, reauthenticated: bool = False, **_signal: Any) -> None:
    if reauthenticated:
        renew(request)


def renew(request: HttpRequest) -> None:
    """Give this session another key, under which it goes on; the old key opens nothing any more. Django does so at
    sign-in only (OWASP ASVS 5.0, 7.2.4 asks for it at each proof of identity)."""
    before = request.session.session_key
    request.session.cycle_key()
    UserSession.objects.filter(session_key=before).update(session_key=request.session.session_key)


def of(person: Person) -> Sequence[UserSession]:
    """A person's living sessions, the one used last first. Two statements."""
    rows = list(UserSession.objects.filter(user=person).order_by("-last_seen_at"))
    keys = [row.session_key for row in rows]
    living = set(
        Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now()).values_list(
            "session_key", flat=True
        )
    )
    return [row for row in rows if row.session_key in living]


@transaction.atomic
def end(*, actor: Actor, person: Person, session_id: int) -> UserSession:
    """Sign one browser out, and pause what was made since it signed in: it may have made it. Raises NotFound for a
    session that is another's or has ended."""
    _check(actor, person)
    row = UserSession.objects.filter(user=person, pk=session_id).first()
    if row is None:
        why = NotTheirs if UserSession.objects.filter(pk=session_id).exists() else NotFound
        raise why(_("There is no such session."))
    _delete([row.session_key])
    pause_others(person=person, since=row.created_at)
    audit.record(Verb.SESSION_ENDED, actor=actor, person=person, details={"number": 1})
    return row


@transaction.atomic
def end_all(*, actor: Actor, person: Person, but: str = "") -> int:
    """Sign this person out everywhere, or everywhere `but` in one session (its key), and pause what speaks for them
    without one. The number of sessions ended."""
    _check(actor, person)
    keys = list(UserSession.objects.filter(user=person).exclude(session_key=but).values_list("session_key", flat=True))
    number = _delete(keys)
    pause_others(person=person)
    if number:
        audit.record(Verb.SESSION_ENDED, actor=actor, person=person, details={"number": number})
    return number


def forget(*, person: Person, but: str = "") -> int:
    """End a person's sessions by deleting them, `but` one; the number that ended. Part of other verbs, such as a new
    password: it records nothing. A session also dies with the password it began with."""
    keys = list(UserSession.objects.filter(user=person).exclude(session_key=but).values_list("session_key", flat=True))
    return _delete(keys)


@transaction.atomic
def end_idle(*, person: Person, session_key: str) -> None:
    """End a session that nobody used for longer than the rules allow."""
    _delete([session_key])
    actor = Actor.system("time-out")
    audit.record(Verb.SIGNED_OUT_IDLE, actor=actor, person=person)


def began(session_key: str) -> datetime | None:
    """When somebody signed in for this session, for one that does not say so itself."""
    row = UserSession.objects.filter(session_key=session_key).first()
    return row.created_at if row is not None else None


@transaction.atomic
def end_old(*, person: Person, session_key: str) -> None:
    """End a session that has gone on for as long as one may."""
    _delete([session_key])
    actor = Actor.system("time-out")
    audit.record(Verb.SESSION_ENDED, actor=actor, person=person, details={"number": 1})


def _check(actor: Actor, person: Person) -> None:
    if actor.kind != "person" or actor.id != str(person.id):
        rights.require(actor, Right.MANAGE_PEOPLE)
        rights.ceiling(actor, person=person)


def _delete(keys: Sequence[str]) -> int:
    ended, _by_model = Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(session_key__in=keys).delete()
    return ended


_noted: dict[str, datetime] = {}
"""When this process last wrote of a session: pages of the same minute write nothing."""


def seen(*, session_key: str, now: datetime) -> None:
    """Note that a session is used: one statement, at most once a minute."""
    noted = _noted.get(session_key)
    if noted is not None and now - noted < SEEN_EVERY:
        return
    if len(_noted) >= REMEMBERED:
        _noted.clear()
    _noted[session_key] = now
    UserSession.objects.filter(session_key=session_key, last_seen_at__lt=now - SEEN_EVERY).update(last_seen_at=now)
