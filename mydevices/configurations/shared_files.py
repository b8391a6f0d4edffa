"""The file of an identity certificate that is one for everybody: opened and judged when it comes, sealed when it is
kept."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import attempts, rights
from mydevices.accounts.rights import Right
from mydevices.audit import proof
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.certificates import uploads
from mydevices.certificates.models import CertificateType
from mydevices.configurations import resolve
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.models import Configuration, SharedIdentity
from mydevices.errors import Conflict, Invalid, TooMany
from mydevices.policies.kinds.kind import Kind
from mydevices.protocols.pki.pkcs12 import Bundle
from mydevices.protocols.pki.smime import Assessment, Caution, Purpose
from mydevices.vault import services as vault


@dataclass(frozen=True, slots=True)
class ExaminedFile:
    """A file for everybody that was opened and found good for its purpose."""

    purpose: str
    bundle: Bundle = field(repr=False)
    assessment: Assessment


def examine_file(*, actor: Actor, purpose: Purpose, data: bytes, password: str) -> ExaminedFile:
    """Open an administrator's PKCS #12 with the password that goes with it, and judge it as a person's is. Before the
    transaction that keeps it: it takes a process, and up to seconds.

    Raises `certificates.wording.NotTaken` (an Invalid that says what to correct), TooMany. Neither file nor password is
    kept anywhere."""
    rights.require(actor, Right.MANAGE_POLICIES)
    proof.require(actor, Verb.CONFIGURATION_CHANGED, None, timezone.now())
    if purpose not in CertificateType.Purpose.values:
        raise Invalid(_("A certificate is for signing, for encryption, or for both."))
    if not attempts.take("certificate upload", actor.id, uploads.LIMIT):
        raise TooMany(_("You have uploaded many files within a few minutes. Try again in ten minutes."))
    bundle, assessment = uploads.assessed(data, password, purpose=purpose, addresses=())
    return ExaminedFile(purpose, bundle, assessment)


def columns(values: Kind, file: ExaminedFile | None) -> Mapping[str, Any] | None:
    """The columns of a `SharedIdentity`, its key in the clear. Raises Conflict for a file that was checked for another
    purpose."""
    if file is None:
        return None
    if isinstance(values, IdentityCertificate) and file.purpose != values.purpose:
        raise Conflict(_("The file was checked for another purpose. Upload it again."))
    facts = file.assessment.facts
    return {
        "der": file.bundle.certificate,
        "chain": [b64encode(one).decode() for one in file.bundle.chain],
        "key": file.bundle.key,
        "issuer": facts.issued_by,
        "subject": facts.subject,
        "serial": f"{facts.serial:x}"[:64],
        "not_before": facts.not_before,
        "not_after": facts.not_after,
        "fingerprint": facts.fingerprint,
        "addresses": list(facts.addresses),
        "key_algorithm": facts.key[:32],
        "cautions": [one.code for one in file.assessment.cautions if one is not Caution.OTHER_ADDRESS],
        "uploaded_at": timezone.now(),
    }


def keep(configuration: Configuration, identity: Mapping[str, Any] | None) -> None:
    """Seal it, in place of the present one. None: that one stays."""
    if identity is not None:
        key = vault.seal(identity["key"], resolve.place_of_key(configuration.id))
        SharedIdentity.objects.update_or_create(configuration=configuration, defaults={**identity, "key": key})
