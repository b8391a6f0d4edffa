"""From a queued command to what Apple's protocol calls it, at the moment the device asks: no secret sits rendered
anywhere."""

from collections.abc import Callable
from typing import Final

from mydevices.commands.pins import secret_place
from mydevices.devices.models import Device, Registration
from mydevices.errors import Conflict
from mydevices.location import selectors as location
from mydevices.platforms.apple import applications, configurations, registrations
from mydevices.port.commands import INSTALL, REMOVE, RENEW, Due
from mydevices.protocols.apple import commands, inventory, models
from mydevices.protocols.apple.commands import Payload
from mydevices.registration import renewal
from mydevices.vault import services as vault


def pin(due: Due) -> str:
    """Raises Conflict where none was kept."""
    if not due.secret or due.action_id is None:
        raise Conflict("This command needs a PIN, and none was kept with it.")
    return vault.open_sealed(due.secret, secret_place(due.action_id, due.device_id)).decode()


def text(due: Due, name: str) -> str | None:
    value = due.parameters.get(name)
    return str(value) if value else None


def is_for_mac(due: Due) -> bool:
    return models.kind(due.device_model) == "mac"


def encode(due: Due) -> bytes:
    """The command as an XML property list. Raises Conflict when what it needs is gone."""
    return commands.encode(str(due.uuid), _RENDERERS[due.request_type](due))


def _device_lock(due: Due) -> Payload:
    return commands.device_lock(
        message=text(due, "message"), phone_number=text(due, "phone_number"), pin=pin(due) if is_for_mac(due) else None
    )


def _clear_passcode(due: Due) -> Payload:
    token = registrations.unlock_token(due.registration_id)
    if token is None:
        raise Conflict("The device’s unlock token is gone: it has registered anew since this was asked.")
    return commands.clear_passcode(unlock_token=token)


def _erase_device(due: Due) -> Payload:
    # PreserveDataPlan keeps an eSIM, as the page promises (device.erase.yaml, iOS 11); a Mac's firmware asks for the
    # PIN.
    return commands.erase_device(pin=pin(due)) if is_for_mac(due) else commands.erase_device(preserve_data_plan=True)


def _install(due: Due) -> Payload:
    return commands.install_profile(payload=configurations.profile(due.parameters["installation"]))


def _remove(due: Due) -> Payload:
    return commands.remove_profile(identifier=configurations.identifier(due.parameters["installation"]))


def _renew(due: Due) -> Payload:
    life = Registration.objects.select_related("device").get(id=due.registration_id)
    document = renewal.renewal_document(registration=life, challenge_id=text(due, "challenge") or "")
    return commands.install_profile(payload=document.content)


def _end_management(due: Due) -> Payload:
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
    "UnlockUserAccount": lambda due: commands.unlock_user_account(user_name=text(due, "user_name") or ""),
    "EraseDevice": _erase_device,
    "RestartDevice": lambda due: commands.restart_device(
        notify_user=True if due.parameters.get("notify_user") else None
    ),
    "RemoveProfile": _end_management,
    INSTALL: _install,
    REMOVE: _remove,
    RENEW: _renew,
    "DeviceInformation": lambda _due: commands.device_information(queries=inventory.QUERIES),
    "EnableLostMode": lambda due: commands.enable_lost_mode(
        message=text(due, "message"), phone_number=text(due, "phone_number"), footnote=text(due, "footnote")
    ),
    "DisableLostMode": lambda _due: commands.disable_lost_mode(),
    "DeviceLocation": _device_location,
    "PlayLostModeSound": lambda _due: commands.play_lost_mode_sound(),
    "SecurityInfo": lambda _due: commands.security_info(),
    "ProfileList": lambda _due: commands.profile_list(),
    applications.REQUEST: lambda due: applications.payload(due.device_id, text(due, "scope")),
    "CertificateList": lambda _due: commands.certificate_list(managed_only=True),
}
