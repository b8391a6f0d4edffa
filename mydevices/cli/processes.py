"""Child processes under one supervisor: started, prefixed, restarted when they crash, and stopped together.

Each child leads a process group of its own, so that a Ctrl-C reaches the supervisor alone and nothing that a child
started outlives it. A supervisor that is killed takes its children along: the kernel tells them (Linux), and they look
for themselves (everywhere).
"""

import contextlib
import ctypes
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Final, Self

PARENT: Final = "MYDEVICES_SUPERVISOR"
"""The variable that names the supervisor's process id to its children."""

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 30.0
STEADY: Final = 30.0
"""Seconds after which a child counts as running well, and a crash as its first."""

_LONGEST_LINE: Final = 64 * 1024
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


def die_with_parent() -> None:
    """End this process when the one that started it ends, whatever way. For processes with nothing to finish."""
    _tell_at_parents_end(signal.SIGKILL)
    threading.Thread(target=_watch, args=(os.getppid(), 0.0), name="parent", daemon=True).start()


def follow_supervisor(*, grace: float = 10.0) -> None:
    """Stop this process when its supervisor is gone: SIGTERM to itself, and after `grace` seconds the end. Does nothing
    in a process that no supervisor started."""
    parent = int(os.environ.get(PARENT, "0"))
    if not parent:
        return
    _tell_at_parents_end(signal.SIGTERM)
    threading.Thread(target=_watch, args=(parent, grace), name="supervisor", daemon=True).start()


_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


def _tell_at_parents_end(signum: int) -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)


def _before_exec() -> None:
    """In the child: what does not know `follow_supervisor` is told by the kernel. It outlasts exec (prctl(2))."""
    _tell_at_parents_end(signal.SIGTERM)


def _watch(parent: int, grace: float) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    if grace:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace)
    os._exit(1)


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. Its output goes to the terminal, each line with the name before it, or to the end of a file."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    output: Path | None = None


class _Child:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.stream: IO[bytes] | None = None
        self.started = 0.0
        self.pause = 0.0
        self.due = 0.0
        self.rest = b""


class Supervisor:
    """Runs programs until it is told to stop. Lives on one thread, which must be the main one.

    `say` gets a line for the terminal at a time. Use as a context: leaving it leaves no process behind.
    """

    def __init__(self, programs: Sequence[Program], *, say: Callable[[str], None] = print, grace: float = 10.0) -> None:
        self._children = [_Child(program) for program in programs]
        self._width = max((len(program.name) for program in programs), default=0)
        self._say = say
        self._grace = grace
        self._selector = selectors.DefaultSelector()
        self._old_handlers: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self.stopping = False

    def __enter__(self) -> Self:
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        self._old_wakeup = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._old_handlers[signum] = signal.signal(signum, self._on_signal)
        self._old_handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop_all()
        finally:
            for signum, handler in self._old_handlers.items():
                signal.signal(signum, handler)
            signal.set_wakeup_fd(self._old_wakeup)
            self._selector.close()
            self._wake.close()
            self._woken.close()

    @property
    def processes(self) -> dict[str, int]:
        """The process ids of the children that run, by name."""
        return {child.program.name: child.process.pid for child in self._children if child.process is not None}

    def add(self, program: Program) -> None:
        """Run one program more, from the next step on."""
        self._children.append(_Child(program))
        self._width = max(self._width, len(program.name))

    def run(self) -> None:
        """Until SIGTERM, SIGINT or SIGHUP."""
        while not self.stopping:
            self.step(1.0)

    def step(self, timeout: float) -> None:
        """Start what is due, pass on output, notice who died. Returns at the first event or after `timeout` seconds."""
        now = time.monotonic()
        for child in self._children:
            if child.process is None and now >= child.due:
                self._start(child)
            elif child.process is None:
                timeout = min(timeout, child.due - now)
        self._pump(timeout)
        for child in self._children:
            if child.process is not None and _has_ended(child.process):
                self._bury(child)

    def _on_signal(self, _signum: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _start(self, child: _Child) -> None:
        program = child.program
        environment = {**os.environ, **program.environment, PARENT: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
        with contextlib.ExitStack() as files:
            if program.output is None:
                output: int = subprocess.PIPE
            else:
                output = files.enter_context(program.output.open("ab")).fileno()
            child.process = subprocess.Popen(  # noqa: S603  the programs are ours
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                preexec_fn=_before_exec,  # noqa: PLW1509  the supervisor has one thread
            )
        child.started = time.monotonic()
        child.stream = child.process.stdout
        if child.stream is not None:
            os.set_blocking(child.stream.fileno(), False)
            self._selector.register(child.stream, selectors.EVENT_READ, child)

    def _pump(self, timeout: float) -> None:
        for key, _ in self._selector.select(max(0.0, timeout)):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    while self._woken.recv(4096):
                        pass
            else:
                self._pass_on(key.data)

    def _pass_on(self, child: _Child) -> bool:
        """Print what a child has written, in whole lines. False when there was nothing to read."""
        if child.stream is None:
            return False
        try:
            data = os.read(child.stream.fileno(), 1024 * 1024)
        except BlockingIOError:
            return False
        *lines, child.rest = (child.rest + data).split(b"\n")
        if len(child.rest) > _LONGEST_LINE:
            lines.append(child.rest)
            child.rest = b""
        for line in lines:
            self._tell(child, line.decode(errors="replace").rstrip())
        if not data:
            self._close(child)
        return bool(data)

    def _close(self, child: _Child) -> None:
        if child.stream is not None:
            self._selector.unregister(child.stream)
            child.stream.close()
            child.stream = None
        if child.rest:
            self._tell(child, child.rest.decode(errors="replace"))
            child.rest = b""

    def _tell(self, child: _Child, line: str) -> None:
        self._say(f"{child.program.name:<{self._width}} | {line}")

    def _bury(self, child: _Child) -> None:
        """A child has ended, unasked: sweep up after it and set the time of its return."""
        process = child.process
        if process is None:
            return
        code = self._reap(child, process)
        lived = time.monotonic() - child.started
        child.pause = FIRST_PAUSE if lived >= STEADY or not child.pause else min(LONGEST_PAUSE, child.pause * 2)
        child.due = time.monotonic() + child.pause
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        self._tell(child, f"{how}; starting it again in {child.pause:g} s")

    def _reap(self, child: _Child, process: subprocess.Popen[bytes]) -> int:
        # Before the wait the group's id cannot be anybody else's.
        _signal_group(process.pid, signal.SIGKILL)
        code = process.wait()
        while self._pass_on(child):
            pass
        self._close(child)
        child.process = None
        return code

    def _stop_all(self) -> None:
        """SIGTERM to each, time to finish, and then the end of every group."""
        running = [(child, child.process) for child in self._children if child.process is not None]
        for _, process in running:
            if not _has_ended(process):
                process.terminate()
        deadline = time.monotonic() + self._grace
        while time.monotonic() < deadline and not all(_has_ended(process) for _, process in running):
            self._pump(0.05)
        for child, process in running:
            if not _has_ended(process):
                self._tell(child, f"did not stop in {self._grace:g} s and was killed")
            self._reap(child, process)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a child has ended, without taking note of it: until `wait` its process group keeps its id."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal_group(group: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signum)
