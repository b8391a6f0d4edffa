"""The other side: messages built with asn1crypto, which the code under test does not use, down to shapes that no
well-behaved library would write.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asn1crypto import core, parser
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

DATA = Path(__file__).parent / "data"

DIGESTS: Mapping[str, tuple[str, hashes.HashAlgorithm]] = {
    "md5": ("1.2.840.113549.2.5", hashes.MD5()),
    "sha1": ("1.3.14.3.2.26", hashes.SHA1()),
    "sha256": ("2.16.840.1.101.3.4.2.1", hashes.SHA256()),
    "sha384": ("2.16.840.1.101.3.4.2.2", hashes.SHA384()),
    "sha512": ("2.16.840.1.101.3.4.2.3", hashes.SHA512()),
}
SIGNATURES = {"sha1": "1.2.840.113549.1.1.5", "sha256": "1.2.840.113549.1.1.11", "sha512": "1.2.840.113549.1.1.13"}
RSA = "1.2.840.113549.1.1.1"
ID_DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"
CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"
MESSAGE_TYPE = "2.16.840.1.113733.1.9.2"
PKI_STATUS = "2.16.840.1.113733.1.9.3"
FAIL_INFO = "2.16.840.1.113733.1.9.4"
SENDER_NONCE = "2.16.840.1.113733.1.9.5"
RECIPIENT_NONCE = "2.16.840.1.113733.1.9.6"
TRANSACTION_ID = "2.16.840.1.113733.1.9.7"
CIPHERS = {
    "aes128": ("2.16.840.1.101.3.4.1.2", 16, 16),
    "aes192": ("2.16.840.1.101.3.4.1.22", 24, 16),
    "aes256": ("2.16.840.1.101.3.4.1.42", 32, 16),
    "des3": ("1.2.840.113549.3.7", 24, 8),
    "des": ("1.3.14.3.2.7", 8, 8),
}


@dataclass(frozen=True)
class Holder:
    """A certificate and its key."""

    certificate: bytes
    key: rsa.RSAPrivateKey

    @property
    def parsed(self) -> asn1_x509.Certificate:
        return asn1_x509.Certificate.load(self.certificate)


def read(name: str) -> bytes:
    return (DATA / name).read_bytes()


def read_certificate(name: str) -> bytes:
    certificate = x509.load_pem_x509_certificate(read(name))
    return certificate.public_bytes(serialization.Encoding.DER)


def read_key(name: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(read(name), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element, written by asn1crypto; tag as one octet."""
    written: bytes = parser.emit(tag >> 6, tag >> 5 & 1, tag & 31, b"".join(parts))
    return written


def sequence(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def set_(*parts: bytes) -> bytes:
    """As given, sorted or not."""
    return tlv(0x31, *parts)


def oid(dotted: str) -> bytes:
    written: bytes = core.ObjectIdentifier(dotted).dump()
    return written


def integer(value: int) -> bytes:
    written: bytes = core.Integer(value).dump()
    return written


def octets(value: bytes) -> bytes:
    return tlv(0x04, value)


def printable(value: str) -> bytes:
    return tlv(0x13, value.encode("latin-1"))


def algorithm(dotted: str, parameters: bytes = b"\x05\x00") -> bytes:
    return sequence(oid(dotted), parameters)


def attribute(dotted: str, *values: bytes) -> bytes:
    return sequence(oid(dotted), set_(*values))


def content_info(content_type: str, *parts: bytes) -> bytes:
    return sequence(oid(content_type), tlv(0xA0, sequence(*parts)))


def standard_attributes(content: bytes, digest: str = "sha256") -> list[bytes]:
    """contentType and messageDigest, in the order of their encodings."""
    return [
        attribute(CONTENT_TYPE, oid(ID_DATA)),
        attribute(MESSAGE_DIGEST, octets(hashlib.new(digest, content).digest())),
    ]


def issuer_and_serial(certificate: asn1_x509.Certificate) -> bytes:
    return sequence(certificate.issuer.dump(), certificate["tbs_certificate"]["serial_number"].dump())


def signed_data(
    content: bytes,
    signer: Holder,
    *,
    digest: str = "sha256",
    attributes: Sequence[bytes] | None = None,
    to_sign: Sequence[bytes] | None = None,
    attached: bytes | None = None,
    content_type: str = ID_DATA,
    signature_algorithm: str = RSA,
    signature_digest: str | None = None,
    certificates: Sequence[bytes] | None = None,
    signers: int = 1,
    signature: bytes | None = None,
) -> bytes:
    """SignedData. `attributes` as they are sent (default: the two that must be; empty: none), `to_sign` as they are
    signed where that differs; `attached`: the content that is sent along; `signature` instead of the signer's.
    """
    digest_oid, _ = DIGESTS[digest]
    _, to_sign_with = DIGESTS[signature_digest or digest]
    attributes = standard_attributes(content, digest) if attributes is None else attributes
    signed = set_(*(to_sign or attributes)) if attributes else content
    signer_info = sequence(
        integer(1),
        issuer_and_serial(signer.parsed),
        algorithm(digest_oid),
        tlv(0xA0, *attributes) if attributes else b"",
        algorithm(signature_algorithm),
        octets(signature or signer.key.sign(signed, rsa_padding.PKCS1v15(), to_sign_with)),
    )
    encapsulated = b"" if attached is None else tlv(0xA0, octets(attached))
    return content_info(
        SIGNED_DATA,
        integer(1),
        set_(algorithm(digest_oid)),
        sequence(oid(content_type), encapsulated),
        tlv(0xA0, *([signer.certificate] if certificates is None else certificates)),
        set_(*[signer_info] * signers),
    )


def enveloped_data(content: bytes, recipient: bytes, *, cipher: str = "aes256", key: bytes | None = None) -> bytes:
    """EnvelopedData for a certificate, with AES or the ciphers of old clients. `key` instead of a proper one."""
    cipher_oid, key_size, block_size = CIPHERS[cipher]
    content_key = bytes(range(1, 1 + key_size))
    vector = bytes(range(block_size))
    padder = padding.PKCS7(block_size * 8).padder()
    block_cipher = (
        algorithms.AES(content_key) if cipher.startswith("aes") else TripleDES(content_key * (24 // key_size))
    )
    encryptor = Cipher(block_cipher, modes.CBC(vector)).encryptor()
    encrypted = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
    public_key = x509.load_der_x509_certificate(recipient).public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    recipient_info = sequence(
        integer(0),
        issuer_and_serial(asn1_x509.Certificate.load(recipient)),
        algorithm(RSA),
        octets(public_key.encrypt(content_key if key is None else key, rsa_padding.PKCS1v15())),
    )
    return content_info(
        ENVELOPED_DATA,
        integer(0),
        set_(recipient_info),
        sequence(oid(ID_DATA), algorithm(cipher_oid, octets(vector)), tlv(0x80, encrypted)),
    )


def name(common_name: bytes) -> bytes:
    """A Name of one attribute, whose value is an encoded element."""
    return sequence(set_(sequence(oid("2.5.4.3"), common_name)))


def spki(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def signing_request(
    key: rsa.RSAPrivateKey,
    *,
    subject: bytes | None = None,
    attributes: bytes | None = None,
    digest: str = "sha256",
) -> bytes:
    """A PKCS #10 request. `attributes`: the whole field; by default a challenge."""
    if attributes is None:
        attributes = tlv(0xA0, attribute(CHALLENGE_PASSWORD, printable("one-time secret")))
    info = sequence(integer(0), name(printable("device")) if subject is None else subject, spki(key), attributes)
    signature = key.sign(info, rsa_padding.PKCS1v15(), DIGESTS[digest][1])
    return sequence(info, algorithm(SIGNATURES[digest]), tlv(0x03, b"\0", signature))


def self_signed(key: rsa.RSAPrivateKey, *, common_name: bytes | None = None, digest: str = "sha256") -> Holder:
    """The throw-away certificate with which a SCEP client signs its first request; of version 1, as small as can be."""
    holder = name(printable("SCEP client") if common_name is None else common_name)
    validity = sequence(tlv(0x17, b"200101000000Z"), tlv(0x17, b"490101000000Z"))
    tbs = sequence(integer(-7), algorithm(SIGNATURES[digest]), holder, validity, holder, spki(key))
    signature = key.sign(tbs, rsa_padding.PKCS1v15(), DIGESTS[digest][1])
    return Holder(sequence(tbs, algorithm(SIGNATURES[digest]), tlv(0x03, b"\0", signature)), key)


def scep_attributes(
    content: bytes,
    *,
    message_type: str = "19",
    transaction_id: bytes | None = None,
    nonce: bytes | None = None,
    digest: str = "sha256",
) -> list[bytes]:
    """The signed attributes of a pkiMessage; `transaction_id` and `nonce` as encoded elements."""
    return sorted(
        [
            *standard_attributes(content, digest),
            attribute(MESSAGE_TYPE, printable(message_type)),
            attribute(TRANSACTION_ID, printable("A1B2C3") if transaction_id is None else transaction_id),
            attribute(SENDER_NONCE, octets(b"0123456789abcdef") if nonce is None else nonce),
        ]
    )


def scep_request(
    signer: Holder,
    authority: bytes,
    *,
    request: bytes | None = None,
    message_type: str = "19",
    cipher: str = "aes256",
    digest: str = "sha256",
    envelope: bytes | None = None,
) -> bytes:
    """A whole pkiMessage as a client sends it."""
    if request is None:
        request = signing_request(signer.key, digest=digest)
    if envelope is None:
        envelope = enveloped_data(request, authority, cipher=cipher)
    attributes = scep_attributes(envelope, message_type=message_type, digest=digest)
    return signed_data(envelope, signer, digest=digest, attributes=attributes, attached=envelope)


def indefinite(data: bytes, levels: int = 4) -> bytes:
    """The same message in BER, with indefinite lengths down to some level: Apple's devices write four."""
    rewritten = b""
    position = 0
    while position < len(data):
        length = data[position + 1]
        octets_of_length = length & 0x7F if length & 0x80 else 0
        start = position + 2 + octets_of_length
        if octets_of_length:
            length = int.from_bytes(data[position + 2 : start], "big")
        if data[position] & 0x20 and levels:
            rewritten += data[position : position + 1] + b"\x80"
            rewritten += indefinite(data[start : start + length], levels - 1) + b"\0\0"
        else:
            rewritten += data[position : start + length]
        position = start + length
    return rewritten
