"""Certificates for clients that are not ours: the messages are built here as a common SCEP client builds them, with
`cryptography` and asn1crypto, and what comes back is opened the same way."""

import base64
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, NameOID

from mydevices.accounts.models import Person
from mydevices.certificates import services as certificates
from mydevices.certificates.models import Challenge, DeviceCertificate
from mydevices.devices.models import Registration
from mydevices.registration import lives
from mydevices.registration.models import Ticket
from simulator.device import Device as Simulated
from tests.platforms.apple.conftest import Registers, send, ticket_for
from tests.protocols.pki import wire

SCEP = "https://localhost/mdm/apple/scep"
FIRST, RENEWAL = "19", "17"
SUCCESS, FAILURE = "0", "2"


@dataclass(frozen=True)
class Holder:
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey


@dataclass(frozen=True)
class Answer:
    """A CertRep: its status, what it repeats, and the certificates in it, opened with the signer's key."""

    status: str
    recipient_nonce: bytes
    transaction: str
    issued: list[x509.Certificate]


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """What a certificate is asked for."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def throwaway() -> Holder:
    """Made for one message, valid for an hour, with no word about the device."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SCEP SIGNER")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Holder(certificate, key)


def authority() -> x509.Certificate:
    return x509.load_der_x509_certificate(send("GET", f"{SCEP}?operation=GetCACert", {}, b"")[2])


def ask(key: rsa.RSAPrivateKey, challenge: str, signer: Holder, message_type: str = FIRST) -> Answer:
    """Ask for a certificate over the wire, by POST with the message as body."""
    message, nonce, transaction = written(key, challenge, signer, message_type)
    status, headers, body = send("POST", f"{SCEP}?operation=PKIOperation", {"Content-Type": "any/thing"}, message)
    assert (status, headers["content-type"]) == (200, "application/x-pki-message")
    answer = opened(body, authority(), signer)
    assert (answer.recipient_nonce, answer.transaction) == (nonce, transaction)
    return answer


def written(
    key: rsa.RSAPrivateKey, challenge: str, signer: Holder, message_type: str = FIRST
) -> tuple[bytes, bytes, str]:
    """A PKIOperation, with its nonce and transaction."""
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a client of its own")]))
        .add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    envelope = (
        pkcs7.PKCS7EnvelopeBuilder()
        .set_data(request)
        .add_recipient(authority())
        .encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    )
    nonce, transaction = secrets.token_bytes(16), secrets.token_hex(10)
    attributes = wire.scep_attributes(
        envelope,
        message_type=message_type,
        transaction_id=wire.printable(transaction),
        nonce=wire.octets(nonce),
    )
    holder = wire.Holder(signer.certificate.public_bytes(Encoding.DER), signer.key)
    message = wire.signed_data(envelope, holder, attributes=attributes, attached=envelope)
    return message, nonce, transaction


def opened(body: bytes, authority: x509.Certificate, signer: Holder) -> Answer:
    data = cms.ContentInfo.load(body)["content"]
    (info,) = data["signer_infos"]
    attributes = {it["type"].dotted: it["values"][0].native for it in info["signed_attrs"]}
    public_key = authority.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    public_key.verify(
        info["signature"].native,
        info["signed_attrs"].untag().dump(force=True),
        padding.PKCS1v15(),
        hashes.SHA256(),
    )
    issued: list[x509.Certificate] = []
    if attributes[wire.PKI_STATUS] == SUCCESS:
        envelope = data["encap_content_info"]["content"].native
        bundle = pkcs7.pkcs7_decrypt_der(envelope, signer.certificate, signer.key, [])
        issued = pkcs7.load_der_pkcs7_certificates(bundle)
    return Answer(
        status=attributes[wire.PKI_STATUS],
        recipient_nonce=attributes[wire.RECIPIENT_NONCE],
        transaction=attributes[wire.TRANSACTION_ID],
        issued=issued,
    )


def password(challenge: Challenge) -> str:
    return certificates.password_of(challenge.id)


def renewal(life: Registration | None) -> Challenge:
    """The right to renew this registration's certificate, as the worker gives it."""
    assert life is not None
    return certificates.new_challenge(registration=life, expires_at=datetime.now(UTC) + timedelta(days=1))


def identity(simulated: Simulated) -> Holder:
    assert simulated.identity is not None
    return Holder(simulated.identity.certificate, simulated.identity.key)


def test_a_request_signed_with_a_throwaway_key_is_answered_to_that_key(
    owner: Person, key: rsa.RSAPrivateKey, throwaway: Holder
) -> None:
    """RFC 8894 2.3: that the key be the same is a SHOULD. The request proves its own key and brings the challenge."""
    ticket = ticket_for(owner)
    answer = ask(key, password(ticket.challenge), throwaway)
    assert answer.status == SUCCESS
    (certificate,) = answer.issued
    assert certificate.public_key() == key.public_key()
    ours = DeviceCertificate.objects.get(challenge=ticket.challenge)
    assert bytes(ours.der) == certificate.public_bytes(Encoding.DER)


def test_the_same_request_under_another_throwaway_key_gets_the_same_certificate_and_another_key_gets_none(
    owner: Person, key: rsa.RSAPrivateKey, throwaway: Holder
) -> None:
    ticket = ticket_for(owner)
    first = ask(key, password(ticket.challenge), throwaway)
    assert ask(key, password(ticket.challenge), throwaway).issued == first.issued
    assert ask(throwaway.key, password(ticket.challenge), throwaway).status == FAILURE
    assert DeviceCertificate.objects.count() == 1


def test_a_throwaway_key_needs_a_challenge_of_ours(owner: Person, key: rsa.RSAPrivateKey, throwaway: Holder) -> None:
    assert ask(key, "guessed", throwaway).status == FAILURE
    assert not DeviceCertificate.objects.exists()


@pytest.mark.parametrize("message_type", [FIRST, RENEWAL])
def test_a_device_renews_with_its_present_certificate(
    owner: Person, register: Registers, key: rsa.RSAPrivateKey, message_type: str
) -> None:
    simulated, device = register(owner)
    challenge = renewal(device.registration)
    answer = ask(key, password(challenge), identity(simulated), message_type)
    assert answer.status == SUCCESS
    assert DeviceCertificate.objects.get(challenge=challenge).registration_id == device.registration_id


@pytest.mark.parametrize("message_type", [FIRST, RENEWAL])
def test_another_device_s_certificate_renews_nothing(
    owner: Person, register: Registers, key: rsa.RSAPrivateKey, message_type: str
) -> None:
    """Whoever has got hold of the challenge of another device must not become it with a certificate of their own."""
    _simulated, device = register(owner)
    other, _other = register(owner)
    challenge = renewal(device.registration)
    assert ask(key, password(challenge), identity(other), message_type).status == FAILURE
    challenge.refresh_from_db()
    assert not challenge.spent_by
    assert not DeviceCertificate.objects.filter(challenge=challenge).exists()


@pytest.mark.parametrize("message_type", [FIRST, RENEWAL])
def test_a_device_s_certificate_spends_no_ticket(
    owner: Person, register: Registers, key: rsa.RSAPrivateKey, message_type: str
) -> None:
    simulated, _device = register(owner)
    ticket = ticket_for(owner)
    assert ask(key, password(ticket.challenge), identity(simulated), message_type).status == FAILURE
    assert Ticket.objects.filter(id=ticket.id, challenge__spent_by="").exists()


@pytest.mark.parametrize("state", [DeviceCertificate.State.ISSUED, DeviceCertificate.State.SUPERSEDED])
def test_a_certificate_that_is_not_in_use_renews_nothing(
    owner: Person, register: Registers, key: rsa.RSAPrivateKey, state: str
) -> None:
    simulated, device = register(owner)
    challenge = renewal(device.registration)
    DeviceCertificate.objects.filter(registration=device.registration_id).update(state=state)
    assert ask(key, password(challenge), identity(simulated), RENEWAL).status == FAILURE


def test_a_certificate_that_has_ended_renews_nothing(
    owner: Person, register: Registers, key: rsa.RSAPrivateKey
) -> None:
    simulated, device = register(owner)
    challenge = renewal(device.registration)
    DeviceCertificate.objects.filter(registration=device.registration_id).update(not_after=datetime.now(UTC))
    assert ask(key, password(challenge), identity(simulated), RENEWAL).status == FAILURE


def test_a_client_that_renews_with_a_key_made_for_it_needs_the_challenge_that_its_device_was_sent(
    owner: Person, register: Registers, key: rsa.RSAPrivateKey, throwaway: Holder
) -> None:
    """What Apple's devices do: the profile with the challenge reached the device over its authenticated channel."""
    _simulated, device = register(owner)
    assert ask(key, password(renewal(device.registration)), throwaway).status == SUCCESS
    lives.retired(registration=present_life(device.registration), reason="checked out", now=datetime.now(UTC))
    assert ask(throwaway.key, password(renewal(device.registration)), throwaway).status == FAILURE


def present_life(life: Registration | None) -> Registration:
    assert life is not None
    return Registration.objects.select_related("device__owner").get(id=life.id)


def test_head_spends_no_challenge(owner: Person, key: rsa.RSAPrivateKey, throwaway: Holder) -> None:
    """It looks like GET, with the message in the address, and whoever sends it reads no certificate."""
    ticket = ticket_for(owner)
    message, _nonce, _transaction = written(key, password(ticket.challenge), throwaway)
    address = f"{SCEP}?operation=PKIOperation&message={quote(base64.b64encode(message))}"
    status, headers, body = send("HEAD", address, {}, b"")
    assert (status, headers["allow"], body) == (405, "GET, POST, OPTIONS", b"")
    assert not DeviceCertificate.objects.exists()
    assert Ticket.objects.filter(id=ticket.id, challenge__spent_by="").exists()
    assert send("HEAD", f"{SCEP}?operation=GetCACert", {}, b"")[0] == 200
    assert send("GET", address, {}, b"")[0] == 200
    assert DeviceCertificate.objects.get().challenge_id == ticket.challenge_id
