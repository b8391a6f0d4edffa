"""A postbox: it is woken, comes to ask for its letters, and says what became of each."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from django.utils import timezone

from mydevices.certificates import selectors as certificates_selectors
from mydevices.certificates import services as certificates
from mydevices.commands import queue
from mydevices.devices.models import Channel, Registration
from mydevices.devices.services import Introduction
from mydevices.errors import ProtocolError
from mydevices.port.commands import Outcome
from mydevices.port.platform import Asked, NotWoken
from mydevices.port.routes import Request, Response, Route
from mydevices.registration import lives
from tests.platforms.toys.base import Arrival, Toy, give, kind_of, system_of

READING = queue.Reading()


class Postbox(Toy, Asked):
    name: ClassVar = "postbox"
    title: ClassVar = "Postbox"
    noun: ClassVar = "postbox"
    systems: ClassVar = (system_of("postbox"),)
    device_kinds: ClassVar = (kind_of("postbox"),)

    def __init__(self) -> None:
        super().__init__()
        self.woken: list[int] = []
        self.is_away = False

    def wake(self, channels: Sequence[Channel]) -> Mapping[int, NotWoken | None]:
        if self.is_away:
            return {channel.pk: NotWoken("The postman is away.") for channel in channels}
        self.woken += [channel.pk for channel in channels]
        return dict.fromkeys((channel.pk for channel in channels), None)

    def routes(self) -> Mapping[str, Route]:
        return {
            "/Postbox/Join.svc": Route(join, 64 * 1024, ("POST",)),
            "/Postbox/Ask.svc": Route(ask, 64 * 1024, ("POST",)),
        }


def join(request: Request) -> Response:
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
        introduction=Introduction(said["serial"], name="A postbox", os_name="postbox OS", os_version="1.3"),
        arrival=Arrival(said["postcode"]),
        now=now,
    )
    lives.reachable(registration=life, user_id="", user_name="", push_token=b"bell", now=now)
    return Response(200, json.dumps({"pass": certificate.fingerprint}).encode(), "application/json")


def ask(request: Request) -> Response:
    """As the pass is no proof at all, this is a toy."""
    said, now = json.loads(request.body), timezone.now()
    answer: Mapping[str, Any] | None = said["answer"]
    found = queue.next_for(
        READING,
        fingerprint=said["pass"],
        user_id="",
        reported=UUID(answer["letter"]) if answer else None,
        is_idle=answer is None,
        now=now,
    )
    if found is None or found.registration_state not in Registration.LIVING:
        return Response(400)
    if answer is not None and found.reported is not None:
        state = "done" if answer["done"] else "failed"
        queue.report(command=found.reported, outcome=Outcome(state, now, error=answer["why"]))
        if not Registration.objects.filter(id=found.registration_id, state__in=Registration.LIVING).exists():
            return Response(200)
    if found.due is None:
        return Response(200)
    give(found.due)
    queue.mark_sent(command_id=found.due.id, seen=found.due.state, now=now, offered_in=found.conversation)
    letter = {"letter": str(found.due.uuid), "request": found.due.request_type}
    return Response(200, json.dumps(letter).encode(), "application/json")


PLATFORM = Postbox()
