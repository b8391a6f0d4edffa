"""What administrators do to people and groups: suspension, roles, who is in which group, and groups themselves.

Whatever would leave no administrator is refused; what could is done one at a time (`organisation.hold`). What loosens a
rule, or concerns an administrator, or reaches many devices, can wait for another administrator (`approvals`).
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices.accounts import approvals, factors, following, rights, services, sessions
from mydevices.accounts.approvals import Change, Matter, Wanted
from mydevices.accounts.models import Approval, Group, Membership, Person
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
    rights.ceiling(actor, person=person)


def _hold(person: Person) -> None:
    """One at a time, each with what the one before has left."""
    organisation.hold()
    person.refresh_from_db(fields=["role", "is_active"])


def _keep_an_administrator(person: Person) -> None:
    """Raises Conflict where this person is the last who can administer. After `organisation.hold`."""
    others = Person.objects.filter(role=Person.Role.ADMINISTRATOR, is_active=True).exclude(id=person.id)
    if person.is_administrator and not others.exists():
        raise Conflict(_("%(name)s is the last administrator. Make somebody else one first.") % {"name": person.name})


def suspend(*, actor: Actor, person: Person, now: datetime | None = None) -> Person:
    """Nothing of this person's works any more, at once and everywhere, until they are resumed. Their devices stay
    managed. Raises NotAllowed, NeedsFreshAuthentication, Conflict for the last administrator; Waits for another one,
    unless there is nobody to ask."""
    _check(actor, person)
    actor.require_fresh(now := now or timezone.now())
    with transaction.atomic():
        _hold(person)
        _keep_an_administrator(person)
        approval = _ask(SUSPEND, actor, person, now, waits=person.is_administrator and person.is_active)
        if approval is None:
            return _suspend(actor, person)
    raise approvals.waits(approval)


def _suspend(actor: Actor, person: Person) -> Person:
    if Person.objects.filter(id=person.id, is_active=True).update(is_active=False):
        person.is_active = False
        sessions.end_all(actor=actor, person=person)
        following.changed([person.id])
        _record(Verb.PERSON_SUSPENDED, actor, person)
    return person


def resume(*, actor: Actor, person: Person, now: datetime | None = None) -> Person:
    """Let a suspended person in again. Raises as `suspend`."""
    _check(actor, person)
    now = now or timezone.now()
    with transaction.atomic():
        _hold(person)
        approval = _ask(RESUME, actor, person, now, waits=person.is_administrator and not person.is_active)
        if approval is None:
            return _resume(actor, person, now)
    raise approvals.waits(approval)


def _resume(actor: Actor, person: Person, now: datetime) -> Person:
    if Person.objects.filter(id=person.id, is_active=False).update(is_active=True):
        person.is_active = True
        if person.is_administrator:  # they have it again from now on: who has just been let in decides nothing yet
            person.role_since = now
            person.save(update_fields=["role_since"])
        following.changed([person.id])
        _record(Verb.PERSON_RESUMED, actor, person)
    return person


def change_role(*, actor: Actor, person: Person, role: str, now: datetime | None = None) -> Person:
    """Raises Invalid for a role that there is not, NotAllowed, NeedsFreshAuthentication, Conflict for the last
    administrator; Waits where it makes an administrator, or makes one less, unless there is nobody to ask."""
    _check(actor, person)
    actor.require_fresh(now := now or timezone.now())
    if role not in Person.Role.values:
        raise Invalid(_("There is no such role."))
    rights.ceiling(actor, role=role)
    with transaction.atomic():
        _hold(person)
        if role != Person.Role.ADMINISTRATOR:
            _keep_an_administrator(person)
        waits = person.role != role and Person.Role.ADMINISTRATOR in {person.role, role}
        approval = _ask(ROLE, actor, person, now, waits=waits, after=role)
        if approval is None:
            return _change_role(actor, person, role, given_by=actor, now=now)
    raise approvals.waits(approval)


def _change_role(actor: Actor, person: Person, role: str, *, given_by: Actor, now: datetime) -> Person:
    if person.role != role:
        before, person.role, person.role_since = person.role, role, now
        person.role_given_by = given_by.id if given_by.kind == "person" else ""
        person.save(update_fields=["role", "role_since", "role_given_by"])
        _record(Verb.ROLE_CHANGED, actor, person, before=before, after=role)
    return person


# What is done to administrators waits for another one


SUSPEND: Final = "person.suspend"
RESUME: Final = "person.resume"
ROLE: Final = "person.role"
MOVE: Final = "group.members"
GROUP_CHANGE: Final = "group.change"
GROUP_DELETE: Final = "group.delete"


def register() -> None:
    """From the app's `ready`."""
    approvals.register(
        SUSPEND,
        _matter(
            lambda approval: _("Suspend the administrator %(name)s") % {"name": approval.subject},
            lambda _approval: [Change(_("Account"), _("Active"), _("Suspended"))],
            _carry_out_suspend,
        ),
    )
    approvals.register(
        RESUME,
        _matter(
            lambda approval: _("Let the administrator %(name)s in again") % {"name": approval.subject},
            lambda _approval: [Change(_("Account"), _("Suspended"), _("Active"))],
            _carry_out_resume,
        ),
    )
    approvals.register(ROLE, _matter(_title_of_role, _lines_of_role, _carry_out_role))
    change = _matter(_title_of_group, _lines_of_group, _carry_out_group)
    approvals.register(GROUP_CHANGE, replace(change, is_form=True))
    move = _matter(_title_of_move, _lines_of_move, _carry_out_move)
    approvals.register(MOVE, replace(move, asks=Right.INVITE))  # who invites puts people into some groups
    approvals.register(GROUP_DELETE, _matter(_title_of_group_end, _lines_of_group, _carry_out_group_end))


def _matter(
    title: Callable[[Approval], str],
    lines: Callable[[Approval], Sequence[Change]],
    carry_out: Callable[[Approval, Actor, datetime], None],
) -> Matter:
    return Matter(right=Right.MANAGE_PEOPLE, title=title, lines=lines, carry_out=carry_out)


def whats(person: Person) -> Sequence[str]:
    """How approvals name what may be done to somebody."""
    return [f"{thing}:{person.id}" for thing in ("account", "role", "factors")]


def _ask(kind: str, actor: Actor, person: Person, now: datetime, *, waits: bool, after: str = "") -> Approval | None:
    """After `organisation.hold`. What waits to be done to their role, or to their account, is replaced."""
    what = f"{'role' if kind == ROLE else 'account'}:{person.id}"
    wanted = Wanted(kind, what, person.name, {"person": str(person.id), "before": _state(person), "after": after})
    return approvals.ask(actor=actor, wanted=wanted, loosens=waits, now=now)


def _state(person: Person) -> dict[str, Any]:
    return {"role": str(person.role), "is_active": person.is_active}


def _unchanged(approval: Approval) -> Person:
    """Whom it is about. Raises Conflict where they are gone, or another role or suspension has come meanwhile."""
    person = Person.objects.select_for_update().filter(id=approval.arguments["person"]).first()
    if person is None:
        raise Conflict(_("There is no such person."))
    approvals.check_unchanged(_state(person), approval)
    return person


def _carry_out_suspend(approval: Approval, actor: Actor, _now: datetime) -> None:
    person = _unchanged(approval)
    _keep_an_administrator(person)
    _suspend(actor, person)


def _carry_out_resume(approval: Approval, actor: Actor, now: datetime) -> None:
    _resume(actor, _unchanged(approval), now)


def _carry_out_role(approval: Approval, actor: Actor, now: datetime) -> None:
    person, role = _unchanged(approval), approval.arguments["after"]
    if role != Person.Role.ADMINISTRATOR:
        _keep_an_administrator(person)
    # Who asked gave it, whoever allowed it: they decide on nothing of theirs.
    _change_role(actor, person, role, given_by=Actor(kind="person", id=approval.asker_id), now=now)


def _title_of_role(approval: Approval) -> str:
    words = {"name": approval.subject}
    if approval.arguments["after"] == Person.Role.ADMINISTRATOR:
        return _("Make %(name)s an administrator") % words
    return _("Take the role of administrator from %(name)s") % words


def _lines_of_role(approval: Approval) -> Sequence[Change]:
    before, after = Person.Role(approval.arguments["before"]["role"]), Person.Role(approval.arguments["after"])
    return [Change(_("Role"), str(before.label), str(after.label))]


# Groups


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
            _move(actor, person, joining=wanted - set(here), leaving=leaving)
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
            _move(actor, person, joining=[group.id], leaving=[])
            return
    raise approvals.waits(approval)


def _move(actor: Actor, person: Person, *, joining: Collection[UUID], leaving: Collection[UUID]) -> None:
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
            _move(actor, person, joining=[], leaving=[group.id])
            return
    raise approvals.waits(approval)


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
        approval = hold_moves(actor, {held.id: joining}, {}, now)
        if approval is None:
            _move(actor, held, joining=joining, leaving=[])
            return found
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
        _record(Verb.GROUPS_CHANGED, actor, person, joined=into, left=out)


# What comes with a group to many devices waits for another administrator


@dataclass(frozen=True, slots=True)
class Brought:
    """What is new for devices when people come into a group, or leave it: a configuration that reaches them, or a rule
    that is looser for them. `mark` is another one once it says something else."""

    name: str
    mark: str
    devices: frozenset[UUID]


Bringing = Callable[[Collection[UUID], UUID, bool], Sequence[Brought]]
"""Gets the ids of people, the group's, and whether they leave it; they are in it then, and not otherwise."""
Moves = Mapping[UUID, Collection[UUID]]
"""From the ids of people to those of groups."""
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
    found: list[Brought] = []
    for moves, leaving in ((joins, False), (leaves, True)):
        moving: dict[UUID, set[UUID]] = {}
        for person, groups in moves.items():
            for group in groups:
                moving.setdefault(group, set()).add(person)
        for group, people in moving.items():
            inside = Membership.objects.filter(group=group, person__in=people)
            here = set(inside.values_list("person_id", flat=True))
            some = people & here if leaving else people - here
            if some:
                found += [one for bringing in _BRINGING for one in bringing(some, group, leaving) if one.devices]
    return found


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
        _move(actor, person, joining=joins.get(person.id, set()) - set(here), leaving=leaving)


def save_group(*, actor: Actor, group: Group, demands_factor: bool, now: datetime | None = None) -> Group:
    """Keep a new group or a changed one. `demands_factor`: its members need a second factor, after a week of grace.
    Raises NotAllowed, NeedsFreshAuthentication, Invalid, and Conflict for a name that is taken; Waits where a second
    factor is demanded no longer, or the helpdesk may put people into it from now on."""
    rights.require(actor, Right.MANAGE_PEOPLE)
    group.name, now = group.name.strip(), now or timezone.now()
    try:
        group.clean_fields()
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    with transaction.atomic():
        organisation.hold()
        present, approval, since = Group.objects.filter(id=group.id).first(), None, None
        if present is not None:
            since = present.second_factor_since
            after = _said_of(group) | {"second_factor": demands_factor}
            arguments = {"group": str(group.id), "before": _said_of(present), "after": after}
            wanted = Wanted(GROUP_CHANGE, f"group:{group.id}", present.name, arguments)
            loosens = (since is not None and not demands_factor) or (
                group.open_to_helpdesk and not present.open_to_helpdesk
            )
            approval = approvals.ask(actor=actor, wanted=wanted, loosens=loosens, now=now)
        if approval is None:
            return _save_group(actor, group, (since or now) if demands_factor else None)
    raise approvals.waits(approval)


def _save_group(actor: Actor, group: Group, since: datetime | None) -> Group:
    group.second_factor_since = since
    try:
        with transaction.atomic():
            group.save()
    except IntegrityError as error:
        raise Conflict(_("There is a group of this name.")) from error
    transaction.on_commit(factors.forget)
    details: dict[str, str | bool] = {
        "group": group.name,
        "second_factor": since is not None,
        "open_to_helpdesk": group.open_to_helpdesk,
    }
    audit.record(Verb.GROUP_CHANGED, actor=actor, details=details)
    return group


def delete_group(*, actor: Actor, group: Group, now: datetime | None = None) -> None:
    """Its members stay as they are; what was for the group reaches them no longer. Raises NotAllowed,
    NeedsFreshAuthentication, Conflict where it is gone already; Waits where they are under looser rules by that."""
    rights.require(actor, Right.MANAGE_PEOPLE)
    actor.require_fresh(now := now or timezone.now())
    with transaction.atomic():
        organisation.hold()
        present = Group.objects.filter(id=group.id).first()
        if present is None:
            raise Conflict(_("This group has been deleted."))
        loosens = present.second_factor_since is not None or any(asked(present) for asked in _LOOSENED_BY_THE_END)
        arguments = {"group": str(group.id), "before": _said_of(present), "after": {}}
        wanted = Wanted(GROUP_DELETE, f"group:{group.id}", present.name, arguments)
        approval = approvals.ask(actor=actor, wanted=wanted, loosens=loosens, now=now)
        if approval is None:
            _delete_group(actor, present)
            return
    raise approvals.waits(approval)


def _delete_group(actor: Actor, group: Group) -> None:
    name, members = group.name, list(group.memberships.values_list("person_id", flat=True))
    following.changed(members)
    Group.objects.filter(id=group.id).delete()
    transaction.on_commit(factors.forget)
    audit.record(Verb.GROUP_DELETED, actor=actor, details={"group": name, "members": len(members)})


_LOOSENED_BY_THE_END: Final[list[Callable[[Group], bool]]] = []


def ask_before_a_group_ends(loosens: Callable[[Group], bool]) -> None:
    """Name a function that says whether somebody would be under looser rules if a group were deleted: what is for
    groups is known to apps above."""
    _LOOSENED_BY_THE_END.append(loosens)


def _said_of(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "description": group.description,
        "second_factor": group.second_factor_since is not None,
        "open_to_helpdesk": group.open_to_helpdesk,
    }


def _title_of_group(approval: Approval) -> str:
    return _("Change the group “%(name)s”") % {"name": approval.subject}


def _title_of_group_end(approval: Approval) -> str:
    return _("Delete the group “%(name)s”") % {"name": approval.subject}


def _lines_of_group(approval: Approval) -> Sequence[Change]:
    before, after = approval.arguments["before"], approval.arguments["after"]
    labels = {
        "name": _("Name"),
        "description": _("Description"),
        "second_factor": _("Needs a second factor"),
        "open_to_helpdesk": _("Open to the helpdesk"),
    }
    return [
        Change(label, approvals.said(before.get(name, "")), approvals.said(after.get(name, "")))
        for name, label in labels.items()
        if before.get(name) != after.get(name) and (before.get(name) or after.get(name))
    ]


def _unchanged_group(approval: Approval) -> Group:
    group = Group.objects.select_for_update().filter(id=approval.arguments["group"]).first()
    if group is None:
        raise Conflict(_("This group has been deleted."))
    approvals.check_unchanged(_said_of(group), approval)
    return group


def _carry_out_group(approval: Approval, actor: Actor, now: datetime) -> None:
    group, after = _unchanged_group(approval), approval.arguments["after"]
    group.name, group.description = after["name"], after["description"]
    group.open_to_helpdesk = after["open_to_helpdesk"]
    _save_group(actor, group, (group.second_factor_since or now) if after["second_factor"] else None)


def _carry_out_group_end(approval: Approval, actor: Actor, _now: datetime) -> None:
    _delete_group(actor, _unchanged_group(approval))


def _record(verb: Verb, actor: Actor, person: Person, **details: str | int) -> None:
    audit.record(verb, actor=actor, person_id=person.id, person_name=person.name, details=details)
