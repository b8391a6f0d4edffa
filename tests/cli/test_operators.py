"""`./run manage` as an operator meets it: which commands there are, and what they do in a folder with nothing in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands

from mydevices.cli import operators
from tests.cli.conftest import ROOT


def manage(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MYDEVICES_", "DATABASE_"))}
    return subprocess.run(
        [sys.executable, "-m", "mydevices", *arguments],
        cwd=ROOT,
        env={**kept, "MYDEVICES_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "mydevices.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def test_the_list_has_our_commands_and_few_of_djangos_and_makes_nothing(tmp_path: Path) -> None:
    listed = manage(tmp_path / "data")
    assert listed.returncode == 0
    names = [line.split()[0] for line in listed.stdout.splitlines() if line.startswith("  ")]
    assert names == [*operators.ours(), *operators.LISTED]
    assert {"serve", "audit_verify", "migrate", "rotate_master_key", "database_roles"} <= set(names)
    assert not {"flush", "test", "shell", "changepassword"} & set(names)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["flush", "test", "changepassword", "dumpdata", "dance"])
def test_what_is_not_listed_does_not_run(tmp_path: Path, name: str) -> None:
    refused = manage(tmp_path / "data", name)
    assert refused.returncode == 1
    assert f"There is no command '{name}'" in refused.stderr
    assert not (tmp_path / "data").exists()


def test_whatever_else_there_is_was_weighed() -> None:
    """A library's new command runs only where somebody has said so."""
    known = {*operators.ours(), *operators.LISTED, *operators.DEVELOPERS}
    assert known <= set(get_commands())
    assert not known & {"flush", "test", "testserver", "dumpdata", "loaddata", "shell", "dbshell", "createsuperuser"}


@pytest.mark.parametrize("name", ["audit_verify", "rotate_master_key", "apple_push_csr", "accept_secret_key"])
def test_in_an_unprepared_folder_a_command_says_what_to_do_and_makes_no_keys(tmp_path: Path, name: str) -> None:
    told = manage(tmp_path / "data", name)
    assert told.returncode == 1
    assert "Nothing is set up" in told.stderr
    assert "./run serve" in told.stderr
    assert "Traceback" not in told.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "arguments", [["check", "--database", "default"], ["showmigrations"], ["migrate", "--plan"], ["migrate", "--check"]]
)
def test_a_command_of_the_frameworks_says_in_one_line_that_there_is_no_database(
    tmp_path: Path, arguments: list[str]
) -> None:
    for environment in ({}, {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing"}):
        told = manage(tmp_path / "data", *arguments, **environment)
        assert told.returncode == 1
        assert "The database does not answer" in told.stderr
        assert "Traceback" not in told.stderr
        assert not (tmp_path / "data").exists()


def test_a_database_of_an_older_version_is_said(tmp_path: Path) -> None:
    (tmp_path / "db.sqlite3").touch()
    told = manage(tmp_path, "audit_verify")
    assert told.returncode == 1
    assert "The database is empty" in told.stderr
    away = manage(tmp_path, "audit_verify", DATABASE_URL="postgresql://nobody@127.0.0.1:9/nothing")
    assert away.returncode == 1
    assert "The database does not answer" in away.stderr
    assert "Traceback" not in away.stderr
    assert not list(tmp_path.glob("*-key"))


def test_each_command_says_what_it_takes_without_a_database(tmp_path: Path) -> None:
    told = manage(tmp_path / "data", "audit_verify", "--help")
    assert told.returncode == 0
    assert "--contains" in told.stdout
    assert manage(tmp_path / "data", "help", "audit_verify").stdout == told.stdout
    assert not (tmp_path / "data").exists()
