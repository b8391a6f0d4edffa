import base64
from datetime import UTC, datetime

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509 as library
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.serialization import pkcs7
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import cms, keys, scep, x509
from tests.protocols.pki import wire

NONCE = b"fedcba9876543210"


@pytest.fixture(scope="module")
def request_of_client(client: wire.Holder, authority: x509.Authority) -> bytes:
    return wire.scep_request(client, authority.der)


@pytest.fixture(scope="module")
def certificate(authority: x509.Authority, client: wire.Holder) -> library.Certificate:
    return x509.issue(
        authority=authority,
        public_key=client.key.public_key(),
        common_name="a device",
        serial=99,
        not_before=datetime(2036, 1, 1, tzinfo=UTC),
        not_after=datetime(2037, 1, 1, tzinfo=UTC),
    )


# --- requests


def test_a_request_is_read(request_of_client: bytes, client: wire.Holder, authority: x509.Authority) -> None:
    message = scep.parse(request_of_client, authority=authority, allow_weak=False)
    assert message.message_type is scep.MessageType.CERTIFICATE_REQUEST
    assert message.transaction_id == "A1B2C3"
    assert message.sender_nonce == b"0123456789abcdef"
    assert message.signer_certificate_der == client.certificate
    assert message.cipher is cms.ContentCipher.AES_256
    assert message.digest is keys.SHA256
    assert message.request is not None
    assert message.request.public_key == client.key.public_key()
    assert message.request.common_name == "device"
    assert message.request.challenge == "one-time secret"


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
@pytest.mark.parametrize("cipher", ["aes128", "aes192", "aes256"])
def test_a_request_of_a_current_client_is_read(
    cipher: str, digest: str, other_key: rsa.RSAPrivateKey, authority: x509.Authority
) -> None:
    client = wire.self_signed(other_key, digest=digest)
    encoded = wire.scep_request(client, authority.der, cipher=cipher, digest=digest)
    message = scep.parse(encoded, authority=authority, allow_weak=False)
    assert message.digest.name == digest
    assert message.cipher.oid == wire.oid(wire.CIPHERS[cipher][0])[2:]


@pytest.mark.parametrize(
    ("cipher", "digest", "complaint"),
    [
        ("des", "sha256", "DES, and weak algorithms are switched off"),
        ("des3", "sha256", "DES, and weak algorithms are switched off"),
        ("aes256", "sha1", "SHA-1, and weak algorithms are switched off"),
        ("des", "sha1", "SHA-1, and weak algorithms are switched off"),
    ],
)
def test_single_des_and_sha1_are_accepted_behind_one_switch(
    cipher: str, digest: str, complaint: str, other_key: rsa.RSAPrivateKey, authority: x509.Authority
) -> None:
    encoded = wire.scep_request(wire.self_signed(other_key, digest=digest), authority.der, cipher=cipher, digest=digest)
    message = scep.parse(encoded, authority=authority, allow_weak=True)
    assert message.request is not None
    assert message.request.challenge == "one-time secret"
    with pytest.raises(ProtocolError, match=complaint):
        scep.parse(encoded, authority=authority, allow_weak=False)


def test_a_certificate_request_with_sha1_in_a_strong_message_is_weak(
    client: wire.Holder, authority: x509.Authority
) -> None:
    """Without the switch it is refused, so who counts what needs the switch has to count it."""
    encoded = wire.scep_request(client, authority.der, request=wire.read("csr-sha1.der"))
    assert scep.parse(encoded, authority=authority, allow_weak=True).is_weak
    with pytest.raises(ProtocolError):
        scep.parse(encoded, authority=authority, allow_weak=False)
    strong = wire.scep_request(client, authority.der)
    assert not scep.parse(strong, authority=authority, allow_weak=True).is_weak


def test_a_whole_request_fits_the_longest_address_that_clients_send(request_of_client: bytes) -> None:
    assert len(base64.b64encode(request_of_client)) < 6050


def test_a_request_in_indefinite_lengths_is_read(request_of_client: bytes, authority: x509.Authority) -> None:
    message = scep.parse(wire.indefinite(request_of_client), authority=authority, allow_weak=False)
    assert message.request is not None


def test_an_envelope_in_indefinite_lengths_is_read(client: wire.Holder, authority: x509.Authority) -> None:
    envelope = wire.enveloped_data(wire.signing_request(client.key), authority.der)
    encoded = wire.scep_request(client, authority.der, envelope=wire.indefinite(envelope))
    assert scep.parse(encoded, authority=authority, allow_weak=False).request is not None


def test_a_windows_request_is_read(other_key: rsa.RSAPrivateKey, authority: x509.Authority) -> None:
    """An exclamation mark in a PrintableString, in the request and in the certificate that signs it."""
    common_name = wire.printable("DESKTOP-1!a8c0")
    client = wire.self_signed(other_key, common_name=common_name)
    request = wire.signing_request(other_key, subject=wire.name(common_name))
    encoded = wire.scep_request(client, authority.der, request=request)
    message = scep.parse(encoded, authority=authority, allow_weak=False)
    assert message.request is not None
    assert message.request.common_name == "DESKTOP-1!a8c0"
    reply = scep.success(message, authority=authority, certificate=authority.certificate, nonce=NONCE)
    envelope = cms.verify(reply, content=None, allow_weak=False).content
    assert cms.decrypt(envelope, certificate=client.certificate, key=client.key, allow_weak=False)


def test_a_renewal_is_signed_with_a_certificate_of_the_authority(
    device: wire.Holder, client: wire.Holder, authority: x509.Authority, other_authority: x509.Authority
) -> None:
    request = wire.signing_request(client.key)
    encoded = wire.scep_request(device, authority.der, request=request, message_type="17")
    message = scep.parse(encoded, authority=authority, allow_weak=False)
    assert message.message_type is scep.MessageType.RENEWAL_REQUEST
    assert message.signer_certificate_der == device.certificate
    assert message.request is not None
    assert message.request.public_key == client.key.public_key()
    with pytest.raises(ProtocolError, match="not issued by"):
        scep.parse(wire.scep_request(client, authority.der, message_type="17"), authority=authority, allow_weak=False)
    with pytest.raises(ProtocolError, match="does not match"):
        scep.parse(encoded, authority=other_authority, allow_weak=False)


def test_a_first_request_may_be_signed_with_a_key_made_for_it_alone(
    device: wire.Holder, client: wire.Holder, authority: x509.Authority
) -> None:
    """RFC 8894 2.3 says SHOULD, and many clients make a key for the message. The answer is for that key."""
    request = wire.signing_request(device.key)
    message = scep.parse(
        wire.scep_request(client, authority.der, request=request), authority=authority, allow_weak=False
    )
    assert message.request is not None
    assert message.request.public_key == device.key.public_key()
    assert not message.is_signed_by_a_device
    reply = scep.success(message, authority=authority, certificate=device.certificate, nonce=NONCE)
    envelope = cms.verify(reply, content=None, allow_weak=False).content
    assert cms.decrypt(envelope, certificate=client.certificate, key=client.key, allow_weak=False)
    with pytest.raises(ProtocolError):
        cms.decrypt(envelope, certificate=device.certificate, key=device.key, allow_weak=False)


def test_a_request_says_when_a_device_s_own_certificate_signed_it(
    device: wire.Holder, authority: x509.Authority
) -> None:
    for message_type in ("19", "17"):
        encoded = wire.scep_request(device, authority.der, message_type=message_type)
        assert scep.parse(encoded, authority=authority, allow_weak=False).is_signed_by_a_device


def test_a_certificate_that_only_claims_to_be_the_authority_s_signs_nothing(
    other_key: rsa.RSAPrivateKey, client: wire.Holder, authority: x509.Authority
) -> None:
    subject = asn1_x509.Certificate.load(authority.der).subject.dump()
    validity = wire.sequence(wire.tlv(0x17, b"200101000000Z"), wire.tlv(0x17, b"490101000000Z"))
    algorithm = wire.algorithm(wire.SIGNATURES["sha256"])
    tbs = wire.sequence(wire.integer(5), algorithm, subject, validity, subject, wire.spki(other_key))
    signature = other_key.sign(tbs, rsa_padding.PKCS1v15(), wire.DIGESTS["sha256"][1])
    impostor = wire.Holder(wire.sequence(tbs, algorithm, wire.tlv(0x03, b"\0", signature)), other_key)
    with pytest.raises(ProtocolError, match="does not match"):
        scep.parse(wire.scep_request(impostor, authority.der), authority=authority, allow_weak=False)


def test_a_first_request_is_signed_with_a_self_signed_certificate_or_one_of_ours(
    device: wire.Holder, other_authority: x509.Authority
) -> None:
    """`device` is of another authority of the same name."""
    with pytest.raises(ProtocolError, match="does not match"):
        scep.parse(wire.scep_request(device, other_authority.der), authority=other_authority, allow_weak=False)


def test_a_signer_that_could_not_read_the_answer_is_refused(authority: x509.Authority) -> None:
    """Before a certificate is issued for it. The key is on a curve, and only RSA keys receive an envelope."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = library.Name([library.NameAttribute(library.NameOID.COMMON_NAME, "curve")])
    certificate = (
        library.CertificateBuilder(name, name, key.public_key(), 5)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2049, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    envelope = wire.enveloped_data(b"content", authority.der)
    attributes = wire.scep_attributes(envelope)
    signature = key.sign(wire.set_(*attributes), ec.ECDSA(hashes.SHA256()))
    encoded = wire.signed_data(
        envelope,
        wire.Holder(certificate, wire.read_key("device.key")),
        attributes=attributes,
        attached=envelope,
        signature_algorithm="1.2.840.10045.4.3.2",
        signature=signature,
    )
    with pytest.raises(ProtocolError, match="needs an RSA key"):
        scep.parse(encoded, authority=authority, allow_weak=False)


@pytest.mark.parametrize("message_type", ["20", "21", "22"])
def test_other_requests_are_read_so_that_they_can_be_refused(
    message_type: str, client: wire.Holder, authority: x509.Authority
) -> None:
    encoded = wire.scep_request(client, authority.der, message_type=message_type, envelope=b"not for us to open")
    message = scep.parse(encoded, authority=authority, allow_weak=False)
    assert message.message_type == int(message_type)
    assert message.request is None


@pytest.mark.parametrize("message_type", ["3", "18", "019", "", "one", "1" * 300])
def test_what_no_client_sends_is_refused(message_type: str, client: wire.Holder, authority: x509.Authority) -> None:
    with pytest.raises(ProtocolError):
        scep.parse(
            wire.scep_request(client, authority.der, message_type=message_type), authority=authority, allow_weak=False
        )


@pytest.mark.parametrize(
    "transaction_id",
    [wire.printable(""), wire.printable("x" * 254), wire.integer(7), b""],
    ids=["empty", "long", "number", "missing"],
)
def test_a_transaction_must_have_a_name(transaction_id: bytes, client: wire.Holder, authority: x509.Authority) -> None:
    attributes = wire.scep_attributes(b"", transaction_id=transaction_id)
    encoded = wire.signed_data(b"", client, attributes=attributes, attached=b"")
    with pytest.raises(ProtocolError):
        scep.parse(encoded, authority=authority, allow_weak=False)


@pytest.mark.parametrize(
    "nonce",
    [wire.octets(b""), wire.octets(bytes(65)), wire.printable("nonce"), b""],
    ids=["empty", "long", "text", "missing"],
)
def test_a_request_must_have_a_nonce(nonce: bytes, client: wire.Holder, authority: x509.Authority) -> None:
    encoded = wire.signed_data(b"", client, attributes=wire.scep_attributes(b"", nonce=nonce), attached=b"")
    with pytest.raises(ProtocolError):
        scep.parse(encoded, authority=authority, allow_weak=False)


def test_a_message_without_scep_attributes_is_refused(client: wire.Holder, authority: x509.Authority) -> None:
    choices: tuple[list[bytes] | None, ...] = (None, [])
    for attributes in choices:
        encoded = wire.signed_data(b"content", client, attributes=attributes, attached=b"content")
        with pytest.raises(ProtocolError, match="lacks an attribute"):
            scep.parse(encoded, authority=authority, allow_weak=False)


def test_a_request_for_another_authority_is_refused(
    client: wire.Holder, authority: x509.Authority, device: wire.Holder
) -> None:
    encoded = wire.scep_request(client, device.certificate)
    with pytest.raises(ProtocolError, match="for somebody else"):
        scep.parse(encoded, authority=authority, allow_weak=False)


def test_a_key_of_1024_bits_is_refused_with_its_length(authority: x509.Authority, client: wire.Holder) -> None:
    short = wire.self_signed(wire.read_key("short.key"))
    with pytest.raises(keys.WeakKey, match="1024 bits; at least 2048"):
        scep.parse(wire.scep_request(short, authority.der), authority=authority, allow_weak=True)
    encoded = wire.scep_request(client, authority.der, request=wire.read("csr-short.der"))
    with pytest.raises(keys.WeakKey, match="1024 bits; at least 2048"):
        scep.parse(encoded, authority=authority, allow_weak=True)


# --- what an attacker may try


def test_whoever_alters_a_caught_envelope_learns_nothing_from_the_answer(
    client: wire.Holder, device: wire.Holder, authority: x509.Authority
) -> None:
    """The envelope is a stranger's, the signature the attacker's own. Wrong padding, a wrong key and a request that is
    damaged after proper decryption must be told apart neither from one another nor from plain garbage.
    """
    envelope = wire.enveloped_data(wire.signing_request(device.key), authority.der)
    info = asn1_cms.ContentInfo.load(envelope)["content"]
    encrypted_key = info["recipient_infos"][0].chosen["encrypted_key"].native
    content = info["encrypted_content_info"]["encrypted_content"].native
    answers = set()
    changes = [(encrypted_key, position) for position in range(0, 256, 25)]
    changes += [(content, position) for position in range(0, len(content), 31)]
    changes += [(content, len(content) - 17 - position) for position in range(16)]
    for part, position in changes:
        altered = bytearray(envelope)
        altered[envelope.index(part) + position] ^= 0x21
        encoded = wire.scep_request(client, authority.der, envelope=bytes(altered))
        with pytest.raises(ProtocolError) as refusal:
            scep.parse(encoded, authority=authority, allow_weak=True)
        answers.add((type(refusal.value), refusal.value.message))
    for garbage in (b"", b"garbage", wire.sequence(), wire.read("csr-curve.der"), wire.read("signed-sha256.der")):
        encoded = wire.scep_request(client, authority.der, request=garbage)
        with pytest.raises(ProtocolError) as refusal:
            scep.parse(encoded, authority=authority, allow_weak=True)
        answers.add((type(refusal.value), refusal.value.message))
    assert answers == {(ProtocolError, cms.CANNOT_DECRYPT)}


def test_no_octet_of_a_request_can_be_changed(request_of_client: bytes, authority: x509.Authority) -> None:
    original = scep.parse(request_of_client, authority=authority, allow_weak=False)
    for position in range(len(request_of_client)):
        altered = bytearray(request_of_client)
        altered[position] ^= 0x40
        try:
            message = scep.parse(bytes(altered), authority=authority, allow_weak=False)
        except ProtocolError:
            continue
        assert message == original, f"octet {position}"


@given(
    edits=st.lists(
        st.tuples(
            st.integers(min_value=0, max_value=6000), st.integers(min_value=0, max_value=40), st.binary(max_size=12)
        ),
        min_size=1,
        max_size=4,
    )
)
def test_an_edited_request_is_refused_or_still_the_same(
    edits: list[tuple[int, int, bytes]], request_of_client: bytes, authority: x509.Authority
) -> None:
    message = request_of_client
    for position, removed, inserted in edits:
        begin = position % (len(message) + 1)
        message = message[:begin] + inserted + message[begin + removed :]
    try:
        read = scep.parse(message, authority=authority, allow_weak=True)
    except ProtocolError:
        return
    assert read == scep.parse(request_of_client, authority=authority, allow_weak=True)


@given(data=st.binary(max_size=400))
def test_whatever_bytes_are_no_request(data: bytes, authority: x509.Authority) -> None:
    with pytest.raises(ProtocolError):
        scep.parse(data, authority=authority, allow_weak=True)


# --- replies, read with another library


def reply_attributes(reply: bytes, authority: x509.Authority) -> tuple[dict[str, bytes], bytes | None, str]:
    """Verify a CertRep with asn1crypto and `cryptography`: its attributes, its content, the name of its digest."""
    info = asn1_cms.ContentInfo.load(reply, strict=True)
    assert info.dump(force=True) == reply
    signed = info["content"]
    assert [certificate.dump() for certificate in signed["certificates"]] == [authority.der]
    (signer,) = signed["signer_infos"]
    digest: str = signer["digest_algorithm"]["algorithm"].native
    authority.key.public_key().verify(
        signer["signature"].native,
        signer["signed_attrs"].untag().dump(),
        rsa_padding.PKCS1v15(),
        wire.DIGESTS[digest][1],
    )
    content: bytes | None = signed["encap_content_info"]["content"].native
    attributes = {
        attribute["type"].dotted: b"".join(value.dump() for value in attribute["values"])
        for attribute in signer["signed_attrs"]
    }
    expected = wire.standard_attributes(content or b"", digest)[1]
    assert expected.endswith(attributes[wire.MESSAGE_DIGEST])
    return attributes, content, digest


def test_a_certificate_is_sent_to_who_asked_for_it(
    request_of_client: bytes, client: wire.Holder, authority: x509.Authority, certificate: library.Certificate
) -> None:
    message = scep.parse(request_of_client, authority=authority, allow_weak=False)
    reply = scep.success(message, authority=authority, certificate=certificate, nonce=NONCE)
    attributes, content, digest = reply_attributes(reply, authority)
    assert digest == "sha256"
    assert attributes[wire.MESSAGE_TYPE] == wire.printable("3")
    assert attributes[wire.PKI_STATUS] == wire.printable("0")
    assert attributes[wire.TRANSACTION_ID] == wire.printable("A1B2C3")
    assert attributes[wire.SENDER_NONCE] == wire.octets(NONCE)
    assert attributes[wire.RECIPIENT_NONCE] == wire.octets(b"0123456789abcdef")
    assert wire.FAIL_INFO not in attributes
    assert content is not None
    envelope = asn1_cms.ContentInfo.load(content, strict=True)["content"]
    (recipient,) = envelope["recipient_infos"]
    assert wire.sequence(recipient.chosen["rid"].chosen.contents) == wire.issuer_and_serial(client.parsed)
    inner = cms.decrypt(content, certificate=client.certificate, key=client.key, allow_weak=False)
    assert pkcs7.load_der_pkcs7_certificates(inner) == [certificate]


@pytest.mark.parametrize("fail_info", list(scep.FailInfo))
def test_a_refusal_says_why(fail_info: scep.FailInfo, request_of_client: bytes, authority: x509.Authority) -> None:
    message = scep.parse(request_of_client, authority=authority, allow_weak=False)
    reply = scep.failure(message, authority=authority, fail_info=fail_info, nonce=NONCE)
    attributes, content, _ = reply_attributes(reply, authority)
    assert content is None
    assert attributes[wire.MESSAGE_TYPE] == wire.printable("3")
    assert attributes[wire.PKI_STATUS] == wire.printable("2")
    assert attributes[wire.FAIL_INFO] == wire.printable(str(int(fail_info)))
    assert attributes[wire.TRANSACTION_ID] == wire.printable("A1B2C3")
    assert attributes[wire.RECIPIENT_NONCE] == wire.octets(b"0123456789abcdef")


@pytest.mark.parametrize(
    ("cipher", "digest", "reply_cipher", "reply_digest"),
    [
        ("aes128", "sha256", "aes128_cbc", "sha256"),
        ("aes192", "sha512", "aes192_cbc", "sha512"),
        ("aes256", "sha384", "aes256_cbc", "sha384"),
        ("des", "sha1", "aes256_cbc", "sha256"),
        ("des3", "sha1", "aes256_cbc", "sha256"),
    ],
)
def test_a_reply_uses_what_the_request_used_unless_it_is_weak(
    cipher: str,
    digest: str,
    reply_cipher: str,
    reply_digest: str,
    client: wire.Holder,
    authority: x509.Authority,
    certificate: library.Certificate,
) -> None:
    request = wire.signing_request(client.key)
    encoded = wire.scep_request(client, authority.der, request=request, cipher=cipher, digest=digest)
    message = scep.parse(encoded, authority=authority, allow_weak=True)
    reply = scep.success(message, authority=authority, certificate=certificate, nonce=NONCE)
    _, content, used = reply_attributes(reply, authority)
    assert used == reply_digest
    algorithm = asn1_cms.ContentInfo.load(content)["content"]["encrypted_content_info"]["content_encryption_algorithm"]
    assert algorithm["algorithm"].native == reply_cipher


def test_the_name_of_a_transaction_is_repeated_as_it_was_written(
    client: wire.Holder, authority: x509.Authority
) -> None:
    name = wire.tlv(0x0C, "Gerät".encode())
    encoded = wire.signed_data(
        b"x",
        client,
        attributes=wire.scep_attributes(b"x", message_type="20", transaction_id=name),
        attached=b"x",
    )
    message = scep.parse(encoded, authority=authority, allow_weak=False)
    assert message.transaction_id == "Gerät"
    reply = scep.failure(message, authority=authority, fail_info=scep.FailInfo.BAD_REQUEST, nonce=NONCE)
    assert reply_attributes(reply, authority)[0][wire.TRANSACTION_ID] == name


def test_content_types_are_exact() -> None:
    assert scep.CA_CERTIFICATE_TYPE == "application/x-x509-ca-cert"
    assert scep.CA_AND_RA_CERTIFICATES_TYPE == "application/x-x509-ca-ra-cert"
    assert scep.MESSAGE_TYPE == "application/x-pki-message"


def test_capabilities_name_what_is_good_and_nothing_weak() -> None:
    assert set(scep.CAPABILITIES.decode("ascii").splitlines()) == {
        "AES",
        "POSTPKIOperation",
        "Renewal",
        "SHA-256",
        "SHA-512",
        "SCEPStandard",
    }
