"""Second factors that somebody who forgot their password does not have, or does not know, are removed after a week.

A mailbox alone must not be enough to get past a second factor, and losing one must not shut its owner out for ever. So
whoever sets a new password by mail may ask for factors to be removed: every address known of the person is mailed at
once and then daily, and the first use of any factor of theirs ends it. Nobody with a role in the console gets rid of a
factor this way: another administrator does that, or the server's command line.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from allauth.account.signals import authentication_step_completed
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import selectors, services
from mydevices.accounts.models import EmailChange, FactorRemoval, Person
from mydevices.accounts.notices import Notice
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import NotAllowed

WAITS: Final = timedelta(days=7)
TOLD_EVERY: Final = timedelta(days=1)
MOST_ADDRESSES: Final = 5
"""Former addresses that are mailed besides the present one: the newest."""
AT_ONCE: Final = 100
"""Removals that one round of the sweep looks at."""


def connect() -> None:
    """From the app's `ready`. The signal comes with every sign-in and every proof by a factor."""
    authentication_step_completed.connect(_proved, dispatch_uid="accounts.factor_removal_ended")


def _proved(*, user: Any, method: str, **_signal: Any) -> None:
    if method == "mfa" and isinstance(user, Person):
        stop(person=user)


def may_ask(person: Person) -> bool:
    """Whether this person gets rid of a factor this way at all."""
    return not person.has_console and not person.provider


def waiting(person: Person) -> FactorRemoval | None:
    """The removal that waits for this person's week to pass."""
    return person.factor_removals.filter(ended_at=None).first()


@transaction.atomic
def ask(*, actor: Actor, person: Person, factors: Collection[int], browser: str, now: datetime) -> FactorRemoval | None:
    """Begin the week for these factors (primary keys; those of somebody else are left out). None where nothing is left.
    A removal that waits already goes on with the factors of both, and its week begins anew.

    Raises NotAllowed for people with a role in the console."""
    own = list(Authenticator.objects.filter(user=person, pk__in=factors).values_list("pk", flat=True))
    if not own:
        return None
    if not may_ask(person):
        raise NotAllowed(_("Your role sees more than your own devices. Ask another administrator to remove it."))
    before = person.factor_removals.select_for_update().filter(ended_at=None).first()
    removal = before or FactorRemoval(person=person, factors=[])
    removal.factors = sorted({*removal.factors, *own})
    removal.asked_at = removal.told_at = now
    removal.due_at = now + WAITS
    removal.save()
    audit.record(
        Verb.FACTOR_REMOVAL_ASKED,
        actor=actor,
        person=person,
        details={"number": len(removal.factors)},
    )
    _mail(removal, Notice.FACTOR_REMOVAL, {"browser": browser, "address": actor.address, "at": _text(now)})
    return removal


@transaction.atomic
def stop(*, person: Person) -> bool:
    """One of the person's factors has just been used, so nothing is removed. False where nothing waited."""
    now = timezone.now()
    if not FactorRemoval.objects.filter(person=person, ended_at=None).update(ended_at=now):
        return False
    audit.record(
        Verb.FACTOR_REMOVAL_STOPPED,
        actor=Actor.system("second factor used"),
        person=person,
    )
    return True


def sweep(*, now: datetime) -> int:
    """Remind of removals that wait, and carry out those whose week has passed. How many were carried out."""
    due = FactorRemoval.objects.filter(ended_at=None, due_at__lte=now).order_by("due_at")
    done = sum(_carry_out(removal, now) for removal in due[:AT_ONCE])
    late = FactorRemoval.objects.filter(ended_at=None, due_at__gt=now, told_at__lte=now - TOLD_EVERY)
    for removal in late.select_related("person").order_by("told_at")[:AT_ONCE]:
        with transaction.atomic():
            # Whoever moves the time first is the one who writes.
            if FactorRemoval.objects.filter(pk=removal.pk, told_at=removal.told_at, ended_at=None).update(told_at=now):
                _mail(removal, Notice.FACTOR_REMOVAL, {})
    return done


@transaction.atomic
def _carry_out(removal: FactorRemoval, now: datetime) -> bool:
    if not FactorRemoval.objects.filter(pk=removal.pk, ended_at=None, due_at__lte=now).update(ended_at=now):
        return False
    person = Person.objects.select_for_update().get(id=removal.person_id)
    own = Authenticator.objects.filter(user=person)
    if not may_ask(person) or own.filter(last_used_at__gt=removal.asked_at).exists():
        return False
    _rows, by_model = own.filter(pk__in=removal.factors).delete()
    removed = by_model.get(Authenticator._meta.label, 0)  # noqa: SLF001  Django's documented way to it
    if not own.exclude(type=Authenticator.Type.RECOVERY_CODES).exists():
        own.delete()
    if not removed:
        return False
    audit.record(
        Verb.FACTOR_REMOVED,
        actor=Actor.system("forgotten password"),
        person=person,
        details={"factor": "forgotten", "number": removed},
    )
    for address in addresses_of(person):
        services.notify(person=person, notice=Notice.FACTOR_REMOVED, address=address, facts={"at": _text(now)})
    return True


def addresses_of(person: Person) -> Sequence[str]:
    """The person's address, and those they had before that nobody else has by now: an intruder may sit in one of the
    mailboxes, but hardly in all of them."""
    former = (
        EmailChange.objects.filter(person=person)
        .exclude(confirmed_at=None)
        .order_by("-asked_at")
        .values_list("old_email", "new_email")[:MOST_ADDRESSES]
    )
    every = {person.email: None, **{address: None for change in former for address in change}}
    taken = [address for address in every if selectors.with_address(address).exclude(id=person.id).exists()]
    return [address for address in every if address not in taken][: 1 + MOST_ADDRESSES]


def _mail(removal: FactorRemoval, notice: Notice, facts: dict[str, str]) -> None:
    for address in addresses_of(removal.person):
        services.notify(
            person=removal.person, notice=notice, address=address, facts={"until": _text(removal.due_at), **facts}
        )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
