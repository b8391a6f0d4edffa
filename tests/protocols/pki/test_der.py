import pytest
from asn1crypto import core, parser
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import der
from tests.protocols.pki import wire


@given(st.integers(min_value=0, max_value=2**160))
def test_integers_are_written_as_another_library_writes_them(value: int) -> None:
    assert der.integer(value) == core.Integer(value).dump()


@pytest.mark.parametrize("dotted", ["1.2.840.113549.1.7.2", "2.16.840.1.113733.1.9.7", "2.5.4.3", "1.3.14.3.2.26"])
def test_object_identifiers_are_written_as_another_library_writes_them(dotted: str) -> None:
    assert der.identifier(der.oid(dotted)) == core.ObjectIdentifier(dotted).dump()


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_elements_are_read_as_another_library_wrote_them(values: list[bytes]) -> None:
    written = parser.emit(0, 1, 16, b"".join(parser.emit(0, 0, 4, value) for value in values))
    start, stop = der.whole(written)
    assert [written[a:b] for _, _, a, b in der.elements(written, start, stop)] == values
    assert der.sequence(*(der.tlv(der.OCTET_STRING, value) for value in values)) == written


def test_a_set_is_written_in_the_order_that_der_demands() -> None:
    assert der.set_of([der.integer(300), der.integer(7), der.integer(5)]) == (
        der.tlv(der.SET, der.integer(5), der.integer(7), der.integer(300))
    )


@given(st.binary(max_size=200))
def test_whatever_bytes_are_read_nothing_but_a_protocol_error_comes_out(data: bytes) -> None:
    for read in (
        der.whole,
        der.definite,
        lambda data: der.elements(data, 0, len(data)),
        lambda data: der.bits(data, 0, len(data)),
        lambda data: der.octets(data, 0x24, 0, len(data)),
    ):
        try:
            read(data)
        except ProtocolError:
            continue


@given(st.sampled_from([0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1C, 0x1E, 0x04, 0x02]), st.binary(max_size=40))
def test_text_is_printable_or_refused(tag: int, data: bytes) -> None:
    try:
        value = der.text(data, tag, 0, len(data))
    except ProtocolError:
        return
    assert not any(character < " " for character in value)
    assert value.encode().decode() == value


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "ends in the middle"),
        (b"\x30", "ends in the middle"),
        (b"\x30\x05\x01", "longer than what surrounds"),
        (b"\x30\x84\xff\xff\xff\xff", "longer than what surrounds"),
        (b"\x30\x85\x01\x00\x00\x00\x00", "longer than any message"),
        (b"\x30\x82\x01", "longer than what surrounds"),
        (b"\x3f\x81\x01\x00", "tag that none"),
        (b"\x30\x80\x00\x00", "indefinite length"),
        (b"\x30\x00\x00", "followed by bytes"),
        (b"\x31\x00", "where 0x30 belongs"),
        (b"\x30" + bytes(der.MAXIMUM_SIZE), "longer than 64 kB"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:4].hex(),
)
def test_a_broken_element_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        der.whole(data)


def test_a_list_without_end_is_refused() -> None:
    with pytest.raises(ProtocolError, match="more than 512"):
        der.elements(b"\x05\x00" * 513, 0, 1026)
    with pytest.raises(ProtocolError, match="more than 512"):
        der.definite(b"\x30\x80" + b"\x05\x00" * 513 + b"\0\0")


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 9])
def test_indefinite_lengths_are_rewritten_to_what_they_were(levels: int) -> None:
    message = wire.read("signed-attached.der")
    berish = wire.indefinite(message, levels)
    assert berish[1] == 0x80
    assert der.definite(berish) == message


def test_a_message_of_definite_length_stays_as_it_is() -> None:
    message = wire.read("signed-attached.der")
    assert der.definite(message) is message


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"\x30\x80" * 17 + b"\0\0" * 17, "too deeply"),
        (b"\x30\x80" * 30_000, "too deeply"),
        (b"\x30\x80\x04\x80\0\0\0\0", "there can be none"),
        (b"\x30\x80\x05\x00", "ends in the middle"),
        (b"\x30\x80\0\0\0", "followed by bytes"),
        (b"\x30\x80" + b"\x04\x01\x00" * 22_000, "longer than 64 kB"),
    ],
    ids=["deep", "deeper", "primitive", "open", "followed", "long"],
)
def test_a_broken_indefinite_length_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        der.definite(data)


def test_an_octet_string_in_pieces_is_joined() -> None:
    pieces = b"\x04\x02ab\x04\x00\x04\x01c"
    assert der.octets(pieces, 0x24, 0, len(pieces)) == b"abc"
    with pytest.raises(ProtocolError, match="something else"):
        der.octets(pieces + b"\x05\x00", 0x24, 0, len(pieces) + 2)


@pytest.mark.parametrize("data", [b"\x03\x00", b"\x03\x02\x01\x80", b"\x03\x02\x00\x80\x00"])
def test_a_bit_string_of_odd_bits_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="whole octets"):
        der.bits(data, 0, len(data))
