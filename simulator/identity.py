"""Keys and certificates of a device: an RSA key, the request made with it, the certificate that came back."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AttributeOID, NameOID, ObjectIdentifier

from simulator.errors import SimulatorError

# The short names a profile's Subject may use (com.apple.security.scep: Subject); anything else is a dotted OID.
SHORT_NAMES = {
    "C": NameOID.COUNTRY_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
}


@dataclass(frozen=True)
class Identity:
    """A private key and the certificate for it."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def certificate_der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


def new_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def key_to_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_from_pem(pem: bytes) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SimulatorError("The stored key is not an RSA key.")
    return key


def name(subject: Iterable[Iterable[Sequence[str]]]) -> x509.Name:
    """An X.500 name from a profile's [[["CN", "x"]], ...]: one relative name per inner array."""
    relative = []
    for group in subject:
        attributes = [x509.NameAttribute(SHORT_NAMES.get(key) or ObjectIdentifier(key), value) for key, value in group]
        relative.append(x509.RelativeDistinguishedName(attributes))
    return x509.Name(relative)


def signing_request(
    key: rsa.RSAPrivateKey,
    *,
    subject: x509.Name,
    challenge: str | None,
    key_usage: int,
    alternative_names: Sequence[x509.GeneralName],
) -> bytes:
    """A PKCS#10 request, DER. `key_usage` is the profile's bitmask: 1 signing, 4 encryption."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if key_usage:
        usage = x509.KeyUsage(
            digital_signature=bool(key_usage & 1),
            key_encipherment=bool(key_usage & 4),
            content_commitment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    if alternative_names:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternative_names), critical=False)
    if challenge is not None:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def self_signed(key: rsa.RSAPrivateKey, *, subject: x509.Name, now: datetime) -> x509.Certificate:
    """The short-lived certificate with which a SCEP client signs its first request (RFC 8894 section 2.3)."""
    if not list(subject):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device")])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(secrets.randbits(127) + 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
