"""Apple's platform: iPhones, iPads and Macs (`port.platform.Platform`)."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from mydevices.actions import ActionKind
from mydevices.devices.models import Channel, Device
from mydevices.devices.services import Terms
from mydevices.platforms.apple import capabilities, endpoints, enrollment_profile, push
from mydevices.platforms.apple import systems as own
from mydevices.platforms.apple.settings_page import PushCertificatePage
from mydevices.port.actions import Capability, Fates, Parameters, Plan
from mydevices.port.pictures import Appearance
from mydevices.port.platform import NotWoken, Platform
from mydevices.port.registering import Document
from mydevices.port.routes import Route


class Apple(Platform):
    name: ClassVar = own.NAME
    title: ClassVar = "Apple"
    systems: ClassVar = own.SYSTEMS
    device_kinds: ClassVar = own.KINDS
    example: ClassVar = own.SHAPES["ipad"]
    family: ClassVar = own.FAMILY
    settings: ClassVar = PushCertificatePage()

    def appearance(self, device: Device) -> Appearance:
        return own.appearance(device)

    def detect(self, user_agent: str) -> str:
        return own.detect(user_agent)

    def map_link(self, user_agent: str, *, latitude: str, longitude: str) -> str:
        return own.map_link(user_agent, latitude=latitude, longitude=longitude)

    def terms(self, *, may_erase: bool) -> Terms:
        return enrollment_profile.terms(may_erase=may_erase)

    def invite(self, *, terms: Terms, password: str, subject: str, signed: bool) -> Document:
        return enrollment_profile.document(terms=terms, password=password, subject=subject, signed=signed)

    def capabilities(self, device: Device) -> Mapping[ActionKind, Capability]:
        return capabilities.of(device)

    def plan(self, device: Device, kind: ActionKind, parameters: Parameters) -> Plan:
        return capabilities.plan(device, kind, parameters)

    def fates(self, device: Device, kind: ActionKind) -> Fates:
        return capabilities.fates(device, kind)

    def wake(self, channels: Sequence[Channel]) -> Mapping[int, NotWoken | None]:
        return push.wake(channels)

    def routes(self) -> Mapping[str, Route]:
        return endpoints.routes()
