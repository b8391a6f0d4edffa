"""What the organisation asks of passwords and sessions, and how that is changed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices import looser
from mydevices.accounts import approvals, rights, role_factors, selectors
from mydevices.accounts.approvals import Change, Matter, Wanted
from mydevices.accounts.models import Approval, FormerPassword, SignInRules
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Invalid
from mydevices.organisation import services as organisation

KIND: Final = "sign_in_rules"
WHAT: Final = "sign_in_rules"
NAMES: Final = tuple(SignInRules.LOOSER)
"""What `change` is given."""


def register() -> None:
    """From the app's `ready`."""
    approvals.register(
        KIND,
        Matter(
            right=Right.MANAGE_SETTINGS,
            title=lambda _approval: _("Change the rules of sign-in"),
            lines=_lines,
            carry_out=_carry_out,
            is_form=True,
        ),
    )


def change(
    *,
    actor: Actor,
    minimum_length: int,
    classes: int,
    history: int,
    expires_after_days: int,
    idle_minutes: int,
    limited_sign_in: bool,
    console_factor: bool,
    now: datetime | None = None,
) -> SignInRules:
    """What is asked of passwords and sessions from now on; passwords that people have stay good. Raises NotAllowed
    without the right to settings, Invalid for numbers out of range; Waits, and NeedsFreshAuthentication, where less is
    asked than before."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    now = now or timezone.now()
    after: dict[str, Any] = {
        "minimum_length": minimum_length,
        "classes": classes,
        "history": history,
        "expires_after_days": expires_after_days,
        "idle_minutes": idle_minutes,
        "limited_sign_in": limited_sign_in,
        "console_factor": console_factor,
    }
    try:
        SignInRules(id=1, **after).clean_fields()
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    with transaction.atomic():
        organisation.hold()
        before = _present(after)
        loosens = bool(looser.fields(SignInRules.LOOSER, before, after))
        wanted = Wanted(KIND, WHAT, "", {"before": before, "after": after})
        approval = approvals.ask(actor=actor, wanted=wanted, loosens=loosens, now=now)
        if approval is None:
            return _keep(actor, after, now)
    raise approvals.waits(approval)


def _present(names: Iterable[str]) -> dict[str, Any]:
    present = SignInRules.objects.filter(id=1).first() or SignInRules(id=1)
    return {name: getattr(present, name) for name in names}


def _keep(actor: Actor, values: Mapping[str, Any], now: datetime) -> SignInRules:
    asked_before = _present(["console_factor"])["console_factor"]
    rules, _is_new = SignInRules.objects.update_or_create(id=1, defaults=dict(values))
    if rules.history < 2:
        FormerPassword.objects.all().delete()
    if rules.console_factor and not asked_before:
        role_factors.begin(now=now)
    transaction.on_commit(selectors.forget_rules)
    audit.record(Verb.SIGN_IN_RULES_CHANGED, actor=actor, details=dict(values))
    return rules


def _lines(approval: Approval) -> Sequence[Change]:
    labels = {
        "history": _("Earlier passwords that are refused"),
        "expires_after_days": _("Days after which a password expires"),
        "idle_minutes": _("Minutes of inactivity before sign-out"),
        "limited_sign_in": _("People who lost their second factor can lock and locate with their password alone"),
    }
    before, after = approval.arguments["before"], approval.arguments["after"]
    return approvals.changed_fields(SignInRules, before, after, labels=labels)


def _carry_out(approval: Approval, actor: Actor, now: datetime) -> None:
    after = approval.arguments["after"]
    approvals.check_unchanged(_present(after), approval)
    _keep(actor, after, now)
