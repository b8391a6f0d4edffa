"""The web server: granian with this product's limits."""

import errno
import os
import resource
import socket
from pathlib import Path
from typing import Final

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from mydevices.errors import Conflict

FRONT: Final = "mydevices.front:application"
CONNECTIONS: Final = 8192
"""Open connections per worker, idle and stalled ones included; more wait to be accepted."""

_BACKLOG: Final = 2048
_FILES: Final = 65536
_HTTP1: Final = HTTP1Settings(
    # Also how long an idle connection is kept: as long as granian lets it, for the sake of proxies that reuse them.
    header_read_timeout=60_000,
    # All header lines together. Devices send a signature of 12 kB and more in one, and addresses of 8 kB.
    max_buffer_size=128 * 1024,
)


def check_port(address: str, port: int) -> None:
    """Raises Conflict, in words, when the port cannot be had. granian's workers share theirs, even with a stranger."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Conflict(
                    f"Port {port} on {address} is taken by another program. "
                    "Stop it, or choose another port, for instance MYDEVICES_PORT=8123."
                ) from error
            raise Conflict(f"Port {port} on {address} cannot be used: {error.strerror}.") from error


def serve(*, target: str = FRONT, address: str, port: int, workers: int, folder: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT. A worker that crashes is started again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    Server(
        target,
        address=address,
        port=port,
        interface=Interfaces.RSGI,
        workers=workers,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=CONNECTIONS,
        http1_settings=_HTTP1,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=5,
        working_dir=folder,
    ).serve()


def default_workers() -> int:
    """One per core, but no more than four: each holds a few database connections and about 100 MB."""
    return max(1, min(4, os.cpu_count() or 1))
