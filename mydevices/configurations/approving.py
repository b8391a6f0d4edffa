"""What another administrator is asked first: a configuration that tells many devices something new."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices.accounts import approvals
from mydevices.accounts.approvals import Change, Wanted
from mydevices.accounts.models import Approval
from mydevices.audit.actor import Actor
from mydevices.configurations import drafts, enclosing, selectors
from mydevices.configurations.drafts import Draft
from mydevices.configurations.kinds import KINDS
from mydevices.configurations.models import Configuration
from mydevices.devices import assignment as assignment_of
from mydevices.devices.assignment import Assignment
from mydevices.devices.models import Device
from mydevices.errors import Conflict


def what(configuration_id: UUID) -> str:
    """How an approval names a configuration."""
    return f"configuration:{configuration_id}"


def reached(present: Configuration | None, draft: Draft) -> "QuerySet[Device]":
    """The devices that would be told something new: those that it is new for, or all of them where it says something
    else than before, with those of the accounts that carry it. Taking it from devices tells them nothing; a name is a
    name. Devices of people who are suspended count: else whoever suspends everybody changes it for nobody, and then
    lets them in again."""
    says_else = present is not None and _says_something_else(present, draft)
    found = Device.objects.none()
    if draft.enabled:
        found = assignment_of.devices(draft.assignment, suspended=True)
        if present is not None and present.enabled and not says_else:
            before = assignment_of.devices(present.assignment, suspended=True)
            found = found.exclude(id__in=before.values("id"))
    if present is None or not says_else:
        return found
    told = Q(id__in=found.values("id"))
    for account in selectors.used_by(present.id):
        if account.enabled:
            told |= Q(id__in=assignment_of.devices(account.assignment, suspended=True).values("id"))
    return Device.objects.filter(told)


def _says_something_else(present: Configuration, draft: Draft) -> bool:
    icon = bytes(present.icon) if present.icon is not None else None
    return (
        KINDS[present.kind].read(present.values).stored() != draft.values.stored()
        or icon != draft.icon
        or draft.identity is not None
    )


def ask(kind: str, actor: Actor, present: Configuration | None, draft: Draft, now: datetime) -> Approval | None:
    """Hold it where another administrator has to allow it; None where nobody has. After `organisation.hold`. Another
    change of the same thing replaces what waits."""
    # A few letters become longer in lower case.
    thing = what(present.id) if present is not None else f"configuration:new:{draft.name.casefold()}"[:200]
    number = reached(present, draft).count() if approvals.must_wait(actor) else 0
    if number <= approvals.rules().configuration_devices and (
        not number
        or approvals.may_reach(
            actor=actor, device_ids=list(reached(present, draft).values_list("id", flat=True)), now=now
        )
    ):
        approvals.replace(actor=actor, what=thing, now=now)
        return None
    arguments = {
        "kind": draft.values.name(),
        "devices": number,
        "configuration": str(present.id) if present is not None else "",
        "revision": present.revision if present is not None else 0,
        "before": drafts.stored(drafts.of_row(present)) if present is not None else {},
        "after": drafts.stored(draft),
        "icon": draft.icon is not None,
        "file": draft.identity["subject"] if draft.identity is not None else "",
    }
    enclosure = enclosing.written(icon=draft.icon, identity=draft.identity)
    wanted = Wanted(kind, thing, present.name if present is not None else draft.name, arguments, enclosure)
    return approvals.hold(actor=actor, wanted=wanted, now=now)


def check_reach(approval: Approval, present: Configuration | None, draft: Draft) -> None:
    """Raises Conflict where many more devices would be told than whoever allows it has read: somebody may have filled
    its groups meanwhile. A few that came by themselves do not matter."""
    number = reached(present, draft).count()
    if number > approval.arguments["devices"] + approvals.rules().configuration_devices:
        raise Conflict(_("It would reach %(number)d devices by now. Look at it again.") % {"number": number})


def title_of_create(approval: Approval) -> str:
    number = approval.arguments["devices"]
    return ngettext(
        "Make the configuration “%(name)s” for %(number)d device",
        "Make the configuration “%(name)s” for %(number)d devices",
        number,
    ) % {"name": approval.subject, "number": number}


def title_of_change(approval: Approval) -> str:
    number = approval.arguments["devices"]
    return ngettext(
        "Change the configuration “%(name)s”, new to %(number)d device",
        "Change the configuration “%(name)s”, new to %(number)d devices",
        number,
    ) % {"name": approval.subject, "number": number}


def lines(approval: Approval) -> Sequence[Change]:
    kind = approval.arguments["kind"]
    before, after = (_in_words(kind, approval.arguments[when]) for when in ("before", "after"))
    found = [
        Change(label, before.get(label, ""), after.get(label, ""))
        for label in dict.fromkeys([*before, *after])
        if before.get(label, "") != after.get(label, "")
    ]
    if approval.arguments["file"]:
        found.append(Change(_("File"), "", approval.arguments["file"]))
    return found


def _in_words(kind: str, given: Mapping[str, Any]) -> dict[str, str]:
    if not given:
        return {}
    said = selectors.lines(Configuration(kind=kind, values=given["values"]))
    return {
        _("Name"): given["name"],
        _("Description"): given["description"],
        _("In use"): _("Yes") if given["enabled"] else _("No"),
        _("For"): Assignment.read(given["assignment"]).described(),
        **{line.label: line.text for line in said},
    }
