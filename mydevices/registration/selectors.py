from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Count, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from mydevices.accounts.models import Person
from mydevices.devices import selectors as devices
from mydevices.devices.assignment import To
from mydevices.devices.models import Device
from mydevices.errors import NotFound, NotTheirs
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.policies.selectors import Effective
from mydevices.registration.models import Acceptance, Invitation, RegistrationPin, Ticket

LOCKED_AFTER: Final = 300
"""Wrong tries of one PIN from everywhere, in all the time that it is valid. What slows them, and the odds:
`accounts.attempts.PINS`."""


def rules_of(person: Person) -> Effective[RegistrationRules]:
    """What holds when this person registers a device, and the policy it comes from."""
    return policies.effective(person, RegistrationRules)


def may_erase(person: Person, *, platform: str, ownership: str) -> bool:
    """Whether a device that this person registers now gives the right to be erased. The organisation's own always do.
    Of personal ones the privacy policy that will reach the device decides: where administrators may not wipe it, the
    right is not asked for at all. Where no policy does, the server's setting decides. What is registered already keeps
    what it promised."""
    if ownership == Device.Ownership.COMPANY:
        return True
    rules = policies.effective(Device(owner=person, platform=platform, ownership=ownership), Privacy)
    if rules.policy_id is None:
        return bool(settings.ENVIRONMENT.erase_personal_devices)
    return rules.values.administrators_may_wipe


def proofs_in_use() -> tuple[bool, bool]:
    """Whether registering without a session asks anybody here for a password, and anybody for a PIN: what the page
    must offer before it knows who comes."""
    everything = []
    for policy in policies.of_kind(RegistrationRules).filter(enabled=True):
        everything.append(RegistrationRules.read(policy.values))
        if policy.assigned_to == To.EVERYONE:
            break  # nobody is left for those behind it, nor for the defaults
    else:
        everything.append(RegistrationRules())
    return any(rules.asks_password for rules in everything), any(rules.asks_pin for rules in everything)


def has_accepted(person: Person, rules: Effective[RegistrationRules]) -> bool:
    """Whether this person accepted the terms in their present version; True where there are none."""
    if not rules.values.terms or rules.policy_id is None:
        return True
    return Acceptance.objects.filter(
        person=person, terms__policy_id=rules.policy_id, terms__version=rules.values.terms_version
    ).exists()


def pin_of(person: Person, now: datetime) -> RegistrationPin | None:
    """The PIN that this person can register with: neither expired nor spent, replaced or locked."""
    return RegistrationPin.objects.filter(
        person=person, spent_at=None, revoked_at=None, expires_at__gt=now, tries__lt=LOCKED_AFTER
    ).first()


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many devices somebody has of those they may have; `limit` is 0 for as many as they like."""

    used: int
    limit: int

    @property
    def is_used_up(self) -> bool:
        return bool(self.limit) and self.used >= self.limit


def allowance(person: Person, rules: RegistrationRules, *, but: str = "") -> Allowance:
    """Counted now; `but` is the hardware id of a device that registers anew and does not count twice."""
    used = devices.count_managed(person, company=rules.company_devices_count, but=but)
    return Allowance(used, rules.device_limit)


def open_tickets(person: Person, now: datetime) -> QuerySet[Ticket]:
    """A person's registrations that somebody could still use, newest first."""
    return Ticket.objects.filter(
        person=person, used_at=None, revoked_at=None, refused_at=None, expires_at__gt=now
    ).order_by("-created_at")


def ticket_of(person: Person, ticket_id: UUID) -> Ticket:
    """One of this person's tickets, whatever became of it. Raises NotFound, and NotTheirs for everybody else's."""
    ticket = Ticket.objects.select_related("person", "challenge", "device").filter(person=person, id=ticket_id).first()
    if ticket is None:
        why = NotTheirs if Ticket.objects.filter(id=ticket_id).exists() else NotFound
        raise why(_("There is no such registration."))
    return ticket


NOT_SENT: Final = "not_sent"
"""Beside the states of an invitation: open, and its mail has not gone."""


def invitations(*, state: str, words: str, now: datetime) -> QuerySet[Invitation]:
    """Invitations, the newest first; of one state (Invitation.State, NOT_SENT, or empty for all), and of people whom
    these words find."""
    found = Invitation.objects.select_related("person").order_by("-created_at", "id")
    unanswered = Q(accepted_at=None, revoked_at=None)
    match state:
        case Invitation.State.OPEN:
            found = found.filter(unanswered, expires_at__gt=now)
        case Invitation.State.EXPIRED:
            found = found.filter(unanswered, expires_at__lte=now)
        case Invitation.State.ACCEPTED:
            found = found.exclude(accepted_at=None)
        case Invitation.State.REVOKED:
            found = found.exclude(revoked_at=None)
        case "not_sent":
            found = found.filter(unanswered, expires_at__gt=now).exclude(mail_problem="")
    return found.filter(person__in=Person.matching(words)) if words.strip() else found


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The invitations that nobody has accepted: how many are open, how many of those end within three days, how many
    have not been mailed, and how many have expired."""

    open: int
    ending: int
    not_sent: int
    expired: int


SOON: Final = timedelta(days=3)


def unanswered(now: datetime) -> Unanswered:
    """One statement, over the unanswered alone."""
    is_open = Q(expires_at__gt=now)
    found = Invitation.objects.filter(accepted_at=None, revoked_at=None).aggregate(
        open=Count("id", filter=is_open),
        ending=Count("id", filter=is_open & Q(expires_at__lte=now + SOON)),
        not_sent=Count("id", filter=is_open & ~Q(mail_problem="")),
        expired=Count("id", filter=~is_open),
    )
    return Unanswered(**found)


def open_invitations(person: Person | OuterRef) -> QuerySet[Invitation]:
    """A person's that are neither accepted nor revoked, expired or not; for a subquery, those of the person that its
    outer query names."""
    return Invitation.objects.filter(person=person, accepted_at=None, revoked_at=None)


def has_invited() -> bool:
    """Whether anybody was ever invited."""
    return Invitation.objects.exists()


def invitation(invitation_id: UUID) -> Invitation:
    """Raises NotFound."""
    found = Invitation.objects.select_related("person").filter(id=invitation_id).first()
    if found is None:
        raise NotFound(_("There is no such invitation."))
    return found
