"""Master keys: read from text and files, made once, private."""

import base64
import errno
import os
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pytest_django import Settings

from mydevices.errors import Conflict, Invalid
from mydevices.vault import checks, keys, services

ONE, TWO = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))


def made(path: Path) -> list[bytes]:
    keys.make_missing(path, keys.create_file)
    return keys.load("", path)


def made_secret(path: Path) -> str:
    keys.make_missing(path, keys.create_secret_file)
    (found,) = keys.secret_keys("", path)
    return found


def test_several_keys_are_read_newest_first_by_comma_or_line() -> None:
    expected = [b"\1" * 32, b"\2" * 32]
    assert keys.parse(f"{ONE},{TWO}") == expected
    assert keys.parse(f"# since May\n{ONE}\n{TWO} # the old one\n") == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no master key"),
        (" \n,", "no master key"),
        ("not base64!", "1 is not base64"),
        (base64.b64encode(b"short").decode(), "1 has 5 bytes"),
        (f"{ONE},{ONE}", "2 is given twice"),
        (f"{ONE},{TWO[:-3]}", "2 is not base64"),
    ],
)
def test_what_is_not_a_master_key_is_refused_without_repeating_it(text: str, problem: str) -> None:
    with pytest.raises(Invalid, match=problem) as caught:
        keys.parse(text)
    assert not text.strip() or text not in caught.value.message


def test_a_new_key_file_is_private_whole_and_different_each_time(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    old = os.umask(0)
    try:
        keys.create_file(one)
        keys.create_file(two)
    finally:
        os.umask(old)
    assert one.stat().st_mode & 0o777 == 0o600
    assert keys.parse(one.read_text()) != keys.parse(two.read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "master-key"
    path.write_text(ONE)
    with pytest.raises(FileExistsError):
        keys.create_file(path)
    assert path.read_text() == ONE
    assert [found.name for found in tmp_path.iterdir()] == ["master-key"]


def test_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "master-key"
    found: list[list[bytes]] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        found.append(made(path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [made(path)] * 8


def test_first_starts_at_once_agree_on_one_secret_and_none_reads_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = secrets.token_urlsafe

    def make_slowly(size: int) -> str:
        time.sleep(0.05)
        return make(size)

    monkeypatch.setattr(secrets, "token_urlsafe", make_slowly)
    path = tmp_path / "secret-key"
    with ThreadPoolExecutor(8) as starts:
        found = set(starts.map(made_secret, [path] * 8))
    assert found == {made_secret(path)}
    assert len(found.pop()) == 64
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_start_that_dies_while_it_makes_the_secret_leaves_no_empty_one_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "secret-key"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(SystemExit, match="No space left"):
            made_secret(path)
    assert not list(tmp_path.iterdir())
    assert len(made_secret(path)) == 64


def test_a_given_key_needs_no_file(tmp_path: Path) -> None:
    path = tmp_path / "master-key"
    assert keys.load(ONE, path) == [b"\1" * 32]
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\xff\xfe\x00", b"c2hvcnQ="])
def test_a_damaged_key_file_ends_the_program_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master-key"
    path.write_bytes(content)
    with pytest.raises(SystemExit, match="master-key"):
        made(path)
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there_ends_the_program(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="can’t be made"):
        made(tmp_path / "nowhere" / "master-key")


def test_reading_keys_makes_none(tmp_path: Path) -> None:
    assert keys.load("", tmp_path / "master-key") == []
    assert keys.secret_keys("", tmp_path / "secret-key") == []
    assert not list(tmp_path.iterdir())


def test_a_wrong_variable_ends_the_program_with_the_variables_name(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="MYDEVICES_MASTER_KEY: Master key 1 has 5 bytes"):
        keys.load("c2hvcnQ=", tmp_path / "master-key")


@pytest.mark.parametrize("name", ["master-key", "secret-key"])
@pytest.mark.parametrize(
    ("mode", "found"), [(0o600, []), (0o400, []), (0o640, ["vault.E002"]), (0o604, ["vault.E002"])]
)
def test_a_key_file_that_others_can_read_is_an_error(
    settings: Settings, tmp_path: Path, mode: int, found: list[str], name: str
) -> None:
    settings.DATA = tmp_path
    keys.create_file(tmp_path / name)
    (tmp_path / name).chmod(mode)
    assert [problem.id for problem in checks.check_keys(None)] == found


def test_a_mounted_key_that_others_can_read_is_a_warning(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATA = tmp_path
    keys.create_file(tmp_path / "mounted")
    (tmp_path / "mounted").chmod(0o444)
    monkeypatch.setenv("MYDEVICES_MASTER_KEY_FILE", str(tmp_path / "mounted"))
    assert [problem.id for problem in checks.check_keys(None)] == ["vault.W001"]


def test_an_unusable_master_key_is_an_error_and_none_seals_nothing(settings: Settings) -> None:
    settings.MASTER_KEYS = []
    with pytest.raises(Conflict, match="no master key"):
        services.seal(b"a PIN", services.Place("t", "c", row=1, owner=1))
    settings.MASTER_KEYS = [b"short"]
    assert [problem.id for problem in checks.check_keys(None)] == ["vault.E001"]
