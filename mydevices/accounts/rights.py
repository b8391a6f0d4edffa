"""Who may do what in the console. Verbs ask here; pages hide nothing that a verb would allow.

A person with devices has no right at all: what is theirs they do as its owner.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from django.utils.translation import gettext as _

from mydevices.accounts.models import Person
from mydevices.audit.actor import Actor
from mydevices.errors import NotAllowed


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
        raise NotAllowed(_("Your role does not allow this. Those who may: %(roles)s.") % {"roles": _(", ").join(roles)})
