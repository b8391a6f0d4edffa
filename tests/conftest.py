"""What holds for every test: nothing leaves this machine, and examples are the same in every run."""

import ipaddress
import socket
from collections.abc import Iterator

import hypothesis
import pytest

# On busy machines time says nothing about a test; the same examples each time make a failure repeatable.
hypothesis.settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
# For hunting: pytest --hypothesis-profile explore
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("ci")


class LeftTheMachine(AssertionError):
    """A test tried to reach an address that is not on this machine."""


def is_local(host: object) -> bool:
    """Whether a host, as given to connect() or getaddrinfo(), is this machine. No name but localhost is."""
    name = host.decode() if isinstance(host, bytes) else host
    if name is None or name in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(str(name).partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """Connections and look-ups of names end at this machine; files of Unix sockets are on it."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def refuse(host: object) -> None:
        if not is_local(host):
            raise LeftTheMachine(f"A test tried to reach {host!r}. Tests stay on loopback.")

    def guarded_connect(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple):
            refuse(address[0])
        connect(self, address)  # type: ignore[arg-type]  typeshed's address type is private

    def guarded_connect_ex(self: socket.socket, address: object) -> int:
        if isinstance(address, tuple):
            refuse(address[0])
        return connect_ex(self, address)  # type: ignore[arg-type]  the same

    def guarded_getaddrinfo(host: object, *arguments: object, **options: object) -> object:
        refuse(host)
        return getaddrinfo(host, *arguments, **options)  # type: ignore[call-overload]  passed on as it came

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield
