"""Property lists, as devices send them and as they want them.

Reading is a strict reader of its own over expat, in place of `plistlib.loads`: whatever it accepts, `plistlib` reads to
the same value (dates apart, which here carry their time zone), but it refuses what `plistlib` passes over or trips on.
The message of a fleet that polls, a flat dictionary of a few plain words, is recognised by one expression instead.

Binary property lists are refused: devices send XML, and a binary one may share objects so that a small body becomes an
endless value.
"""

import binascii
import plistlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from xml.parsers.expat import ExpatError, ParserCreate

from mydevices.errors import Invalid, ProtocolError

MAX_BYTES = 16 * 1024 * 1024
"""More than any list of installed applications; an endpoint may set its own, lower limit before it reads."""
MAX_DEPTH = 32
"""Containers within containers; the deepest message in the schema has seven."""
MAX_NODES = 400_000
"""Elements, so that a small body of tiny elements does not become a large value."""

_SPACE = " \t\r\n"  # white space as XML has it; str.strip() alone would take more
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_REAL = re.compile(
    r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE
)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z", re.ASCII)
_DISTANT_PAST = datetime.min.replace(tzinfo=UTC)  # NSDate.distantPast, which prints as the year 0


_FLAT = re.compile(
    rb'<\?xml version="1\.0" encoding="UTF-8"\?>[ \t\r\n]*'
    rb'<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1\.0//EN" '
    rb'"http://www\.apple\.com/DTDs/PropertyList-1\.0\.dtd">[ \t\r\n]*'
    rb'<plist version="1\.0">[ \t\r\n]*<dict>'
    rb"((?:[ \t\r\n]*<key>[A-Za-z]+</key>[ \t\r\n]*(?:<string>[ -%'-;=?-~]*</string>|<true/>|<false/>))*)"
    rb"[ \t\r\n]*</dict>[ \t\r\n]*</plist>[ \t\r\n]*"
)
"""A whole document whose values are booleans and strings of printable ASCII without markup (&, <, >): what stands
between the tags is the value, and nothing is left for a parser to decide but whether a key is there twice."""
_PAIR = re.compile(r"<key>([A-Za-z]+)</key>[ \t\r\n]*<(?:string>([^<]*)<|(true|false)/)")
_FLAT_BYTES = 2048


def _refusal(why: str) -> ProtocolError:
    return ProtocolError(f"This is not a property list as devices send it: {why}.")


def _string(content: str) -> object:
    return content


def _integer(content: str) -> object:
    digits = content.strip(_SPACE)
    if not _INTEGER.fullmatch(digits):
        raise _refusal("an integer is not a number")
    value = int(digits)
    if not -(1 << 63) <= value < 1 << 64:
        raise _refusal("an integer has more than 64 bits")
    return value


def _real(content: str) -> object:
    digits = content.strip(_SPACE)
    if not _REAL.fullmatch(digits):
        raise _refusal("a real is not a number")
    return float(digits)


def _data(content: str) -> object:
    try:
        return binascii.a2b_base64("".join(content.split()), strict_mode=True)
    except ValueError as error:
        raise _refusal("data is not in base 64") from error


def _date(content: str) -> object:
    parts = _DATE.fullmatch(content.strip(_SPACE))
    if parts is None:
        raise _refusal("a date is not in UTC with seconds")
    year, month, day, hour, minute, second = map(int, parts.groups())
    if year == 0:
        return _DISTANT_PAST
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise _refusal("a date is not in the calendar") from error


def _nothing(value: bool) -> Callable[[str], object]:
    def read(content: str) -> object:
        if content.strip(_SPACE):
            raise _refusal("text in a boolean")
        return value

    return read


_LEAVES: Mapping[str, Callable[[str], object]] = {
    "string": _string,
    "true": _nothing(True),
    "false": _nothing(False),
    "integer": _integer,
    "real": _real,
    "data": _data,
    "date": _date,
    "key": _string,
}


def loads(body: bytes) -> dict[str, object]:
    """The dictionary that is the root of an XML property list in UTF-8.

    Values are str, bool, int (64 bits), float (perhaps not finite), bytes, datetime (UTC), list and dict. Raises
    ProtocolError, and nothing else, for all other input: entity and DTD declarations, other encodings, unknown or
    misplaced elements, keys that are there twice, stray text, and whatever exceeds MAX_BYTES, MAX_DEPTH or MAX_NODES.
    """
    if len(body) <= _FLAT_BYTES and (flat := _FLAT.fullmatch(body)):
        pairs = _PAIR.findall(flat[1].decode("ascii"))
        fields: dict[str, object] = {key: word == "true" if word else text for key, text, word in pairs}
        if len(fields) == len(pairs):
            return fields
    return _parse(body)


def _parse(body: bytes) -> dict[str, object]:  # noqa: C901, PLR0915 - one state machine: apart, slower and no clearer
    if len(body) > MAX_BYTES:
        raise _refusal("it is too large")
    if b"\0" in body:  # a byte order mark would have expat read UTF-16 whatever it is told
        raise _refusal("it is not in UTF-8")
    stack: list[dict[str, object] | list[object]] = []
    pieces: list[str] = []
    roots: list[object] = []
    key: str | None = None
    leaf: str | None = None
    nodes = 0
    opened = False

    def add(value: object) -> None:
        nonlocal key
        if not stack:
            if roots:
                raise _refusal("it has more than one root")
            roots.append(value)
            return
        top = stack[-1]
        if isinstance(top, list):
            top.append(value)
        elif key is None:
            raise _refusal("a value has no key")
        else:
            top[key] = value
            key = None

    def between() -> None:
        if "".join(pieces).strip(_SPACE):
            raise _refusal("text between elements")
        pieces.clear()

    def begin(name: str, _attributes: object) -> None:
        nonlocal leaf, nodes, opened
        nodes += 1
        if nodes > MAX_NODES:
            raise _refusal("it has too many elements")
        if leaf is not None:
            raise _refusal("an element within a value")
        if pieces:
            between()
        if not opened:
            if name != "plist":
                raise _refusal("its root element is another")
            opened = True
        elif name in _LEAVES:
            leaf = name
        elif name in {"dict", "array"}:
            if len(stack) >= MAX_DEPTH:
                raise _refusal("it is nested too deep")
            container: dict[str, object] | list[object] = {} if name == "dict" else []
            add(container)
            stack.append(container)
        else:
            raise _refusal("an unknown element")

    def end(name: str) -> None:
        nonlocal key, leaf
        if leaf is None:
            if pieces:
                between()
            if key is not None:
                raise _refusal("a key has no value")
            if stack:  # else it is the end of <plist>
                stack.pop()
            return
        leaf = None
        content = "".join(pieces)
        pieces.clear()
        if name != "key":
            add(_LEAVES[name](content))
        elif key is not None or not stack or not isinstance(top := stack[-1], dict):
            raise _refusal("a key where a value belongs")
        elif content in top:
            raise _refusal("a key is there twice")
        else:
            key = content

    def declaration(_version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise _refusal("it is not in UTF-8")

    def doctype(name: str, _system: object, _public: object, has_internal_subset: int) -> None:
        if has_internal_subset or name != "plist":
            raise _refusal("it declares a document type of its own")

    def entity(_name: str, _is_parameter: bool) -> None:
        raise _refusal("it refers to an entity")

    parser = ParserCreate("utf-8")
    parser.buffer_text = True
    parser.CharacterDataHandler = pieces.append
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.XmlDeclHandler = declaration
    parser.StartDoctypeDeclHandler = doctype
    # An external DTD is never fetched, and expat silently drops an entity that it might have declared.
    parser.SkippedEntityHandler = entity
    try:
        parser.Parse(body, True)
    except ExpatError as error:
        raise _refusal(f"{error}") from error
    if not roots or not isinstance(root := roots[0], dict):
        raise _refusal("its root is not a dictionary")
    return root


_NOT_CHARACTERS = re.compile(b"\xef\xbf[\xbe\xbf]")  # U+FFFE and U+FFFF in UTF-8


def dumps(value: Mapping[str, object]) -> bytes:
    """An XML property list, with keys in the order given.

    Raises Invalid for text that XML cannot carry (control characters, halves of surrogate pairs), which a person may
    paste into a message.
    """
    return _dumped(dict(value))


def dumps_array(value: Sequence[object]) -> bytes:
    """The same of an array: the payloads of a profile, before they are encrypted."""
    return _dumped(list(value))


def _dumped(value: dict[str, object] | list[object]) -> bytes:
    try:
        document = plistlib.dumps(value, fmt=plistlib.FMT_XML, sort_keys=False)
    except (ValueError, OverflowError) as error:  # UnicodeEncodeError is a ValueError
        raise Invalid("The text has characters that a device cannot take.") from error
    if _NOT_CHARACTERS.search(document):
        raise Invalid("The text has characters that a device cannot take.")
    return document
