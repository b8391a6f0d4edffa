"""The icon of the portal as a web clip, in the organisation's colour, where it has no logo of its own."""

import struct
import zlib
from typing import Final

BLUE: Final = "#1b54c0"
"""Where the organisation has no colour of its own."""
SIDE: Final = 180
"""Pixels: 60 points, at three pixels each."""


def picture(colour: str) -> bytes:
    """A PNG of SIDE pixels: a white phone on a ground of `colour` (`#rrggbb`)."""
    ground, white = bytes.fromhex(colour[1:]), b"\xff\xff\xff"
    rows = b"".join(b"\0" + b"".join(white if _is_drawn(x, y) else ground for x in range(SIDE)) for y in range(SIDE))
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def _is_drawn(x: int, y: int) -> bool:
    """Whether a pixel is of the phone: its frame with round corners, without its screen, with a bar below."""
    is_frame = _is_inside(x, y, 54, 28, 126, 152, 14)
    is_screen = _is_inside(x, y, 63, 37, 117, 143, 6)
    is_bar = _is_inside(x, y, 78, 130, 102, 135, 2)
    return (is_frame and not is_screen) or is_bar


def _is_inside(x: int, y: int, left: int, top: int, right: int, bottom: int, corner: int) -> bool:
    if not (left <= x < right and top <= y < bottom):
        return False
    across = max(left + corner - x, x - (right - 1 - corner), 0)
    down = max(top + corner - y, y - (bottom - 1 - corner), 0)
    return across * across + down * down <= corner * corner
