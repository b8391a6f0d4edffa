"""Whether a change of policies lets somebody do more, or more be done to them, than before: by its values, its order,
or by whom it reaches."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from mydevices import looser
from mydevices.accounts import memberships
from mydevices.accounts.memberships import Brought, Moves
from mydevices.accounts.models import Group, Membership
from mydevices.devices.assignment import Assignment, Standing, To, reaches
from mydevices.devices.models import Device, Registration
from mydevices.looser import Values
from mydevices.policies import selectors
from mydevices.policies.kinds import KINDS
from mydevices.policies.kinds.kind import Kind
from mydevices.port.platform import PLATFORMS

Groups = frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy as it counts for whom it reaches."""

    policy_id: UUID | None
    """None for one that is not made yet."""
    values: Values
    """As they are stored."""
    assignment: Assignment


def rules(kind: type[Kind]) -> list[Rule]:
    """Those that count now, in their order."""
    found = selectors.of_kind(kind).filter(enabled=True).prefetch_related("groups")
    return [Rule(policy.id, kind.read(policy.values).stored(), policy.assignment) for policy in found]


def fields(
    kind: type[Kind], before: Sequence[Rule], after: Sequence[Rule], *, without: UUID | None = None
) -> Sequence[str]:
    """The fields by which some people, or devices, of this organisation would be under looser rules. `without`: a group
    that is gone afterwards.

    Every combination of groups that somebody is in is asked, and each group alone, be it empty yet; and of devices
    every platform and ownership."""
    found: set[str] = set()
    default = kind().stored()
    for who in _standings(kind, [*before, *after], without):
        left = Standing(who.groups - {without}, who.platform, who.ownership) if without else who
        found.update(looser.fields(kind.LOOSER, _holds(before, who, default), _holds(after, left, default)))
    return [name for name in kind.LOOSER if name in found]


def _holds(some: Sequence[Rule], who: Standing, default: Values) -> Values:
    return next((rule.values for rule in some if reaches(rule.assignment, who)), default)


def _standings(kind: type[Kind], some: Iterable[Rule], without: UUID | None) -> Iterator[Standing]:
    named: set[UUID] = set().union(*(rule.assignment.groups for rule in some)) | ({without} if without else set())
    for groups in _combinations(named):
        yield Standing(groups)
        if kind.is_of_devices():
            for platform, ownership in product(PLATFORMS, Device.Ownership.values):
                yield Standing(groups, platform, ownership)


def _combinations(named: Collection[UUID]) -> set[Groups]:
    """Of those of these groups that people are in."""
    of_people: dict[UUID, set[UUID]] = {}
    for person, group in Membership.objects.filter(group__in=named).values_list("person_id", "group_id"):
        of_people.setdefault(person, set()).add(group)
    return {frozenset(), *(frozenset({group}) for group in named), *map(frozenset, of_people.values())}


def without_group(group: Group) -> Mapping[str, Sequence[str]]:
    """By kind, the fields by which somebody would be under looser rules if this group were deleted; nothing where
    nobody would."""
    found = {}
    for name, kind in KINDS.items():
        before = rules(kind)
        after = [Rule(rule.policy_id, rule.values, _less(rule.assignment, group.id)) for rule in before]
        loosened = fields(kind, before, after, without=group.id)
        if loosened:
            found[name] = loosened
    return found


def brought_by(joins: Moves, leaves: Moves) -> Sequence[Brought]:
    """The policies of these groups by which rules would be looser for devices of these people if they came into the
    ones and left the others; and the second factor that a group demands which they would leave."""
    found = []
    for group_id, person_ids in memberships.people_of(leaves).items():
        if Group.objects.filter(id=group_id, second_factor_since__isnull=False).exists():
            reached = frozenset(_managed(person_ids).values_list("id", flat=True))
            found.append(Brought(_("No second factor is demanded any more"), f"factor:{group_id}", reached))
    moved = {person: {*joins.get(person, ()), *leaves.get(person, ())} for person in {*joins, *leaves}}
    every = set[UUID]().union(*moved.values())
    for kind in KINDS.values():
        some = rules(kind)
        touched = {rule.policy_id: rule.assignment.groups for rule in some if rule.policy_id}
        touched = {policy_id: groups for policy_id, groups in touched.items() if groups & every}
        if touched:
            loosened = _loosened(kind, some, moved)
            for policy in selectors.of_kind(kind).filter(id__in=touched):
                mark = f"policy:{policy.id}:{policy.precedence}:{policy.changed_at.isoformat()}"
                theirs = frozenset(device for device, owner in loosened.items() if touched[policy.id] & moved[owner])
                found.append(Brought(policy.name, mark, theirs))
    return found


def _managed(person_ids: Collection[UUID]) -> "QuerySet[Device]":
    return Device.objects.filter(owner__in=person_ids, registration__state__in=Registration.LIVING)


def _loosened(kind: type[Kind], some: Sequence[Rule], moved: Mapping[UUID, Collection[UUID]]) -> Mapping[UUID, UUID]:
    """The devices, with their owners, that would be under looser rules if these people came into the groups in which
    they are not, and left those in which they are."""
    groups: dict[UUID, set[UUID]] = {}
    for person, group in Membership.objects.filter(person__in=moved).values_list("person_id", "group_id"):
        groups.setdefault(person, set()).add(group)
    default, found = kind().stored(), {}
    devices = _managed(moved.keys())
    for device, owner, platform, ownership in devices.values_list("id", "owner_id", "platform", "ownership"):
        before = frozenset(groups.get(owner, ()))
        at = (platform, ownership) if kind.is_of_devices() else ("", "")
        held, holds = (_holds(some, Standing(one, *at), default) for one in (before, before ^ frozenset(moved[owner])))
        if looser.fields(kind.LOOSER, held, holds):
            found[device] = owner
    return found


def is_brought_by_ownership(device: Device, ownership: str) -> bool:
    """Whether looser rules would hold for this device if it were personal, or the organisation's."""
    groups = frozenset(Membership.objects.filter(person=device.owner_id).values_list("group_id", flat=True))
    before, after = (Standing(groups, device.platform, whose) for whose in (device.ownership, ownership))
    for kind in KINDS.values():
        if kind.is_of_devices():
            some, default = rules(kind), kind().stored()
            if looser.fields(kind.LOOSER, _holds(some, before, default), _holds(some, after, default)):
                return True
    return False


def _less(assignment: Assignment, group: UUID) -> Assignment:
    if group not in assignment.groups:
        return assignment
    left = assignment.groups - {group}
    return Assignment(
        to=To.GROUPS if left else To.NOBODY,
        groups=left,
        platforms=assignment.platforms,
        ownerships=assignment.ownerships,
    )
