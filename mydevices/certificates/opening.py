"""Open an uploaded PKCS #12 in a process of its own, with hard limits of time and memory.

A file says itself how much work it takes to derive its keys, and part of that shows only inside of what is decrypted.
So this process looks at the file from outside (`pkcs12.inspect`), which is cheap, and leaves the rest to a child that
the kernel ends. The child is this module, started as a program: without Django, without the environment of the server
(its secrets are there), without files to write. It gets password and file on its standard input, never as an argument,
and answers on its standard output with JSON: what was inside, or the code of the reason why not. Whatever else becomes
of it means that the file takes too much work to open.
"""

import base64
import binascii
import json
import logging
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mydevices.errors import TooMany
from mydevices.protocols.pki import pkcs12
from mydevices.protocols.pki.refusals import Reason, Refused, TooMuchWork, refusal

logger = logging.getLogger(__name__)

MAXIMUM_PASSWORD = 1024
"""Bytes of UTF-8."""
_MAXIMUM_ANSWER = 4 * pkcs12.MAXIMUM_SIZE
_ROOT = Path(__file__).resolve().parents[2]
_REASONS = {reason.code: reason for reason in Reason}
_HEADER = struct.Struct("!III")
"""What precedes password and file: seconds of processor time, bytes of memory, bytes of the password."""


@dataclass(frozen=True, slots=True)
class OpeningLimits:
    processor_seconds: int = 1
    """Of the whole child; to start takes about 0.1 of them."""
    memory: int = 256 * 1024 * 1024
    """Bytes of address space, of which the child has 40 million before it begins."""
    seconds: float = 10.0
    """On the clock, for a machine that is busy."""
    at_once: int = 4
    """Children of this process at the same time: as many as threads wait for them (`front.Limits`)."""
    patience: float = 3.0
    """Seconds that one more waits for its turn."""


class Opener:
    """Opens files within limits; safe to call from many threads, which share the turns."""

    def __init__(self, limits: OpeningLimits) -> None:
        self._limits = limits
        self._turns = threading.BoundedSemaphore(limits.at_once)

    def open(self, data: bytes, password: str) -> pkcs12.Bundle:
        """What is in the file. Refused, as `pkcs12.open_bundle` does; TooMany if the turns are taken."""
        pkcs12.inspect(data)
        encoded = password.encode("utf-8", errors="replace")
        if len(encoded) > MAXIMUM_PASSWORD:
            raise refusal(Reason.WRONG_PASSWORD)
        if not self._turns.acquire(timeout=self._limits.patience):
            raise TooMany("Several files are being opened right now.")
        try:
            answer = self._ask(encoded, data)
        finally:
            self._turns.release()
        return _bundle(answer)

    def _ask(self, password: bytes, data: bytes) -> bytes:
        """What the child answered, all or not all of it."""
        limits = self._limits
        with subprocess.Popen(
            [sys.executable, "-P", "-s", "-B", "-m", "mydevices.certificates.opening"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": str(_ROOT)},
            cwd="/",
        ) as child:
            clock = threading.Timer(limits.seconds, child.kill)
            clock.start()
            try:
                answer = _exchange(child, limits, password, data)
            finally:
                clock.cancel()
                child.kill()
        if child.returncode > 0:  # nobody ended it: our mistake, which the person cannot do anything about
            logger.error("the process that opens uploaded certificates failed with status %d", child.returncode)
        return answer


def _exchange(child: subprocess.Popen[bytes], limits: OpeningLimits, password: bytes, data: bytes) -> bytes:
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("the child was started without pipes")
    with suppress(BrokenPipeError):  # it ended before it had read everything; what it said counts
        try:
            child.stdin.write(_HEADER.pack(limits.processor_seconds, limits.memory, len(password)) + password + data)
        finally:
            child.stdin.close()
    return child.stdout.read(_MAXIMUM_ANSWER)


def _bundle(answer: bytes) -> pkcs12.Bundle:
    """What an answer means. One that is cut off or none comes from a child that was ended."""
    try:
        said = json.loads(answer)
        if "refused" in said:
            raise refusal(_REASONS[said["refused"]])
        return pkcs12.Bundle(
            key=base64.b64decode(said["key"], validate=True),
            certificate=base64.b64decode(said["certificate"], validate=True),
            chain=tuple(base64.b64decode(one, validate=True) for one in said["chain"]),
            friendly_name=said["friendly_name"],
        )
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise TooMuchWork from error


_OPENER = Opener(OpeningLimits())


def open_guarded(data: bytes, password: str) -> pkcs12.Bundle:
    """Open an uploaded file with the password that came with it, in a child process. Refused; TooMany."""
    return _OPENER.open(data, password)


# --- the child


def _child(source: BinaryIO, sink: BinaryIO) -> None:
    seconds, memory, length = _HEADER.unpack(source.read(_HEADER.size))
    _limit(seconds, memory)
    password = source.read(length).decode()
    data = source.read(pkcs12.MAXIMUM_SIZE + 1)
    said: dict[str, object]
    try:
        bundle = pkcs12.open_bundle(data, password)
    except Refused as refused:
        said = {"refused": refused.code}
    except MemoryError:
        said = {"refused": Reason.TOO_MUCH_WORK.code}
    else:
        said = {
            "key": base64.b64encode(bundle.key).decode(),
            "certificate": base64.b64encode(bundle.certificate).decode(),
            "chain": [base64.b64encode(one).decode() for one in bundle.chain],
            "friendly_name": bundle.friendly_name,
        }
    sink.write(json.dumps(said).encode())
    sink.flush()


def _limit(seconds: int, memory: int) -> None:
    """Before a byte of the file is read. A process that reaches its processor time is ended by the kernel; until then
    everything else goes first."""
    os.nice(10)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


if __name__ == "__main__":
    _child(sys.stdin.buffer, sys.stdout.buffer)
    os._exit(0)  # nothing to tidy, and nothing that could still take time
