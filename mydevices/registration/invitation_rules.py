"""How long invitations are good and how people are reminded of them: set in the console, by default by the server's
environment."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices import looser
from mydevices.accounts import approvals, rights
from mydevices.accounts.approvals import Change, Matter, Wanted
from mydevices.accounts.models import Approval
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Invalid
from mydevices.organisation import services as organisation
from mydevices.registration.models import InvitationRules


def of_environment() -> InvitationRules:
    """What holds until somebody decides in the console."""
    given = settings.ENVIRONMENT
    return InvitationRules(
        id=1, good_for_days=given.invitation_days, remind_every_days=given.reminder_days, reminders=given.reminders
    )


def current() -> InvitationRules:
    """What holds now. One statement."""
    return InvitationRules.objects.filter(id=1).first() or of_environment()


def are_set_here() -> bool:
    """Whether somebody has decided in the console."""
    return InvitationRules.objects.filter(id=1).exists()


KIND: Final = "invitation_rules"
WHAT: Final = "invitation_rules"
_FIELDS: Final = ("good_for_days", "remind_every_days", "reminders")


def register() -> None:
    """From the app's `ready`."""
    approvals.register(
        KIND,
        Matter(
            right=Right.MANAGE_SETTINGS,
            title=lambda _approval: _("Change the rules of invitations"),
            lines=_lines,
            carry_out=_carry_out,
            is_form=True,
        ),
    )


def change(
    *, actor: Actor, good_for_days: int, remind_every_days: int, reminders: int, now: datetime | None = None
) -> InvitationRules:
    """What holds from now on: for invitations that are sent from now on how long they are good, for those that wait
    when they are brought to mind. Raises NotAllowed without the right to settings, Invalid for numbers out of range;
    Waits, and NeedsFreshAuthentication, where they are good for longer."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    values = {"good_for_days": good_for_days, "remind_every_days": remind_every_days, "reminders": reminders}
    rules = InvitationRules(id=1, **values)
    try:
        rules.clean_fields()
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    if remind_every_days and reminders and remind_every_days >= good_for_days:
        raise Invalid(_("The first reminder would come after the invitation has ended."))
    return _change(actor, rules, environment=False, now=now or timezone.now())


def leave_to_environment(*, actor: Actor, now: datetime | None = None) -> InvitationRules:
    """Forget what was decided in the console: the server's environment holds again. Raises as `change`."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    return _change(actor, of_environment(), environment=True, now=now or timezone.now())


def _change(actor: Actor, rules: InvitationRules, *, environment: bool, now: datetime) -> InvitationRules:
    with transaction.atomic():
        organisation.hold()
        before, after = _values(current()), _values(rules)
        loosens = bool(looser.fields(InvitationRules.LOOSER, before, after))
        wanted = Wanted(KIND, WHAT, "", {"before": before, "after": after, "environment": environment})
        approval = approvals.ask(actor=actor, wanted=wanted, loosens=loosens, now=now)
        if approval is None:
            return _keep(actor, after, environment=environment)
    raise approvals.waits(approval)


def _keep(actor: Actor, values: Mapping[str, int], *, environment: bool) -> InvitationRules:
    if environment:
        if InvitationRules.objects.filter(id=1).delete()[0]:
            audit.record(Verb.INVITATION_RULES_CHANGED, actor=actor, details={"environment": True})
        return of_environment()
    rules, _is_new = InvitationRules.objects.update_or_create(id=1, defaults=dict(values))
    audit.record(Verb.INVITATION_RULES_CHANGED, actor=actor, details=values)
    return rules


def _values(rules: InvitationRules) -> dict[str, int]:
    return {name: getattr(rules, name) for name in _FIELDS}


def _lines(approval: Approval) -> Sequence[Change]:
    return approvals.changed_fields(InvitationRules, approval.arguments["before"], approval.arguments["after"])


def _carry_out(approval: Approval, actor: Actor, _now: datetime) -> None:
    approvals.check_unchanged(_values(current()), approval)
    _keep(actor, approval.arguments["after"], environment=approval.arguments["environment"])


def described(rules: InvitationRules) -> str:
    """In a sentence or two, for people."""
    good = ngettext(
        "An invitation is good for %(days)d day.", "An invitation is good for %(days)d days.", rules.good_for_days
    ) % {"days": rules.good_for_days}
    if not rules.remind_every_days or not rules.reminders:
        return f"{good} {_('Nobody is reminded.')}"
    often = ngettext(
        "Who has not answered after %(every)d day is reminded, %(most)d times at most.",
        "Who has not answered after %(every)d days is reminded, %(most)d times at most.",
        rules.remind_every_days,
    ) % {"every": rules.remind_every_days, "most": rules.reminders}
    return f"{good} {often}"
