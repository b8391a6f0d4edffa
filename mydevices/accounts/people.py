"""What administrators do to people and groups: roles, groups, suspension.

Whatever would leave nobody who can administer is refused; all that could is done one at a time (`organisation.hold`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import factors, following, rights, services, sessions
from mydevices.accounts.models import Group, Membership, Person
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, Invalid, NotAllowed
from mydevices.organisation import services as organisation


def _check(actor: Actor, person: Person) -> None:
    rights.require(actor, Right.MANAGE_PEOPLE)
    if actor.id == str(person.id):
        raise NotAllowed(_("Not to yourself: ask another administrator."))


def _keep_an_administrator(person: Person) -> None:
    """Raises Conflict where this person is the last who can administer. Within the line of `organisation.hold`."""
    others = Person.objects.filter(role=Person.Role.ADMINISTRATOR, is_active=True).exclude(id=person.id)
    if person.is_administrator and not others.exists():
        raise Conflict(_("%(name)s is the last administrator. Make somebody else one first.") % {"name": person.name})


@transaction.atomic
def suspend(*, actor: Actor, person: Person) -> Person:
    """Nothing of this person's works any more, at once and everywhere, until they are resumed. Their devices stay
    managed. Raises NotAllowed, NeedsFreshAuthentication, Conflict for the last administrator."""
    _check(actor, person)
    actor.require_fresh(timezone.now())
    organisation.hold()
    _keep_an_administrator(person)
    if Person.objects.filter(id=person.id, is_active=True).update(is_active=False):
        person.is_active = False
        sessions.end_all(actor=actor, person=person)
        following.changed([person.id])
        _record(Verb.PERSON_SUSPENDED, actor, person)
    return person


@transaction.atomic
def resume(*, actor: Actor, person: Person) -> Person:
    """Let a suspended person in again."""
    _check(actor, person)
    if Person.objects.filter(id=person.id, is_active=False).update(is_active=True):
        person.is_active = True
        following.changed([person.id])
        _record(Verb.PERSON_RESUMED, actor, person)
    return person


@transaction.atomic
def change_role(*, actor: Actor, person: Person, role: str) -> Person:
    """Raises Invalid for a role that there is not, NotAllowed, NeedsFreshAuthentication, Conflict for the last
    administrator."""
    _check(actor, person)
    actor.require_fresh(timezone.now())
    if role not in Person.Role.values:
        raise Invalid(_("There is no such role."))
    organisation.hold()
    if role != Person.Role.ADMINISTRATOR:
        _keep_an_administrator(person)
    if person.role != role:
        before, person.role = person.role, role
        person.save(update_fields=["role"])
        _record(Verb.ROLE_CHANGED, actor, person, before=before, after=role)
    return person


@transaction.atomic
def put_in_groups(*, actor: Actor, person: Person, groups: Collection[UUID]) -> None:
    """Into exactly these groups, but for those that a provider's claim brought: they stay until it takes them back."""
    rights.require(actor, Right.MANAGE_PEOPLE)
    _hold_groups_of(person)
    wanted = set(Group.objects.filter(id__in=groups).values_list("id", flat=True))
    here = {row.group_id: row.provider for row in Membership.objects.filter(person=person)}
    leaving = [group for group, provider in here.items() if group not in wanted and not provider]
    Membership.objects.filter(person=person, group_id__in=leaving).delete()
    joining = wanted - set(here)
    Membership.objects.bulk_create([Membership(person=person, group_id=group) for group in joining])
    note_groups(actor=actor, person=person, joined=joining, left=leaving)


@transaction.atomic
def put_in_group(*, actor: Actor, person: Person, group: Group) -> None:
    """Beside those where they are. Raises Conflict when they are in it, or it is gone."""
    rights.require(actor, Right.MANAGE_PEOPLE)
    _hold_groups_of(person)
    if Membership.objects.filter(person=person, group=group).exists():
        raise Conflict(_("%(name)s is in this group already.") % {"name": person.name})
    if not Group.objects.select_for_update().filter(id=group.id).exists():
        raise Conflict(_("This group has been deleted."))
    Membership.objects.create(person=person, group=group)
    note_groups(actor=actor, person=person, joined=[group.id], left=[])


@transaction.atomic
def take_from_group(*, actor: Actor, person: Person, group: Group) -> None:
    """Raises Conflict when they are not in it, or a provider's claim brought them."""
    rights.require(actor, Right.MANAGE_PEOPLE)
    _hold_groups_of(person)
    membership = Membership.objects.filter(person=person, group=group).first()
    words = {"name": person.name}
    if membership is None:
        raise Conflict(_("%(name)s is not in this group.") % words)
    if membership.provider:
        raise Conflict(_("%(name)s is in this group because their provider says so. Change it there.") % words)
    membership.delete()
    note_groups(actor=actor, person=person, joined=[], left=[group.id])


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


@transaction.atomic
def bring_up_to_date(
    *, actor: Actor, person: Person, name: str, language: str, groups: Collection[Group]
) -> Difference:
    """Give somebody the name, language and groups of a list, beside the groups that they are in; what was different.
    Never their address, role or password, nor a name that a provider keeps.

    Raises NotAllowed without the right, Invalid for a name or language that will not do, Conflict for a group that has
    been deleted meanwhile."""
    rights.require(actor, Right.MANAGE_PEOPLE)
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
    for group in found.groups:
        put_in_group(actor=actor, person=held, group=group)
    return found


def _hold_groups_of(person: Person) -> None:
    """Until the transaction ends: what is read of somebody's groups is what is changed."""
    list(Person.objects.select_for_update().filter(id=person.id).values_list("id"))


def note_groups(*, actor: Actor, person: Person, joined: Collection[UUID], left: Collection[UUID]) -> None:
    """Record that somebody came into groups and left others, by name, and tell who follows that; nothing when
    neither."""
    names = dict(Group.objects.filter(id__in=[*joined, *left]).order_by(Lower("name")).values_list("id", "name"))
    if names:
        following.changed([person.id])
        into, out = (", ".join(name for key, name in names.items() if key in some) for some in (joined, left))
        _record(Verb.GROUPS_CHANGED, actor, person, joined=into, left=out)


@transaction.atomic
def save_group(*, actor: Actor, group: Group, demands_factor: bool, now: datetime | None = None) -> Group:
    """Keep a new group or a changed one. `demands_factor`: its members need a second factor, after a week of grace.
    Raises Invalid, and Conflict for a name that is taken."""
    rights.require(actor, Right.MANAGE_PEOPLE)
    group.name = group.name.strip()
    try:
        group.clean_fields()
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    if demands_factor and group.second_factor_since is None:
        group.second_factor_since = now or timezone.now()
    elif not demands_factor:
        group.second_factor_since = None
    try:
        with transaction.atomic():
            group.save()
    except IntegrityError as error:
        raise Conflict(_("There is a group of this name.")) from error
    transaction.on_commit(factors.forget)
    audit.record(Verb.GROUP_CHANGED, actor=actor, details={"group": group.name, "second_factor": demands_factor})
    return group


@transaction.atomic
def delete_group(*, actor: Actor, group: Group) -> None:
    """Its members stay as they are; what was for the group reaches them no longer."""
    rights.require(actor, Right.MANAGE_PEOPLE)
    actor.require_fresh(timezone.now())
    name, members = group.name, list(group.memberships.values_list("person_id", flat=True))
    following.changed(members)
    Group.objects.filter(id=group.id).delete()
    transaction.on_commit(factors.forget)
    audit.record(Verb.GROUP_DELETED, actor=actor, details={"group": name, "members": len(members)})


def _record(verb: Verb, actor: Actor, person: Person, **details: str | int) -> None:
    audit.record(verb, actor=actor, person_id=person.id, person_name=person.name, details=details)
