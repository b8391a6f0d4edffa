"""Profiles that one device alone can open: from bytes, and with the tools that others have."""

import plistlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import ProtocolError
from mydevices.protocols.apple import profiles, schema
from mydevices.protocols.pki import cms
from tests import smime
from tests.protocols.pki import wire

DEVICE = wire.Holder(wire.read_certificate("device.pem"), wire.read_key("device.key"))
AUTHORITY = wire.Holder(wire.read_certificate("authority.pem"), wire.read_key("authority.key"))
SECRET = b"what nobody else may read"


def plain(**keys: object) -> bytes:
    payload = profiles.payload(
        "com.apple.security.pkcs12",
        identifier="org.example.mail.identity",
        uuid="1B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B",
        display_name="Signing",
        **{"PayloadContent": SECRET, "Password": "secret", **keys},
    )
    return profiles.profile(
        identifier="org.example.mail",
        uuid="0B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B",
        display_name="Mail",
        organisation="Example",
        description="",
        payloads=[payload],
        scope="System",
    )


def sealed(profile: bytes) -> dict[str, Any]:
    found: dict[str, Any] = plistlib.loads(profiles.encrypted_profile(profile, certificate=DEVICE.certificate))
    return found


def test_around_the_secret_all_stays_as_it_was() -> None:
    before, after = plistlib.loads(plain()), sealed(plain())
    content = before.pop("PayloadContent")
    assert after.pop("IsEncrypted") is True
    assert SECRET not in after["EncryptedPayloadContent"]
    opened = cms.decrypt(
        after.pop("EncryptedPayloadContent"), certificate=DEVICE.certificate, key=DEVICE.key, allow_weak=False
    )
    assert plistlib.loads(opened) == content
    assert after == before
    assert schema.validate(sealed(plain()), os="iOS") == []


def test_nobody_elses_key_opens_it() -> None:
    content = sealed(plain())["EncryptedPayloadContent"]
    for certificate, key in ((AUTHORITY.certificate, AUTHORITY.key), (DEVICE.certificate, AUTHORITY.key)):
        with pytest.raises(ProtocolError):
            cms.decrypt(content, certificate=certificate, key=key, allow_weak=False)


def test_openssl_opens_it_with_the_devices_key(tmp_path: Path) -> None:
    program = shutil.which("openssl")
    assert program, "openssl is needed to run this"
    (tmp_path / "sealed").write_bytes(sealed(plain())["EncryptedPayloadContent"])
    (tmp_path / "key").write_bytes(
        DEVICE.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    done = subprocess.run(
        [program, "cms", "-decrypt", "-binary", "-inform", "DER", "-in", "sealed", "-inkey", "key"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert plistlib.loads(done.stdout)[0]["PayloadContent"] == SECRET


@given(password=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), content=st.binary(min_size=1))
def test_whatever_is_in_it_comes_out_again(password: str, content: bytes) -> None:
    found = sealed(plain(Password=password, PayloadContent=content))
    opened = cms.decrypt(
        found["EncryptedPayloadContent"], certificate=DEVICE.certificate, key=DEVICE.key, allow_weak=False
    )
    (payload,) = plistlib.loads(opened)
    assert (payload["Password"], payload["PayloadContent"]) == (password, content)


def test_what_is_encrypted_already_is_not_encrypted_again() -> None:
    once = profiles.encrypted_profile(plain(), certificate=DEVICE.certificate)
    with pytest.raises(ProtocolError):
        profiles.encrypted_profile(once, certificate=DEVICE.certificate)


def test_a_device_without_an_rsa_key_is_sent_nothing() -> None:
    with pytest.raises(ProtocolError, match="RSA"):
        profiles.encrypted_profile(plain(), certificate=smime.Organisation().mail)


@pytest.mark.parametrize("profile", [b"", b"no profile", plistlib.dumps({}), plistlib.dumps({"PayloadContent": "x"})])
def test_what_is_no_profile_cannot_be_encrypted(profile: bytes) -> None:
    with pytest.raises(ProtocolError):
        profiles.encrypted_profile(profile, certificate=DEVICE.certificate)
