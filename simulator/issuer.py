"""Who issues e-mail certificates to people, as an organisation or a provider does: a PKCS #12 file with a password."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simulator.identity import new_key

Purpose = Literal["signing", "encryption", "both"]
AUTHORITY = "Simulated Mail Authority"
LIFETIME = timedelta(days=2 * 365)


def mail_identity(*, name: str, email: str, purpose: Purpose, password: str, days: int | None = None) -> bytes:
    """A new key and its certificate for this person's mail, with who issued it. The authority is made for this one and
    forgotten: nothing here checks what it signed."""
    now = datetime.now(UTC)
    above, key = new_key(), new_key()
    until = now + (LIFETIME if days is None else timedelta(days=days))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AUTHORITY)])
    authority = (
        _certificate(issuer, issuer, above.public_key(), now - timedelta(days=365), now + 5 * LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(above, hashes.SHA256())
    )
    used = {
        "signing": ("digital_signature", "content_commitment"),
        "encryption": ("key_encipherment",),
        "both": ("digital_signature", "key_encipherment"),
    }[purpose]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _certificate(subject, issuer, key.public_key(), now - timedelta(hours=1), until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(*used), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(email)]), critical=False)
        .sign(above, hashes.SHA256())
    )
    return pkcs12.serialize_key_and_certificates(
        name.encode(), key, certificate, [authority], BestAvailableEncryption(password.encode())
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), begins, ends)


def _usage(*names: str) -> x509.KeyUsage:
    known = [
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    ]
    return x509.KeyUsage(**{name: name in names for name in known})
