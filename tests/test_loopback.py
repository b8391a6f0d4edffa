"""The tests' own fence: nothing leaves this machine."""

import socket
import threading

import pytest

from tests.conftest import LeftTheMachine


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "devices.example.org"])
def test_a_connection_to_another_machine_is_refused(address: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as client:
        with pytest.raises(LeftTheMachine):
            client.connect((address, 443))
        with pytest.raises(LeftTheMachine):
            client.connect_ex((address, 443))


def test_the_name_of_another_machine_is_not_looked_up() -> None:
    with pytest.raises(LeftTheMachine):
        socket.create_connection(("devices.example.org", 443))


def test_a_connection_to_this_machine_is_made() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            server.accept()[0].close()

        greeter = threading.Thread(target=accept)
        greeter.start()
        with socket.create_connection(("localhost", server.getsockname()[1]), timeout=5) as client:
            assert client.recv(1) == b""
        greeter.join()
