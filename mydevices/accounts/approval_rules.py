"""When a change waits for a second administrator, and how that is changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices import looser
from mydevices.accounts import approvals, rights
from mydevices.accounts.approvals import Change, Matter, Wanted
from mydevices.accounts.models import Approval, ApprovalRules
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Invalid
from mydevices.organisation import services as organisation

KIND: Final = "approval_rules"
WHAT: Final = "approval_rules"


def register() -> None:
    """From the app's `ready`."""
    approvals.register(
        KIND,
        Matter(
            right=Right.MANAGE_SETTINGS,
            title=lambda _approval: _("Change when a second administrator is asked"),
            lines=_lines,
            carry_out=_carry_out,
            is_form=True,
        ),
    )


def change(
    *, actor: Actor, from_devices: int, batch_devices: int, configuration_devices: int, now: datetime | None = None
) -> ApprovalRules:
    """From now on. Raising one of the numbers is itself a loosening. Raises NotAllowed without the right to settings,
    Invalid for numbers out of range, Waits, NeedsFreshAuthentication."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    after = {
        "from_devices": from_devices,
        "batch_devices": batch_devices,
        "configuration_devices": configuration_devices,
    }
    try:
        ApprovalRules(id=1, **after).clean_fields()
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    with transaction.atomic():
        organisation.hold()
        before, now = _present(), now or timezone.now()
        loosens = bool(looser.fields(ApprovalRules.LOOSER, before, after))
        wanted = Wanted(KIND, WHAT, "", {"before": before, "after": after})
        approval = approvals.ask(actor=actor, wanted=wanted, loosens=loosens, now=now)
        if approval is None:
            return _keep(actor, after)
    raise approvals.waits(approval)


def _present() -> dict[str, Any]:
    present = approvals.rules()
    return {name: getattr(present, name) for name in ApprovalRules.LOOSER}


def _keep(actor: Actor, values: dict[str, Any]) -> ApprovalRules:
    rules, _is_new = ApprovalRules.objects.update_or_create(id=1, defaults=values)
    audit.record(Verb.APPROVAL_RULES_CHANGED, actor=actor, details=values)
    return rules


def _lines(approval: Approval) -> Sequence[Change]:
    return approvals.changed_fields(ApprovalRules, approval.arguments["before"], approval.arguments["after"])


def _carry_out(approval: Approval, actor: Actor, _now: datetime) -> None:
    approvals.check_unchanged(_present(), approval)
    _keep(actor, approval.arguments["after"])
