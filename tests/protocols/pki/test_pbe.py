import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import pbe
from mydevices.protocols.pki.refusals import Refused, TooMuchWork
from tests.protocols.pki import pkcs12_files as files
from tests.protocols.pki.wire import algorithm, integer, octets, sequence


@pytest.mark.parametrize(
    ("key", "plain", "encrypted"),
    [
        ("ffffffffffffffff", "ffffffffffffffff", "278b27e42e2f0d49"),
        ("3000000000000000", "1000000000000001", "30649edf9be7d2c2"),
        ("88bca90e90875a7f0f79c384627bafb2", "0000000000000000", "2269552ab0f85ca6"),
    ],
)
def test_rc2_decrypts_the_examples_of_its_specification(key: str, plain: str, encrypted: str) -> None:
    """RFC 2268 5, those whose effective length is that of the key."""
    found = pbe.rc2_cbc(bytes.fromhex(key), bytes(8), bytes.fromhex(encrypted))
    assert found.hex() == plain


def test_blocks_of_rc2_are_chained() -> None:
    key, block = bytes.fromhex("ffffffffffffffff"), bytes.fromhex("278b27e42e2f0d49")
    first, second = b"\xff" * 8, bytes(a ^ 0xFF for a in block)
    assert pbe.rc2_cbc(key, bytes(8), block * 2) == first + second


def test_an_ascii_password_has_one_reading() -> None:
    assert pbe.readings("abc") == [pbe.Reading(b"\0a\0b\0c\0\0", b"abc")]


def test_an_empty_password_is_read_as_no_characters_and_as_no_password() -> None:
    assert pbe.readings("") == [pbe.Reading(b"\0\0", b""), pbe.Reading(b"", b"")]


def test_a_password_beyond_ascii_is_read_as_other_systems_spell_it() -> None:
    found = pbe.readings("é😀")
    assert found[0] == pbe.Reading(bytes.fromhex("00e9d83dde000000"), b"\xc3\xa9\xf0\x9f\x98\x80")
    assert pbe.Reading(bytes.fromhex("00650301d83dde000000"), "e\u0301😀".encode()) in found
    assert bytes.fromhex("00c300a900f0009f009800800000") in {one.old for one in found}
    assert len(found) == len(set(found))


@given(st.text(max_size=20))
def test_every_text_can_be_a_password(password: str) -> None:
    assert all(one.old[-2:] in {b"\0\0", b""} for one in pbe.readings(password))
    assert len(pbe.readings(password)) <= 6


@given(st.text(alphabet=st.characters(categories=["Cs"]), min_size=1, max_size=3))
def test_half_a_surrogate_pair_can_be_a_password(password: str) -> None:
    assert pbe.readings(password)


@pytest.mark.parametrize(
    "dotted", ["1.2.840.113549.1.5.3", "1.2.840.113549.3.4", "2.16.840.1.101.3.4.1.46"], ids=["des", "rc4", "gcm"]
)
def test_an_encryption_that_is_not_known_is_refused(dotted: str) -> None:
    parameters = sequence(octets(files.SALT), integer(1))
    data = algorithm(dotted, parameters)
    with pytest.raises(Refused, match="not known here"):
        pbe.encryption(data, 0, len(data))
    data = algorithm(files.PBES2, sequence(files.pbkdf2(1), algorithm(dotted, octets(files.VECTOR))))
    with pytest.raises(Refused, match="not known here"):
        pbe.encryption(data, 0, len(data))


def encryption(kdf: bytes) -> pbe.Encryption:
    data = algorithm(files.PBES2, sequence(kdf, algorithm(files.AES_256, octets(files.VECTOR))))
    return pbe.encryption(data, 0, len(data))


def test_work_is_accepted_up_to_the_limit_and_no_further() -> None:
    assert encryption(files.pbkdf2(1_000_000)).iterations == 1_000_000
    assert encryption(files.scrypt(2**14, 8, 1)).iterations == 2**17
    for kdf in (
        files.pbkdf2(1_000_001),
        files.pbkdf2(2**31 - 1),
        files.pbkdf2(2**4000),
        files.scrypt(2**16, 8, 1),  # 64 MB
        files.scrypt(2, 2**20, 1),  # the same by large blocks
        files.scrypt(2**14, 8, 9),
        algorithm(files.PBKDF2, sequence(octets(bytes(1025)), integer(1))),
    ):
        with pytest.raises(TooMuchWork):
            encryption(kdf)


@pytest.mark.parametrize(
    "kdf",
    [
        files.pbkdf2(0),
        files.pbkdf2(-5),
        files.pbkdf2(1, integer(16)),  # a key of another length
        files.scrypt(3, 8, 1),
        files.scrypt(1, 8, 1),
        files.scrypt(0, 8, 1),
        algorithm(files.PBKDF2, sequence(integer(1), integer(1))),
        algorithm(files.PBKDF2, b""),
    ],
)
def test_parameters_that_make_no_sense_are_refused(kdf: bytes) -> None:
    with pytest.raises(ProtocolError):
        encryption(kdf)


@pytest.mark.parametrize("digest", ["sha1", "sha224", "sha256", "sha384", "sha512"])
def test_a_key_longer_than_one_digest_begins_with_the_shorter_one(digest: str) -> None:
    derivation = pbe._Old(getattr(pbe, f"_{digest.upper()}"), b"salt", 3)
    password = pbe.readings("abc")[0]
    size = hashlib.new(digest).digest_size
    long = derivation.derive(password, 1, 3 * size - 1)
    assert len(long) == 3 * size - 1
    assert long.startswith(derivation.derive(password, 1, size))
    assert long[:size] != long[size : 2 * size]


@given(st.binary(max_size=120))
def test_whatever_bytes_name_an_algorithm_nothing_but_a_refusal_comes_out(data: bytes) -> None:
    for read in (pbe.encryption, pbe.authentication):
        try:
            read(data, 0, len(data))
        except (ProtocolError, Refused):
            continue
