"""What holds for every test: nothing leaves this machine, and examples are the same in every run."""

import contextlib
import functools
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.core.cache import cache
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.operations import BaseDatabaseOperations

from mydevices.accounts import openid
from mydevices.certificates import services as certificates
from mydevices.remembered import Remembered
from tests import localhost

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


hypothesis.settings.register_profile("check", hypothesis.settings.get_profile("ci"), max_examples=20)

SLOW = (
    *("accounts/test_attempts.py", "bench", "cli", "front", "platforms/apple/test_push.py", "reliability"),
    *("registration/test_races.py", "simulator/test_fleet.py"),
    # The longest of the others: each asks the same of very many, or makes many keys.
    *("test_authorisation.py", "configurations/test_delivery.py", "certificates/test_uploads.py"),
    *("certificates/test_keeping.py", "accounts/test_providers.py", "platforms/apple/test_actions.py"),
    *("test_limited.py", "accounts/test_post.py", "configurations/test_identities.py"),
    *("platforms/apple/test_push_certificate.py", "console/test_certificates.py"),
)
"""What starts processes, kills them or waits for them, and what takes longest: left out by `./run check`, never by
`./run test`."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    folders = tuple(config.rootpath / "tests" / place for place in SLOW)
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in folders):
            item.add_marker(pytest.mark.slow)


Address = tuple[Any, ...] | str | bytes
"""What connect() takes: host and port, or the path of a Unix socket."""


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

    def guarded_connect(self: socket.socket, address: Address) -> None:
        if isinstance(address, tuple):
            refuse(address[0])
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Address) -> int:
        if isinstance(address, tuple):
            refuse(address[0])
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: bytes | str | None, *arguments: Any, **options: Any) -> object:
        refuse(host)
        return getaddrinfo(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> Iterator[None]:
    """A process remembers rules, providers, groups and the organisation for some seconds. No test sees another's; and
    within a test they stay known to its end, so that what a page asks the database does not depend on how long it
    takes. A test that changes them without their verb calls `forget`."""
    openid.forget()
    for one in Remembered.every:
        one.forget()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Remembered, "clock", lambda: 0.0)
        yield


AUDIT = ("audit_entry", "audit_seal", "audit_chainkey")


@contextlib.contextmanager
def without_triggers(database: BaseDatabaseWrapper) -> Iterator[None]:
    """What refuses changes of audit rows is put aside, and put back as it was."""
    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            off = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in AUDIT]
            on = [statement.replace("DISABLE", "ENABLE") for statement in off]
        else:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'")
            found = cursor.fetchall()
            off, on = [f"DROP TRIGGER {name}" for name, _ in found], [sql for _, sql in found]
        for statement in off:
            cursor.execute(statement)
        yield
        for statement in on:
            cursor.execute(statement)


@pytest.fixture(scope="session", autouse=True)
def the_database_can_be_emptied_between_tests() -> Iterator[None]:
    """Tests with real transactions are followed by a flush of all tables, which the audit's triggers would refuse, and
    which leaves out that of the cache, because it belongs to no model."""
    execute = BaseDatabaseOperations.execute_sql_flush

    def flush(self: BaseDatabaseOperations, sql_list: list[str]) -> None:
        with transaction.atomic(), without_triggers(self.connection):
            execute(self, sql_list)
            cache.clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", flush)
        yield


@pytest.fixture(scope="session")
def localhost_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost in one file, for servers of tests that are spoken to by TLS."""
    return localhost.make_certificate(tmp_path_factory.mktemp("localhost") / "it.pem")


@pytest.fixture(scope="session", autouse=True)
def one_authority_key() -> Iterator[None]:
    """Authorities of many tests have the same key: making one takes longer than most tests do."""
    made = functools.cache(certificates.new_authority_key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificates, "new_authority_key", made)
        yield
