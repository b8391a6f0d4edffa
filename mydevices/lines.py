"""Text that is one line and can be shown: what names, descriptions and reasons have to be.

Whoever could put a line end into a name could write a paragraph of their own into other people's mails.
"""

import re
from typing import Final

_BREAK: Final = re.compile("[\t-\r\x1c-\x1e\x85\u2028\u2029]+")
_UNSHOWN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""What no page, mail or log should show: control characters, those that turn the direction of what follows, and halves
of characters. Characters that join or separate letters stay: names in Persian and pictures need them."""


def one_line(text: str) -> str:
    """The same text in one line, without what cannot be shown. For what devices and providers say, and wherever a text
    is written out."""
    if text.isprintable():
        return text
    return _UNSHOWN.sub("", _BREAK.sub(" ", text))


def is_one_line(text: str) -> bool:
    """Whether it is one already."""
    return text.isprintable() or not _UNSHOWN.search(text)
