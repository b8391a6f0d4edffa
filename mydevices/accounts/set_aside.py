"""Second factors that open nothing for now: those added around the time of an e-mail change that was undone.

Nobody knows yet whether the owner or an intruder added them, so they are neither deleted nor trusted.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils.translation import gettext as _

from mydevices.accounts.models import Person, SetAsideFactor
from mydevices.errors import Conflict

_COPIED: Final = ("type", "data", "created_at", "last_used_at")

Revoke = Callable[[UUID, datetime, datetime], None]
"""Gets a person's id, since when something may be an intruder's, and the time. Runs in the undo's transaction."""

_REVOKING: list[Revoke] = []


def also(revoke: Revoke) -> None:
    """Have something in an app above this one that lets somebody in (tickets, PINs, tokens) stopped. At start-up."""
    _REVOKING.append(revoke)


@transaction.atomic
def put_aside(*, person: Person, since: datetime, now: datetime) -> int:
    """Take what was added since then out of use, recovery codes included; how many factors that were. Older recovery
    codes stay, even alone: nothing asks for them then, but they prove who holds them.

    Part of another verb, which records it."""
    added = list(Authenticator.objects.filter(user=person, created_at__gte=since))
    SetAsideFactor.objects.bulk_create(
        SetAsideFactor(person=person, set_aside_at=now, **{name: getattr(factor, name) for name in _COPIED})
        for factor in added
    )
    Authenticator.objects.filter(pk__in=[factor.pk for factor in added]).delete()
    for revoke in _REVOKING:
        revoke(person.id, since, now)
    return len(added)


def of(person: Person) -> Sequence[SetAsideFactor]:
    """What is set aside for this person, oldest first."""
    return list(person.set_aside_factors.order_by("created_at", "id"))


@transaction.atomic
def decide(*, person: Person, give_back: Collection[int]) -> tuple[int, int]:
    """Put the chosen ones (by their ids) back into use and delete the others; how many of each.

    Raises Conflict where one takes the place of another that was set up since. Part of another verb, like
    `put_aside`."""
    every = list(person.set_aside_factors.select_for_update())
    back = [factor for factor in every if factor.pk in set(give_back)]
    single = {Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES}
    for factor in back:
        if factor.type in single and Authenticator.objects.filter(user=person, type=factor.type).exists():
            raise Conflict(_("You have set up another one of this kind since then. Remove that one first."))
        Authenticator(user=person, **{name: getattr(factor, name) for name in _COPIED}).save()
    person.set_aside_factors.all().delete()
    return len(back), len(every) - len(back)
