"""Encryption and authentication under a password, of every generation that PKCS #12 files in use were made with.

Reading only: what is written is written by a library, and never in the old ways. Reading is in two steps. `encryption`
and `authentication` read an algorithm and judge how much work it asks for, without a password and without working; the
values they give decrypt and verify. The old derivation is that of RFC 7292 (appendix B), the new ones are PBKDF2 (RFC
8018) and scrypt (RFC 7914).
"""

import hashlib
import hmac
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4, TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import der
from mydevices.protocols.pki.refusals import Reason, Refused, TooMuchWork

MAXIMUM_ITERATIONS = 1_000_000
"""Firefox and Thunderbird ask for 600,000, which is the most of any program."""
_MAXIMUM_SCRYPT_MEMORY = 32 * 1024 * 1024
_MAXIMUM_SCRYPT_COST = 2**20
"""Cost, block size and parallelism multiplied. OpenSSL asks for 2**17 in 16 MB."""
_MAXIMUM_SALT = 1024
_KEY, _VECTOR, _MAC = 1, 2, 3  # what a derivation is for: RFC 7292 B.3


class Reading(NamedTuple):
    """A password as octets, in the two ways that programs write it."""

    old: bytes
    """For the derivation of PKCS #12 itself: UTF-16 with two octets of zero at the end."""
    new: bytes
    """For PBKDF2 and scrypt: UTF-8."""


def readings(password: str) -> list[Reading]:
    """What programs may have made of a password, the likeliest first.

    One, but for an empty one (no password, or a password of no characters) and for one with letters beyond ASCII:
    composed or not; each octet of UTF-8 or Latin-1 taken for a letter (OpenSSL before 1.1).
    """
    if not password:
        return [Reading(b"\0\0", b""), Reading(b"", b"")]
    found = [_reading(password)]
    if not password.isascii():
        composed = unicodedata.normalize("NFC", password)
        found += [_reading(composed), _reading(unicodedata.normalize("NFD", password))]
        found.append(Reading(_reading(composed.encode(errors="replace").decode("latin-1")).old, _reading(composed).new))
        found.append(Reading(_reading(composed).old, composed.encode("latin-1", errors="replace")))
    return list(dict.fromkeys(found))


def _reading(password: str) -> Reading:
    return Reading(password.encode("utf-16-be", errors="replace") + b"\0\0", password.encode("utf-8", errors="replace"))


# --- derivations


class _Digest(NamedTuple):
    name: str
    one: Callable[[bytes], "hashlib._Hash"]
    algorithm: hashes.HashAlgorithm
    block: int
    """Octets that it takes at a time: `v` in RFC 7292 B.2."""


_SHA1 = _Digest("sha1", hashlib.sha1, hashes.SHA1(), 64)  # noqa: S303  what old files are made with
_SHA224 = _Digest("sha224", hashlib.sha224, hashes.SHA224(), 64)
_SHA256 = _Digest("sha256", hashlib.sha256, hashes.SHA256(), 64)
_SHA384 = _Digest("sha384", hashlib.sha384, hashes.SHA384(), 128)
_SHA512 = _Digest("sha512", hashlib.sha512, hashes.SHA512(), 128)

_DIGESTS = {
    der.oid("1.3.14.3.2.26"): _SHA1,
    der.oid("2.16.840.1.101.3.4.2.4"): _SHA224,
    der.oid("2.16.840.1.101.3.4.2.1"): _SHA256,
    der.oid("2.16.840.1.101.3.4.2.2"): _SHA384,
    der.oid("2.16.840.1.101.3.4.2.3"): _SHA512,
}
_HMACS = {
    der.oid("1.2.840.113549.2.7"): _SHA1,
    der.oid("1.2.840.113549.2.8"): _SHA224,
    der.oid("1.2.840.113549.2.9"): _SHA256,
    der.oid("1.2.840.113549.2.10"): _SHA384,
    der.oid("1.2.840.113549.2.11"): _SHA512,
}


@dataclass(frozen=True, slots=True)
class _Old:
    """The derivation of RFC 7292 B.2."""

    digest: _Digest
    salt: bytes
    iterations: int

    @property
    def name(self) -> str:
        return f"PKCS #12 {self.digest.name}"

    def derive(self, password: Reading, purpose: int, size: int) -> bytes:
        block, one = self.digest.block, self.digest.one
        state = _filled(self.salt, block) + _filled(password.old, block)
        key = b""
        while True:
            digest = one(bytes((purpose,)) * block + state).digest()
            for _ in range(self.iterations - 1):
                digest = one(digest).digest()
            key += digest
            if len(key) >= size:
                return key[:size]
            addend = int.from_bytes(_filled(digest, block)[:block], "big") + 1
            sums = (int.from_bytes(state[at : at + block], "big") + addend for at in range(0, len(state), block))
            state = b"".join((each % (1 << 8 * block)).to_bytes(block, "big") for each in sums)


def _filled(value: bytes, block: int) -> bytes:
    """The value again and again, up to a whole number of blocks."""
    size = -(-len(value) // block) * block
    return (value * (size // len(value) + 1))[:size] if value else b""


@dataclass(frozen=True, slots=True)
class _Pbkdf2:
    digest: _Digest
    salt: bytes
    iterations: int
    size: int | None
    """Octets of the key, where the file says it."""

    @property
    def name(self) -> str:
        return f"PBKDF2 {self.digest.name}"

    def derive(self, password: Reading, size: int) -> bytes:
        return PBKDF2HMAC(self.digest.algorithm, size, self.salt, self.iterations).derive(password.new)


@dataclass(frozen=True, slots=True)
class _Scrypt:
    salt: bytes
    cost: int
    block: int
    parallel: int
    size: int | None

    name = "scrypt"

    @property
    def iterations(self) -> int:
        return self.cost * self.block * self.parallel

    def derive(self, password: Reading, size: int) -> bytes:
        return Scrypt(self.salt, size, self.cost, self.block, self.parallel).derive(password.new)


# --- ciphers


class _Cipher(NamedTuple):
    name: str
    key: int
    """Octets."""
    block: int
    """Octets; none for a stream."""


_OLD_CIPHERS = {
    der.oid("1.2.840.113549.1.12.1.1"): _Cipher("RC4-128", 16, 0),
    der.oid("1.2.840.113549.1.12.1.2"): _Cipher("RC4-40", 5, 0),
    der.oid("1.2.840.113549.1.12.1.3"): _Cipher("3DES", 24, 8),
    der.oid("1.2.840.113549.1.12.1.4"): _Cipher("3DES", 16, 8),  # with two keys
    der.oid("1.2.840.113549.1.12.1.5"): _Cipher("RC2-128", 16, 8),
    der.oid("1.2.840.113549.1.12.1.6"): _Cipher("RC2-40", 5, 8),
}
_NEW_CIPHERS = {
    der.oid("2.16.840.1.101.3.4.1.2"): _Cipher("AES-128", 16, 16),
    der.oid("2.16.840.1.101.3.4.1.22"): _Cipher("AES-192", 24, 16),
    der.oid("2.16.840.1.101.3.4.1.42"): _Cipher("AES-256", 32, 16),
    der.oid("1.2.840.113549.3.7"): _Cipher("3DES", 24, 8),
}


def _decrypt(cipher: _Cipher, key: bytes, vector: bytes, data: bytes) -> bytes | None:
    """Nothing where the padding is wrong, which it nearly always is under a wrong key."""
    if not cipher.block:
        return Cipher(ARC4(key), None).decryptor().update(data)
    if not data or len(data) % cipher.block:
        return None
    if cipher.name.startswith("RC2"):
        plain = rc2_cbc(key, vector, data)
    elif cipher.name == "3DES":
        plain = Cipher(TripleDES(key if len(key) == 24 else key + key[:8]), modes.CBC(vector)).decryptor().update(data)
    else:
        plain = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor().update(data)
    padding = plain[-1]
    if not 1 <= padding <= cipher.block or plain[-padding:] != bytes((padding,)) * padding:
        return None
    return plain[:-padding]


_PITABLE = bytes.fromhex(
    "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2"
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82"
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626"
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7"
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec"
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731"
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9"
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"
)


def rc2_cbc(key: bytes, vector: bytes, data: bytes) -> bytes:
    """Decrypt whole blocks with RC2 (RFC 2268), whose effective key length is that of the key.

    Written out, because no library here has RC2 with 40 bits: what macOS and older Windows encrypt certificates with.
    """
    words = _rc2_schedule(key)
    plain = bytearray()
    for at in range(0, len(data), 8):
        block = data[at : at + 8]
        mixed = _rc2_block(words, [int.from_bytes(block[two : two + 2], "little") for two in (0, 2, 4, 6)])
        plain += bytes(a ^ b for a, b in zip(mixed, vector, strict=True))
        vector = block
    return bytes(plain)


def _rc2_schedule(key: bytes) -> list[int]:
    expanded = bytearray(key)
    while len(expanded) < 128:
        expanded.append(_PITABLE[(expanded[-1] + expanded[-len(key)]) & 0xFF])
    first = 128 - len(key)
    expanded[first] = _PITABLE[expanded[first]]
    for at in range(first - 1, -1, -1):
        expanded[at] = _PITABLE[expanded[at + 1] ^ expanded[at + len(key)]]
    return [int.from_bytes(expanded[at : at + 2], "little") for at in range(0, 128, 2)]


def _rc2_block(words: list[int], r: list[int]) -> bytes:
    for turn in range(15, -1, -1):
        for i, shift in ((3, 5), (2, 3), (1, 2), (0, 1)):
            rotated = r[i] >> shift | r[i] << 16 - shift & 0xFFFF
            mixed = r[i - 1] & r[i - 2] | ~r[i - 1] & r[i - 3]
            r[i] = rotated - words[4 * turn + i] - mixed & 0xFFFF
        if turn in {5, 11}:
            for i in (3, 2, 1, 0):
                r[i] = r[i] - words[r[i - 1] & 63] & 0xFFFF
    return b"".join(word.to_bytes(2, "little") for word in r)


# --- what a file names


@dataclass(frozen=True, slots=True)
class Encryption:
    """How something is encrypted, and how much work a key for it takes."""

    cipher: _Cipher
    derivation: _Old | _Pbkdf2 | _Scrypt
    vector: bytes

    @property
    def name(self) -> str:
        """Such as "AES-256, PBKDF2 sha256"."""
        return f"{self.cipher.name}, {self.derivation.name}"

    @property
    def iterations(self) -> int:
        return self.derivation.iterations

    def decrypt(self, data: bytes, password: Reading) -> bytes | None:
        """Nothing where it shows that the password is wrong. Where something comes out, it may still be."""
        if isinstance(self.derivation, _Old):
            key = self.derivation.derive(password, _KEY, self.cipher.key)
            vector = self.derivation.derive(password, _VECTOR, self.cipher.block) if self.cipher.block else b""
        else:
            key, vector = self.derivation.derive(password, self.cipher.key), self.vector
        return _decrypt(self.cipher, key, vector, data)


@dataclass(frozen=True, slots=True)
class Authentication:
    """How it is made sure that a file has not been changed by somebody without the password."""

    digest: _Digest
    derivation: _Old | _Pbkdf2
    value: bytes

    @property
    def name(self) -> str:
        return f"HMAC {self.digest.name}, {self.derivation.name}"

    @property
    def iterations(self) -> int:
        return self.derivation.iterations

    def verify(self, data: bytes, password: Reading) -> bool:
        if isinstance(self.derivation, _Old):
            key = self.derivation.derive(password, _MAC, self.digest.algorithm.digest_size)
        else:
            key = self.derivation.derive(password, self.derivation.size or self.digest.algorithm.digest_size)
        return hmac.compare_digest(hmac.new(key, data, self.digest.name).digest(), self.value)


_PBES2 = der.oid("1.2.840.113549.1.5.13")
_PBMAC1 = der.oid("1.2.840.113549.1.5.14")
_PBKDF2 = der.oid("1.2.840.113549.1.5.12")
_SCRYPT = der.oid("1.3.6.1.4.1.11591.4.11")


def encryption(data: bytes, position: int, end: int) -> Encryption:
    """Read the AlgorithmIdentifier between two offsets. Refused if it is not known or asks for too much work,
    ProtocolError if it is damaged.
    """
    oid, start, stop = _algorithm(data, position, end)
    old = _OLD_CIPHERS.get(oid)
    if old:
        start, stop = der.expect(data, start, stop, der.SEQUENCE)
        salt, position = _salt(data, start, stop)
        iterations, _ = _iterations(data, position, stop)
        return Encryption(old, _Old(_SHA1, salt, iterations), b"")
    if oid != _PBES2:
        raise Refused(Reason.UNKNOWN_ENCRYPTION)
    start, stop = der.expect(data, start, stop, der.SEQUENCE)
    _, following = der.expect(data, start, stop, der.SEQUENCE)
    derivation = _derivation(data, start, following)
    oid, start, stop = _algorithm(data, following, stop)
    cipher = _NEW_CIPHERS.get(oid)
    if cipher is None:
        raise Refused(Reason.UNKNOWN_ENCRYPTION)
    start, stop = der.expect(data, start, stop, der.OCTET_STRING)
    if stop - start != cipher.block or derivation.size not in {None, cipher.key}:
        raise ProtocolError("The parameters of the encryption do not fit it.")
    return Encryption(cipher, derivation, data[start:stop])


def authentication(data: bytes, position: int, end: int) -> Authentication:
    """Read the MacData (RFC 7292 4, RFC 9579) between two offsets; errors as for `encryption`."""
    start, end = der.expect(data, position, end, der.SEQUENCE)
    info, info_stop = der.expect(data, start, end, der.SEQUENCE)
    _, algorithm_stop = der.expect(data, info, info_stop, der.SEQUENCE)
    value = der.octets(data, *der.element(data, algorithm_stop, info_stop))
    oid, parameters, parameters_stop = _algorithm(data, info, algorithm_stop)
    if oid == _PBMAC1:  # with its own salt and iterations: those outside count for nothing
        return _pbmac1(data, parameters, parameters_stop, value)
    digest = _DIGESTS.get(oid)
    if digest is None:
        raise Refused(Reason.UNKNOWN_ENCRYPTION)
    salt, position = _salt(data, info_stop, end)
    iterations = 1 if position == end else _iterations(data, position, end)[0]
    return Authentication(digest, _Old(digest, salt, iterations), value)


def _pbmac1(data: bytes, position: int, end: int, value: bytes) -> Authentication:
    start, stop = der.expect(data, position, end, der.SEQUENCE)
    _, following = der.expect(data, start, stop, der.SEQUENCE)
    derivation = _derivation(data, start, following)
    digest = _HMACS.get(_algorithm(data, following, stop)[0])
    if digest is None or isinstance(derivation, _Scrypt):
        raise Refused(Reason.UNKNOWN_ENCRYPTION)
    if derivation.size is not None and not 16 <= derivation.size <= 64:
        raise ProtocolError("The length of the key does not fit the authentication.")
    return Authentication(digest, derivation, value)


def _derivation(data: bytes, position: int, end: int) -> _Pbkdf2 | _Scrypt:
    oid, start, stop = _algorithm(data, position, end)
    if oid not in {_PBKDF2, _SCRYPT}:
        raise Refused(Reason.UNKNOWN_ENCRYPTION)
    start, stop = der.expect(data, start, stop, der.SEQUENCE)
    salt, position = _salt(data, start, stop)
    if oid == _SCRYPT:
        return _scrypt(data, position, stop, salt)
    iterations, position = _iterations(data, position, stop)
    size, position = _optional_size(data, position, stop)
    digest: _Digest | None = _SHA1
    if position < stop:
        digest = _HMACS.get(_algorithm(data, position, stop)[0])
    if digest is None:
        raise Refused(Reason.UNKNOWN_ENCRYPTION)
    return _Pbkdf2(digest, salt, iterations, size)


def _scrypt(data: bytes, position: int, end: int, salt: bytes) -> _Scrypt:
    cost, position = _positive(data, position, end)
    block, position = _positive(data, position, end)
    parallel, position = _positive(data, position, end)
    size, _ = _optional_size(data, position, end)
    if 128 * cost * block > _MAXIMUM_SCRYPT_MEMORY or cost * block * parallel > _MAXIMUM_SCRYPT_COST:
        raise TooMuchWork
    if cost < 2 or cost & cost - 1:
        raise ProtocolError("The cost of scrypt is not a power of two.")
    return _Scrypt(salt, cost, block, parallel, size)


def _algorithm(data: bytes, position: int, end: int) -> tuple[bytes, int, int]:
    """An AlgorithmIdentifier: content octets of its identifier, and where its parameters begin and end."""
    start, stop = der.expect(data, position, end, der.SEQUENCE)
    oid_start, oid_stop = der.expect(data, start, stop, der.OBJECT_IDENTIFIER)
    return data[oid_start:oid_stop], oid_stop, stop


def _salt(data: bytes, position: int, end: int) -> tuple[bytes, int]:
    tag, start, stop = der.element(data, position, end)
    if tag not in {der.OCTET_STRING, der.OCTET_STRING | der.CONSTRUCTED}:
        raise ProtocolError("A salt is not an octet string.")
    salt = der.octets(data, tag, start, stop)
    if len(salt) > _MAXIMUM_SALT:
        raise TooMuchWork
    return salt, stop


def _iterations(data: bytes, position: int, end: int) -> tuple[int, int]:
    iterations, stop = _positive(data, position, end)
    if iterations > MAXIMUM_ITERATIONS:
        raise TooMuchWork
    return iterations, stop


def _optional_size(data: bytes, position: int, end: int) -> tuple[int | None, int]:
    if position < end and data[position] == der.INTEGER:
        return _positive(data, position, end)
    return None, position


def _positive(data: bytes, position: int, end: int) -> tuple[int, int]:
    start, stop = der.expect(data, position, end, der.INTEGER)
    value = int.from_bytes(data[start:stop], "big", signed=True)
    if value < 1:
        raise ProtocolError("The file holds a number that is not positive where it must be.")
    return value, stop
