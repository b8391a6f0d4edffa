"""The chain over the audit's entries: each link is a keyed hash (HMAC-SHA-256) of the link before and of one entry.

The key is the audit's own. It is sealed by the master key like every secret, so somebody who can write to the database
and has no master key can't compute a link. A new master key wraps it anew, and the links stay as they are.

Keys have a history (`models.ChainKey`). Each begins with a seam: a digest over all entries that were sealed before it,
signed with the new key. That is how entries from the time before there was a key are held, too.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, Max, OuterRef
from django.utils import timezone

from mydevices.audit.models import ChainKey, Entry, Seal
from mydevices.errors import CannotOpen, Conflict
from mydevices.vault import services as vault

BEGINNING: Final = "0" * 64
LOOK_BACK: Final = 2000
"""How many entries before the newest sealed one a quick round looks at: those that were committed out of order."""
CHUNK: Final = 1000
_LENGTH: Final = 32
"""Bytes of a key."""
_LOCK: Final = 0x41756474  # any number that means nothing else in this database: the ASCII of "Audt"
MISSING: Final = (
    "The key of the audit’s chain is not in the database, although entries were sealed with one. Put back the database "
    "from its backup. If that can’t be: ./run manage audit_begin_anew"
)


def seal_committed(*, everything: bool = False, limit: int = 5000) -> int:
    """Add committed entries to the chain; the number added. Called by the worker.

    Entries can be committed in another order than that of their ids. So the chain has an order of its own, that of
    sealing: whatever can be seen and is not sealed yet is sealed now, and what is committed later is sealed later. A
    quick round looks back a little, one with `everything` at the whole table.

    Of two rounds at the same time one waits for the other. Raises Conflict where there is no key to go on with: a new
    one is never made on the way, because then deleting it would be enough to forge everything."""
    unsealed = Entry.objects.filter(~Exists(Seal.objects.filter(entry_id=OuterRef("id")))).order_by("id")
    if not everything:
        newest = Seal.objects.aggregate(newest=Max("entry_id"))["newest"] or 0
        unsealed = unsealed.filter(id__gt=newest - LOOK_BACK)
    if not unsealed.exists():
        return 0  # without keeping other writers out of SQLite
    links: list[Seal] = []
    try:
        with transaction.atomic():
            _take_turns()
            key = ChainKey.objects.order_by("-number").first()
            if key is None:
                raise Conflict(MISSING)
            secret = _opened(key)
            last = Seal.objects.filter(id__gt=key.after_seal).order_by("-id").first()
            previous = last.hash if last else key.hash
            for entry in unsealed[:limit]:
                link = Seal(entry_id=entry.pk, previous_hash=previous, hash=_keyed(secret, previous, _text(entry)))
                previous = link.hash
                links.append(link)
            Seal.objects.bulk_create(links)
    except IntegrityError:
        return 0
    return len(links)


def has_table() -> bool:
    """Whether the migration that brings the key was applied: others can be without it."""
    return ChainKey._meta.db_table in connection.introspection.table_names()  # noqa: SLF001  Django's own way


def has_key() -> bool:
    return ChainKey.objects.exists()


def is_used() -> bool:
    """Whether anything was sealed."""
    return Seal.objects.exists()


def begin_anew() -> ChainKey:
    """Go on with a new key where the present one is gone or can't be opened. Raises Conflict where it can."""
    key = ChainKey.objects.order_by("-number").first()
    if key is not None:
        with suppress(CannotOpen):
            _opened(key)
            raise Conflict("The key of the audit’s chain is here and opens. There is nothing to begin anew.")
    return begin(lost=True)


@transaction.atomic
def begin(*, lost: bool = False) -> ChainKey:
    """Make a new key and go on with it. What was sealed until now is sealed once more under it, as it stands, with one
    seam: that is for the first key of a database, and for one whose key is `lost`."""
    _take_turns()
    digest, entries, last = _digest_so_far()
    secret = secrets.token_bytes(_LENGTH)
    number = (ChainKey.objects.aggregate(newest=Max("number"))["newest"] or 0) + 1
    key = ChainKey(number=number, made_at=timezone.now(), after_seal=last, entries=entries, digest=digest, lost=lost)
    key.sealed = vault.seal(secret, _place(number))
    key.hash = _seam(secret, key)
    key.save(force_insert=True)
    return key


def _digest_so_far() -> tuple[str, int, int]:
    """The digest over everything that is sealed, how much that is, and the id of its last link."""
    digest, entries, last = BEGINNING, 0, 0
    while links := list(Seal.objects.filter(id__gt=last).order_by("id")[:CHUNK]):
        found = Entry.objects.in_bulk([link.entry_id for link in links])
        for link in links:
            entry = found.get(link.entry_id)
            text = f"entry {link.entry_id} is gone" if entry is None else _text(entry)
            digest = _plain(digest, text)
            entries += 1
        last = links[-1].pk
    return digest, entries, last


def _take_turns() -> None:
    """One at a time lengthens the chain. SQLite sees to it by itself: transactions that write come one by one."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _place(number: int) -> vault.Place:
    return vault.Place("audit_chainkey", "sealed", row=number, owner="audit")


def _opened(key: ChainKey) -> bytes:
    """Raises CannotOpen."""
    return vault.open_sealed(key.sealed, _place(key.number))


def _text(entry: Entry) -> str:
    """An entry as it is hashed: every column, in an order of their names."""
    fields = {
        field.attname: value.isoformat() if hasattr(value := getattr(entry, field.attname), "isoformat") else value
        for field in Entry._meta.concrete_fields  # noqa: SLF001  Django's documented way to the fields
    }
    return json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _plain(previous: str, text: str) -> str:
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def _keyed(secret: bytes, previous: str, text: str) -> str:
    return hmac.digest(secret, f"{previous}\n{text}".encode(), "sha256").hex()


def _seam(secret: bytes, key: ChainKey) -> str:
    """Binds a key to what was sealed before it. Begins like no link does: those begin with a hash."""
    told = ["seam", key.number, key.made_at.isoformat(), key.after_seal, key.entries, key.digest, key.lost]
    return hmac.digest(secret, json.dumps(told, separators=(",", ":")).encode(), "sha256").hex()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the chain found. `head` is the hash to note down elsewhere: a chain cut off at its end shows only
    against such a note. `before_key` entries were sealed without the key that is in use now, and once under it at
    `key_made_at`: a date that nobody can explain means that somebody had the key made anew."""

    sealed: int
    unsealed: int
    head: str
    broken_at: int | None = None
    """The entry where it does not hold; None where no entry is to blame, or nothing is wrong."""
    reason: str = ""
    """Empty where the chain holds."""
    before_key: int = 0
    key_made_at: datetime | None = None
    contains: bool | None = None
    """Whether a hash that was noted down is in it; None where none was asked for."""

    @property
    def holds(self) -> bool:
        return not self.reason


class _Broken(Exception):
    def __init__(self, reason: str, at: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.at = reason, at


def verify(*, noted: str = "") -> Verdict:
    """Compute the whole chain anew from the entries as they stand, and tell the first place where it does not hold.
    `noted`: a head that was written down earlier, to be found on the way.

    Entries and seals may be added meanwhile: they are only ever added at the end."""
    keys = list(ChainKey.objects.order_by("number"))
    walk = _Walk(keys, noted)
    try:
        walk.go()
    except _Broken as broken:
        at, reason = broken.at, broken.reason
    else:
        at, reason = None, ""
    return Verdict(
        sealed=walk.sealed,
        unsealed=_count_unsealed(),
        head=walk.previous,
        broken_at=at,
        reason=reason,
        before_key=keys[-1].entries if keys else walk.sealed,
        key_made_at=keys[-1].made_at if keys else None,
        contains=walk.met if noted else None,
    )


class _Walk:
    """One way through the chain. `previous` is the last hash that was found right."""

    def __init__(self, keys: Sequence[ChainKey], noted: str) -> None:
        self._coming = list(keys)
        self._noted = noted
        self._secret: bytes | None = None
        self._is_keyed = False
        self._digest = BEGINNING
        self._needs_digest = keys[-1].after_seal if keys else 0
        self.previous = BEGINNING
        self.sealed = 0
        self.met = False

    def go(self) -> None:
        if not self._coming:
            if is_used():
                raise _Broken(MISSING)
            return
        last = 0
        self._is_keyed = self._coming[0].lost
        self._change_key(last)
        while links := list(Seal.objects.filter(id__gt=last).order_by("id")[:CHUNK]):
            entries = Entry.objects.in_bulk([link.entry_id for link in links])
            for link in links:
                self._change_key(link.pk - 1)
                self._step(link, entries.get(link.entry_id))
            last = links[-1].pk
        self._change_key(last, at_end=True)

    def _change_key(self, done: int, *, at_end: bool = False) -> None:
        """Where a key begins after the links up to `done`, go on with it, and check its seam."""
        while self._coming and (self._coming[0].after_seal <= done or at_end):
            key = self._coming.pop(0)
            is_newest = not self._coming
            when = f"{key.made_at:%Y-%m-%d %H:%M} UTC"
            try:
                self._secret = _opened(key)
            except CannotOpen:
                if is_newest:
                    raise _Broken(f"The key of {when} can’t be opened with the master key that is given.") from None
                # Its entries are held by the seam of the next key.
                self._secret = None
            if self._secret is not None and not hmac.compare_digest(_seam(self._secret, key), key.hash):
                raise _Broken(f"The record of the key of {when} was changed.")
            if self._secret is not None and (key.entries, key.digest) != (self.sealed, self._digest):
                raise _Broken(f"What was sealed before the key of {when} is not as it was then.")
            self._is_keyed = True
            self.previous = key.hash
            self._look()

    def _step(self, link: Seal, entry: Entry | None) -> None:
        # The first link under a key that is gone goes on from what only that key's record told.
        begins_unknown = self._is_keyed and self.sealed == 0 and self.previous == BEGINNING
        if link.previous_hash != self.previous and not begins_unknown:
            raise _Broken("A link of the chain before it is gone or was changed.", link.entry_id)
        if self._is_keyed and self._secret is None:
            # Sealed with a key that is lost: what it says is checked by the next seam.
            text = f"entry {link.entry_id} is gone" if entry is None else _text(entry)
        elif entry is None:
            raise _Broken("The entry is gone.", link.entry_id)
        else:
            text = _text(entry)
            right = _plain(self.previous, text)
            if self._is_keyed and self._secret is not None:
                right = _keyed(self._secret, self.previous, text)
            if not hmac.compare_digest(right, link.hash):
                raise _Broken("The entry is not as it was when it was sealed.", link.entry_id)
        if link.pk <= self._needs_digest:
            self._digest = _plain(self._digest, text)
        self.previous = link.hash
        self.sealed += 1
        self._look()

    def _look(self) -> None:
        self.met = self.met or self.previous == self._noted


def _count_unsealed() -> int:
    return Entry.objects.filter(~Exists(Seal.objects.filter(entry_id=OuterRef("id")))).count()


def head() -> tuple[str, int]:
    """The newest hash of the chain, and how many entries it holds. Raises Conflict where there is no key."""
    key = ChainKey.objects.order_by("-number").first()
    if key is None:
        raise Conflict(MISSING)
    last = Seal.objects.filter(id__gt=key.after_seal).order_by("-id").first()
    return (last.hash if last else key.hash), Seal.objects.count()
