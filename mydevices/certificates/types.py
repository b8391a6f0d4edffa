"""Certificate types: what people can have a certificate for. The configuration that defines one calls these, in its own
transaction."""

from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from mydevices import names
from mydevices.accounts import rights
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.certificates import selectors
from mydevices.certificates.models import Certificate, CertificateType
from mydevices.errors import Conflict, Invalid


@dataclass(frozen=True, slots=True)
class TypeRules:
    """What an administrator decides about a type; the fields of `CertificateType`."""

    label: str
    purpose: str
    delete_key_after: int | None = 2
    all_apps: bool = False
    key_download: bool = False


def create(*, actor: Actor, type_id: UUID, rules: TypeRules) -> CertificateType:
    """A type under the id of what defines it. Raises Invalid for what cannot be, Conflict for a label that is taken."""
    rights.require(actor, Right.MANAGE_POLICIES)
    one = CertificateType(id=type_id)
    _save(one, rules, is_new=True)
    _record(Verb.CERTIFICATE_TYPE_CREATED, one, actor)
    return one


@transaction.atomic
def change(*, actor: Actor, type_id: UUID, rules: TypeRules) -> CertificateType:
    """What was uploaded stays as it is, and is judged by the new purpose when it is replaced. Raises as `create` does,
    and NotFound."""
    rights.require(actor, Right.MANAGE_POLICIES)
    one = selectors.type_by_id(type_id)
    before = (one.delete_key_after, one.purpose)
    _save(one, rules, is_new=False)
    if before[0] != one.delete_key_after:
        # Its people are told anew: what they read named another day, or none.
        Certificate.objects.filter(type=one, key__isnull=False).update(key_end_announced_at=None)
    _record(Verb.CERTIFICATE_TYPE_CHANGED, one, actor)
    return one


@transaction.atomic
def delete(*, actor: Actor, type_id: UUID, with_certificates: bool = False) -> int:
    """Take a type away, with what people uploaded for it; the number of those. Raises Conflict while there are any,
    unless they are meant, and NotFound."""
    rights.require(actor, Right.MANAGE_POLICIES)
    one = selectors.type_by_id(type_id)
    uploaded = Certificate.objects.filter(type=one)
    number = uploaded.count()
    if number and not with_certificates:
        raise Conflict(
            _("People have uploaded certificates for “%(label)s”. They would be deleted, with their private keys.")
            % {"label": one.label}
        )
    for certificate in uploaded.select_related("person"):
        audit.record(
            Verb.CERTIFICATE_DELETED,
            actor=actor,
            person=certificate.person,
            details={"certificate": one.label, "issuer": certificate.issuer, "fingerprint": certificate.fingerprint},
        )
    _record(Verb.CERTIFICATE_TYPE_DELETED, one, actor)
    one.delete()
    return number


def _save(one: CertificateType, rules: TypeRules, *, is_new: bool) -> None:
    label = " ".join(names.checked(rules.label).split())
    if not label or len(label) > 120:
        raise Invalid(_("A certificate type needs a name of at most 120 characters."))
    if rules.purpose not in CertificateType.Purpose.values:
        raise Invalid(_("A certificate is for signing, for encryption, or for both."))
    if rules.delete_key_after is not None and not 1 <= rules.delete_key_after <= CertificateType.LONGEST_KEPT:
        raise Invalid(_("A private key is deleted after 1 to 30 days, or kept."))
    one.label = label
    one.purpose = rules.purpose
    one.delete_key_after = rules.delete_key_after
    one.all_apps = rules.all_apps
    one.key_download = rules.key_download
    taken = _("There is another certificate type called “%(label)s”.") % {"label": label}
    if CertificateType.objects.filter(label__iexact=label).exclude(id=one.id).exists():
        raise Conflict(taken)
    try:
        with transaction.atomic():
            one.save(force_insert=is_new)
    except IntegrityError as error:
        raise Conflict(taken) from error


def _record(verb: Verb, one: CertificateType, actor: Actor) -> None:
    details: dict[str, str | int | bool] = {
        "type": str(one.id),
        "label": one.label,
        "purpose": one.purpose,
        "all_apps": one.all_apps,
        "download_allowed": one.key_download,
    }
    if one.delete_key_after is not None:
        details["deleted_after_days"] = one.delete_key_after
    audit.record(verb, actor=actor, details=details)
