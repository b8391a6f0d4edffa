"""What can be done to a device by whom, and if not, why not: the platform's word first, then the rules that hold
everywhere, then what policies decide."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from django.utils.translation import gettext as _

from mydevices.actions import ACTIONS, ActionKind
from mydevices.audit.actor import Actor
from mydevices.devices.models import Device, Registration
from mydevices.policies import helpdesk, selectors
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.port.actions import Capability
from mydevices.port.platform import platform_of


def of(device: Device, actor: Actor | None = None) -> Mapping[ActionKind, Capability]:
    """Each action with what it does, or the reason why it is not possible now. Asks the database nothing when the
    device comes from `devices.selectors`.

    With an `actor`, policies count: what its owner may do by themselves, and what others may do to it. Rights are not
    asked here. Without one, or for the server itself, it is what the device can do."""
    platform = platform_of(device).capabilities(device)
    return {kind: _by_rule(device, capability, actor) for kind, capability in platform.items()}


def of_others(device: Device) -> Mapping[ActionKind, Capability]:
    """What administrators could ever ask of a device, whatever state it happens to be in: what neither the device nor a
    policy forbids them. Asks the database nothing when the device comes from `devices.selectors`."""
    found = {}
    for kind, capability in platform_of(device).capabilities(device).items():
        reason, policy = _by_policy(device, kind, _SOMEBODY)
        found[kind] = replace(capability, reason=reason, policy=policy) if reason else capability
    return found


_SOMEBODY: Final = Actor(kind="person")
"""Anybody but the owner."""


def _by_rule(device: Device, capability: Capability, actor: Actor | None) -> Capability:
    reason = _ended(device)
    if reason:
        return replace(capability, reason=reason)
    if actor is not None and not actor.may_ask(capability.kind.value):
        return replace(
            capability, reason=_("You signed in with your password alone, and this needs your second factor.")
        )
    forbidden, policy = _by_policy(device, capability.kind, actor)
    if forbidden:
        return replace(capability, reason=forbidden, policy=policy)
    if not capability.reason:
        rules = ACTIONS[capability.kind]
        reason = str(rules.not_while_lost if device.is_lost else rules.only_while_lost)
    return replace(capability, reason=reason) if reason else capability


def _by_policy(device: Device, kind: ActionKind, actor: Actor | None) -> tuple[str, str]:
    """Why a policy forbids it to this actor, and which; nothing where none does."""
    if actor is None or actor.kind == "system":
        return "", ""
    rules = ACTIONS[kind]
    service = selectors.of_device(device, SelfServiceRules)
    if actor.kind == "person" and actor.id == str(device.owner_id):
        if not rules.permission or service.values.allows(rules.permission):
            return "", ""
        policy = service.policy_name
        text = _("The policy “%(policy)s” does not let you do this yourself.")
    else:
        privacy = selectors.of_device(device, Privacy)
        if not rules.others_only_if or getattr(privacy.values, rules.others_only_if):
            return "", ""
        policy, text = privacy.policy_name, str(rules.others_refused)
    ask = helpdesk.of(service.values).whom_to_ask()
    return " ".join(part for part in (text % {"policy": policy}, ask) if part), policy


def _erased(registration: Registration) -> str:
    if registration.heard_after_wipe_at is not None:
        return _(
            "It was told to erase itself, but still talks to this server. It is told again whenever it asks. "
            "Whoever has it in their hands can erase it there, or register it again to keep it as it is."
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
