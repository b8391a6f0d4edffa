"""A server in processes of its own, on the database of the test run, with simulated devices and their push service."""

import base64
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from mydevices.accounts.models import Person
from mydevices.audit import chain
from mydevices.audit.actor import Actor
from mydevices.certificates import services as certificates
from mydevices.cli import processes, serving
from mydevices.organisation import selectors as organisation
from mydevices.platforms.apple import push_certificate
from simulator import fleet
from simulator.apple import Apple
from simulator.connection import Outgoing
from simulator.device import DEVICE
from simulator.device import Device as Simulated
from simulator.errors import Unreachable
from simulator.fleet import Fleet
from simulator.gateway import Gateway
from simulator.profiles import load_plist
from simulator.transport import HttpTransport, Reply, Transport
from tests import factories
from tests.cli.conftest import Run, free_port, until
from tests.platforms.apple.conftest import owner, profile_for, register, server, shared_key

__all__ = ["owner", "register", "server", "shared_key"]  # fixtures of the device plane's tests

UNDO_SECONDS = 2


@dataclass(frozen=True)
class Offer:
    """A command as it reached a device."""

    uuid: uuid.UUID
    request_type: str
    body: Mapping[str, Any]


@dataclass
class Record:
    """What one device was given and what it said, as it went over the wire."""

    offers: list[Offer] = field(default_factory=list)
    answers: list[tuple[uuid.UUID, str]] = field(default_factory=list)
    """Id and status of each report that was sent, whether or not it arrived."""
    in_trouble: threading.Event = field(default_factory=threading.Event)
    """The network or the server failed it: a real device asks again after a while."""


class Ledger:
    """The wire between devices and server, written down."""

    def __init__(self) -> None:
        self._http = HttpTransport()

    def close(self) -> None:
        self._http.close()

    def transport(self, record: Record) -> Transport:
        def send(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
            is_poll = url.endswith("/connect")
            if is_poll:
                said = load_plist(body)
                if said.get("CommandUUID"):
                    record.answers.append((uuid.UUID(said["CommandUUID"]), said["Status"]))
            try:
                status, answered, content = self._http(method, url, headers, body)
            except Unreachable:
                record.in_trouble.set()
                raise
            if status >= 500:
                record.in_trouble.set()
            if is_poll and status == 200 and content:
                command = load_plist(content)
                inner = command["Command"]
                record.offers.append(Offer(uuid.UUID(command["CommandUUID"]), inner["RequestType"], inner))
            return status, answered, content

        return send


class House:
    """The server under test: its processes and its devices."""

    def __init__(self, folder: Path, settings: Settings, key: rsa.RSAPrivateKey) -> None:
        self._folder = folder
        self._key = key
        self._runs: list[Run] = []
        self.port = free_port()
        settings.PUBLIC_URL = f"http://localhost:{self.port}"
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"undo_seconds": UNDO_SECONDS})
        self.ledger = Ledger()
        self.records: dict[str, Record] = {}
        """By UDID."""
        self.fleet = Fleet(send=self.ledger.transport(Record()), workers=6)
        self.apple = Apple.at(folder / "apple")
        self.gateway = Gateway(apple=self.apple, fleet=self.fleet)
        certificate = self.apple.push_certificate(
            push_certificate.request(actor=Actor.system("test"), organisation_name="Test")
        )
        push_certificate.install(actor=Actor.system("test"), pem=certificate, now=timezone.now())
        self._environment = {
            "DJANGO_SETTINGS_MODULE": "tests.reliability.settings",
            "TEST_DATABASE_NAME": str(connection.settings_dict["NAME"]),
            "MYDEVICES_DATA": str(folder / "data"),
            "MYDEVICES_PORT": str(self.port),
            "MYDEVICES_MASTER_KEY": ",".join(base64.b64encode(key).decode() for key in settings.MASTER_KEYS),
            "MYDEVICES_SECRET_KEY": settings.SECRET_KEY,
            "MYDEVICES_APPLE_PUSH_URL": self.gateway.url,
            "MYDEVICES_APPLE_PUSH_CA": str(self.apple.gateway_authority_file),
            # Whatever becomes of the test, they do not outlive it.
            processes.PARENT: str(os.getpid()),
        }
        if "MYDEVICES_TEST_DATABASE_URL" in os.environ:
            self._environment["DATABASE_URL"] = os.environ["MYDEVICES_TEST_DATABASE_URL"]

    def _start(self, *arguments: str) -> Run:
        log = self._folder / f"log-{len(self._runs)}"
        run = Run([sys.executable, "-m", *arguments], log, self._environment)
        self._runs.append(run)
        return run

    def start_web(self) -> Run:
        return self._start("mydevices", "serve", "--web", "--child", "--workers", "2")

    def start_worker(self) -> Run:
        return self.start_actor("worker")

    def start_actor(self, role: str) -> Run:
        return self._start("tests.reliability.actors", role, str(self._folder))

    def wait_until_ready(self) -> None:
        until(lambda: serving.is_ready("127.0.0.1", self.port), 30, f"ready\n{self.said()}")

    def said(self) -> str:
        """The last words of each process, without the lines of access."""
        words = []
        for run in self._runs:
            lines = [line for line in run.said.splitlines() if "mydevices.access" not in line and "httpx2" not in line]
            words.append("\n".join([f"--- {run.log.name}", *lines[-40:]]))
        return "\n".join(words)

    def pause_pushes(self) -> None:
        self.gateway.close()

    def resume_pushes(self) -> None:
        self.gateway = Gateway(apple=self.apple, fleet=self.fleet, port=self.gateway.port)

    def register(self, owner: Person, kind: str, name: str) -> Simulated:
        record = Record()
        simulated = fleet.new_device(kind, send=self.ledger.transport(record), name=name, key=self._key)
        self.records[simulated.udid] = record
        self.fleet.add(simulated)
        simulated.register(profile_for(owner))
        return simulated

    def close(self) -> None:
        for run in self._runs:
            run.end()
        self.fleet.close()
        self.gateway.close()
        self.ledger.close()


@pytest.fixture
def house(transactional_db: None, tmp_path: Path, settings: Settings, shared_key: rsa.RSAPrivateKey) -> Iterator[House]:
    organisation.forget()
    certificates.ensure_authority()
    built = House(tmp_path, settings, shared_key)
    yield built
    built.close()


@pytest.fixture
def person(house: House) -> Person:
    return factories.person()


class Thread:
    """A thread with a database connection of its own, whose failure is the test's."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.result: Any = None
        self.error: BaseException | None = None
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._function()
        except BaseException as error:  # noqa: BLE001  it is raised again where the test waits
            self.error = error
        finally:
            connection.close()

    def end(self, seconds: float = 30.0) -> Any:
        """Its result, or what it raised."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "A thread is stuck."
        if self.error is not None:
            raise self.error
        return self.result


def at_once(*functions: Callable[[], object]) -> list[Any]:
    """Run these in threads that begin at the same moment; their results, or the exceptions they raised."""
    barrier = threading.Barrier(len(functions))

    def begin(function: Callable[[], object]) -> object:
        connection.ensure_connection()
        barrier.wait(10)
        try:
            return function()
        except Exception as error:  # noqa: BLE001  who lost, and why, is what is asked here
            return error

    threads = [Thread(lambda function=function: begin(function)) for function in functions]  # type: ignore[misc]
    return [thread.end() for thread in threads]


def request_of(simulated: Simulated, **report: Any) -> Outgoing:
    """A report, or a poll, that is ready to be sent beside another one: a device itself says one thing at a time."""
    connection = simulated._present_connection()
    return connection.request(
        simulated.enrolment.management.server_url, "-", connection._encode({**simulated.ids(DEVICE), **report})
    )


def eventually(condition: Callable[[], object], seconds: float = 20.0, told: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"It never came about. {told()}"
        time.sleep(0.05)


def assert_chain_holds() -> None:
    """Everything recorded is in the audit's chain, and nothing of it was changed."""
    while chain.seal_committed(everything=True):
        pass
    verdict = chain.verify()
    assert verdict.holds, verdict
    assert verdict.unsealed == 0, verdict
