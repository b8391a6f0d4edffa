"""Who may do what in the console. Verbs ask here; pages hide nothing that a verb would allow.

A person with devices has no right at all: what is theirs they do as its owner.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from django.utils.translation import gettext as _

from mydevices.accounts.models import Group, Person
from mydevices.audit.actor import Actor
from mydevices.errors import NotAllowed

log = logging.getLogger(__name__)


class Right(StrEnum):
    SEE_PEOPLE = "see_people"
    SEE_DEVICES = "see_devices"
    SEE_AUDIT = "see_audit"
    SEE_SETTINGS = "see_settings"
    """Settings, policies and configurations as they are."""
    EXPORT = "export"
    """Lists and the audit as files."""
    INVITE = "invite"
    ASSIST = "assist"
    """Lock somebody's device, unlock it and make it check in."""
    MANAGE_PEOPLE = "manage_people"
    """Their names, groups and roles; suspend them; end their sessions; take away a lost second factor."""
    MANAGE_DEVICES = "manage_devices"
    """Wipe and retire somebody's device, and change whose it is."""
    MANAGE_POLICIES = "manage_policies"
    """Policies and configurations, and whom they reach."""
    MANAGE_SETTINGS = "manage_settings"


_SEE: Final = frozenset({Right.SEE_PEOPLE, Right.SEE_DEVICES, Right.SEE_AUDIT, Right.SEE_SETTINGS})

BY_ROLE: Final[Mapping[str, frozenset[Right]]] = {
    Person.Role.PERSON: frozenset(),
    Person.Role.HELPDESK: frozenset({Right.SEE_PEOPLE, Right.SEE_DEVICES, Right.INVITE, Right.ASSIST}),
    Person.Role.AUDITOR: _SEE | {Right.EXPORT},
    Person.Role.ADMINISTRATOR: frozenset(Right),
}


def roles_with(right: Right) -> Sequence[str]:
    """The roles that have this right."""
    return [str(role) for role, allowed in BY_ROLE.items() if right in allowed]


def of(actor: Actor) -> frozenset[Right]:
    """The rights of this actor: all for the server itself (its command line is an administrator's already), by role
    for a person, none for everybody else, nor for whoever has given no more than a password where more is asked."""
    if actor.kind == "system":
        return frozenset(Right)
    if actor.kind != "person" or actor.is_limited:
        return frozenset()
    return BY_ROLE.get(actor.role, frozenset())


def require(actor: Actor, right: Right) -> None:
    """Raises NotAllowed, with who may, for an actor without this right."""
    actor.require_full()
    if right not in of(actor):
        roles = [str(role.label) for role in Person.Role if right in BY_ROLE[role]]
        words = {"roles": _(", ").join(roles)}
        raise _refused(actor, right, _("Your role does not allow this. Those who may: %(roles)s.") % words)


def _refused(actor: Actor, what: str, why: str) -> NotAllowed:
    """Written to the log here, because no edge sees all of it: forms show what they are refused, batches go on with the
    next. What a transaction takes back would take an entry of the audit back with it."""
    log.warning("refused: %s %s, %s: %s", actor.kind, actor.id, actor.role or "no role", what)
    return NotAllowed(why)


def is_above(actor: Actor, person: Person) -> bool:
    """Whether this person has a right here that the actor has not."""
    return actor.id != str(person.id) and not BY_ROLE[person.role] <= of(actor)


def may_fill(actor: Actor, group: Group) -> bool:
    """Whether this actor may put people into the group: a group is a key to whatever is assigned to it."""
    return Right.MANAGE_PEOPLE in of(actor) or (group.open_to_helpdesk and Right.INVITE in of(actor))


def ceiling(actor: Actor, *, person: Person | None = None, role: str = "", groups: Iterable[Group] = ()) -> None:
    """Nobody gives, opens, sends or shows what would make somebody, or themselves, more than they are.

    `person` is whose account, device or link this opens, `role` and `groups` are what somebody gets by it. Beside the
    right, which the verb asks for. Raises NotAllowed, with whom to ask."""
    if person is not None and is_above(actor, person):
        words = {"name": person.name, "role": Person.Role(person.role).label}
        why = _("%(name)s (%(role)s) has rights here that you don't. Ask an administrator.") % words
        raise _refused(actor, f"above: person {person.id}", why)
    if role and not BY_ROLE[role] <= of(actor):
        words = {"role": Person.Role(role).label}
        why = _("The role “%(role)s” has rights that you don't. Ask an administrator.") % words
        raise _refused(actor, f"above: role {role}", why)
    for group in groups:
        if not may_fill(actor, group):
            why = _("The group “%(group)s” isn't open to the helpdesk. Ask an administrator.") % {"group": group.name}
            raise _refused(actor, f"closed: group {group.pk}", why)
