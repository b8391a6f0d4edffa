import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509 as library
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import Invalid, ProtocolError
from mydevices.protocols.pki import x509
from tests.protocols.pki import wire

BEGIN = datetime(2030, 1, 1, 12, tzinfo=UTC)
END = datetime(2031, 1, 1, 12, tzinfo=UTC)
INSTANT = timedelta(seconds=1)


@pytest.fixture(scope="module")
def issued(authority: x509.Authority, other_key: rsa.RSAPrivateKey) -> library.Certificate:
    return x509.issue(
        authority=authority,
        public_key=other_key.public_key(),
        common_name="a device",
        serial=77,
        not_before=BEGIN,
        not_after=END,
    )


def test_an_authority_may_issue_sign_and_decrypt(other_authority: x509.Authority) -> None:
    certificate = other_authority.certificate
    usage = certificate.extensions.get_extension_for_class(library.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.digital_signature
    assert usage.value.key_encipherment
    constraints = certificate.extensions.get_extension_for_class(library.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    certificate.verify_directly_issued_by(certificate)
    assert other_authority.der is other_authority.der


def test_a_device_certificate_may_authenticate_sign_and_receive(issued: library.Certificate) -> None:
    usage = issued.extensions.get_extension_for_class(library.KeyUsage).value
    assert usage.digital_signature
    assert usage.key_encipherment
    assert not usage.key_cert_sign
    assert not issued.extensions.get_extension_for_class(library.BasicConstraints).value.ca
    purposes = issued.extensions.get_extension_for_class(library.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert issued.serial_number == 77
    assert issued.subject.rfc4514_string() == "CN=a device"
    assert (issued.not_valid_before_utc, issued.not_valid_after_utc) == (BEGIN, END)


def test_a_certificate_names_the_key_of_its_authority(issued: library.Certificate, authority: x509.Authority) -> None:
    own = library.SubjectKeyIdentifier.from_public_key(authority.key.public_key()).digest
    found = issued.extensions.get_extension_for_class(library.AuthorityKeyIdentifier).value.key_identifier
    assert found == own


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "two\nlines", "nul\0"])
def test_a_name_that_no_certificate_can_have_is_refused(name: str, authority: x509.Authority) -> None:
    with pytest.raises(Invalid, match="1 to 64 printable"):
        x509.issue(
            authority=authority,
            public_key=authority.key.public_key(),
            common_name=name,
            serial=1,
            not_before=BEGIN,
            not_after=END,
        )


def test_a_certificate_is_accepted_while_it_is_valid(issued: library.Certificate, authority: x509.Authority) -> None:
    der = x509.encoded(issued)
    x509.check_issued_by(der, authority, BEGIN)
    x509.check_issued_by(der, authority, END)
    with pytest.raises(ProtocolError, match="not valid yet"):
        x509.check_issued_by(der, authority, BEGIN - INSTANT)
    with pytest.raises(ProtocolError, match="expired"):
        x509.check_issued_by(der, authority, END + INSTANT)
    x509.check_signed_by(der, authority)


def test_a_certificate_of_openssl_is_accepted(device: wire.Holder, authority: x509.Authority, now: datetime) -> None:
    x509.check_issued_by(device.certificate, authority, now)


def test_an_authority_of_the_same_name_is_not_ours(
    device: wire.Holder, other_authority: x509.Authority, now: datetime
) -> None:
    assert other_authority.certificate.subject == library.load_der_x509_certificate(device.certificate).issuer
    with pytest.raises(ProtocolError, match="does not match"):
        x509.check_issued_by(device.certificate, other_authority, now)


def test_what_the_authority_did_not_issue_to_a_device_is_refused(
    authority: x509.Authority, client: wire.Holder, now: datetime
) -> None:
    for certificate in (client.certificate, authority.der):
        with pytest.raises(ProtocolError, match="not issued by"):
            x509.check_issued_by(certificate, authority, now)


def test_no_altered_certificate_is_accepted(device: wire.Holder, authority: x509.Authority, now: datetime) -> None:
    for position in range(len(device.certificate)):
        for change in (1, 0x80):
            altered = bytearray(device.certificate)
            altered[position] ^= change
            with pytest.raises(ProtocolError):
                x509.check_issued_by(bytes(altered), authority, now)


def test_another_encoding_of_an_issued_certificate_is_refused(
    device: wire.Holder, authority: x509.Authority, now: datetime
) -> None:
    """It would have a fingerprint of its own, under the same signature."""
    longer = b"\x30\x83\x00" + device.certificate[2:]
    assert x509.outline(longer).tbs == x509.outline(device.certificate).tbs
    with pytest.raises(ProtocolError, match="not encoded as DER"):
        x509.check_issued_by(longer, authority, now)


@given(st.binary(max_size=300))
def test_whatever_bytes_are_no_certificate(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        x509.outline(data)


def test_an_outline_says_what_another_library_reads(device: wire.Holder) -> None:
    outline = x509.outline(device.certificate)
    parsed = device.parsed
    assert outline.tbs == parsed["tbs_certificate"].dump()
    assert outline.serial == parsed.serial_number
    assert outline.issuer == parsed.issuer.dump()
    assert outline.subject == parsed.subject.dump()
    assert outline.spki == parsed.public_key.dump()
    assert outline.key_identifier == parsed.key_identifier
    assert outline.signature == parsed.signature
    assert wire.sequence(outline.issuer_and_serial) == wire.issuer_and_serial(parsed)


def test_a_certificate_that_strict_parsers_refuse_is_read(other_key: rsa.RSAPrivateKey) -> None:
    holder = wire.self_signed(other_key, common_name=wire.printable("DESKTOP!1"))
    with pytest.raises(ValueError):
        library.load_der_x509_certificate(holder.certificate).subject  # noqa: B018
    outline = x509.outline(holder.certificate)
    assert outline.serial == -7
    assert outline.key_identifier is None
    x509.check_self_signed(outline, allow_weak=False)


def test_a_self_signature_must_match(client: wire.Holder, device: wire.Holder) -> None:
    damaged = bytearray(client.certificate)
    damaged[-1] ^= 1
    for certificate in (bytes(damaged), device.certificate):
        with pytest.raises(ProtocolError, match="does not match"):
            x509.check_self_signed(x509.outline(certificate), allow_weak=True)


def test_a_huge_certificate_is_refused() -> None:
    with pytest.raises(ProtocolError, match="longer than 8 kB"):
        x509.outline(wire.sequence(wire.octets(bytes(9000))))


def test_a_certificate_that_names_two_algorithms_is_refused(device: wire.Holder) -> None:
    altered = device.certificate.replace(wire.oid("1.2.840.113549.1.1.11"), wire.oid("1.2.840.113549.1.1.12"), 1)
    assert altered != device.certificate
    with pytest.raises(ProtocolError, match="two different signature algorithms"):
        x509.outline(altered)


def test_a_fingerprint_is_sha256_in_hexadecimal() -> None:
    assert x509.fingerprint(b"certificate") == hashlib.sha256(b"certificate").hexdigest()
