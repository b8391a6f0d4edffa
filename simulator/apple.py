"""The part of Apple that is not a device: who issues push certificates, and the certificates of the push service.

Two authorities are kept in the state directory: one signs push certificates for servers, the other the gateway's own
TLS certificate. `gateway-authority.pem` is what a server must trust to talk to the simulated gateway.
"""

import ipaddress
import os
import secrets
import ssl
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simulator.errors import SimulatorError
from simulator.identity import Identity, key_from_pem, key_to_pem, new_key

TOPIC_PREFIX = "com.apple.mgmt.External."
PUSH_AUTHORITY = "push-authority"
GATEWAY_AUTHORITY = "gateway-authority"
GATEWAY = "gateway"
LIFETIME = timedelta(days=365)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.replace(path)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True)
class Apple:
    """The authorities in a state directory, made on first use."""

    state: Path
    push_authority: Identity
    gateway_authority: Identity

    @classmethod
    def at(cls, state: Path) -> "Apple":
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(
            state,
            _kept(state, PUSH_AUTHORITY, "Simulated Apple Push Certificate Authority"),
            _kept(state, GATEWAY_AUTHORITY, "Simulated Push Gateway Authority"),
        )

    @property
    def gateway_authority_file(self) -> Path:
        """What a server must trust to reach the gateway."""
        return self.state / f"{GATEWAY_AUTHORITY}.pem"

    def push_certificate(self, request: bytes, *, topic: str | None = None) -> bytes:
        """A push certificate (PEM) for a request (PEM or DER). `topic` keeps an earlier one. Raises SimulatorError."""
        try:
            pem = request.lstrip().startswith(b"-----BEGIN")
            csr = x509.load_pem_x509_csr(request) if pem else x509.load_der_x509_csr(request)
        except ValueError as error:
            raise SimulatorError("This is not a certificate signing request.") from error
        public = csr.public_key()
        if not csr.is_signature_valid or not isinstance(public, rsa.RSAPublicKey):
            raise SimulatorError("The request must be signed with an RSA key.")
        topic = topic or f"{TOPIC_PREFIX}{uuid.uuid4()}"
        if not topic.startswith("com.apple.mgmt."):
            raise SimulatorError("A topic begins with com.apple.mgmt.")
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.USER_ID, topic),
                x509.NameAttribute(NameOID.COMMON_NAME, f"APSP:{topic.removeprefix(TOPIC_PREFIX)}"),
                x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            ]
        )
        return _pem(_issue(self.push_authority, public, subject, client=True, names=()))

    def tls_context(self) -> ssl.SSLContext:
        """The gateway's side of TLS: HTTP/2 only, and a client certificate of the push authority required."""
        identity = self._gateway_identity()
        certificate, key = self.state / f"{GATEWAY}.pem", self.state / f"{GATEWAY}.key.pem"
        certificate.write_bytes(_pem(identity.certificate))
        write_private(key, key_to_pem(identity.key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(cafile=self.state / f"{PUSH_AUTHORITY}.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        context.set_alpn_protocols(["h2"])
        return context

    def _gateway_identity(self) -> Identity:
        key = new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        names: tuple[x509.GeneralName, ...] = (
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.IPAddress(ipaddress.ip_address("::1")),
        )
        return Identity(key, _issue(self.gateway_authority, key.public_key(), subject, client=False, names=names))


def topic_of(certificate: x509.Certificate) -> str | None:
    """The topic a push certificate may push to: the UID of its subject."""
    values = certificate.subject.get_attributes_for_oid(NameOID.USER_ID)
    return str(values[0].value) if values else None


def _kept(state: Path, stem: str, common_name: str) -> Identity:
    """An authority from its files, or a new one."""
    certificate_file, key_file = state / f"{stem}.pem", state / f"{stem}.key.pem"
    if key_file.exists() and certificate_file.exists():
        try:
            identity = Identity(
                key_from_pem(key_file.read_bytes()), x509.load_pem_x509_certificate(certificate_file.read_bytes())
            )
            identity.certificate.verify_directly_issued_by(identity.certificate)
        except (ValueError, InvalidSignature) as error:
            raise SimulatorError(f"{certificate_file} or its key cannot be read.") from error
        return identity
    key = new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + 10 * LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(key_file, key_to_pem(key))
    certificate_file.write_bytes(_pem(certificate))
    return Identity(key, certificate)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_encipherment=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _issue(
    authority: Identity,
    public: rsa.RSAPublicKey,
    subject: x509.Name,
    *,
    client: bool,
    names: tuple[x509.GeneralName, ...],
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.certificate.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority.key, hashes.SHA256())
