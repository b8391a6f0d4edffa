"""The device authority: who may have a certificate, and whose certificate this is."""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

from cryptography import x509 as cryptography_x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from mydevices.certificates.models import Authority as AuthorityRow
from mydevices.certificates.models import Challenge, DeviceCertificate
from mydevices.devices.models import Registration
from mydevices.errors import Conflict, NotAllowed
from mydevices.protocols.pki import x509
from mydevices.vault import services as vault

AUTHORITY_YEARS: Final = 20
DEVICE_DAYS: Final = 365
CLOCK_SKEW: Final = timedelta(hours=1)
"""A device's clock may be behind ours: a certificate is valid a little before it was made."""

_PLACE: Final = vault.Place("certificates_authority", "key", row="1", owner="server")


def new_authority_key() -> rsa.RSAPrivateKey:
    """Takes up to a second of a processor."""
    return rsa.generate_private_key(public_exponent=65537, key_size=3072)


def ensure_authority() -> bool:
    """Make the device authority at first start. Two servers that start at once agree on one. True when it was made
    now."""
    if AuthorityRow.objects.exists():
        return False
    now = timezone.now()
    key = new_authority_key()
    certificate = x509.create_authority(
        key=key,
        common_name="MyDevices device authority",
        serial=_serial(),
        not_before=now - CLOCK_SKEW,
        not_after=now + timedelta(days=365 * AUTHORITY_YEARS),
    )
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    try:
        with transaction.atomic():
            AuthorityRow.objects.create(certificate=certificate.public_bytes(Encoding.DER), key=vault.seal(der, _PLACE))
    except IntegrityError:
        return False
    return True


def _serial() -> int:
    """Random and positive, at most 20 bytes (RFC 5280, 4.1.2.2)."""
    return secrets.randbits(158) | 1


def authority() -> x509.Authority:
    """The device authority with its key. Opened once per process: it never changes. Raises Conflict before the first
    start."""
    row = AuthorityRow.objects.filter(id=1).first()
    if row is None:
        raise Conflict("There is no device authority yet: start the server once with ./run serve.")
    return _open_authority(bytes(row.certificate), bytes(row.key))


@lru_cache(maxsize=2)
def _open_authority(certificate: bytes, sealed: bytes) -> x509.Authority:
    key = load_der_private_key(vault.open_sealed(sealed, _PLACE), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Conflict("The device authority's key is not an RSA key.")
    return x509.Authority(certificate=cryptography_x509.load_der_x509_certificate(certificate), key=key)


def new_challenge(*, registration: Registration | None, expires_at: datetime) -> Challenge:
    """A right to one certificate: to renew this registration's, or, without one, for a ticket."""
    purpose = Challenge.Purpose.RENEWAL if registration else Challenge.Purpose.REGISTRATION
    return Challenge.objects.create(purpose=purpose, registration=registration, expires_at=expires_at)


def password_of(challenge_id: UUID, *, key: str = "") -> str:
    """What a device sends as challengePassword: the challenge's id and a keyed digest of it, 43 safe characters or
    so. With the newest secret key, or with `key`."""
    digest = hmac.digest((key or settings.SECRET_KEY).encode(), b"mydevices.challenge" + challenge_id.bytes, "sha256")[
        :20
    ]
    return f"{challenge_id.hex}-{base64.b32encode(digest).decode().lower()}"


def challenge_of(password: str) -> UUID | None:
    """The challenge that a password is of; None for one that was not made here."""
    try:
        challenge_id = UUID(hex=password.partition("-")[0])
    except ValueError:
        return None
    # A profile may have been given out before the secret key was changed.
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    given = password.encode()
    is_ours = any(hmac.compare_digest(given, password_of(challenge_id, key=key).encode()) for key in keys)
    return challenge_id if is_ours else None


@transaction.atomic
def issue(
    *, challenge_id: UUID | None, public_key: rsa.RSAPublicKey, signer: str | None, is_weak: bool, now: datetime
) -> DeviceCertificate:
    """Give a certificate for a challenge, which its platform has found in the request for it (None: it found none).
    Spent by one key; that key asking again gets the same certificate.

    `signer` is the fingerprint of the certificate that signed the request, where it is one of ours: it must be the
    present one of the registration that the challenge renews. `is_weak`: it was asked for with what is only accepted
    because it is allowed. Raises NotAllowed for another, and for a wrong, expired
    or otherwise spent challenge."""
    # Locked: of two keys that come at once, one waits and finds the challenge spent.
    challenge = Challenge.objects.select_for_update().filter(id=challenge_id).first() if challenge_id else None
    if challenge is None:
        raise NotAllowed("The challenge of this certificate request is not one of ours.")
    if signer is not None and not _is_present(signer, challenge.registration_id, now):
        raise NotAllowed("The certificate that signed this request is not the one that the challenge renews.")
    spender = hashlib.sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    if challenge.spent_by:
        if challenge.spent_by != spender:
            raise NotAllowed("This challenge has been spent by another key.")
        return DeviceCertificate.objects.get(challenge=challenge)
    if challenge.expires_at <= now:
        raise NotAllowed("This challenge has expired. Make a new registration.")
    if challenge.registration is not None and challenge.registration.has_ended:
        raise NotAllowed("The registration whose certificate this would renew has ended.")
    ours = authority()
    certificate = x509.issue(
        authority=ours,
        public_key=public_key,
        common_name=f"MyDevices {challenge.id}",
        serial=_serial(),
        not_before=now - CLOCK_SKEW,
        not_after=min(now + timedelta(days=DEVICE_DAYS), ours.certificate.not_valid_after_utc),
    )
    der = certificate.public_bytes(Encoding.DER)
    challenge.spent_by = spender
    challenge.save(update_fields=["spent_by"])
    return DeviceCertificate.objects.create(
        fingerprint=x509.fingerprint(der),
        challenge=challenge,
        registration=challenge.registration,
        der=der,
        not_after=certificate.not_valid_after_utc,
        asked_weakly=is_weak,
    )


def _is_present(fingerprint: str, registration_id: UUID | None, now: datetime) -> bool:
    """Whether this registration has this certificate in use. No certificate is in use where there is no registration
    yet: a ticket is for a device without one."""
    return DeviceCertificate.objects.filter(
        fingerprint=fingerprint,
        registration=registration_id,
        registration__isnull=False,
        state=DeviceCertificate.State.CURRENT,
        not_after__gt=now,
    ).exists()


@transaction.atomic
def use(*, certificate: DeviceCertificate, registration: Registration) -> bool:
    """A device signed with this certificate for the first time: it is the one from now on, and older ones have had
    their time. False when it was in use already."""
    moved = DeviceCertificate.objects.filter(
        fingerprint=certificate.fingerprint, state=DeviceCertificate.State.ISSUED
    ).update(state=DeviceCertificate.State.CURRENT, registration=registration)
    if not moved:
        return False
    DeviceCertificate.objects.filter(registration=registration, state=DeviceCertificate.State.CURRENT).exclude(
        fingerprint=certificate.fingerprint
    ).update(state=DeviceCertificate.State.SUPERSEDED)
    certificate.state = DeviceCertificate.State.CURRENT
    certificate.registration = registration
    return True
