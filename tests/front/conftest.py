import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """The front in processes of its own, with what it wrote."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = free_port()
        self.log = folder / "log"
        (folder / "data" / "static").mkdir(parents=True)  # as a start does
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MYDEVICES_", "DATABASE_"))}
        settings = os.environ.get("MYDEVICES_TEST_FRONT_SETTINGS", "mydevices.settings")
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.front.serve", str(self.port)],
                cwd=ROOT,
                env={
                    **kept,
                    "MYDEVICES_DATA": str(folder / "data"),
                    "DJANGO_SETTINGS_MODULE": settings,
                    **environment,
                },
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def connect(self, timeout: float = 10.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def wait(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                with self.connect(1.0) as connection:
                    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    if connection.recv(100).startswith(b"HTTP/1.1 200"):
                        return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"The server did not start:\n{self.log.read_text()}")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


@contextlib.contextmanager
def running(folder: Path, **environment: str) -> Iterator[Server]:
    started = Server(folder, **environment)
    try:
        started.wait()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("front")) as started:
        yield started


@pytest.fixture(scope="session")
def behind_a_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that believes one proxy."""
    with running(tmp_path_factory.mktemp("behind"), MYDEVICES_TRUSTED_PROXIES="1") as started:
        yield started
