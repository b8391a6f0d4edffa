import json
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mydevices.devices.models import Device
from mydevices.plane import plane
from mydevices.port.platform import Platform
from mydevices.port.routes import Request
from mydevices.registration import tickets
from mydevices.registration.models import Ticket
from tests.platforms.driver import Driver, Obeys, Refused
from tests.platforms.toys.asked.platform import Postbox


def post(path: str, body: object) -> Any:
    answer = plane(Request("POST", path, body=json.dumps(body).encode()))
    if answer.status != 200:
        raise Refused(answer.body.decode())
    return json.loads(answer.body) if answer.body else None


def new_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()


class PostboxDriver(Driver):
    def __init__(self, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(platform, monkeypatch)
        self.token = ""

    @property
    def service(self) -> Postbox:
        assert isinstance(self.platform, Postbox)
        return self.platform

    def register(self, ticket: Ticket, *, honestly: bool = True) -> None:
        password = tickets.document_for(ticket=ticket).content.decode()
        said = {"password": password, "serial": "PB1", "key": new_key(), "postcode": "1234" if honestly else "9999"}
        self.token = post("/Postbox/Join.svc", said)["pass"]

    def is_of(self, device: Device) -> bool:
        return device.hardware_id == "PB1"

    def obey(self, obeys: Obeys = lambda _request: True) -> Sequence[str]:
        done: list[str] = []
        letter = post("/Postbox/Ask.svc", {"pass": self.token, "answer": None})
        while letter is not None:
            done.append(letter["request"])
            is_done = obeys(letter["request"])
            answer = {"letter": letter["letter"], "done": is_done, "why": "" if is_done else "It is jammed."}
            letter = post("/Postbox/Ask.svc", {"pass": self.token, "answer": answer})
        return done

    def cut_off(self) -> None:
        self.service.is_away = True

    def was_reached(self) -> bool:
        return bool(self.service.woken)


DRIVER = PostboxDriver
