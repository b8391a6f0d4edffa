"""The archive that is put on a server: what is in it, and that it works without the rest."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it was unpacked. It holds what is committed."""
    folder = tmp_path_factory.mktemp("release")
    subprocess.run(["./run", "release", str(folder / "it.tar.gz")], cwd=ROOT, check=True, capture_output=True)
    with tarfile.open(folder / "it.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    return unpacked


def run(release: Path, data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MYDEVICES_", "DATABASE_"))}
    kept.pop("PYTHONPATH", None)
    given = {"MYDEVICES_DATA": str(data), "DJANGO_SETTINGS_MODULE": "mydevices.settings"}
    return subprocess.run(
        [sys.executable, "-m", "mydevices", *arguments],
        cwd=release,
        env={**kept, **given},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def test_it_has_neither_history_nor_tests_nor_demo_nor_simulator(release: Path) -> None:
    names = {path.relative_to(release).as_posix() for path in release.rglob("*")}
    assert {"run", "requirements.lock", "README.md", "mydevices/__main__.py", "docs/sign-in.md"} <= names
    wrong = ("tests", "simulator", ".git", ".ci", "requirements-dev")
    assert not [name for name in names if name.startswith(wrong) or "demo" in name.rpartition("/")[2]]


def test_it_prepares_a_database_and_finds_nothing_to_complain_about(release: Path, tmp_path: Path) -> None:
    made = run(release, tmp_path / "data", "migrate")
    assert made.returncode == 0, made.stderr
    checked = run(release, tmp_path / "data", "check")
    assert checked.returncode == 0, checked.stderr
    assert (tmp_path / "data" / "db.sqlite3").exists()


@pytest.mark.parametrize("name", ["demo", "demo_data", "makemigrations"])
def test_it_knows_no_command_for_developers(release: Path, tmp_path: Path, name: str) -> None:
    refused = run(release, tmp_path / "data", name)
    assert refused.returncode == 1
    assert f"There is no command '{name}'" in refused.stderr


@pytest.mark.parametrize("name", ["demo", "test", "check", "bench", "screenshots", "release"])
def test_its_door_says_where_the_rest_is(release: Path, name: str) -> None:
    refused = subprocess.run(["./run", name], cwd=release, check=False, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "this is a release" in refused.stderr
