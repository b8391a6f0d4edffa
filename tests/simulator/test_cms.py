"""Messages made by OpenSSL 3.0 (`openssl cms`) with a key that was made for these tests and is used nowhere else."""

import contextlib
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from simulator import cms, profiles
from simulator.errors import Refused
from simulator.identity import Identity, key_from_pem

DATA = Path(__file__).parent / "data"
SIGNED = ["signed-rsa", "signed-ec", "signed-without-attributes"]
CAPTURE = (DATA / "signed-rsa.mobileconfig").read_bytes()
SEALED = (DATA / "enveloped-aes-256-cbc.der").read_bytes()
IDENTITY = Identity(
    key_from_pem((DATA / "device.key.pem").read_bytes()),
    x509.load_pem_x509_certificate((DATA / "device.pem").read_bytes()),
)


@pytest.mark.parametrize("name", SIGNED)
def test_a_profile_that_openssl_signed_is_read(name: str) -> None:
    profile = profiles.parse((DATA / f"{name}.mobileconfig").read_bytes())
    assert profile.display_name == "Signed by openssl"
    assert profile.payloads[0].values["Label"] == "Handbook"
    assert len(profile.signers) == 1


@pytest.mark.parametrize("name", SIGNED)
def test_a_changed_letter_in_a_signed_profile_is_noticed(name: str) -> None:
    data = (DATA / f"{name}.mobileconfig").read_bytes().replace(b"Handbook", b"Handbuch")
    with pytest.raises(Refused, match="signature is not valid"):
        profiles.parse(data)


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-256-cbc", "des3", "des"])
def test_what_openssl_encrypted_is_opened(cipher: str) -> None:
    der = (DATA / f"enveloped-{cipher}.der").read_bytes()
    assert cms.decrypt(der, identities=[IDENTITY]) == b"hello, device"


def test_a_recipient_named_by_key_is_found() -> None:
    der = (DATA / "enveloped-by-key-id.der").read_bytes()
    assert cms.decrypt(der, identities=[IDENTITY]) == b"hello, device"
    with pytest.raises(cms.CmsError, match="not encrypted to this device"):
        cms.decrypt(der, identities=[])


@pytest.mark.parametrize("cipher", list(cms.CIPHERS))
def test_what_the_simulator_encrypts_it_opens(cipher: str) -> None:
    der = cms.encrypt(b"x" * 33, recipient=IDENTITY.certificate, cipher=cms.CIPHERS[cipher])
    assert cms.decrypt(der, identities=[IDENTITY]) == b"x" * 33


@pytest.mark.parametrize("digest", list(cms.DIGESTS))
def test_a_detached_signature_covers_its_content_and_no_other(digest: str) -> None:
    der = cms.sign(b"content", identity=IDENTITY, digest=digest, detached=True)
    assert cms.verify(der, content=b"content").signer == IDENTITY.certificate
    with pytest.raises(cms.CmsError, match="digest"):
        cms.verify(der, content=b"another")
    with pytest.raises(cms.CmsError, match="missing"):
        cms.verify(der)


@given(place=st.integers(0, len(CAPTURE) - 1), byte=st.integers(0, 255))
def test_a_damaged_profile_is_refused_or_says_the_same(place: int, byte: int) -> None:
    """A flipped byte outside what the signature covers may pass; no damage changes what is read."""
    damaged = CAPTURE[:place] + bytes([byte]) + CAPTURE[place + 1 :]
    with contextlib.suppress(Refused):
        assert profiles.parse(damaged).payloads == profiles.parse(CAPTURE).payloads


@given(length=st.integers(0, len(CAPTURE) - 1))
def test_a_profile_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(Refused):
        profiles.parse(CAPTURE[:length])


@given(place=st.integers(0, len(SEALED) - 1), byte=st.integers(0, 255))
def test_a_damaged_envelope_never_breaks_the_device(place: int, byte: int) -> None:
    damaged = SEALED[:place] + bytes([byte]) + SEALED[place + 1 :]
    with contextlib.suppress(cms.CmsError):
        cms.decrypt(damaged, identities=[IDENTITY])


@given(data=st.binary(max_size=200))
def test_noise_is_not_a_message(data: bytes) -> None:
    with pytest.raises(cms.CmsError):
        cms.verify(data)
    with pytest.raises(cms.CmsError):
        cms.decrypt(data, identities=[IDENTITY])
