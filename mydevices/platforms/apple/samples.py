"""The demo's iPhones and its Mac, and models of which `demo_data` makes devices up."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from django.utils import timezone

from mydevices.audit.actor import Actor
from mydevices.devices.models import Device, Registration
from mydevices.organisation import selectors as organisation
from mydevices.platforms.apple import push_certificate, systems
from mydevices.platforms.apple.models import AppleRegistration
from mydevices.port.samples import Demonstration, SampleModel, Simulate, SimulatedDevice
from mydevices.protocols.apple.profiles import AccessRights


class AppleDemonstration(Demonstration):
    devices: ClassVar = (
        SimulatedDevice(
            "Ines’s iPhone",
            Device.Ownership.COMPANY,
            systems.PHONE,
            "kind=iphone,model=iPhone17,1,supervised=yes",
        ),
        SimulatedDevice(
            "Private iPhone",
            Device.Ownership.PERSONAL,
            systems.PHONE,
            "kind=iphone,model=iPhone14,4,supervised=no",
        ),
        SimulatedDevice(
            "Studio MacBook",
            Device.Ownership.COMPANY,
            systems.MAC,
            "kind=mac,model=Mac15,12,supervised=yes,user=ines:Ines Okafor",
        ),
    )
    models: ClassVar = (
        SampleModel("iPhone17,1", "iPhone 16 Pro", "iOS", "18.1", "iPhone"),
        SampleModel("iPhone14,5", "iPhone 13", "iOS", "17.6", "iPhone"),
        SampleModel("iPad14,8", "iPad Air 11-inch (M2)", "iPadOS", "18.1", "iPad"),
        SampleModel("Mac15,12", "MacBook Air (13-inch, M3, 2024)", "macOS", "15.1", "MacBook"),
    )
    minimums: ClassVar = {"iOS": "15", "iPadOS": "15", "macOS": "12"}
    to_try: ClassVar = (
        "Sign in as Ines, open Ines’s iPhone and lock it with a message: the phone shows it.",
        "Lock Studio MacBook and read its PIN.",
        "Wipe Ines’s iPhone, and undo it in time. Private iPhone cannot be wiped, and its page says why.",
    )

    def prepare(self, *, actor: Actor, folder: Path, simulate: Simulate) -> Callable[[], None]:
        """Apple is simulated, too: it signs the request for a push certificate."""
        if push_certificate.current() is not None:
            return lambda: None
        request, answer = folder / "push-request.pem", folder / "push-certificate.pem"
        request.write_bytes(push_certificate.request(actor=actor, organisation_name=organisation.current().name))
        signed = simulate("push-certificate", "--csr", str(request), "--out", str(answer))

        def end() -> None:
            signed()
            push_certificate.install(actor=actor, pem=answer.read_bytes(), now=timezone.now())

        return end

    def make_up(self, registrations: Sequence[Registration]) -> None:
        AppleRegistration.objects.bulk_create(
            AppleRegistration(
                registration=registration,
                topic="com.apple.mgmt.External.made-up",
                server_url="https://devices.example/mdm/apple/connect",
                checkin_url="https://devices.example/mdm/apple/checkin",
                scep_url="https://devices.example/mdm/apple/scep",
                access_rights=int(AccessRights.ALL),
                profile_identifier="org.mydevices.made-up",
            )
            for registration in registrations
        )
