"""How long invitations are good and how people are reminded of them: set in the console, by default by the server's
environment."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices.accounts import rights
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Invalid
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


@transaction.atomic
def change(*, actor: Actor, good_for_days: int, remind_every_days: int, reminders: int) -> InvitationRules:
    """What holds from now on: for invitations that are sent from now on how long they are good, for those that wait
    when they are brought to mind. Raises NotAllowed without the right to settings, Invalid for numbers out of range."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    values = {"good_for_days": good_for_days, "remind_every_days": remind_every_days, "reminders": reminders}
    rules = InvitationRules(id=1, **values)
    try:
        rules.clean_fields()
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    if remind_every_days and reminders and remind_every_days >= good_for_days:
        raise Invalid(_("The first reminder would come after the invitation has ended."))
    InvitationRules.objects.update_or_create(id=1, defaults=values)
    audit.record(Verb.INVITATION_RULES_CHANGED, actor=actor, details=values)
    return rules


@transaction.atomic
def leave_to_environment(*, actor: Actor) -> InvitationRules:
    """Forget what was decided in the console: the server's environment holds again. Raises NotAllowed."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    if InvitationRules.objects.filter(id=1).delete()[0]:
        audit.record(Verb.INVITATION_RULES_CHANGED, actor=actor, details={"environment": True})
    return of_environment()


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
