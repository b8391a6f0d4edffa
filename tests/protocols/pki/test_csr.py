import pytest
from cryptography import x509 as library
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import csr, keys
from tests.protocols.pki import wire

CHALLENGE = wire.attribute(wire.CHALLENGE_PASSWORD, wire.printable("one-time secret"))
EXTENSIONS = wire.attribute(
    "1.2.840.113549.1.9.14",
    wire.sequence(wire.sequence(wire.oid("2.5.29.15"), wire.octets(b"\x03\x02\x05\xa0"))),
)


@pytest.mark.parametrize("name", ["csr-utf8.der", "csr-sha512.der"])
def test_a_request_of_openssl_is_read(name: str, device: wire.Holder) -> None:
    request = csr.parse(wire.read(name))
    assert request.public_key == device.key.public_key()
    assert request.public_key_der == wire.spki(device.key)
    assert request.common_name == "Geräte-Nr. 7"
    assert request.challenge == "one-time secret"


def test_name_and_challenge_may_be_missing() -> None:
    request = csr.parse(wire.read("csr-bare.der"))
    assert request.common_name is None
    assert request.challenge is None


def test_the_field_of_attributes_may_be_missing(other_key: rsa.RSAPrivateKey) -> None:
    assert csr.parse(wire.signing_request(other_key, attributes=b"")).challenge is None


def test_sha1_is_accepted_only_where_weak_algorithms_are_allowed() -> None:
    with pytest.raises(ProtocolError, match="SHA-1"):
        csr.parse(wire.read("csr-sha1.der"))
    assert csr.parse(wire.read("csr-sha1.der"), allow_weak=True).challenge == "one-time secret"


def test_a_request_with_unordered_attributes_is_read(other_key: rsa.RSAPrivateKey) -> None:
    unordered = sorted([CHALLENGE, EXTENSIONS], reverse=True)
    encoded = wire.signing_request(other_key, attributes=wire.tlv(0xA0, *unordered))
    with pytest.raises(ValueError):
        library.load_der_x509_csr(encoded).attributes  # noqa: B018
    assert csr.parse(encoded).challenge == "one-time secret"


def test_a_windows_name_with_an_exclamation_mark_in_a_printable_string_is_read(other_key: rsa.RSAPrivateKey) -> None:
    encoded = wire.signing_request(other_key, subject=wire.name(wire.printable("DESKTOP-1!a8c0")))
    with pytest.raises(ValueError):
        library.load_der_x509_csr(encoded).subject  # noqa: B018
    assert csr.parse(encoded).common_name == "DESKTOP-1!a8c0"


@pytest.mark.parametrize(
    ("tag", "encoding"),
    [
        (0x0C, "utf-8"),
        (0x12, "ascii"),
        (0x13, "latin-1"),
        (0x14, "latin-1"),
        (0x16, "ascii"),
        (0x1A, "ascii"),
        (0x1C, "utf-32-be"),
        (0x1E, "utf-16-be"),
    ],
)
def test_a_challenge_may_be_of_any_string_type(tag: int, encoding: str, other_key: rsa.RSAPrivateKey) -> None:
    value = wire.attribute(wire.CHALLENGE_PASSWORD, wire.tlv(tag, "p4ss!word".encode(encoding)))
    encoded = wire.signing_request(other_key, attributes=wire.tlv(0xA0, value))
    assert csr.parse(encoded).challenge == "p4ss!word"


@pytest.mark.parametrize(
    "attributes",
    [
        (CHALLENGE, CHALLENGE),
        (wire.attribute(wire.CHALLENGE_PASSWORD, wire.printable("a"), wire.printable("b")),),
        (wire.attribute(wire.CHALLENGE_PASSWORD),),
        (wire.attribute(wire.CHALLENGE_PASSWORD, wire.integer(7)),),
        (wire.attribute(wire.CHALLENGE_PASSWORD, wire.printable("nul\0")),),
        (wire.attribute(wire.CHALLENGE_PASSWORD, wire.tlv(0x0C, b"\xff")),),
    ],
)
def test_a_challenge_that_is_not_one_text_is_refused(
    attributes: tuple[bytes, ...], other_key: rsa.RSAPrivateKey
) -> None:
    encoded = wire.signing_request(other_key, attributes=wire.tlv(0xA0, *attributes))
    with pytest.raises(ProtocolError):
        csr.parse(encoded)


def test_only_an_rsa_key_can_be_certified() -> None:
    with pytest.raises(ProtocolError, match="RSA key"):
        csr.parse(wire.read("csr-curve.der"))


def test_a_key_of_1024_bits_is_refused_with_its_length() -> None:
    with pytest.raises(keys.WeakKey, match="has 1024 bits; at least 2048 are needed"):
        csr.parse(wire.read("csr-short.der"))


def test_a_short_key_is_not_mentioned_before_the_signature_is_checked() -> None:
    damaged = bytearray(wire.read("csr-short.der"))
    damaged[-1] ^= 1
    with pytest.raises(ProtocolError, match="does not match") as refusal:
        csr.parse(bytes(damaged))
    assert not isinstance(refusal.value, keys.WeakKey)


def test_no_altered_request_is_accepted() -> None:
    original = wire.read("csr-utf8.der")
    accepted = csr.parse(original)
    for position in range(len(original)):
        for change in (1, 0x80):
            altered = bytearray(original)
            altered[position] ^= change
            try:
                read = csr.parse(bytes(altered))
            except ProtocolError:
                continue
            assert read == accepted, f"octet {position}"


@given(st.binary(max_size=400))
def test_whatever_bytes_are_no_request(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        csr.parse(data)
