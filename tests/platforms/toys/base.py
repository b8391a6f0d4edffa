"""What both toys are: a device that locks, leaves and can be erased, and keeps no more than its promise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from django.utils import timezone

from mydevices.actions import ActionKind
from mydevices.configurations import delivery
from mydevices.devices.models import Channel, Device, Registration
from mydevices.errors import ProtocolError, Unsupported
from mydevices.port.actions import Capability, CommandStep, Fates, Parameters, Plan
from mydevices.port.commands import INSTALL, REMOVE, Answered, Due, Outcome, Reported
from mydevices.port.configurations import Ways
from mydevices.port.pictures import Appearance
from mydevices.port.platform import Platform, Promise
from mydevices.port.registering import DeviceKind, Document, GuideStep, System
from mydevices.registration import lives
from tests.platforms.toys.drawings import BOX

REQUESTS: Mapping[ActionKind, str] = {
    ActionKind.CHECK_IN: "tell",
    ActionKind.LOCK: "close",
    ActionKind.RETIRE: "leave",
    ActionKind.WIPE: "empty",
}


def kind_of(name: str) -> DeviceKind:
    return DeviceKind(
        name=name,
        systems=(f"{name} OS",),
        one=f"A {name}",
        this=f"This {name}",
        other=f"Another {name}",
        heading=f"Register this {name}",
        how_to_open=f"Open this on the {name}:",
        wrong_device=f"This is no {name}.",
        installing="Join",
        how_to_install="Press <b>Join</b>.",
        button="Join",
        steps=(GuideStep("Join", "Press <b>Join</b>.", BOX.file, BOX.symbol),),
    )


@dataclass(frozen=True)
class Arrival:
    """What a toy says when it comes."""

    postcode: str


@dataclass
class Kept:
    promises: dict[UUID, Promise] = field(default_factory=dict)


class Toy(Platform):
    """Its promise names a postcode, which the device must name when it arrives."""

    noun: ClassVar[str]
    example: ClassVar = BOX
    family: ClassVar = BOX

    def __init__(self) -> None:
        self.kept = Kept()

    def appearance(self, device: Device) -> Appearance:
        del device
        return Appearance(self.noun, BOX)

    def detect(self, user_agent: str) -> str:
        return self.device_kinds[0].name if self.title in user_agent else ""

    def map_link(self, user_agent: str, *, latitude: str, longitude: str) -> str:
        return f"toy:{latitude},{longitude}" if self.detect(user_agent) else ""

    def promise(self, *, may_erase: bool) -> Promise:
        return {"postcode": "1234", "may_erase": may_erase}

    def document(self, *, promise: Promise, password: str, subject: str, signed: bool) -> Document:
        del promise, subject, signed
        return Document(password.encode(), "text/plain", "join.txt")

    def check_arrival(self, promise: Promise, arrival: object) -> None:
        if not isinstance(arrival, Arrival) or arrival.postcode != promise["postcode"]:
            raise ProtocolError("It came to another place.")

    def begin(self, registration: Registration, promise: Promise, arrival: object) -> None:
        del arrival
        self.kept.promises[registration.id] = promise

    def promised(self, registration: Registration) -> Promise:
        return self.kept.promises[registration.id]

    def may_erase(self, registration: Registration) -> bool:
        return bool(self.promised(registration)["may_erase"])

    def capabilities(self, device: Device) -> Mapping[ActionKind, Capability]:
        erases = device.registration is not None and self.may_erase(device.registration)
        return {
            kind: Capability(
                kind,
                f"It is told to {request}.",
                "" if erases or kind != ActionKind.WIPE else "It was promised not to.",
            )
            for kind, request in REQUESTS.items()
        }

    def plan(self, device: Device, kind: ActionKind, parameters: Parameters) -> Plan:
        capability = self.capabilities(device).get(kind)
        if capability is None or capability.reason:
            raise Unsupported("It cannot do that.")
        return Plan([CommandStep(REQUESTS[kind], parameters.public())])

    def fates(self, device: Device, kind: ActionKind) -> Fates:
        del device
        if kind not in {ActionKind.WIPE, ActionKind.RETIRE}:
            raise Unsupported("This takes nothing.")
        return Fates(["What is in it"], ["The box"])

    def ways(self, device: Device) -> Ways | None:
        if device.registration is None:
            return None
        own = [one for one in device.registration.channels.all() if one.kind == Channel.Kind.DEVICE]
        return Ways(own, carries=False)

    def outcomes(self) -> Mapping[str, Answered]:
        return {
            "leave": Answered(_left),
            "empty": Answered(_emptied),
            INSTALL: Answered(_configured),
            REMOVE: Answered(_configured),
        }


def _life(command: Reported) -> Registration:
    return Registration.objects.select_related("device__owner").get(id=command.registration_id)


def _left(command: Reported, outcome: Outcome) -> None:
    if outcome.state == "done":
        lives.retired(registration=_life(command), reason=Registration.Ending.ACKNOWLEDGED, now=outcome.at)


def _emptied(command: Reported, outcome: Outcome) -> None:
    if outcome.state == "done":
        lives.wiped(registration=_life(command), now=outcome.at)


def _configured(command: Reported, outcome: Outcome) -> None:
    delivery.answered(
        installation_id=_installation(command.parameters),
        request_type=command.request_type,
        outcome=outcome.state,
        reason=outcome.error,
        now=outcome.at,
    )


def give(command: Due) -> None:
    """What it is about is looked up when it is given."""
    if command.request_type == INSTALL:
        now = timezone.now()
        due = delivery.due(installation_id=command.parameters["installation"], now=now)
        delivery.given(installation_id=due.row.pk, digest=due.content.digest, profile_uuid="toy")


def _installation(parameters: Mapping[str, object]) -> int:
    found = parameters["installation"]
    assert isinstance(found, int)
    return found


def system_of(name: str) -> System:
    return System(f"{name} OS", "1.2")
