import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, Max, OuterRef
from django.utils import timezone

from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry, Seal
from mydevices.audit.verbs import Verb

Detail = str | int | bool

BEGINNING: Final = "0" * 64
LOOK_BACK: Final = 2000
"""How many entries before the newest sealed one a quick round looks at: those that were committed out of order."""
SECRETS: Final = ("pin", "passw", "passcode", "token", "secret", "key", "challenge")
LONGEST: Final = 500


def record(
    verb: Verb,
    *,
    actor: Actor,
    device_id: UUID | None = None,
    device_name: str = "",
    person_id: UUID | None = None,
    person_name: str = "",
    action_id: UUID | None = None,
    outcome: str = "",
    details: Mapping[str, Detail] | None = None,
) -> Entry:
    """Write one entry, in the caller's transaction: it stands if and only if what it tells of does.

    `details` takes flat public values. Raises ValueError for a name that sounds like a secret: such a thing is not for here."""
    return Entry.objects.create(
        at=timezone.now(),
        verb=verb,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name[:200],
        actor_role=actor.role,
        address=actor.address,
        device_id=str(device_id or ""),
        device_name=device_name[:200],
        person_id=str(person_id or ""),
        person_name=person_name[:200],
        action_id=str(action_id or ""),
        outcome=outcome,
        details={name: _public(name, value) for name, value in (details or {}).items()},
    )


def _public(name: str, value: Detail) -> Detail:
    if any(word in name.lower() for word in SECRETS):
        raise ValueError(f"“{name}” sounds like a secret, and the audit keeps none.")
    return value[:LONGEST] if isinstance(value, str) else value


def seal_committed(*, everything: bool = False, limit: int = 5000) -> int:
    """Add committed entries to the chain; the number added. Called by the worker; a second one at the same time adds none.

    Entries can be committed in another order than their ids: whatever is not sealed yet is sealed now, so the order of the
    chain is that of sealing. A quick round looks back a little, one with `everything` at the whole table."""
    unsealed = Entry.objects.filter(~Exists(Seal.objects.filter(entry_id=OuterRef("id")))).order_by("id")
    if not everything:
        newest = Seal.objects.aggregate(newest=Max("entry_id"))["newest"] or 0
        unsealed = unsealed.filter(id__gt=newest - LOOK_BACK)
    try:
        with transaction.atomic():
            last = Seal.objects.order_by("-id").first()
            previous = last.hash if last else BEGINNING
            links = []
            for entry in unsealed[:limit]:
                link = Seal(entry_id=entry.pk, previous_hash=previous, hash=_hash(previous, entry))
                previous = link.hash
                links.append(link)
            Seal.objects.bulk_create(links)
    except IntegrityError:
        return 0
    return len(links)


def _hash(previous: str, entry: Entry) -> str:
    fields = {
        field.attname: value.isoformat() if hasattr(value := getattr(entry, field.attname), "isoformat") else value
        for field in Entry._meta.concrete_fields  # noqa: SLF001  Django's documented way to the fields
    }
    text = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the chain found. `head` is the hash to note down elsewhere: a chain cut off at its end shows only
    against such a note."""

    sealed: int
    unsealed: int
    head: str
    broken_at: int | None = None
    reason: str = ""


def verify() -> Verdict:
    """Compute the whole chain anew from the entries as they stand, and tell the first place where it does not hold."""
    previous = BEGINNING
    sealed = 0
    entries = Entry.objects.in_bulk
    batch: list[Seal] = []
    total = Seal.objects.count()
    for link in Seal.objects.order_by("id").iterator(chunk_size=2000):
        batch.append(link)
        if len(batch) < 2000 and sealed + len(batch) < total:
            continue
        known = entries([item.entry_id for item in batch])
        for item in batch:
            entry = known.get(item.entry_id)
            if entry is None:
                return Verdict(sealed, 0, previous, item.entry_id, "The entry is gone.")
            if item.previous_hash != previous:
                return Verdict(sealed, 0, previous, item.entry_id, "A link of the chain before it is gone.")
            if _hash(previous, entry) != item.hash:
                return Verdict(sealed, 0, previous, item.entry_id, "The entry is not as it was when it was sealed.")
            previous = item.hash
            sealed += 1
        batch = []
    return Verdict(sealed, Entry.objects.count() - sealed, previous)
