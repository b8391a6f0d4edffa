"""The benchmark itself, for a moment: what is measured seldom breaks unseen."""

import os
import re
import subprocess
import sys
from pathlib import Path

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
LINES = (
    "idle poll",
    "idle poll, unlike any before",
    "command round trip",
    "enqueue (one process)",
    "bare endpoint (/healthz)",
    "load generator alone",
)


def processes_that_name(text: str) -> list[str]:
    """The command lines of living processes whose environment or arguments name something of this run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            said = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:  # it has ended, or is somebody else's
            continue
        if text.encode() in said:
            found.append(said.partition(b"\0\0")[0].replace(b"\0", b" ").decode(errors="replace"))
    return found


def bench(folder: Path, *arguments: str) -> str:
    """What it says, on the database of this run, with `folder` for its temporary files."""
    ours = ("MYDEVICES_", "DATABASE_URL", "DJANGO_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench", *arguments, "--database", connection.vendor],
        cwd=ROOT,
        env={**kept, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_benchmark_of_the_lists_asks_for_every_page(tmp_path: Path) -> None:
    said = bench(tmp_path, "lists", "--people", "30", "--devices", "120", "--rounds", "2")
    for line in ("overview", "devices by last seen, last page", "people called “oka”", "audit of nobody"):
        row = re.search(rf"^{re.escape(line)} +([\d.]+) +([\d.]+) +([\d.]+) +(\d+)$", said, re.MULTILINE)
        assert row is not None, said
        assert float(row[1]) > 0
        assert int(row[4]) > 0
    assert list(tmp_path.iterdir()) == []


def test_the_benchmark_runs_to_its_end_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """On the database of this run."""
    said = bench(tmp_path, "--devices", "2", "--seconds", "0.2")
    for line in LINES:
        row = re.search(rf"^{re.escape(line)} +(\S+) .* (\d+)$", said, re.MULTILINE)
        assert row is not None, said
        assert float(row[1].replace(",", "")) > 0
        assert row[2] == "0", said
    assert processes_that_name(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []
