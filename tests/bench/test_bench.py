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


def test_the_benchmark_runs_to_its_end_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """On the database of this run."""
    ours = ("MYDEVICES_", "DATABASE_URL", "DJANGO_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    arguments = ["--devices", "2", "--seconds", "0.2", "--database", connection.vendor]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench", *arguments],
        cwd=ROOT,
        env={**kept, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for line in LINES:
        row = re.search(rf"^{re.escape(line)} +(\S+) .* (\d+)$", ran.stdout, re.MULTILINE)
        assert row is not None, ran.stdout
        assert float(row[1].replace(",", "")) > 0
        assert row[2] == "0", ran.stdout
    assert processes_that_name(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []
