"""How lines of the log look: their times have an offset, so that those of two machines can be put side by side. And
what may be written down of a path: never a code or a token of a link, because whoever reads a log could spend them."""

import logging
import re
import time
from functools import lru_cache
from typing import Final

# What may be a code or a token in a path: what follows the addresses that have one, and elsewhere a segment of at least
# ten characters with a digit among them that is not the UUID of a row.
_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:/|$)"
_TOKEN: Final = re.compile(
    r"(?<=^/r/)[^/]+|(?<=^/confirm/)[^/]+|(?<=^/setup/).+|(?<=^/invitation/)[^/]+|(?<=^/sign-in/forgotten/).+|"
    r"(?<=^/account/email/(?:confirm|restore)/).+|"
    rf"(?<=/)(?!{_UUID})(?=[^/]*\d)[\w:~-]{{10,}}(?=/|$)"
)
_UNPRINTABLE: Final = re.compile(r"[^!-~]|\"|\\")
_PATH: Final = re.compile(r"(?P<site>\b[a-z]+://[^/\s]*)?(?P<path>/[^\s?]*)(?P<query>\?\S*)?")
"""In a text: a path, or an address with one."""


def masked(path: str) -> str:
    """A path that may be written down: codes and tokens are left out, and it stays one word."""
    return _UNPRINTABLE.sub("?", path if path.startswith("/static/") else _TOKEN.sub("…", path)).replace("?", "…")[:200]


class MaskPaths(logging.Filter):
    """For a handler: leaves codes and tokens out of the paths that Django writes down (forbidden, not found)."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_masked_text(value) if isinstance(value, str) else value for value in record.args)
        return True


def _masked_text(text: str) -> str:
    return _PATH.sub(
        lambda found: (found["site"] or "") + masked(found["path"]) + ("?…" if found["query"] else ""), text
    )


def moment(at: float) -> str:
    """A time as each line begins with: ISO 8601, to the millisecond, with its offset."""
    second, offset = _second(int(at))
    return f"{second}.{int(at % 1 * 1000):03}{offset}"


@lru_cache(maxsize=2)
def _second(at: int) -> tuple[str, str]:
    local = time.localtime(at)
    offset = time.strftime("%z", local)
    return time.strftime("%Y-%m-%dT%H:%M:%S", local), f"{offset[:3]}:{offset[3:]}"


_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Line(logging.Formatter):
    """One line for each record, with such a time. What a stranger sent begins no line of its own; a traceback, which
    follows the line, has its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the library's
        return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", super().formatMessage(record))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802  the library's
        return moment(record.created)
