"""Seal and open single fields: envelope encryption with AES-256-GCM.

Every value has a data key of its own, which is wrapped by the master key. A sealed value:

    offset  bytes
    0       1     version, 1
    1       8     id of the master key
    9       12    nonce of the wrapping
    21      48    data key (32) under the master key, with its tag (16)
    69      12    nonce of the value
    81      n+16  value under the data key, with its tag

The value is bound to its place: table, column, row and owner are associated data, so that a sealed value that is copied
to another row does not open there. The wrapping is bound to the version and the master key's id only, so that a
rotation can wrap the data key anew without knowing the place, and without touching the value.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db.models import BinaryField, F, Func, Value

from mydevices.errors import CannotOpen, Conflict
from mydevices.vault import registry
from mydevices.vault.models import KnownKey

VERSION = 1
_ID = slice(1, 9)
_WRAP_NONCE = slice(9, 21)
_WRAPPED = slice(21, 69)
_NONCE = slice(69, 81)
_VALUE = slice(81, None)
_SHORTEST = 81 + 16

Reference = str | int | UUID
"""How a row or an owner is named: by its primary key."""


class _Keys:
    """The master keys by id; the first is the one that seals."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.ciphers = {identify(key): AESGCM(key) for key in keys}
        self.current = identify(keys[0])


@lru_cache(maxsize=8)
def _prepared(keys: tuple[bytes, ...]) -> _Keys:
    return _Keys(keys)


def _keys() -> _Keys:
    if not settings.MASTER_KEYS:
        raise Conflict("There is no master key yet. Start the server once: ./run serve")
    return _prepared(tuple(settings.MASTER_KEYS))


def identify(key: bytes) -> bytes:
    """The id of a master key: 8 bytes that tell it from others and say nothing about it."""
    return hashlib.sha256(b"mydevices master key\0" + key).digest()[:8]


def identify_secret_key(key: str) -> str:
    """The id of a key that signs sessions and links: tells it from others and says nothing about it."""
    return hashlib.sha256(b"mydevices secret key\0" + key.encode()).hexdigest()[:16]


def know_secret_key(keys: Sequence[str]) -> bool:
    """Compare the secret keys of this server, newest first, with the one of this database. At the first start it is
    noted down; an older one gives way to the newest, and then this is True.

    Raises Conflict when the database goes with none of them: what is signed with one key is refused by another."""
    newest, *older = [identify_secret_key(key) for key in keys]
    known, _is_first = KnownKey.objects.get_or_create(name=_SECRET, defaults={"identifier": newest})
    if known.identifier == newest:
        return False
    if known.identifier not in older:
        raise Conflict("The database goes with another secret key.")
    return bool(KnownKey.objects.filter(name=_SECRET, identifier=known.identifier).update(identifier=newest))


def knows_secret_key() -> bool:
    """Whether this database goes with some secret key already."""
    return KnownKey.objects.filter(name=_SECRET).exists()


def accept_secret_key(key: str) -> bool:
    """From now on the database goes with this secret key, whichever it went with. False when it did already."""
    identifier = identify_secret_key(key)
    _known, is_first = KnownKey.objects.get_or_create(name=_SECRET, defaults={"identifier": identifier})
    return is_first or bool(
        KnownKey.objects.filter(name=_SECRET).exclude(identifier=identifier).update(identifier=identifier)
    )


_SECRET = "secret"  # noqa: S105  the name of a row


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value is stored, and whose it is: it opens nowhere else. Whoever changes a place that is in use
    loses what was sealed there."""

    table: str
    column: str
    row: Reference
    """The primary key of the row."""
    owner: Reference
    """That of whom it belongs to: a person, a device."""

    def associated_data(self) -> bytes:
        """What the encryption binds the value to. Each part carries its length, so that no two places look alike."""
        parts = [part.encode() for part in (self.table, self.column, str(self.row), str(self.owner))]
        return bytes([VERSION]) + b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def seal(plaintext: bytes, place: Place) -> bytes:
    """Encrypt a value for one place. The same value sealed twice gives different bytes."""
    keys = _keys()
    data_key = AESGCM.generate_key(256)
    nonce = os.urandom(12)
    ciphertext = AESGCM(data_key).encrypt(nonce, plaintext, place.associated_data())
    return _wrap(keys, data_key) + nonce + ciphertext


def open_sealed(sealed: bytes | memoryview, place: Place) -> bytes:
    """Decrypt what `seal` gave for the same place. Raises CannotOpen for anything else."""
    blob = bytes(sealed)
    data_key = _unwrap(_keys(), blob)
    try:
        return AESGCM(data_key).decrypt(blob[_NONCE], blob[_VALUE], place.associated_data())
    except InvalidTag:
        raise CannotOpen("A sealed value does not open: it is damaged, or was copied from another place.") from None


def rewrap(sealed: bytes | memoryview) -> bytes:
    """The same sealed value with its data key wrapped by the current master key; the encrypted value stays as it is.

    Raises CannotOpen when its master key is not among those given, or the wrapping is damaged.
    """
    keys = _keys()
    blob = bytes(sealed)
    return _wrap(keys, _unwrap(keys, blob)) + blob[_NONCE.start :]


def key_id(sealed: bytes | memoryview) -> bytes:
    """The id (8 bytes) of the master key that a sealed value needs. Raises CannotOpen for what was never sealed."""
    blob = bytes(sealed)
    if len(blob) < _SHORTEST or blob[0] != VERSION:
        raise CannotOpen("This is not a sealed value.")
    return blob[_ID]


def current_key_id() -> bytes:
    """The id (8 bytes) of the master key that seals now."""
    return _keys().current


def known_key_ids() -> list[bytes]:
    """The ids of all master keys given, the current one first; empty where there is none."""
    return list(_keys().ciphers) if settings.MASTER_KEYS else []


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did: `rewrapped` values moved, `unreadable` ones open with no key given, and `remaining` ones
    (with the unreadable) still need another than the current key. Keep the old key until `remaining` is 0."""

    rewrapped: int = 0
    unreadable: int = 0
    remaining: int = 0


def rotate(batch: int = 200) -> Rotation:
    """Bring every registered sealed column under the current master key, while the server runs.

    Each row is moved by compare-and-swap on its old bytes, in a statement of its own: a row that changes meanwhile is
    left as it is, and no transaction holds two rows. Safe to interrupt and to run twice at once.
    """
    total = Rotation()
    for column in registry.columns():
        total = _rotate_column(column, batch, total)
    for place in registry.places():
        total = _rotate_place(place, total)
    return total


def _rotate_place(place: registry.Elsewhere, total: Rotation) -> Rotation:
    for where, sealed in place.values():
        if key_id(sealed) == current_key_id():
            continue
        try:
            moved = place.move(where, sealed, rewrap(sealed))
        except CannotOpen:
            total = replace(total, unreadable=total.unreadable + 1, remaining=total.remaining + 1)
            continue
        if moved:
            total = replace(total, rewrapped=total.rewrapped + 1)
        else:
            total = replace(total, remaining=total.remaining + 1)  # it changed meanwhile: the next rotation sees
    return total


def _rotate_column(column: registry.Column, batch: int, total: Rotation) -> Rotation:
    rows = column.model._base_manager.alias(  # noqa: SLF001  every row, whatever the model's own manager hides
        wrapped_by=wrapped_by(column.field)
    ).exclude(wrapped_by=current_key_id())
    last: object = None
    while True:
        following = rows if last is None else rows.filter(pk__gt=last)
        found = list(following.order_by("pk").values_list("pk", column.field)[:batch])
        for pk, sealed in found:
            try:
                wrapped = rewrap(sealed)
            except CannotOpen:
                total = replace(total, unreadable=total.unreadable + 1)
                continue
            moved = rows.filter(pk=pk, **{column.field: bytes(sealed)}).update(**{column.field: wrapped})
            total = replace(total, rewrapped=total.rewrapped + moved)
        if len(found) < batch:
            return replace(total, remaining=total.remaining + rows.count())
        last = found[-1][0]


def wrapped_by(field: str) -> Func:
    """For queries: the id of the master key that the sealed column `field` needs; null where the column is."""
    return Func(
        F(field), Value(_ID.start + 1), Value(_ID.stop - _ID.start), function="SUBSTR", output_field=BinaryField()
    )


def _wrap(keys: _Keys, data_key: bytes) -> bytes:
    header = bytes([VERSION]) + keys.current
    nonce = os.urandom(12)
    return header + nonce + keys.ciphers[keys.current].encrypt(nonce, data_key, header)


def _unwrap(keys: _Keys, blob: bytes) -> bytes:
    try:
        cipher = keys.ciphers[key_id(blob)]
        return cipher.decrypt(blob[_WRAP_NONCE], blob[_WRAPPED], blob[: _ID.stop])
    except KeyError:
        raise CannotOpen("A sealed value needs a master key that is not given here.") from None
    except InvalidTag:
        raise CannotOpen("A sealed value does not open: it is damaged.") from None
