"""What `serve` and `demo` share: this product's commands as child processes, and asking whether they are ready."""

import http.client
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

from mydevices.cli import processes
from mydevices.outbox.worker import Worker

ROOT: Final = Path(__file__).resolve().parents[2]


def program(name: str, *arguments: str) -> processes.Program:
    """A command of this product as a child. It finds the code wherever it is started from."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return processes.Program(name, [sys.executable, "-P", "-m", "mydevices", *arguments], {"PYTHONPATH": path})


def work() -> None:
    """Run the worker in this process until SIGTERM or SIGINT."""
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    Worker(stop).run()


def is_ready(host: str, port: int) -> bool:
    """Whether the web server there serves, with its database."""
    asked = http.client.HTTPConnection(host, port, timeout=2)
    try:
        asked.request("GET", "/readyz")
        return asked.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()
