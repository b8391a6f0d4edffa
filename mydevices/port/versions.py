"""Versions of systems, as devices say them: “17.4.1”."""

import re
from typing import Final

_VERSION: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){0,3}", re.ASCII)


def is_whole_version(text: str) -> bool:
    """Whether a text is a version and nothing else."""
    return _VERSION.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Whether a device says its version in a way that can be compared."""
    return _VERSION.match(text) is not None


def is_older(version: str, minimum: str) -> bool:
    """Whether a version, as a device says it (“17.4.1”), is below the minimum. One that cannot be read is."""
    if not minimum:
        return False
    match = _VERSION.match(version)
    if match is None:
        return True
    return _numbers(match[0]) < _numbers(minimum)


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()  # 17.0 is 17
    return tuple(numbers)
