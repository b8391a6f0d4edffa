"""Apple's side of push certificates, for tests: an authority that issues what it is asked to, good or bad."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

TOPIC = "com.apple.mgmt.External.0f0e0d0c-0b0a-4908-8706-050403020100"
OTHER_TOPIC = "com.apple.mgmt.External.ffffffff-0b0a-4908-8706-050403020100"


@lru_cache
def key(name: str) -> rsa.RSAPrivateKey:
    """A key for each name, made once: making them is what takes long."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_pem(of: rsa.RSAPrivateKey, password: bytes | None = None) -> bytes:
    return of.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption(),
    )


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def name(common_name: str, user_id: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if user_id is not None:
        attributes.insert(0, x509.NameAttribute(NameOID.USER_ID, user_id))
    return x509.Name(attributes)


@dataclass(frozen=True)
class Authority:
    """Issues certificates; its own is self-signed unless another authority gave it."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    def push_certificate(
        self,
        public_key: rsa.RSAPublicKey,
        *,
        topic: str | None = TOPIC,
        begins: datetime | None = None,
        ends: datetime | None = None,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return _issue(
            name("APSP: test", topic),
            public_key,
            self.certificate.subject,
            self.key,
            begins or now - timedelta(days=1),
            ends or now + timedelta(days=365),
        )

    def server_certificate(self, public_key: rsa.RSAPublicKey) -> x509.Certificate:
        now = datetime.now(UTC)
        hosts = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        return _issue(
            name("localhost"),
            public_key,
            self.certificate.subject,
            self.key,
            now - timedelta(days=1),
            now + timedelta(days=1),
            hosts,
        )


@lru_cache
def authority(common_name: str = "Apple Application Integration Test Authority", issuer: str = "") -> Authority:
    now = datetime.now(UTC)
    own = key(common_name)
    above = authority(issuer) if issuer else None
    certificate = _issue(
        name(common_name),
        own.public_key(),
        above.certificate.subject if above else name(common_name),
        above.key if above else own,
        now - timedelta(days=30),
        now + timedelta(days=3650),
        x509.BasicConstraints(ca=True, path_length=None),
    )
    return Authority(certificate, own)


def _issue(
    subject: x509.Name,
    public_key: rsa.RSAPublicKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    begins: datetime,
    ends: datetime,
    *extensions: x509.ExtensionType,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer_key, hashes.SHA256())
