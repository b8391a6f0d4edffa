"""Keys and certificates, made or read once."""

from datetime import UTC, datetime

import pytest
from cryptography import x509 as library
from cryptography.hazmat.primitives.asymmetric import rsa

from mydevices.protocols.pki import x509
from tests.protocols.pki import wire


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime(2036, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def authority() -> x509.Authority:
    """The one that issued `device`, made by OpenSSL."""
    certificate = library.load_der_x509_certificate(wire.read_certificate("authority.pem"))
    return x509.Authority(certificate, wire.read_key("authority.key"))


@pytest.fixture(scope="session")
def device() -> wire.Holder:
    """Of the authority."""
    return wire.Holder(wire.read_certificate("device.pem"), wire.read_key("device.key"))


@pytest.fixture(scope="session")
def other_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def client(other_key: rsa.RSAPrivateKey) -> wire.Holder:
    """A SCEP client with its self-signed certificate."""
    return wire.self_signed(other_key)


@pytest.fixture(scope="session")
def other_authority(other_key: rsa.RSAPrivateKey) -> x509.Authority:
    """Of the same name as `authority`, with another key."""
    certificate = x509.create_authority(
        key=other_key,
        common_name="Example Device Authority",
        serial=4660,
        not_before=datetime(2020, 1, 1, tzinfo=UTC),
        not_after=datetime(2049, 1, 1, tzinfo=UTC),
    )
    return x509.Authority(certificate, other_key)
