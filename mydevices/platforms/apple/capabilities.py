"""What iPhones, iPads and Macs can do, and what an action becomes there. Sources: `mdm/commands/*.yaml` of Apple's
schema."""

import secrets
from collections.abc import Mapping
from typing import Final

from django.utils.translation import gettext as _

from mydevices.actions import ActionKind
from mydevices.devices.models import Channel, Device
from mydevices.errors import Invalid, Unsupported
from mydevices.location import selectors as location
from mydevices.organisation import selectors as organisation
from mydevices.platforms.apple import registrations
from mydevices.platforms.apple.systems import is_mac, noun
from mydevices.port.actions import Capability, CommandStep, Fates, Parameters, Plan
from mydevices.port.versions import is_older
from mydevices.protocols.apple import models
from mydevices.protocols.apple.profiles import AccessRights

CHECK_IN: Final = ("DeviceInformation", "SecurityInfo", "ProfileList", "CertificateList")
_PLAIN: Final = {
    ActionKind.SOUND: "PlayLostModeSound",
    ActionKind.FOUND: "DisableLostMode",
    ActionKind.RETIRE: "RemoveProfile",
}
"""Actions of one command without a parameter."""
PIN_DIGITS: Final = 6
ASKS_BEFORE_RESTART: Final = "11.4"
"""The first macOS that leaves the moment to its user (device.restart.yaml, NotifyUser)."""


def of(device: Device) -> Mapping[ActionKind, Capability]:
    return {
        kind: Capability(kind, explain(device), refuse(device))
        for kind, explain, refuse in (
            (ActionKind.CHECK_IN, _explain_check_in, _refuse_nothing),
            (ActionKind.LOCK, _explain_lock, _refuse_lock),
            (ActionKind.UNLOCK, _explain_unlock, _refuse_unlock),
            (ActionKind.RESTART, _explain_restart, _refuse_restart),
            (ActionKind.LOST, _explain_lost, _refuse_lost),
            (ActionKind.LOCATE, _explain_locate, _refuse_lost),
            (ActionKind.SOUND, _explain_sound, _refuse_lost),
            (ActionKind.FOUND, _explain_found, _refuse_lost),
            (ActionKind.RETIRE, _explain_retire, _refuse_nothing),
            (ActionKind.WIPE, _explain_wipe, _refuse_wipe),
        )
    }


def plan(device: Device, kind: ActionKind, parameters: Parameters) -> Plan:
    mac = is_mac(device)
    match kind:
        case ActionKind.CHECK_IN:
            return Plan([CommandStep(request_type) for request_type in CHECK_IN])
        case ActionKind.LOCK:
            return Plan([CommandStep("DeviceLock", parameters.public())], _new_pin() if mac else b"")
        case ActionKind.UNLOCK if mac:
            return Plan([CommandStep("UnlockUserAccount", {"user_name": _registered_user(device)})])
        case ActionKind.UNLOCK:
            return Plan([CommandStep("ClearPasscode")])
        case ActionKind.RESTART:
            return Plan([CommandStep("RestartDevice", {"notify_user": True} if mac else {})])
        case ActionKind.WIPE:
            return Plan([CommandStep("EraseDevice")], _new_pin() if mac else b"")
        case ActionKind.LOST:
            return Plan([CommandStep("EnableLostMode", _for_the_finder(device, parameters))])
        case ActionKind.LOCATE:
            location.require(device=device)
            return Plan([CommandStep("DeviceLocation")])
        case ActionKind.SOUND | ActionKind.FOUND | ActionKind.RETIRE:
            return Plan([CommandStep(_PLAIN[kind])])


def fates(device: Device, kind: ActionKind) -> Fates:
    name = organisation.current().name
    if kind == ActionKind.WIPE:
        return _fates_of_wipe(device)
    if kind == ActionKind.RETIRE:
        return Fates(
            erased=[
                _("Mail accounts, certificates and settings that came from %(organisation)s") % {"organisation": name},
                _("Apps that %(organisation)s installed, with their data") % {"organisation": name},
                _("The ability to lock, find or erase it from here"),
            ],
            stays=[
                _("Personal photos, messages, files and apps"),
                _("The passcode and everything else that you set up"),
                _("Its entry here, with the history"),
            ],
        )
    raise Unsupported(_("This takes nothing from the device."))


def _new_pin() -> bytes:
    """Six random digits, as DeviceLock and EraseDevice ask for on a Mac (device.lock.yaml, device.erase.yaml)."""
    return f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}d}".encode()


def _registered_user(device: Device) -> str:
    """The short name of the Mac's user with a channel, as TokenUpdate gave it; empty when there is none."""
    if device.registration is None:
        return ""
    users = [c for c in device.registration.channels.all() if c.kind == Channel.Kind.USER and c.user_name]
    return min(users, key=lambda channel: channel.pk).user_name if users else ""


def _device_channel(device: Device) -> Channel | None:
    if device.registration is None:
        return None
    return next((c for c in device.registration.channels.all() if c.kind == Channel.Kind.DEVICE), None)


def _may(device: Device, right: AccessRights) -> bool:
    return device.registration is not None and registrations.may(device.registration, right)


def _is_user_enrolled(device: Device) -> bool:
    own = registrations.kept_of(device)
    return own is not None and own.is_user_enrollment


def _supervised(device: Device) -> bool | None:
    own = registrations.kept_of(device)
    return own.is_supervised if own is not None else None


def _refuse_nothing(_device: Device) -> str:
    return ""


def _explain_check_in(device: Device) -> str:
    return _("Asks the %(noun)s to report now and to fetch whatever is waiting for it.") % {"noun": noun(device)}


def _explain_lock(device: Device) -> str:
    if is_mac(device):
        return _("Restarts the Mac and locks it with a PIN that only its owner can see here. You can add a message.")
    inventory = getattr(device, "inventory", None)
    if inventory is not None and inventory.has_passcode is False:
        return _("Turns the screen off. It has no passcode, so anybody can open it again, and it shows no message.")
    return _("Turns the screen off and asks for the passcode. You can add a message and a phone number.")


def _refuse_lock(device: Device) -> str:
    if device.waits_for_pin:
        return _("It is locked already, with a PIN. “Show PIN” has it.")
    if is_mac(device) and _is_user_enrolled(device):
        return _("Apple allows no remote lock of a Mac that is registered this way. Lock it from the Apple menu.")
    return ""


def _explain_unlock(device: Device) -> str:
    if is_mac(device):
        user = _registered_user(device)
        if user:
            return _("Lifts the lockout of the account “%(user)s” after too many wrong passwords.") % {"user": user}
        return _("Lifts the lockout of an account after too many wrong passwords.")
    return _(
        "Removes the passcode, so that a new one can be set. Use it only while the %(noun)s is in its owner’s hands."
    ) % {"noun": noun(device)}


def _refuse_unlock(device: Device) -> str:
    if _is_user_enrolled(device):
        return _("On a personal device, Apple lets nobody remove the passcode from afar.")
    if is_mac(device):
        if not _registered_user(device):
            return _("No account of this Mac is known here yet. If it is locked with a PIN, “Show PIN” has it.")
        return ""
    channel = _device_channel(device)
    own = registrations.kept_with(channel) if channel is not None else None
    if own is None or own.unlock_token is None:
        return _(
            "The %(noun)s has not given its unlock token: it does so once a passcode is set. Check in, then look again."
        ) % {"noun": noun(device)}
    return ""


def _explain_restart(device: Device) -> str:
    if is_mac(device):
        return _(
            "Asks the Mac’s user to restart it, and they can put it off. With nobody logged in, it restarts at once."
        )
    return _("Restarts the %(noun)s at once.") % {"noun": noun(device)}


def _refuse_restart(device: Device) -> str:
    """By device.restart.yaml: supervised iPhones and iPads, and Macs from the version on that asks their user."""
    if _is_user_enrolled(device):
        return _("On a personal device, Apple lets nobody restart it from afar.")
    if is_mac(device):
        if device.waits_for_pin:
            return _("It is locked, with a PIN. “Show PIN” has it.")
        if device.os_version and is_older(device.os_version, ASKS_BEFORE_RESTART):
            return _("This needs macOS 11.4 or later, which asks the Mac’s user first.")
        return ""
    supervised = _supervised(device)
    if supervised is None:
        return _not_known_to_be_supervised(device)
    if not supervised:
        return _("Only a supervised device can be restarted from afar, and the %(noun)s is not supervised.") % {
            "noun": noun(device)
        }
    return ""


def _not_known_to_be_supervised(device: Device) -> str:
    return _("The %(noun)s has not said yet whether it is supervised. Check in, then look again.") % {
        "noun": noun(device)
    }


def _for_the_finder(device: Device, parameters: Parameters) -> dict[str, str]:
    """What the lost device's screen says (device.lostmode.enable.yaml): whose it is stands at its foot."""
    if not parameters.public():
        raise Invalid(_("Give a message or a phone number, so that whoever finds it knows what to do."))
    if device.is_personal:
        return parameters.public()
    return {
        **parameters.public(),
        "footnote": _("Property of %(organisation)s") % {"organisation": organisation.current().name},
    }


def _explain_lost(device: Device) -> str:
    return _("Locks the %(noun)s with your message for whoever finds it. It stays so until it is marked as found.") % {
        "noun": noun(device)
    }


def _explain_locate(device: Device) -> str:
    return _("Asks the %(noun)s where it is. It tells whoever holds it that it was asked.") % {"noun": noun(device)}


def _explain_sound(device: Device) -> str:
    return _("Plays a sound for two minutes, or until somebody silences the %(noun)s.") % {"noun": noun(device)}


def _explain_found(device: Device) -> str:
    return _("Ends Lost Mode: the %(noun)s asks for its passcode again, as it always did.") % {"noun": noun(device)}


def _refuse_lost(device: Device) -> str:
    if is_mac(device):
        return _("Macs have no Lost Mode. Lock the Mac with a PIN and a message instead.")
    if _is_user_enrolled(device):
        return _("On a personal device, Apple leaves this to its owner: use Find My.")
    supervised = _supervised(device)
    if supervised is None:
        return _not_known_to_be_supervised(device)
    if not supervised:
        return _(
            "Lost Mode works on supervised devices only, which the %(noun)s is not. Lock it with a message instead, or "
            "use Find My."
        ) % {"noun": noun(device)}
    return ""


def _explain_retire(_device: Device) -> str:
    return _(
        "Ends management. What %(organisation)s installed is removed; personal photos, messages and apps stay."
    ) % {"organisation": organisation.current().name}


def _explain_wipe(device: Device) -> str:
    return _("Erases everything on the %(noun)s. You have a moment to undo it.") % {"noun": noun(device)}


def _refuse_wipe(device: Device) -> str:
    name = organisation.current().name
    if not _is_user_enrolled(device) and not _may(device, AccessRights.ERASE) and not device.is_personal:
        return _(
            "It was registered as its owner’s own, and its profile allows no erasing until it is registered again. "
            "Retire removes what belongs to %(organisation)s."
        ) % {"organisation": name}
    if _is_user_enrolled(device) or not _may(device, AccessRights.ERASE):
        return _(
            "It is registered as personal, so nobody at %(organisation)s can erase it, and neither can this page. "
            "Retire removes what belongs to %(organisation)s."
        ) % {"organisation": name}
    return ""


def _fates_of_wipe(device: Device) -> Fates:
    name = organisation.current().name
    erased = [
        _("Every app and its data, %(organisation)s’s and personal ones") % {"organisation": name},
        _("Photos, files and messages kept only on it"),
        _("All accounts, certificates and the passcode"),
    ]
    stays = [_("Backups, and mail or files held on servers"), _("Its entry here, with the history")]
    if models.kind(device.model) in {"iphone", "ipad"}:
        stays.insert(1, _("An eSIM, if it has one, and its phone number"))
    return Fates(erased, stays)
