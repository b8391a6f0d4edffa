"""Master keys: 32 random bytes each, in base64; the first is current, the others still open what they sealed.

They come from the environment or from a file that only its owner may read. A lost master key loses everything that it
sealed.
"""

import base64
import binascii
import os
import re
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mydevices.errors import Invalid

LENGTH = 32
"""Bytes: AES-256."""


def parse(text: str) -> list[bytes]:
    """Master keys from text: base64 of 32 bytes each, parted by commas or white space, newest first; # begins a note.

    Raises Invalid, without the text: it may be a key with a typing error.
    """
    words = re.split(r"[,\s]+", re.sub(r"#.*", "", text).strip())
    keys: list[bytes] = []
    for number, word in enumerate(filter(None, words), start=1):
        try:
            key = base64.b64decode(word, validate=True)
        except (binascii.Error, ValueError):
            raise Invalid(f"Master key {number} is not base64.") from None
        if len(key) != LENGTH:
            raise Invalid(f"Master key {number} has {len(key)} bytes and needs {LENGTH}.")
        if key in keys:
            raise Invalid(f"Master key {number} is given twice.")
        keys.append(key)
    if not keys:
        raise Invalid("There is no master key. Make one with: openssl rand -base64 32")
    return keys


def create_file(path: Path) -> None:
    """Write a new master key to `path`, readable by its owner only.

    Raises FileExistsError rather than put a new key in the place of one that something may be sealed with.
    """
    _write_once(path, base64.b64encode(secrets.token_bytes(LENGTH)) + b"\n")


def create_secret_file(path: Path) -> None:
    """The same for a secret key, with which nothing is sealed."""
    _write_once(path, secrets.token_urlsafe(48).encode())


def make_missing(path: Path, create: Callable[[Path], None]) -> None:
    """Have a file of keys made if there is none. Starts at the same time agree on one. Ends the program with one line
    where it can't be made."""
    if path.exists():
        return
    try:
        with suppress(FileExistsError):  # another process of this first start was faster
            create(path)
    except OSError as error:
        raise SystemExit(f"The key {path} can’t be made: {error.strerror}.") from error


def secret_keys(value: str, path: Path) -> list[str]:
    """What signs sessions and links, the newest first, the others still verify: from `value`, parted by commas, or else
    from the file `path`. None where there is no such file: it isn't made on the way, because most commands need no key
    (`cli.start` makes it). Ends the program with one line when it can't be read."""
    name = "MYDEVICES_SECRET_KEY" if value else str(path)
    if not value and not path.exists():
        return []
    try:
        keys = [key.strip() for key in (value or path.read_text(encoding="ascii")).split(",")]
    except OSError as error:
        raise SystemExit(f"The secret key {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise SystemExit(f"{path}: not a file of secret keys.") from None
    if not all(keys):
        raise SystemExit(f"{name}: there is no key, or none beside a comma. Make one with: openssl rand -base64 48")
    return keys


def _write_once(path: Path, content: bytes) -> None:
    """The file appears whole or not at all, and is on the disk before this returns. Raises FileExistsError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike rename, this refuses to overwrite
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load(value: str, path: Path) -> list[bytes]:
    """The master keys of this process: from `value`, or else from the file `path`. None where there is no such file: it
    isn't made on the way, so that a start that is refused leaves no new key beside an old database.

    Ends the program with one line for keys that cannot be used: nothing works without them.
    """
    try:
        if value:
            return parse(value)
        return parse(path.read_text(encoding="ascii")) if path.exists() else []
    except Invalid as error:
        raise SystemExit(f"{'MYDEVICES_MASTER_KEY' if value else path}: {error.message}") from None
    except UnicodeDecodeError:
        raise SystemExit(f"{path}: not a file of master keys.") from None
    except OSError as error:
        raise SystemExit(f"The master key {path} cannot be read: {error.strerror}.") from error


def is_private(path: Path) -> bool:
    """Whether only the owner may read and write this file."""
    return not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
