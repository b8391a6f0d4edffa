from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from mydevices.accounts.models import Person
from mydevices.errors import NotFound
from mydevices.registration.models import Ticket


def open_tickets(person: Person, now: datetime) -> QuerySet[Ticket]:
    """A person's registrations that somebody could still use, newest first."""
    return Ticket.objects.filter(person=person, used_at=None, revoked_at=None, expires_at__gt=now).order_by(
        "-created_at"
    )


def ticket_of(person: Person, ticket_id: UUID) -> Ticket:
    """One of this person's tickets, whatever became of it. Raises NotFound for everybody else's."""
    ticket = Ticket.objects.select_related("person", "challenge", "device").filter(person=person, id=ticket_id).first()
    if ticket is None:
        raise NotFound("There is no such registration.")
    return ticket
