"""Apple's platform: iPhones, iPads and Macs (`port.platform.Platform`)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import ClassVar

from mydevices.actions import ActionKind
from mydevices.devices.models import Channel, Device, Registration
from mydevices.platforms.apple import (
    applications,
    capabilities,
    configurations,
    endpoints,
    enrollment_profile,
    outcomes,
    push,
    registrations,
)
from mydevices.platforms.apple import systems as own
from mydevices.platforms.apple.configuration_fields import READERS
from mydevices.platforms.apple.registrations import Arrival
from mydevices.platforms.apple.samples import AppleDemonstration
from mydevices.platforms.apple.settings_page import PushCertificatePage
from mydevices.port.actions import Capability, Fates, Parameters, Plan
from mydevices.port.commands import Answered
from mydevices.port.configurations import AppQuestion, Ways
from mydevices.port.pictures import Appearance
from mydevices.port.platform import Asked, NotWoken, Promise
from mydevices.port.registering import Document
from mydevices.port.routes import Route
from mydevices.protocols.apple.profiles import AccessRights


class Apple(Asked):
    name: ClassVar = own.NAME
    title: ClassVar = "Apple"
    systems: ClassVar = own.SYSTEMS
    device_kinds: ClassVar = own.KINDS
    example: ClassVar = own.SHAPES["ipad"]
    family: ClassVar = own.FAMILY
    beside: ClassVar = "apple"
    settings: ClassVar = PushCertificatePage()
    readers: ClassVar = READERS
    demonstration: ClassVar = AppleDemonstration()

    def appearance(self, device: Device) -> Appearance:
        return own.appearance(device)

    def detect(self, user_agent: str) -> str:
        return own.detect(user_agent)

    def map_link(self, user_agent: str, *, latitude: str, longitude: str) -> str:
        return own.map_link(user_agent, latitude=latitude, longitude=longitude)

    def facts(self, device: Device) -> Sequence[tuple[str, str]]:
        return own.facts(device)

    def promise(self, *, may_erase: bool) -> Promise:
        return asdict(registrations.promise(may_erase=may_erase))

    def document(self, *, promise: Promise, password: str, subject: str, signed: bool) -> Document:
        terms = registrations.read(promise)
        return enrollment_profile.document(promise=terms, password=password, subject=subject, signed=signed)

    def check_arrival(self, promise: Promise, arrival: object) -> None:
        registrations.check_topic(topic=_ours(arrival).topic, expected=registrations.read(promise).topic)

    def begin(self, registration: Registration, promise: Promise, arrival: object) -> None:
        registrations.begin(registration, registrations.read(promise), _ours(arrival))

    def begin_again(self, registration: Registration) -> None:
        registrations.again(registration)

    def promised(self, registration: Registration) -> Promise:
        return asdict(registrations.promised(registration))

    def may_erase(self, registration: Registration) -> bool:
        return registrations.may(registration, AccessRights.ERASE)

    def capabilities(self, device: Device) -> Mapping[ActionKind, Capability]:
        return capabilities.of(device)

    def plan(self, device: Device, kind: ActionKind, parameters: Parameters) -> Plan:
        return capabilities.plan(device, kind, parameters)

    def fates(self, device: Device, kind: ActionKind) -> Fates:
        return capabilities.fates(device, kind)

    def wake(self, channels: Sequence[Channel]) -> Mapping[int, NotWoken | None]:
        return push.wake(channels)

    def ways(self, device: Device) -> Ways:
        return configurations.ways(device)

    def app_question(self, device: Device, scope: str) -> AppQuestion:
        return applications.question(device, scope)

    def outcomes(self) -> Mapping[str, Answered]:
        return outcomes.OUTCOMES

    def routes(self) -> Mapping[str, Route]:
        return endpoints.routes()


def _ours(arrival: object) -> Arrival:
    if not isinstance(arrival, Arrival):
        raise TypeError(arrival)
    return arrival
