"""From a queued command to what Apple's protocol calls it, at the moment the device asks: no secret sits rendered
anywhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from mydevices.commands.models import Command
from mydevices.commands.pins import secret_place
from mydevices.devices.models import Device, Registration
from mydevices.errors import Conflict
from mydevices.location import selectors as location
from mydevices.platforms.apple import applications, configurations, registrations
from mydevices.protocols.apple import commands, inventory, models
from mydevices.protocols.apple.commands import Payload
from mydevices.registration import services as registration
from mydevices.vault import services as vault


@dataclass(frozen=True, slots=True)
class Due:
    """A command that a device is about to be given, with what sealed things it may need."""

    id: int
    uuid: UUID
    request_type: str
    parameters: Mapping[str, object]
    registration_id: UUID
    device_id: UUID
    is_mac: bool
    action_id: UUID | None
    secret: bytes | None

    def pin(self) -> str:
        if not self.secret or self.action_id is None:
            raise Conflict("This command needs a PIN, and none was kept with it.")
        return vault.open_sealed(self.secret, **secret_place(self.action_id, self.device_id)).decode()

    def text(self, name: str) -> str | None:
        value = self.parameters.get(name)
        return str(value) if value else None


def given_again(command: Command) -> Due:
    """What a device was given in a life that has ended, as it was given: same id, same PIN. `command` comes with its
    action and its channel's registration and device."""
    life = command.channel.registration
    action = command.action
    return Due(
        id=command.pk,
        uuid=command.uuid,
        request_type=command.request_type,
        parameters=command.parameters,
        registration_id=life.id,
        device_id=life.device_id,
        is_mac=models.kind(life.device.model) == "mac",
        action_id=action.id if action else None,
        secret=bytes(action.secret) if action and action.secret is not None else None,
    )


def encode(due: Due) -> bytes:
    """The command as an XML property list. Raises Conflict when what it needs is gone."""
    return commands.encode(str(due.uuid), _RENDERERS[due.request_type](due))


def _device_lock(due: Due) -> Payload:
    return commands.device_lock(
        message=due.text("message"), phone_number=due.text("phone_number"), pin=due.pin() if due.is_mac else None
    )


def _clear_passcode(due: Due) -> Payload:
    token = registrations.unlock_token(due.registration_id)
    if token is None:
        raise Conflict("The device’s unlock token is gone: it has registered anew since this was asked.")
    return commands.clear_passcode(unlock_token=token)


def _erase_device(due: Due) -> Payload:
    # PreserveDataPlan keeps an eSIM, as the page promises (device.erase.yaml, iOS 11); a Mac's firmware asks for the
    # PIN.
    return commands.erase_device(pin=due.pin()) if due.is_mac else commands.erase_device(preserve_data_plan=True)


def _install_profile(due: Due) -> Payload:
    if "installation" in due.parameters:
        return commands.install_profile(payload=configurations.profile(due.parameters["installation"]))
    life = Registration.objects.select_related("device").get(id=due.registration_id)
    document = registration.renewal_document(registration=life, challenge_id=due.text("challenge") or "")
    return commands.install_profile(payload=document.content)


def _remove_profile(due: Due) -> Payload:
    """Upkeep removes a configuration, and only what somebody asked for ends management."""
    if due.action_id is None:
        return commands.remove_profile(identifier=configurations.identifier(due.parameters.get("installation")))
    return commands.remove_profile(identifier=registrations.profile_identifier(due.registration_id))


def _device_location(due: Due) -> Payload:
    """Whether it may be asked is asked now, and not when it was queued: its owner may have said no meanwhile."""
    allowed = location.permission_now(Device.objects.select_related("owner").get(id=due.device_id))
    if not allowed.may_collect:
        raise Conflict(allowed.reason)
    return commands.device_location()


_RENDERERS: Final[dict[str, Callable[[Due], Payload]]] = {
    "DeviceLock": _device_lock,
    "ClearPasscode": _clear_passcode,
    "UnlockUserAccount": lambda due: commands.unlock_user_account(user_name=due.text("user_name") or ""),
    "EraseDevice": _erase_device,
    "RestartDevice": lambda due: commands.restart_device(
        notify_user=True if due.parameters.get("notify_user") else None
    ),
    "RemoveProfile": _remove_profile,
    "InstallProfile": _install_profile,
    "DeviceInformation": lambda _due: commands.device_information(queries=inventory.QUERIES),
    "EnableLostMode": lambda due: commands.enable_lost_mode(
        message=due.text("message"), phone_number=due.text("phone_number"), footnote=due.text("footnote")
    ),
    "DisableLostMode": lambda _due: commands.disable_lost_mode(),
    "DeviceLocation": _device_location,
    "PlayLostModeSound": lambda _due: commands.play_lost_mode_sound(),
    "SecurityInfo": lambda _due: commands.security_info(),
    "ProfileList": lambda _due: commands.profile_list(),
    applications.REQUEST: lambda due: applications.payload(due.device_id, due.text("scope")),
    "CertificateList": lambda _due: commands.certificate_list(managed_only=True),
}
