"""The push certificate: asked for, installed with care, and not left to end unnoticed."""

import base64
import io
import plistlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from django.core.management import call_command
from django.core.management.base import CommandError

from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, Invalid
from mydevices.platforms.apple import push_certificate
from mydevices.platforms.apple.models import AppleRegistration, PushCertificate
from mydevices.vault import services as vault
from tests import factories
from tests.certificates import apple

pytestmark = pytest.mark.django_db

ACTOR = Actor.system("test")
NOW = datetime.now(UTC)


def request() -> x509.CertificateSigningRequest:
    return x509.load_pem_x509_csr(push_certificate.request(actor=ACTOR, organisation_name="Aldermoor"))


def public_of(csr: x509.CertificateSigningRequest) -> rsa.RSAPublicKey:
    key = csr.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return key


def answer(csr: x509.CertificateSigningRequest, **options: Any) -> bytes:
    return apple.pem(apple.authority().push_certificate(public_of(csr), **options))


def given(**options: Any) -> bytes:
    """A certificate for a key that was not made here."""
    return apple.pem(apple.authority().push_certificate(apple.key("push").public_key(), **options))


def install(pem: bytes, **options: Any) -> PushCertificate:
    return push_certificate.install(actor=ACTOR, pem=pem, **({"now": NOW} | options))


def installed(**options: Any) -> PushCertificate:
    return install(given(**options), key_pem=apple.key_pem(apple.key("push")))


def test_the_request_is_for_an_rsa_key_of_2048_bits_that_signed_it() -> None:
    csr = request()
    assert csr.is_signature_valid
    assert public_of(csr).key_size == 2048
    assert "O=Aldermoor" in csr.subject.rfc4514_string()


def test_the_key_of_a_request_stands_sealed_in_the_database() -> None:
    csr = request()
    row = PushCertificate.objects.get()
    opened = push_certificate._open(row)
    assert serialization.load_der_private_key(opened, password=None).public_key() == public_of(csr)
    assert opened not in bytes(row.key)
    assert vault.key_id(bytes(row.key)) == vault.current_key_id()


def test_a_long_name_of_an_organisation_still_makes_a_request() -> None:
    assert push_certificate.request(actor=ACTOR, organisation_name="A" * 120)
    assert push_certificate.request(actor=ACTOR, organisation_name="")


def test_apple_s_answer_is_installed_with_the_key_of_its_request() -> None:
    csr = request()
    install(answer(csr))
    identity = push_certificate.identity()
    assert identity.topic == push_certificate.topic() == apple.TOPIC
    key = serialization.load_pem_private_key(identity.key_pem, password=None)
    assert key.public_key() == x509.load_pem_x509_certificate(identity.certificate_pem).public_key()
    assert Entry.objects.filter(verb=Verb.PUSH_CERTIFICATE_INSTALLED).get().details["topic"] == apple.TOPIC


def test_the_answer_to_an_older_request_is_as_good() -> None:
    first, second = request(), request()
    install(answer(first))
    assert push_certificate.topic() == apple.TOPIC
    install(answer(second))
    assert PushCertificate.objects.filter(installed_at=None).count() == 0


def test_a_new_request_leaves_the_present_certificate_at_work() -> None:
    installed()
    before = push_certificate.identity()
    request()
    assert push_certificate.identity() == before


def test_a_renewed_certificate_takes_over_and_the_older_request_is_forgotten() -> None:
    installed()
    forgotten, renewed = request(), request()
    install(answer(renewed, ends=NOW + timedelta(days=400)), now=NOW + timedelta(seconds=1))
    assert push_certificate.identity().not_after > NOW + timedelta(days=399)
    assert not PushCertificate.objects.filter(installed_at=None).exists()
    with pytest.raises(Invalid, match="none of the requests"):
        install(answer(forgotten))


def test_installing_the_same_file_twice_changes_nothing() -> None:
    csr = request()
    pem = answer(csr)
    assert install(pem).id == install(pem).id
    assert PushCertificate.objects.count() == 1


def test_a_certificate_in_der_is_read_as_well() -> None:
    csr = request()
    install(apple.der(apple.authority().push_certificate(public_of(csr))))
    assert push_certificate.topic() == apple.TOPIC


def test_a_chain_that_comes_along_is_kept_behind_the_certificate() -> None:
    csr = request()
    install(apple.pem(apple.authority().certificate) + answer(csr))
    kept = x509.load_pem_x509_certificates(push_certificate.identity().certificate_pem)
    assert [one.public_key() == csr.public_key() for one in kept] == [True, False]


def test_a_certificate_of_another_server_comes_with_its_key() -> None:
    installed()
    assert push_certificate.identity().key_pem == apple.key_pem(apple.key("push"))


def test_a_key_beside_the_certificate_in_one_file_is_found() -> None:
    install(given() + apple.key_pem(apple.key("push")))
    assert push_certificate.topic() == apple.TOPIC


def test_a_certificate_without_its_key_is_refused() -> None:
    request()
    with pytest.raises(Invalid, match="none of the requests"):
        install(given())
    with pytest.raises(Invalid, match="does not belong"):
        install(given(), key_pem=apple.key_pem(apple.key("another")))
    with pytest.raises(Invalid, match="password"):
        install(given(), key_pem=apple.key_pem(apple.key("push"), b"secret"))
    with pytest.raises(Invalid, match="not a private key"):
        install(given(), key_pem=b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    assert push_certificate.current() is None


@pytest.mark.parametrize("topic", [None, "com.example.app", "com.apple.mgmt", ""])
def test_a_certificate_without_a_topic_of_device_management_is_refused(topic: str | None) -> None:
    if topic == "":
        topic = " com.apple.mgmt.x"
    with pytest.raises(Invalid, match="not for device management"):
        installed(topic=topic)


def test_a_certificate_outside_its_dates_is_refused() -> None:
    with pytest.raises(Invalid, match="expired on"):
        installed(begins=NOW - timedelta(days=400), ends=NOW - timedelta(days=1))
    with pytest.raises(Invalid, match="valid from"):
        installed(begins=NOW + timedelta(days=1))


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----", b"\x30\x03\x02\x01"]
)
def test_what_is_no_certificate_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid, match="not a certificate"):
        install(content)


def test_another_topic_is_refused_because_it_would_orphan_every_device() -> None:
    installed()
    device = factories.device(factories.person())
    AppleRegistration.objects.filter(registration__device=device).update(topic=apple.TOPIC)
    csr = request()
    with pytest.raises(Conflict, match="1 device could never be woken again") as refused:
        install(answer(csr, topic=apple.OTHER_TOPIC))
    assert "Renew" in refused.value.message
    assert push_certificate.topic() == apple.TOPIC
    assert PushCertificate.objects.filter(installed_at=None).count() == 1


def test_another_topic_is_installed_when_forced_and_that_is_recorded() -> None:
    installed()
    csr = request()
    install(answer(csr, topic=apple.OTHER_TOPIC), force=True, now=NOW + timedelta(seconds=1))
    assert push_certificate.topic() == apple.OTHER_TOPIC
    assert (
        Entry.objects.filter(verb=Verb.PUSH_CERTIFICATE_INSTALLED).order_by("-id")[0].details["topic_changed"] is True
    )


def test_a_key_that_no_master_key_opens_does_not_stand_in_the_way() -> None:
    PushCertificate.objects.create(key=b"sealed with a master key that is gone")
    csr = request()
    install(answer(csr))
    assert push_certificate.identity().topic == apple.TOPIC


def test_before_there_is_a_certificate_registration_is_told_what_is_missing() -> None:
    for question in (push_certificate.topic, push_certificate.identity):
        with pytest.raises(Conflict, match="apple_push_csr"):
            question()
    assert "apple_push_csr" in push_certificate.warning(NOW)


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=31), ""),
        (timedelta(days=30), "expires in 30 days"),
        (timedelta(days=6, hours=1), "expires in 7 days"),
        (timedelta(hours=2), "expires in 1 day,"),
        (timedelta(0), "expired on"),
        (timedelta(days=-3), "expired on"),
    ],
)
def test_the_end_is_warned_about_from_thirty_days_before(left: timedelta, words: str) -> None:
    installed()
    ends = push_certificate.identity().not_after
    warning = push_certificate.warning(ends - left)
    assert words in warning
    assert bool(warning) == bool(words)


def test_the_end_is_written_to_the_audit_once_at_each_threshold() -> None:
    installed()
    ends = push_certificate.identity().not_after
    days = [40, 31, 30, 29, 8, 7, 6, 1, 0.5, -1]
    told = [push_certificate.announce_end(now=ends - timedelta(days=day)) for day in days]
    assert told == [None, None, 30, None, None, 7, None, 1, None, None]
    entries = Entry.objects.filter(verb=Verb.PUSH_CERTIFICATE_EXPIRES).order_by("id")
    assert [entry.details["days"] for entry in entries] == [30, 7, 1]


def test_a_renewed_certificate_is_announced_anew() -> None:
    installed()
    push_certificate.announce_end(now=push_certificate.identity().not_after - timedelta(days=20))
    csr = request()
    install(answer(csr, ends=NOW + timedelta(days=500)), now=NOW + timedelta(seconds=1))
    assert push_certificate.announce_end(now=NOW + timedelta(days=350)) is None
    assert push_certificate.announce_end(now=NOW + timedelta(days=480)) == 30


def test_nothing_is_announced_before_there_is_a_certificate() -> None:
    assert push_certificate.announce_end(now=NOW) is None


# --- What a vendor signs.


def vendor_chain() -> tuple[bytes, rsa.RSAPrivateKey]:
    """Root, intermediate and vendor certificate, in the wrong order."""
    root = apple.authority("Apple Root CA")
    intermediate = apple.authority("Apple WWDR", issuer="Apple Root CA")
    key = apple.key("vendor")
    vendor = intermediate.push_certificate(key.public_key(), topic=None)
    return apple.pem(root.certificate, vendor, intermediate.certificate), key


def test_a_vendor_s_signature_is_over_the_request_and_comes_with_the_whole_chain() -> None:
    chain, key = vendor_chain()
    pem = push_certificate.request(actor=ACTOR, organisation_name="Aldermoor")
    signed = plistlib.loads(
        base64.b64decode(
            push_certificate.sign_as_vendor(pem, chain_pem=chain, key_pem=apple.key_pem(key)), validate=True
        )
    )
    csr = base64.b64decode(signed["PushCertRequestCSR"], validate=True)
    assert x509.load_der_x509_csr(csr).public_key() == x509.load_pem_x509_csr(pem).public_key()
    key.public_key().verify(
        base64.b64decode(signed["PushCertSignature"], validate=True), csr, padding.PKCS1v15(), hashes.SHA256()
    )
    names = [
        one.subject.rfc4514_string()
        for one in x509.load_pem_x509_certificates(signed["PushCertCertificateChain"].encode())
    ]
    assert names == ["CN=APSP: test", "CN=Apple WWDR", "CN=Apple Root CA"]
    assert max(len(line) for line in signed["PushCertCertificateChain"].splitlines()) == 64


def test_a_vendor_s_chain_must_be_whole_and_hold_together() -> None:
    chain, key = vendor_chain()
    pem = push_certificate.request(actor=ACTOR, organisation_name="Aldermoor")
    root, vendor, intermediate = x509.load_pem_x509_certificates(chain)
    with pytest.raises(Invalid, match="CN=Apple Root CA"):
        push_certificate.sign_as_vendor(pem, chain_pem=apple.pem(vendor, intermediate), key_pem=apple.key_pem(key))
    with pytest.raises(Invalid, match="does not belong"):
        push_certificate.sign_as_vendor(pem, chain_pem=apple.pem(root, intermediate), key_pem=apple.key_pem(key))
    impostor = apple._issue(
        apple.name("Apple WWDR"),
        apple.key("x").public_key(),
        root.subject,
        apple.key("x"),
        NOW,
        NOW + timedelta(days=9),
    )
    with pytest.raises(Invalid, match="hold together"):
        push_certificate.sign_as_vendor(pem, chain_pem=apple.pem(vendor, impostor, root), key_pem=apple.key_pem(key))
    with pytest.raises(Invalid, match="not a certificate request"):
        push_certificate.sign_as_vendor(b"hello", chain_pem=chain, key_pem=apple.key_pem(key))


# --- The command line.


def run(command: str, *arguments: object) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(command, *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_from_the_command_line_a_request_becomes_a_certificate(tmp_path: Path) -> None:
    file, given_file = tmp_path / "push.csr", tmp_path / "push.pem"
    _, told = run("apple_push_csr", "--out", file)
    assert "identity.apple.com/pushcert" in told
    assert "MDM vendor" in told
    given_file.write_bytes(answer(x509.load_pem_x509_csr(file.read_bytes())))
    told, _ = run("apple_push_certificate", given_file)
    assert apple.TOPIC in told
    _, told = run("apple_push_csr", "--out", file)
    assert f"Renew” beside the present certificate ({apple.TOPIC})" in told


def test_without_a_file_the_request_alone_is_on_standard_output() -> None:
    out, _ = run("apple_push_csr")
    assert x509.load_pem_x509_csr(out.encode()).is_signature_valid
    assert out.startswith("-----BEGIN CERTIFICATE REQUEST-----")


def test_a_vendor_writes_the_signed_request_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, key = vendor_chain()
    (tmp_path / "vendor.pem").write_bytes(chain)
    (tmp_path / "vendor.key").write_bytes(apple.key_pem(key, b"open sesame"))
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "open sesame")
    out = tmp_path / "push.req"
    run(
        "apple_push_csr",
        "--out",
        out,
        "--vendor-certificate",
        tmp_path / "vendor.pem",
        "--vendor-key",
        tmp_path / "vendor.key",
    )
    assert set(plistlib.loads(base64.b64decode(out.read_bytes()))) == {
        "PushCertRequestCSR",
        "PushCertCertificateChain",
        "PushCertSignature",
    }


def test_a_request_that_cannot_be_written_leaves_no_key_behind(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        run("apple_push_csr", "--out", tmp_path / "no folder" / "push.csr")
    with pytest.raises(CommandError, match="go together"):
        run("apple_push_csr", "--vendor-key", tmp_path / "vendor.key")
    (tmp_path / "vendor.pem").write_bytes(vendor_chain()[0])
    with pytest.raises(CommandError, match="no private key"):
        run("apple_push_csr", "--vendor-certificate", tmp_path / "vendor.pem", "--vendor-key", tmp_path / "vendor.pem")
    assert not PushCertificate.objects.exists()


def test_a_pkcs12_file_brings_the_key_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = apple.key("push")
    certificate = apple.authority().push_certificate(key.public_key())
    file = tmp_path / "push.p12"
    file.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"push",
            key,
            certificate,
            [apple.authority().certificate],
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "wrong")
    with pytest.raises(CommandError, match="neither a certificate nor"):
        run("apple_push_certificate", file)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "open sesame")
    run("apple_push_certificate", file)
    assert push_certificate.identity().key_pem == apple.key_pem(key)


def test_a_key_with_a_password_is_asked_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "push.pem").write_bytes(given())
    (tmp_path / "push.key").write_bytes(apple.key_pem(apple.key("push"), b"open sesame"))
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "wrong")
    with pytest.raises(CommandError, match="does not open the key"):
        run("apple_push_certificate", tmp_path / "push.pem", "--key", tmp_path / "push.key")
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "open sesame")
    run("apple_push_certificate", tmp_path / "push.pem", "--key", tmp_path / "push.key")
    assert push_certificate.topic() == apple.TOPIC


def test_the_command_line_says_how_to_force_another_topic(tmp_path: Path) -> None:
    installed()
    file = tmp_path / "push.pem"
    file.write_bytes(given(topic=apple.OTHER_TOPIC))
    with pytest.raises(CommandError, match="--force"):
        run("apple_push_certificate", file)
    run("apple_push_certificate", file, "--force")
    assert push_certificate.topic() == apple.OTHER_TOPIC


def test_a_missing_or_absurd_file_is_a_plain_message(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        run("apple_push_certificate", tmp_path / "nothing.pem")
    (tmp_path / "large").write_bytes(b"\0" * 1_000_001)
    with pytest.raises(CommandError, match="too large"):
        run("apple_push_certificate", tmp_path / "large")
