"""The whole product beside simulated devices, in other processes: the demo, in a folder and on ports of its own."""

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.conftest import ROOT, Run, free_port, until

READY = 90.0
"""Seconds for a start; one takes about six."""

Snapshot = Mapping[str, Any]


class Refused(AssertionError):
    """The simulator would not do it, and says why: a device refuses a wrong PIN with this."""


@dataclass(frozen=True)
class Account:
    """Somebody who can sign in."""

    name: str
    email: str
    password: str


@dataclass(frozen=True)
class Simulator:
    """The hands on the devices, and the eyes on their screens. Reached through its JSON API."""

    port: int

    def devices(self) -> list[Snapshot]:
        found = self._ask("GET", "")["devices"]
        assert isinstance(found, list)
        return found

    def find(self, which: str) -> Snapshot:
        """A device by its name, or by its UDID: one that was erased has forgotten its name."""
        return next(device for device in self.devices() if which in {device["name"], device["udid"]})

    def add(self, **values: object) -> Snapshot:
        """A new device: kind, name, product, supervised, url. With `url` it opens that address and registers."""
        return self._ask("POST", "", values)

    def act(self, which: str, action: str, **values: object) -> Snapshot:
        """What a hand does: offline, online, unlock {code}, behaviour {delay} and so on. Raises Refused."""
        return self._ask("POST", f"/{self.find(which)['udid']}/{action}", values)

    def wait(self, which: str, seconds: float = 15, **expected: object) -> Snapshot:
        """Until the device is as expected: `wait("Phone", screen="locked")`."""
        until(lambda: expected.items() <= self.find(which).items(), seconds, f"{which} as {expected}")
        return self.find(which)

    def _ask(self, method: str, path: str, values: Mapping[str, object] | None = None) -> Snapshot:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request(method, f"/api/devices{path}", json.dumps(values or {}), headers)
            response = connection.getresponse()
            found = json.loads(response.read())
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise Refused(found["error"])
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Inbox:
    """Where every mail of the demo arrives, reached over HTTP as a person's mail program would."""

    port: int

    def link_in(self, to: str, subject: str) -> str:
        """The first link of the newest mail to this address whose subject holds these words, once it is there."""
        found: list[str] = []

        def arrived() -> bool:
            mails = [mail for mail in self._mails() if mail["to"] == to and subject in mail["subject"]]
            found[:] = mails[0]["links"][:1] if mails else []
            return bool(found)

        until(arrived, 20, f"a mail to {to} about “{subject}”")
        return found[0]

    def _mails(self) -> list[dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", "/api/mails")
            mails: list[dict[str, Any]] = json.loads(connection.getresponse().read())["mails"]
        finally:
            connection.close()
        return mails


@dataclass(frozen=True)
class Stack:
    """A portal that runs."""

    url: str
    simulator: Simulator
    inbox: Inbox
    ines: Account
    """A person; the demo's devices are hers."""
    amara: Account
    """An administrator, without a device."""
    undo_seconds: int
    environment: Mapping[str, str]

    def do(self, code: str) -> str:
        """Run Python beside the portal, with its settings and its database; what it prints."""
        done = subprocess.run(
            [sys.executable, "-P", "-c", f"import django; django.setup()\n{code}"],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextlib.contextmanager
def running_stack(folder: Path, *, undo_seconds: int) -> Iterator[Stack]:
    """Start everything, and stop it again. A start that fails says what its parts said."""
    port = free_port()
    own = {"MYDEVICES_DEMO_DATA": str(folder / "data"), "MYDEVICES_PORT": str(port)}
    run = Run([sys.executable, "-m", "tests.journeys.demo", str(undo_seconds)], folder / "demo.log", own)
    try:
        try:
            run.wait_for("Ctrl-C stops the demo", READY)
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n{_logs(folder)}") from None
        screens = re.search(r"screens are at  http://localhost:(\d+)", run.said)
        inbox = re.search(r"inbox is at  http://localhost:(\d+)", run.said)
        people = [
            Account(*found.groups()) for found in re.finditer(r"^  (\w+ \w+) +(\S+@\S+) +(\S+)", run.said, re.MULTILINE)
        ]
        assert screens, run.said
        assert inbox, run.said
        assert [person.name for person in people] == ["Ines Okafor", "Amara Diallo"], run.said
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MYDEVICES_", "DATABASE_"))}
        environment = {
            **kept,
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "mydevices.settings",
            "MYDEVICES_DATA": own["MYDEVICES_DEMO_DATA"],
            "MYDEVICES_PORT": str(port),
        }
        yield Stack(
            url=f"http://localhost:{port}",
            simulator=Simulator(int(screens[1])),
            inbox=Inbox(int(inbox[1])),
            ines=people[0],
            amara=people[1],
            undo_seconds=undo_seconds,
            environment=environment,
        )
        assert run.stop() == 0, f"{run.said}\n{_logs(folder)}"
    finally:
        run.end()


def _logs(folder: Path) -> str:
    """The end of what each part wrote."""
    logs = sorted((folder / "data" / "logs").glob("*.log"))
    return "\n".join(f"--- {log.name}\n{log.read_text()[-3000:]}" for log in logs)
