"""Changing an e-mail address: confirmed at the new one, announced at the old one with a way back for a week.

The way back is for somebody whose account an intruder has taken over. The old mailbox alone takes everything out of the
intruder's hands (`undo`): the address, the sessions, the password, and what was added around that time. It removes
nothing for good, because the mailbox may be what the intruder has. That takes the password from before, or a second
factor from before (`settle`).

Whoever asks learns nothing about the new address: if somebody has it, everything looks and costs the same, and the mail
there says so to its owner instead of carrying a link.
"""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.core import signing
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import (
    addresses,
    attempts,
    factor_removal,
    following,
    providers,
    rights,
    selectors,
    services,
    sessions,
    set_aside,
)
from mydevices.accounts.attempts import Limit
from mydevices.accounts.models import EmailChange, Person, normalised
from mydevices.accounts.notices import Notice
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, Invalid, NotAllowed, TooMany

CONFIRM_WITHIN: Final = timedelta(days=1)
UNDO_WITHIN: Final = timedelta(days=7)
SETTLE_WITHIN: Final = timedelta(days=7)
"""How long after an undo the same link still leads to the page that decides about what was set aside."""
BEFORE: Final = timedelta(hours=24)
"""Who takes over an account may add a factor first and change the address then: what was added this long before the
change counts as added with it."""
PROOFS: Final = Limit(10, timedelta(hours=1))
"""Tries at the password on the pages of one change. They are open to its link alone."""
PROOF_LASTS: Final = timedelta(minutes=10)
PROOF_SALT: Final = "mydevices.proof-for-an-undone-change"
PER_PERSON: Final = Limit(5, timedelta(hours=1))
PER_TARGET: Final = Limit(3, timedelta(days=1))
"""Mails to an address that somebody wants to have: nobody's mailbox is filled from here."""


def ask(*, actor: Actor, person: Person, email: str, browser: str = "", factor_id: int | None = None) -> EmailChange:
    """Begin the change; it takes effect when it is confirmed at the new address. One that still waits is replaced.
    `factor_id`: the second factor that the proof for it was made with, if any (`requests.fresh_factor_of`).

    Raises NotAllowed where a provider keeps the address or for somebody else's, NeedsFreshAuthentication, Invalid for
    what is no new address, TooMany."""
    if actor.id != str(person.id):
        rights.require(actor, Right.MANAGE_PEOPLE)
        rights.ceiling(actor, person=person)
    actor.require_fresh(timezone.now())
    if person.provider:
        raise NotAllowed(
            _("Your address is kept by %(provider)s. Change it there.") % {"provider": providers.keeper(person)}
        )
    email = addresses.checked(email)
    key = addresses.key_of(email)
    if key == person.email_key:
        raise Invalid(_("That is your address already."))
    if not attempts.take("new address of", str(person.id), PER_PERSON):
        raise TooMany(_("You asked for this often. Wait an hour."))
    may_write = attempts.take("new address", key, PER_TARGET)
    with transaction.atomic():
        return _ask(actor, person, email, browser, factor_id, may_write=may_write)


def _ask(
    actor: Actor, person: Person, email: str, browser: str, factor_id: int | None, *, may_write: bool
) -> EmailChange:
    person = Person.objects.select_for_update().get(id=person.id)
    now = timezone.now()
    demands_factor = Authenticator.objects.filter(user=person, pk=factor_id, created_at__lt=now - BEFORE).exists()
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
        password=person.password,
        demands_factor=demands_factor,
    )
    audit.record(Verb.EMAIL_CHANGE_ASKED, actor=actor, person=person)
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
        person, address = owner
        services.notify(person=person, notice=Notice.EMAIL_TAKEN, address=address, facts=until)


def _owner(change: EmailChange) -> tuple[Person, str] | None:
    """Who has the new address, or may still take it back; and the address as it is known of them."""
    owner = selectors.with_address(change.new_email).first()
    if owner is not None:
        return owner, owner.email
    left = EmailChange.objects.filter(
        ~Q(person=change.person),
        old_key=addresses.key_of(change.new_email),
        ended_at=None,
        undo_until__gt=timezone.now(),
    ).exclude(confirmed_at=None)
    former = left.select_related("person").first()
    return (former.person, former.old_email) if former else None


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
    audit.record(Verb.EMAIL_CHANGE_DROPPED, actor=actor, person=person)


def drop_since(person_id: UUID, since: datetime, now: datetime) -> None:
    """Drop a change that was asked for since then and waits to be confirmed: whoever is thrown out may have asked for
    it, and has the new mailbox. Part of verbs that end sessions (`sessions.also`)."""
    person = Person.objects.get(id=person_id)
    if person.email_changes.filter(confirmed_at=None, ended_at=None, asked_at__gte=since).update(ended_at=now):
        audit.record(Verb.EMAIL_CHANGE_DROPPED, actor=Actor.system("sessions ended"), person=person)


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
    audit.record(Verb.EMAIL_CHANGED, actor=Actor.by_link(person, address=address), person=person)
    return person


def since(change: EmailChange) -> datetime:
    """From when on what was added to the account may be an intruder's."""
    return change.asked_at - BEFORE


def has_factor_from_before(change: EmailChange, *kinds: str) -> bool:
    """Whether the person has a factor of one of these kinds that is theirs for certain."""
    own = Authenticator.objects.filter(user=change.person, type__in=kinds)
    return bool(own.filter(created_at__lt=since(change)).exists())


def prove(change: EmailChange, *, password: str = "", factor: Authenticator | None = None) -> str:
    """What shows for ten minutes that somebody gave the password that the person had when the change was asked for, or
    has just used a factor from before it. `undo` and `settle` take it.

    Raises TooMany after too many tries, Invalid for a wrong password or a factor that is too young."""
    if factor is None and not attempts.take("proof for an undone change", str(change.id), PROOFS):
        raise TooMany(_("That was tried too often. Wait an hour, or ask your helpdesk."))
    if factor is not None:
        if factor.user_id != change.person_id or factor.created_at >= since(change):
            raise Invalid(_("This was added around the time of the change. Use what you had before."))
        factor_removal.stop(person=change.person)
        return signing.dumps([str(change.id), "factor"], salt=PROOF_SALT)
    if not change.password or not check_password(normalised(password), change.password):
        raise Invalid(_("That isn’t the password you had before the change."))
    return signing.dumps([str(change.id), "password"], salt=PROOF_SALT)


def proved(change: EmailChange, proof: str) -> str:
    """What this proof was made with: "password" or "factor"; empty for one that is forged, old or of another change."""
    try:
        about, way = signing.loads(proof, salt=PROOF_SALT, max_age=PROOF_LASTS)
    except signing.BadSignature:
        return ""
    return str(way) if about == str(change.id) else ""


@transaction.atomic
def undo(*, token: str, address: str, proof: str = "") -> Person:
    """Back to the old address. The owner of its mailbox did not want the change, so somebody else was in the account:
    every session ends, the password opens nothing any more, and what was added since shortly before the change (second
    factors, tickets, PINs, location tokens; known browsers with the password) is set aside. Later changes are void with
    this one. `proof`: from `prove`, by a factor, where the change demands one.

    Raises NotAllowed for a link that is no longer good, or without the proof that is needed; Conflict when somebody
    else has the old address by now."""
    person = _held(to_undo(token))
    change = to_undo(token)
    if change.demands_factor and proved(change, proof) != "factor":
        raise NotAllowed(
            _(
                "This change was made with a second factor, so it takes one to undo it. If yours is gone, ask your "
                "helpdesk."
            )
        )
    now, replaced = timezone.now(), person.email
    person.email = change.old_email
    person.set_unusable_password()
    person.password_changed_at = now
    try:
        with transaction.atomic():
            person.save(update_fields=["email", "password", "password_changed_at"])
    except IntegrityError as error:
        raise Conflict(_("Somebody else has your old address by now. Ask your helpdesk.")) from error
    following.changed([person.id])
    person.email_changes.filter(asked_at__gte=change.asked_at, ended_at=None).update(ended_at=now)
    EmailChange.objects.filter(id=change.id).update(undone_at=now)
    sessions.forget(person=person)
    number = set_aside.put_aside(person=person, since=since(change), now=now)
    audit.record(
        Verb.EMAIL_CHANGE_UNDONE,
        actor=Actor.by_link(person, address=address),
        person=person,
        details={"set_aside": number},
    )
    facts = {"at": now.isoformat(timespec="seconds"), "address": address}
    for to in dict.fromkeys([person.email, replaced]):
        services.notify(person=person, notice=Notice.EMAIL_CHANGE_UNDONE, address=to, facts=facts)
    return person


def to_settle(token: str) -> EmailChange:
    """The undone change whose owner may now prove who they are. Raises NotAllowed for every other link."""
    change = EmailChange.objects.select_related("person").filter(undo_digest=_digest(token)).first()
    if (
        change is None
        or change.undone_at is None
        or change.settled_at is not None
        or change.undone_at + SETTLE_WITHIN <= timezone.now()
        or not change.person.is_active
        or change.person.provider
    ):
        raise NotAllowed(_("This link is old or has been used. If your account is in danger, ask your helpdesk now."))
    return change


@transaction.atomic
def settle(
    *,
    token: str,
    proof: str,
    give_back: Collection[int],
    password: str,
    address: str,
    browser: str,
) -> Person:
    """Once undone: a new password, the chosen factors back in use, the others removed. `proof`: from `prove`.

    Raises NotAllowed for a link or a proof that is no longer good, Invalid for a password that will not do, Conflict
    for a factor that cannot come back."""
    person = _held(to_settle(token))
    change = to_settle(token)
    if not proved(change, proof):
        raise NotAllowed(_("Prove again that it’s you: that was more than ten minutes ago."))
    if change.password and check_password(normalised(password), change.password):
        raise Invalid(_("Choose a new password. Somebody else may know the old one."))
    actor = Actor.by_link(person, address=address)
    back, removed = set_aside.decide(person=person, give_back=give_back)
    services.change_password(actor=actor, person=person, password=password, browser=browser)
    EmailChange.objects.filter(id=change.id).update(settled_at=timezone.now(), password="")
    if back or removed:
        audit.record(
            Verb.FACTORS_SETTLED,
            actor=actor,
            person=person,
            details={"back": back, "removed": removed},
        )
    return person


def clear(*, now: datetime) -> None:
    """Empty the kept passwords of changes that can no longer be undone or settled."""
    ended = Q(undone_at=None, undo_until__lte=now) | Q(undone_at__lte=now - SETTLE_WITHIN)
    EmailChange.objects.filter(ended).exclude(password="").update(password="")
    # One that ended in another way before it could be undone, such as by being replaced.
    EmailChange.objects.filter(undone_at=None).exclude(ended_at=None).exclude(password="").update(password="")
