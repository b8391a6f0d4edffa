"""Commands for devices: one function each, named like its schema file (mdm/commands/*.yaml), and how they are encoded.

The functions check what a device would stumble over; what a device of which platform can do is the adapter's to decide.
A key that is not given is left out, so that the device's own default holds.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from mydevices.errors import Invalid
from mydevices.protocols.apple import plist

Payload = dict[str, object]
"""What goes under the key Command: RequestType and the keys of that command."""


def _payload(request_type: str, **keys: object) -> Payload:
    given = {key: value for key, value in keys.items() if value is not None}
    return {"RequestType": request_type, **given}


def _name(value: str, what: str) -> str:
    if not value:
        raise Invalid(f"{what} is missing.")
    return value


def _pin(pin: str | None) -> str | None:
    """The schema says six characters, and the keypad before a locked Mac starts has digits only."""
    if pin is not None and not (len(pin) == 6 and pin.isascii() and pin.isdigit()):
        raise Invalid("A PIN has exactly six digits.")
    return pin


def encode(command_uuid: str, payload: Mapping[str, object]) -> bytes:
    """The answer to a poll that carries a command: an XML property list. Raises Invalid for text that XML cannot
    carry."""
    return plist.dumps({"CommandUUID": _name(command_uuid, "The id of the command"), "Command": dict(payload)})


def device_lock(*, message: str | None = None, phone_number: str | None = None, pin: str | None = None) -> Payload:
    """Lock now (device.lock.yaml). `pin`, six digits, on Macs only: they restart and want it before anything else."""
    return _payload("DeviceLock", Message=message or None, PhoneNumber=phone_number or None, PIN=_pin(pin))


def clear_passcode(*, unlock_token: bytes) -> Payload:
    """Remove the passcode of an iPhone or iPad with the token of its last TokenUpdate (passcode.clear.yaml)."""
    if not unlock_token:
        raise Invalid("Without its unlock token a device cannot be unlocked.")
    return _payload("ClearPasscode", UnlockToken=unlock_token)


def unlock_user_account(*, user_name: str) -> Payload:
    """Let a local user of a Mac try again after too many wrong passwords (user.unlock.yaml)."""
    return _payload("UnlockUserAccount", UserName=_name(user_name, "The name of the user"))


class ObliterationBehavior(StrEnum):
    """What a Mac does when it cannot erase itself the quick way (device.erase.yaml)."""

    DEFAULT = "Default"
    DO_NOT_OBLITERATE = "DoNotObliterate"
    OBLITERATE_WITH_WARNING = "ObliterateWithWarning"
    ALWAYS = "Always"


def erase_device(
    *,
    pin: str | None = None,
    preserve_data_plan: bool | None = None,
    disallow_proximity_setup: bool | None = None,
    obliteration_behavior: ObliterationBehavior | None = None,
) -> Payload:
    """Erase everything (device.erase.yaml). `pin` and `obliteration_behavior` are for Macs, the others for iPhone and
    iPad; both kinds together are refused, since no device takes them."""
    mac = pin is not None or obliteration_behavior is not None
    phone = preserve_data_plan is not None or disallow_proximity_setup is not None
    if mac and phone:
        raise Invalid("These ways to erase belong to different kinds of devices.")
    return _payload(
        "EraseDevice",
        PIN=_pin(pin),
        PreserveDataPlan=preserve_data_plan,
        DisallowProximitySetup=disallow_proximity_setup,
        ObliterationBehavior=None if obliteration_behavior is None else str(obliteration_behavior),
    )


def remove_profile(*, identifier: str) -> Payload:
    """Remove the profile with this PayloadIdentifier; of the enrolment profile, it ends management
    (profile.remove.yaml)."""
    return _payload("RemoveProfile", Identifier=_name(identifier, "The identifier of the profile"))


def install_profile(*, payload: bytes) -> Payload:
    """Install or replace a profile, plain or signed (profile.install.yaml)."""
    if not payload:
        raise Invalid("There is no profile to install.")
    return _payload("InstallProfile", Payload=payload)


def device_information(*, queries: Sequence[str]) -> Payload:
    """Ask for facts by name, such as `inventory.QUERIES` (information.device.yaml)."""
    if not queries:
        raise Invalid("There is nothing to ask the device.")
    return _payload("DeviceInformation", Queries=list(queries))


def security_info() -> Payload:
    """Ask for passcode and encryption (information.security.yaml)."""
    return _payload("SecurityInfo")


def profile_list(*, managed_only: bool | None = None) -> Payload:
    """Ask which profiles are installed (profile.list.yaml; `managed_only` from iOS 13 and macOS 10.15)."""
    return _payload("ProfileList", ManagedOnly=managed_only)


def certificate_list(*, managed_only: bool | None = None) -> Payload:
    """Ask which certificates are installed (certificate.list.yaml; `managed_only` from iOS 13 and macOS 10.15)."""
    return _payload("CertificateList", ManagedOnly=managed_only)


def installed_application_list(*, managed_only: bool | None = None, items: Sequence[str] | None = None) -> Payload:
    """Ask which applications are installed (application.installed.list.yaml; `managed_only` from iOS 7, macOS 10.15).
    `items`, from iOS 14 and never on a Mac, are the keys of interest: others cost the device time and power."""
    return _payload(
        "InstalledApplicationList", ManagedAppsOnly=managed_only, Items=None if items is None else list(items)
    )


def enable_lost_mode(
    *, message: str | None = None, phone_number: str | None = None, footnote: str | None = None
) -> Payload:
    """Lock a supervised iPhone or iPad until Lost Mode ends; a message or a number is needed
    (device.lostmode.enable.yaml)."""
    if not message and not phone_number:
        raise Invalid("Give a message or a phone number for the finder to read.")
    return _payload(
        "EnableLostMode", Message=message or None, PhoneNumber=phone_number or None, Footnote=footnote or None
    )


def disable_lost_mode() -> Payload:
    """End Lost Mode (device.lostmode.disable.yaml)."""
    return _payload("DisableLostMode")


def device_location() -> Payload:
    """Ask a device in Lost Mode where it is (device.lostmode.location.yaml)."""
    return _payload("DeviceLocation")


def play_lost_mode_sound() -> Payload:
    """Play a sound on a device in Lost Mode until somebody stops it (device.lostmode.playsound.yaml)."""
    return _payload("PlayLostModeSound")


def restart_device(*, notify_user: bool | None = None) -> Payload:
    """Restart; with `notify_user` (macOS 11.4) the user may put it off (device.restart.yaml)."""
    return _payload("RestartDevice", NotifyUser=notify_user)
