"""Profiles with identities, mail accounts and web clips: what a device takes, what it refuses, what it shows."""

import plistlib
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from asn1crypto import pkcs12 as asn1_pkcs12
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    pkcs7,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from simulator.device import Channel, Device
from simulator.errors import Refused
from simulator.fleet import Fleet, new_device
from simulator.mac import Mac
from simulator.screens import Screens
from simulator.state import from_json, to_json
from tests.simulator.server import Server, certify, configuration, payload, sealed_for_devices

EAS, EWS, MAIL = "com.apple.eas.account", "com.apple.ews.account", "com.apple.mail.managed"
PKCS12, CLIP = "com.apple.security.pkcs12", "com.apple.webClip.managed"
ADDRESS = "ines@example.org"
PNG = b"\x89PNG\r\n\x1a\npicture"
SERVERS: dict[str, Any] = {
    "EmailAccountType": "EmailTypeIMAP",
    "EmailAddress": ADDRESS,
    "IncomingMailServerAuthentication": "EmailAuthPassword",
    "IncomingMailServerHostName": "imap.example.org",
    "OutgoingMailServerAuthentication": "EmailAuthPassword",
    "OutgoingMailServerHostName": "smtp.example.org",
}
EXCHANGE: dict[str, Any] = {"EmailAddress": ADDRESS, "UserName": "ines", "Host": "mail.example.org"}


def new_uuid() -> str:
    return str(uuid.uuid4()).upper()


@pytest.fixture(scope="session")
def mail_key(authority_key: rsa.RSAPrivateKey) -> rsa.RSAPrivateKey:
    """Any key: what it is for stands in the certificate."""
    return authority_key


def certificate(
    key: rsa.RSAPrivateKey, name: str = "Ines Vega", *, signs: bool = True, encrypts: bool = True
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(ADDRESS.upper())]), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=signs,
                key_encipherment=encrypts,
                content_commitment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )


def identity(
    key: rsa.RSAPrivateKey,
    found: x509.Certificate,
    payload_uuid: str | None = None,
    *,
    password: str = "secret",
    given: str | None = "secret",
    seal: Callable[[str], KeySerializationEncryption] = sealed_for_devices,
    others: list[x509.Certificate] | None = None,
    **keys: Any,
) -> dict[str, Any]:
    bundle = pkcs12.serialize_key_and_certificates(None, key, found, others, seal(password))
    words = {} if given is None else {"Password": given}
    return payload(PKCS12, payload_uuid, PayloadContent=bundle, **words, **keys)


def fingerprint(found: x509.Certificate) -> str:
    return found.fingerprint(hashes.SHA256()).hex()


def short(found: x509.Certificate) -> str:
    return f"Ines Vega · {fingerprint(found)[:8].upper()}"


def install(
    server: Server, device: Device, *payloads: dict[str, Any], user: str = "", data: bytes = b"", **top: Any
) -> dict[str, Any]:
    """Send a profile on a channel, and return the report."""
    command = server.enqueue("InstallProfile", user=user, Payload=data or configuration(list(payloads), **top))
    return polled(server, device, command, user)


def polled(server: Server, device: Device, command: str, user: str = "") -> dict[str, Any]:
    if user:
        assert isinstance(device, Mac)
        device.poll(Channel(device.account(user)))
    else:
        device.poll()
    return server.report_of(command)


def asked(server: Server, device: Device, request_type: str, user: str = "", **keys: Any) -> dict[str, Any]:
    return polled(server, device, server.enqueue(request_type, user=user, **keys), user)


def chain(report: dict[str, Any]) -> list[tuple[str, int]]:
    assert report["Status"] == "Error"
    return [(link["ErrorDomain"], link["ErrorCode"]) for link in report["ErrorChain"]]


def encrypted(device: Device, payloads: list[dict[str, Any]], **keys: Any) -> bytes:
    assert device.identity is not None
    sealed = (
        pkcs7.PKCS7EnvelopeBuilder()
        .set_data(plistlib.dumps(payloads))
        .add_recipient(device.identity.certificate)
        .encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    )
    top = plistlib.loads(configuration([], IsEncrypted=True, EncryptedPayloadContent=sealed, **keys))
    del top["PayloadContent"]
    return plistlib.dumps(top)


# --- an iPhone


def test_an_account_and_both_its_identities_arrive_in_one_encrypted_profile(
    server: Server, iphone: Device, mail_key: rsa.RSAPrivateKey
) -> None:
    signing, encryption = certificate(mail_key, encrypts=False), certificate(mail_key, signs=False)
    signing_uuid, encryption_uuid = new_uuid(), new_uuid()
    payloads = [
        identity(mail_key, signing, signing_uuid),
        identity(mail_key, encryption, encryption_uuid),
        payload(
            EAS,
            **EXCHANGE,
            SMIMESigningEnabled=True,
            SMIMESigningCertificateUUID=signing_uuid,
            SMIMEEncryptByDefault=True,
            SMIMEEncryptionCertificateUUID=encryption_uuid,
        ),
    ]
    report = install(server, iphone, data=server.signed(encrypted(iphone, payloads)))
    assert report["Status"] == "Acknowledged"
    seen = iphone.snapshot()
    assert seen["mail_accounts"] == [
        {
            "service": "Exchange",
            "address": ADDRESS,
            "host": "mail.example.org",
            "user": "",
            "signs_with": short(signing),
            "encrypts_with": short(encryption),
            "encrypts_by_default": True,
        }
    ]
    assert [item["sha256"] for item in seen["identities"]] == [fingerprint(signing), fingerprint(encryption)]
    assert seen["profiles"][1]["encrypted"] is True
    listed = asked(server, iphone, "CertificateList")["CertificateList"]
    identities = [item["Data"] for item in listed if item["IsIdentity"]]
    assert {signing.public_bytes(Encoding.DER), encryption.public_bytes(Encoding.DER)} < set(identities)


def test_an_update_replaces_the_profile_and_its_identity(
    server: Server, iphone: Device, mail_key: rsa.RSAPrivateKey
) -> None:
    old, new = certificate(mail_key), certificate(mail_key)
    for found in (old, new):
        payload_uuid = new_uuid()
        account = payload(EAS, **EXCHANGE, SMIMESigningEnabled=True, SMIMESigningCertificateUUID=payload_uuid)
        assert install(server, iphone, identity(mail_key, found, payload_uuid), account)["Status"] == "Acknowledged"
    seen = iphone.snapshot()
    assert [account["signs_with"] for account in seen["mail_accounts"]] == [short(new)]
    assert [item["sha256"] for item in seen["identities"]] == [fingerprint(new)]
    assert asked(server, iphone, "RemoveProfile", Identifier="org.example.profile")["Status"] == "Acknowledged"
    seen = iphone.snapshot()
    assert (seen["mail_accounts"], seen["identities"]) == ([], [])


def test_what_a_device_remembers_of_accounts_is_kept(
    server: Server, iphone: Device, mail_key: rsa.RSAPrivateKey
) -> None:
    payload_uuid = new_uuid()
    account = payload(MAIL, **SERVERS, SMIMESigningEnabled=True, SMIMESigningCertificateUUID=payload_uuid)
    install(server, iphone, identity(mail_key, certificate(mail_key), payload_uuid), account)
    assert iphone.memory.profiles[1].mail_accounts[0].signs_with
    assert from_json(to_json(iphone.memory)) == iphone.memory


def test_a_profile_list_names_what_is_installed(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    device = new_device("iphone", send=server, key=device_key)
    device.register(server.profile())
    install(server, device, payload(EAS, **EXCHANGE), PayloadUUID="A-1", PayloadIdentifier="org.example.mail")
    listed = asked(server, device, "ProfileList", ManagedOnly=True)["ProfileList"][1]
    assert (listed["PayloadIdentifier"], listed["PayloadUUID"]) == ("org.example.mail", "A-1")
    assert listed["PayloadDisplayName"] == "A profile"
    assert listed["IsManaged"] is True
    assert listed["IsEncrypted"] is False


def wrong_account(kind: str, changes: dict[str, Any]) -> dict[str, Any]:
    values = {**(SERVERS if kind == MAIL else EXCHANGE), **changes}
    return payload(kind, **{key: value for key, value in values.items() if value is not None})


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        (EAS, {"UserName": None}, ("MCPayloadErrorDomain", 2002)),
        (EAS, {"UserName": ""}, ("MCPayloadErrorDomain", 2002)),
        (EAS, {"SSL": "yes"}, ("MCPayloadErrorDomain", 2003)),
        (EAS, {"MailNumberOfPastDaysToSync": True}, ("MCPayloadErrorDomain", 2003)),
        (EAS, {"MailNumberOfPastDaysToSync": 5}, ("MCPayloadErrorDomain", 2004)),
        (EAS, {"Host": None}, ("MCEASErrorDomain", 21003)),
        (EAS, {"Host": None, "OAuth": True, "OAuthSignInURL": "https://x"}, ("MCEASErrorDomain", 21003)),
        (EAS, {"OAuth": True, "Password": "x"}, ("MCEASErrorDomain", 21004)),
        (EAS, {"PayloadCertificateUUID": "nobody"}, ("MCEASErrorDomain", 21004)),
        (
            EAS,
            {f"Enable{name}": False for name in ("Mail", "Contacts", "Calendars", "Reminders", "Notes")},
            ("MCEASErrorDomain", 21009),
        ),
        (EAS, {"SMIMESigningCertificateUUID": "nobody"}, ("MCEmailErrorDomain", 7003)),
        (EAS, {"SMIMEEncryptionCertificateUUID": "nobody"}, ("MCEmailErrorDomain", 7003)),
        (MAIL, {"SMIMEEncryptionCertificateUUID": "nobody"}, ("MCEmailErrorDomain", 7003)),
        (MAIL, {"EmailAccountType": "IMAP"}, ("MCPayloadErrorDomain", 2004)),
        (MAIL, {"OutgoingMailServerHostName": None}, ("MCPayloadErrorDomain", 2002)),
        (EWS, {}, ("MCPayloadErrorDomain", 2004)),
    ],
)
def test_an_iphone_refuses_an_account_and_says_why(
    server: Server, iphone: Device, kind: str, changes: dict[str, Any], reason: tuple[str, int]
) -> None:
    report = install(server, iphone, wrong_account(kind, changes))
    assert chain(report) == [("MCInstallationErrorDomain", 4001), reason]
    assert len(iphone.memory.profiles) == 1


def test_a_certificate_without_a_key_signs_nothing(server: Server, iphone: Device) -> None:
    root_uuid = new_uuid()
    root = payload("com.apple.security.root", root_uuid, PayloadContent=server.authority.public_bytes(Encoding.DER))
    report = install(server, iphone, root, payload(EAS, **EXCHANGE, SMIMESigningCertificateUUID=root_uuid))
    assert chain(report)[1] == ("MCEmailErrorDomain", 7004)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"given": "wrong"}, 9000),
        ({"given": None}, 9000),
        # A newer kind of PKCS#12, which Apple's importers have called a wrong password.
        ({"seal": lambda password: BestAvailableEncryption(password.encode())}, 9000),
    ],
)
def test_an_identity_that_does_not_open_is_refused(
    server: Server, iphone: Device, mail_key: rsa.RSAPrivateKey, changes: dict[str, Any], code: int
) -> None:
    report = install(server, iphone, identity(mail_key, certificate(mail_key), **changes))
    assert chain(report) == [("MCInstallationErrorDomain", 4001), ("MCCertificateErrorDomain", code)]
    assert iphone.snapshot()["identities"] == []


def test_an_identity_payload_holds_one_certificate_with_its_key(
    server: Server, iphone: Device, mail_key: rsa.RSAPrivateKey
) -> None:
    several = identity(mail_key, certificate(mail_key), others=[server.authority])
    assert chain(install(server, iphone, several))[1] == ("MCCertificateErrorDomain", 9001)
    bare = pkcs12.serialize_key_and_certificates(None, None, certificate(mail_key), None, sealed_for_devices("x"))
    without_key = payload(PKCS12, PayloadContent=bare, Password="x")
    assert chain(install(server, iphone, without_key))[1] == ("MCCertificateErrorDomain", 9006)
    nonsense = payload(PKCS12, PayloadContent=b"no PKCS#12", Password="x")
    assert chain(install(server, iphone, nonsense))[1] == ("MCCertificateErrorDomain", 9005)


def bags(key: rsa.RSAPrivateKey, found: x509.Certificate) -> list[Any]:
    """Certificate and key, as they stand in a PKCS#12."""
    file = asn1_pkcs12.Pfx.load(pkcs12.serialize_key_and_certificates(b"x", key, found, None, NoEncryption()))
    (content,) = file.authenticated_safe
    return list(asn1_pkcs12.SafeContents.load(content["content"].native))


def test_a_key_of_another_certificate_is_none(
    server: Server, iphone: Device, mail_key: rsa.RSAPrivateKey, device_key: rsa.RSAPrivateKey
) -> None:
    """Though the file says that they belong together."""
    own, own_key = bags(mail_key, certificate(mail_key))
    others, _key = bags(device_key, certificate(device_key))
    for bag, works in ((own, True), (others, False)):
        bag["bag_attributes"] = own["bag_attributes"]
        inner = asn1_pkcs12.SafeContents([bag, own_key]).dump()
        safe = asn1_pkcs12.AuthenticatedSafe([{"content_type": "data", "content": inner}]).dump()
        file = asn1_pkcs12.Pfx({"version": "v3", "auth_safe": {"content_type": "data", "content": safe}}).dump()
        report = install(server, iphone, payload(PKCS12, PayloadContent=file, Password="x"))
        assert works == (report["Status"] == "Acknowledged"), report
    assert chain(report)[1] == ("MCCertificateErrorDomain", 9006)


def test_sealed_content_counts_only_when_the_profile_says_that_it_is_encrypted(server: Server, iphone: Device) -> None:
    top = plistlib.loads(encrypted(iphone, [payload(EAS, **EXCHANGE)]))
    assert install(server, iphone, data=plistlib.dumps(top))["Status"] == "Acknowledged"
    del top["IsEncrypted"]
    assert chain(install(server, iphone, data=plistlib.dumps(top))) == [("MCProfileErrorDomain", 1002)]
    top = {**top, "IsEncrypted": True, "EncryptedPayloadContent": "text"}
    assert chain(install(server, iphone, data=plistlib.dumps(top))) == [("MCProfileErrorDomain", 1003)]


def test_a_changed_signature_is_refused(server: Server, iphone: Device) -> None:
    signed = bytearray(server.signed(configuration([payload(EAS, **EXCHANGE)])))
    signed[signed.index(b"mail.example.org")] ^= 1
    assert chain(install(server, iphone, data=bytes(signed))) == [("MCProfileErrorDomain", 1004)]


def test_an_identifier_is_used_once_in_a_profile(server: Server, iphone: Device, mac: Device) -> None:
    clips = [payload(CLIP, URL="https://example.org", Label="x", PayloadIdentifier="same") for _ in range(2)]
    for clip in clips:
        clip["PayloadIdentifier"] = "same"
    assert chain(install(server, iphone, *clips)) == [("MCProfileErrorDomain", 1008)]
    assert chain(install(server, mac, *clips, user="ines")) == [("ConfigProfilePluginDomain", -107)]


# --- a Mac


def test_a_macs_accounts_are_its_users_and_mail_finds_the_identity_by_its_address(
    server: Server, mac: Device, mail_key: rsa.RSAPrivateKey
) -> None:
    old, both = certificate(mail_key), certificate(mail_key)
    account = payload(EWS, **EXCHANGE)
    assert install(server, mac, account, user="ines", PayloadIdentifier="a")["Status"] == "Acknowledged"
    assert mac.snapshot()["mail_accounts"][0]["signs_with"] == ""
    # In the system's keychain Mail does not look.
    assert install(server, mac, identity(mail_key, old), PayloadIdentifier="b")["Status"] == "Acknowledged"
    assert mac.snapshot()["mail_accounts"][0]["signs_with"] == ""
    for identifier, found in (("c", old), ("d", both)):
        entry = identity(mail_key, found, AllowAllAppsAccess=True, KeyIsExtractable=False)
        assert install(server, mac, entry, user="ines", PayloadIdentifier=identifier)["Status"] == "Acknowledged"
    (seen,) = mac.snapshot()["mail_accounts"]
    assert (seen["user"], seen["service"]) == ("ines", "Exchange")
    assert (seen["signs_with"], seen["encrypts_with"]) == (short(both), short(both))
    assert [item["user"] for item in mac.snapshot()["identities"]] == ["", "ines", "ines"]
    listed = asked(server, mac, "CertificateList", "ines")["CertificateList"]
    assert [item["Data"] for item in listed] == [item.public_bytes(Encoding.DER) for item in (old, both)]
    on_device = asked(server, mac, "CertificateList")["CertificateList"]
    assert both.public_bytes(Encoding.DER) not in [item["Data"] for item in on_device]


def test_mail_on_a_mac_takes_each_identity_for_what_it_is_for(
    server: Server, mac: Device, mail_key: rsa.RSAPrivateKey
) -> None:
    signing, encryption = certificate(mail_key, encrypts=False), certificate(mail_key, signs=False)
    other = certify(mail_key.public_key(), "somebody else", server.authority.subject, server.key, ca=False)
    entries = [identity(mail_key, found) for found in (signing, encryption, other)]
    assert install(server, mac, payload(MAIL, **SERVERS), *entries, user="ines")["Status"] == "Acknowledged"
    (seen,) = mac.snapshot()["mail_accounts"]
    assert (seen["signs_with"], seen["encrypts_with"]) == (short(signing), short(encryption))


def test_an_encrypted_profile_opens_on_a_users_channel(
    server: Server, mac: Device, mail_key: rsa.RSAPrivateKey
) -> None:
    data = server.signed(encrypted(mac, [identity(mail_key, certificate(mail_key))]))
    assert install(server, mac, data=data, user="ines")["Status"] == "Acknowledged"
    assert mac.snapshot()["identities"][0]["user"] == "ines"


@pytest.mark.parametrize(
    ("kind", "changes", "code"),
    [
        (EAS, {}, -319),
        (EAS, {"SMIMESigningEnabled": True}, -319),
        (MAIL, {"SMIMESigningEnabled": False}, -319),
        (MAIL, {"PreventMove": False}, -319),
        (MAIL, {"IncomingMailServerHostName": None}, -307),
        (EWS, {"UserName": None}, -307),
        (EWS, {"Port": "443"}, -319),
        (EWS, {"AuthenticationCertificateUUID": "nobody"}, -319),
    ],
)
def test_a_mac_refuses_an_account_and_says_why(
    server: Server, mac: Device, kind: str, changes: dict[str, Any], code: int
) -> None:
    report = install(server, mac, wrong_account(kind, changes), user="ines")
    assert chain(report) == [("ConfigProfilePluginDomain", code)]
    assert "payload could not be installed" in report["ErrorChain"][0]["LocalizedDescription"]
    assert mac.snapshot()["mail_accounts"] == []


@pytest.mark.parametrize("kind", [EWS, MAIL, CLIP])
def test_what_belongs_to_a_user_is_refused_on_a_macs_own_channel(server: Server, mac: Device, kind: str) -> None:
    values = {EWS: EXCHANGE, MAIL: SERVERS, CLIP: {"URL": "https://example.org", "Label": "x"}}[kind]
    assert chain(install(server, mac, payload(kind, **values))) == [("ConfigProfilePluginDomain", -319)]
    assert install(server, mac, payload(kind, **values), user="ines")["Status"] == "Acknowledged"


def test_an_identity_that_does_not_open_on_a_mac_is_refused_in_its_words(
    server: Server, mac: Device, mail_key: rsa.RSAPrivateKey
) -> None:
    report = install(server, mac, identity(mail_key, certificate(mail_key), given="wrong"), user="ines")
    assert chain(report) == [("ConfigProfilePluginDomain", -319)]
    assert "password" in report["ErrorChain"][0]["LocalizedDescription"]


def test_a_key_of_a_mac_is_refused_by_an_iphone(server: Server, iphone: Device, mail_key: rsa.RSAPrivateKey) -> None:
    report = install(server, iphone, identity(mail_key, certificate(mail_key), AllowAllAppsAccess=True))
    assert chain(report)[1] == ("MCPayloadErrorDomain", 2004)


# --- web clips, and the screens


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Label": None}, ("MCPayloadErrorDomain", 2002)),
        ({"URL": "example.org"}, ("MCWebClipErrorDomain", 8000)),
        ({"Icon": "text"}, ("MCPayloadErrorDomain", 2003)),
        ({"FullScreen": "yes"}, ("MCPayloadErrorDomain", 2003)),
    ],
)
def test_a_web_clip_that_cannot_be_shown_is_refused(
    server: Server, iphone: Device, changes: dict[str, Any], reason: tuple[str, int]
) -> None:
    values = {"URL": "https://example.org", "Label": "Handbook", **changes}
    clip = payload(CLIP, **{key: value for key, value in values.items() if value is not None})
    assert chain(install(server, iphone, clip))[1] == reason


def test_an_enrolment_profile_is_checked_as_any_other(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    device = new_device("iphone", send=server, key=device_key)
    top = plistlib.loads(server.profile())
    top["PayloadContent"].append(payload(CLIP, URL="https://example.org"))
    with pytest.raises(Refused, match="Label"):
        device.register(plistlib.dumps(top))
    assert not device.is_registered
    assert server.requests == []


@pytest.fixture
def client(server: Server, iphone: Device, mac: Device) -> Iterator[httpx2.Client]:
    with Fleet(send=server) as fleet, Screens(fleet=fleet) as screens:
        fleet.add(iphone)
        fleet.add(mac)
        with httpx2.Client(base_url=screens.url, trust_env=False) as client:
            yield client


def test_the_page_shows_clips_accounts_and_what_they_sign_with(
    server: Server, iphone: Device, mac: Device, mail_key: rsa.RSAPrivateKey, client: httpx2.Client
) -> None:
    found, payload_uuid = certificate(mail_key), new_uuid()
    account = payload(
        EAS,
        **{**EXCHANGE, "EmailAddress": "<b>@example.org"},
        SMIMESigningEnabled=True,
        SMIMESigningCertificateUUID=payload_uuid,
        SMIMEEncryptByDefault=True,
        SMIMEEncryptionCertificateUUID=payload_uuid,
    )
    clip = payload(CLIP, URL="https://example.org/?a=1&b=2", Label="<i>Portal", Icon=PNG)
    plain = payload(CLIP, URL="https://example.org", Label="Handbook", Icon=b"<svg onload=alert(1)>")
    report = install(server, iphone, identity(mail_key, found, payload_uuid), account, clip, plain)
    assert report["Status"] == "Acknowledged"
    lonely = certificate(mail_key)
    install(server, mac, identity(mail_key, lonely), user="ines")
    page = client.get("/").text
    assert f"Signs with {short(found)}" in page
    assert f"Encrypts by default with {short(found)}" in page
    assert "&lt;b&gt;@example.org · Exchange" in page
    assert "<b>@" not in page
    assert '<img class="tile clip" src="data:image/png;base64,' in page
    assert "&lt;i&gt;Portal" in page
    assert "onload" not in page
    assert f"{short(lonely)} · ines" in page
    assert page.count("In no account") == 1
    listed = {item["udid"]: item for item in client.get("/api/devices").json()["devices"]}
    assert [item["sha256"] for item in listed[mac.udid]["identities"]] == [fingerprint(lonely)]
    assert [item["label"] for item in listed[iphone.udid]["web_clips"]] == ["<i>Portal", "Handbook"]
    assert "A profile (came encrypted)" not in page
    install(server, mac, data=server.signed(encrypted(mac, [payload(CLIP, URL="https://x", Label="x")])), user="ines")
    assert "A profile (came encrypted)" in client.get("/").text


def test_an_account_without_smime_says_so(server: Server, iphone: Device, client: httpx2.Client) -> None:
    install(server, iphone, payload(MAIL, **{**SERVERS, "EmailAccountType": "EmailTypePOP"}))
    assert "ines@example.org · POP" in (page := client.get("/").text)
    assert "Neither signs nor encrypts" in page
