"""Cryptographic Message Syntax (RFC 5652): signed and enveloped data, as far as devices use them.

Read leniently where real clients are lax (BER lengths, octet strings in pieces, signed attributes out of order),
strictly in what a signature means: one signer, and the very bytes that the caller holds.

The file is long because signed and enveloped data share their parts: algorithms, names and octet strings.
"""

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache, partial

from cryptography import x509 as library
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import der, keys, x509

DATA = der.oid("1.2.840.113549.1.7.1")
_SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
_ENVELOPED_DATA = der.oid("1.2.840.113549.1.7.3")
_CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
_SIGNING_TIME = der.oid("1.2.840.113549.1.9.5")
_OAEP = der.oid("1.2.840.113549.1.1.7")
_MGF1 = der.oid("1.2.840.113549.1.1.8")

_DATA_TYPE = der.identifier(DATA)
_RSA_ALGORITHM = der.sequence(der.identifier(keys.RSA_ENCRYPTION), der.NULL)
_KEY_ENCRYPTION = "The key of the message is encrypted in a way that is not accepted."
CANNOT_DECRYPT = "The message cannot be decrypted."
"""The one message for every way in which a secret may fail to come out."""


class ContentCipher(Enum):
    """Content encryption, all in CBC mode (RFC 3565, RFC 3370): identifier, bytes of the key, bytes of a block."""

    AES_128 = ("2.16.840.1.101.3.4.1.2", 16, 16)
    AES_192 = ("2.16.840.1.101.3.4.1.22", 24, 16)
    AES_256 = ("2.16.840.1.101.3.4.1.42", 32, 16)
    TRIPLE_DES = ("1.2.840.113549.3.7", 24, 8)
    DES = ("1.3.14.3.2.7", 8, 8)

    def __init__(self, dotted: str, key_size: int, block_size: int) -> None:
        self.oid = der.oid(dotted)
        self.key_size = key_size
        self.block_size = block_size

    @property
    def weak(self) -> bool:
        """Accepted from old clients where the caller allows it, never produced."""
        return self.block_size == 8

    def cipher(self, key: bytes, vector: bytes) -> Cipher[modes.CBC]:
        if not self.weak:
            return Cipher(algorithms.AES(key), modes.CBC(vector))
        return Cipher(TripleDES(key * (24 // self.key_size)), modes.CBC(vector))  # DES is 3DES with one key thrice


_CIPHERS = {cipher.oid: cipher for cipher in ContentCipher}


@dataclass(frozen=True, slots=True)
class Signed:
    """What a valid signature says."""

    certificate_der: bytes
    """The signer's certificate, as sent. Nothing is said about who issued it."""
    content: bytes
    """The content that the signature covers."""
    attributes: Mapping[bytes, bytes]
    """Signed attributes: content octets of the type -> its values, encoded, one after the other. Empty without any."""
    digest: keys.Digest
    is_weak: bool
    """It rests on SHA-1."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The content of an envelope, and what it was encrypted with."""

    content: bytes
    cipher: ContentCipher


# --- reading signed data


def verify(message: bytes, *, content: bytes | None, allow_weak: bool, known: Container[bytes] | None = None) -> Signed:
    """Check a SignedData of exactly one signer; ProtocolError for everything wrong.

    With `content` the signature must cover just these bytes, whether or not the message has a copy attached; with
    None the attached content is taken. Where there are signed attributes, their messageDigest must be that of the
    content, and their contentType must be there; where there are none (Apple's devices send none in `Mdm-Signature`),
    the signature is over the content itself. `allow_weak` accepts SHA-1. The signer's certificate must be in the
    message; whether it is to be trusted is for the caller to find out. With `known`, a certificate that is not in there
    is refused before its key is looked at.
    """
    return _verify(der.definite(message), content, known, allow_weak=allow_weak)


def _verify(message: bytes, content: bytes | None, known: Container[bytes] | None, *, allow_weak: bool) -> Signed:
    position, end = _content_info(message, _SIGNED_DATA)
    _, position = der.expect(message, position, end, der.INTEGER)
    _, position = der.expect(message, position, end, der.SET)  # digest algorithms: a hint for one-pass readers
    start, position = der.expect(message, position, end, der.SEQUENCE)
    _, type_stop = der.expect(message, start, position, der.OBJECT_IDENTIFIER)
    if message[start:type_stop] != _DATA_TYPE:
        raise ProtocolError("The signed content is not plain data.")
    if content is None:
        content = _attached(message, type_stop, position)
    certificates = (0, 0)
    tag, start, stop = der.element(message, position, end)
    if tag == 0xA0:
        certificates = (start, stop)
        tag, start, stop = der.element(message, stop, end)
    if tag == 0xA1:  # revocation lists
        tag, start, stop = der.element(message, stop, end)
    if tag != der.SET or stop != end:
        raise ProtocolError("The signed message has no list of signers where it belongs.")
    signer, signer_stop = der.expect(message, start, stop, der.SEQUENCE)
    if signer_stop != stop:
        raise ProtocolError("The message must have exactly one signer.")
    return _check_signer(message, signer, certificates, content, known, allow_weak=allow_weak)


def _check_signer(
    message: bytes,
    position: int,
    certificates: tuple[int, int],
    content: bytes,
    known: Container[bytes] | None,
    *,
    allow_weak: bool,
) -> Signed:
    """Check what the SignerInfo (RFC 5652 5.3) that ends the message says about the content."""
    end = len(message)
    _, position = der.expect(message, position, end, der.INTEGER)
    tag, start, position = der.element(message, position, end)
    certificate, spki = _signer(message, certificates, tag, message[start:position])
    if known is not None and certificate not in known:
        raise ProtocolError("The certificate of the signer is not known.")
    start, position = der.expect(message, position, end, der.SEQUENCE)
    oid_start, oid_stop = der.expect(message, start, position, der.OBJECT_IDENTIFIER)
    digest = keys.digest(message[oid_start:oid_stop], allow_weak=allow_weak)
    tag, start, stop = der.element(message, position, end)
    attributes: dict[bytes, bytes] = {}
    parts: list[bytes] = []
    if tag == 0xA0:
        position = stop
        attributes, parts = _attributes(message, start, stop)
        digest_of_content = hashlib.new(digest.name, content, usedforsecurity=False).digest()
        # In this order: the digest of what was received, the type of the content, and then the signature over both.
        if attributes.get(_MESSAGE_DIGEST) != der.tlv(der.OCTET_STRING, digest_of_content):
            raise ProtocolError("The signature is for another content.")
        if attributes.get(_CONTENT_TYPE) != _DATA_TYPE:
            raise ProtocolError("The signature is for another type of content.")
    elif content.startswith(b"\x31"):
        # Somebody who has a signature over signed attributes could leave these away and show them as the content, which
        # is what they look like to the signature. Nothing that devices sign starts with a SET.
        raise ProtocolError("The signed content looks like signed attributes.")
    start, position = der.expect(message, position, end, der.SEQUENCE)
    oid_start, oid_stop = der.expect(message, start, position, der.OBJECT_IDENTIFIER)
    algorithm = message[oid_start:oid_stop]
    tag, start, stop = der.element(message, position, end)
    if tag & ~der.CONSTRUCTED != der.OCTET_STRING:
        raise ProtocolError("The message has no signature where it belongs.")
    check = partial(
        keys.verify,
        keys.load(spki),
        der.octets(message, tag, start, stop),
        oid=algorithm,
        digest=digest,
        allow_weak=allow_weak,
    )
    if attributes:
        _check_attributes(check, parts)
    else:
        check(content)
    return Signed(certificate, content, attributes, digest, keys.is_weak(algorithm, digest))


def _check_attributes(check: Callable[[bytes], None], parts: list[bytes]) -> None:
    """The attributes are sent under an implicit tag, but signed as the DER of a SET OF (RFC 5652 5.4). Encoders that do
    not sort a SET OF disagree about whether it was sorted for the signature: both readings hold the same attributes.
    """
    try:
        check(der.tlv(der.SET, *parts))
    except ProtocolError:
        ordered = sorted(parts)
        if ordered == parts:
            raise
        check(der.tlv(der.SET, *ordered))


def _content_info(message: bytes, content_type: bytes) -> tuple[int, int]:
    """The extent of what is in the SEQUENCE that a ContentInfo of this type holds."""
    start, stop = der.whole(message)
    oid_start, oid_stop = der.expect(message, start, stop, der.OBJECT_IDENTIFIER)
    if message[oid_start:oid_stop] != content_type:
        raise ProtocolError("The message is of another type than belongs here.")
    content, content_stop = der.expect(message, oid_stop, stop, 0xA0)
    start, end = der.expect(message, content, content_stop, der.SEQUENCE)
    if content_stop != stop or end != stop:
        raise ProtocolError("The message holds more than one content.")
    return start, end


def _attached(message: bytes, position: int, stop: int) -> bytes:
    if position == stop:
        raise ProtocolError("The message does not hold the content that it signs.")
    start, content_stop = der.expect(message, position, stop, 0xA0)
    tag, start, content_stop = der.element(message, start, content_stop)
    if tag & ~der.CONSTRUCTED != der.OCTET_STRING or content_stop != stop:
        raise ProtocolError("The signed content is not an octet string.")
    return der.octets(message, tag, start, content_stop)


def _signer(message: bytes, certificates: tuple[int, int], tag: int, identifier: bytes) -> tuple[bytes, bytes]:
    """The certificate that a SignerIdentifier names, and its SubjectPublicKeyInfo."""
    for certificate_tag, position, _, stop in der.elements(message, *certificates):
        if certificate_tag != der.SEQUENCE:  # attribute certificates and other formats
            continue
        certificate = message[position:stop]
        issuer_and_serial, key_identifier, spki = _identity(certificate)
        if tag == der.SEQUENCE:
            if identifier == issuer_and_serial:
                return certificate, spki
        elif tag == 0x80 and identifier == key_identifier:
            return certificate, spki
    raise ProtocolError("The certificate of the signer is not in the message.")


@lru_cache(maxsize=2048)
def _identity(certificate: bytes) -> tuple[bytes, bytes | None, bytes]:
    outline = x509.outline(certificate)
    return outline.issuer_and_serial, outline.key_identifier, outline.spki


def _attributes(message: bytes, position: int, stop: int) -> tuple[dict[bytes, bytes], list[bytes]]:
    """Signed attributes by type, and each as it is encoded. There is at least one."""
    attributes: dict[bytes, bytes] = {}
    parts = []
    while position < stop:
        start, following = der.expect(message, position, stop, der.SEQUENCE)
        oid_start, oid_stop = der.expect(message, start, following, der.OBJECT_IDENTIFIER)
        values, values_stop = der.expect(message, oid_stop, following, der.SET)
        oid = message[oid_start:oid_stop]
        if values_stop != following or oid in attributes:
            raise ProtocolError("The signed attributes are not a set of attributes.")
        attributes[oid] = message[values:values_stop]
        parts.append(message[position:following])
        position = following
    if not parts:
        raise ProtocolError("The signed attributes are empty.")
    return attributes, parts


# --- writing signed data


def sign(
    content: bytes,
    *,
    certificate: library.Certificate | bytes,
    key: rsa.RSAPrivateKey,
    chain: Sequence[library.Certificate | bytes] = (),
    signing_time: datetime | None = None,
) -> bytes:
    """A DER SignedData with the content attached, signed with SHA-256: a signed profile, for one.

    `chain`: the certificates between the signer's and the root. `signing_time` (aware) is stated where it is given.
    """
    attributes = [] if signing_time is None else [attribute(_SIGNING_TIME, _time(signing_time))]
    return signed_data(
        content,
        certificate=x509.encoded(certificate),
        key=key,
        chain=[x509.encoded(link) for link in chain],
        digest=keys.SHA256,
        attributes=attributes,
    )


def signed_data(
    content: bytes | None,
    *,
    certificate: bytes,
    key: rsa.RSAPrivateKey,
    chain: Iterable[bytes] = (),
    digest: keys.Digest,
    attributes: Iterable[bytes],
) -> bytes:
    """A DER SignedData with further signed attributes (see `attribute`). With None there is no content at all, and the
    digest is that of nothing.
    """
    digest_of_content = hashlib.new(digest.name, content or b"").digest()
    parts = sorted(
        (
            attribute(_CONTENT_TYPE, _DATA_TYPE),
            attribute(_MESSAGE_DIGEST, der.tlv(der.OCTET_STRING, digest_of_content)),
            *attributes,
        )
    )
    signature = key.sign(der.tlv(der.SET, *parts), rsa_padding.PKCS1v15(), digest.algorithm)
    signer = der.sequence(
        der.integer(1),
        der.sequence(_identity(certificate)[0]),
        digest.identifier,
        der.tlv(0xA0, *parts),
        _RSA_ALGORITHM,
        der.tlv(der.OCTET_STRING, signature),
    )
    attached = () if content is None else (der.tlv(0xA0, der.tlv(der.OCTET_STRING, content)),)
    return _wrap(
        _SIGNED_DATA,
        der.integer(1),
        der.set_of([digest.identifier]),
        der.sequence(_DATA_TYPE, *attached),
        der.set_of([certificate, *chain], tag=0xA0),
        der.set_of([signer]),
    )


def certificates_only(*certificates: bytes) -> bytes:
    """A degenerate SignedData (RFC 5652 5.1): certificates in DER, no content, no signer."""
    return _wrap(
        _SIGNED_DATA,
        der.integer(1),
        der.set_of([]),
        der.sequence(_DATA_TYPE),
        der.set_of(certificates, tag=0xA0),
        der.set_of([]),
    )


def attribute(oid: bytes, value: bytes) -> bytes:
    """An Attribute with one value, which is an encoded element."""
    return der.sequence(der.identifier(oid), der.tlv(der.SET, value))


def _time(moment: datetime) -> bytes:
    """UTCTime until 2049, GeneralizedTime from then on (RFC 5652 11.3)."""
    moment = moment.astimezone(UTC)
    if moment.year < 2050:
        return der.tlv(der.UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
    return der.tlv(der.GENERALIZED_TIME, moment.strftime("%Y%m%d%H%M%SZ").encode())


def _wrap(content_type: bytes, *parts: bytes) -> bytes:
    return der.sequence(der.identifier(content_type), der.tlv(0xA0, der.sequence(*parts)))


# --- envelopes


def encrypt(
    content: bytes, *, certificate: library.Certificate | bytes, cipher: ContentCipher = ContentCipher.AES_256
) -> bytes:
    """A DER EnvelopedData for the holder of the certificate, who must have an RSA key; ProtocolError otherwise.

    The content key and the initialisation vector are drawn by `cryptography`.
    """
    if cipher.weak:
        raise ValueError("A weak cipher is never produced.")
    issuer_and_serial, _, spki = _identity(x509.encoded(certificate))
    recipient_key = keys.load(spki)
    if not isinstance(recipient_key, rsa.RSAPublicKey):
        raise ProtocolError("Only the holder of an RSA key can receive an encrypted message.")
    key = AESGCM.generate_key(cipher.key_size * 8)
    vector = AESGCM.generate_key(128)
    padder = padding.PKCS7(cipher.block_size * 8).padder()
    encryptor = cipher.cipher(key, vector).encryptor()
    encrypted = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
    recipient = der.sequence(
        der.integer(0),
        der.sequence(issuer_and_serial),
        _RSA_ALGORITHM,
        der.tlv(der.OCTET_STRING, recipient_key.encrypt(key, rsa_padding.PKCS1v15())),
    )
    algorithm = der.sequence(der.identifier(cipher.oid), der.tlv(der.OCTET_STRING, vector))
    return _wrap(
        _ENVELOPED_DATA,
        der.integer(0),
        der.set_of([recipient]),
        der.sequence(_DATA_TYPE, algorithm, der.tlv(0x80, encrypted)),
    )


def decrypt(
    message: bytes, *, certificate: library.Certificate | bytes, key: rsa.RSAPrivateKey, allow_weak: bool
) -> bytes:
    """The content of an EnvelopedData that is for this certificate: AES, and with `allow_weak` also 3DES and DES.

    Every failure to decrypt is the same ProtocolError, whether it was the key, the padding or the length.
    """
    return open_envelope(message, certificate=x509.encoded(certificate), key=key, allow_weak=allow_weak).content


def open_envelope(message: bytes, *, certificate: bytes, key: rsa.RSAPrivateKey, allow_weak: bool) -> Opened:
    """As `decrypt`, and says which cipher was used."""
    return _open(der.definite(message), certificate, key, allow_weak=allow_weak)


def _open(message: bytes, certificate: bytes, key: rsa.RSAPrivateKey, *, allow_weak: bool) -> Opened:
    position, end = _content_info(message, _ENVELOPED_DATA)
    _, position = der.expect(message, position, end, der.INTEGER)
    tag, start, stop = der.element(message, position, end)
    if tag == 0xA0:  # certificates of the originator
        tag, start, stop = der.element(message, stop, end)
    if tag != der.SET:
        raise ProtocolError("The encrypted message has no recipients.")
    encrypted_key, scheme = _recipient(message, start, stop, x509.outline(certificate))

    position, end = der.expect(message, stop, end, der.SEQUENCE)
    _, position = der.expect(message, position, end, der.OBJECT_IDENTIFIER)
    start, position = der.expect(message, position, end, der.SEQUENCE)
    oid_start, oid_stop = der.expect(message, start, position, der.OBJECT_IDENTIFIER)
    cipher = _CIPHERS.get(message[oid_start:oid_stop])
    if cipher is None:
        raise ProtocolError("The message is encrypted with a cipher that is not accepted.")
    if cipher.weak and not allow_weak:
        raise ProtocolError("The message is encrypted with DES, and weak algorithms are switched off.")
    start, stop = der.expect(message, oid_stop, position, der.OCTET_STRING)
    vector = message[start:stop]
    tag, start, stop = der.element(message, position, end)
    if tag & ~der.CONSTRUCTED != 0x80:
        raise ProtocolError("The encrypted message has no content.")
    encrypted = der.octets(message, tag, start, stop)
    if len(vector) != cipher.block_size or not encrypted or len(encrypted) % cipher.block_size:
        raise ProtocolError("The encrypted message is incomplete.")
    return Opened(
        _decrypt(encrypted, cipher, _content_key(encrypted_key, scheme, key, cipher.key_size), vector), cipher
    )


def _recipient(
    message: bytes, start: int, stop: int, certificate: x509.Outline
) -> tuple[bytes, rsa_padding.AsymmetricPadding]:
    """The encrypted key for the holder of the certificate, and how it is encrypted."""
    for tag, _, recipient, end in der.elements(message, start, stop):
        if tag != der.SEQUENCE:  # other ways than key transport
            continue
        _, identifier = der.expect(message, recipient, end, der.INTEGER)
        _, _, identifier_stop = der.element(message, identifier, end)
        if not _is_for(message, identifier, identifier_stop, certificate):
            continue
        algorithm, algorithm_stop = der.expect(message, identifier_stop, end, der.SEQUENCE)
        key_start, key_stop = der.expect(message, algorithm_stop, end, der.OCTET_STRING)
        return message[key_start:key_stop], _key_encryption(message, algorithm, algorithm_stop)
    raise ProtocolError("The message is encrypted for somebody else.")


def _is_for(message: bytes, position: int, end: int, certificate: x509.Outline) -> bool:
    """Whether a RecipientIdentifier names this certificate. The serial number decides: a client that writes the
    issuer's name in its own way encrypts for us all the same.
    """
    tag, start, stop = der.element(message, position, end)
    if tag != der.SEQUENCE:
        return tag == 0x80 and message[start:stop] == certificate.key_identifier
    _, issuer_stop = der.expect(message, start, stop, der.SEQUENCE)
    serial_start, serial_stop = der.expect(message, issuer_stop, stop, der.INTEGER)
    return int.from_bytes(message[serial_start:serial_stop], "big", signed=True) == certificate.serial


def _key_encryption(message: bytes, start: int, stop: int) -> rsa_padding.AsymmetricPadding:
    oid_start, oid_stop = der.expect(message, start, stop, der.OBJECT_IDENTIFIER)
    oid = message[oid_start:oid_stop]
    if oid == keys.RSA_ENCRYPTION:
        return rsa_padding.PKCS1v15()
    if oid != _OAEP:
        raise ProtocolError(_KEY_ENCRYPTION)
    # RSAES-OAEP-params (RFC 8017 A.2.1). Its SHA-1, which is the default, needs no resistance against collisions.
    digest: hashes.HashAlgorithm = hashes.SHA1()  # noqa: S303
    mask: hashes.HashAlgorithm = hashes.SHA1()  # noqa: S303
    parameters, parameters_stop = (
        (stop, stop) if oid_stop == stop else der.expect(message, oid_stop, stop, der.SEQUENCE)
    )
    for tag, _, field, field_stop in der.elements(message, parameters, parameters_stop):
        if tag == 0xA0:
            digest = _digest_of(message, field, field_stop)
        elif tag == 0xA1:
            mgf, mgf_stop = der.expect(message, field, field_stop, der.SEQUENCE)
            oid_start, oid_stop = der.expect(message, mgf, mgf_stop, der.OBJECT_IDENTIFIER)
            if message[oid_start:oid_stop] != _MGF1:
                raise ProtocolError(_KEY_ENCRYPTION)
            mask = _digest_of(message, oid_stop, mgf_stop)
        else:  # a label, which nobody uses
            raise ProtocolError(_KEY_ENCRYPTION)
    return rsa_padding.OAEP(rsa_padding.MGF1(mask), digest, None)


def _digest_of(message: bytes, position: int, end: int) -> hashes.HashAlgorithm:
    start, stop = der.expect(message, position, end, der.SEQUENCE)
    oid_start, oid_stop = der.expect(message, start, stop, der.OBJECT_IDENTIFIER)
    return keys.digest(message[oid_start:oid_stop], allow_weak=True).algorithm


def _content_key(encrypted: bytes, scheme: rsa_padding.AsymmetricPadding, key: rsa.RSAPrivateKey, size: int) -> bytes:
    """The content key; a random one where decryption fails, so that such a message fails no earlier and no differently
    than one whose content is damaged (RFC 3218 2.3.2).
    """
    substitute = AESGCM.generate_key(256)[:size]
    try:
        content_key = key.decrypt(encrypted, scheme)
    except ValueError:
        return substitute
    return content_key if len(content_key) == size else substitute


def _decrypt(encrypted: bytes, cipher: ContentCipher, key: bytes, vector: bytes) -> bytes:
    decryptor = cipher.cipher(key, vector).decryptor()
    unpadder = padding.PKCS7(cipher.block_size * 8).unpadder()
    try:
        return unpadder.update(decryptor.update(encrypted) + decryptor.finalize()) + unpadder.finalize()
    except ValueError as error:
        raise ProtocolError(CANNOT_DECRYPT) from error
