"""The PINs that computers were locked or erased with: sealed with their action, shown to the owner alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.commands.models import Action
from mydevices.devices.models import Device
from mydevices.errors import NotAllowed
from mydevices.vault import services as vault


def secret_place(action_id: UUID, device_id: UUID) -> vault.Place:
    """Where an action's secret is sealed to: it opens nowhere else."""
    return vault.Place("commands_action", "secret", row=action_id, owner=device_id)


def sealed(secret: bytes, *, action_id: UUID, device_id: UUID) -> bytes:
    """For the column of its action."""
    return vault.seal(secret, secret_place(action_id, device_id))


@dataclass(frozen=True, slots=True)
class Pin:
    """A PIN that a computer was, or may have been, locked or erased with."""

    value: str
    kind: str
    requested_at: datetime


def reveal_pins(*, device: Device, actor: Actor, now: datetime | None = None) -> Sequence[Pin]:
    """Every PIN that may have reached this device, newest first. For its owner alone, freshly authenticated, and
    recorded."""
    now = now or timezone.now()
    if actor.id != str(device.owner_id):
        raise NotAllowed(_("Only its owner can see the PIN."))
    actor.require_fresh(now)
    actions = (
        Action.objects.filter(device=device, secret__isnull=False, commands__sent_at__isnull=False)
        .distinct()
        .order_by("-requested_at")
    )
    pins = [
        Pin(
            value=vault.open_sealed(bytes(action.secret or b""), secret_place(action.id, device.id)).decode(),
            kind=action.kind,
            requested_at=action.requested_at,
        )
        for action in actions
    ]
    if pins:
        audit.record(
            Verb.PIN_REVEALED,
            actor=actor,
            device=device,
            details={"how_many": len(pins)},
        )
    return pins
