from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from asn1crypto import cms as asn1_cms
from cryptography import x509 as library
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import cms, der, x509
from tests.protocols.pki import wire

BODY = wire.read("idle.plist")


# --- signatures that others made


@pytest.mark.parametrize(
    "name",
    [
        "sha256",
        "sha384",
        "sha512",
        "attached",
        "attached-pieces",
        "plain",
        "without-attributes",
        "key-identifier",
        "chain",
        "pss",
    ],
)
def test_a_signature_of_openssl_is_accepted(name: str, device: wire.Holder) -> None:
    signed = cms.verify(wire.read(f"signed-{name}.der"), content=BODY, allow_weak=False)
    assert signed.certificate_der == device.certificate
    assert signed.content == BODY


def test_a_signature_on_an_elliptic_curve_is_accepted() -> None:
    signed = cms.verify(wire.read("signed-curve.der"), content=BODY, allow_weak=False)
    assert signed.certificate_der == wire.read_certificate("curve.pem")


@pytest.mark.parametrize("name", ["attached", "attached-pieces", "plain"])
def test_attached_content_is_taken_where_none_is_given(name: str) -> None:
    assert cms.verify(wire.read(f"signed-{name}.der"), content=None, allow_weak=False).content == BODY


def test_content_must_come_from_somewhere() -> None:
    with pytest.raises(ProtocolError, match="does not hold the content"):
        cms.verify(wire.read("signed-sha256.der"), content=None, allow_weak=False)


@pytest.mark.parametrize("name", ["sha256", "attached", "attached-pieces", "without-attributes", "pss", "curve"])
def test_a_signature_is_for_one_content_only(name: str) -> None:
    with pytest.raises(ProtocolError, match=r"for another content|does not match"):
        cms.verify(wire.read(f"signed-{name}.der"), content=BODY + b" ", allow_weak=True)


@pytest.mark.parametrize("name", ["sha1", "without-attributes-sha1"])
def test_sha1_is_accepted_only_where_weak_algorithms_are_allowed(name: str, device: wire.Holder) -> None:
    message = wire.read(f"signed-{name}.der")
    assert cms.verify(message, content=BODY, allow_weak=True).certificate_der == device.certificate
    with pytest.raises(ProtocolError, match="SHA-1, and weak algorithms are switched off"):
        cms.verify(message, content=BODY, allow_weak=False)


def test_a_strong_digest_signed_with_sha1_is_weak(device: wire.Holder) -> None:
    """The signature algorithm has a digest of its own, which is not that of the content."""
    message = wire.signed_data(BODY, device, signature_algorithm=wire.SIGNATURES["sha1"])
    with pytest.raises(ProtocolError, match="signed with SHA-1, and weak"):
        cms.verify(message, content=BODY, allow_weak=False)


def test_sha1_of_the_content_under_a_strong_signature_is_weak(device: wire.Holder) -> None:
    message = wire.signed_data(
        BODY,
        device,
        digest="sha1",
        signature_algorithm=wire.SIGNATURES["sha256"],
        signature_digest="sha256",
    )
    assert cms.verify(message, content=BODY, allow_weak=True).certificate_der == device.certificate
    with pytest.raises(ProtocolError, match="uses SHA-1, and weak"):
        cms.verify(message, content=BODY, allow_weak=False)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("md5", "digest algorithm that is not accepted"),
        ("two-signers", "exactly one signer"),
        ("no-certificate", "not in the message"),
    ],
)
def test_an_unacceptable_signature_is_refused(name: str, complaint: str) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        cms.verify(wire.read(f"signed-{name}.der"), content=BODY, allow_weak=True)


def test_no_signer_at_all_is_refused(device: wire.Holder) -> None:
    with pytest.raises(ProtocolError):
        cms.verify(wire.signed_data(BODY, device, signers=0), content=BODY, allow_weak=False)
    with pytest.raises(ProtocolError):
        cms.verify(cms.certificates_only(device.certificate), content=BODY, allow_weak=False)


@pytest.mark.parametrize("oid", [wire.SIGNATURES["sha256"], wire.RSA])
def test_the_signature_algorithm_may_name_its_digest_or_not(oid: str, device: wire.Holder) -> None:
    message = wire.signed_data(BODY, device, signature_algorithm=oid)
    assert cms.verify(message, content=BODY, allow_weak=False).certificate_der == device.certificate


def unordered(content: bytes) -> list[bytes]:
    return sorted(
        [*wire.standard_attributes(content), wire.attribute(wire.SIGNING_TIME, wire.tlv(0x17, b"360504030201Z"))],
        reverse=True,
    )


def test_unordered_attributes_are_accepted_as_they_were_signed(device: wire.Holder) -> None:
    attributes = unordered(BODY)
    message = wire.signed_data(BODY, device, attributes=attributes)
    assert cms.verify(message, content=BODY, allow_weak=False).certificate_der == device.certificate


def test_unordered_attributes_are_accepted_as_they_should_have_been_signed(device: wire.Holder) -> None:
    attributes = unordered(BODY)
    message = wire.signed_data(BODY, device, attributes=attributes, to_sign=sorted(attributes))
    assert cms.verify(message, content=BODY, allow_weak=False).certificate_der == device.certificate


def test_unordered_attributes_need_a_signature_too(device: wire.Holder) -> None:
    attributes = unordered(BODY)
    message = wire.signed_data(BODY, device, attributes=attributes, to_sign=attributes[:2])
    with pytest.raises(ProtocolError, match="does not match"):
        cms.verify(message, content=BODY, allow_weak=False)


@pytest.mark.parametrize(
    ("choose", "complaint"),
    [
        (lambda content_type, _: [content_type], "another content"),
        (lambda _, digest: [digest], "another type of content"),
        (lambda content_type, digest: [content_type, digest, digest], "not a set of attributes"),
        (lambda content_type, digest: [content_type, content_type, digest], "not a set of attributes"),
        (lambda content_type, _: [content_type, wire.attribute(wire.MESSAGE_DIGEST)], "another content"),
        (lambda _, digest: [wire.attribute(wire.CONTENT_TYPE), digest], "another type"),
        (lambda _, digest: [wire.attribute(wire.CONTENT_TYPE, wire.oid(wire.SIGNED_DATA)), digest], "another type"),
    ],
)
def test_signed_attributes_must_be_complete(
    choose: Callable[[bytes, bytes], list[bytes]], complaint: str, device: wire.Holder
) -> None:
    attributes = choose(*wire.standard_attributes(BODY))
    with pytest.raises(ProtocolError, match=complaint):
        cms.verify(wire.signed_data(BODY, device, attributes=attributes), content=BODY, allow_weak=False)


def test_a_digest_next_to_the_right_one_is_refused(device: wire.Holder) -> None:
    content_type, digest = wire.standard_attributes(BODY)
    both = wire.attribute(wire.MESSAGE_DIGEST, wire.octets(bytes(32)), digest[-34:])
    message = wire.signed_data(BODY, device, attributes=[content_type, both])
    with pytest.raises(ProtocolError, match="another content"):
        cms.verify(message, content=BODY, allow_weak=False)


def test_signed_attributes_do_not_pass_for_content(device: wire.Holder) -> None:
    """Signed attributes that are left away and shown as the content would match the signature over them."""
    attributes = wire.standard_attributes(BODY)
    as_content = wire.set_(*attributes)
    message = wire.signed_data(as_content, device, attributes=[])
    with pytest.raises(ProtocolError, match="looks like signed attributes"):
        cms.verify(message, content=as_content, allow_weak=False)


def test_an_empty_set_of_signed_attributes_is_refused(device: wire.Holder) -> None:
    message = wire.signed_data(BODY, device, attributes=[b""])
    with pytest.raises(ProtocolError, match="empty"):
        cms.verify(message, content=BODY, allow_weak=False)


def test_only_plain_data_is_accepted(device: wire.Holder) -> None:
    message = wire.signed_data(BODY, device, content_type="1.2.840.113549.1.9.16.1.4")
    with pytest.raises(ProtocolError, match="not plain data"):
        cms.verify(message, content=BODY, allow_weak=False)


def test_the_named_certificate_is_the_signers(
    device: wire.Holder, authority: x509.Authority, client: wire.Holder
) -> None:
    chain = [client.certificate, authority.der, device.certificate]
    message = wire.signed_data(BODY, device, certificates=chain)
    assert cms.verify(message, content=BODY, allow_weak=False).certificate_der == device.certificate


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["sha256", "attached", "without-attributes"])
def test_indefinite_lengths_are_accepted(name: str, levels: int, device: wire.Holder) -> None:
    message = wire.indefinite(wire.read(f"signed-{name}.der"), levels)
    assert cms.verify(message, content=BODY, allow_weak=False).certificate_der == device.certificate


@given(st.binary(max_size=400))
def test_whatever_bytes_are_no_signed_message(data: bytes) -> None:
    for content in (None, b""):
        with pytest.raises(ProtocolError):
            cms.verify(data, content=content, allow_weak=True)


# --- signatures that we make


def test_a_signed_profile_is_to_the_byte_what_openssl_makes_of_it(device: wire.Holder) -> None:
    expected = wire.read("signed-plain.der")
    time = asn1_cms.ContentInfo.load(expected)["content"]["signer_infos"][0]["signed_attrs"][1]["values"][0].native
    assert cms.sign(BODY, certificate=device.certificate, key=device.key, signing_time=time) == expected


@pytest.mark.parametrize("moment", [None, datetime(2049, 12, 31, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)])
def test_a_signed_profile_is_read_by_another_library(moment: datetime | None, authority: x509.Authority) -> None:
    content = bytes(range(256)) * 32
    message = cms.sign(
        content,
        certificate=authority.certificate,
        key=authority.key,
        chain=[wire.read_certificate("device.pem")],
        signing_time=moment,
    )
    info = asn1_cms.ContentInfo.load(message, strict=True)
    signed = info["content"]
    assert info.dump(force=True) == message
    assert signed["encap_content_info"]["content"].native == content
    assert [c.chosen.serial_number for c in signed["certificates"]].count(4660) == 1
    assert len(signed["certificates"]) == 2
    (signer,) = signed["signer_infos"]
    attributes = {attribute["type"].native: attribute["values"][0].native for attribute in signer["signed_attrs"]}
    assert attributes.get("signing_time") == moment
    assert signer["digest_algorithm"]["algorithm"].native == "sha256"
    _, digest = wire.DIGESTS["sha256"]
    authority.key.public_key().verify(
        signer["signature"].native, signer["signed_attrs"].untag().dump(), rsa_padding.PKCS1v15(), digest
    )
    assert cms.verify(message, content=None, allow_weak=False).content == content


def test_the_same_content_is_signed_the_same_way(device: wire.Holder) -> None:
    first = cms.sign(BODY, certificate=device.certificate, key=device.key)
    assert cms.sign(BODY, certificate=device.certificate, key=device.key) == first


# --- envelopes


@pytest.mark.parametrize(
    ("name", "cipher"),
    [
        ("aes128", cms.ContentCipher.AES_128),
        ("aes192", cms.ContentCipher.AES_192),
        ("aes256", cms.ContentCipher.AES_256),
        ("pieces", cms.ContentCipher.AES_256),
        ("key-identifier", cms.ContentCipher.AES_256),
        ("oaep", cms.ContentCipher.AES_256),
        ("oaep-sha256", cms.ContentCipher.AES_256),
        ("for-two", cms.ContentCipher.AES_256),
    ],
)
def test_an_envelope_of_openssl_is_opened(name: str, cipher: cms.ContentCipher, authority: x509.Authority) -> None:
    message = wire.read(f"encrypted-{name}.der")
    opened = cms.open_envelope(message, certificate=authority.der, key=authority.key, allow_weak=False)
    assert opened.content == BODY
    assert opened.cipher is cipher
    assert cms.decrypt(message, certificate=authority.certificate, key=authority.key, allow_weak=False) == BODY


@pytest.mark.parametrize(("name", "cipher"), [("des", cms.ContentCipher.DES), ("des3", cms.ContentCipher.TRIPLE_DES)])
def test_des_is_accepted_only_where_weak_algorithms_are_allowed(
    name: str, cipher: cms.ContentCipher, authority: x509.Authority
) -> None:
    message = wire.read(f"encrypted-{name}.der")
    opened = cms.open_envelope(message, certificate=authority.der, key=authority.key, allow_weak=True)
    assert (opened.content, opened.cipher) == (BODY, cipher)
    with pytest.raises(ProtocolError, match="DES, and weak algorithms are switched off"):
        cms.decrypt(message, certificate=authority.der, key=authority.key, allow_weak=False)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("rc2", "cipher that is not accepted"),
        ("for-another", "for somebody else"),
        ("oaep-label", "way that is not accepted"),
    ],
)
def test_an_unacceptable_envelope_is_refused(name: str, complaint: str, authority: x509.Authority) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        cms.decrypt(wire.read(f"encrypted-{name}.der"), certificate=authority.der, key=authority.key, allow_weak=True)


@pytest.mark.parametrize("levels", [1, 3, 4])
def test_an_envelope_with_indefinite_lengths_is_opened(levels: int, authority: x509.Authority) -> None:
    message = wire.indefinite(wire.read("encrypted-aes256.der"), levels)
    assert cms.decrypt(message, certificate=authority.der, key=authority.key, allow_weak=False) == BODY


@pytest.mark.parametrize("cipher", [c for c in cms.ContentCipher if not c.weak])
@pytest.mark.parametrize("content", [b"", b"x" * 15, b"x" * 16, BODY])
def test_what_is_encrypted_is_decrypted(content: bytes, cipher: cms.ContentCipher, device: wire.Holder) -> None:
    message = cms.encrypt(content, certificate=device.certificate, cipher=cipher)
    opened = cms.open_envelope(message, certificate=device.certificate, key=device.key, allow_weak=False)
    assert (opened.content, opened.cipher) == (content, cipher)


def test_what_is_encrypted_is_decrypted_by_another_library(device: wire.Holder) -> None:
    certificate = library.load_der_x509_certificate(device.certificate)
    message = cms.encrypt(BODY, certificate=certificate)
    assert pkcs7.pkcs7_decrypt_der(message, certificate, device.key, []) == BODY
    info = asn1_cms.ContentInfo.load(message, strict=True)
    assert info.dump(force=True) == message
    algorithm = info["content"]["encrypted_content_info"]["content_encryption_algorithm"]
    assert algorithm["algorithm"].native == "aes256_cbc"


def test_what_another_library_encrypted_is_decrypted(device: wire.Holder) -> None:
    certificate = library.load_der_x509_certificate(device.certificate)
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(BODY).add_recipient(certificate)
    message = builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    assert cms.decrypt(message, certificate=certificate, key=device.key, allow_weak=False) == BODY


def test_no_two_envelopes_are_the_same(device: wire.Holder) -> None:
    assert cms.encrypt(BODY, certificate=device.certificate) != cms.encrypt(BODY, certificate=device.certificate)


@pytest.mark.parametrize("cipher", [c for c in cms.ContentCipher if c.weak])
def test_a_weak_cipher_is_never_produced(cipher: cms.ContentCipher, device: wire.Holder) -> None:
    with pytest.raises(ValueError, match="never produced"):
        cms.encrypt(BODY, certificate=device.certificate, cipher=cipher)


def test_a_key_on_a_curve_cannot_receive() -> None:
    with pytest.raises(ProtocolError, match="RSA key can receive"):
        cms.encrypt(BODY, certificate=wire.read_certificate("curve.pem"))


def is_unreadable(message: bytes, authority: x509.Authority) -> bool:
    """Whether an envelope fails with the one message for it, or gives garbage: what a wrong key makes of content ends
    in what looks like padding once in some hundred times.
    """
    try:
        content = cms.decrypt(message, certificate=authority.der, key=authority.key, allow_weak=True)
    except ProtocolError as error:
        return error.message == cms.CANNOT_DECRYPT
    return content != BODY


@pytest.mark.parametrize("cipher", ["aes128", "aes256", "des3", "des"])
@pytest.mark.parametrize("size", [0, 1, 7, 8, 15, 16, 23, 24, 31, 32, 33, 200])
def test_a_content_key_of_the_wrong_length_fails_like_a_wrong_one(
    cipher: str, size: int, authority: x509.Authority
) -> None:
    if size == wire.CIPHERS[cipher][1]:
        return
    message = wire.enveloped_data(BODY, authority.der, cipher=cipher, key=b"k" * size)
    assert is_unreadable(message, authority)


def test_every_failure_to_decrypt_is_the_same(authority: x509.Authority) -> None:
    """Neither the padding of the key nor that of the content can be told from the answer."""
    original = wire.read("encrypted-aes256.der")
    info = asn1_cms.ContentInfo.load(original)["content"]
    encrypted_key = info["recipient_infos"][0].chosen["encrypted_key"].native
    content = info["encrypted_content_info"]["encrypted_content"].native
    for part, positions in ((encrypted_key, range(0, 256, 9)), (content, range(len(content) - 32, len(content)))):
        begin = original.index(part)
        for position in positions:
            damaged = bytearray(original)
            damaged[begin + position] ^= 0x41
            assert is_unreadable(bytes(damaged), authority)


@given(data=st.binary(max_size=300))
def test_whatever_bytes_are_no_envelope(data: bytes, authority: x509.Authority) -> None:
    with pytest.raises(ProtocolError):
        cms.decrypt(data, certificate=authority.der, key=authority.key, allow_weak=True)


@given(
    position=st.integers(min_value=0, max_value=10_000),
    replacement=st.binary(max_size=4),
    removed=st.integers(min_value=0, max_value=4),
)
def test_a_damaged_envelope_is_a_protocol_error_or_opens(
    position: int, replacement: bytes, removed: int, authority: x509.Authority
) -> None:
    original = wire.read("encrypted-aes256.der")
    begin = position % len(original)
    damaged = original[:begin] + replacement + original[begin + removed :]
    try:
        cms.decrypt(damaged, certificate=authority.der, key=authority.key, allow_weak=True)
    except ProtocolError:
        return


def test_a_message_longer_than_any_is_refused_unread(device: wire.Holder) -> None:
    message = der.sequence(der.tlv(der.OCTET_STRING, bytes(der.MAXIMUM_SIZE)))
    for read in (
        lambda: cms.verify(message, content=None, allow_weak=True),
        lambda: cms.decrypt(message, certificate=device.certificate, key=device.key, allow_weak=True),
    ):
        with pytest.raises(ProtocolError, match="longer than 64 kB"):
            read()
