"""What people do with their certificates: bring one, replace it, note something, clear its key, delete it, take it with
them.

An upload has two steps. `examine` opens the file, which takes a process and up to seconds, outside of any transaction;
`store` keeps what came out. `configurations` puts the second into one transaction with sending it to devices.
"""

from base64 import b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices import names
from mydevices.accounts import attempts
from mydevices.accounts import services as accounts
from mydevices.accounts.attempts import Limit
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.audit import proof
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.certificates import keeping, selectors, wording
from mydevices.certificates.models import Certificate, CertificateType
from mydevices.certificates.opening import open_guarded
from mydevices.errors import Conflict, ForbiddenByPolicy, Invalid, NotAllowed, NotFound, NotTheirs, TooMany
from mydevices.protocols.pki import smime, wrapping
from mydevices.protocols.pki.pkcs12 import MAXIMUM_SIZE, Bundle
from mydevices.protocols.pki.refusals import Refused
from mydevices.protocols.pki.smime import Assessment, Purpose
from mydevices.vault import services as vault

LIMIT: Final = Limit(30, timedelta(minutes=10))
"""Files that one person may have opened: each takes up to a second of the machine's time."""
LARGEST: Final = MAXIMUM_SIZE
"""Bytes of a file."""
SHORTEST_PASSWORD: Final = 8
LONGEST_PASSWORD: Final = 256


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that was opened and found good for a type."""

    type_id: UUID
    purpose: str
    bundle: Bundle = field(repr=False)
    assessment: Assessment


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of an upload. `previous` is the one it replaced, now history; none where there was none, or where
    the replaced one is of no more use."""

    certificate: Certificate
    previous: Certificate | None
    is_first: bool
    """There was none of this type before."""


def examine(*, actor: Actor, person: Person, type_id: UUID, data: bytes, password: str) -> Examined:
    """Open a person's file with the password that goes with it, and judge what is inside for a type.

    Raises `wording.NotTaken` (an Invalid that says what to correct), NotFound for a type that is gone or somebody
    else's certificates, ForbiddenByPolicy, TooMany. Neither file nor password is kept anywhere."""
    proof.require(actor, Verb.CERTIFICATE_UPLOADED, None, timezone.now())
    _require_own(actor, person)
    _require_policy(actor, person)
    one = selectors.type_by_id(type_id)
    if not attempts.take("certificate upload", str(person.id), LIMIT):
        raise TooMany(_("You have uploaded many files within a few minutes. Try again in ten minutes."))
    bundle, assessment = assessed(data, password, purpose=selectors.purpose_of(one), addresses=[person.email])
    return Examined(type_id=one.id, purpose=one.purpose, bundle=bundle, assessment=assessment)


def assessed(data: bytes, password: str, *, purpose: Purpose, addresses: Collection[str]) -> tuple[Bundle, Assessment]:
    """What is in a file, and what it is good for; the addresses are those that it should name, if that matters. Raises
    `wording.NotTaken` and TooMany, as `examine` does."""
    try:
        bundle = open_guarded(data, password)
        assessment = smime.assess(bundle, now=timezone.now(), purpose=purpose, addresses=addresses)
    except Refused as refused:
        raise wording.unreadable(refused) from refused
    except TooMany as busy:  # the opener speaks no language: it is its child's module too
        raise TooMany(_("Several files are being opened right now. Try again in a few seconds.")) from busy
    if assessment.refusals:
        raise wording.unusable(assessment.refusals)
    return bundle, assessment


@transaction.atomic
def store(*, actor: Actor, person: Person, examined: Examined, note: str | None = None, now: datetime) -> Stored:
    """Keep it as the present certificate of its type. One that was present becomes history, where it is of use to read
    old mail, and else is deleted with its key. The same certificate once more takes the place of itself. Without a note
    that of the replaced one stays.

    Raises Conflict where the type has changed or gone since, NotFound, ForbiddenByPolicy, Invalid for a note."""
    _require_own(actor, person)
    _require_policy(actor, person)
    note = None if note is None else _checked_note(note)
    # Of two uploads at once one waits here, and replaces the other.
    if not Person.objects.select_for_update().filter(id=person.id, is_active=True).exists():
        raise NotAllowed(_("This account is suspended."))
    one = CertificateType.objects.filter(id=examined.type_id, purpose=examined.purpose).first()
    if one is None:
        raise Conflict(_("This type of certificate has just been changed. Look at it, and upload the file again."))
    facts = examined.assessment.facts
    before = Certificate.objects.filter(person=person, type=one, replaced_at=None).first()
    same = Certificate.objects.filter(person=person, type=one, fingerprint=facts.fingerprint).first()
    certificate = _filled(same or Certificate(id=uuid4(), person=person, type=one), examined, now)
    certificate.note = (before.note if before else "") if note is None else note
    previous = None
    if before is not None and (same is None or before.id != same.id):
        previous = _set_aside(before, now, one)
    certificate.save()
    _record(
        Verb.CERTIFICATE_REPLACED if before else Verb.CERTIFICATE_UPLOADED,
        certificate,
        actor,
        {"until": certificate.not_after.date().isoformat(), "warnings": ", ".join(certificate.cautions)},
    )
    return Stored(certificate, previous, is_first=before is None)


def _filled(certificate: Certificate, examined: Examined, now: datetime) -> Certificate:
    facts, bundle = examined.assessment.facts, examined.bundle
    certificate.der = bundle.certificate
    certificate.chain = [b64encode(one).decode() for one in bundle.chain]
    certificate.issuer, certificate.subject = facts.issued_by, facts.subject
    certificate.serial = f"{facts.serial:x}"[:64]
    certificate.not_before, certificate.not_after = facts.not_before, facts.not_after
    certificate.fingerprint = facts.fingerprint
    certificate.addresses = list(facts.addresses)
    certificate.key_algorithm = facts.key[:32]
    certificate.cautions = [one.code for one in examined.assessment.cautions]
    certificate.uploaded_at = now
    certificate.replaced_at = None
    certificate.key = vault.seal(bundle.key, selectors.place_of_key(certificate))
    certificate.key_cleared_at, certificate.key_cleared_why = None, ""
    certificate.key_end_announced_at = None
    # Who uploads it now has just read when it ends.
    certificate.expiry_announced = keeping.reminded(facts.not_after, now)
    return certificate


def _set_aside(before: Certificate, now: datetime, one: CertificateType) -> Certificate | None:
    """Make history of it, where its key reads old mail; else it goes, with its key."""
    if not one.keeps_history:
        before.delete()
        return None
    before.replaced_at = now
    before.save(update_fields=["replaced_at"])
    return before


@transaction.atomic
def annotate(*, actor: Actor, certificate: Certificate, note: str) -> Certificate:
    """Change what its owner noted. Nothing is sent to any device. Raises Invalid, and NotFound when it is gone."""
    present = _own(actor, certificate)
    note = _checked_note(note)
    if present.note != note:
        present.note = note
        present.save(update_fields=["note"])
        _record(Verb.CERTIFICATE_NOTE_CHANGED, present, actor)
    return present


@transaction.atomic
def clear_key(*, actor: Actor, certificate: Certificate, now: datetime) -> int:
    """Delete the private key: of a present certificate those of its history, too. The number of keys deleted; devices
    keep what they have. Raises NotFound when it is gone."""
    present = _own(actor, certificate)
    rows = Certificate.objects.filter(person_id=present.person_id, type_id=present.type_id, key__isnull=False)
    if not present.is_present:
        rows = rows.filter(id=present.id)
    cleared = rows.update(key=None, key_cleared_at=now, key_cleared_why=Certificate.Cleared.PERSON)
    if cleared:
        why = Certificate.Cleared.PERSON.value
        _record(Verb.CERTIFICATE_KEY_CLEARED, present, actor, {"why": why, "number": cleared})
    return cleared


@transaction.atomic
def delete(*, actor: Actor, certificate: Certificate) -> None:
    """Delete the row with its key; devices keep what they have, and history stays. Raises NotFound when it is gone."""
    present = _own(actor, certificate)
    _record(Verb.CERTIFICATE_DELETED, present, actor)
    present.delete()


@transaction.atomic
def export(*, actor: Actor, certificate: Certificate, password: str, browser: str = "", now: datetime) -> bytes:
    """The certificate with its chain and its private key, as a PKCS #12 under a password that its owner chose: for
    what cannot be sent one. They are told by mail.

    Raises NeedsFreshAuthentication, NotAllowed where the administrator does not, Conflict without a key, Invalid for
    the password, NotFound."""
    present = _own(actor, certificate)
    actor.require_fresh(now)
    if not present.type.key_download:
        raise NotAllowed(_("Your organisation does not allow to download this certificate with its private key."))
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD or "\0" in password:
        raise Invalid(
            _("Choose a password of %(shortest)d to %(longest)d characters.")
            % {"shortest": SHORTEST_PASSWORD, "longest": LONGEST_PASSWORD}
        )
    bundle = selectors.identity(present)
    if bundle is None:
        raise Conflict(_("The private key is not kept here any more. Upload the certificate again first."))
    wrapped = wrapping.wrap(bundle, password=password, friendly_name=present.type.label, target="modern")
    _record(Verb.CERTIFICATE_DOWNLOADED, present, actor)
    facts = {
        "certificate": present.type.label,
        "issuer": present.issuer,
        "at": now.isoformat(timespec="seconds"),
        "browser": browser,
        "address": actor.address,
    }
    told = {name: fact for name, fact in facts.items() if fact}
    accounts.notify(person=present.person, notice=Notice.CERTIFICATE_DOWNLOADED, facts=told)
    return wrapped


def _require_own(actor: Actor, person: Person) -> None:
    """Their owner's alone, whatever anybody's role; and the server's own command line."""
    if actor.kind != "system" and not (actor.kind == "person" and actor.id == str(person.id)):
        raise NotTheirs(_("There is no such certificate."))


def _require_policy(actor: Actor, person: Person) -> None:
    """What is kept already stays theirs to read, clear and delete, whatever a policy says."""
    refusal = selectors.forbidden(person) if actor.kind != "system" else ""
    if refusal:
        raise ForbiddenByPolicy(refusal)


def _own(actor: Actor, certificate: Certificate) -> Certificate:
    """The row as it is now, held until the end of the transaction."""
    present = (
        Certificate.objects.select_for_update(of=("self",))
        .select_related("person", "type")
        .filter(id=certificate.id)
        .first()
    )
    if present is None:
        raise NotFound(_("There is no such certificate."))
    _require_own(actor, present.person)
    return present


def _checked_note(note: str) -> str:
    note = " ".join(names.checked(note).split())
    if len(note) > Certificate.LONGEST_NOTE:
        raise Invalid(_("A note has at most 300 characters."))
    return note


def _record(
    verb: Verb, certificate: Certificate, actor: Actor, details: dict[str, str | int | bool] | None = None
) -> None:
    audit.record(
        verb,
        actor=actor,
        person=certificate.person,
        details={
            "certificate": certificate.type.label,
            "issuer": certificate.issuer,
            "fingerprint": certificate.fingerprint,
            **(details or {}),
        },
    )
