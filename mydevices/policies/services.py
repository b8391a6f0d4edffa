"""Policies: made, changed, put in order and taken away, by those who may."""

from enum import IntEnum

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import translation
from django.utils.translation import gettext as _

from mydevices.accounts import rights
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.devices.assignment import Assignment, assign
from mydevices.errors import Conflict, Invalid
from mydevices.organisation import services as organisation
from mydevices.policies import selectors
from mydevices.policies.kinds import KINDS
from mydevices.policies.kinds.kind import Kind
from mydevices.policies.models import Policy


class Direction(IntEnum):
    """Where in the order a policy goes: a step towards the first place, or the last."""

    UP = -1
    DOWN = 1


def create(*, actor: Actor, name: str, values: Kind, assignment: Assignment, enabled: bool = True) -> Policy:
    """A new policy, behind the others of its kind. Raises Invalid for what cannot be kept, Conflict for a name that is
    taken."""
    rights.require(actor, Right.MANAGE_POLICIES)
    name = _checked(name, values, assignment)
    with transaction.atomic():
        organisation.hold()
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
    *, actor: Actor, policy: Policy, name: str, values: Kind, assignment: Assignment, enabled: bool = True
) -> Policy:
    """Other values, another name, other people. Raises as `create` does, and Conflict when it has been deleted."""
    rights.require(actor, Right.MANAGE_POLICIES)
    name = _checked(name, values, assignment)
    kind = KINDS[policy.kind]
    if not isinstance(values, kind):
        raise Invalid(_("A policy stays of its kind."))
    with transaction.atomic():
        organisation.hold()
        present = _present(policy)
        _keep_names_apart(name, values, present)
        present.name = name
        present.values = values.after(kind.read(present.values)).stored()
        present.enabled = enabled
        present.save(update_fields=["name", "values", "enabled", "changed_at"])
        assign(present, assignment)
        _record(Verb.POLICY_CHANGED, present, actor)
    return present


def move(*, actor: Actor, policy: Policy, direction: Direction) -> bool:
    """One step up or down in the order of its kind. False where it is the first or last already."""
    rights.require(actor, Right.MANAGE_POLICIES)
    with transaction.atomic():
        organisation.hold()
        ordered = list(selectors.of_kind(KINDS[policy.kind]))
        place = next((index for index, one in enumerate(ordered) if one.id == policy.id), None)
        if place is None:
            raise Conflict(_("This policy has been deleted."))
        if not 0 <= place + direction < len(ordered):
            return False
        ordered.insert(place + direction, ordered.pop(place))
        _renumber(ordered)
        _record(Verb.POLICY_MOVED, selectors.by_id(policy.id), actor)
    return True


def delete(*, actor: Actor, policy: Policy) -> None:
    """Take it away: from now on the next one counts for those whom it reached. Raises Conflict when it is gone."""
    rights.require(actor, Right.MANAGE_POLICIES)
    with transaction.atomic():
        organisation.hold()
        present = _present(policy)
        _record(Verb.POLICY_DELETED, present, actor)
        kind = KINDS[present.kind]
        present.delete()
        _renumber(list(selectors.of_kind(kind)))


def _checked(name: str, values: Kind, assignment: Assignment) -> str:
    """The name as it is kept."""
    name = " ".join(name.split())
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
