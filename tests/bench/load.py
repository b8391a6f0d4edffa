"""The load, in a process of its own: `python -m tests.bench.load`, a pickled Task on its input, JSON on its output.

It sends what it was given byte for byte: requests are signed before, so that the clock measures the server. Each
connection is a device that waits for its answer before it goes on.
"""

import json
import pickle
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Final

Conversation = tuple[bytes, ...]
"""Requests that follow one another on one connection."""

HOST: Final = "127.0.0.1"
_HEAD: Final = re.compile(rb"HTTP/1\.1 ([0-9]{3}) .*?\r\ncontent-length: ([0-9]+)\r\n", re.DOTALL | re.IGNORECASE)

# Requests come from a file: a length, a line end, that many bytes.
_LUA: Final = """
local requests, turn = {}, 0
local file = assert(io.open("%(requests)s", "rb"))
while true do
    local length = file:read("*n")
    if not length then break end
    file:read(1)
    requests[#requests + 1] = file:read(length)
end
function request()
    turn = turn %% #requests + 1
    return requests[turn]
end
function done(summary, latency)
    local errors = summary.errors
    io.stderr:write(string.format('{"seconds": %%f, "done": %%d, "failed": %%d, "p50": %%f, "p99": %%f}',
        summary.duration / 1e6, summary.requests,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


@dataclass(frozen=True)
class Task:
    """What to send, and for how long: `seconds` over and over, or without it each conversation once."""

    port: int
    conversations: Sequence[Conversation]
    connections: int = 16
    seconds: float | None = None
    bodies: int | None = 0
    """How many answers of a conversation must not be empty: the commands among them."""


@dataclass
class Outcome:
    """`done` conversations in `seconds`; latencies of whole conversations in milliseconds."""

    seconds: float = 0.0
    done: int = 0
    failed: int = 0
    p50: float = 0.0
    p99: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.done / self.seconds if self.seconds else 0.0

    def settle(self) -> None:
        """Work out the percentiles."""
        ordered = sorted(self.latencies)
        if ordered:
            self.p50 = ordered[len(ordered) // 2]
            self.p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def measure(task: Task) -> Outcome:
    """Put this load on the server from another process. wrk is used for single requests, where it is installed."""
    if has_wrk() and task.seconds and not task.bodies and all(len(each) == 1 for each in task.conversations):
        return _wrk(task, task.seconds)
    child = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"], input=pickle.dumps(task), stdout=subprocess.PIPE, check=True
    )
    return Outcome(**json.loads(child.stdout))


def _wrk(task: Task, seconds: float) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="mydevices-bench-") as folder:
        requests, script = Path(folder) / "requests", Path(folder) / "script.lua"
        requests.write_bytes(b"".join(b"%d\n%b" % (len(each[0]), each[0]) for each in task.conversations))
        script.write_text(_LUA % {"requests": requests}, encoding="ascii")
        address = f"http://{HOST}:{task.port}"
        duration = f"-d{max(1, round(seconds))}s"
        child = subprocess.run(
            ["wrk", "-t1", f"-c{task.connections}", duration, "--timeout", "10s", "-s", script, address],
            capture_output=True,
            text=True,
            check=True,
        )
    return Outcome(**json.loads(child.stderr))


class _Device:
    """One connection, in the middle of a conversation."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._conversation: Conversation = ()
        self._turn = 0
        self._began = 0.0
        self._received = b""
        self.bodies = 0
        self.refusals = 0

    def begin(self, conversation: Conversation) -> None:
        self._conversation, self._turn, self.bodies, self.refusals = conversation, 0, 0, 0
        self._began = time.perf_counter()
        self.socket.sendall(conversation[0])

    def go_on(self) -> float | None:
        """Read what came, and say what is next. The milliseconds of the conversation, once it is over."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("The server closed the connection.")
        self._received += data
        body = self._received.find(b"\r\n\r\n") + 4
        if body < 4:
            return None
        head = _HEAD.match(self._received[: body - 2])
        if head is None:
            raise ConnectionError("This is not an answer that can be read.")
        length = int(head[2])
        if len(self._received) < body + length:
            return None
        self._received = b""
        self.bodies += length > 0
        self.refusals += head[1] != b"200"
        self._turn += 1
        if self._turn == len(self._conversation):
            return (time.perf_counter() - self._began) * 1000
        self.socket.sendall(self._conversation[self._turn])
        return None


def _play(task: Task) -> Outcome:
    outcome = Outcome()
    waiting: Iterator[Conversation] = cycle(task.conversations) if task.seconds else iter(task.conversations)
    devices = [_Device(task.port) for _ in range(min(task.connections, len(task.conversations)))]
    talking = len(devices)
    start = time.perf_counter()
    deadline = start + (task.seconds or 600.0)
    with selectors.DefaultSelector() as selector:
        for device in devices:
            selector.register(device.socket, selectors.EVENT_READ, device)
            device.begin(next(waiting))
        while talking:
            ready = selector.select(20)
            if not ready:
                raise TimeoutError("The server does not answer.")
            for key, _ in ready:
                device = key.data
                took = device.go_on()
                if took is None:
                    continue
                outcome.latencies.append(took)
                outcome.failed += device.refusals > 0 or task.bodies not in {None, device.bodies}
                following = next(waiting, None) if time.perf_counter() < deadline else None
                if following is None:
                    talking -= 1
                else:
                    device.begin(following)
    outcome.seconds = time.perf_counter() - start
    outcome.done = len(outcome.latencies)
    outcome.settle()
    for device in devices:
        device.socket.close()
    return outcome


if __name__ == "__main__":
    json.dump(asdict(_play(pickle.load(sys.stdin.buffer))), sys.stdout)
