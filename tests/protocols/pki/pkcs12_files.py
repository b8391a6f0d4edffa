"""PKCS #12 files down to shapes that no tool on this machine writes: as Windows and macOS do, and as no honest program.

The encoder is asn1crypto (see `wire`), which the code under test does not use. Keys of the old kind are derived by
`pbe`: that it derives what others do, the files in data/pkcs12 show, which OpenSSL and Java made.
"""

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from asn1crypto import cms as asn1_cms
from asn1crypto import pkcs12 as asn1_pkcs12
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import padding, serialization
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mydevices.protocols.pki import pbe
from tests.protocols.pki.wire import ID_DATA, algorithm, attribute, integer, octets, oid, sequence, set_, tlv

DATA = Path(__file__).parent / "data" / "pkcs12"
PASSWORD = "correct horse"
UMLAUTS = "Grüße, €5 😀"
SALT = bytes.fromhex("0123456789abcdef")
VECTOR = bytes(range(16))
LIMIT = 2**31 - 1
LOCAL_KEY_ID = bytes.fromhex("01000000")

ENCRYPTED_DATA = "1.2.840.113549.1.7.6"
KEY_BAG, SHROUDED_KEY_BAG, CERTIFICATE_BAG, CRL_BAG, SECRET_BAG, SAFE_CONTENTS_BAG = (
    f"1.2.840.113549.1.12.10.1.{kind}" for kind in range(1, 7)
)
DES3, RC2_40 = "1.2.840.113549.1.12.1.3", "1.2.840.113549.1.12.1.6"
PBES2, PBKDF2, PBMAC1 = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12", "1.2.840.113549.1.5.14"
SCRYPT = "1.3.6.1.4.1.11591.4.11"
AES_256 = "2.16.840.1.101.3.4.1.42"
HMAC_SHA256 = "1.2.840.113549.2.9"
SHA1, SHA256 = "1.3.14.3.2.26", "2.16.840.1.101.3.4.2.1"


def read(name: str) -> bytes:
    return (DATA / name).read_bytes()


def person_certificate() -> bytes:
    """The DER of the certificate in the files of this folder."""
    return read("certificate.der")


def person_key() -> bytes:
    """Its DER PrivateKeyInfo."""
    return read("key-pkcs8.der")


def chain() -> list[bytes]:
    certificates = x509.load_pem_x509_certificates(read("chain.pem"))
    return [certificate.public_bytes(serialization.Encoding.DER) for certificate in certificates]


# --- encryption


@dataclass(frozen=True)
class Encrypted:
    algorithm: bytes
    content: bytes


def _padded(plain: bytes, bits: int) -> bytes:
    padder = padding.PKCS7(bits).padder()
    return padder.update(plain) + padder.finalize()


def old_reading(password: str) -> bytes:
    """A password as RFC 7292 B.1 has it."""
    return password.encode("utf-16-be") + b"\0\0"


def des3(plain: bytes, password: bytes = b"", iterations: int = 2000, *, claimed: int | None = None) -> Encrypted:
    """pbeWithSHAAnd3-KeyTripleDES-CBC, under a password as octets. `claimed`: the iterations that the file names, where
    that differs.
    """
    derivation = pbe._Old(pbe._SHA1, SALT, iterations)
    reading = pbe.Reading(password or old_reading(PASSWORD), b"")
    encryptor = Cipher(TripleDES(derivation.derive(reading, 1, 24)), modes.CBC(derivation.derive(reading, 2, 8)))
    content = encryptor.encryptor().update(_padded(plain, 64))
    return Encrypted(algorithm(DES3, sequence(octets(SALT), integer(claimed or iterations))), content)


def pbkdf2(iterations: int, *more: bytes) -> bytes:
    return algorithm(PBKDF2, sequence(octets(SALT), integer(iterations), *more, algorithm(HMAC_SHA256)))


def aes(plain: bytes, password: bytes = PASSWORD.encode(), iterations: int = 2000, *, kdf: bytes = b"") -> Encrypted:
    """PBES2 with AES-256; `kdf`: what the file names as the derivation."""
    key = hashlib.pbkdf2_hmac("sha256", password, SALT, iterations, 32)
    content = Cipher(algorithms.AES(key), modes.CBC(VECTOR)).encryptor().update(_padded(plain, 128))
    parameters = sequence(kdf or pbkdf2(iterations), algorithm(AES_256, octets(VECTOR)))
    return Encrypted(algorithm(PBES2, parameters), content)


def scrypt(cost: int, block: int, parallel: int) -> bytes:
    return algorithm(SCRYPT, sequence(octets(SALT), integer(cost), integer(block), integer(parallel)))


# --- parts


def friendly_name(text: str) -> bytes:
    return attribute("1.2.840.113549.1.9.20", tlv(0x1E, text.encode("utf-16-be")))


def local_key_id(value: bytes = LOCAL_KEY_ID) -> bytes:
    return attribute("1.2.840.113549.1.9.21", octets(value))


def csp_name(text: str) -> bytes:
    """The attribute by which Windows remembers the provider of the key."""
    return attribute("1.3.6.1.4.1.311.17.1", tlv(0x1E, text.encode("utf-16-be")))


def bag(kind: str, value: bytes, *attributes: bytes) -> bytes:
    return sequence(oid(kind), tlv(0xA0, value), set_(*attributes) if attributes else b"")


def certificate_bag(certificate: bytes, *attributes: bytes) -> bytes:
    value = sequence(oid("1.2.840.113549.1.9.22.1"), tlv(0xA0, octets(certificate)))
    return bag(CERTIFICATE_BAG, value, *attributes)


def shrouded_key_bag(encrypted: Encrypted, *attributes: bytes) -> bytes:
    return bag(SHROUDED_KEY_BAG, sequence(encrypted.algorithm, octets(encrypted.content)), *attributes)


def safe(*bags: bytes) -> bytes:
    """SafeContents."""
    return sequence(*bags)


def plain_part(contents: bytes) -> bytes:
    return sequence(oid(ID_DATA), tlv(0xA0, octets(contents)))


def encrypted_part(encrypted: Encrypted) -> bytes:
    info = sequence(oid(ID_DATA), encrypted.algorithm, tlv(0x80, encrypted.content))
    return sequence(oid(ENCRYPTED_DATA), tlv(0xA0, sequence(integer(0), info)))


def mac(
    content: bytes, password: bytes = b"", *, digest: str = "sha1", iterations: int = 2000, claimed: int = 0
) -> bytes:
    """MacData. Of one iteration, the number is left out, as it is the default."""
    derivation = pbe._Old(getattr(pbe, f"_{digest.upper()}"), SALT, iterations)
    reading = pbe.Reading(password or old_reading(PASSWORD), b"")
    key = derivation.derive(reading, 3, hashlib.new(digest).digest_size)
    info = sequence(algorithm(SHA1 if digest == "sha1" else SHA256), octets(hmac.digest(key, content, digest)))
    number = claimed or iterations
    return sequence(info, octets(SALT), integer(number) if number > 1 else b"")


def pbmac1(content: bytes, password: bytes = PASSWORD.encode(), *, iterations: int = 2048, size: int = 32) -> bytes:
    """MacData of RFC 9579, in which the outer salt and iterations count for nothing."""
    key = hashlib.pbkdf2_hmac("sha256", password, SALT, iterations, size)
    parameters = sequence(pbkdf2(iterations, integer(size)), algorithm(HMAC_SHA256))
    info = sequence(algorithm(PBMAC1, parameters), octets(hmac.digest(key, content, "sha256")))
    return sequence(info, octets(b"NOT USED"), integer(1))


def pfx(*parts: bytes, authentication: bytes | None = None, digest: str = "sha1", password: bytes = b"") -> bytes:
    """A whole file; with a MAC over SHA-1 unless another, or none (empty), is given."""
    content = sequence(*parts)
    if authentication is None:
        authentication = mac(content, password, digest=digest)
    return sequence(integer(3), sequence(oid(ID_DATA), tlv(0xA0, octets(content))), authentication)


def simple(
    key: bytes | None = None,
    certificate: bytes | None = None,
    *others: bytes,
    authentication: bytes | None = None,
    name: str = "E-mail",
) -> bytes:
    """An unencrypted key and its certificate, and a MAC."""
    bags = [
        bag(KEY_BAG, key or person_key(), friendly_name(name), local_key_id()),
        certificate_bag(certificate or person_certificate(), local_key_id()),
        *map(certificate_bag, others),
    ]
    return pfx(plain_part(safe(*bags)), authentication=authentication)


# --- as other programs write them


def windows(*, aes_256: bool) -> bytes:
    """As the certificate export of Windows: the key first, named by its container and provider, with its usage inside;
    then the certificates, the person's last. Triple DES and SHA-1, or since Windows 10 AES-256 and SHA-256.
    """
    key_usage = tlv(0xA0, attribute("2.5.29.15", tlv(0x03, b"\0\x10")))
    inner = person_key()
    key = sequence(inner[4:], key_usage)
    encrypt = aes if aes_256 else des3
    key_bag = shrouded_key_bag(
        encrypt(key),
        local_key_id(),
        friendly_name("te-6a4b8c1d-1111-4222-8333-444455556666"),
        csp_name("Microsoft Enhanced Cryptographic Provider v1.0"),
    )
    certificates = [*map(certificate_bag, chain()), certificate_bag(person_certificate(), local_key_id())]
    return pfx(
        plain_part(safe(key_bag)),
        encrypted_part(encrypt(safe(*certificates))),
        digest="sha256" if aes_256 else "sha1",
    )


def _pieces(tag: int, value: bytes, size: int = 200) -> bytes:
    """An octet string in BER: of indefinite length, and in pieces."""
    pieces = b"".join(octets(value[at : at + size]) for at in range(0, len(value), size))
    return bytes((tag | 0x20, 0x80)) + pieces + b"\0\0"


def _open(tag: int, *parts: bytes) -> bytes:
    """An element of indefinite length."""
    return bytes((tag, 0x80)) + b"".join(parts) + b"\0\0"


def keychain() -> bytes:
    """As the keychain of macOS and others after Netscape's model: RC2-40 for certificates, Triple DES for the key, all
    in BER of indefinite lengths with octet strings in pieces, one iteration in the MAC. What is encrypted is OpenSSL's.
    """
    certificates, key = _parts_of(read("openssl-1.p12"))
    info = certificates["content"]["encrypted_content_info"]
    encrypted = _open(
        0x30,
        oid(ENCRYPTED_DATA),
        _open(
            0xA0,
            _open(
                0x30,
                integer(0),
                _open(
                    0x30,
                    oid(ID_DATA),
                    info["content_encryption_algorithm"].dump(),
                    _pieces(0x80, info["encrypted_content"].native),
                ),
            ),
        ),
    )
    plain = _open(0x30, oid(ID_DATA), _open(0xA0, _pieces(0x04, key["content"].native)))
    authenticated = _open(0x30, encrypted, plain)
    return _open(
        0x30,
        integer(3),
        _open(0x30, oid(ID_DATA), _open(0xA0, _pieces(0x04, authenticated))),
        mac(authenticated, iterations=1),
    )


def parts_of(data: bytes) -> list[bytes]:
    """The parts of a file, each encoded."""
    return [part.dump() for part in _parts_of(data)]


def _parts_of(data: bytes) -> list[asn1_cms.ContentInfo]:
    file = asn1_pkcs12.Pfx.load(data)
    return list(asn1_pkcs12.AuthenticatedSafe.load(file["auth_safe"]["content"].native))


def spelt(old: bytes, new: bytes) -> bytes:
    """A file under a password in the spelling of some program: the certificate in the old way, the key in the new."""
    certificates = des3(safe(certificate_bag(person_certificate())), old)
    return pfx(
        encrypted_part(certificates),
        plain_part(safe(shrouded_key_bag(aes(person_key(), new)))),
        password=old,
    )


def under_scrypt() -> bytes:
    """As much memory as is accepted: 32 MB."""
    plain = safe(bag(KEY_BAG, person_key()), certificate_bag(person_certificate()))
    key = hashlib.scrypt(PASSWORD.encode(), salt=SALT, n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
    content = Cipher(algorithms.AES(key), modes.CBC(VECTOR)).encryptor().update(_padded(plain, 128))
    parameters = sequence(scrypt(2**15, 8, 1), algorithm(AES_256, octets(VECTOR)))
    return pfx(encrypted_part(Encrypted(algorithm(PBES2, parameters), content)))


# --- as no honest program writes them


def hungry_mac() -> bytes:
    content = sequence(plain_part(safe()))
    return pfx(plain_part(safe()), authentication=mac(content, iterations=1, claimed=LIMIT))


def hungry_pbmac1() -> bytes:
    parameters = sequence(pbkdf2(LIMIT, integer(32)), algorithm(HMAC_SHA256))
    info = sequence(algorithm(PBMAC1, parameters), octets(bytes(32)))
    return pfx(plain_part(safe()), authentication=sequence(info, octets(SALT), integer(1)))


def hungry_part(*, old: bool) -> bytes:
    plain = safe(certificate_bag(person_certificate()))
    return pfx(encrypted_part(des3(plain, claimed=LIMIT) if old else aes(plain, kdf=pbkdf2(LIMIT))))


def hungry_key() -> bytes:
    return pfx(plain_part(safe(shrouded_key_bag(des3(person_key(), claimed=LIMIT)))))


def hungry_nested_key() -> bytes:
    """The key lies in bags within bags, none of them encrypted."""
    inner = safe(shrouded_key_bag(aes(person_key(), kdf=pbkdf2(LIMIT))))
    return pfx(plain_part(safe(bag(SAFE_CONTENTS_BAG, safe(bag(SAFE_CONTENTS_BAG, inner))))))


def hungry_scrypt(cost: int = 2**30, block: int = 8, parallel: int = 1) -> bytes:
    return pfx(encrypted_part(aes(safe(), kdf=scrypt(cost, block, parallel))))


def hidden_key(iterations: int = LIMIT) -> bytes:
    """What the key asks for shows only in what another key decrypts."""
    inner = safe(shrouded_key_bag(des3(person_key(), iterations=1, claimed=iterations)))
    return pfx(encrypted_part(aes(inner)))


def just_within_each_limit() -> bytes:
    """Nothing that shows is too much, and together it takes seconds: six million rounds of SHA-1."""
    part = encrypted_part(des3(safe(), iterations=1, claimed=pbe.MAXIMUM_ITERATIONS))
    return pfx(part, part)


def nested_bags(levels: int) -> bytes:
    contents = safe(bag(KEY_BAG, person_key()))
    for _ in range(levels):
        contents = safe(bag(SAFE_CONTENTS_BAG, contents))
    return pfx(plain_part(contents))


def nested_elements(levels: int, *, indefinite: bool) -> bytes:
    """What is inside the file is one element in another."""
    inner = b""
    for _ in range(levels):
        inner = _open(0x30, inner) if indefinite else sequence(inner)
    return sequence(integer(3), sequence(oid(ID_DATA), tlv(0xA0, inner)))
