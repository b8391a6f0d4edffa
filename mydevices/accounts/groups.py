"""Groups: made, changed and deleted. Who is in them: `memberships`.

Where rules are looser by it, for instance because a group no longer demands a second factor, another administrator is
asked first.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import approvals, factors, following, rights
from mydevices.accounts.approvals import Change, Matter, Wanted
from mydevices.accounts.models import Approval, Group
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, Invalid
from mydevices.organisation import services as organisation

GROUP_CHANGE: Final = "group.change"
GROUP_DELETE: Final = "group.delete"


def register() -> None:
    """What waits for another administrator. From the app's `ready`."""
    change = Matter(
        right=Right.MANAGE_PEOPLE,
        is_form=True,
        title=_title_of_group,
        lines=_lines_of_group,
        carry_out=_carry_out_group,
    )
    approvals.register(GROUP_CHANGE, change)
    end = Matter(
        right=Right.MANAGE_PEOPLE, title=_title_of_group_end, lines=_lines_of_group, carry_out=_carry_out_group_end
    )
    approvals.register(GROUP_DELETE, end)


def save_group(*, actor: Actor, group: Group, demands_factor: bool, now: datetime | None = None) -> Group:
    """Keep a new group or a changed one. `demands_factor`: its members need a second factor, after a week of grace.
    Raises NotAllowed, NeedsFreshAuthentication, Invalid, and Conflict for a name that is taken; Waits where a second
    factor is demanded no longer, where the helpdesk may put people into it from now on, and where a provider's claim
    would take people out of it by its other name who are under looser rules then."""
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
            loosens = (
                (since is not None and not demands_factor)
                or (group.open_to_helpdesk and not present.open_to_helpdesk)
                or (group.name.lower() != present.name.lower() and _loses_people(present))
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
        arguments = {"group": str(group.id), "before": _said_of(present), "after": {}}
        wanted = Wanted(GROUP_DELETE, f"group:{group.id}", present.name, arguments)
        approval = approvals.ask(actor=actor, wanted=wanted, loosens=_holds_stricter(present), now=now)
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


def _holds_stricter(group: Group) -> bool:
    """Whether somebody would be under looser rules if it were gone."""
    return group.second_factor_since is not None or any(asked(group) for asked in _LOOSENED_BY_THE_END)


def _loses_people(group: Group) -> bool:
    """Whether another name takes people out of it who are under looser rules by that: whom a provider's claim brought
    goes as they next sign in, for the claim says the old name."""
    return group.memberships.exclude(provider="").exists() and _holds_stricter(group)


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
