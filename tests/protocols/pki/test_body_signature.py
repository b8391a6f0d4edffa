"""What real clients send as `Mdm-Signature`, what must be refused, and then everything that could be damaged in one."""

import base64
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import body_signature, x509
from tests.protocols.pki import wire

BODY = wire.read("idle.plist")
NAMES = ["sha256", "attached", "attached-pieces", "without-attributes", "key-identifier", "chain", "pss", "curve"]


def header(message: bytes) -> str:
    return base64.b64encode(message).decode()


def captured(name: str) -> str:
    return header(wire.read(f"signed-{name}.der"))


def test_a_detached_signature_is_accepted(device: wire.Holder) -> None:
    assert body_signature.verify(captured("sha256"), BODY, allow_weak=False) == device.certificate


def test_an_attached_signature_is_accepted(device: wire.Holder) -> None:
    assert body_signature.verify(captured("attached"), BODY, allow_weak=False) == device.certificate


def test_the_signature_of_an_apple_device_is_accepted(device: wire.Holder) -> None:
    """As iOS and macOS write it: indefinite lengths, no signed attributes, sha1WithRSAEncryption or its successor."""
    for digest in ("sha1", "sha256"):
        message = wire.signed_data(
            BODY, device, digest=digest, attributes=[], signature_algorithm=wire.SIGNATURES[digest]
        )
        as_sent = header(wire.indefinite(message))
        assert as_sent.startswith("MIAGCSqGSIb3DQEHAqCAMIACAQEx")
        assert body_signature.verify(as_sent, BODY, allow_weak=True) == device.certificate


def test_where_signers_are_named_others_are_refused_before_their_key_is_looked_at(device: wire.Holder) -> None:
    known = {device.certificate}
    assert body_signature.verify(captured("attached"), BODY, allow_weak=False, known=known) == device.certificate
    for body in (BODY, b"another"):
        with pytest.raises(ProtocolError, match="not known"):
            body_signature.verify(captured("attached"), body, allow_weak=False, known=frozenset())
    with pytest.raises(ProtocolError, match="another content"):
        body_signature.verify(captured("attached"), b"another", allow_weak=False, known=known)


@pytest.mark.parametrize("name", NAMES)
def test_a_captured_header_does_not_authenticate_another_body(name: str) -> None:
    other = BODY.replace(b"Idle", b"idle")
    assert len(other) == len(BODY)
    with pytest.raises(ProtocolError, match=r"another content|does not match"):
        body_signature.verify(captured(name), other, allow_weak=True)


def test_an_attached_copy_does_not_stand_in_for_the_body(device: wire.Holder) -> None:
    """The signature is right for what is attached; what was received is something else."""
    message = wire.signed_data(BODY, device, attached=BODY)
    assert body_signature.verify(header(message), BODY, allow_weak=False) == device.certificate
    with pytest.raises(ProtocolError, match="another content"):
        body_signature.verify(header(message), b"<plist/>", allow_weak=False)


def test_an_attached_copy_that_differs_from_the_signed_body_changes_nothing(device: wire.Holder) -> None:
    message = wire.signed_data(BODY, device, attached=b"something else")
    assert body_signature.verify(header(message), BODY, allow_weak=False) == device.certificate


def test_two_signers_are_refused() -> None:
    with pytest.raises(ProtocolError, match="exactly one signer"):
        body_signature.verify(captured("two-signers"), BODY, allow_weak=True)


def test_a_signature_without_the_type_of_its_content_is_refused(device: wire.Holder) -> None:
    message = wire.signed_data(BODY, device, attributes=wire.standard_attributes(BODY)[1:])
    with pytest.raises(ProtocolError, match="another type of content"):
        body_signature.verify(header(message), BODY, allow_weak=False)


def test_the_checks_come_in_order(device: wire.Holder) -> None:
    """Signers, digest, type of content, signature: the first that fails is the one that is reported."""
    wrong_digest = wire.standard_attributes(b"another")[1]
    for attributes, signers, complaint in (
        ([wrong_digest], 2, "exactly one signer"),
        ([wrong_digest], 1, "another content"),
        ([wire.standard_attributes(BODY)[1]], 1, "another type"),
        (wire.standard_attributes(BODY), 1, "does not match"),
    ):
        message = wire.signed_data(BODY, device, attributes=attributes, to_sign=[b"forged"], signers=signers)
        with pytest.raises(ProtocolError, match=complaint):
            body_signature.verify(header(message), BODY, allow_weak=False)


def test_a_valid_signature_by_a_stranger_is_refused_with_the_chain(
    client: wire.Holder, authority: x509.Authority, now: datetime
) -> None:
    certificate = body_signature.verify(header(wire.signed_data(BODY, client)), BODY, allow_weak=False)
    with pytest.raises(ProtocolError, match="not issued by"):
        x509.check_issued_by(certificate, authority, now)


def test_the_certificate_of_a_device_is_returned_for_its_registration_to_be_found(
    device: wire.Holder, authority: x509.Authority, now: datetime
) -> None:
    certificate = body_signature.verify(captured("chain"), BODY, allow_weak=False)
    x509.check_issued_by(certificate, authority, now)
    assert x509.fingerprint(certificate) == x509.fingerprint(device.certificate)


@pytest.mark.parametrize("name", ["sha1", "without-attributes-sha1"])
def test_sha1_is_accepted_behind_one_switch(name: str, device: wire.Holder) -> None:
    assert body_signature.verify(captured(name), BODY, allow_weak=True) == device.certificate
    with pytest.raises(ProtocolError, match="weak algorithms are switched off"):
        body_signature.verify(captured(name), BODY, allow_weak=False)


def test_md5_is_never_accepted() -> None:
    with pytest.raises(ProtocolError, match="not accepted"):
        body_signature.verify(captured("md5"), BODY, allow_weak=True)


def test_a_header_may_be_bytes_and_may_be_folded(device: wire.Holder) -> None:
    folded = base64.encodebytes(wire.read("signed-sha256.der")).replace(b"\n", b"\r\n ")
    assert body_signature.verify(folded, BODY, allow_weak=False) == device.certificate


def test_a_header_of_nine_kilobytes_is_read(device: wire.Holder) -> None:
    chain = [device.certificate, *(bytes([0xA1, 0x81, 0xC8]) + bytes(200) for _ in range(28))]
    long = header(wire.signed_data(BODY, device, certificates=chain))
    assert 9000 < len(long) < 10_000
    assert body_signature.verify(long, BODY, allow_weak=False) == device.certificate


@pytest.mark.parametrize(
    ("digest", "algorithm", "is_weak"),
    [
        ("sha256", wire.RSA, False),
        ("sha256", wire.SIGNATURES["sha256"], False),
        ("sha512", wire.RSA, False),
        ("sha1", wire.RSA, True),
        ("sha1", wire.SIGNATURES["sha1"], True),
    ],
)
def test_it_is_told_whether_a_signature_rests_on_sha1(
    device: wire.Holder, digest: str, algorithm: str, is_weak: bool
) -> None:
    message = wire.signed_data(BODY, device, digest=digest, signature_algorithm=algorithm)
    assert body_signature.read(header(message), BODY, allow_weak=True).is_weak == is_weak


def test_sha1_in_the_signature_alone_counts_too(device: wire.Holder) -> None:
    """The digest of the content is SHA-256, and the signature over the attributes is SHA-1."""
    message = wire.signed_data(
        BODY, device, digest="sha256", signature_algorithm=wire.SIGNATURES["sha1"], signature_digest="sha1"
    )
    assert body_signature.read(header(message), BODY, allow_weak=True).is_weak
    with pytest.raises(ProtocolError, match="SHA-1"):
        body_signature.read(header(message), BODY, allow_weak=False)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("", "ends in the middle"),
        ("MIIB", "surrounds"),
        ("é", "not base64"),
        ("MII=B", "not base64"),
        ("MIIB*", "not base64"),
        ("MIIBA", "not base64"),
        (b"\xff\xfe", "not base64"),
        ("A" * 65_540, "longer than 64 kB"),
        ("MIAG", "ends in the middle"),
    ],
)
def test_a_header_that_is_no_message_is_refused(value: str | bytes, complaint: str) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        body_signature.verify(value, BODY, allow_weak=True)


def accepted_as(message: bytes, authority: x509.Authority, now: datetime) -> bytes | None:
    """Whom a header stands for after every check of this package: ProtocolError is the only other way out."""
    try:
        certificate = body_signature.verify(header(message), BODY, allow_weak=True)
        x509.check_issued_by(certificate, authority, now)
    except ProtocolError:
        return None
    return certificate


@pytest.mark.parametrize("apple", [False, True])
@pytest.mark.parametrize("name", ["sha256", "without-attributes", "attached-pieces"])
def test_no_octet_can_be_changed_to_make_it_someone_elses(
    name: str, apple: bool, authority: x509.Authority, device: wire.Holder, now: datetime
) -> None:
    message = wire.read(f"signed-{name}.der")
    if apple:
        message = wire.indefinite(wire.read("signed-attached.der") if name == "attached-pieces" else message)
    assert accepted_as(message, authority, now) == device.certificate
    for position in range(len(message)):
        for change in (0x01, 0x80, 0xFF):
            altered = bytearray(message)
            altered[position] ^= change
            assert accepted_as(bytes(altered), authority, now) in {None, device.certificate}


edit = st.tuples(
    st.integers(min_value=0, max_value=4000), st.integers(min_value=0, max_value=40), st.binary(max_size=12)
)


@pytest.mark.parametrize("name", NAMES)
@given(edits=st.lists(edit, min_size=1, max_size=4))
@settings(max_examples=150)
def test_an_edited_capture_is_refused_or_still_the_same_device(
    name: str, edits: list[tuple[int, int, bytes]], authority: x509.Authority, device: wire.Holder, now: datetime
) -> None:
    message = wire.read(f"signed-{name}.der")
    for position, removed, inserted in edits:
        begin = position % (len(message) + 1)
        message = message[:begin] + inserted + message[begin + removed :]
    owner = wire.read_certificate("curve.pem") if name == "curve" else device.certificate
    assert accepted_as(message, authority, now) in {None, owner}


@given(data=st.binary(max_size=500), body=st.binary(max_size=50))
def test_whatever_bytes_are_refused(data: bytes, body: bytes) -> None:
    for value in (data, header(data), header(b"\x30\x80" + data), data.decode("latin-1")):
        with pytest.raises(ProtocolError):
            body_signature.verify(value, body, allow_weak=True)
