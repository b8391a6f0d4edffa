"""`./run serve` as an operator meets it: processes of its own, a database of its own."""

import base64
import http.client
import os
import re
import signal
import socket
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.cli.conftest import Run, free_port, is_alive, until

Serve = Callable[..., Run]


@pytest.fixture
def database() -> Iterator[dict[str, str]]:
    """SQLite in the data folder, or, where the tests run on PostgreSQL, an empty database there."""
    url = os.environ.get("MYDEVICES_TEST_DATABASE_URL")
    if url is None:
        yield {}
        return
    name = f"serve_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield {"DATABASE_URL": urlsplit(url)._replace(path=f"/{name}").geturl()}
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def serve(start: Callable[..., Run], tmp_path: Path, database: dict[str, str]) -> Serve:
    port = str(free_port())

    def starter(*arguments: str, **environment: str) -> Run:
        settings = {"MYDEVICES_DATA": str(tmp_path / "data"), "MYDEVICES_PORT": port, **database, **environment}
        return start("-m", "mydevices", "serve", "--workers", "1", *arguments, **settings)

    return starter


def get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def exposed(folder: Path) -> list[Path]:
    """What in a folder, and the folder itself, somebody else may read or write, but for files that everybody gets."""
    found = [path for path in (folder, *folder.rglob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077]
    return [path for path in found if not path.is_relative_to(folder / "static")]


def address_of(run: Run) -> int:
    found = re.search(r"MyDevices is at http://localhost:(\d+)", run.said)
    assert found
    return int(found[1])


def serves(port: int) -> bool:
    try:
        return get(port, "/readyz") == 200
    except (OSError, http.client.HTTPException):
        return False


def test_the_first_start_prepares_everything_and_the_second_finds_it(serve: Serve, tmp_path: Path) -> None:
    first = serve()
    first.wait_for("MyDevices is at", 90)
    port = address_of(first)
    assert "Made the database." in first.said
    assert "Made the device authority" in first.said
    data = tmp_path / "data"
    assert {"secret-key", "master-key"} <= {path.name for path in data.iterdir()}
    assert exposed(data) == []
    link = re.search(rf"http://localhost:{port}(/setup/\S+)", first.said)
    assert link
    assert get(port, link[1]) == 200
    assert "MYDEVICES_PUBLIC_URL=https://" in first.said
    assert "./run manage apple_push_csr" in first.said, "a command is not broken into two lines"
    processes = first.descendants()
    started = time.monotonic()
    assert first.stop() == 0
    assert time.monotonic() - started < 8
    assert [pid for pid in processes if is_alive(pid)] == []

    data.chmod(0o755)
    databases = list(data.glob("db.sqlite3*"))  # none on PostgreSQL
    for path in databases:
        path.chmod(0o644)
    second = serve()
    second.wait_for("MyDevices is at", 90)
    assert ("Others on this machine could read db.sqlite3" in second.said) == bool(databases)
    assert [path for path in exposed(data) if path != data] == []
    assert "Made" not in second.said
    assert "Brought" not in second.said
    assert second.stop(signal.SIGINT) == 0


def test_a_lost_master_key_is_not_replaced_by_a_new_one_beside_its_database(serve: Serve, tmp_path: Path) -> None:
    first = serve()
    first.wait_for("MyDevices is at", 90)
    assert first.stop() == 0
    key, kept = tmp_path / "data" / "master-key", tmp_path / "kept"
    key.rename(kept)

    lost = serve()
    assert lost.process.wait(60) == 1
    assert f"sealed with another master key, and {key} is missing" in lost.said
    assert not key.exists()  # no fresh one beside the old database
    assert "from its backup" in lost.said
    assert "Traceback" not in lost.said

    wrong = serve(MYDEVICES_MASTER_KEY=base64.b64encode(bytes(32)).decode())
    assert wrong.process.wait(60) == 1
    assert "another master key than the key in MYDEVICES_MASTER_KEY." in wrong.said

    kept.replace(key)
    found = serve()
    found.wait_for("MyDevices is at", 90)
    assert found.stop() == 0


def test_another_secret_key_is_refused_taken_over_or_accepted(serve: Serve, tmp_path: Path) -> None:
    first = serve(MYDEVICES_SECRET_KEY="the first key")
    first.wait_for("MyDevices is at", 90)
    assert first.stop() == 0

    lost = serve()
    assert lost.process.wait(60) == 1
    assert f"another secret key than the one in {tmp_path / 'data' / 'secret-key'}" in lost.said
    assert "accept_secret_key" in lost.said
    assert "Traceback" not in lost.said
    assert not (tmp_path / "data" / "secret-key").exists()
    wrong = serve(MYDEVICES_SECRET_KEY="another key")
    assert wrong.process.wait(60) == 1
    assert "another secret key than the one in MYDEVICES_SECRET_KEY." in wrong.said
    assert serve(MYDEVICES_SECRET_KEY="a key,").process.wait(60) == 1

    rotated = serve(MYDEVICES_SECRET_KEY="another key, the first key")
    rotated.wait_for("MyDevices is at", 90)
    assert "Took over the new secret key." in rotated.said
    assert rotated.stop() == 0
    assert serve(MYDEVICES_SECRET_KEY="the first key").process.wait(60) == 1


def test_killed_processes_are_replaced(serve: Serve) -> None:
    run = serve()
    run.wait_for("MyDevices is at", 90)
    port = address_of(run)
    before = run.descendants()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(is_alive(pid) for pid in before), 10, "the old ones gone")
    until(lambda: serves(port), 60, "serving again")
    assert "web    | was ended by SIGKILL; starting it again" in run.said
    assert "worker | was ended by SIGKILL; starting it again" in run.said
    after = run.descendants()
    assert run.stop() == 0
    assert not any(is_alive(pid) for pid in after)


def test_the_halves_run_apart_and_starts_at_the_same_time_agree(serve: Serve) -> None:
    halves = [serve("--web"), serve("--worker"), serve("--worker")]
    port = int(halves[0].environment["MYDEVICES_PORT"])
    until(lambda: serves(port), 90, "serving")
    assert sum("Made the database." in half.said for half in halves) <= 1
    assert [half.process.poll() for half in halves] == [None, None, None]
    for half in halves:
        assert half.stop() == 0


def test_a_database_that_is_away_is_said_and_no_keys_are_made(serve: Serve, tmp_path: Path) -> None:
    away = serve(DATABASE_URL="postgresql://nobody@127.0.0.1:9/nothing")
    assert away.process.wait(60) == 1
    assert "The database does not answer" in away.said
    assert "Traceback" not in away.said
    assert not list(tmp_path.glob("data/*-key"))


def test_other_machines_reach_the_port_without_tls_only_where_an_operator_says_so(serve: Serve, tmp_path: Path) -> None:
    run = serve("--bind", "0.0.0.0")
    assert run.process.wait(60) == 1
    assert "MYDEVICES_ALLOW_UNENCRYPTED=true" in run.said
    assert "Traceback" not in run.said
    assert not (tmp_path / "data").exists()


def test_a_taken_port_is_said_clearly(serve: Serve, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = serve(MYDEVICES_PORT=str(port))
        assert run.process.wait(60) == 1
    assert f"Port {port} on 127.0.0.1 is taken by another program." in run.said
    assert "Traceback" not in run.said
    assert not (tmp_path / "data").exists()


def test_a_wrong_setting_is_named(serve: Serve) -> None:
    run = serve(MYDEVICES_PUBLIC_URL="http://devices.example.org")
    assert run.process.wait(60) == 1
    assert "MYDEVICES_PUBLIC_URL" in run.said
    assert "must be https" in run.said
    assert "Traceback" not in run.said
