"""The second factor that the rules of sign-in ask of everybody whose role sees more than their own devices.

Whoever signs in for the first time has until their second sign-in, and 24 hours at most. Who had an account already
when the rule came is told by mail, and has a week. Until when somebody may go on without one stands in their own row,
so that no page asks the database for it. People of a provider who have no password here are its matter (decision 25).
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.signals import post_delete, post_save
from django.utils import timezone

from mydevices.accounts import factors, selectors, services
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice

FIRST: Final = timedelta(hours=24)
"""After the first sign-in, or after getting such a role while signed in."""
NOTICE: Final = timedelta(days=7)
"""After the mail to those who were here before."""

_HERE: Final = Q(provider="") | ~Q(password__startswith=UNUSABLE_PASSWORD_PREFIX)
"""`Person.proves_elsewhere`, the other way round."""


def connect() -> None:
    """From the app's `ready`: adding and losing a factor begins and ends the time."""
    post_save.connect(_saved, sender=Authenticator, dispatch_uid="accounts.role_factor_saved")
    post_delete.connect(_deleted, sender=Authenticator, dispatch_uid="accounts.role_factor_deleted")


def is_asked(person: Person) -> bool:
    """Whether this person's role asks for a second factor here. Asks the database for nothing."""
    return person.has_console and not person.proves_elsewhere and selectors.sign_in_rules().console_factor


def due(person: Person) -> datetime | None:
    """Until when this person may go on without a second factor; None where none is asked of them, or they have one.
    From their own row alone: what is overdue by it is looked at once more (`is_overdue`)."""
    if not is_asked(person):
        return None
    if person.factor_due_at is not None or person.factor_due_by_notice:
        return person.factor_due_at  # no time yet for those who have still to be told
    if person.signed_in_at is None or person.signed_in_at < person.role_since:
        return person.role_since + FIRST  # they got the role in the middle of a session
    return None


def is_overdue(person: Person, now: datetime) -> bool:
    """Whether this person may do nothing more before they have added a second factor."""
    until = due(person)
    return until is not None and until <= now and not factors.has_one(person)


def signed_in(*, person: Person, now: datetime) -> bool:
    """Note a sign-in, within its transaction. True the first time, where they should be shown how to secure their
    account."""
    if not is_asked(person) or factors.has_one(person):
        _set(person, None)
        return False
    if person.factor_due_by_notice:
        if person.factor_due_at is None:
            _give_notice(person, now)
        return False
    is_first = person.factor_due_at is None
    _set(person, now + FIRST if person.factor_due_at is None else min(now, person.factor_due_at))
    return is_first


@transaction.atomic
def begin(*, now: datetime) -> int:
    """The rule holds from now on: who has no factor is told, and has a week. How many."""
    found = list(_without_one())
    for person in found:
        _give_notice(person, now)
    return len(found)


def tell(*, now: datetime, limit: int = 200) -> int:
    """Begin the week of those who were here before the server knew this rule. How many. Done by the worker."""
    told = 0
    for person in _without_one().filter(factor_due_by_notice=True, factor_due_at=None)[:limit]:
        with transaction.atomic():
            if selectors.sign_in_rules().console_factor and _hold(person.id):
                _give_notice(person, now)
                told += 1
    return told


def _hold(person_id: UUID) -> bool:
    waiting = Person.objects.select_for_update().filter(id=person_id, factor_due_by_notice=True, factor_due_at=None)
    return bool(list(waiting.values_list("id")))


def _without_one() -> QuerySet[Person]:
    own = Authenticator.objects.filter(user=OuterRef("pk")).exclude(type=Authenticator.Type.RECOVERY_CODES)
    found = Person.objects.filter(~Exists(own), _HERE, is_active=True).exclude(role=Person.Role.PERSON)
    return found.order_by("id")


def _give_notice(person: Person, now: datetime) -> None:
    _set(person, now + NOTICE, by_notice=True)
    until = (now + NOTICE).isoformat(timespec="seconds")
    services.notify(person=person, notice=Notice.FACTOR_NEEDED, facts={"until": until})


def _set(person: Person, until: datetime | None, *, by_notice: bool = False) -> None:
    if (person.factor_due_at, person.factor_due_by_notice) == (until, by_notice):
        return
    person.factor_due_at, person.factor_due_by_notice = until, by_notice
    person.save(update_fields=["factor_due_at", "factor_due_by_notice"])


def _saved(*, instance: Authenticator, created: bool, **_signal: Any) -> None:
    if created and instance.type != Authenticator.Type.RECOVERY_CODES:
        timed = Person.objects.filter(Q(factor_due_by_notice=True) | ~Q(factor_due_at=None), pk=instance.user_id)
        timed.update(factor_due_at=None, factor_due_by_notice=False)


def _deleted(*, instance: Authenticator, **_signal: Any) -> None:
    """Whoever loses the last one, by whatever hand, adds another before anything else."""
    if instance.type == Authenticator.Type.RECOVERY_CODES:
        return
    left = Authenticator.objects.filter(user=instance.user_id).exclude(type=Authenticator.Type.RECOVERY_CODES)
    if not left.exists():
        asked = Person.objects.filter(_HERE, pk=instance.user_id).exclude(role=Person.Role.PERSON)
        asked.update(factor_due_at=timezone.now(), factor_due_by_notice=False)
