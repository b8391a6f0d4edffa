"""What the audit keeps of tickets and lives."""

from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.devices.models import Device, Registration
from mydevices.registration.models import Ticket


def of_ticket(verb: Verb, *, ticket: Ticket, actor: Actor, device: Device | None = None) -> None:
    audit.record(
        verb,
        actor=actor,
        device=device,
        person=ticket.person,
        details={"ownership": ticket.ownership, "ticket": str(ticket.id)},
    )


def of_life(verb: Verb, registration: Registration, reason: str = "") -> None:
    device = registration.device
    audit.record(
        verb,
        actor=Actor.device(str(device.id), device.name),
        device=device,
        details={"reason": reason} if reason else {},
    )
