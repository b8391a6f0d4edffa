from base64 import b64decode
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from mydevices import search
from mydevices.accounts.models import Person, PersonWord
from mydevices.certificates.models import RENEW_BEFORE, Certificate, CertificateType, DeviceCertificate
from mydevices.devices import selectors as devices
from mydevices.devices.models import Registration
from mydevices.errors import NotFound, NotTheirs
from mydevices.policies import helpdesk
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.self_service import CERTIFICATES, SelfServiceRules
from mydevices.protocols.pki.pkcs12 import Bundle
from mydevices.vault import services as vault


def due_for_renewal(now: datetime) -> QuerySet[DeviceCertificate]:
    """Certificates in use that end within 30 days, the most urgent first, of registrations that live. One that has
    ended cannot be used to ask for another."""
    return (
        DeviceCertificate.objects.filter(
            state=DeviceCertificate.State.CURRENT,
            not_after__gt=now,
            not_after__lte=now + RENEW_BEFORE,
            registration__state=Registration.State.ACTIVE,
        )
        .select_related("registration__device__owner")
        .order_by("not_after")
    )


def ending(now: datetime, *, within: timedelta) -> QuerySet[DeviceCertificate]:
    """Certificates of managed devices that end soon, and those that have ended in the last three months: what signs
    with such a one is not believed any more."""
    return DeviceCertificate.objects.filter(
        state=DeviceCertificate.State.CURRENT,
        not_after__gt=now - timedelta(days=90),
        not_after__lte=now + within,
        registration__state=Registration.State.ACTIVE,
    )


def asked_weakly() -> QuerySet[DeviceCertificate]:
    """Those of managed devices that were asked for with algorithms that are only accepted because they are allowed."""
    return DeviceCertificate.objects.filter(
        asked_weakly=True, state=DeviceCertificate.State.CURRENT, registration__state=Registration.State.ACTIVE
    )


def by_fingerprint(fingerprint: str) -> DeviceCertificate | None:
    """The certificate that signed a request, with its registration, device, owner and challenge, and what its platform
    keeps beside the registration."""
    return (
        DeviceCertificate.objects.select_related(
            "registration__device__owner", "challenge", *devices.beside("registration")
        )
        .filter(fingerprint=fingerprint)
        .first()
    )


def in_use(registration_id: UUID) -> DeviceCertificate | None:
    """What a device of this registration proves itself with now."""
    return DeviceCertificate.objects.filter(registration=registration_id, state=DeviceCertificate.State.CURRENT).first()


# --- what people bring


def types() -> "QuerySet[CertificateType]":
    """All that a person can choose from, by name."""
    return CertificateType.objects.order_by("label")


def type_by_id(type_id: UUID) -> CertificateType:
    """Raises NotFound."""
    one = CertificateType.objects.filter(id=type_id).first()
    if one is None:
        raise NotFound(_("There is no such type of certificate any more."))
    return one


def purpose_of(one: CertificateType) -> Literal["signing", "encryption", "both"]:
    """The type's purpose, in the words of who judges certificates."""
    if one.purpose == CertificateType.Purpose.SIGNING:
        return "signing"
    return "encryption" if one.purpose == CertificateType.Purpose.ENCRYPTION else "both"


def all_certificates() -> "QuerySet[Certificate]":
    """For a list that narrows and orders them itself; what it shows is `listed`."""
    return Certificate.objects.all()


def number_of_type(type_id: UUID) -> int:
    """How many certificates people have uploaded for a type, the replaced ones included."""
    return Certificate.objects.filter(type=type_id).count()


def listed() -> "QuerySet[Certificate]":
    """Certificates without what is secret or large, each with its person and type."""
    return Certificate.objects.defer("key", "der", "chain").select_related("person", "type")


def searched(rows: "QuerySet[Certificate]", text: str) -> "QuerySet[Certificate]":
    """Those that have every word of the text: as the beginning of a word of their person's name or address, or
    anywhere in the name of their type, of who issued them, or of whom they are for."""
    for word in search.wanted(text):
        people = PersonWord.objects.filter(word__prefix=word).values("of")
        named = Q(type__label__icontains=word) | Q(issuer__icontains=word) | Q(subject__icontains=word)
        rows = rows.filter(named | Q(person__in=people))
    return rows


def of_person(person: Person) -> Sequence[Certificate]:
    """All of a person's, by the names of their types; of each type the present one first, then history, newest first.

    Their keys are not read."""
    found = listed().filter(person=person).order_by("-uploaded_at", "id")
    return sorted(found, key=lambda one: (one.type.label.casefold(), not one.is_present))


def owned_by(person: Person, certificate_id: UUID) -> Certificate:
    """One of a person's. Raises NotFound, and NotTheirs for somebody else's."""
    found = Certificate.objects.select_related("person", "type").filter(person=person, id=certificate_id).first()
    if found is None:
        why = NotTheirs if Certificate.objects.filter(id=certificate_id).exists() else NotFound
        raise why(_("There is no such certificate."))
    return found


def present(person_ids: Collection[UUID], type_ids: Collection[UUID]) -> Mapping[tuple[UUID, UUID], Certificate]:
    """The present certificates of these people and types, by (person, type)."""
    found = Certificate.objects.select_related("person", "type").filter(
        person__in=person_ids, type__in=type_ids, replaced_at=None
    )
    return {(one.person_id, one.type_id): one for one in found}


def held(person_id: UUID, type_id: UUID) -> QuerySet[Certificate]:
    """Somebody's certificates of a type, the present and the replaced ones, without what is secret or large."""
    return Certificate.objects.filter(person=person_id, type=type_id).defer("key", "der", "chain")


def identity(certificate: Certificate) -> Bundle | None:
    """The certificate with its chain and its private key, opened; nothing once the key was cleared. Raises CannotOpen
    without the master key for it, or for a key that was copied from another row."""
    if certificate.key is None:
        return None
    return Bundle(
        key=vault.open_sealed(certificate.key, place_of_key(certificate)),
        certificate=bytes(certificate.der),
        chain=tuple(b64decode(one) for one in certificate.chain),
        friendly_name=certificate.type.label,
    )


def place_of_key(certificate: Certificate) -> vault.Place:
    """What the sealed key is bound to: it opens in its own row and for its owner only."""
    return vault.Place("certificates_certificate", "key", row=certificate.id, owner=certificate.person_id)


def forbidden(person: Person) -> str:
    """Why this person may keep no further certificates here: the policy, and whom to ask. Empty where they may."""
    service = policies.effective(person, SelfServiceRules)
    if service.values.allows(CERTIFICATES):
        return ""
    text = _("The policy “%(policy)s” does not let you add certificates yourself.") % {"policy": service.policy_name}
    return " ".join(part for part in (text, helpdesk.of(service.values).whom_to_ask()) if part)
