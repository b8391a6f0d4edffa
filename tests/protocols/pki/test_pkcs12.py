import re
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import pkcs12 as library
from hypothesis import given
from hypothesis import strategies as st

from mydevices.protocols.pki import pkcs12
from mydevices.protocols.pki.refusals import NotPkcs12, Reason, Refused, TooMuchWork, WrongPassword, refusal
from tests import smime as organisation
from tests.protocols.pki import pkcs12_files as files
from tests.protocols.pki import wire

# The file -> its password, what shows of it, and whether the authorities are in it.
OF_TOOLS: dict[str, tuple[str, str, int]] = {
    "openssl-3": (files.PASSWORD, "AES-256, PBKDF2 sha256", 2),
    "openssl-1": (files.PASSWORD, "RC2-40, PKCS #12 sha1", 2),
    "rc2-128": (files.PASSWORD, "RC2-128, PKCS #12 sha1", 0),
    "rc2-40": (files.PASSWORD, "RC2-40, PKCS #12 sha1", 0),
    "rc4-128": (files.PASSWORD, "RC4-128, PKCS #12 sha1", 0),
    "rc4-40": (files.PASSWORD, "RC4-40, PKCS #12 sha1", 0),
    "des3": (files.PASSWORD, "3DES, PKCS #12 sha1", 0),
    "des3-two-keys": (files.PASSWORD, "3DES, PKCS #12 sha1", 0),
    "aes-128": (files.PASSWORD, "AES-128, PBKDF2 sha256", 0),
    "aes-192-sha512": (files.PASSWORD, "AES-192, PBKDF2 sha256", 0),
    "des3-pbkdf2-sha384": (files.PASSWORD, "3DES, PBKDF2 sha256", 0),
    "sha224": (files.PASSWORD, "AES-256, PBKDF2 sha256", 0),
    "nomac": (files.PASSWORD, "AES-256, PBKDF2 sha256", 0),
    "nomac-legacy": (files.PASSWORD, "3DES, PKCS #12 sha1", 0),
    "plain": (files.PASSWORD, "", 0),
    "plain-mac": (files.PASSWORD, "", 0),
    "noiter": (files.PASSWORD, "RC2-40, PKCS #12 sha1", 0),
    "iterations-600000": (files.PASSWORD, "AES-256, PBKDF2 sha256", 0),
    "empty": ("", "AES-256, PBKDF2 sha256", 0),
    "empty-legacy": ("", "RC2-40, PKCS #12 sha1", 0),
    "empty-nomac": ("", "AES-256, PBKDF2 sha256", 0),
    "umlauts": (files.UMLAUTS, "AES-256, PBKDF2 sha256", 0),
    "umlauts-legacy": (files.UMLAUTS, "RC2-40, PKCS #12 sha1", 0),
    "umlauts-nomac": (files.UMLAUTS, "AES-256, PBKDF2 sha256", 0),
    "java": (files.PASSWORD, "AES-256, PBKDF2 sha256", 2),
    "java-8": (files.PASSWORD, "RC2-40, PKCS #12 sha1", 2),
}


def reason(data: bytes, password: str = files.PASSWORD) -> Reason:
    with pytest.raises(Refused) as refused:
        pkcs12.open_bundle(data, password)
    return refused.value.reason


def assert_is_the_person(bundle: pkcs12.Bundle) -> None:
    assert bundle.certificate == files.person_certificate()
    key = serialization.load_der_private_key(bundle.key, None)
    expected = serialization.load_der_private_key(files.person_key(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert isinstance(expected, rsa.RSAPrivateKey)
    assert key.private_numbers() == expected.private_numbers()


# --- what people bring


@pytest.mark.parametrize("name", OF_TOOLS)
def test_files_of_openssl_and_java_are_outlined_and_opened(name: str) -> None:
    password, shown, chain = OF_TOOLS[name]
    data = files.read(f"{name}.p12")
    outline = pkcs12.inspect(data)
    assert [one.name for one in outline.encryptions][:1] == [shown][: len(outline.encryptions)]
    assert bool(outline.encryptions) == bool(shown)
    assert (outline.authentication is None) == ("nomac" in name or name == "plain")
    bundle = pkcs12.open_bundle(data, password)
    assert_is_the_person(bundle)
    assert list(bundle.chain) == files.chain()[:chain]
    assert (bundle.friendly_name or "").casefold() == "ada example"  # Java writes it in small letters


def test_every_file_of_a_tool_is_tested() -> None:
    others = {"no-key", "no-certificate", "java-two", "java-trust", "dsa", "rsa-512"}
    assert {path.stem for path in files.DATA.glob("*.p12")} == OF_TOOLS.keys() | others


@pytest.mark.parametrize("name", sorted(OF_TOOLS.keys() - {"plain"}))
def test_a_wrong_password_is_said_to_be_wrong(name: str) -> None:
    data = files.read(f"{name}.p12")
    for wrong in ("Correct horse", "correct horse ", "ä"):
        with pytest.raises(WrongPassword, match="not the one of this file"):
            pkcs12.open_bundle(data, wrong)
    if OF_TOOLS[name][0]:
        with pytest.raises(WrongPassword):
            pkcs12.open_bundle(data, "")


def test_a_file_without_protection_opens_under_any_password() -> None:
    assert_is_the_person(pkcs12.open_bundle(files.read("plain.p12"), "whatever"))


@pytest.mark.parametrize("aes_256", [False, True])
def test_files_of_windows_are_opened(aes_256: bool) -> None:
    data = files.windows(aes_256=aes_256)
    outline = pkcs12.inspect(data)
    assert {one.name for one in outline.encryptions} == {"AES-256, PBKDF2 sha256" if aes_256 else "3DES, PKCS #12 sha1"}
    assert (outline.keys, outline.certificates, outline.encrypted_parts) == (1, 0, 1)
    bundle = pkcs12.open_bundle(data, files.PASSWORD)
    assert_is_the_person(bundle)
    assert list(bundle.chain) == files.chain()
    assert bundle.friendly_name == "te-6a4b8c1d-1111-4222-8333-444455556666"
    assert reason(data, "wrong") is Reason.WRONG_PASSWORD


def test_files_in_ber_are_opened() -> None:
    data = files.keychain()
    assert data[1] == 0x80
    outline = pkcs12.inspect(data)
    assert [(one.name, one.iterations) for one in outline.encryptions] == [
        ("RC2-40, PKCS #12 sha1", 2048),
        ("3DES, PKCS #12 sha1", 2048),
    ]
    assert outline.authentication
    assert outline.authentication.iterations == 1
    bundle = pkcs12.open_bundle(data, files.PASSWORD)
    assert_is_the_person(bundle)
    assert list(bundle.chain) == files.chain()


def test_our_hand_made_files_are_what_another_library_reads() -> None:
    password = files.PASSWORD.encode()
    read = [library.load_pkcs12(data, password) for data in (files.windows(aes_256=False), files.windows(aes_256=True))]
    with pytest.warns(UserWarning, match="falling back to parsing as BER"):
        read.append(library.load_pkcs12(files.keychain(), password))
    for one in [*read, library.load_pkcs12(files.simple(), password)]:
        assert one.key
        assert one.cert
        assert one.cert.certificate.public_bytes(serialization.Encoding.DER) == files.person_certificate()


def test_a_file_under_pbmac1_is_opened() -> None:
    content = files.simple()
    parts = files.parts_of(content)
    data = files.pfx(*parts, authentication=files.pbmac1(wire.sequence(*parts)))
    assert_is_the_person(pkcs12.open_bundle(data, files.PASSWORD))
    outline = pkcs12.inspect(data)
    assert outline.authentication
    assert outline.authentication.name == "HMAC sha256, PBKDF2 sha256"
    assert reason(data, "wrong") is Reason.WRONG_PASSWORD


def test_a_file_under_scrypt_is_opened() -> None:
    assert_is_the_person(pkcs12.open_bundle(files.under_scrypt(), files.PASSWORD))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (files.old_reading("Müller"), "Müller".encode()),
        (files.old_reading("Mu\u0308ller"), "Mu\u0308ller".encode()),
        (files.old_reading("Müller".encode().decode("latin-1")), "Müller".encode()),
        (files.old_reading("Müller"), "Müller".encode("latin-1")),
        (files.old_reading("Müller"), files.old_reading("Müller")),
    ],
    ids=["composed", "decomposed", "OpenSSL 1.0", "Latin-1", "NSS 3.30"],
)
def test_a_password_opens_a_file_however_the_program_spelt_it(old: bytes, new: bytes) -> None:
    data = files.spelt(old, new)
    for typed in ("Müller", "Mu\u0308ller"):
        assert_is_the_person(pkcs12.open_bundle(data, typed))
    assert reason(data, "Muller") is Reason.WRONG_PASSWORD


def test_no_password_may_be_written_as_none_at_all() -> None:
    """Windows and Java write an empty one as two octets of zero, some write none."""
    parts = files.parts_of(files.simple())
    derivation = files.mac(wire.sequence(*parts), b"\0\0")
    assert_is_the_person(pkcs12.open_bundle(files.pfx(*parts, authentication=derivation), ""))
    assert_is_the_person(pkcs12.open_bundle(files.read("empty-legacy.p12"), ""))


def test_bytes_after_the_end_do_no_harm() -> None:
    assert_is_the_person(pkcs12.open_bundle(files.read("des3.p12") + b"\r\n", files.PASSWORD))


def test_bags_that_nobody_needs_are_passed_over() -> None:
    others = [
        files.bag(files.CRL_BAG, wire.sequence()),
        files.bag(files.SECRET_BAG, wire.sequence()),
        files.bag("1.2.3.4", wire.integer(7)),
        files.bag(
            files.CERTIFICATE_BAG,
            wire.sequence(wire.oid("1.2.840.113549.1.9.22.2"), wire.tlv(0xA0, wire.octets(b"SDSI"))),
        ),
    ]
    contents = files.safe(
        *others, files.bag(files.KEY_BAG, files.person_key()), files.certificate_bag(files.person_certificate())
    )
    assert_is_the_person(pkcs12.open_bundle(files.pfx(files.plain_part(contents)), files.PASSWORD))


def test_the_same_key_twice_is_one_key() -> None:
    key = files.bag(files.KEY_BAG, files.person_key())
    contents = files.safe(key, files.certificate_bag(files.person_certificate()), key)
    assert_is_the_person(pkcs12.open_bundle(files.pfx(files.plain_part(contents)), files.PASSWORD))


def test_keys_on_curves_are_opened() -> None:
    for key in (ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()):
        identity = organisation.Organisation().issue("Ada", "ada@example.org", key=key)
        bundle = pkcs12.open_bundle(identity.exported("secret"), "secret")
        assert bundle.key == identity.private_key_info
        assert bundle.certificate == identity.encoded
        assert len(bundle.chain) == 2


def test_a_name_is_made_fit_for_a_page() -> None:
    data = files.simple(name="  Ada\u202e\n\0 Example \u200b" + "x" * 500)
    name = pkcs12.open_bundle(data, files.PASSWORD).friendly_name
    assert name
    assert name.startswith("Ada Example xxx")
    assert len(name) == 128
    assert pkcs12.open_bundle(files.simple(name="\n"), files.PASSWORD).friendly_name is None


def test_of_two_certificates_of_one_key_the_marked_one_counts_and_else_the_newer() -> None:
    house = organisation.Organisation()
    key = ec.generate_private_key(ec.SECP256R1())
    older = house.issue("Ada", "ada@example.org", key=key)
    newer = house.issue("Ada", "ada@example.org", key=key, not_after=organisation.UNTIL.replace(year=2061))
    info = older.private_key_info

    def opened(*marks: bytes) -> bytes:
        contents = files.safe(
            files.bag(files.KEY_BAG, info, files.local_key_id(b"1")),
            files.certificate_bag(newer.encoded, *map(files.local_key_id, marks[1:])),
            files.certificate_bag(older.encoded, *map(files.local_key_id, marks[:1])),
        )
        return pkcs12.open_bundle(files.pfx(files.plain_part(contents)), files.PASSWORD).certificate

    assert opened() == newer.encoded
    assert opened(b"1") == older.encoded
    assert opened(b"1", b"1") == newer.encoded


def test_the_chain_follows_the_issuers_and_leaves_strangers_out() -> None:
    house, stranger = organisation.Organisation(), organisation.Organisation("Stranger")
    ada, bob = house.issue("Ada", "ada@example.org"), stranger.issue("Bob", "bob@example.org")
    mail, root = (one.public_bytes(serialization.Encoding.DER) for one in ada.chain)
    data = files.simple(ada.private_key_info, ada.encoded, bob.encoded, root, mail, mail)
    assert pkcs12.open_bundle(data, files.PASSWORD).chain == (mail, root)


def test_a_circle_of_issuers_ends() -> None:
    house = organisation.Organisation()
    ada = house.issue("Ada", "ada@example.org", authority=True)
    circle = x509.CertificateBuilder(ada.certificate.subject, house.mail.subject, house.mail_key.public_key())
    encoded = (
        circle.serial_number(7)
        .not_valid_before(organisation.FROM)
        .not_valid_after(organisation.UNTIL)
        .sign(house.root_key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    data = files.simple(ada.private_key_info, ada.encoded, encoded)
    assert pkcs12.open_bundle(data, files.PASSWORD).chain == (encoded,)


# --- what is something else


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", Reason.EMPTY),
        (files.read("certificate.der"), Reason.CERTIFICATE_ALONE),
        (files.read("certificate.der")[:40], Reason.CERTIFICATE_ALONE),
        (files.read("person.pem"), Reason.CERTIFICATE_TEXT),
        (files.read("chain.pem"), Reason.CERTIFICATE_TEXT),
        (files.read("person.key"), Reason.KEY_TEXT),
        (files.read("both.pem"), Reason.BOTH_TEXT),
        (files.read("person.pem") + files.read("person.key"), Reason.BOTH_TEXT),
        (files.read("key-pkcs1.der"), Reason.KEY_ALONE),
        (files.read("key-pkcs8.der"), Reason.KEY_ALONE),
        (files.read("key-pkcs8-encrypted.der"), Reason.KEY_ALONE),
        (files.read("key-sec1.der"), Reason.KEY_ALONE),
        (files.read("certificates.p7b"), Reason.CERTIFICATES_ONLY),
        (files.read("certificates-text.pem"), Reason.CERTIFICATES_ONLY),
        (b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80", Reason.CERTIFICATES_ONLY),
        (files.read("request.der"), Reason.CERTIFICATE_REQUEST),
        (b"-----BEGIN CERTIFICATE REQUEST-----\n", Reason.CERTIFICATE_REQUEST),
        (files.read("message-encrypted.der"), Reason.ENCRYPTED_MESSAGE),
        (files.read("java.jks"), Reason.JAVA_KEYSTORE),
        (files.read("java.jceks.jks"), Reason.JAVA_KEYSTORE),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n", Reason.OPENPGP),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", Reason.SSH_KEY),
        (b"-----BEGIN NOTHING-----\n", Reason.SOMETHING_ELSE),
        (b"<!DOCTYPE html><title>Sign in</title>", Reason.WEB_PAGE),
        (b"\xef\xbb\xbf\r\n<html>", Reason.WEB_PAGE),
        (b"PK\x03\x04" + bytes(40), Reason.ARCHIVE),
        (b"Dear colleague,", Reason.SOMETHING_ELSE),
        (b"\x89PNG\r\n\x1a\n", Reason.SOMETHING_ELSE),
        (b"\x30", Reason.SOMETHING_ELSE),
        (b"\x30\x03\x02\x01\x07", Reason.SOMETHING_ELSE),
    ],
)
def test_what_is_something_else_is_named(data: bytes, expected: Reason) -> None:
    for read in (pkcs12.inspect, lambda data: pkcs12.open_bundle(data, "x")):
        with pytest.raises(NotPkcs12) as refused:
            read(data)
        assert refused.value.reason is expected
        assert refused.value.message == expected.text


@pytest.mark.parametrize("size", [64 * 1024 + 1, 10 * 1024 * 1024])
def test_a_file_too_large_is_refused_before_it_is_looked_at(size: int) -> None:
    data = files.read("openssl-3.p12").ljust(size, b"\0")
    with pytest.raises(Refused, match="larger than 64 kB"):
        pkcs12.inspect(data)


# --- what cannot be opened, and what is not in it


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no-key", Reason.NO_PRIVATE_KEY),
        ("java-trust", Reason.NO_PRIVATE_KEY),
        ("no-certificate", Reason.NO_CERTIFICATE),
        ("java-two", Reason.SEVERAL_PRIVATE_KEYS),
    ],
)
def test_a_file_of_a_tool_with_too_little_or_too_much_in_it_is_refused(name: str, expected: Reason) -> None:
    assert reason(files.read(f"{name}.p12")) is expected


def test_a_key_of_another_certificate_is_refused() -> None:
    stranger = organisation.Organisation().issue("Bob", "bob@example.org")
    assert reason(files.simple(stranger.private_key_info)) is Reason.KEY_MISMATCH
    assert reason(files.simple(files.person_key(), stranger.encoded)) is Reason.KEY_MISMATCH


def test_a_certificate_that_cannot_be_read_is_refused() -> None:
    for damaged in (b"", b"nothing", files.person_certificate()[:-1], files.person_certificate()[:50]):
        contents = files.safe(files.bag(files.KEY_BAG, files.person_key()), files.certificate_bag(damaged))
        assert reason(files.pfx(files.plain_part(contents))) is Reason.UNUSABLE_CERTIFICATE


def test_a_key_that_cannot_be_used_is_refused() -> None:
    agreement = x25519.X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    empty = wire.sequence(wire.integer(0), wire.algorithm("1.2.840.113549.1.1.1"), wire.octets(b""))
    for key in (agreement, empty, empty[:-2] + b"\x04\x00"):
        assert reason(files.simple(key)) is Reason.UNUSABLE_KEY
    long = wire.sequence(wire.integer(0), wire.algorithm("1.2.840.113549.1.1.1"), wire.octets(bytes(9000)))
    assert reason(files.simple(long)) is Reason.UNUSABLE_KEY


def test_parts_under_different_passwords_are_refused() -> None:
    own, other = files.old_reading(files.PASSWORD), files.old_reading("other")
    key, certificate = files.person_key(), files.safe(files.certificate_bag(files.person_certificate()))
    with_key = files.pfx(
        files.encrypted_part(files.des3(certificate)),
        files.plain_part(files.safe(files.shrouded_key_bag(files.des3(key, other)))),
    )
    assert reason(with_key) is Reason.TWO_PASSWORDS
    with_part = files.pfx(
        files.encrypted_part(files.des3(certificate, other)),
        files.plain_part(files.safe(files.shrouded_key_bag(files.des3(key, own)))),
    )
    assert reason(with_part) is Reason.TWO_PASSWORDS
    parts = files.parts_of(with_key)
    assert reason(files.pfx(*parts, authentication=b"")) is Reason.TWO_PASSWORDS


@pytest.mark.parametrize("name", ["openssl-3", "openssl-1", "java", "rc4-128"])
def test_a_file_that_was_changed_is_told_from_a_wrong_password(name: str) -> None:
    """Where the password opens its parts, and only the authentication does not hold."""
    data = bytearray(files.read(f"{name}.p12"))
    data[-5 - len(files.SALT) - 8] ^= 1  # in the value of the MAC, or its salt
    assert reason(bytes(data)) is Reason.DAMAGED
    assert reason(bytes(data), "wrong") is Reason.WRONG_PASSWORD


@pytest.mark.parametrize(
    "data",
    [
        wire.sequence(
            wire.integer(3), wire.sequence(wire.oid("1.2.840.113549.1.7.2"), wire.tlv(0xA0, wire.sequence()))
        ),
        files.pfx(wire.sequence(wire.oid("1.2.840.113549.1.7.3"), wire.tlv(0xA0, wire.sequence()))),
        files.pfx(
            wire.sequence(
                wire.oid(files.ENCRYPTED_DATA),
                wire.tlv(
                    0xA0,
                    wire.sequence(
                        wire.integer(0),
                        wire.sequence(wire.oid(files.ENCRYPTED_DATA), wire.sequence(), wire.tlv(0x80, b"")),
                    ),
                ),
            )
        ),
        files.pfx(files.plain_part(files.safe(*[files.bag(files.KEY_BAG, wire.integer(1))] * 65))),
    ],
    ids=["signed", "enveloped", "strange", "many"],
)
def test_content_that_is_not_known_is_refused(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        pkcs12.inspect(data)
    assert refused.value.reason is Reason.UNKNOWN_CONTENT


# --- what is hostile


@pytest.mark.parametrize(
    "data",
    [
        files.hungry_mac(),
        files.hungry_pbmac1(),
        files.hungry_part(old=True),
        files.hungry_part(old=False),
        files.hungry_key(),
        files.hungry_nested_key(),
        files.hungry_scrypt(),
        files.hungry_scrypt(2, 2**30),
        files.hungry_scrypt(2, 1, 2**30),
        files.pfx(*[files.encrypted_part(files.des3(files.safe(), iterations=1, claimed=1_000_000))] * 4),
    ],
    ids=["mac", "pbmac1", "old part", "new part", "key", "nested key", "memory", "blocks", "parallel", "many parts"],
)
def test_work_beyond_the_limit_is_refused_without_doing_it(data: bytes) -> None:
    with pytest.raises(TooMuchWork, match="too much work to open"):
        pkcs12.inspect(data)
    assert reason(data) is Reason.TOO_MUCH_WORK


def test_work_that_shows_only_inside_is_refused_before_it_is_done() -> None:
    data = files.hidden_key()
    assert pkcs12.inspect(data).keys == 0
    assert reason(data) is Reason.TOO_MUCH_WORK


def test_nesting_is_limited() -> None:
    assert reason(files.nested_bags(3)) is Reason.NO_CERTIFICATE
    for data in (
        files.nested_bags(4),
        files.nested_bags(60),
        files.nested_elements(40, indefinite=True),
        files.nested_elements(15_000, indefinite=True),
        files.nested_elements(4_000, indefinite=False),
    ):
        assert reason(data) is Reason.NESTED


def outcome(data: bytes, password: str = files.PASSWORD) -> pkcs12.Bundle | Reason:
    try:
        return pkcs12.open_bundle(data, password)
    except Refused as refused:
        return refused.reason


def cut(data: bytes) -> Iterator[bytes]:
    return (data[:length] for length in range(len(data)))


@pytest.mark.parametrize(
    "data",
    [files.read("noiter.p12"), files.windows(aes_256=True), files.keychain(), files.read("plain.p12")],
    ids=["OpenSSL", "Windows", "BER", "plain"],
)
def test_a_file_cut_off_anywhere_is_refused(data: bytes) -> None:
    found = {outcome(part) for part in cut(data)}
    assert found == {Reason.EMPTY, Reason.SOMETHING_ELSE, Reason.DAMAGED}


@given(st.binary(max_size=400))
def test_whatever_bytes_are_read_nothing_but_a_refusal_comes_out(data: bytes) -> None:
    for attempt in (data, wire.sequence(wire.integer(3), data), files.pfx(data, authentication=b"")):
        with pytest.raises(Refused):
            pkcs12.open_bundle(attempt, files.PASSWORD)


@given(
    name=st.sampled_from(["noiter", "plain", "keychain", "simple"]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_a_file_with_changed_bytes_opens_to_the_same_key_or_is_refused(
    name: str, changes: list[tuple[float, int]]
) -> None:
    made = {"keychain": files.keychain, "simple": files.simple}
    data = bytearray(made[name]() if name in made else files.read(f"{name}.p12"))
    for at, value in changes:
        data[int(at * len(data))] = value
    found = outcome(bytes(data))
    if isinstance(found, pkcs12.Bundle):
        assert found.key == files.person_key()


# --- the reasons


def test_every_reason_has_a_code_of_its_own_and_says_what_to_do() -> None:
    assert len({one.code for one in Reason}) == len(Reason) == len({one.text for one in Reason})
    for one in Reason:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", one.code)
        assert len(re.findall(r"[.:] [A-Z]|: [a-z]", one.text)) >= 1, one.text
        assert refusal(one).code == one.code
        assert refusal(one).message == one.text


def test_a_bundle_does_not_show_its_key() -> None:
    assert "key=" not in repr(pkcs12.open_bundle(files.read("plain.p12"), ""))
