"""PKCS #12 (RFC 7292): a private key and its certificate in one file under a password; how people bring an identity.

`inspect` looks at a file without deriving a key, so it is cheap whatever the file asks for. `open_bundle` derives keys,
and so belongs into a process whose time and memory are limited: what is inside an encrypted part only shows once that
is decrypted. `wrap` writes what was opened anew, for a target, under a fresh password.

Read leniently, because real files are of thirty years and many programs: any order, lengths and strings of BER, bags
that nobody needs. Everything that is wrong is a `Refused` with a reason that a person can act on.

The file is long because one format is read in it from its first byte to its last: each function knows the one before.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import der, keys, pbe
from mydevices.protocols.pki.pbe import Authentication, Encryption, Reading
from mydevices.protocols.pki.refusals import NotPkcs12, Reason, Refused, TooMuchWork, WrongPassword

MAXIMUM_SIZE = der.MAXIMUM_SIZE
"""Bytes. A key of 4,096 bits with a chain of three certificates has about 9,000."""
_MAXIMUM_WORK = 3 * pbe.MAXIMUM_ITERATIONS
"""Iterations of all derivations that show from outside, together."""
_CHEAP = 100_000
"""Iterations up to which other spellings of a password are tried, too."""
_MAXIMUM_BAGS = 64
_MAXIMUM_NESTING = 4
_MAXIMUM_CHAIN = 8
_MAXIMUM_KEY = 8 * 1024
"""Bytes of a PrivateKeyInfo: RSA with 8,192 bits has 4,700."""
_MAXIMUM_NAME = 128

_DATA = der.oid("1.2.840.113549.1.7.1")
_ENCRYPTED_DATA = der.oid("1.2.840.113549.1.7.6")
_KEY_BAG = der.oid("1.2.840.113549.1.12.10.1.1")
_SHROUDED_KEY_BAG = der.oid("1.2.840.113549.1.12.10.1.2")
_CERTIFICATE_BAG = der.oid("1.2.840.113549.1.12.10.1.3")
_SAFE_CONTENTS_BAG = der.oid("1.2.840.113549.1.12.10.1.6")
_X509_CERTIFICATE = der.oid("1.2.840.113549.1.9.22.1")
_FRIENDLY_NAME = der.oid("1.2.840.113549.1.9.20")
_LOCAL_KEY_ID = der.oid("1.2.840.113549.1.9.21")
_EXPLICIT = 0xA0  # [0]

PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | dsa.DSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outline:
    """What shows of a file without its password."""

    authentication: Authentication | None
    """Nothing where the file is not protected against changes."""
    encryptions: tuple[Encryption, ...]
    """Of encrypted parts, and of keys in parts that are not; what is inside encrypted parts does not show."""
    encrypted_parts: int
    keys: int
    """That show."""
    certificates: int
    """That show."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """One private key and its certificate, whatever they came in."""

    key: bytes = field(repr=False)
    """DER PrivateKeyInfo (PKCS #8), not encrypted."""
    certificate: bytes
    """DER."""
    chain: tuple[bytes, ...]
    """DER certificates of those who issued it, the nearest first, as far as the file holds them."""
    friendly_name: str | None


class _Bag(NamedTuple):
    kind: bytes
    value: bytes
    """The encoded element."""
    friendly_name: str | None
    local_key_id: bytes | None


class _Part(NamedTuple):
    """A ContentInfo of the file: SafeContents, or what they are encrypted as."""

    encryption: Encryption | None
    content: bytes


class _File(NamedTuple):
    authentication: Authentication | None
    authenticated: bytes
    """What the authentication covers."""
    parts: list[_Part]


def inspect(data: bytes) -> Outline:
    """Look at a file without deriving a key; Refused for all that shows to be no good."""
    return _guarded(lambda: _outline(_file(data)))


def open_bundle(data: bytes, password: str) -> Bundle:
    """Open a file; Refused, of which `WrongPassword` where it is the password.

    The key comes out as one encoding however it went in, and belongs to the certificate. Whether they are good for
    anything is `smime.assess`'s to say.
    """
    return _guarded(lambda: _open(_file(data), password))


def _guarded(work: Callable[[], T]) -> T:
    """Say of every damage to the encoding the one thing that a person can use."""
    try:
        return work()
    except der.TooDeep as error:
        raise Refused(Reason.NESTED) from error
    except ProtocolError as error:
        raise Refused(Reason.DAMAGED) from error


# --- what shows from outside


def _file(data: bytes) -> _File:
    if len(data) > MAXIMUM_SIZE:
        raise Refused(Reason.TOO_LARGE)
    other = _something_else(data)
    if other:
        raise NotPkcs12(other)
    data, _ = der.definite_throughout(data)  # bytes after the end count for nothing: mail and web servers add line ends
    start, end = der.whole(data)
    _, position = der.expect(data, start, end, der.INTEGER)
    kind, content, stop = _content_info(data, position, end)
    if kind != _DATA:  # signed with a key instead of authenticated by a password (RFC 7292 3.1): nobody makes these
        raise Refused(Reason.UNKNOWN_CONTENT)
    authenticated = _octet_string(data, content, stop)
    authentication = pbe.authentication(data, stop, end) if stop < end else None
    return _File(authentication, authenticated, [_part(*one) for one in _sequence_of(authenticated)])


def _outline(file: _File) -> Outline:
    bags = [bag for part in file.parts if part.encryption is None for bag in _bags(part.content)]
    encryptions = [part.encryption for part in file.parts if part.encryption]
    encryptions += [_shrouded(bag.value)[0] for bag in bags if bag.kind == _SHROUDED_KEY_BAG]
    work = sum(one.iterations for one in encryptions) + (file.authentication.iterations if file.authentication else 0)
    if work > _MAXIMUM_WORK:
        raise TooMuchWork
    return Outline(
        authentication=file.authentication,
        encryptions=tuple(encryptions),
        encrypted_parts=sum(part.encryption is not None for part in file.parts),
        keys=sum(bag.kind in {_KEY_BAG, _SHROUDED_KEY_BAG} for bag in bags),
        certificates=sum(bag.kind == _CERTIFICATE_BAG for bag in bags),
    )


def _sequence_of(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Data, position and end of each element of the one SEQUENCE that `data` is."""
    size = len(data)
    data, stop = der.definite_throughout(data)
    if stop != size:  # under a wrong password anything may come out, and a short element be followed by the rest
        raise ProtocolError("A part of the file is followed by bytes that do not belong to it.")
    start, stop = der.whole(data)
    for _, position, _, following in der.elements(data, start, stop):
        yield data, position, following


def _content_info(data: bytes, position: int, end: int) -> tuple[bytes, int, int]:
    """A ContentInfo: content octets of its type, where its content begins, and where it ends."""
    start, stop = der.expect(data, position, end, der.SEQUENCE)
    oid_start, oid_stop = der.expect(data, start, stop, der.OBJECT_IDENTIFIER)
    content, content_stop = der.expect(data, oid_stop, stop, _EXPLICIT)
    return data[oid_start:oid_stop], content, content_stop


def _octet_string(data: bytes, position: int, end: int) -> bytes:
    tag, start, stop = der.element(data, position, end)
    if tag & ~der.CONSTRUCTED != der.OCTET_STRING:
        raise ProtocolError("The file holds something else where octets belong.")
    return der.octets(data, tag, start, stop)


def _part(data: bytes, position: int, end: int) -> _Part:
    kind, content, stop = _content_info(data, position, end)
    if kind == _DATA:
        return _Part(None, _octet_string(data, content, stop))
    if kind != _ENCRYPTED_DATA:  # encrypted for a certificate instead of a password: nobody makes these
        raise Refused(Reason.UNKNOWN_CONTENT)
    start, stop = der.expect(data, content, stop, der.SEQUENCE)
    _, position = der.expect(data, start, stop, der.INTEGER)
    start, stop = der.expect(data, position, stop, der.SEQUENCE)
    oid_start, oid_stop = der.expect(data, start, stop, der.OBJECT_IDENTIFIER)
    if data[oid_start:oid_stop] != _DATA:
        raise Refused(Reason.UNKNOWN_CONTENT)
    _, algorithm_stop = der.expect(data, oid_stop, stop, der.SEQUENCE)
    tag, start, stop = der.element(data, algorithm_stop, stop)
    if tag & ~der.CONSTRUCTED != 0x80:
        raise ProtocolError("The file holds something else where octets belong.")
    return _Part(pbe.encryption(data, oid_stop, algorithm_stop), der.octets(data, tag, start, stop))


def _bags(contents: bytes, depth: int = _MAXIMUM_NESTING) -> list[_Bag]:
    """All bags of encoded SafeContents, those within bags among them."""
    if depth == 0:
        raise der.TooDeep
    found: list[_Bag] = []
    for data, position, end in _sequence_of(contents):
        kind, content, stop = _content_info(data, position, end)
        value = data[content:stop]
        if kind == _SAFE_CONTENTS_BAG:
            found += _bags(value, depth - 1)
        else:
            found.append(_Bag(kind, value, *_attributes(data, stop, end)))
        if len(found) > _MAXIMUM_BAGS:
            raise Refused(Reason.UNKNOWN_CONTENT)
    return found


def _attributes(data: bytes, position: int, end: int) -> tuple[str | None, bytes | None]:
    """The friendlyName and the localKeyID, where there are any. Windows adds others, such as the CSP of the key."""
    name = identifier = None
    if position < end:
        start, stop = der.expect(data, position, end, der.SET)
        for _, _, attribute, attribute_stop in der.elements(data, start, stop):
            oid_start, oid_stop = der.expect(data, attribute, attribute_stop, der.OBJECT_IDENTIFIER)
            oid = data[oid_start:oid_stop]
            if oid not in {_FRIENDLY_NAME, _LOCAL_KEY_ID}:
                continue
            values, values_stop = der.expect(data, oid_stop, attribute_stop, der.SET)
            for tag, _, value, value_stop in der.elements(data, values, values_stop):
                if oid == _LOCAL_KEY_ID:
                    identifier = data[value:value_stop]
                elif tag == 0x1E:  # BMPString; letters beyond it come as surrogates, as everywhere in Windows and Java
                    name = readable(data[value:value_stop].decode("utf-16-be", errors="replace"))
    return name or None, identifier


def readable(text: str) -> str:
    """Text from a file, fit for a page: one line, nothing that does not show or turns the line around, not too long."""
    kept = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(kept.split())[:_MAXIMUM_NAME]


def _shrouded(value: bytes) -> tuple[Encryption, bytes]:
    """An EncryptedPrivateKeyInfo: how it is encrypted, and what."""
    start, stop = der.whole(value)
    _, algorithm_stop = der.expect(value, start, stop, der.SEQUENCE)
    return pbe.encryption(value, start, algorithm_stop), _octet_string(value, algorithm_stop, stop)


# --- what is inside


def _open(file: _File, password: str) -> Bundle:
    candidates = _candidates(file, password)
    bags: list[_Bag] = []
    opened = []
    for part in file.parts:
        found = _opened(part, candidates)
        bags += found or []
        opened += [found is not None] if part.encryption else []
    if not all(opened):
        raise Refused(Reason.TWO_PASSWORDS) if file.authentication or any(opened) else WrongPassword()
    shown = {
        bag.value: bag for bag in bags if bag.kind in {_KEY_BAG, _SHROUDED_KEY_BAG}
    }  # the same one may be in twice
    if not shown:
        raise Refused(Reason.NO_PRIVATE_KEY)
    if len(shown) > 1:
        raise Refused(Reason.SEVERAL_PRIVATE_KEYS)
    (bag,) = shown.values()
    encoded = _key(bag, candidates)
    if encoded is None:
        raise Refused(Reason.TWO_PASSWORDS) if file.authentication or opened else WrongPassword()
    return _bundle(load(encoded), bag, [one for one in bags if one.kind == _CERTIFICATE_BAG])


def _candidates(file: _File, password: str) -> list[Reading]:
    """How the password may have been spelt, where the authentication says it by that."""
    outline = _outline(file)
    candidates = pbe.readings(password)
    if password and any(one and one.iterations > _CHEAP for one in (outline.authentication, *outline.encryptions)):
        candidates = candidates[:1]
    if file.authentication is None:
        return candidates
    for candidate in candidates:
        if file.authentication.verify(file.authenticated, candidate):
            # The parts are under this password, however spelt. NSS before 3.31 took the old spelling for PBKDF2, too.
            spelt = [Reading(candidate.old, other.new) for other in candidates]
            return list(dict.fromkeys([candidate, *spelt, Reading(candidate.old, candidate.old)]))
    if _opens(file, candidates[:1]):
        raise Refused(Reason.DAMAGED)
    raise WrongPassword


def _opens(file: _File, candidates: Sequence[Reading]) -> bool:
    """Whether the password opens anything, though the authentication does not hold: then the file was changed."""
    for part in file.parts:
        bags = _opened(part, candidates)
        if part.encryption and bags is not None:
            return True
        if any(bag.kind == _SHROUDED_KEY_BAG and _key(bag, candidates) for bag in bags or []):
            return True
    return False


def _opened(part: _Part, candidates: Sequence[Reading]) -> list[_Bag] | None:
    """The bags of a part; nothing if no candidate decrypts it."""
    if part.encryption is None:
        return _bags(part.content)
    for candidate in candidates:
        plain = part.encryption.decrypt(part.content, candidate)
        if plain is None:
            continue
        try:
            return _bags(plain)
        except der.TooDeep:
            raise
        except ProtocolError:  # the wrong password, and padding by chance
            continue
    return None


def _key(bag: _Bag, candidates: Sequence[Reading]) -> bytes | None:
    """The PrivateKeyInfo in a bag; nothing if no candidate decrypts it."""
    if bag.kind == _KEY_BAG:
        return _private_key_info(bag.value)
    encryption, encrypted = _shrouded(bag.value)
    for candidate in candidates:
        plain = encryption.decrypt(encrypted, candidate)
        if plain is None:
            continue
        try:
            return _private_key_info(plain)
        except ProtocolError:
            continue
    return None


def _private_key_info(data: bytes) -> bytes:
    """A PrivateKeyInfo without its attributes and the public key (RFC 5958), which Windows and Java add."""
    size = len(data)
    data, consumed = der.definite_throughout(data)
    start, stop = der.whole(data)
    _, algorithm = der.expect(data, start, stop, der.INTEGER)
    _, algorithm_stop = der.expect(data, algorithm, stop, der.SEQUENCE)
    key = _octet_string(data, algorithm_stop, stop)
    if consumed != size:
        raise ProtocolError("The private key is followed by bytes that do not belong to it.")
    return der.sequence(der.integer(0), data[algorithm:algorithm_stop], der.tlv(der.OCTET_STRING, key))


def load(encoded: bytes) -> PrivateKey:
    """A DER PrivateKeyInfo; Refused if it is not a key to sign or decrypt with."""
    if len(encoded) > _MAXIMUM_KEY:
        raise Refused(Reason.UNUSABLE_KEY)
    try:
        key = serialization.load_der_private_key(encoded, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Refused(Reason.UNUSABLE_KEY) from error
    if not isinstance(key, PrivateKey) or (isinstance(key, rsa.RSAPrivateKey) and key.key_size > keys.MAXIMUM_RSA_BITS):
        raise Refused(Reason.UNUSABLE_KEY)
    return key


class _Certificate(NamedTuple):
    encoded: bytes
    issuer: bytes
    subject: bytes
    public_key: bytes
    """Octets of the key itself, without its algorithm: that of RSA has two names."""
    not_after: str
    """Year, month and so on, in digits."""
    bag: _Bag


def _bundle(key: PrivateKey, key_bag: _Bag, bags: Sequence[_Bag]) -> Bundle:
    """The key with its certificate, and with those of who issued that."""
    if not bags:
        raise Refused(Reason.NO_CERTIFICATE)
    certificates = list(filter(None, map(_certificate, bags)))
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    public_key = _public_key(spki)
    matching = [certificate for certificate in certificates if certificate.public_key == public_key]
    if not matching:
        raise Refused(Reason.KEY_MISMATCH if len(certificates) == len(bags) else Reason.UNUSABLE_CERTIFICATE)
    own = max(matching, key=lambda one: (_same(one.bag.local_key_id, key_bag.local_key_id), one.not_after))
    return Bundle(
        key=key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        certificate=own.encoded,
        chain=tuple(_chain(own, certificates)),
        friendly_name=key_bag.friendly_name or own.bag.friendly_name,
    )


def _same(one: bytes | None, other: bytes | None) -> bool:
    return one is not None and one == other


def _certificate(bag: _Bag) -> _Certificate | None:
    """What a CertBag holds, read by offsets; nothing where it is no X.509 certificate or not encoded as one."""
    try:
        start, stop = der.whole(bag.value)
        oid_start, oid_stop = der.expect(bag.value, start, stop, der.OBJECT_IDENTIFIER)
        if bag.value[oid_start:oid_stop] != _X509_CERTIFICATE:
            return None
        value, value_stop = der.expect(bag.value, oid_stop, stop, _EXPLICIT)
        encoded = _octet_string(bag.value, value, value_stop)
        return _outlined(encoded, bag)
    except ProtocolError:
        return None


def _outlined(encoded: bytes, bag: _Bag) -> _Certificate:
    """The fields of a Certificate (RFC 5280 4.1) that tell what belongs together."""
    start, stop = der.whole(encoded)
    position, stop = der.expect(encoded, start, stop, der.SEQUENCE)
    tag, _, following = der.element(encoded, position, stop)
    if tag == _EXPLICIT:  # version, absent in version 1
        position = following
    _, position = der.expect(encoded, position, stop, der.INTEGER)
    _, issuer = der.expect(encoded, position, stop, der.SEQUENCE)
    _, issuer_stop = der.expect(encoded, issuer, stop, der.SEQUENCE)
    validity, subject = der.expect(encoded, issuer_stop, stop, der.SEQUENCE)
    _, subject_stop = der.expect(encoded, subject, stop, der.SEQUENCE)
    _, spki_stop = der.expect(encoded, subject_stop, stop, der.SEQUENCE)
    (_, (kind, _, until, until_stop), *_) = [*der.elements(encoded, validity, subject), (0, 0, 0, 0), (0, 0, 0, 0)]
    not_after = encoded[until:until_stop].decode("latin-1")
    if kind == der.UTC_TIME:  # RFC 5280 4.1.2.5.1
        not_after = ("20" if not_after < "50" else "19") + not_after
    return _Certificate(
        encoded=encoded,
        issuer=encoded[issuer:issuer_stop],
        subject=encoded[subject:subject_stop],
        public_key=_public_key(encoded[subject_stop:spki_stop]),
        not_after=not_after,
        bag=bag,
    )


def _public_key(spki: bytes) -> bytes:
    start, stop = der.whole(spki)
    _, algorithm_stop = der.expect(spki, start, stop, der.SEQUENCE)
    return der.bits(spki, algorithm_stop, stop)


def _chain(own: _Certificate, certificates: Sequence[_Certificate]) -> Iterator[bytes]:
    """Those who issued it, as far as their names say so. Whatever else is in the file belongs to somebody else."""
    seen = {own.encoded}
    current = own
    while len(seen) <= _MAXIMUM_CHAIN and current.issuer != current.subject:
        above = [one for one in certificates if one.subject == current.issuer and one.encoded not in seen]
        if not above:
            return
        current = max(above, key=lambda one: one.not_after)
        seen.add(current.encoded)
        yield current.encoded


# --- what else it may be

_PEM = b"-----BEGIN "
_PEM_KINDS = (
    (b"PGP ", Reason.OPENPGP),
    (b"OPENSSH PRIVATE KEY", Reason.SSH_KEY),
    (b"SSH2 ", Reason.SSH_KEY),
    (b"PKCS7", Reason.CERTIFICATES_ONLY),
    (b"CMS", Reason.ENCRYPTED_MESSAGE),
    (b"CERTIFICATE REQUEST", Reason.CERTIFICATE_REQUEST),
    (b"NEW CERTIFICATE REQUEST", Reason.CERTIFICATE_REQUEST),
)
_MAGIC = (
    (b"\xfe\xed\xfe\xed", Reason.JAVA_KEYSTORE),  # JKS
    (b"\xce\xce\xce\xce", Reason.JAVA_KEYSTORE),  # JCEKS
    (b"PK\x03\x04", Reason.ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", Reason.ARCHIVE),
    (b"Rar!", Reason.ARCHIVE),
    (b"\x1f\x8b", Reason.ARCHIVE),
)
_SIGNED_DATA = der.identifier(der.oid("1.2.840.113549.1.7.2"))
_PKCS7 = der.oid("1.2.840.113549.1.7")


def _something_else(data: bytes) -> Reason | None:
    """What the file is, if it is no PKCS #12; by its first bytes, so that a truncated file is known, too."""
    if not data:
        return Reason.EMPTY
    for magic, reason in _MAGIC:
        if data.startswith(magic):
            return reason
    if _PEM in data:
        return _text(data)
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return Reason.WEB_PAGE
    if data[0] != der.SEQUENCE:
        return Reason.SOMETHING_ELSE
    return _encoded(_headers(data))


def _text(data: bytes) -> Reason:
    labels = [part.partition(b"-----")[0] for part in data.split(_PEM)[1:]]
    for start, reason in _PEM_KINDS:
        if any(label.startswith(start) for label in labels):
            return reason
    key = any(label.endswith(b"PRIVATE KEY") for label in labels)
    certificate = any(label.endswith(b"CERTIFICATE") for label in labels)
    if key and certificate:
        return Reason.BOTH_TEXT
    if key:
        return Reason.KEY_TEXT
    return Reason.CERTIFICATE_TEXT if certificate else Reason.SOMETHING_ELSE


def _headers(data: bytes) -> list[tuple[int, bytes]]:
    """The first elements in the file's outermost one, and the first ones of each of these where it is a SEQUENCE,
    flattened: tag, and up to 16 octets of the content. Stops at whatever cannot be read.
    """
    found: list[tuple[int, bytes]] = []
    position = _content(data, 0)
    while position < len(data) and len(found) < 8:
        content = _content(data, position)
        length = data[position + 1 : position + 2]
        found.append((data[position], data[content : content + 16]))
        nested = data[position] == der.SEQUENCE
        try:
            position = content if nested or length == b"\x80" else der.element(data, position, len(data))[2]
        except ProtocolError:
            break
    return found


def _content(data: bytes, position: int) -> int:
    """Where the content of the element at `position` begins, whatever its length."""
    length = data[position + 1] if position + 1 < len(data) else 0
    return position + 2 + (length & 0x7F if length > 0x80 else 0)


def _encoded(headers: Sequence[tuple[int, bytes]]) -> Reason | None:
    """What DER or BER with these headers is, each with the outermost SEQUENCE taken off:

    PKCS #12     INTEGER 3, SEQUENCE, OID of PKCS #7
    private key  INTEGER, INTEGER (PKCS #1) or INTEGER, OCTET STRING (SEC 1) or INTEGER, SEQUENCE, OID (PKCS #8)
                 or SEQUENCE, OID, SEQUENCE (encrypted PKCS #8)
    PKCS #7      OID
    certificate  SEQUENCE, [0] or SEQUENCE, INTEGER, SEQUENCE, OID (version 1)
    request      SEQUENCE, INTEGER, SEQUENCE, SET
    """
    tags = tuple(tag for tag, _ in headers)
    if tags[:2] == (der.INTEGER, der.SEQUENCE) and headers[0][1].startswith(b"\x03\x30"):
        return None
    if tags[:3] == (der.INTEGER, der.SEQUENCE, der.OBJECT_IDENTIFIER):
        return Reason.KEY_ALONE
    if tags[:2] in {(der.INTEGER, der.INTEGER), (der.INTEGER, der.OCTET_STRING)}:
        return Reason.KEY_ALONE
    if tags[:3] == (der.SEQUENCE, der.OBJECT_IDENTIFIER, der.SEQUENCE):
        return Reason.KEY_ALONE
    if tags[:1] == (der.OBJECT_IDENTIFIER,) and headers[0][1].startswith(_PKCS7):
        signed = headers[0][1].startswith(_SIGNED_DATA[2:])
        return Reason.CERTIFICATES_ONLY if signed else Reason.ENCRYPTED_MESSAGE
    if tags[:2] == (der.SEQUENCE, _EXPLICIT):
        return Reason.CERTIFICATE_ALONE
    if tags[:3] == (der.SEQUENCE, der.INTEGER, der.SEQUENCE):
        return Reason.CERTIFICATE_REQUEST if tags[3:4] == (der.SET,) else Reason.CERTIFICATE_ALONE
    return Reason.SOMETHING_ELSE
