"""The payloads of configurations, and the profiles that carry them."""

import plistlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import Invalid, ProtocolError
from mydevices.protocols.apple import configurations, profiles, schema
from mydevices.protocols.apple.configurations import (
    Authentication,
    Encryption,
    ExchangeAccount,
    IdentityCertificate,
    MailAccount,
    MailProtocol,
    MailServer,
    OAuth,
    PastDays,
    Service,
    Services,
    Signing,
    Smime,
    WebClip,
)
from mydevices.protocols.apple.schema import System
from mydevices.protocols.pki import cms
from tests.protocols.pki import wire

PNG = b"\x89PNG\r\n\x1a\nthe rest of a picture"
SIGNING = "3B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B"
ENCRYPTION = "4B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B"
LOGIN = "5B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B"
PLACE: dict[str, Any] = {
    "identifier": "org.example.account",
    "uuid": "1B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B",
    "display_name": "Mail of Example",
}
PROFILE: dict[str, Any] = {
    "identifier": "org.example.profile",
    "uuid": "0B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B",
    "display_name": "Mail",
    "organisation": "Example",
    "description": "Your mail at Example.",
}
EXCHANGE = ExchangeAccount(email_address="ines@example.org", user_name="ines", host="mail.example.org")
MAIL = MailAccount(
    email_address="ines@example.org",
    incoming=MailServer("imap.example.org", user_name="ines", password="first"),
    outgoing=MailServer("smtp.example.org", port=587, user_name="ines", password="second"),
)
SMIME = Smime(Signing(SIGNING), Encryption(ENCRYPTION))

VERSIONS: Mapping[System, tuple[str | None, ...]] = {
    "iOS": (None, "9.3.6", "10.2", "10.3.4", "11.4.1", "12.5.7", "13.0", "14.8.1", "17.5", "18.1"),
    "macOS": (None, "10.12.6", "10.13.6", "10.14", "10.15.7", "11.0", "12.7", "14.6.1", "15.1"),
}

# --- whatever an administrator may choose

words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=12).filter(str.strip)
hosts = st.sampled_from(["mail.example.org", "192.0.2.7", "[2001:db8::1]", "bücher.example"])
ports = st.none() | st.integers(1, 65535)
flags = st.booleans()
uuids = st.uuids().map(lambda value: str(value).upper())
optional = st.none() | words
addresses = st.none() | st.just("https://login.example.org/oauth")
smime = st.builds(
    Smime,
    signing=st.none() | st.builds(Signing, st.none() | st.just(SIGNING), flags, flags, flags),
    encryption=st.none() | st.builds(Encryption, st.none() | st.just(ENCRYPTION), flags, flags, flags, flags),
)
clips = st.builds(
    WebClip,
    label=words,
    url=st.sampled_from(
        ["https://example.org/?a=b", "http://localhost:8000", "tel:+49301234567", "mailto:a@example.org"]
    ),
    icon=st.none() | st.just(PNG),
    removable=flags,
    precomposed=flags,
    full_screen=flags,
    ignore_manifest_scope=flags,
    target_application=st.none() | st.just("com.google.chrome.ios"),
)
identities = st.builds(
    IdentityCertificate, pkcs12=st.binary(min_size=1), password=words, allow_all_apps=flags, file_name=words
)
service = st.builds(Service, flags, flags)


@st.composite
def exchange_accounts(draw: st.DrawFn) -> ExchangeAccount:
    sign_in = draw(st.sampled_from(["password", "nothing", "oauth"]))
    return ExchangeAccount(
        email_address=draw(words),
        user_name=draw(words),
        host=draw(hosts),
        ssl=draw(flags),
        password=draw(words) if sign_in == "password" else None,
        oauth=OAuth(draw(addresses), draw(addresses)) if sign_in == "oauth" else None,
        login_certificate_uuid=draw(st.none() | st.just(LOGIN)),
        smime=draw(smime),
        past_days=draw(st.sampled_from(PastDays)),
        services=Services(Service(True, draw(flags)), *(draw(service) for _ in range(4))),
        only_in_mail=draw(flags),
        prevent_move=draw(flags),
        keep_recents=draw(flags),
        replace_password=draw(flags),
        audio_call_application=draw(st.none() | st.just("org.example.phone")),
        vpn_uuid=draw(st.none() | uuids),
        allow_mail_drop=draw(flags),
        port=draw(ports),
        path=draw(st.none() | st.just("/EWS/Exchange.asmx")),
        external_host=draw(st.none() | hosts),
        external_port=draw(ports),
        external_path=draw(st.none() | st.just("/EWS/Exchange.asmx")),
        external_ssl=draw(flags),
    )


servers = st.builds(MailServer, hosts, ports, flags, st.sampled_from(Authentication), optional, optional)
mail_accounts = st.builds(
    MailAccount,
    email_address=words,
    incoming=servers,
    outgoing=servers,
    protocol=st.sampled_from(MailProtocol),
    description=optional,
    full_name=optional,
    imap_path_prefix=optional,
    allow_mail_drop=flags,
    keep_recents=flags,
    smime=smime,
    prevent_move=flags,
    only_in_mail=flags,
    vpn_uuid=st.none() | uuids,
)


@st.composite
def targets(draw: st.DrawFn) -> tuple[System, str | None]:
    system: System = draw(st.sampled_from(["iOS", "macOS"]))
    return system, draw(st.sampled_from(VERSIONS[system]))


def check(payload: profiles.Payload, system: System, version: str | None) -> dict[str, Any]:
    """The payload as a device reads it. It must be all right for the system and the channel that it goes to."""
    read: dict[str, Any] = plistlib.loads(plistlib.dumps(payload))
    channel: schema.Channel = "user" if system == "macOS" else "device"
    assert schema.validate(read, os=system, os_version=version, channel=channel, supervised=False) == []
    return read


@given(clips, targets())
def test_every_web_clip_is_what_the_schema_asks_for(clip: WebClip, target: tuple[System, str | None]) -> None:
    system, version = target
    read = check(configurations.web_clip(clip, **PLACE, os=system, os_version=version), system, version)
    assert (read["Label"], read["URL"]) == (clip.label, clip.url)
    if system == "iOS":
        assert read["IsRemovable"] is clip.removable


@given(identities, targets())
def test_every_identity_is_what_the_schema_asks_for(
    identity: IdentityCertificate, target: tuple[System, str | None]
) -> None:
    system, version = target
    read = check(configurations.identity(identity, **PLACE, os=system, os_version=version), system, version)
    assert (read["PayloadContent"], read["Password"]) == (identity.pkcs12, identity.password)


@given(exchange_accounts(), st.sampled_from(VERSIONS["iOS"]))
def test_every_exchange_account_of_an_iphone_is_what_the_schema_asks_for(
    account: ExchangeAccount, version: str | None
) -> None:
    read = check(configurations.exchange_ios(account, **PLACE, os_version=version), "iOS", version)
    assert (read["EmailAddress"], read["UserName"]) == (account.email_address, account.user_name)
    signing = account.smime.signing
    assert read.get("SMIMESigningCertificateUUID") == (signing.certificate_uuid if signing else None)


@given(exchange_accounts(), st.sampled_from(VERSIONS["macOS"]))
def test_every_exchange_account_of_a_mac_is_what_the_schema_asks_for(
    account: ExchangeAccount, version: str | None
) -> None:
    read = check(configurations.exchange_mac(account, **PLACE, os_version=version), "macOS", version)
    assert not [key for key in read if key.startswith("SMIME")]


@given(mail_accounts, targets())
def test_every_mail_account_is_what_the_schema_asks_for(
    account: MailAccount, target: tuple[System, str | None]
) -> None:
    system, version = target
    read = check(configurations.mail(account, **PLACE, os=system, os_version=version), system, version)
    if system == "macOS":
        assert not [key for key in read if key.startswith("SMIME")]


@given(st.lists(uuids, min_size=1, max_size=4, unique=True), st.sampled_from(["System", "User"]))
def test_every_profile_is_what_the_schema_asks_for(drawn: list[str], scope: profiles.Scope) -> None:
    payloads = [
        configurations.web_clip(
            WebClip("Handbook", "https://example.org"), **{**PLACE, "uuid": uuid, "identifier": uuid}, os="iOS"
        )
        for uuid in drawn
    ]
    for removal_disallowed in (False, True):
        built = profiles.profile(**PROFILE, payloads=payloads, scope=scope, removal_disallowed=removal_disallowed)
        read = plistlib.loads(built)
        assert schema.validate(read, os="iOS") == []
        assert read.get("PayloadRemovalDisallowed", False) is removal_disallowed
        assert read["PayloadContent"] == payloads


# --- what each is exactly


def test_an_exchange_account_of_an_iphone_says_everything_about_smime() -> None:
    account = replace(
        EXCHANGE,
        smime=Smime(
            Signing(SIGNING, enabled=True, user_may_switch=True, user_may_choose_certificate=False),
            Encryption(
                ENCRYPTION,
                by_default=True,
                user_may_switch_default=False,
                user_may_choose_certificate=True,
                per_message_switch=True,
            ),
        ),
    )
    read = configurations.exchange_ios(account, **PLACE)
    assert {key: value for key, value in read.items() if key.startswith("SMIME")} == {
        "SMIMESigningEnabled": True,
        "SMIMESigningCertificateUUID": SIGNING,
        "SMIMESigningUserOverrideable": True,
        "SMIMESigningCertificateUUIDUserOverrideable": False,
        "SMIMEEncryptByDefault": True,
        "SMIMEEncryptByDefaultUserOverrideable": False,
        "SMIMEEncryptionCertificateUUID": ENCRYPTION,
        "SMIMEEncryptionCertificateUUIDUserOverrideable": True,
        "SMIMEEnableEncryptionPerMessageSwitch": True,
    }
    old = configurations.exchange_ios(account, **PLACE, os_version="11.4")
    assert {key: value for key, value in old.items() if key.startswith("SMIME")} == {
        "SMIMESigningEnabled": True,
        "SMIMESigningCertificateUUID": SIGNING,
        "SMIMEEncryptionEnabled": True,
        "SMIMEEncryptionCertificateUUID": ENCRYPTION,
        "SMIMEEnablePerMessageSwitch": True,
    }


def test_without_smime_nothing_is_said_of_it() -> None:
    for read in (configurations.exchange_ios(EXCHANGE, **PLACE), configurations.mail(MAIL, **PLACE, os="iOS")):
        assert not [key for key in read if key.startswith("SMIME")]


def test_an_exchange_account_of_a_mac_is_web_services() -> None:
    account = replace(
        EXCHANGE,
        port=8443,
        path="/EWS/Exchange.asmx",
        external_host="outside.example.org",
        external_port=443,
        external_ssl=True,
        login_certificate_uuid=LOGIN,
        smime=SMIME,
    )
    read = configurations.exchange_mac(account, **PLACE)
    assert {key: value for key, value in read.items() if not key.startswith("PayloadD")} == {
        "PayloadType": "com.apple.ews.account",
        "PayloadVersion": 1,
        "PayloadIdentifier": PLACE["identifier"],
        "PayloadUUID": PLACE["uuid"],
        "EmailAddress": "ines@example.org",
        "UserName": "ines",
        "Host": "mail.example.org",
        "Port": 8443,
        "Path": "/EWS/Exchange.asmx",
        "SSL": True,
        "ExternalHost": "outside.example.org",
        "ExternalPort": 443,
        "ExternalSSL": True,
        "OAuth": False,
        "PayloadCertificateUUID": LOGIN,
        "allowMailDrop": False,
    }


def test_services_and_days_are_an_iphones() -> None:
    account = replace(
        EXCHANGE, past_days=PastDays.ONE_MONTH, services=Services(notes=Service(enabled=False, user_may_switch=False))
    )
    read = configurations.exchange_ios(account, **PLACE)
    assert read["MailNumberOfPastDaysToSync"] == 31
    assert (read["EnableNotes"], read["EnableNotesUserOverridable"]) == (False, False)
    assert (read["EnableMail"], read["EnableMailUserOverridable"]) == (True, True)
    assert "EnableNotes" not in configurations.exchange_ios(account, **PLACE, os_version="12.5")
    assert not {"EnableNotes", "MailNumberOfPastDaysToSync"} & configurations.exchange_mac(account, **PLACE).keys()


def test_a_mail_account_names_both_servers() -> None:
    read = configurations.mail(replace(MAIL, smime=SMIME), **PLACE, os="iOS")
    assert read["EmailAccountType"] == "EmailTypeIMAP"
    assert (read["IncomingMailServerHostName"], read["IncomingPassword"]) == ("imap.example.org", "first")
    assert "IncomingMailServerPortNumber" not in read
    assert (read["OutgoingMailServerHostName"], read["OutgoingPassword"]) == ("smtp.example.org", "second")
    assert read["OutgoingMailServerPortNumber"] == 587
    assert (read["SMIMESigningCertificateUUID"], read["SMIMEEncryptionCertificateUUID"]) == (SIGNING, ENCRYPTION)


def test_a_path_prefix_is_for_imap() -> None:
    account = replace(MAIL, imap_path_prefix="INBOX")
    assert configurations.mail(account, **PLACE, os="iOS")["IncomingMailServerIMAPPathPrefix"] == "INBOX"
    pop = configurations.mail(replace(account, protocol=MailProtocol.POP), **PLACE, os="iOS")
    assert "IncomingMailServerIMAPPathPrefix" not in pop


def test_an_identity_on_a_mac_cannot_be_copied_away() -> None:
    mac = configurations.identity(IdentityCertificate(b"p12", "secret", allow_all_apps=True), **PLACE, os="macOS")
    assert (mac["KeyIsExtractable"], mac["AllowAllAppsAccess"]) == (False, True)
    phone = configurations.identity(IdentityCertificate(b"p12", "secret", allow_all_apps=True), **PLACE, os="iOS")
    assert not {"KeyIsExtractable", "AllowAllAppsAccess"} & phone.keys()


@pytest.mark.parametrize("system", ["iOS", "macOS"])
def test_a_certificate_comes_along_without_a_key(system: System) -> None:
    read = check(configurations.certificate(b"der", **PLACE, os=system), system, None)
    assert (read["PayloadType"], read["PayloadContent"]) == ("com.apple.security.pkcs1", b"der")


def test_a_scope_that_is_ignored_is_not_sent() -> None:
    clip = WebClip("Handbook", "https://example.org", ignore_manifest_scope=True)
    assert "IgnoreManifestScope" not in configurations.web_clip(clip, **PLACE, os="iOS")
    full = configurations.web_clip(replace(clip, full_screen=True), **PLACE, os="iOS")
    assert full["IgnoreManifestScope"] is True


def test_a_mac_has_label_address_and_icon_of_a_web_clip() -> None:
    clip = WebClip("Handbook", "https://example.org", PNG, full_screen=True, target_application="org.example.x")
    read = configurations.web_clip(clip, **PLACE, os="macOS")
    assert {key for key in read if not key.startswith("Payload")} == {"Label", "URL", "Icon"}


def test_what_is_secret_is_not_shown() -> None:
    values = (
        IdentityCertificate(b"the bytes", "hunter2"),
        replace(EXCHANGE, password="hunter2"),
        replace(MAIL, incoming=MailServer("imap.example.org", password="hunter2")),
    )
    for value in values:
        assert "hunter2" not in repr(value)
        assert "the bytes" not in repr(value)


@pytest.mark.parametrize(
    "build",
    [
        lambda: WebClip("", "https://example.org"),
        lambda: WebClip(" ", "https://example.org"),
        lambda: WebClip("x", ""),
        lambda: WebClip("x", "example.org"),
        lambda: WebClip("x", "https://exa mple.org"),
        lambda: WebClip("x", "https://example.org", b"GIF89a"),
        lambda: WebClip("x", "https://example.org", PNG + bytes(configurations.LARGEST_ICON)),
        lambda: IdentityCertificate(b"", "x"),
        lambda: IdentityCertificate(b"x", ""),
        lambda: configurations.certificate(b"", **PLACE, os="iOS"),
        lambda: replace(EXCHANGE, email_address=""),
        lambda: replace(EXCHANGE, user_name=""),
        lambda: replace(EXCHANGE, host=None),
        lambda: replace(EXCHANGE, host="https://mail.example.org"),
        lambda: replace(EXCHANGE, host="mail.example.org/owa"),
        lambda: replace(EXCHANGE, host="mail.example.org:443"),
        lambda: replace(EXCHANGE, external_host="two words"),
        lambda: replace(EXCHANGE, port=0),
        lambda: replace(EXCHANGE, external_port=65536),
        lambda: replace(EXCHANGE, oauth=OAuth(), password="x"),
        lambda: replace(EXCHANGE, oauth=OAuth("https://login.example.org"), host=None),
        lambda: OAuth("http://login.example.org"),
        lambda: OAuth(token_request_url="login.example.org"),
        lambda: replace(EXCHANGE, services=Services(*[Service(enabled=False)] * 5)),
        lambda: MailServer(""),
        lambda: MailServer("imaps://imap.example.org"),
        lambda: MailServer("imap.example.org", port=-1),
        lambda: replace(MAIL, email_address=""),
    ],
)
def test_what_no_device_could_use_is_refused(build: Callable[[], object]) -> None:
    with pytest.raises(Invalid):
        build()


def test_with_oauth_the_device_finds_the_server() -> None:
    read = configurations.exchange_ios(replace(EXCHANGE, host=None, oauth=OAuth()), **PLACE)
    assert read["OAuth"] is True
    assert not {"Host", "Password", "OAuthSignInURL"} & read.keys()


# --- the profile around them


def identity_payload(uuid: str = SIGNING) -> profiles.Payload:
    return configurations.identity(
        IdentityCertificate(b"p12", "hunter2"),
        identifier=f"org.example.{uuid}",
        uuid=uuid,
        display_name="Identity",
        os="iOS",
    )


def account_payload() -> profiles.Payload:
    return configurations.exchange_ios(replace(EXCHANGE, smime=Smime(Signing(SIGNING))), **PLACE)


@pytest.mark.parametrize(
    "payloads",
    [
        [],
        [account_payload()],
        [identity_payload(), identity_payload()],
        [identity_payload(), {**identity_payload(LOGIN), "PayloadIdentifier": f"org.example.{SIGNING}"}],
        [identity_payload(PROFILE["uuid"])],
        [{**identity_payload(), "PayloadIdentifier": PROFILE["identifier"]}],
        [{**identity_payload(), "PayloadIdentifier": ""}],
    ],
)
def test_a_profile_that_a_device_would_refuse_is_refused(payloads: list[profiles.Payload]) -> None:
    with pytest.raises(Invalid):
        profiles.profile(**PROFILE, payloads=payloads, scope="System")


def test_an_account_and_its_identities_are_one_profile() -> None:
    built = profiles.profile(**PROFILE, payloads=[identity_payload(), account_payload()], scope="System")
    assert schema.validate(plistlib.loads(built), os="iOS") == []
    assert built == profiles.profile(**PROFILE, payloads=[identity_payload(), account_payload()], scope="System")


@pytest.fixture(scope="module")
def device() -> x509.Certificate:
    return x509.load_der_x509_certificate(wire.read_certificate("device.pem"))


@pytest.fixture(scope="module")
def device_key() -> rsa.RSAPrivateKey:
    return wire.read_key("device.key")


def test_an_encrypted_profile_opens_with_the_devices_key_alone(
    device: x509.Certificate, device_key: rsa.RSAPrivateKey
) -> None:
    plain = profiles.profile(**PROFILE, payloads=[identity_payload(), account_payload()], scope="System")
    sealed = profiles.encrypted_profile(plain, certificate=device)
    assert b"hunter2" not in sealed
    outer = plistlib.loads(sealed)
    assert schema.validate(outer, os="iOS") == []
    assert outer["IsEncrypted"] is True
    assert "PayloadContent" not in outer
    opened = cms.decrypt(outer["EncryptedPayloadContent"], certificate=device, key=device_key, allow_weak=False)
    before = plistlib.loads(plain)
    payloads: object = plistlib.loads(opened)
    assert payloads == before.pop("PayloadContent")
    assert {name: value for name, value in outer.items() if name in before} == before
    assert (
        profiles.encrypted_profile(plain, certificate=wire.read_certificate("device.pem")) != sealed
    )  # a key of its own


def test_a_profile_is_signed_around_its_encryption(device: x509.Certificate, device_key: rsa.RSAPrivateKey) -> None:
    plain = profiles.profile(**PROFILE, payloads=[identity_payload()], scope="User")
    sealed = profiles.encrypted_profile(plain, certificate=device)
    signed = cms.sign(sealed, certificate=device, key=device_key)
    assert cms.verify(signed, content=None, allow_weak=False).content == sealed


def test_a_profile_without_payloads_or_already_sealed_cannot_be_encrypted(device: x509.Certificate) -> None:
    sealed = profiles.encrypted_profile(
        profiles.profile(**PROFILE, payloads=[identity_payload()], scope="User"), certificate=device
    )
    for wrong in (sealed, b"nonsense", plistlib.dumps({"PayloadContent": "text"})):
        with pytest.raises(ProtocolError):
            profiles.encrypted_profile(wrong, certificate=device)
