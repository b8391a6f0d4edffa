"""`./run demo` as a visitor meets it."""

import http.client
import re
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run, free_port, is_alive, until

Demo = Callable[..., Run]


@pytest.fixture
def demo(start: Callable[..., Run], tmp_path: Path) -> Demo:
    port = str(free_port())

    def starter(*arguments: str, **environment: str) -> Run:
        # What an operator has set elsewhere must not matter.
        others = {
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/real",
            "MYDEVICES_PUBLIC_URL": "https://real.example",
        }
        folder = {"MYDEVICES_DEMO_DATA": str(tmp_path / "demo"), "MYDEVICES_PORT": port}
        return start("-m", "mydevices", "demo", *arguments, **{**others, **folder, **environment})

    return starter


def registered(folder: Path) -> dict[str, str]:
    connection = sqlite3.connect(folder / "db.sqlite3", timeout=10)
    try:
        rows = connection.execute(
            "SELECT model_name, ownership FROM devices_device JOIN devices_registration r ON r.id = registration_id"
            " WHERE r.state = 'active'"
        )
        return dict(rows.fetchall())
    finally:
        connection.close()


def status(port: str, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_demo_registers_its_devices_stops_cleanly_and_goes_on_where_it_was(demo: Demo, tmp_path: Path) -> None:
    first = demo()
    first.wait_for("Ctrl-C stops the demo", 90)
    port = first.environment["MYDEVICES_PORT"]
    assert f"MyDevices is at  http://localhost:{port}" in first.said
    devices = registered(tmp_path / "demo")
    assert sorted(devices.items()) == [
        ("MacBook Air (13-inch, M3, 2024)", "company"),
        ("iPhone 13 mini", "personal"),
        ("iPhone 16 Pro", "company"),
    ]
    assert status(port, "/sign-in") == 200
    screens = re.search(r"screens are at  http://localhost:(\d+)", first.said)
    assert screens
    assert status(screens[1], "/") == 200

    # A second one beside it is told so, and leaves the first alone.
    beside = demo("--fresh")
    assert beside.process.wait(60) == 1
    assert "running already" in beside.said
    assert status(port, "/sign-in") == 200

    processes = first.descendants()
    assert len(processes) >= 4
    started = time.monotonic()
    assert first.stop(signal.SIGINT) == 0
    assert time.monotonic() - started < 8
    assert not any(is_alive(pid) for pid in processes)

    moved = demo(MYDEVICES_PORT="1234")
    assert moved.process.wait(60) == 1
    assert f"MYDEVICES_PORT={port}" in moved.said

    second = demo()
    second.wait_for("Ctrl-C stops the demo", 90)
    assert registered(tmp_path / "demo") == devices
    processes = second.descendants()
    assert second.stop(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: not any(is_alive(pid) for pid in processes), 15, "everybody gone")
