"""Files are opened in a process of its own, and whatever they ask for, the server goes on."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.test import Client

from mydevices.certificates import opening
from mydevices.certificates.opening import Opener, OpeningLimits, open_guarded
from mydevices.errors import TooMany
from mydevices.protocols.pki import pkcs12
from mydevices.protocols.pki.refusals import Reason, Refused
from tests.protocols.pki import pkcs12_files as files


def reason(data: bytes, password: str = files.PASSWORD, opener: Opener | None = None) -> Reason:
    with pytest.raises(Refused) as refused:
        opener.open(data, password) if opener else open_guarded(data, password)
    return refused.value.reason


@pytest.mark.parametrize(
    ("data", "password"),
    [
        (files.read("openssl-3.p12"), files.PASSWORD),
        (files.read("openssl-1.p12"), files.PASSWORD),
        (files.windows(aes_256=False), files.PASSWORD),
        (files.windows(aes_256=True), files.PASSWORD),
        (files.keychain(), files.PASSWORD),
        (files.read("java.p12"), files.PASSWORD),
        (files.read("iterations-600000.p12"), files.PASSWORD),
        (files.read("empty.p12"), ""),
        (files.read("umlauts.p12"), files.UMLAUTS),
    ],
    ids=["OpenSSL 3", "OpenSSL 1", "Windows", "Windows AES", "macOS", "Java", "Firefox", "no password", "letters"],
)
def test_what_comes_out_of_the_child_is_what_was_in_the_file(data: bytes, password: str) -> None:
    # More time than it takes: the tests share the machine.
    assert Opener(OpeningLimits(processor_seconds=20)).open(data, password) == pkcs12.open_bundle(data, password)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (files.read("openssl-3.p12"), Reason.WRONG_PASSWORD),
        (files.read("no-key.p12"), Reason.NO_PRIVATE_KEY),
        (files.read("person.pem"), Reason.CERTIFICATE_TEXT),
        (b"", Reason.EMPTY),
        (bytes(10_000_000), Reason.TOO_LARGE),
    ],
)
def test_the_reason_of_a_refusal_comes_out_of_the_child(data: bytes, expected: Reason) -> None:
    assert reason(data, "wrong" if expected is Reason.WRONG_PASSWORD else files.PASSWORD) is expected


@pytest.mark.parametrize("password", ["\0", "\ud800", "a" * 100_000, "ü" * 1024])
def test_any_text_can_be_tried_as_a_password(password: str) -> None:
    assert reason(files.read("openssl-3.p12"), password) is Reason.WRONG_PASSWORD


HOSTILE = {
    "MAC": files.hungry_mac(),
    "PBMAC1": files.hungry_pbmac1(),
    "part": files.hungry_part(old=False),
    "old part": files.hungry_part(old=True),
    "key": files.hungry_key(),
    "nested key": files.hungry_nested_key(),
    "scrypt": files.hungry_scrypt(),
    "hidden key": files.hidden_key(),
    "within each limit": files.just_within_each_limit(),
    "bags": files.nested_bags(12),
    "elements": files.nested_elements(2000, indefinite=False),
    "endless elements": files.nested_elements(2000, indefinite=True),
    "10 MB": files.read("openssl-3.p12") + bytes(10_000_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_for_little_work(name: str) -> None:
    began = os.times()
    refused = reason(HOSTILE[name])
    ended = os.times()
    assert refused in {Reason.TOO_MUCH_WORK, Reason.NESTED, Reason.TOO_LARGE, Reason.DAMAGED}
    assert ended.children_user + ended.children_system - began.children_user - began.children_system < 1.5
    assert ended.user - began.user < 0.5  # in this process, which serves others


def test_a_file_that_works_too_long_is_ended_by_the_kernel() -> None:
    assert (
        reason(files.just_within_each_limit(), opener=Opener(OpeningLimits(processor_seconds=1)))
        is Reason.TOO_MUCH_WORK
    )


def test_a_child_that_does_not_get_to_work_is_ended_by_its_parent() -> None:
    began = time.monotonic()
    opener = Opener(OpeningLimits(processor_seconds=60, seconds=0.3))
    assert reason(files.just_within_each_limit(), opener=opener) is Reason.TOO_MUCH_WORK
    assert time.monotonic() - began < 3


def test_a_child_without_the_memory_it_needs_gives_up() -> None:
    opener = Opener(OpeningLimits(memory=48 * 1024 * 1024, processor_seconds=20))
    assert reason(files.under_scrypt(), opener=opener) is Reason.TOO_MUCH_WORK


@pytest.mark.django_db
def test_pages_are_answered_while_hostile_files_are_opened(client: Client) -> None:
    client.get("/sign-in")  # once, so that templates are read
    hostile = files.just_within_each_limit()
    with ThreadPoolExecutor(2) as pool:
        openings = [pool.submit(reason, hostile) for _ in range(2)]
        answered = 0
        slowest = 0.0
        while not all(one.done() for one in openings):
            began = time.monotonic()
            assert client.get("/sign-in").status_code == 200
            slowest = max(slowest, time.monotonic() - began)
            answered += 1
    assert [one.result() for one in openings] == [Reason.TOO_MUCH_WORK] * 2
    assert answered >= 3
    assert slowest < 1


def test_who_comes_while_all_turns_are_taken_is_told_to_come_back() -> None:
    opener = Opener(OpeningLimits(at_once=1, patience=0.05))
    started = threading.Event()

    def slow() -> Reason:
        started.set()
        return reason(files.just_within_each_limit(), opener=opener)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(slow)
        started.wait()
        time.sleep(0.1)
        with pytest.raises(TooMany, match="Several files are being opened"):
            opener.open(files.read("openssl-3.p12"), files.PASSWORD)
        assert first.result() is Reason.TOO_MUCH_WORK
    assert opener.open(files.read("plain.p12"), "") == pkcs12.open_bundle(files.read("plain.p12"), "")


def test_the_child_knows_nothing_of_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is asked what it has: its environment, its arguments and the modules it loaded."""
    monkeypatch.setenv("MYDEVICES_SECRET_KEY", "not for the child")
    asked = tmp_path / "asked"
    spy = tmp_path / "python"
    spy.write_text(
        f'#!/bin/sh\n{{ env; echo "$@"; }} > {asked}\nexec {sys.executable} -X importtime "$@" 2>> {asked}\n'
    )
    spy.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(spy))
    assert open_guarded(files.read("plain.p12"), "a password").key
    said = asked.read_text()
    assert "mydevices.certificates.opening" in said
    assert "mydevices.protocols.pki.pkcs12" in said
    assert "not for the child" not in said
    assert "a password" not in said
    assert "django" not in said
    environment = {line.partition("=")[0] for line in said.splitlines() if "=" in line}
    assert environment <= {"PYTHONPATH", "PWD", "OLDPWD", "SHLVL", "_"}


@pytest.mark.parametrize(
    "answer",
    [b"", b"{", b"[]", b"7", b'{"key": "AA==", "certificate": 5}', b'{"refused": "nothing known"}', b'{"key": "?"}'],
)
def test_an_answer_that_is_cut_off_means_that_the_child_was_ended(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_exchange", lambda *_arguments: answer)
    assert reason(files.read("plain.p12"), "") is Reason.TOO_MUCH_WORK
