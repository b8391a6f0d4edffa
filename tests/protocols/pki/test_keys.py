import pytest
from asn1crypto import core
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import keys
from tests.protocols.pki import wire


def rsa_key(modulus: int, exponent: int = 65537) -> bytes:
    """A SubjectPublicKeyInfo with whatever numbers."""
    numbers = wire.sequence(core.Integer(modulus).dump(), core.Integer(exponent).dump())
    return wire.sequence(wire.algorithm(wire.RSA), wire.tlv(0x03, b"\0", numbers))


def spki(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_a_key_of_2048_bits_is_accepted(other_key: rsa.RSAPrivateKey) -> None:
    assert keys.load(wire.spki(other_key)) == other_key.public_key()


@pytest.mark.parametrize("bits", [8, 512, 1024, 2047])
def test_a_short_rsa_key_is_refused_with_its_length(bits: int) -> None:
    with pytest.raises(keys.WeakKey, match=f"has {bits} bits; at least 2048"):
        keys.load(rsa_key(2**bits - 1))


@pytest.mark.parametrize("bits", [8193, 8200, 16384, 400_000])
def test_an_rsa_key_that_is_expensive_to_verify_with_is_refused(bits: int) -> None:
    with pytest.raises(ProtocolError, match="more than 8192 bits"):
        keys.load(rsa_key(2**bits - 1))


@pytest.mark.parametrize(
    ("modulus", "exponent"),
    [
        (2**2048 - 1, 1),
        (2**2048 - 1, 65536),
        (2**2048 - 1, 2**32 + 1),
        (2**2048 - 1, 2**2000 + 1),
        (2**2048 - 1, -3),
        (2**2048 - 2, 65537),
    ],
    ids=["one", "even", "long", "endless", "negative", "even-modulus"],
)
def test_an_rsa_key_that_nobody_would_make_is_refused(modulus: int, exponent: int) -> None:
    with pytest.raises(ProtocolError, match="not one that any program would make"):
        keys.load(rsa_key(modulus, exponent))


@pytest.mark.parametrize("modulus", [0, -1, -(2**2048) + 1], ids=["zero", "one", "long"])
def test_an_rsa_key_without_a_positive_modulus_is_refused(modulus: int) -> None:
    with pytest.raises(ProtocolError):
        keys.load(rsa_key(modulus))


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_the_curves_of_nist_are_accepted(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve).public_key()
    assert keys.load(spki(key)) == key


def test_other_keys_are_refused() -> None:
    with pytest.raises(ProtocolError, match="curve that is not accepted"):
        keys.load(spki(ec.generate_private_key(ec.SECP256K1()).public_key()))
    with pytest.raises(ProtocolError, match="neither RSA"):
        keys.load(spki(ed25519.Ed25519PrivateKey.generate().public_key()))


def test_a_point_off_the_curve_is_refused() -> None:
    encoded = bytearray(spki(ec.generate_private_key(ec.SECP256R1()).public_key()))
    encoded[-1] ^= 1
    with pytest.raises(ProtocolError, match="damaged"):
        keys.load(bytes(encoded))


@given(st.binary(max_size=400))
def test_whatever_bytes_are_a_key_or_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        keys.load(data)


@given(position=st.integers(min_value=0, max_value=10_000), value=st.integers(min_value=0, max_value=255))
def test_a_damaged_key_is_another_key_or_a_protocol_error(
    position: int, value: int, other_key: rsa.RSAPrivateKey
) -> None:
    encoded = bytearray(wire.spki(other_key))
    encoded[position % len(encoded)] = value
    try:
        key = keys.load(bytes(encoded))
    except ProtocolError:
        return
    assert isinstance(key, rsa.RSAPublicKey)
    assert keys.MINIMUM_RSA_BITS <= key.key_size <= keys.MAXIMUM_RSA_BITS


@pytest.mark.parametrize(
    ("oid", "complaint"),
    [
        ("1.2.840.113549.1.1.4", "not accepted"),  # with MD5
        ("1.2.840.113549.1.1.1", "not accepted"),  # no digest named anywhere
        ("1.2.840.113549.1.1.5", "weak algorithms are switched off"),
        ("1.2.840.10045.4.3.2", "does not fit the key"),
        ("1.2.840.113549.1.1.11", "does not match"),
    ],
)
def test_a_signature_that_is_not_accepted_says_why(oid: str, complaint: str, other_key: rsa.RSAPrivateKey) -> None:
    content_octets = wire.oid(oid)[2:]
    with pytest.raises(ProtocolError, match=complaint):
        keys.verify(other_key.public_key(), b"\0" * 256, b"", oid=content_octets, digest=None, allow_weak=False)
    elliptic = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(ProtocolError):
        keys.verify(elliptic, b"\0" * 64, b"", oid=content_octets, digest=None, allow_weak=False)
