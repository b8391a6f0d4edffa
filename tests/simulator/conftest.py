"""Keys are slow to make: one for the server's authority and one for all devices of a run."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from simulator.device import Device
from simulator.fleet import new_device
from simulator.identity import new_key
from tests.simulator.server import Server


@pytest.fixture(scope="session")
def authority_key() -> rsa.RSAPrivateKey:
    return new_key()


@pytest.fixture(scope="session")
def device_key() -> rsa.RSAPrivateKey:
    return new_key()


@pytest.fixture
def server(authority_key: rsa.RSAPrivateKey) -> Server:
    return Server(authority_key)


@pytest.fixture
def iphone(server: Server, device_key: rsa.RSAPrivateKey) -> Device:
    """Registered, supervised."""
    device = new_device("iphone", send=server, name="Ines’s iPhone", supervised=True, key=device_key)
    device.register(server.profile())
    return device


@pytest.fixture
def mac(server: Server, device_key: rsa.RSAPrivateKey) -> Device:
    """Registered, with the user ines."""
    device = new_device("mac", send=server, name="Ines’s MacBook", key=device_key)
    device.register(server.profile())
    return device
