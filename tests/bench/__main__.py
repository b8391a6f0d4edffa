"""`./run bench`: how many polls and command round trips a second, on SQLite and on PostgreSQL; `./run bench lists`: how
long the console's pages take, with as many people and devices as it is told.

A fresh data folder and database, the real web server, simulated devices that registered over the wire, and the load in
yet another process, all on this machine and over loopback. docs/performance.md says how to read the table.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench import load
from tests.postgresql import running

ROOT: Final = Path(__file__).resolve().parents[2]
DATABASES: Final = ("sqlite", "postgresql")
BARE: Final = "bare endpoint (/healthz)"


def stage(database: str, module: str, arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Measure one database in a process of its own, in a folder that is deleted afterwards."""
    sys.stderr.write(f"{database}:\n")
    with tempfile.TemporaryDirectory(prefix="mydevices-bench-", ignore_cleanup_errors=True) as folder:
        if database == "sqlite":
            return _stage(folder, "", module, arguments)
        with running(durable=True) as url:
            return _stage(folder, url, module, arguments)


def _stage(folder: str, url: str, module: str, arguments: Sequence[str]) -> list[dict[str, Any]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MYDEVICES_", "DATABASE_URL"))}
    port = load.free_port()
    environment = {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]),
        "DJANGO_SETTINGS_MODULE": "mydevices.settings",
        "MYDEVICES_DATA": folder,
        "MYDEVICES_PORT": str(port),
        "MYDEVICES_PUBLIC_URL": f"http://localhost:{port}",
        **({"DATABASE_URL": url} if url else {}),
    }
    command = [sys.executable, "-m", module, *arguments]
    child = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=False)
    if child.returncode:
        raise SystemExit("bench: the measurement did not come to its end; the reason stands above.")
    figures: list[dict[str, Any]] = json.loads(child.stdout)
    return figures


def table(database: str, figures: Sequence[Mapping[str, Any]]) -> str:
    bare = next(each["rate"] for each in figures if each["what"] == BARE)
    head = f"{database:<30}{'per second':>11}{'p50 ms':>9}{'p99 ms':>9}{'statements':>12}{'of bare':>9}{'failed':>8}"
    lines = [head, "-" * len(head)]
    for each in figures:
        statements = "" if each["statements"] is None else str(each["statements"])
        lines.append(
            f"{each['what']:<30}{each['rate']:>11,.0f}{each['p50']:>9.2f}{each['p99']:>9.2f}{statements:>12}"
            f"{each['rate'] / bare:>8.0%} {each['failed']:>7}"
        )
    return "\n".join(lines)


def table_of_lists(database: str, figures: Sequence[Mapping[str, Any]]) -> str:
    head = f"{database:<44}{'median ms':>11}{'p95 ms':>9}{'processor ms':>14}{'statements':>12}"
    lines = (
        f"{each['what']:<44}{each['median']:>11.1f}{each['p95']:>9.1f}{each['processor']:>14.1f}{each['statements']:>12}"
        for each in figures
    )
    return "\n".join([head, "-" * len(head), *lines])


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./run bench", description="Measure polls and command round trips, or the lists."
    )
    parser.add_argument("what", choices=["polls", "lists"], nargs="?", default="polls", help="(%(default)s)")
    parser.add_argument("--devices", type=int, help="simulated devices (100); for lists, rows of devices (10,000)")
    parser.add_argument("--people", type=int, default=3000, help="for lists (%(default)s)")
    parser.add_argument("--rounds", type=int, default=20, help="for lists: requests of each page (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="web processes (%(default)s)")
    parser.add_argument("--database", choices=[*DATABASES, "both"], default="both", help="(%(default)s)")
    options = parser.parse_args()
    chosen = DATABASES if options.database == "both" else (options.database,)
    if options.what == "lists":
        sizes = [str(options.people), str(options.devices or 10_000), str(options.rounds)]
        tables = [table_of_lists(database, stage(database, "tests.bench.lists", sizes)) for database in chosen]
        sys.stdout.write("\n" + "\n\n".join(tables) + "\n")
        return 0
    sizes = [str(options.devices or 100), str(options.seconds), str(options.workers)]
    tables = [table(database, stage(database, "tests.bench.stage", sizes)) for database in chosen]
    generator = "wrk" if load.has_wrk() else "Python"
    sys.stdout.write(f"\nLoad by {generator}, round trips by Python; {os.cpu_count()} cores shared.\n\n")
    sys.stdout.write("\n\n".join(tables) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
