from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mydevices.devices.models import Device
from mydevices.devices.seen import COLLECTOR
from mydevices.platforms.apple import push
from mydevices.platforms.apple.gateway import Answer, Push
from mydevices.port.platform import Platform
from mydevices.protocols.apple.push import PushOutcome
from mydevices.registration import tickets
from mydevices.registration.models import Ticket
from simulator import fleet
from simulator.errors import MDM, SimulatorError, refuse
from tests.platforms.apple.conftest import TOPIC, send
from tests.platforms.driver import Driver, Obeys, Refused


class Bell:
    """A push service that takes everything, until it is cut off."""

    def __init__(self) -> None:
        self.rung = 0
        self.is_away = False

    def push(self, messages: Sequence[Push], _service: object) -> Sequence[Answer]:
        if self.is_away:
            return [Answer(PushOutcome.RETRY, "The push service is away.") for _message in messages]
        self.rung += len(messages)
        return [Answer(PushOutcome.DELIVERED) for _message in messages]


class IPhoneDriver(Driver):
    """A simulated iPhone over the real device plane."""

    def __init__(self, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(platform, monkeypatch)
        self.bell = Bell()
        self.simulated = fleet.new_device("iphone", send=send, supervised=True)
        monkeypatch.setattr(push, "GATEWAY", self.bell)
        monkeypatch.setattr(push, "_service", lambda: None)

    def register(self, ticket: Ticket, *, honestly: bool = True) -> None:
        if self.simulated.memory.enrolment is not None:
            self.simulated.erase()
        profile = tickets.document_for(ticket=ticket, signed=False).content
        if not honestly:
            profile = profile.replace(TOPIC.encode(), TOPIC[:-1].encode() + b"6")
        try:
            self.simulated.register(profile)
        except SimulatorError as error:
            raise Refused(str(error)) from error
        COLLECTOR.flush()

    def is_of(self, device: Device) -> bool:
        return device.hardware_id == self.simulated.udid

    def obey(self, obeys: Obeys = lambda _request: True) -> Sequence[str]:
        execute = self.simulated._execute

        def judged(kind: str, body: Mapping[str, Any], channel: Any) -> Any:
            if not obeys(kind):
                raise refuse(MDM, 12010, "It would not.")
            return execute(kind, body, channel)

        with self.monkeypatch.context() as patch:
            patch.setattr(self.simulated, "_execute", judged)
            session = self.simulated.poll()
        COLLECTOR.flush()
        return [kind for kind, _status in session.commands]

    def cut_off(self) -> None:
        self.bell.is_away = True

    def was_reached(self) -> bool:
        return self.bell.rung > 0


DRIVER = IPhoneDriver
