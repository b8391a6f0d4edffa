import math
import plistlib
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import Invalid, ProtocolError
from mydevices.protocols.apple import plist
from tests.protocols.apple.captures import CAPTURES, capture

HEAD = plistlib.PLISTHEADER  # type: ignore[attr-defined]  # what Apple's own writer puts first; typeshed has it not


def document(inner: str, head: bytes = HEAD) -> bytes:
    return head + f'<plist version="1.0"><dict><key>K</key>{inner}</dict></plist>'.encode()


def read(inner: str) -> object:
    return plist.loads(document(inner))["K"]


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=40)
VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary(max_size=200)
    | st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=0)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def naive(value: Any) -> Any:
    """A value as plistlib has it: dates without their time zone."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, list):
        return [naive(item) for item in value]
    if isinstance(value, dict):
        return {key: naive(item) for key, item in value.items()}
    return value


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_every_value_is_read_as_it_was_written(value: dict[str, object]) -> None:
    assert plist.loads(plistlib.dumps(naive(value))) == value


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_what_is_written_is_what_plistlib_reads(value: dict[str, object]) -> None:
    assert plistlib.loads(plist.dumps(value)) == naive(value)


@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture_is_read_as_plistlib_reads_it(name: str) -> None:
    assert plist.loads(capture(name)) == plistlib.loads(capture(name))


FLAT_VALUES = st.sampled_from(["Idle", "", "x > y", "]]>", "a&b", "<", "é", " spaced ", "\n", "NotNow", "00008140-0"])
FLAT = st.lists(
    st.tuples(
        st.sampled_from(["Status", "UDID", "K1", "Not On", ""]),
        FLAT_VALUES.map(lambda value: f"<string>{value}</string>")
        | st.sampled_from(["<true/>", "<false/>", "<string/>", "<true></true>", "<integer>1</integer>", ""]),
        st.sampled_from(["", "\n\t", "\r\n", "\x0c", "x"]),
    ),
    max_size=4,
)


def both_ways(body: bytes) -> None:
    outcomes: list[object] = []
    for reader in (plist.loads, plist._parse):
        try:
            outcomes.append(reader(body))
        except ProtocolError:
            outcomes.append(ProtocolError)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("value", ["x > y", "]]>", "a&b", "&amp;", "<b/>", "é", " a ", "a\rb", "\x7f", "\x0c", "~", ""])
def test_the_short_way_reads_a_string_as_the_parser_does(value: str) -> None:
    both_ways(document(f"<string>{value}</string>"))


@given(FLAT, st.sampled_from([HEAD, HEAD.replace(b"UTF-8", b"utf-8"), HEAD.replace(b"DOCTYPE", b"doctype"), b""]))
def test_the_short_way_reads_what_the_parser_reads(elements: list[tuple[str, str, str]], head: bytes) -> None:
    inner = "".join(f"{space}<key>{key}</key>{space}{value}" for key, value, space in elements)
    body = head + f'<plist version="1.0"><dict>{inner}</dict></plist>'.encode()
    both_ways(body)


@pytest.mark.parametrize("name", ["iphone-idle", "byod-idle", "mac-user-idle", "compact-idle"])
def test_an_idle_poll_takes_the_short_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(plist, "_parse")
    assert plist.loads(capture(name))["Status"] == "Idle"


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><plist><dict><key>K</key><string>&c;</string></dict></plist>'
)
FILE = (
    b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    b"<plist><dict><key>K</key><string>&f;</string></dict></plist>"
)
HOSTILE = {
    "nothing": b"",
    "not XML": b"Status=Idle",
    "a binary property list": plistlib.dumps({"Status": "Idle"}, fmt=plistlib.FMT_BINARY),
    "a binary header alone": b"bplist00",
    "an entity bomb": BOMB,
    "a file as an entity": FILE,
    "an empty internal subset": document("<true/>", b"<!DOCTYPE plist []>"),
    "a document type of another name": document("<true/>", b"<!DOCTYPE html>"),
    "an attribute declaration": document("<true/>", b'<!DOCTYPE plist [<!ATTLIST string a CDATA "b">]>'),
    "an undeclared entity that expat would drop": document("<string>a&other;b</string>"),
    "an undeclared entity without a document type": document("<string>&other;</string>", b""),
    "UTF-16": document("<true/>").decode().encode("utf-16"),
    "another encoding": document("<string>\xe9</string>", b'<?xml version="1.0" encoding="ISO-8859-1"?>'),
    "an unknown encoding": document("<true/>", b'<?xml version="1.0" encoding="x-unknown"?>'),
    "an encoding that hides a document type": document("<true/>", b'<?xml version="1.0" encoding="utf-7"?>'),
    "bytes that are not UTF-8": document("<string>X</string>").replace(b"X", b"\xff"),
    "half a surrogate pair": document("<string>&#xD800;</string>"),
    "a NUL": document("<string>&#0;</string>"),
    "deep nesting": document("<array>" * 100_000 + "</array>" * 100_000),
    "nesting that is not closed": document("<array>" * 100_000),
    "very many elements": document("<array>" + "<true/>" * (plist.MAX_NODES + 1) + "</array>"),
    "a very large body": document(f"<string>{'x' * plist.MAX_BYTES}</string>"),
    "a huge integer": document(f"<integer>{'9' * 100_000}</integer>"),
    "an integer of 65 bits": document(f"<integer>{2**64}</integer>"),
    "an integer below 64 bits": document(f"<integer>{-(2**63) - 1}</integer>"),
    "an integer in other digits": document("<integer>\u0661</integer>"),
    "an integer with a low line": document("<integer>1_0</integer>"),
    "an empty integer": document("<integer/>"),
    "a real that is a word": document("<real>much</real>"),
    "an empty date": document("<date/>"),
    "a day that is not": document("<date>2026-02-30T00:00:00Z</date>"),
    "a date without a time": document("<date>2026-02-28Z</date>"),
    "a date in other digits": document("<date>\u0662026-02-28T00:00:00Z</date>"),
    "data that is not base 64": document("<data>!!!!</data>"),
    "data cut short": document("<data>QUJ</data>"),
    "data in other letters": document("<data>QÜJD</data>"),
    "text in a boolean": document("<true>no</true>"),
    "text between elements": document("<true/>no"),
    "an element within a string": document("<string>a<true/></string>"),
    "an unknown element": document("<null/>"),
    "a key without a value": document(""),
    "a value without a key": document("<true/><true/>"),
    "two keys in a row": document("<key>L</key><true/>"),
    "a key in an array": document("<array><key>L</key></array>"),
    "the same key twice": document("<true/><key>K</key><false/>"),
    "the same key twice, on the short way": document("<string>a</string><key>K</key><string>b</string>"),
    "two roots": HEAD + b"<plist><dict/><dict/></plist>",
    "no root": HEAD + b"<plist/>",
    "a key as the root": HEAD + b"<plist><key>K</key></plist>",
    "a string as the root": HEAD + b"<plist><string>Idle</string></plist>",
    "an array as the root": HEAD + b"<plist><array/></plist>",
    "a dictionary outside a property list": HEAD + b"<dict/>",
    "a property list within a property list": HEAD + b"<plist><plist><dict/></plist></plist>",
    "a second document": document("<true/>") + document("<true/>"),
    "no end": document("<true/>")[:-10],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_a_protocol_error(name: str) -> None:
    with pytest.raises(ProtocolError, match="not a property list"):
        plist.loads(HOSTILE[name])


def test_parsing_leaves_the_limits_of_the_interpreter_alone() -> None:
    before = sys.getrecursionlimit(), sys.get_int_max_str_digits()
    plist.loads(capture("iphone-profile-list"))
    assert (sys.getrecursionlimit(), sys.get_int_max_str_digits()) == before


@pytest.mark.parametrize(
    "head",
    [b"", HEAD, b'<?xml version="1.0"?>', b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8" standalone="no"?>'],
)
def test_a_plain_head_is_accepted(head: bytes) -> None:
    assert plist.loads(document("<array><integer>1</integer></array>", head)) == {"K": [1]}


@pytest.mark.parametrize(
    ("inner", "value"),
    [
        ("<string>a<!-- not said -->b</string>", "ab"),
        ("<string><![CDATA[<b>]]></string>", "<b>"),
        ("<string>&lt;&#233;&amp;</string>", "<é&"),
        ("<string/>", ""),
        ("<integer> -5\n</integer>", -5),
        ("<real>-1</real>", -1.0),
        ("<real>1e400</real>", math.inf),
        ("<data>\n\tQUJD\n\tREVG\n\t</data>", b"ABCDEF"),
        ("<data/>", b""),
        ("<date>2026-11-21T16:04:11Z</date>", datetime(2026, 11, 21, 16, 4, 11, tzinfo=UTC)),
        ("<date>0000-12-30T00:00:00Z</date>", datetime(1, 1, 1, tzinfo=UTC)),
        ("<array>" * 31 + "</array>" * 31, eval("[" * 31 + "]" * 31)),
    ],
)
def test_a_value_is_read(inner: str, value: object) -> None:
    assert read(inner) == value


@pytest.mark.parametrize("text", ["\x00", "a\x0bb", "\x1b[0m", "\ud800", "\ufffe", "\uffff"])
def test_text_that_xml_cannot_carry_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="characters"):
        plist.dumps({"Message": text})


def test_keys_are_written_in_their_order() -> None:
    assert list(plistlib.loads(plist.dumps({"Z": 1, "A": 2}))) == ["Z", "A"]
