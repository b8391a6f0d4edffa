"""Types, and what people upload for them, for tests about certificates."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.audit.actor import Actor
from mydevices.certificates import types, uploads
from mydevices.certificates.models import CertificateType
from mydevices.certificates.types import TypeRules
from mydevices.certificates.uploads import Stored
from tests import factories, smime

SYSTEM = Actor.system("tests")
PASSWORD = "tulip rain seven"
ORGANISATION = smime.Organisation(
    "Aldermoor", not_before=datetime(2020, 1, 1, tzinfo=UTC), not_after=datetime(2060, 1, 1, tzinfo=UTC)
)


def type_for(purpose: str = "both", label: str = "", **rules: Any) -> CertificateType:
    return types.create(
        actor=SYSTEM,
        type_id=uuid4(),
        rules=TypeRules(label=label or f"{purpose.capitalize()} certificate", purpose=purpose, **rules),
    )


def identity_for(person: Person, **what: Any) -> smime.Identity:
    """Valid from last month for a year, for this person's address."""
    month = timedelta(days=30)
    days = {"not_before": timezone.now() - month, "not_after": timezone.now() + timedelta(days=335)} | what
    return ORGANISATION.issue(person.name, person.email, **days)


def uploaded(
    person: Person, of: CertificateType, identity: smime.Identity | None = None, *, now: datetime | None = None
) -> Stored:
    """As the person uploads it, from the file on."""
    data = (identity or identity_for(person)).exported(PASSWORD)
    actor = factories.actor(person)
    examined = uploads.examine(actor=actor, person=person, type_id=of.id, data=data, password=PASSWORD)
    return uploads.store(actor=actor, person=person, examined=examined, now=now or timezone.now())
