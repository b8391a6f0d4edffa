"""What can be done to a device, and if not, why not: the platform's word first, then the rules that hold everywhere."""

from collections.abc import Mapping
from dataclasses import replace

from django.utils.translation import gettext as _

from mydevices.devices.models import Device, Registration
from mydevices.platforms import port
from mydevices.platforms.port import ActionKind, Capability


def of(device: Device) -> Mapping[ActionKind, Capability]:
    """Each action with what it does, or the reason why it is not possible now. Asks the database nothing when
    `device.registration` is loaded."""
    platform = port.adapter_for(device.platform).capabilities(device)
    return {kind: _by_rule(device, capability) for kind, capability in platform.items()}


def _by_rule(device: Device, capability: Capability) -> Capability:
    reason = _ended(device)
    if not reason and not capability.reason:
        reason = _of_the_lost(capability.kind) if device.is_lost else _of_what_is_not_lost(capability.kind)
    return replace(capability, reason=reason) if reason else capability


def _of_the_lost(kind: ActionKind) -> str:
    return {
        ActionKind.UNLOCK: _("It is marked lost. Whoever holds it could use it; say that you found it first."),
        ActionKind.LOCK: _("It is marked lost, and locked until you say that you found it."),
        ActionKind.RETIRE: _("It is marked lost, and would stay locked for ever. Say that you found it first."),
    }.get(kind, "")


def _of_what_is_not_lost(kind: ActionKind) -> str:
    return {
        ActionKind.LOCATE: _("Only a lost device says where it is. Mark it as lost first."),
        ActionKind.SOUND: _("Only a lost device plays a sound. Mark it as lost first."),
        ActionKind.FOUND: _("It is not marked lost."),
    }.get(kind, "")


def _erased(registration: Registration) -> str:
    if registration.heard_after_wipe_at is not None:
        return _(
            "It was told to erase itself, but still talks to this server. It is told again whenever it asks. Once you "
            "have it in your hands, erase it there, or register it again to keep it as it is."
        )
    if registration.is_presumed_ended:
        return _("It was told to erase itself and has not been heard of since. Register it again to do more with it.")
    return _("It was erased. Register it again to do more with it.")


def _ended(device: Device) -> str:
    registration = device.registration
    if registration is None or registration.state == Registration.State.PENDING:
        return _("It has not finished its registration yet.")
    return {
        Registration.State.RETIRED.value: _("It is no longer managed. Register it again to do more with it."),
        Registration.State.WIPED.value: _erased(registration),
        Registration.State.REPLACED.value: _("It is no longer managed. Register it again to do more with it."),
    }.get(registration.state, "")
