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
    if not reason and device.is_lost and capability.kind == ActionKind.UNLOCK:
        reason = _("It is marked lost. Whoever holds it could use it; say that you found it first.")
    return replace(capability, reason=reason) if reason else capability


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
