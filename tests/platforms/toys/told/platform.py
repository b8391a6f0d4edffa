"""Pigeons: a service takes the letters for them, and says later what became of each."""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from django.utils import timezone

from mydevices.certificates import selectors as certificates_selectors
from mydevices.certificates import services as certificates
from mydevices.commands import queue
from mydevices.devices.services import Introduction
from mydevices.errors import ProtocolError
from mydevices.port.commands import Due, Outcome
from mydevices.port.platform import NotWoken, Promise, Told
from mydevices.port.routes import Request, Response, Route
from mydevices.registration import lives
from tests.platforms.toys.base import Arrival, Toy, give, kind_of, system_of


class Pigeons(Toy, Told):
    name: ClassVar = "pigeons"
    title: ClassVar = "Pigeons"
    noun: ClassVar = "pigeon"
    systems: ClassVar = (system_of("pigeon"),)
    device_kinds: ClassVar = (kind_of("pigeon"),)

    def __init__(self) -> None:
        super().__init__()
        self.loft: list[Due] = []
        self.is_away = False
        self.refuses = ""

    def link(self, *, promise: Promise, password: str, subject: str) -> str:
        del promise, subject
        return f"https://loft.example/join?password={password}"

    def deliver(self, commands: Sequence[Due]) -> Mapping[int, NotWoken | Outcome | None]:
        if self.is_away:
            return {command.id: NotWoken("The loft is shut.") for command in commands}
        if self.refuses:
            return {command.id: Outcome("failed", timezone.now(), error=self.refuses) for command in commands}
        for command in commands:
            give(command)
        self.loft += commands
        return dict.fromkeys((command.id for command in commands), None)

    def routes(self) -> Mapping[str, Route]:
        return {
            "/pigeons/arrived": Route(arrived, 64 * 1024, ("POST",)),
            "/pigeons/back": Route(back, 64 * 1024, ("POST",)),
        }


def arrived(request: Request) -> Response:
    said, now = json.loads(request.body), timezone.now()
    key = load_der_public_key(bytes.fromhex(said["key"]))
    if not isinstance(key, rsa.RSAPublicKey):
        raise ProtocolError("Another kind of key.")
    certificate = certificates.issue(
        challenge_id=certificates.challenge_of(said["password"]), public_key=key, signer=None, is_weak=False, now=now
    )
    found = certificates_selectors.by_fingerprint(certificate.fingerprint)
    assert found is not None
    life = lives.begin(
        certificate=found,
        introduction=Introduction(said["serial"], name="A pigeon", os_name="pigeon OS", os_version="2"),
        arrival=Arrival(said["postcode"]),
        now=now,
    )
    lives.reachable(registration=life, user_id="", user_name="", push_token=b"", now=now)
    return Response(200)


def back(request: Request) -> Response:
    """A notification of the service: what became of a letter."""
    said, now = json.loads(request.body), timezone.now()
    reported = queue.reported(said["letter"])
    if reported is not None:
        state = "done" if said["done"] else "failed"
        queue.report(command=reported, outcome=Outcome(state, now, error=said["why"]))
    return Response(200)


PLATFORM = Pigeons()
