"""An organisation that issues e-mail certificates to its people, made on the spot: for tests and demonstrations."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey | ed25519.Ed25519PrivateKey
FROM = datetime(2036, 1, 1, tzinfo=UTC)
UNTIL = datetime(2038, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Identity:
    """A person's key and certificate, and those of who issued it, the nearest first."""

    key: PrivateKey
    certificate: x509.Certificate
    chain: Sequence[x509.Certificate]

    @property
    def encoded(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def private_key_info(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def exported(self, password: str, *, name: str = "E-mail") -> bytes:
        """As a PKCS #12 file, as a person exports it."""
        protection = serialization.BestAvailableEncryption(password.encode())
        return pkcs12.serialize_key_and_certificates(
            name.encode(), self.key, self.certificate, list(self.chain), protection
        )


def usage(*names: str) -> x509.KeyUsage:
    """With just these, such as "digital_signature"."""
    known = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in names for name in known})


SIGNING = usage("digital_signature", "content_commitment")
ENCRYPTION = usage("key_encipherment", "key_agreement")
BOTH = usage("digital_signature", "key_encipherment", "key_agreement")


@dataclass
class Organisation:
    """Two authorities, as organisations have: a root, and one below it that issues to people."""

    name: str = "Example"
    not_before: datetime = FROM
    not_after: datetime = UNTIL
    root_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    mail_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.root = self._authority(f"{self.name} Root", self.root_key, f"{self.name} Root", self.root_key)
        self.mail = self._authority(f"{self.name} Mail", self.mail_key, f"{self.name} Root", self.root_key)

    def _called(self, common_name: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.name),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )

    def _authority(
        self, name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder(self._called(issuer), self._called(name), key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.not_before)
            .not_valid_after(self.not_after)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage("key_cert_sign", "crl_sign"), critical=True)
            .sign(issuer_key, hashes.SHA256())
        )

    def issue(
        self,
        person: str,
        *addresses: str,
        key: PrivateKey | None = None,
        key_usage: x509.KeyUsage | None = BOTH,
        purposes: Sequence[ObjectIdentifier] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
        names: Sequence[x509.GeneralName] = (),
        in_subject: str = "",
        authority: bool = False,
        self_signed: bool = False,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> Identity:
        """A certificate for a person with these addresses; by default good for both, on the curve P-256.

        `names` stand beside the addresses, `in_subject` is an address in the subject, as it was done long ago.
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = self._called(person)
        if in_subject:
            subject = x509.Name([*subject, x509.NameAttribute(NameOID.EMAIL_ADDRESS, in_subject)])
        builder = (
            x509.CertificateBuilder(subject if self_signed else self.mail.subject, subject, key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before or self.not_before)
            .not_valid_after(not_after or self.not_after)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        alternatives = [*map(x509.RFC822Name, addresses), *names]
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        if key_usage:
            builder = builder.add_extension(key_usage, critical=True)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        certificate = builder.sign(key if self_signed else self.mail_key, hashes.SHA256())
        return Identity(key, certificate, () if self_signed else (self.mail, self.root))
