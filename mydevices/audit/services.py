import hashlib
import json
import re
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
SECRETS: Final = frozenset(
    {"challenge", "code", "credential", "key", "passcode", "passphrase", "password", "pin", "secret", "token"}
)
LONGEST: Final = 500
"""Characters of a text among the details."""
CHUNK: Final = 1000
LIMITED_MAY: Final = frozenset({Verb.SIGNED_IN_LIMITED, Verb.SIGNED_OUT, Verb.POSITION_SEEN, Verb.ACTION_REQUESTED})
"""All that can happen by somebody who has given their password alone; of actions, those of `actor.LIMITED_TO`."""


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

    `details` takes flat public values; long texts are cut. Raises ValueError for other values, and for a name with a
    word in it that sounds like a secret ("pin", "unlock_token"): such a thing is not for here.

    Every verb that changes something comes here, in its own transaction. So this is where a limited session ends:
    raises LimitedSession for whatever is not named as open to one, and with it goes what the verb has done.
    """
    details = dict(details or {})
    if actor.is_limited:
        action = str(details.get("action", ""))
        if verb not in LIMITED_MAY or (verb == Verb.ACTION_REQUESTED and not actor.may_ask(action)):
            actor.require_full()
        details["limited"] = True
    return Entry.objects.create(
        at=timezone.now(),
        verb=verb,
        actor_kind=actor.kind,
        actor_id=_text(actor.id, 64),
        actor_name=_text(actor.name, 200),
        actor_role=_text(actor.role, 32),
        address=_text(actor.address, 64),
        device_id=str(device_id or ""),
        device_name=_text(device_name, 200),
        person_id=str(person_id or ""),
        person_name=_text(person_name, 200),
        action_id=str(action_id or ""),
        outcome=_text(outcome, 32),
        details={name: _public(name, value) for name, value in details.items()},
    )


def _public(name: str, value: Detail) -> Detail:
    words = re.split(r"[^a-z]+", name.lower())
    if any(word in SECRETS or word.removesuffix("s") in SECRETS for word in words):
        raise ValueError(f"“{name}” sounds like a secret, and the audit keeps none.")
    if not isinstance(value, str | int):  # bool is an int
        raise ValueError(f"“{name}” is neither text nor a number nor yes or no.")  # noqa: TRY004  one error for details
    return _text(value, LONGEST) if isinstance(value, str) else value


def _text(value: str, longest: int) -> str:
    """Text that both databases can keep: names come from devices, and an entry must not fail because of one."""
    return value.replace("\0", "").encode(errors="replace").decode()[:longest]


def seal_committed(*, everything: bool = False, limit: int = 5000) -> int:
    """Add committed entries to the chain; the number added. Called by the worker.

    Entries can be committed in another order than that of their ids. So the chain has an order of its own, that of
    sealing: whatever can be seen and is not sealed yet is sealed now, and what is committed later is sealed later. A
    quick round looks back a little, one with `everything` at the whole table.

    Of two rounds at the same time one adds nothing: both would continue the same link, and only one may.
    """
    unsealed = Entry.objects.filter(~Exists(Seal.objects.filter(entry_id=OuterRef("id")))).order_by("id")
    if not everything:
        newest = Seal.objects.aggregate(newest=Max("entry_id"))["newest"] or 0
        unsealed = unsealed.filter(id__gt=newest - LOOK_BACK)
    if not unsealed.exists():
        return 0  # without keeping other writers out of SQLite
    links: list[Seal] = []
    try:
        with transaction.atomic():
            last = Seal.objects.order_by("-id").first()
            previous = last.hash if last else BEGINNING
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
    """Compute the whole chain anew from the entries as they stand, and tell the first place where it does not hold.

    Entries and seals may be added meanwhile: they are only ever added at the end.
    """
    previous, sealed, last = BEGINNING, 0, 0
    while links := list(Seal.objects.filter(id__gt=last).order_by("id")[:CHUNK]):
        entries = Entry.objects.in_bulk([link.entry_id for link in links])
        for link in links:
            reason = _fault(link, previous, entries.get(link.entry_id))
            if reason:
                return Verdict(sealed, _count_unsealed(), previous, link.entry_id, reason)
            previous = link.hash
            sealed += 1
        last = links[-1].pk
    return Verdict(sealed, _count_unsealed(), previous)


def _fault(link: Seal, previous: str, entry: Entry | None) -> str:
    if link.previous_hash != previous:
        return "A link of the chain before it is gone or was changed."
    if entry is None:
        return "The entry is gone."
    if _hash(previous, entry) != link.hash:
        return "The entry is not as it was when it was sealed."
    return ""


def _count_unsealed() -> int:
    return Entry.objects.filter(~Exists(Seal.objects.filter(entry_id=OuterRef("id")))).count()
