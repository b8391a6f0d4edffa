"""A small reader and writer of DER (X.690), for the few structures that devices send and we answer with.

Reading is a walk by offsets: no objects, no unbounded recursion, every length checked before it is used. The one
concession to BER is what real encoders produce (Apple's does both): indefinite lengths, which `definite` and
`definite_throughout` rewrite, and octet strings in pieces, which `octets` joins. Everything wrong is a `ProtocolError`.
"""

from collections.abc import Iterable

from mydevices.errors import ProtocolError

MAXIMUM_SIZE = 64 * 1024
"""Bytes of the longest message worth reading: a SCEP request has about 4,500, an Mdm-Signature header at most 9,000."""

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31
CONSTRUCTED = 0x20
"""The bit in a tag that says: the content is elements, not a value."""

_MAXIMUM_DEPTH = 16
_MAXIMUM_ELEMENTS = 512

_ENCODINGS = {
    0x0C: "utf-8",  # UTF8String
    0x12: "ascii",  # NumericString
    0x13: "latin-1",  # PrintableString: real requests hold '!', '@' and worse
    0x14: "latin-1",  # TeletexString, as everybody reads it
    0x16: "latin-1",  # IA5String
    0x1A: "latin-1",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}


class TooDeep(ProtocolError):
    """Elements within elements, further down than anything we read goes."""

    def __init__(self) -> None:
        super().__init__("The message is nested too deeply.")


def element(data: bytes, position: int, end: int) -> tuple[int, int, int]:
    """Read the header at `position`: (tag, start of the content, end of the content), all within `end`.

    Tags above 30 do not occur in anything we read. Lengths need not be minimal: where that matters, the caller compares
    with what it would have written itself.
    """
    start = position + 2
    if start > end:
        raise ProtocolError("The message ends in the middle of an element.")
    tag = data[position]
    stop = start + data[position + 1]
    if stop >= start + 0x80:
        start, stop = _long_form(data, position, stop - start)
    if stop > end:
        raise ProtocolError("An element of the message is longer than what surrounds it.")
    if tag & 0x1F == 0x1F:
        raise ProtocolError("The message holds a tag that none of its parts may have.")
    return tag, start, stop


def _long_form(data: bytes, position: int, first: int) -> tuple[int, int]:
    """Where the content of an element begins and ends whose length begins with the octet `first`, above 0x7f."""
    if first == 0x80:
        raise ProtocolError("The message uses an indefinite length where a definite one is needed.")
    start = position + 2 + (first & 0x7F)
    if first > 0x84:
        raise ProtocolError("The message claims to be longer than any message is.")
    return start, start + int.from_bytes(data[position + 2 : start], "big")


def expect(data: bytes, position: int, end: int, tag: int) -> tuple[int, int]:
    """Read the header at `position`, which must have this tag: (start of the content, end of the content)."""
    start = position + 2
    if start <= end and data[position] == tag and data[position + 1] < 0x80:  # nearly all are short: no second call
        stop = start + data[position + 1]
        if stop <= end:
            return start, stop
    found, start, stop = element(data, position, end)
    if found != tag:
        raise ProtocolError(f"The message holds an element of kind {found:#04x} where {tag:#04x} belongs.")
    return start, stop


def whole(data: bytes, tag: int = SEQUENCE) -> tuple[int, int]:
    """Read one element that is all of `data`: (start of the content, end of the content)."""
    if len(data) > MAXIMUM_SIZE:
        raise ProtocolError(f"The message is longer than {MAXIMUM_SIZE // 1024} kB.")
    start, stop = expect(data, 0, len(data), tag)
    if stop != len(data):
        raise ProtocolError("The message is followed by bytes that do not belong to it.")
    return start, stop


def elements(data: bytes, start: int, stop: int) -> list[tuple[int, int, int, int]]:
    """All elements between two offsets: (tag, position, start of the content, end of the content) each."""
    found = []
    position = start
    while position < stop:
        tag, content, following = element(data, position, stop)
        found.append((tag, position, content, following))
        if len(found) > _MAXIMUM_ELEMENTS:
            raise ProtocolError(f"The message holds a list of more than {_MAXIMUM_ELEMENTS} elements.")
        position = following
    return found


def octets(data: bytes, tag: int, start: int, stop: int) -> bytes:
    """The value of an OCTET STRING (or an implicitly tagged one), which BER may have cut in pieces."""
    if not tag & CONSTRUCTED:
        return data[start:stop]
    pieces = elements(data, start, stop)
    if any(piece != OCTET_STRING for piece, _, _, _ in pieces):
        raise ProtocolError("An octet string in pieces holds something else than octet strings.")
    return b"".join(data[content:following] for _, _, content, following in pieces)


def bits(data: bytes, position: int, end: int) -> bytes:
    """The value of the BIT STRING at `position`, which must be whole octets and must end at `end`."""
    start, stop = expect(data, position, end, BIT_STRING)
    if stop != end or start == stop or data[start] != 0:
        raise ProtocolError("A bit string is not made of whole octets.")
    return data[start + 1 : stop]


def text(data: bytes, tag: int, start: int, stop: int) -> str:
    """The value of any of ASN.1's string types. Control characters are refused: no name or password has any."""
    encoding = _ENCODINGS.get(tag)
    if encoding is None:
        raise ProtocolError("The message holds something else where text belongs.")
    try:
        value = data[start:stop].decode(encoding)
    except UnicodeDecodeError as error:
        raise ProtocolError("The message holds text that is not what its type says.") from error
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
        raise ProtocolError("The message holds text with control characters in it.")
    return value


def definite(data: bytes) -> bytes:
    """Rewrite indefinite lengths as definite ones, where the outermost element has one; else return the same bytes.

    What has a definite length is kept to the byte and not looked into: an encoder that knew the length of an element
    knew those of its parts.
    """
    if data[1:2] != b"\x80":
        return data
    if len(data) > MAXIMUM_SIZE:
        raise ProtocolError(f"The message is longer than {MAXIMUM_SIZE // 1024} kB.")
    rewritten, stop = _definite(data, 0, _MAXIMUM_DEPTH)
    if stop != len(data):
        raise ProtocolError("The message is followed by bytes that do not belong to it.")
    return rewritten


def _definite(data: bytes, position: int, depth: int) -> tuple[bytes, int]:
    if data[position + 1 : position + 2] != b"\x80":
        _, _, stop = element(data, position, len(data))
        return data[position:stop], stop
    tag = data[position]
    if not tag & CONSTRUCTED or tag & 0x1F == 0x1F:
        raise ProtocolError("The message uses an indefinite length where there can be none.")
    if depth == 0:
        raise TooDeep
    parts = []
    position += 2
    while data[position : position + 2] != b"\0\0":
        part, position = _definite(data, position, depth - 1)
        parts.append(part)
        if len(parts) > _MAXIMUM_ELEMENTS:
            raise ProtocolError(f"The message holds a list of more than {_MAXIMUM_ELEMENTS} elements.")
    return tlv(tag, *parts), position + 2


def definite_throughout(data: bytes) -> tuple[bytes, int]:
    """The one element that `data` begins with, rewritten so that every length in it is definite, and where it ended in
    `data`. Octet strings are values: what they hold is kept to the byte.
    """
    if len(data) > MAXIMUM_SIZE:
        raise ProtocolError(f"The message is longer than {MAXIMUM_SIZE // 1024} kB.")
    return _throughout(data, 0, len(data), _MAXIMUM_DEPTH)


def _throughout(data: bytes, position: int, end: int, depth: int) -> tuple[bytes, int]:
    indefinite = data[position + 1 : position + 2] == b"\x80" and position + 2 <= end
    tag, start, stop = (data[position], position + 2, end) if indefinite else element(data, position, end)
    if not tag & CONSTRUCTED:
        if indefinite:
            raise ProtocolError("The message uses an indefinite length where there can be none.")
        return data[position:stop], stop
    if depth == 0:
        raise TooDeep
    parts = []
    while start < stop and not (indefinite and data[start : start + 2] == b"\0\0"):
        part, start = _throughout(data, start, stop, depth - 1)
        parts.append(part)
        if len(parts) > _MAXIMUM_ELEMENTS:
            raise ProtocolError(f"The message holds a list of more than {_MAXIMUM_ELEMENTS} elements.")
    if not indefinite:
        return tlv(tag, *parts), stop
    if start + 2 > stop:
        raise ProtocolError("The message ends in the middle of an element.")
    return tlv(tag, *parts), start + 2


def tlv(tag: int, *parts: bytes) -> bytes:
    """Write one element with this tag around the parts."""
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets_of_length = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | octets_of_length)) + length.to_bytes(octets_of_length, "big") + content


def sequence(*parts: bytes) -> bytes:
    return tlv(SEQUENCE, *parts)


def set_of(parts: Iterable[bytes], *, tag: int = SET) -> bytes:
    """A SET OF in the order that DER demands (X.690 11.6)."""
    return tlv(tag, *sorted(parts))


def integer(value: int) -> bytes:
    """A non-negative INTEGER."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    """The content octets of an OBJECT IDENTIFIER, without tag and length: "1.2.840.113549" -> 2a 86 48 86 f7 0d."""
    first, second, *arcs = (int(arc) for arc in dotted.split("."))
    content = bytearray((first * 40 + second,))
    for arc in arcs:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        content += bytes(reversed(groups))
    return bytes(content)


def identifier(content: bytes) -> bytes:
    """An OBJECT IDENTIFIER from its content octets."""
    return tlv(OBJECT_IDENTIFIER, content)


NULL = b"\x05\x00"
