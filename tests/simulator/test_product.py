"""The product's profiles on simulated devices: two readings of Apple's schema, written apart, have to agree."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from mydevices.protocols.apple import configurations, profiles
from mydevices.protocols.apple.configurations import (
    Encryption,
    ExchangeAccount,
    IdentityCertificate,
    MailAccount,
    MailProtocol,
    MailServer,
    OAuth,
    Signing,
    Smime,
    WebClip,
)
from mydevices.protocols.pki import cms
from simulator.device import Device
from tests.simulator.server import Server, sealed_for_devices
from tests.simulator.test_configurations import certificate, chain, install, short

EXCHANGE = ExchangeAccount(email_address="ines@example.org", user_name="ines", host="mail.example.org", path="/EWS")
MAIL = MailAccount(
    email_address="ines@example.org",
    incoming=MailServer("imap.example.org", user_name="ines"),
    outgoing=MailServer("smtp.example.org", port=587, user_name="ines"),
    description="Example",
    imap_path_prefix="INBOX",
)
ACCOUNTS = [
    EXCHANGE,
    replace(EXCHANGE, oauth=OAuth("https://login.example.org", "https://login.example.org/token")),
    replace(EXCHANGE, password="x", port=443, external_host="outside.example.org", external_port=443, vpn_uuid="x"),
    MAIL,
    replace(MAIL, protocol=MailProtocol.POP, prevent_move=True, only_in_mail=True),
]
CLIP = WebClip("Portal", "https://example.org", full_screen=True, ignore_manifest_scope=True, target_application="x.y")


def place(name: str) -> dict[str, Any]:
    return {"identifier": f"org.example.{name}", "uuid": str(uuid.uuid4()).upper(), "display_name": name}


def delivered(
    server: Server, device: Device, payloads: Sequence[profiles.Payload], *, scope: profiles.Scope, user: str = ""
) -> dict[str, Any]:
    """Encrypt to the device, sign, send, and return the report."""
    assert device.identity is not None
    plain = profiles.profile(**place("profile"), organisation="Example", description="", payloads=payloads, scope=scope)
    sealed = profiles.encrypted_profile(plain, certificate=device.identity.certificate)
    signed = cms.sign(sealed, certificate=server.authority, key=server.key)
    return install(server, device, data=signed, user=user)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_iphone_takes_every_account_with_its_identity_and_a_web_clip(
    server: Server, iphone: Device, authority_key: rsa.RSAPrivateKey, account: ExchangeAccount | MailAccount
) -> None:
    found = certificate(authority_key)
    bundle = pkcs12.serialize_key_and_certificates(None, authority_key, found, None, sealed_for_devices("secret"))
    entry = configurations.identity(
        IdentityCertificate(bundle, "secret", allow_all_apps=True), **place("identity"), os="iOS"
    )
    used = str(entry["PayloadUUID"])
    account = replace(account, smime=Smime(Signing(used), Encryption(used, by_default=True)))
    if isinstance(account, MailAccount):
        built = configurations.mail(account, **place("mail"), os="iOS")
    else:
        account = replace(account, login_certificate_uuid=used)
        built = configurations.exchange_ios(account, **place("exchange"))
    clip = configurations.web_clip(CLIP, **place("clip"), os="iOS")
    report = delivered(server, iphone, [entry, built, clip], scope="System")
    assert report["Status"] == "Acknowledged", report
    (seen,) = iphone.snapshot()["mail_accounts"]
    assert (seen["signs_with"], seen["encrypts_with"], seen["encrypts_by_default"]) == (
        short(found),
        short(found),
        True,
    )
    assert [shown["label"] for shown in iphone.snapshot()["web_clips"]] == ["Portal"]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_mac_takes_every_account_on_its_users_channel(
    server: Server, mac: Device, authority_key: rsa.RSAPrivateKey, account: ExchangeAccount | MailAccount
) -> None:
    found = certificate(authority_key)
    bundle = pkcs12.serialize_key_and_certificates(None, authority_key, found, None, sealed_for_devices("secret"))
    entry = configurations.identity(
        IdentityCertificate(bundle, "secret", allow_all_apps=True), **place("identity"), os="macOS"
    )
    account = replace(account, smime=Smime(Signing("elsewhere"), Encryption("elsewhere")))
    if isinstance(account, MailAccount):
        built = configurations.mail(account, **place("mail"), os="macOS")
    else:
        built = configurations.exchange_mac(account, **place("exchange"))
    clip = configurations.web_clip(CLIP, **place("clip"), os="macOS")
    report = delivered(server, mac, [entry, built, clip], scope="User", user="ines")
    assert report["Status"] == "Acknowledged", report
    (seen,) = mac.snapshot()["mail_accounts"]
    assert (seen["user"], seen["signs_with"], seen["encrypts_with"]) == ("ines", short(found), short(found))


def test_what_is_meant_for_the_other_kind_of_device_is_refused(server: Server, iphone: Device, mac: Device) -> None:
    for_a_mac = configurations.exchange_mac(EXCHANGE, **place("exchange"))
    assert delivered(server, iphone, [for_a_mac], scope="System")["Status"] == "Error"
    for_a_phone = configurations.exchange_ios(EXCHANGE, **place("exchange"))
    assert delivered(server, mac, [for_a_phone], scope="User", user="ines")["Status"] == "Error"
    with_smime = configurations.mail(replace(MAIL, smime=Smime(Signing())), **place("mail"), os="iOS")
    assert delivered(server, mac, [with_smime], scope="User", user="ines")["Status"] == "Error"


def test_what_is_encrypted_to_one_device_another_cannot_open(server: Server, iphone: Device, mac: Device) -> None:
    clip = configurations.web_clip(CLIP, **place("clip"), os="iOS")
    plain = profiles.profile(
        **place("profile"), organisation="Example", description="", payloads=[clip], scope="System"
    )
    assert mac.identity is not None
    sealed = profiles.encrypted_profile(plain, certificate=mac.identity.certificate)
    report = install(server, iphone, data=sealed)
    assert chain(report) == [("MCProfileErrorDomain", 1006)]
