"""Policies: made, changed, put in order and taken away, by those who may."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from mydevices import names
from mydevices.accounts import approvals, rights
from mydevices.accounts.approvals import Change, Matter, Wanted
from mydevices.accounts.models import Approval
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.devices.assignment import Assignment, assign
from mydevices.errors import Conflict, Invalid
from mydevices.organisation import services as organisation
from mydevices.policies import loosening, selectors
from mydevices.policies.kinds import KINDS
from mydevices.policies.kinds.kind import Kind
from mydevices.policies.loosening import Rule
from mydevices.policies.models import Policy


class Direction(IntEnum):
    """Where in the order a policy goes: a step towards the first place, or the last."""

    UP = -1
    DOWN = 1


def create(
    *,
    actor: Actor,
    name: str,
    values: Kind,
    assignment: Assignment,
    enabled: bool = True,
    now: datetime | None = None,
) -> Policy:
    """A new policy, behind the others of its kind. Raises Invalid for what cannot be kept, Conflict for a name that is
    taken; Waits, and NeedsFreshAuthentication, where somebody comes under looser rules by it."""
    rights.require(actor, Right.MANAGE_POLICIES)
    name, now = _checked(name, values, assignment), now or timezone.now()
    with transaction.atomic():
        organisation.hold()
        _keep_names_apart(name, values)
        kind, approval = type(values), None
        before = loosening.rules(kind)
        after = [*before, Rule(None, values.stored(), assignment)] if enabled else before
        if loosening.fields(kind, before, after):
            arguments = {
                "kind": kind.name(),
                "after": _written(name, values, assignment, enabled=enabled),
                "others": _others(kind, None),
            }
            # A few letters become longer in lower case.
            wanted = Wanted("policy.create", f"policy:{kind.name()}:{name.casefold()}"[:200], name, arguments)
            approval = approvals.loosen(actor=actor, wanted=wanted, now=now)
        if approval is None:
            return _create(actor, name, values, assignment, enabled=enabled)
    raise approvals.waits(approval)


def _create(actor: Actor, name: str, values: Kind, assignment: Assignment, *, enabled: bool) -> Policy:
    _keep_names_apart(name, values)
    last = Policy.objects.filter(kind=values.name()).aggregate(last=Max("precedence"))["last"] or 0
    try:
        with transaction.atomic():
            policy = Policy.objects.create(
                kind=values.name(),
                name=name,
                values=values.after(None).stored(),
                precedence=last + 1,
                enabled=enabled,
            )
    except IntegrityError as error:
        raise Conflict(_taken(name)) from error
    assign(policy, assignment)
    _record(Verb.POLICY_CREATED, policy, actor)
    return policy


def change(
    *,
    actor: Actor,
    policy: Policy,
    name: str,
    values: Kind,
    assignment: Assignment,
    enabled: bool = True,
    now: datetime | None = None,
) -> Policy:
    """Other values, another name, other people. Raises as `create` does, and Conflict when it has been deleted. Where
    it loosens anything, the whole change waits."""
    rights.require(actor, Right.MANAGE_POLICIES)
    name, now = _checked(name, values, assignment), now or timezone.now()
    kind = KINDS[policy.kind]
    if not isinstance(values, kind):
        raise Invalid(_("A policy stays of its kind."))
    with transaction.atomic():
        organisation.hold()
        present = _present(policy)
        _keep_names_apart(name, values, present)
        rule = Rule(present.id, values.stored(), assignment) if enabled else None
        loosens = bool(loosening.fields(kind, loosening.rules(kind), _changed(kind, present, rule)))
        arguments = {
            "policy": str(present.id),
            "kind": present.kind,
            "before": written(present) if loosens else {},  # its groups are another statement
            "after": _written(name, values, assignment, enabled=enabled),
            "others": _others(kind, present.id) if loosens else "",
        }
        wanted = Wanted("policy.change", what(present.id), present.name, arguments)
        approval = approvals.ask(actor=actor, wanted=wanted, loosens=loosens, now=now)
        if approval is None:
            return _change(actor, present, name, values, assignment, enabled=enabled)
    raise approvals.waits(approval)


def _change(actor: Actor, present: Policy, name: str, values: Kind, assignment: Assignment, *, enabled: bool) -> Policy:
    _keep_names_apart(name, values, present)
    present.name = name
    present.values = values.after(KINDS[present.kind].read(present.values)).stored()
    present.enabled = enabled
    present.save(update_fields=["name", "values", "enabled", "changed_at"])
    assign(present, assignment)
    _record(Verb.POLICY_CHANGED, present, actor)
    return present


def _changed(kind: type[Kind], present: Policy, rule: Rule | None) -> list[Rule]:
    """The rules of a kind with one of them in the place of what it was, or with none there."""
    found = []
    for other in selectors.of_kind(kind).prefetch_related("groups"):
        if other.id == present.id:
            found += [rule] if rule is not None else []
        elif other.enabled:
            found.append(Rule(other.id, kind.read(other.values).stored(), other.assignment))
    return found


def move(*, actor: Actor, policy: Policy, direction: Direction, now: datetime | None = None) -> bool:
    """One step up or down in the order of its kind. False where it is the first or last already. Raises as `change`."""
    rights.require(actor, Right.MANAGE_POLICIES)
    kind, now = KINDS[policy.kind], now or timezone.now()
    with transaction.atomic():
        organisation.hold()
        ordered = list(selectors.of_kind(kind).prefetch_related("groups"))
        moved = _moved(ordered, policy.id, direction)
        if moved is None:
            return False
        arguments = {
            "policy": str(policy.id),
            "kind": policy.kind,
            "direction": int(direction),
            "before": [str(one.id) for one in ordered],
            "place": _place(ordered, policy.id),
            "others": _others(kind, policy.id),
        }
        wanted = Wanted("policy.move", what(policy.id), policy.name, arguments)
        loosens = bool(loosening.fields(kind, _counting(kind, ordered), _counting(kind, moved)))
        approval = approvals.ask(actor=actor, wanted=wanted, loosens=loosens, now=now)
        if approval is None:
            _renumber(moved)
            _record(Verb.POLICY_MOVED, selectors.by_id(policy.id), actor)
            return True
    raise approvals.waits(approval)


def _moved(ordered: list[Policy], policy_id: UUID, direction: int) -> list[Policy] | None:
    """The order after the step; None where there is none to take. Raises Conflict when the policy is gone."""
    place = _place(ordered, policy_id)
    if not 0 <= place + direction < len(ordered):
        return None
    moved = list(ordered)
    moved.insert(place + direction, moved.pop(place))
    return moved


def _place(ordered: list[Policy], policy_id: UUID) -> int:
    place = next((index for index, one in enumerate(ordered) if one.id == policy_id), None)
    if place is None:
        raise Conflict(_("This policy has been deleted."))
    return place


def _counting(kind: type[Kind], ordered: list[Policy]) -> list[Rule]:
    return [Rule(one.id, kind.read(one.values).stored(), one.assignment) for one in ordered if one.enabled]


def delete(*, actor: Actor, policy: Policy, now: datetime | None = None) -> None:
    """Take it away: from now on the next one counts for those whom it reached. Raises Conflict when it is gone, and as
    `change`."""
    rights.require(actor, Right.MANAGE_POLICIES)
    now = now or timezone.now()
    with transaction.atomic():
        organisation.hold()
        present, kind = _present(policy), KINDS[policy.kind]
        before = loosening.rules(kind)
        loosens = bool(loosening.fields(kind, before, [rule for rule in before if rule.policy_id != present.id]))
        arguments = {
            "policy": str(present.id),
            "kind": present.kind,
            "before": written(present) if loosens else {},
            "others": _others(kind, present.id) if loosens else "",
        }
        wanted = Wanted("policy.delete", what(present.id), present.name, arguments)
        approval = approvals.ask(actor=actor, wanted=wanted, loosens=loosens, now=now)
        if approval is None:
            _delete(actor, present)
            return
    raise approvals.waits(approval)


def _delete(actor: Actor, present: Policy) -> None:
    _record(Verb.POLICY_DELETED, present, actor)
    kind = KINDS[present.kind]
    present.delete()
    _renumber(list(selectors.of_kind(kind)))


# What waits for another administrator


def _others(kind: type[Kind], policy_id: UUID | None) -> str:
    """The policies of a kind that count beside one, as a digest. What a step means is decided by them: one that a
    stricter policy hides can be changed by anybody alone, and would count once that one is gone."""
    beside = [
        (str(rule.policy_id), rule.values, rule.assignment.stored())
        for rule in loosening.rules(kind)
        if rule.policy_id != policy_id
    ]
    return hashlib.sha256(json.dumps(beside, sort_keys=True, default=str).encode()).hexdigest()


def _check_others(approval: Approval, policy_id: UUID | None) -> None:
    """Raises Conflict where the policies beside it are not any more what they were when somebody asked."""
    if _others(KINDS[approval.arguments["kind"]], policy_id) != approval.arguments.get("others"):
        raise Conflict(_("It has been changed meanwhile. Look at it again."))


def register() -> None:
    """From the app's `ready`."""
    for name, title, lines, carry_out in (
        ("create", _title_of_create, _lines, _carry_out_create),
        ("change", _title_of_change, _lines, _carry_out_change),
        ("move", _title_of_move, _lines_of_move, _carry_out_move),
        ("delete", _title_of_delete, _lines, _carry_out_delete),
    ):
        is_form = name == "change"
        matter = Matter(right=Right.MANAGE_POLICIES, title=title, lines=lines, carry_out=carry_out, is_form=is_form)
        approvals.register(f"policy.{name}", matter)


def what(policy_id: UUID) -> str:
    """How an approval names a policy."""
    return f"policy:{policy_id}"


def _words(approval: Approval) -> dict[str, str]:
    return {"name": approval.subject, "kind": KINDS[approval.arguments["kind"]].title()}


def _title_of_create(approval: Approval) -> str:
    return _("Make the policy “%(name)s” (%(kind)s)") % _words(approval)


def _title_of_change(approval: Approval) -> str:
    return _("Change the policy “%(name)s” (%(kind)s)") % _words(approval)


def _title_of_move(approval: Approval) -> str:
    return _("Move the policy “%(name)s” (%(kind)s)") % _words(approval)


def _title_of_delete(approval: Approval) -> str:
    return _("Delete the policy “%(name)s” (%(kind)s)") % _words(approval)


def _lines(approval: Approval) -> Sequence[Change]:
    """What differs, in the words of the policy's own summary."""
    kind = KINDS[approval.arguments["kind"]]
    before, after = (_in_words(kind, approval.arguments.get(when)) for when in ("before", "after"))
    return [
        Change(label, before.get(label, ""), after.get(label, ""))
        for label in dict.fromkeys([*before, *after])
        if before.get(label, "") != after.get(label, "")
    ]


def _in_words(kind: type[Kind], given: Mapping[str, Any] | None) -> dict[str, str]:
    if given is None:
        return {}
    return {
        _("Name"): given["name"],
        _("Counts"): _("Yes") if given["enabled"] else _("No"),
        _("For"): Assignment.read(given["assignment"]).described(),
        **{line.label: line.text for line in kind.read(given["values"]).summary()},
    }


def _lines_of_move(approval: Approval) -> Sequence[Change]:
    place = int(approval.arguments["place"]) + 1
    return [Change(_("Place"), str(place), str(place + approval.arguments["direction"]))]


def _carry_out_create(approval: Approval, actor: Actor, _now: datetime) -> None:
    _check_others(approval, None)
    after = approval.arguments["after"]
    values = KINDS[approval.arguments["kind"]].read(after["values"])
    _create(actor, after["name"], values, Assignment.read(after["assignment"]), enabled=after["enabled"])


def _carry_out_change(approval: Approval, actor: Actor, _now: datetime) -> None:
    present, after = _of(approval), approval.arguments["after"]
    approvals.check_unchanged(written(present), approval)
    values = KINDS[present.kind].read(after["values"])
    _change(actor, present, after["name"], values, Assignment.read(after["assignment"]), enabled=after["enabled"])


def _carry_out_move(approval: Approval, actor: Actor, _now: datetime) -> None:
    present = _of(approval)
    ordered = list(selectors.of_kind(KINDS[present.kind]))
    approvals.check_unchanged([str(one.id) for one in ordered], approval)
    _renumber(_moved(ordered, present.id, approval.arguments["direction"]) or ordered)
    _record(Verb.POLICY_MOVED, selectors.by_id(present.id), actor)


def _carry_out_delete(approval: Approval, actor: Actor, _now: datetime) -> None:
    present = _of(approval)
    approvals.check_unchanged(written(present), approval)
    _delete(actor, present)


def _of(approval: Approval) -> Policy:
    """The policy that it is about. Raises Conflict where it, or what it is seen with, is another than before."""
    present = Policy.objects.prefetch_related("groups").filter(id=approval.arguments["policy"]).first()
    if present is None:
        raise Conflict(_("This policy has been deleted."))
    _check_others(approval, present.id)
    return present


def written(policy: Policy) -> dict[str, Any]:
    """A policy as an approval keeps it."""
    return _written(policy.name, KINDS[policy.kind].read(policy.values), policy.assignment, enabled=policy.enabled)


def _written(name: str, values: Kind, assignment: Assignment, *, enabled: bool) -> dict[str, Any]:
    return {
        "name": name,
        "enabled": enabled,
        "values": values.stored(),
        "assignment": assignment.stored(),
    }


# The pieces


def _checked(name: str, values: Kind, assignment: Assignment) -> str:
    """The name as it is kept."""
    name = " ".join(names.checked(name).split())
    if not name or len(name) > 120:
        raise Invalid(_("A policy needs a name of at most 120 characters."))
    problems = values.problems()
    if problems:
        raise Invalid(" ".join(problems.values()))
    if assignment.has_filters and not values.is_of_devices():
        raise Invalid(_("This kind of policy is for people: it cannot depend on their devices."))
    return name


def _keep_names_apart(name: str, values: Kind, present: Policy | None = None) -> None:
    others = Policy.objects.filter(kind=values.name(), name__iexact=name)
    if (others.exclude(id=present.id) if present else others).exists():
        raise Conflict(_taken(name))


def _taken(name: str) -> str:
    return _("There is another policy of this kind called “%(name)s”.") % {"name": name}


def _present(policy: Policy) -> Policy:
    present = Policy.objects.filter(id=policy.id).first()
    if present is None:
        raise Conflict(_("This policy has been deleted."))
    return present


def _renumber(ordered: list[Policy]) -> None:
    for number, policy in enumerate(ordered, 1):
        if policy.precedence != number:
            Policy.objects.filter(id=policy.id).update(precedence=number)


def _record(verb: Verb, policy: Policy, actor: Actor) -> None:
    """With the values in words: what was decided must be readable when the policy is gone."""
    details: dict[str, str | int | bool] = {
        "kind": policy.kind,
        "policy": policy.name,
        "policy_id": str(policy.id),
        "enabled": policy.enabled,
        "precedence": policy.precedence,
        "assigned_to": policy.assigned_to,
        "groups": ", ".join(sorted(group.name for group in policy.groups.all())),
    }
    if verb in {Verb.POLICY_CREATED, Verb.POLICY_CHANGED}:
        # The audit speaks one language, whoever decided.
        with translation.override(settings.LANGUAGE_CODE):
            lines = KINDS[policy.kind].read(policy.values).summary()
            details |= {"decided": "; ".join(f"{line.label}: {line.text}" for line in lines)}
    audit.record(verb, actor=actor, details=details)
