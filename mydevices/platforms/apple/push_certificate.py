"""The certificate that lets this server wake Apple devices: ask for it, install it, know when it ends.

Apple issues it at https://identity.apple.com/pushcert for a request that an MDM vendor has signed. Its topic (the user
ID in its subject) is written into every registration, and a device refuses to change it: hence the care when one is
replaced."""

import base64
import logging
import plistlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.x509.oid import NameOID
from django.db import transaction
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from mydevices.accounts import rights
from mydevices.accounts.rights import Right
from mydevices.audit import proof
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.devices.models import Registration
from mydevices.errors import CannotOpen, Conflict, Invalid
from mydevices.platforms.apple.models import AppleRegistration, PushCertificate
from mydevices.vault import services as vault

logger = logging.getLogger(__name__)

TOPIC_PREFIX: Final = "com.apple.mgmt."
"""What the topic of a certificate for device management starts with (com.apple.mdm.yaml, Topic)."""

WARN_AT: Final = (30, 7, 1)
"""Days before the end at which it is written to the log and the audit, once each."""


@dataclass(frozen=True, slots=True)
class PushIdentity:
    """What the push gateway presents to Apple. The key is the secret itself: keep it out of logs."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)
    topic: str
    not_after: datetime


def current() -> PushCertificate | None:
    """The certificate installed last; None before the first. It may have expired."""
    return PushCertificate.objects.filter(installed_at__isnull=False).order_by("-installed_at").first()


def topic() -> str:
    """What new registrations are told to listen to. Raises Conflict while there is no push certificate."""
    return _present().topic


def identity() -> PushIdentity:
    """The certificate with its key. Raises Conflict while there is none, CannotOpen without the master key for it."""
    row = _present()
    key = serialization.load_der_private_key(_open(row), password=None)
    if row.not_after is None:  # the database's word for "not installed"
        raise Conflict(_missing())
    return PushIdentity(bytes(row.certificate or b""), _private_pem(key), row.topic, row.not_after)


def _present() -> PushCertificate:
    row = current()
    if row is None:
        raise Conflict(_missing())
    return row


def _missing() -> str:
    return _(
        "There is no Apple push certificate yet, so Apple devices can be neither registered nor woken. "
        "An administrator makes the request for one with: ./run manage apple_push_csr"
    )


def warning(now: datetime) -> str:
    """What administrators should know about the push certificate now, in plain words; empty when all is well."""
    row = current()
    if row is None or row.not_after is None:
        return _missing()
    day = _day(row.not_after)
    renewal = _(
        "Renew it at identity.apple.com/pushcert with the Apple account that made it: with a new one in place of a "
        "renewed one, every device would have to be registered again."
    )
    left = row.not_after - now
    if left <= timedelta(0):
        return (
            _(
                "The Apple push certificate expired on %(day)s. Devices are no longer woken: commands wait until a "
                "device happens to ask by itself."
            )
            % {"day": day}
            + " "
            + renewal
        )
    if left > timedelta(days=max(WARN_AT)):
        return ""
    return (
        ngettext(
            "The Apple push certificate expires in %(days)d day, on %(day)s. After that no device is woken, and "
            "commands wait until a device happens to ask by itself.",
            "The Apple push certificate expires in %(days)d days, on %(day)s. After that no device is woken, and "
            "commands wait until a device happens to ask by itself.",
            days(left),
        )
        % {"days": days(left), "day": day}
        + " "
        + renewal
    )


def days(left: timedelta) -> int:
    """Of what is left, the days begun, so that the last one counts as one and not as none."""
    return -(-left // timedelta(days=1))


def request(*, actor: Actor, organisation_name: str) -> bytes:
    """Make a key and the request (PEM) for its certificate. What is installed works until the answer is installed.

    Each call makes another key: an answer fits the request it was given for, whichever that is. Raises NotAllowed
    without the right to settings."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    proof.require(actor, Verb.PUSH_CERTIFICATE_REQUESTED, None, timezone.now())
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, f"{organisation_name} push"[:64])]
    if organisation_name:
        subject.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation_name[:64]))
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject)).sign(key, hashes.SHA256())
    row_id = uuid4()
    with transaction.atomic():
        PushCertificate.objects.create(id=row_id, key=_seal(key, row_id))
        audit.record(Verb.PUSH_CERTIFICATE_REQUESTED, actor=actor, details={"request": str(row_id)})
    return csr.public_bytes(serialization.Encoding.PEM)


def install(
    *, actor: Actor, pem: bytes, key_pem: bytes | None = None, force: bool = False, now: datetime
) -> PushCertificate:
    """Use this certificate (PEM or DER, its chain may come along) from now on.

    Its key is that of a request made here, or comes along, in `key_pem` or beside the certificate. Raises Invalid for
    what is not a push certificate, has ended, or has no key; Conflict, unless forced, when its topic is not the present
    one's; NotAllowed and NeedsFreshAuthentication."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    actor.require_fresh(now)
    certificate, chain = _leaf(_certificates(pem))
    new_topic = _topic_of(certificate)
    _check_dates(certificate, now)
    public = _public_der(certificate.public_key())
    with transaction.atomic():
        row = _row_for(public, key_pem or (pem if b"PRIVATE KEY-----" in pem else None))
        present = current()
        changes = present is not None and present.topic != new_topic
        if changes and not force:
            raise Conflict(_topic_change(new_topic))
        row.certificate = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (certificate, *chain))
        row.topic = new_topic
        row.not_after = certificate.not_valid_after_utc
        row.installed_at = now
        row.save()
        # Older requests that were never answered: their keys have no use left.
        PushCertificate.objects.filter(installed_at=None, requested_at__lt=row.requested_at).delete()
        audit.record(
            Verb.PUSH_CERTIFICATE_INSTALLED,
            actor=actor,
            details={"topic": new_topic, "until": row.not_after.date().isoformat(), "topic_changed": changes},
        )
    return row


def _certificates(data: bytes) -> Sequence[x509.Certificate]:
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except ValueError as error:
        raise Invalid(
            _("This is not a certificate. Apple’s portal gives a file whose name ends in .pem; install that one.")
        ) from error


def _leaf(found: Sequence[x509.Certificate]) -> tuple[x509.Certificate, Sequence[x509.Certificate]]:
    """The certificate that names a topic, wherever it stands in the file, and the others."""
    leaf = next((one for one in found if one.subject.get_attributes_for_oid(NameOID.USER_ID)), found[0])
    return leaf, [one for one in found if one is not leaf]


def _topic_of(certificate: x509.Certificate) -> str:
    names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.USER_ID)]
    if len(names) != 1 or not names[0].startswith(TOPIC_PREFIX) or len(names[0]) > 255:
        raise Invalid(
            _(
                "This certificate is not for device management: its subject has no user ID that starts with "
                "%(prefix)s. Push certificates of apps, and the certificate of an MDM vendor, are other things."
            )
            % {"prefix": TOPIC_PREFIX}
        )
    return names[0]


def _day(when: datetime) -> str:
    return formats.date_format(when, pgettext("day, month and year, as Django’s date format", "j F Y"))


def _check_dates(certificate: x509.Certificate, now: datetime) -> None:
    if certificate.not_valid_after_utc <= now:
        day = _day(certificate.not_valid_after_utc)
        raise Invalid(_("This certificate expired on %(day)s. Renew it in Apple’s portal first.") % {"day": day})
    if certificate.not_valid_before_utc > now:
        day = _day(certificate.not_valid_before_utc)
        raise Invalid(_("This certificate is valid from %(day)s on. Is this machine’s clock right?") % {"day": day})


def _row_for(public: bytes, key_pem: bytes | None) -> PushCertificate:
    """The row with the key of this certificate, unsaved when the key came along. Raises Invalid when there is none."""
    for row in PushCertificate.objects.select_for_update():
        try:
            key = serialization.load_der_private_key(_open(row), password=None)
        except CannotOpen:
            continue  # of a master key that is gone: it must not stand in the way of a new certificate
        if _public_der(key.public_key()) == public:
            return row
    if key_pem is None:
        raise Invalid(
            _(
                "This certificate belongs to none of the requests made here. Was it made from an older request, or for "
                "another server? Give its private key as well, or make a new request with: ./run manage apple_push_csr"
            )
        )
    given = _private_key(key_pem)
    if _public_der(given.public_key()) != public:
        raise Invalid(_("The private key does not belong to this certificate."))
    row_id = uuid4()
    return PushCertificate(id=row_id, key=_seal(given, row_id))


def _topic_change(new_topic: str) -> str:
    living = AppleRegistration.objects.filter(registration__state__in=Registration.LIVING)
    lost = living.exclude(topic=new_topic).count()
    return (
        ngettext(
            "This certificate is for another topic than the present one. Devices keep the topic that they were "
            "registered with, so %(lost)d device could never be woken again and would have to be registered anew.",
            "This certificate is for another topic than the present one. Devices keep the topic that they were "
            "registered with, so %(lost)d devices could never be woken again and would have to be registered anew.",
            lost,
        )
        % {"lost": lost}
        + " "
        + _(
            "Sign in to Apple’s portal with the account that made the present certificate and choose Renew beside it, "
            "not Create. If you do mean to start over, force it."
        )
    )


def _private_key(pem: bytes) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise Invalid(_("The private key is protected by a password. Take the password off first.")) from error
    except ValueError as error:
        raise Invalid(_("This is not a private key in PEM form.")) from error


def _public_der(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _private_pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _place(row_id: UUID) -> vault.Place:
    return vault.Place("apple_pushcertificate", "key", row=row_id, owner="organisation")


def _seal(key: PrivateKeyTypes, row_id: UUID) -> bytes:
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return vault.seal(der, _place(row_id))


def _open(row: PushCertificate) -> bytes:
    return vault.open_sealed(bytes(row.key), _place(row.id))


def sign_as_vendor(csr_pem: bytes, *, chain_pem: bytes, key_pem: bytes) -> bytes:
    """What Apple's portal takes from an MDM vendor: a request, the vendor's signature over it, and the vendor's chain.

    `chain_pem` has the vendor certificate, Apple's intermediate and Apple's root, in any order. Base64 of a property
    list, as in "Setting Up Push Notifications for Your MDM Customers" (Apple, Device Management): SHA-256 with RSA over
    the request's DER. Raises Invalid when the key is not the chain's or the chain does not reach a root."""
    key = _private_key(key_pem)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Invalid(_("The key of an MDM vendor is an RSA key; this one is not."))
    chain = _whole_chain(_certificates(chain_pem), _public_der(key.public_key()))
    try:
        csr = x509.load_pem_x509_csr(csr_pem).public_bytes(serialization.Encoding.DER)
    except ValueError as error:
        raise Invalid(_("This is not a certificate request.")) from error
    signature = key.sign(csr, padding.PKCS1v15(), hashes.SHA256())
    plist = {
        "PushCertRequestCSR": base64.b64encode(csr).decode(),
        "PushCertCertificateChain": b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain).decode(),
        "PushCertSignature": base64.b64encode(signature).decode(),
    }
    return base64.b64encode(plistlib.dumps(plist))


def _whole_chain(found: Sequence[x509.Certificate], public: bytes) -> Sequence[x509.Certificate]:
    chain = [one for one in found if _public_der(one.public_key()) == public][:1]
    if not chain:
        raise Invalid(_("The vendor’s key does not belong to the vendor’s certificate."))
    while chain[-1].issuer != chain[-1].subject:
        issuer = next((one for one in found if one.subject == chain[-1].issuer and one not in chain), None)
        if issuer is None:
            raise Invalid(
                _(
                    "The vendor’s certificate file must have the whole chain: add the certificate of “%(issuer)s”. "
                    "Apple’s are at https://www.apple.com/certificateauthority/."
                )
                % {"issuer": chain[-1].issuer.rfc4514_string()}
            )
        chain.append(issuer)
    for one, issuer in pairwise(chain):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise Invalid(_("The chain of the vendor’s certificate does not hold together.")) from error
    return chain


def announce_end(*, now: datetime) -> int | None:
    """Write the push certificate's coming end to the log at each call, and to the audit once at each of `WARN_AT`.

    Called daily or oftener. Gives the number of days that it wrote to the audit, if it did."""
    row = current()
    if row is None or row.not_after is None or row.not_after - now > timedelta(days=max(WARN_AT)):
        return None
    logger.warning(warning(now))
    left = row.not_after - now
    passed = min(days for days in WARN_AT if left <= timedelta(days=days))
    end = row.not_after.date().isoformat()
    told = Entry.objects.filter(
        verb=Verb.PUSH_CERTIFICATE_EXPIRES, details__until=end, details__days=passed, details__topic=row.topic
    )
    if told.exists():
        return None
    audit.record(
        Verb.PUSH_CERTIFICATE_EXPIRES,
        actor=Actor.system("push certificate"),
        details={"days": passed, "until": end, "topic": row.topic},
    )
    return passed
