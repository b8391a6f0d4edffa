"""Cryptographic Message Syntax (RFC 5652), as far as a device needs it: sign, verify, encrypt, decrypt."""

import contextlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asn1crypto import cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.padding import PKCS7

from simulator.errors import SimulatorError
from simulator.identity import Identity

DIGESTS: Mapping[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


class CmsError(SimulatorError):
    """A message that is not what it should be, or whose signature does not hold."""


@dataclass(frozen=True)
class Cipher:
    """A content cipher: its name in asn1crypto, key and block length in bytes."""

    name: str
    key_length: int
    block: int

    def context(self, key: bytes, iv: bytes) -> BlockCipher[modes.CBC]:
        if self.name.startswith("aes"):
            return BlockCipher(AES(key), modes.CBC(iv))
        # Single DES is triple DES with one key used three times.
        return BlockCipher(TripleDES(key * (24 // len(key))), modes.CBC(iv))


CIPHERS: Mapping[str, Cipher] = {
    cipher.name: cipher
    for cipher in (
        Cipher("aes128_cbc", 16, 16),
        Cipher("aes192_cbc", 24, 16),
        Cipher("aes256_cbc", 32, 16),
        Cipher("tripledes_3key", 24, 8),
        Cipher("des", 8, 8),
    )
}
OIDS: Mapping[str, str] = {
    "aes128_cbc": "2.16.840.1.101.3.4.1.2",
    "aes192_cbc": "2.16.840.1.101.3.4.1.22",
    "aes256_cbc": "2.16.840.1.101.3.4.1.42",
    "tripledes_3key": "1.2.840.113549.3.7",
    "des": "1.3.14.3.2.7",
}
NAMES: Mapping[str, str] = {oid: cipher for cipher, oid in OIDS.items()}


@dataclass(frozen=True)
class Signed:
    """A verified SignedData: what was signed, by whom, and the signed attributes by dotted OID (first value each)."""

    content: bytes
    signer: x509.Certificate
    certificates: tuple[x509.Certificate, ...]
    attributes: Mapping[str, object]


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """asn1crypto reads lazily: what is wrong with a message shows wherever a part of it is first touched."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError, UnsupportedAlgorithm) as error:
        raise CmsError("This is not a CMS message that a device can read.") from error


def _content(der: bytes, kind: str) -> Any:
    info = cms.ContentInfo.load(der)
    if info["content_type"].native != kind:
        raise CmsError(f"This is not a CMS message of the kind {kind}.")
    return info["content"]


@_reading()
def certificates(der: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates that a SignedData carries, whether or not anything is signed in it."""
    return _certificates(_content(der, "signed_data"))


def _certificates(signed: cms.SignedData) -> tuple[x509.Certificate, ...]:
    found = signed["certificates"]
    if found.native is None:
        return ()
    if any(choice.chosen.serial_number <= 0 for choice in found):
        raise CmsError("A certificate in the message has a serial number that is not positive.")
    return tuple(x509.load_der_x509_certificate(choice.chosen.dump()) for choice in found)


@_reading()
def verify(der: bytes, *, content: bytes | None = None, known: Sequence[x509.Certificate] = ()) -> Signed:
    """Check the one signature of a SignedData and return what it says.

    `content` is the signed content of a detached signature. `known` are certificates that need not be in the message.
    Who the signer is, and whether to believe them, is the caller's question.
    """
    signed = _content(der, "signed_data")
    if len(signed["signer_infos"]) != 1:
        raise CmsError("A message must have exactly one signer.")
    info = signed["signer_infos"][0]
    inside = signed["encap_content_info"]["content"].native
    body = content if inside is None else inside
    if body is None:
        raise CmsError("The signed content is missing.")
    present = _certificates(signed)
    signer = _signer(info["sid"], (*present, *known))
    digest = DIGESTS.get(info["digest_algorithm"]["algorithm"].native)
    if digest is None:
        raise CmsError("The digest algorithm of the signature is not one a device accepts.")
    attributes: dict[str, object] = {}
    covered = body
    if info["signed_attrs"].native is not None:
        attributes = {item["type"].dotted: item["values"][0].native for item in info["signed_attrs"]}
        if attributes.get("1.2.840.113549.1.9.4") != _hash(digest, body):
            raise CmsError("The digest in the signature is not that of the content.")
        covered = info["signed_attrs"].untag().dump()
    _check(signer, info["signature"].native, covered, digest())
    return Signed(body, signer, present, attributes)


def _hash(digest: type[hashes.HashAlgorithm], body: bytes) -> bytes:
    context = hashes.Hash(digest())
    context.update(body)
    return context.finalize()


def _signer(sid: cms.SignerIdentifier, candidates: Sequence[x509.Certificate]) -> x509.Certificate:
    for certificate in candidates:
        if sid.name == "issuer_and_serial_number":
            same_serial = sid.chosen["serial_number"].native == certificate.serial_number
            if same_serial and sid.chosen["issuer"].dump() == certificate.issuer.public_bytes():
                return certificate
        elif sid.chosen.native == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest:
            return certificate
    raise CmsError("The certificate of the signer is missing.")


def _check(signer: x509.Certificate, signature: bytes, covered: bytes, digest: hashes.HashAlgorithm) -> None:
    key = signer.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, covered, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, covered, ec.ECDSA(digest))
        else:
            raise CmsError("A device accepts signatures with RSA and elliptic-curve keys only.")
    except InvalidSignature as error:
        raise CmsError("The signature does not hold.") from error


def sign(
    content: bytes,
    *,
    identity: Identity,
    digest: str = "sha256",
    attributes: Mapping[str, core.Asn1Value] | None = None,
    detached: bool = False,
    signing_time: datetime | None = None,
) -> bytes:
    """A DER SignedData over `content` with signed attributes; `attributes` adds more of them by dotted OID."""
    certificate = asn1_x509.Certificate.load(identity.certificate_der)
    algorithm = DIGESTS[digest]
    entries = [
        cms.CMSAttribute({"type": "content_type", "values": ["data"]}),
        cms.CMSAttribute({"type": "message_digest", "values": [_hash(algorithm, content)]}),
    ]
    if signing_time is not None:
        time = cms.Time({"utc_time": core.UTCTime(signing_time)})
        entries.append(cms.CMSAttribute({"type": "signing_time", "values": [time]}))
    for oid, value in (attributes or {}).items():
        entries.append(cms.CMSAttribute({"type": oid, "values": cms.SetOfAny([core.Any(value)])}))
    signed = cms.CMSAttributes(entries)
    signature = identity.key.sign(signed.dump(), padding.PKCS1v15(), algorithm())
    info = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                {
                    "issuer_and_serial_number": cms.IssuerAndSerialNumber(
                        {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
                    )
                }
            ),
            "digest_algorithm": {"algorithm": digest},
            "signed_attrs": signed,
            "signature_algorithm": {"algorithm": "rsassa_pkcs1v15"},
            "signature": signature,
        }
    )
    inner = {"content_type": "data"} if detached else {"content_type": "data", "content": content}
    data = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [{"algorithm": digest}],
            "encap_content_info": inner,
            "certificates": [cms.CertificateChoices({"certificate": certificate})],
            "signer_infos": [info],
        }
    )
    der: bytes = cms.ContentInfo({"content_type": "signed_data", "content": data}).dump()
    return der


def encrypt(content: bytes, *, recipient: x509.Certificate, cipher: Cipher) -> bytes:
    """A DER EnvelopedData for one recipient with an RSA key."""
    public = recipient.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise CmsError("Messages can be encrypted to RSA keys only.")
    key, iv = secrets.token_bytes(cipher.key_length), secrets.token_bytes(cipher.block)
    pad = PKCS7(cipher.block * 8).padder()
    encryptor = cipher.context(key, iv).encryptor()
    sealed = encryptor.update(pad.update(content) + pad.finalize()) + encryptor.finalize()
    certificate = asn1_x509.Certificate.load(recipient.public_bytes(serialization.Encoding.DER))
    recipient_info = cms.KeyTransRecipientInfo(
        {
            "version": "v0",
            "rid": cms.RecipientIdentifier(
                {
                    "issuer_and_serial_number": cms.IssuerAndSerialNumber(
                        {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
                    )
                }
            ),
            "key_encryption_algorithm": {"algorithm": "rsaes_pkcs1v15"},
            "encrypted_key": public.encrypt(key, padding.PKCS1v15()),
        }
    )
    enveloped = cms.EnvelopedData(
        {
            "version": "v0",
            "recipient_infos": [cms.RecipientInfo({"ktri": recipient_info})],
            "encrypted_content_info": {
                "content_type": "data",
                "content_encryption_algorithm": {
                    "algorithm": OIDS[cipher.name],
                    "parameters": core.OctetString(iv),
                },
                "encrypted_content": sealed,
            },
        }
    )
    der: bytes = cms.ContentInfo({"content_type": "enveloped_data", "content": enveloped}).dump()
    return der


@_reading()
def decrypt(der: bytes, *, identities: Sequence[Identity]) -> bytes:
    """Open an EnvelopedData with whichever of the identities it was made for."""
    enveloped = _content(der, "enveloped_data")
    recipients = [choice.chosen for choice in enveloped["recipient_infos"] if choice.name == "ktri"]
    content = enveloped["encrypted_content_info"]
    name = NAMES.get(content["content_encryption_algorithm"]["algorithm"].dotted)
    iv = content["content_encryption_algorithm"]["parameters"].native
    sealed = content["encrypted_content"].native
    if name is None:
        raise CmsError("The content cipher is not one a device knows.")
    cipher = CIPHERS[name]
    for recipient in recipients:
        for identity in identities:
            if not _is_for(recipient["rid"], identity.certificate):
                continue
            try:
                key = identity.key.decrypt(recipient["encrypted_key"].native, padding.PKCS1v15())
                decryptor = cipher.context(key, iv).decryptor()
                unpad = PKCS7(cipher.block * 8).unpadder()
                opened = unpad.update(decryptor.update(sealed) + decryptor.finalize())
                return opened + unpad.finalize()
            except ValueError as error:
                raise CmsError("The message cannot be decrypted.") from error
    raise CmsError("The message is not encrypted to this device.")


def _is_for(rid: cms.RecipientIdentifier, certificate: x509.Certificate) -> bool:
    if rid.name == "issuer_and_serial_number":
        same_serial: bool = rid.chosen["serial_number"].native == certificate.serial_number
        return same_serial and rid.chosen["issuer"].dump() == certificate.issuer.public_bytes()
    wanted: bytes = rid.chosen.native
    return wanted == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
