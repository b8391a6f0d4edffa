"""Who is in which group.

What comes with a group to many devices (a configuration that reaches them, a rule that is looser for them) waits for
another administrator: `hold_moves` asks the apps above what that is. The groups themselves: `groups`.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices.accounts import approvals, following, rights
from mydevices.accounts.approvals import Change, Matter, Wanted
from mydevices.accounts.models import Approval, Group, Membership, Person
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict
from mydevices.organisation import services as organisation

MOVE: Final = "group.members"


def register() -> None:
    """What waits for another administrator. From the app's `ready`."""
    matter = Matter(
        right=Right.MANAGE_PEOPLE,
        asks=Right.INVITE,  # who invites puts people into some groups
        title=_title_of_move,
        lines=_lines_of_move,
        carry_out=_carry_out_move,
    )
    approvals.register(MOVE, matter)


def put_in_groups(*, actor: Actor, person: Person, groups: Collection[UUID], now: datetime | None = None) -> None:
    """Into exactly these groups, but for those that a provider's claim brought: they stay until it takes them back.
    Raises NotAllowed, NeedsFreshAuthentication; Waits where something reaches many devices by it; then all of it waits.
    """
    rights.require(actor, Right.MANAGE_PEOPLE)
    now = now or timezone.now()
    with transaction.atomic():
        organisation.hold()
        _hold_groups_of(person)
        known = list(Group.objects.filter(id__in=groups))
        rights.ceiling(actor, groups=known)
        wanted = {group.id for group in known}
        here = {row.group_id: row.provider for row in Membership.objects.filter(person=person)}
        leaving = [group for group, provider in here.items() if group not in wanted and not provider]
        approval = hold_moves(actor, {person.id: wanted - set(here)}, {person.id: leaving}, now)
        if approval is None:
            move(actor, person, joining=wanted - set(here), leaving=leaving)
            return
    raise approvals.waits(approval)


def put_in_group(*, actor: Actor, person: Person, group: Group, now: datetime | None = None) -> None:
    """Beside those where they are. Raises NotAllowed, NeedsFreshAuthentication, Conflict when they are in it, or it is
    gone; Waits where something reaches many devices by it."""
    rights.require(actor, Right.MANAGE_PEOPLE)
    rights.ceiling(actor, groups=[group])
    now = now or timezone.now()
    with transaction.atomic():
        organisation.hold()
        _hold_groups_of(person)
        if Membership.objects.filter(person=person, group=group).exists():
            raise Conflict(_("%(name)s is in this group already.") % {"name": person.name})
        if not Group.objects.select_for_update().filter(id=group.id).exists():
            raise Conflict(_("This group has been deleted."))
        approval = hold_moves(actor, {person.id: [group.id]}, {}, now)
        if approval is None:
            move(actor, person, joining=[group.id], leaving=[])
            return
    raise approvals.waits(approval)


def move(actor: Actor, person: Person, *, joining: Collection[UUID], leaving: Collection[UUID]) -> None:
    """At once, in the transaction of a verb that has asked `hold_moves`."""
    Membership.objects.filter(person=person, group_id__in=leaving).delete()
    Membership.objects.bulk_create([Membership(person=person, group_id=group) for group in joining])
    note_groups(actor=actor, person=person, joined=joining, left=leaving)


def take_from_group(*, actor: Actor, person: Person, group: Group, now: datetime | None = None) -> None:
    """Raises NotAllowed, NeedsFreshAuthentication, Conflict when they are not in it, or a provider's claim brought
    them; Waits where rules are looser for many devices by it."""
    rights.require(actor, Right.MANAGE_PEOPLE)
    now = now or timezone.now()
    with transaction.atomic():
        organisation.hold()
        _hold_groups_of(person)
        membership = Membership.objects.filter(person=person, group=group).first()
        words = {"name": person.name}
        if membership is None:
            raise Conflict(_("%(name)s is not in this group.") % words)
        if membership.provider:
            raise Conflict(_("%(name)s is in this group because their provider says so. Change it there.") % words)
        approval = hold_moves(actor, {}, {person.id: [group.id]}, now)
        if approval is None:
            move(actor, person, joining=[], leaving=[group.id])
            return
    raise approvals.waits(approval)


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
        details = {"joined": into, "left": out}
        audit.record(Verb.GROUPS_CHANGED, actor=actor, person=person, details=details)


# What comes with a group to many devices waits for another administrator


@dataclass(frozen=True, slots=True)
class Brought:
    """What is new for devices when people come into a group, or leave it: a configuration that reaches them, or a rule
    that is looser for them. `mark` is another one once it says something else."""

    name: str
    mark: str
    devices: frozenset[UUID]


Moves = Mapping[UUID, Collection[UUID]]
"""From the ids of people to those of groups."""
Bringing = Callable[[Moves, Moves], Sequence[Brought]]
"""Gets who joins which groups, where they are not yet, and who leaves which, where they are. All of it is one step: two
groups that somebody leaves at once can each have been what held the stricter rule."""
_BRINGING: Final[list[Bringing]] = []

NAMED: Final = 12
"""People that an approval names."""


def ask_what_comes_with_groups(bringing: Bringing) -> None:
    """Name a function that says what would be new for the devices of people by a group: what is for groups is known to
    apps above."""
    _BRINGING.append(bringing)


def ask_to_move(*, actor: Actor, joins: Moves | None = None, leaves: Moves | None = None) -> None:
    """Before many people are put into groups, or taken from them, one by one. Raises Waits, once for all of them, where
    that is new for many devices: then nobody is to be moved, for it is done when another administrator allows it.
    Raises NotAllowed, NeedsFreshAuthentication."""
    rights.require(actor, Right.MANAGE_PEOPLE)
    actor.require_fresh(now := timezone.now())
    with transaction.atomic():
        organisation.hold()
        approval = hold_moves(actor, joins or {}, leaves or {}, now)
    if approval is not None:
        raise approvals.waits(approval)


def hold_moves(actor: Actor, joins: Moves, leaves: Moves, now: datetime) -> Approval | None:
    """The same for a verb of which it is only a part, after `organisation.hold`. None where they may be moved at
    once."""
    brought = _brought(joins, leaves) if approvals.must_wait(actor) else []
    devices = frozenset[UUID]().union(*(one.devices for one in brought))
    if approvals.may_reach(actor=actor, device_ids=devices, now=now):
        return None
    moves = {"joins": _written(joins), "leaves": _written(leaves)}
    arguments = {**moves, "brings": {one.mark: one.name for one in brought}, "devices": len(devices)}
    named = Group.objects.filter(id__in=set[UUID]().union(*joins.values(), *leaves.values())).order_by(Lower("name"))
    subject = _(", ").join(named.values_list("name", flat=True))
    # The same asked twice is one change.
    what = f"members:{hashlib.sha256(json.dumps(moves, sort_keys=True).encode()).hexdigest()}"
    return approvals.hold(actor=actor, wanted=Wanted(MOVE, what, subject, arguments), now=now)


def _written(moves: Moves) -> dict[str, list[str]]:
    return {str(person): sorted(map(str, groups)) for person, groups in moves.items() if groups}


def _read(written: Mapping[str, Sequence[str]]) -> dict[UUID, set[UUID]]:
    return {UUID(person): set(map(UUID, groups)) for person, groups in written.items()}


def _brought(joins: Moves, leaves: Moves) -> Sequence[Brought]:
    """What would be new for devices by it. Who is in a group already does not come into it, and the other way round."""
    here: dict[UUID, set[UUID]] = {}
    for person, group in Membership.objects.filter(person__in={*joins, *leaves}).values_list("person_id", "group_id"):
        here.setdefault(person, set()).add(group)
    coming = {person: set(groups) - here.get(person, set()) for person, groups in joins.items()}
    going = {person: set(groups) & here.get(person, set()) for person, groups in leaves.items()}
    coming, going = ({person: some for person, some in moves.items() if some} for moves in (coming, going))
    if not coming and not going:
        return []
    return [one for bringing in _BRINGING for one in bringing(coming, going) if one.devices]


def people_of(moves: Moves) -> Mapping[UUID, set[UUID]]:
    """From the ids of groups to those of the people who come into them, or leave them."""
    moving: dict[UUID, set[UUID]] = {}
    for person, groups in moves.items():
        for group in groups:
            moving.setdefault(group, set()).add(person)
    return moving


def _title_of_move(approval: Approval) -> str:
    joins, leaves = (approval.arguments[moves] for moves in ("joins", "leaves"))
    number = len({*joins, *leaves})
    if not leaves:
        text = ngettext("Put %(number)d person into: %(groups)s", "Put %(number)d people into: %(groups)s", number)
    elif not joins:
        text = ngettext(
            "Take %(number)d person out of: %(groups)s", "Take %(number)d people out of: %(groups)s", number
        )
    else:
        text = _("Change who is in: %(groups)s")
    return text % {"number": number, "groups": approval.subject}


def _lines_of_move(approval: Approval) -> Sequence[Change]:
    people = {*approval.arguments["joins"], *approval.arguments["leaves"]}
    some = Person.objects.filter(id__in=people).order_by(Lower("name"), "id").values_list("name", "email")[:NAMED]
    names = [f"{name} <{email}>" for name, email in some]
    rest = len(people) - len(names)
    if rest > 0:
        names.append(ngettext("and %(number)d more", "and %(number)d more", rest) % {"number": rest})
    texts = {
        _("People"): _(", ").join(names),
        _("What changes for their devices"): _(", ").join(sorted(set(approval.arguments["brings"].values()))),
        _("Devices"): str(approval.arguments["devices"]),
    }
    return [Change(label, "", text) for label, text in texts.items()]


def _carry_out_move(approval: Approval, actor: Actor, _now: datetime) -> None:
    joins, leaves = (_read(approval.arguments[moves]) for moves in ("joins", "leaves"))
    named = set[UUID]().union(*joins.values())
    if len(list(Group.objects.select_for_update().filter(id__in=named))) != len(named):
        raise Conflict(_("This group has been deleted."))
    brought = _brought(joins, leaves)
    devices = frozenset[UUID]().union(*(one.devices for one in brought))
    is_more = len(devices) > approval.arguments["devices"] + approvals.rules().configuration_devices
    if is_more or not {one.mark for one in brought} <= set(approval.arguments["brings"]):
        raise Conflict(_("What comes with the group has been changed meanwhile. Look at it again."))
    for person in Person.objects.select_for_update().filter(id__in={*joins, *leaves}).order_by("id"):
        here = {row.group_id: row.provider for row in Membership.objects.filter(person=person)}
        leaving = [group for group in leaves.get(person.id, ()) if here.get(group) == ""]
        move(actor, person, joining=joins.get(person.id, set()) - set(here), leaving=leaving)
