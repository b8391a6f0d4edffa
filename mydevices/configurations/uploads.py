"""What people do with their certificates, together with what follows for their devices: one transaction each.

An upload, also in place of another certificate, is sent to the devices of its owner. To change a note, to clear a key
or to delete a certificate sends nothing; to take one off the devices is a step of its own."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from mydevices.accounts.models import Person
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.certificates import selectors as certificates
from mydevices.certificates import uploads
from mydevices.certificates.models import Certificate
from mydevices.certificates.uploads import Stored
from mydevices.configurations import comparison, selectors
from mydevices.errors import NotFound, NotTheirs


def upload(
    *,
    actor: Actor,
    person: Person,
    type_id: UUID,
    data: bytes,
    password: str,
    note: str | None = None,
    now: datetime,
) -> Stored:
    """Keep a person's file as their present certificate of a type, and send it to their devices. The file is opened
    before the transaction: that takes a process, and up to seconds. Raises as `certificates.uploads.examine` and
    `store` do."""
    examined = uploads.examine(actor=actor, person=person, type_id=type_id, data=data, password=password)
    with transaction.atomic():
        stored = uploads.store(actor=actor, person=person, examined=examined, note=note, now=now)
        comparison.allow_again(person_id=person.id, type_id=type_id, fingerprint=stored.certificate.fingerprint)
        comparison.of_type(person_id=person.id, type_id=type_id, now=now)
    return stored


def replace(
    *, actor: Actor, certificate: Certificate, data: bytes, password: str, note: str | None = None, now: datetime
) -> Stored:
    """The same in place of a certificate: its owner's, for its type."""
    person, type_id = certificate.person, certificate.type_id
    return upload(actor=actor, person=person, type_id=type_id, data=data, password=password, note=note, now=now)


def annotate(*, actor: Actor, certificate: Certificate, note: str) -> Certificate:
    """Change its owner's note. Sends nothing. Raises as `certificates.uploads.annotate` does."""
    return uploads.annotate(actor=actor, certificate=certificate, note=note)


@transaction.atomic
def clear_key(*, actor: Actor, certificate: Certificate, now: datetime) -> int:
    """Delete the private key here; the number of keys deleted. Sends nothing: devices keep what they have, and those
    that still waited for it say why it does not come. Raises as `certificates.uploads.clear_key` does."""
    cleared = uploads.clear_key(actor=actor, certificate=certificate, now=now)
    comparison.lost(person_id=certificate.person_id, type_id=certificate.type_id, now=now)
    return cleared


@transaction.atomic
def delete(*, actor: Actor, certificate: Certificate, now: datetime) -> None:
    """Delete it here, with its key. Sends nothing, and devices keep what they have. Raises as
    `certificates.uploads.delete` does."""
    uploads.delete(actor=actor, certificate=certificate)
    comparison.lost(person_id=certificate.person_id, type_id=certificate.type_id, now=now)


@transaction.atomic
def remove_from_devices(*, actor: Actor, person: Person, type_id: UUID, fingerprint: str, now: datetime) -> int:
    """Take a certificate off all devices of its owner, whether it is still kept here or not: its own profiles go, and
    accounts are sent without it. It stays away until it is uploaded again. The number of devices concerned.

    Raises NotFound for what is on none of the person's devices, and for somebody else."""
    if actor.kind != "system" and not (actor.kind == "person" and actor.id == str(person.id)):
        raise NotTheirs(_("There is no such certificate."))
    of = certificates.type_by_id(type_id)
    rows = [row for row in selectors.installations(person.id, type_id) if row.carried[str(type_id)] == fingerprint]
    there = {row.channel.registration.device_id for row in rows}
    if not there:
        raise NotFound(_("This certificate is on none of your devices."))
    comparison.remove_type_from_devices(person_id=person.id, type_id=type_id, fingerprint=fingerprint, now=now)
    audit.record(
        Verb.CERTIFICATE_WITHDRAWN,
        actor=actor,
        person=person,
        details={"certificate": of.label, "fingerprint": fingerprint, "devices": len(there)},
    )
    return len(there)
