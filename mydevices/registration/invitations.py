"""Invitations: made, sent again, brought to mind, revoked, accepted.

Opening the link spends nothing (mail scanners open links); accepting does. Sending again makes a new link, and the old
one stops: nobody knows any more who has read the first mail.
"""

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import addresses, following, memberships, providers, rights
from mydevices.accounts import selectors as people
from mydevices.accounts import services as accounts
from mydevices.accounts.models import Group, Membership, Person
from mydevices.accounts.notices import Notice
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, Invalid, MyDevicesError, NotAllowed, NotFound
from mydevices.organisation import services as organisation
from mydevices.registration import invitation_rules, pins, selectors
from mydevices.registration.models import Invitation
from mydevices.vault import services as vault

TOKEN_BYTES: Final = 32
PATH: Final = "/invitation/"
BATCH: Final = 200
"""How many are reminded, or end, in one go."""


def known(emails: Iterable[str]) -> Mapping[str, Person]:
    """Who has one of these addresses, by the key of the address."""
    found = people.with_addresses(emails).prefetch_related("invitations")
    return {person.email_key: person for person in found}


def has_come(person: Person) -> bool:
    """Whether somebody has a way in already, or has been in: an invitation of theirs is over, whatever its link."""
    return person.signed_in_at is not None or person.has_usable_password() or bool(person.provider)


def obstacle(person: Person, now: datetime | None = None) -> str:
    """Why somebody who is here already cannot be invited; empty where they can be: they have never been in, and no
    invitation is open."""
    if not person.is_active:
        return _("%(name)s is suspended.") % {"name": person.name}
    if has_come(person):
        return _("%(name)s has an account with this address already.") % {"name": person.name}
    at = now or timezone.now()
    if any(one.state(at) == Invitation.State.OPEN for one in person.invitations.all()):
        return _("%(name)s has been invited already. The invitation can be sent again.") % {"name": person.name}
    return ""


def invite(
    *,
    actor: Actor,
    email: str,
    name: str,
    groups: Sequence[Group] = (),
    language: str = "",
    now: datetime | None = None,
) -> Invitation:
    """Invite somebody: a person without a password, in these groups, gets a mail with a link.

    Where they have devices, and a group brings something to many by now, they come into the groups once another
    administrator has allowed it.

    Raises NotAllowed without the right, Invalid for an address, name or language that will not do, Conflict with the
    reason for somebody who cannot be invited."""
    rights.require(actor, Right.INVITE)
    rights.ceiling(actor, groups=groups)
    if language and language not in dict(settings.LANGUAGES):
        raise Invalid(_("MyDevices does not speak “%(language)s”.") % {"language": language})
    now = now or timezone.now()
    with transaction.atomic():
        organisation.hold()
        person = known([email]).get(addresses.key_of(email))
        if person is None:
            person = accounts.create_person(actor=actor, email=email, name=name)
        else:
            reason = obstacle(person, now)
            if reason:
                raise Conflict(reason)
            rights.ceiling(actor, person=person)
        if language:
            person.language = language
            person.save(update_fields=["language"])
        # Who has never been in may have devices all the same: a PIN registers them.
        if memberships.hold_moves(actor, {person.id: [group.id for group in groups]}, {}, now) is None:
            Membership.objects.bulk_create(
                [Membership(group=group, person=person) for group in groups], ignore_conflicts=True
            )
            following.changed([person.id] if groups else [])
        return _invite(person, actor, now)


def _invite(person: Person, actor: Actor, now: datetime) -> Invitation:
    """A new invitation, or the one that has expired, anew."""
    waiting = Invitation.objects.select_for_update().filter(person=person, accepted_at=None, revoked_at=None).first()
    if waiting is not None:
        return _renew(waiting, actor, now)
    invitation = Invitation(id=uuid4(), person=person, created_at=now, created_by=_name(actor))
    _give_token(invitation, now)
    try:
        with transaction.atomic():
            invitation.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(_("%(name)s has been invited by somebody else meanwhile.") % {"name": person.name}) from error
    _mail(invitation, Notice.INVITATION, pin=_pin(invitation, actor, now))
    _record(Verb.INVITED, invitation, actor)
    return invitation


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody to be invited."""

    email: str
    name: str
    groups: Sequence[Group] = ()
    language: str = ""


def invite_many(*, actor: Actor, wishes: Sequence[Wish]) -> Sequence[Invitation | str]:
    """Invite each, in the order given: an invitation, or why there is none. One that fails is no reason to leave out
    the others. Raises NotAllowed without the right."""
    rights.require(actor, Right.INVITE)
    results: list[Invitation | str] = []
    for wish in wishes:
        try:
            results.append(
                invite(actor=actor, email=wish.email, name=wish.name, groups=wish.groups, language=wish.language)
            )
        except MyDevicesError as refusal:
            results.append(refusal.message)
    return results


@transaction.atomic
def resend(*, invitation_id: UUID, actor: Actor, now: datetime | None = None) -> Invitation:
    """Send an invitation again, with a new link and all its days; the old link stops. Raises Conflict for one that is
    accepted or revoked, or whose person is suspended or has an account already, NotAllowed for somebody with more
    rights than the actor, NeedsFreshAuthentication."""
    rights.require(actor, Right.INVITE)
    actor.require_fresh(timezone.now())
    now = now or timezone.now()
    invitation = _held(invitation_id)
    rights.ceiling(actor, person=invitation.person)
    if not invitation.person.is_active:
        raise Conflict(_("%(name)s is suspended.") % {"name": invitation.person.name})
    _check_awaited(invitation)
    return _renew(invitation, actor, now)


def _check_awaited(invitation: Invitation) -> None:
    if has_come(invitation.person):
        words = {"name": invitation.person.name}
        raise Conflict(_("%(name)s has an account already, and needs no invitation any more.") % words)


def _renew(invitation: Invitation, actor: Actor, now: datetime) -> Invitation:
    accounts.withdraw_mail(invitation.mail_id)
    _give_token(invitation, now)
    invitation.reminders = 0
    invitation.sent_at = None
    invitation.opened_at = None
    invitation.mail_problem = ""
    invitation.created_by = _name(actor)
    invitation.save()
    _mail(invitation, Notice.INVITATION, pin=_pin(invitation, actor, now))
    _record(Verb.INVITED_AGAIN, invitation, actor)
    return invitation


@transaction.atomic
def revoke(*, invitation_id: UUID, actor: Actor, now: datetime | None = None) -> Invitation:
    """Make the link worthless; a mail that waits does not go. The person stays, without a way in. Raises Conflict for
    one that is accepted or revoked already."""
    rights.require(actor, Right.INVITE)
    invitation = _held(invitation_id)
    invitation.revoked_at = now or timezone.now()
    invitation.token = None
    invitation.save(update_fields=["revoked_at", "token"])
    accounts.withdraw_mail(invitation.mail_id)
    _record(Verb.INVITATION_REVOKED, invitation, actor)
    return invitation


def _held(invitation_id: UUID) -> Invitation:
    """An invitation that can still change, kept from others until the transaction ends."""
    found = Invitation.objects.select_for_update(of=("self",)).select_related("person").filter(id=invitation_id).first()
    if found is None:
        raise NotFound(_("There is no such invitation."))
    if found.accepted_at is not None:
        raise Conflict(_("%(name)s has accepted it already.") % {"name": found.person.name})
    if found.revoked_at is not None:
        raise Conflict(_("The invitation of %(name)s is revoked.") % {"name": found.person.name})
    return found


@transaction.atomic
def show_link(*, invitation_id: UUID, actor: Actor, now: datetime | None = None) -> str:
    """The link of an open invitation, to be handed over without mail. Recorded: who has it can accept, and has then
    what its person has. Raises Conflict for an invitation that is over, NotAllowed where that would be more than the
    actor has or may give, NeedsFreshAuthentication."""
    rights.require(actor, Right.INVITE)
    actor.require_fresh(timezone.now())
    now = now or timezone.now()
    invitation = _held(invitation_id)
    rights.ceiling(actor, person=invitation.person, groups=invitation.person.groups.all())
    _check_awaited(invitation)
    if invitation.state(now) != Invitation.State.OPEN or not invitation.token:
        raise Conflict(_("The invitation of %(name)s has expired. Send it again.") % {"name": invitation.person.name})
    if not is_of_now(invitation):
        raise Conflict(
            _("%(name)s has another role now, so the old link has stopped. Send the invitation again.")
            % {"name": invitation.person.name}
        )
    _record(Verb.INVITATION_LINK_SHOWN, invitation, actor)
    return _link(invitation)


def find(*, token: str) -> Invitation:
    """The invitation of a link, whatever became of it. Raises NotFound for a link that never was, or was replaced."""
    return _of(token, Invitation.objects.select_related("person"))


def _of(token: str, among: QuerySet[Invitation]) -> Invitation:
    found = among.filter(token_hash=_hash(token), person__is_active=True).first()
    if found is None or not is_of_now(found):
        raise NotFound(_("This link is not good. Use the one in the newest mail, or ask for another invitation."))
    return found


def is_of_now(invitation: Invitation) -> bool:
    """Whether the link opens what its person is. Whoever was given another role meanwhile gets a new link: nobody knows
    who has the old one, which was made by somebody who may have less rights."""
    return invitation.role == invitation.person.role or invitation.accepted_at is not None


def why_over(invitation: Invitation, now: datetime, *, visitor: Person | None = None) -> str:
    """Why a link is of no use any more; empty for an open one. It is over once its person has come in, though they
    themselves (`visitor`, signed in) may still say that they have."""
    if invitation.state(now) == Invitation.State.OPEN and invitation.person != visitor and has_come(invitation.person):
        return _("You have an account already. Sign in instead.")
    match invitation.state(now):
        case Invitation.State.ACCEPTED:
            return _("This invitation has been accepted. Sign in instead.")
        case Invitation.State.REVOKED:
            return _("This invitation has been taken back.")
        case Invitation.State.EXPIRED:
            return _("This invitation has expired. Ask for another one.")
    return ""


def note_opened(*, invitation: Invitation, actor: Actor, now: datetime | None = None) -> None:
    """Somebody looked at the link. Shown in the console, and spending nothing."""
    with transaction.atomic():
        if Invitation.objects.filter(id=invitation.id, opened_at=None).update(opened_at=now or timezone.now()):
            _record(Verb.INVITATION_SEEN, invitation, actor)


@transaction.atomic
def accept(*, token: str, password: str, address: str = "", now: datetime | None = None) -> Person:
    """Spend the link: its person has this password from now on. Of two who spend it at once the second is refused.

    Raises NotFound for a wrong link, Conflict with the reason for one that is over, Invalid for a password that the
    rules refuse, NotAllowed for whom a provider that is required keeps out: the others are those with a role in the
    console, who sign in with a password first and link their account then."""
    now = now or timezone.now()
    invitation = _open(token, now)
    provider = providers.required()
    if provider is not None and providers.keeps_out(invitation.person):
        raise NotAllowed(_("Here you sign in with %(provider)s. It needs no password.") % {"provider": provider.name})
    # Whoever sets a password in another way at this moment was first, and theirs stays.
    invitation.person = person = Person.objects.select_for_update().get(id=invitation.person_id)
    reason = why_over(invitation, now)
    if reason:
        raise Conflict(reason)
    actor = Actor.by_link(person, address=address)
    accounts.set_first_password(actor=actor, person=person, password=password)
    _accepted(invitation, actor, now)
    return person


@transaction.atomic
def accept_signed_in(*, token: str, actor: Actor, now: datetime | None = None) -> Person:
    """Spend the link for its person, who has signed in with the organisation's provider instead of choosing a password.

    Raises NotFound and Conflict as `accept`, NotAllowed for somebody else."""
    now = now or timezone.now()
    invitation = _open(token, now)
    if actor.kind != "person" or actor.id != str(invitation.person_id):
        raise NotAllowed(_("This invitation is for somebody else."))
    _accepted(invitation, actor.through_link(), now)
    return invitation.person


def _open(token: str, now: datetime) -> Invitation:
    invitation = _of(token, Invitation.objects.select_for_update(of=("self",)).select_related("person"))
    reason = why_over(invitation, now, visitor=invitation.person)
    if reason:
        raise Conflict(reason)
    return invitation


def _accepted(invitation: Invitation, actor: Actor, now: datetime) -> None:
    invitation.accepted_at = now
    invitation.token = None
    invitation.save(update_fields=["accepted_at", "token"])
    accounts.withdraw_mail(invitation.mail_id)
    _record(Verb.INVITATION_ACCEPTED, invitation, actor)


def remind(*, now: datetime) -> int:
    """Bring open invitations to mind whose mail arrived some days ago; how many. By settings: after how many days, and
    how often. Where the mail has not gone there is nothing to be reminded of."""
    rules = invitation_rules.current()
    every, most = rules.remind_every_days, rules.reminders
    if not every or not most:
        return 0
    due = _open_ones(now).filter(
        reminders__lt=most,
        sent_at__lte=now - timedelta(days=every),
        mail_problem="",
        person__is_active=True,
        person__signed_in_at=None,
        person__provider="",
        role=F("person__role"),
    )
    reminded = 0
    for invitation_id in list(due.order_by("sent_at").values_list("id", flat=True)[:BATCH]):
        with transaction.atomic():
            # Locked and looked at again: another worker may have been here.
            invitation = due.select_for_update(of=("self",)).select_related("person").filter(id=invitation_id).first()
            if invitation is None:
                continue
            invitation.reminders += 1
            invitation.sent_at = None  # until this one has gone
            invitation.save(update_fields=["reminders", "sent_at"])
            _mail(invitation, Notice.INVITATION_REMINDER)
            _record(Verb.INVITATION_REMINDED, invitation, Actor.system("invitations"))
            reminded += 1
    return reminded


def settle(*, now: datetime) -> int:
    """Whoever has come in without the link, by the organisation's provider or with a password, has accepted as well;
    how many."""
    has_password = ~Q(person__password__startswith=UNUSABLE_PASSWORD_PREFIX)
    here = Q(person__signed_in_at__isnull=False) | ~Q(person__provider="") | has_password
    arrived = Invitation.objects.filter(here, accepted_at=None, revoked_at=None)
    count = 0
    for invitation_id in list(arrived.values_list("id", flat=True)[:BATCH]):
        with transaction.atomic():
            held = arrived.select_for_update(of=("self",)).select_related("person")
            invitation = held.filter(id=invitation_id).first()
            if invitation is not None:
                _accepted(invitation, Actor.system("invitations"), now)
                count += 1
    return count


def expire(*, now: datetime) -> int:
    """Forget the links of invitations that have ended; how many."""
    ended = Invitation.objects.filter(accepted_at=None, revoked_at=None, expires_at__lte=now).exclude(token=None)
    count = 0
    for invitation in list(ended.select_related("person")[:BATCH]):
        with transaction.atomic():
            if ended.filter(id=invitation.id).update(token=None):
                _record(Verb.INVITATION_EXPIRED, invitation, Actor.system("invitations"))
                count += 1
    return count


def heard(mail_id: str, at: datetime | None, problem: str) -> None:
    """What became of a mail (accounts.post tells)."""
    here = Invitation.objects.filter(mail_id=mail_id)
    if at is None:
        here.update(mail_problem=problem[:300])
    else:
        here.update(sent_at=at, mail_problem="")


def _open_ones(now: datetime) -> QuerySet[Invitation]:
    return Invitation.objects.filter(accepted_at=None, revoked_at=None, expires_at__gt=now)


def _give_token(invitation: Invitation, now: datetime) -> None:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    invitation.role = invitation.person.role
    invitation.token_hash = _hash(token)
    invitation.token = vault.seal(token.encode(), _place(invitation))
    invitation.expires_at = now + timedelta(days=invitation_rules.current().good_for_days)


def _link(invitation: Invitation) -> str:
    if invitation.token is None:
        raise Conflict(_("The invitation of %(name)s has expired. Send it again.") % {"name": invitation.person.name})
    token = vault.open_sealed(invitation.token, _place(invitation)).decode()
    return f"{settings.PUBLIC_URL}{PATH}{token}"


def _place(invitation: Invitation) -> vault.Place:
    return vault.Place("registration_invitation", "token", row=invitation.id, owner=invitation.person_id)


def _name(actor: Actor) -> str:
    """Who invites, for the mail: a person, or nobody in particular."""
    return actor.name if actor.kind == "person" else ""


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _pin(invitation: Invitation, actor: Actor, now: datetime) -> str:
    """The PIN that this person registers with, where their policy asks for one; empty elsewhere. It goes in the same
    mail; a reminder does not repeat it, for nobody here knows it any more."""
    if not selectors.rules_of(invitation.person).values.asks_pin:
        return ""
    return pins.readable(pins.issue(person=invitation.person, actor=actor, now=now, mail=False))


def _mail(invitation: Invitation, notice: Notice, *, pin: str = "") -> None:
    facts = {"secret_link": _link(invitation), "until": invitation.expires_at.isoformat(timespec="seconds")}
    if invitation.created_by:
        facts["by"] = invitation.created_by
    if pin:
        facts["secret_pin"] = pin
    invitation.mail_id = accounts.notify(person=invitation.person, notice=notice, facts=facts)
    invitation.save(update_fields=["mail_id"])


def _record(verb: Verb, invitation: Invitation, actor: Actor) -> None:
    audit.record(verb, actor=actor, person=invitation.person)
