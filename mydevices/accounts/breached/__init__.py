"""Passwords that are tried first, because they were found in breaches: a sorted list of digests, read once per process.

The file holds the first five bytes of each password's SHA-256 (small letters), sorted and without gaps: 40 bits leave
a chance of one in six million that a password is taken for one of them. `manifest.json` says where they come from.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("passwords.bin")
WIDTH: Final = 5
SHORTEST: Final = 4
"""Characters; shorter ones say nothing about a part of a password, and none of them is long enough to be one."""


def digest(password: str) -> bytes:
    return hashlib.sha256(password.casefold().encode(errors="replace")).digest()[:WIDTH]


def pack(passwords: Iterable[str]) -> bytes:
    """The file's content from the passwords themselves: how it is made anew from longer lists."""
    return b"".join(sorted({digest(one) for one in passwords if len(one) >= SHORTEST and one.isprintable()}))


class _Digests:
    """The records of the file, for bisect."""

    def __init__(self, packed: bytes) -> None:
        self.packed = packed

    def __len__(self) -> int:
        return len(self.packed) // WIDTH

    def __getitem__(self, number: int) -> bytes:
        return self.packed[number * WIDTH : (number + 1) * WIDTH]


@cache
def _known() -> _Digests:
    return _Digests(FILE.read_bytes())


def holds(password: str) -> bool:
    """Whether it is one of them, whatever its capital letters."""
    if len(password) < SHORTEST:
        return False
    wanted, known = digest(password), _known()
    place = bisect_left(known, wanted)
    return place < len(known) and known[place] == wanted
