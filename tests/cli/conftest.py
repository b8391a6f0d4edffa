import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def running() -> dict[int, int]:
    """Every process that runs, with its parent's id. One that has ended, and waits to be noticed, does not."""
    found = {}
    if Path("/proc/self/stat").exists():
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                # pid (name) state parent ...; the name may hold spaces and parentheses.
                state, parent = entry.read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    found[int(entry.parent.name)] = int(parent)
        return found
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        pid, parent, state = line.split()
        if not state.startswith("Z"):
            found[int(pid)] = int(parent)
    return found


def is_alive(pid: int) -> bool:
    return pid in running()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"In {seconds} s, not: {what}"
        time.sleep(0.05)


class Run:
    """A program under test, with what it says. Whatever it has started is ended with it."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.log = log
        self.environment = environment
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MYDEVICES_", "DATABASE_"))}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**kept, "DJANGO_SETTINGS_MODULE": "mydevices.settings", **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def pids(self, role: str) -> list[int]:
        return [int(found) for found in re.findall(rf"{role} is (\d+)", self.said)]

    def wait_for(self, text: str, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.said:
            assert self.process.poll() is None, f"It ended with {self.process.returncode}:\n{self.said}"
            assert time.monotonic() < deadline, f"It did not say “{text}” in {seconds} s:\n{self.said}"
            time.sleep(0.05)

    def descendants(self) -> list[int]:
        """Every process below this one."""
        below: dict[int, list[int]] = {}
        for pid, parent in running().items():
            below.setdefault(parent, []).append(pid)
        found: list[int] = []
        todo = [self.process.pid]
        while todo:
            children = below.get(todo.pop(0), [])
            found += children
            todo += children
        return found

    def end(self) -> None:
        """After a test that failed half-way: nothing of it stays."""
        if self.process.poll() is not None:
            return
        left = self.descendants()
        self.process.kill()
        self.process.wait()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self, signum: int = signal.SIGTERM, seconds: float = 15.0) -> int:
        self.process.send_signal(signum)
        return self.process.wait(seconds)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def starter(*arguments: str, **environment: str) -> Run:
        run = Run([sys.executable, *arguments], tmp_path / f"log-{len(runs)}", environment)
        runs.append(run)
        return run

    yield starter
    for run in runs:
        run.end()
