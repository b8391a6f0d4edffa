"""What a list of people says about somebody who is here already, and what of it they are given."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import approvals, memberships, rights, services
from mydevices.accounts.models import Group, Person
from mydevices.accounts.rights import Right
from mydevices.audit.actor import Actor
from mydevices.errors import Conflict
from mydevices.organisation import services as organisation


@dataclass(frozen=True, slots=True)
class Difference:
    """What a list says about somebody who is here, where it differs; empty where it does not."""

    name: str = ""
    language: str = ""
    groups: tuple[Group, ...] = ()
    """Those to come into. A list takes nobody out of a group."""
    is_name_kept: bool = False
    """The list has another name, but theirs comes from a provider."""

    @property
    def is_nothing(self) -> bool:
        return not (self.name or self.language or self.groups)


def difference(person: Person, *, name: str, language: str, groups: Collection[Group]) -> Difference:
    """Between somebody and what a list says of them. What the list leaves empty stays as it is. Reads `person.groups`:
    prefetch them for many."""
    here = {group.id for group in person.groups.all()}
    is_other_name = bool(name) and name != person.name
    return Difference(
        name=name if is_other_name and not person.provider else "",
        language=language if language != person.language else "",
        groups=tuple(group for group in groups if group.id not in here),
        is_name_kept=is_other_name and bool(person.provider),
    )


def bring_up_to_date(
    *, actor: Actor, person: Person, name: str, language: str, groups: Collection[Group]
) -> Difference:
    """Give somebody the name, language and groups of a list, beside the groups that they are in; what was different.
    Never their address, role or password, nor a name that a provider keeps.

    Raises NotAllowed without the right, Invalid for a name or language that will not do, Conflict for a group that has
    been deleted meanwhile, and Waits where something reaches many devices by the groups: what need not wait is done."""
    rights.require(actor, Right.MANAGE_PEOPLE)
    rights.ceiling(actor, person=person, groups=groups)
    now = timezone.now()
    with transaction.atomic():
        organisation.hold()
        held = Person.objects.select_for_update().filter(id=person.id).first()
        if held is None:
            raise Conflict(_("There is no such person."))
        found = difference(held, name=name, language=language, groups=groups)
        if found.name:
            services.change_name(actor=actor, person=held, name=found.name)
        if found.language:
            services.change_preferences(
                actor=actor, person=held, language=found.language, time_zone=held.time_zone, theme=held.theme
            )
        joining = [group.id for group in found.groups]
        if Group.objects.filter(id__in=joining).count() != len(joining):
            raise Conflict(_("This group has been deleted."))
        approval = memberships.hold_moves(actor, {held.id: joining}, {}, now)
        if approval is None:
            memberships.move(actor, held, joining=joining, leaving=[])
            return found
    raise approvals.waits(approval)
