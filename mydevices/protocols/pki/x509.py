"""Certificates: the device authority, what it issues, and whether it issued what a device shows (RFC 5280).

A certificate that somebody sent is read by offsets, as little of it as is needed, because real clients send some that
strict parsers refuse. Only after the authority's signature has been checked does a full parser see it.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from mydevices.errors import Invalid, ProtocolError
from mydevices.protocols.pki import der, keys

MAXIMUM_CERTIFICATE = 8 * 1024
"""Bytes. A device's certificate has about 1,000; the limit also bounds what the caches may hold."""
MAXIMUM_COMMON_NAME = 64
"""Characters (RFC 5280, appendix A: ub-common-name)."""

_SUBJECT_KEY_IDENTIFIER = der.tlv(der.OBJECT_IDENTIFIER, der.oid("2.5.29.14"))


class Outline(NamedTuple):
    """The parts of a certificate that signatures are about, each as the encoded element unless it says otherwise."""

    tbs: bytes
    serial: int
    """As the signed integer that it is: some clients make negative ones."""
    issuer_and_serial: bytes
    """Issuer and serial number one after the other: the content of an IssuerAndSerialNumber (RFC 5652 10.2.4)."""
    issuer: bytes
    subject: bytes
    spki: bytes
    key_identifier: bytes | None
    """The value of the SubjectKeyIdentifier extension."""
    algorithm: bytes
    """The outer AlgorithmIdentifier."""
    algorithm_oid: bytes
    """Content octets."""
    signature: bytes
    """The value of the BIT STRING."""


@dataclass(frozen=True)
class Authority:
    """The device authority: its certificate and the RSA key that belongs to it."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @cached_property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @cached_property
    def spki(self) -> bytes:
        """The DER SubjectPublicKeyInfo of the authority's key."""
        return public_key_der(self.key.public_key())


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a DER certificate, 64 hexadecimal digits in lower case."""
    return hashlib.sha256(certificate).hexdigest()


def public_key_der(key: rsa.RSAPublicKey) -> bytes:
    """The one DER SubjectPublicKeyInfo of a key, whatever encoding it came in."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def encoded(certificate: x509.Certificate | bytes) -> bytes:
    """The DER of a certificate that may be DER already."""
    return certificate if isinstance(certificate, bytes) else certificate.public_bytes(serialization.Encoding.DER)


def outline(certificate: bytes) -> Outline:
    """Read a DER certificate without judging it; ProtocolError if it is not one."""
    if len(certificate) > MAXIMUM_CERTIFICATE:
        raise ProtocolError(f"The certificate is longer than {MAXIMUM_CERTIFICATE // 1024} kB.")
    start, stop = der.whole(certificate)
    position, tbs_stop = der.expect(certificate, start, stop, der.SEQUENCE)
    tag, _, following = der.element(certificate, position, tbs_stop)
    if tag == 0xA0:  # version, absent in version 1
        position = following
    serial_start, serial_stop = der.expect(certificate, position, tbs_stop, der.INTEGER)
    _, inner_stop = der.expect(certificate, serial_stop, tbs_stop, der.SEQUENCE)
    _, issuer_stop = der.expect(certificate, inner_stop, tbs_stop, der.SEQUENCE)
    _, validity_stop = der.expect(certificate, issuer_stop, tbs_stop, der.SEQUENCE)
    _, subject_stop = der.expect(certificate, validity_stop, tbs_stop, der.SEQUENCE)
    _, spki_stop = der.expect(certificate, subject_stop, tbs_stop, der.SEQUENCE)
    algorithm_start, algorithm_stop = der.expect(certificate, tbs_stop, stop, der.SEQUENCE)
    oid_start, oid_stop = der.expect(certificate, algorithm_start, algorithm_stop, der.OBJECT_IDENTIFIER)
    if certificate[serial_stop:inner_stop] != certificate[tbs_stop:algorithm_stop]:
        raise ProtocolError("The certificate names two different signature algorithms.")
    issuer = certificate[inner_stop:issuer_stop]
    return Outline(
        tbs=certificate[start:tbs_stop],
        serial=int.from_bytes(certificate[serial_start:serial_stop], "big", signed=True),
        issuer_and_serial=issuer + certificate[position:serial_stop],
        issuer=issuer,
        subject=certificate[validity_stop:subject_stop],
        spki=certificate[subject_stop:spki_stop],
        key_identifier=_key_identifier(certificate, spki_stop, tbs_stop),
        algorithm=certificate[tbs_stop:algorithm_stop],
        algorithm_oid=certificate[oid_start:oid_stop],
        signature=der.bits(certificate, algorithm_stop, stop),
    )


def _key_identifier(certificate: bytes, position: int, tbs_stop: int) -> bytes | None:
    for tag, _, start, stop in der.elements(certificate, position, tbs_stop):
        if tag != 0xA3:  # extensions; issuerUniqueID and subjectUniqueID may come before
            continue
        list_start, list_stop = der.expect(certificate, start, stop, der.SEQUENCE)
        for _, _, extension, extension_stop in der.elements(certificate, list_start, list_stop):
            if not certificate.startswith(_SUBJECT_KEY_IDENTIFIER, extension, extension_stop):
                continue
            *_, (value_tag, _, value, value_stop) = der.elements(certificate, extension, extension_stop)
            if value_tag != der.OCTET_STRING:
                raise ProtocolError("An extension of the certificate has no value.")
            identifier, identifier_stop = der.expect(certificate, value, value_stop, der.OCTET_STRING)
            return certificate[identifier:identifier_stop]
    return None


def check_self_signed(certificate: Outline, *, allow_weak: bool) -> None:
    """Check that the certificate is signed with its own key; ProtocolError otherwise."""
    keys.verify(
        keys.load(certificate.spki),
        certificate.signature,
        certificate.tbs,
        oid=certificate.algorithm_oid,
        digest=None,
        allow_weak=allow_weak,
    )


def check_signed_by(certificate: bytes, authority: Authority) -> None:
    """Check that the authority issued this DER certificate, at whatever time; ProtocolError otherwise."""
    _issued(certificate, authority.der, authority.spki)


def check_issued_by(certificate: bytes, authority: Authority, now: datetime) -> None:
    """Check that the authority issued this DER certificate and that it is valid `now` (aware); ProtocolError otherwise.

    The authority's own certificate is not one that it issued to anybody. Whose certificate it is, and whether it still
    counts, the caller looks up by its fingerprint.
    """
    not_before, not_after = _issued(certificate, authority.der, authority.spki)
    if now < not_before:
        raise ProtocolError("The certificate is not valid yet.")
    if now > not_after:
        raise ProtocolError("The certificate has expired.")


@lru_cache(maxsize=2048)
def _issued(certificate: bytes, authority: bytes, spki: bytes) -> tuple[datetime, datetime]:
    """The validity of a certificate whose signature holds, which never changes: it is remembered, a failure is not."""
    read = outline(certificate)
    if certificate == authority or read.issuer != outline(authority).subject:
        raise ProtocolError("The certificate was not issued by this server's device authority.")
    # The wrapping is not under the signature. Only its one DER encoding is accepted, so that no second certificate,
    # with another fingerprint, can be made of one that was issued.
    if der.sequence(read.tbs, read.algorithm, der.tlv(der.BIT_STRING, b"\0", read.signature)) != certificate:
        raise ProtocolError("The certificate is not encoded as DER.")
    keys.verify(keys.load(spki), read.signature, read.tbs, oid=read.algorithm_oid, digest=None, allow_weak=False)
    try:
        parsed = x509.load_der_x509_certificate(certificate)
    except ValueError as error:
        raise ProtocolError("The certificate is damaged.") from error
    return parsed.not_valid_before_utc, parsed.not_valid_after_utc


def _name(common_name: str) -> x509.Name:
    if not common_name.strip() or len(common_name) > MAXIMUM_COMMON_NAME or not common_name.isprintable():
        raise Invalid(f"A certificate's name has 1 to {MAXIMUM_COMMON_NAME} printable characters.")
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def create_authority(
    *, key: rsa.RSAPrivateKey, common_name: str, serial: int, not_before: datetime, not_after: datetime
) -> x509.Certificate:
    """A self-signed certificate for a device authority that signs and decrypts SCEP messages itself.

    `serial` is positive and below 2**159; the times are aware, and certificates keep whole seconds.
    """
    public_key = key.public_key()
    name = _name(common_name)
    identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    return (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=public_key, serial_number=serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )


def issue(
    *,
    authority: Authority,
    public_key: rsa.RSAPublicKey,
    common_name: str,
    serial: int,
    not_before: datetime,
    not_after: datetime,
) -> x509.Certificate:
    """A device's certificate: it signs requests (TLS client authentication, digital signature) and receives encrypted
    profiles (key encipherment). `serial` and times as for `create_authority`.
    """
    return (
        x509.CertificateBuilder(
            subject_name=_name(common_name),
            issuer_name=authority.certificate.subject,
            public_key=public_key,
            serial_number=serial,
        )
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
