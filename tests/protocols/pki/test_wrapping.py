from typing import get_args

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12 as library

from mydevices.protocols.pki import pkcs12
from mydevices.protocols.pki.wrapping import Target, wrap
from tests.protocols.pki import pkcs12_files as files

PASSWORD = "tulip rain seven"


def opened() -> pkcs12.Bundle:
    return pkcs12.open_bundle(files.read("openssl-3.p12"), files.PASSWORD)


@pytest.mark.parametrize("target", get_args(Target))
def test_what_is_wrapped_opens_to_the_same(target: Target) -> None:
    wrapped = wrap(opened(), password=PASSWORD, friendly_name="Ada’s", target=target)
    bundle = pkcs12.open_bundle(wrapped, PASSWORD)
    assert (bundle.key, bundle.certificate) == (opened().key, opened().certificate)
    assert bundle.chain == (() if target == "apple" else opened().chain)
    assert bundle.friendly_name == "Ada’s"


@pytest.mark.parametrize(
    ("target", "encryption", "authentication"),
    [
        ("apple", "3DES, PKCS #12 sha1", "HMAC sha1, PKCS #12 sha1"),
        ("windows", "AES-256, PBKDF2 sha256", "HMAC sha256, PKCS #12 sha256"),
        ("modern", "AES-256, PBKDF2 sha256", "HMAC sha256, PKCS #12 sha256"),
    ],
)
def test_each_target_gets_what_it_reads(target: Target, encryption: str, authentication: str) -> None:
    outline = pkcs12.inspect(wrap(opened(), password=PASSWORD, friendly_name="Ada", target=target))
    assert outline.authentication is not None
    assert outline.authentication.name == authentication
    assert {one.name for one in outline.encryptions} == {encryption}
    assert all(one.iterations >= (250_000 if target == "modern" else 2048) for one in outline.encryptions)


def test_another_library_reads_it() -> None:
    wrapped = wrap(opened(), password=PASSWORD, friendly_name="Ada", target="modern")
    read = library.load_pkcs12(wrapped, PASSWORD.encode())
    assert read.cert is not None
    assert read.cert.certificate.public_bytes(serialization.Encoding.DER) == opened().certificate
    assert len(read.additional_certs) == 2


def test_nothing_is_wrapped_without_a_password() -> None:
    with pytest.raises(ValueError, match="under a password"):
        wrap(opened(), password="", friendly_name="Ada", target="modern")
