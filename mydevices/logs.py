"""What may be written down of a path: never a ticket's code or a link's token. Whoever reads a log could spend them."""

import logging
import re
from typing import Final

# What may be a code or a token in a path: what follows the addresses that have one, and elsewhere a segment of at least
# ten characters with a digit among them that is not the UUID of a row.
_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:/|$)"
_TOKEN: Final = re.compile(
    r"(?<=^/r/)[^/]+|(?<=^/setup/).+|(?<=^/invitation/)[^/]+|(?<=^/sign-in/forgotten/).+|"
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
