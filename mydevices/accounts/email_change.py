"""Changing an e-mail address: confirmed at the new one, announced at the old one with a way back for a week.

Whoever asks learns nothing about the new address: if somebody has it, everything looks and costs the same, and the mail
there says so to its owner instead of carrying a link.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import attempts, following, providers, rights, selectors, services, sessions
from mydevices.accounts.attempts import Limit
from mydevices.accounts.models import EmailChange, Person
from mydevices.accounts.notices import Notice
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, Invalid, NotAllowed, TooMany

CONFIRM_WITHIN: Final = timedelta(days=1)
UNDO_WITHIN: Final = timedelta(days=7)
PER_PERSON: Final = Limit(5, timedelta(hours=1))
PER_TARGET: Final = Limit(3, timedelta(days=1))
"""Mails to an address that somebody wants to have: nobody's mailbox is filled from here."""


def ask(*, actor: Actor, person: Person, email: str, browser: str = "") -> EmailChange:
    """Begin the change; it takes effect when it is confirmed at the new address. One that still waits is replaced.

    Raises NotAllowed where a provider keeps the address or for somebody else's, NeedsFreshAuthentication, Invalid for
    what is no new address, TooMany."""
    if actor.id != str(person.id):
        rights.require(actor, Right.MANAGE_PEOPLE)
    actor.require_fresh(timezone.now())
    if person.provider:
        raise NotAllowed(
            _("Your address is kept by %(provider)s. Change it there.") % {"provider": providers.keeper(person)}
        )
    email = email.strip()
    try:
        validate_email(email)
        EmailChange._meta.get_field("new_email").run_validators(email)  # noqa: SLF001  its length
    except ValidationError as error:
        raise Invalid(_("That is no e-mail address.")) from error
    if email.casefold() == person.email.casefold():
        raise Invalid(_("That is your address already."))
    if not attempts.take("new address of", str(person.id), PER_PERSON):
        raise TooMany(_("You asked for this often. Wait an hour."))
    may_write = attempts.take("new address", email.casefold(), PER_TARGET)
    with transaction.atomic():
        return _ask(actor, person, email, browser, may_write=may_write)


def _ask(actor: Actor, person: Person, email: str, browser: str, *, may_write: bool) -> EmailChange:
    Person.objects.select_for_update().get(id=person.id)
    now = timezone.now()
    person.email_changes.filter(confirmed_at=None, ended_at=None).update(ended_at=now)
    confirm, undo = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    change = EmailChange.objects.create(
        person=person,
        old_email=person.email,
        new_email=email,
        confirm_digest=_digest(confirm),
        undo_digest=_digest(undo),
        asked_at=now,
        confirm_until=now + CONFIRM_WITHIN,
        undo_until=now + UNDO_WITHIN,
    )
    audit.record(Verb.EMAIL_CHANGE_ASKED, actor=actor, person_id=person.id, person_name=person.name)
    if may_write:
        _write_to_the_new(change, confirm)
    facts = {
        "email": email,
        "secret_link": f"{settings.PUBLIC_URL}/account/email/restore/{undo}",
        "until": change.undo_until.isoformat(timespec="seconds"),
        "at": now.isoformat(timespec="seconds"),
        "browser": browser,
        "address": actor.address,
    }
    services.notify(person=person, notice=Notice.EMAIL_CHANGES, facts=facts)
    return change


def _write_to_the_new(change: EmailChange, token: str) -> None:
    owner = _owner(change)
    until = {"until": change.confirm_until.isoformat(timespec="seconds")}
    if owner is None:
        link = f"{settings.PUBLIC_URL}/account/email/confirm/{token}"
        facts = until | {"secret_link": link}
        services.notify(person=change.person, notice=Notice.EMAIL_CONFIRM, address=change.new_email, facts=facts)
    else:
        services.notify(person=owner, notice=Notice.EMAIL_TAKEN, address=change.new_email, facts=until)


def _owner(change: EmailChange) -> Person | None:
    """Who has the new address, or may still take it back."""
    owner = selectors.with_address(change.new_email).first()
    if owner is not None:
        return owner
    left = EmailChange.objects.filter(
        ~Q(person=change.person), old_email__iexact=change.new_email, ended_at=None, undo_until__gt=timezone.now()
    ).exclude(confirmed_at=None)
    former = left.select_related("person").first()
    return former.person if former else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def drop(*, actor: Actor, person: Person) -> None:
    """Keep the present address after all. Raises Conflict where nothing waits."""
    if actor.id != str(person.id):
        rights.require(actor, Right.MANAGE_PEOPLE)
    waiting = person.email_changes.filter(confirmed_at=None, ended_at=None)
    if not waiting.update(ended_at=timezone.now()):
        raise Conflict(_("No change of your address is waiting."))
    audit.record(Verb.EMAIL_CHANGE_DROPPED, actor=actor, person_id=person.id, person_name=person.name)


def to_confirm(token: str) -> EmailChange:
    """The change that this link confirms. Raises NotAllowed for a link that is old, used or forged."""
    change = EmailChange.objects.select_related("person").filter(confirm_digest=_digest(token)).first()
    if (
        change is None
        or change.confirmed_at is not None
        or change.ended_at is not None
        or change.confirm_until <= timezone.now()
        or not change.person.is_active
    ):
        raise NotAllowed(_("This link is old or has been used. On your account page you see which address counts."))
    return change


def to_undo(token: str) -> EmailChange:
    """The change that this link undoes. Raises NotAllowed for a link that is old, used or forged."""
    change = EmailChange.objects.select_related("person").filter(undo_digest=_digest(token)).first()
    if (
        change is None
        or change.ended_at is not None
        or change.undo_until <= timezone.now()
        or not change.person.is_active
    ):
        raise NotAllowed(_("This link is old or has been used. If your account is in danger, ask your helpdesk now."))
    return change


def _held(change: EmailChange) -> Person:
    """The person, locked: what is decided next is decided by one at a time."""
    return Person.objects.select_for_update().get(id=change.person_id)


@transaction.atomic
def confirm(*, token: str, address: str) -> Person:
    """Whoever has the link has the new address: from now on it counts. Sessions stay.

    Raises NotAllowed for a link that is no longer good, Conflict when somebody else has the address by now."""
    person = _held(to_confirm(token))
    change = to_confirm(token)  # once more, now that nobody else can spend it
    if person.provider or person.email != change.old_email:
        raise NotAllowed(_("This link is old: the address was changed in another way."))
    person.email = change.new_email
    try:
        with transaction.atomic():
            person.save(update_fields=["email"])
    except IntegrityError as error:
        raise Conflict(_("Somebody else has this address by now.")) from error
    following.changed([person.id])
    change.confirmed_at = timezone.now()
    change.save(update_fields=["confirmed_at"])
    audit.record(Verb.EMAIL_CHANGED, actor=_who(person, address), person_id=person.id, person_name=person.name)
    return person


@transaction.atomic
def undo(*, token: str, address: str) -> Person:
    """Back to the old address. Whoever has its mailbox did not want the change, so somebody else was in the account:
    every session ends, the password opens nothing more, and a new one is needed. Later changes are void with this one.

    Raises NotAllowed for a link that is no longer good, Conflict when somebody else has the old address by now."""
    person = _held(to_undo(token))
    change = to_undo(token)
    person.email = change.old_email
    person.set_unusable_password()
    person.password_changed_at = timezone.now()
    try:
        with transaction.atomic():
            person.save(update_fields=["email", "password", "password_changed_at"])
    except IntegrityError as error:
        raise Conflict(_("Somebody else has your old address by now. Ask your helpdesk.")) from error
    following.changed([person.id])
    person.email_changes.filter(asked_at__gte=change.asked_at, ended_at=None).update(ended_at=timezone.now())
    sessions.forget(person=person)
    audit.record(Verb.EMAIL_CHANGE_UNDONE, actor=_who(person, address), person_id=person.id, person_name=person.name)
    return person


def _who(person: Person, address: str) -> Actor:
    return Actor(kind="person", id=str(person.id), name=person.name, role=person.role, address=address)
