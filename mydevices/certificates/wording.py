"""What is said of an upload, in the reader's language: why it is refused, and what should be looked at.

The sentences themselves stand where they are decided, in `protocols.pki`; pages never import that.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from django.utils.translation import gettext as _

from mydevices.errors import Invalid
from mydevices.protocols.pki.refusals import Reason, Refused
from mydevices.protocols.pki.smime import Caution, Refusal

CAUTIONS: Final = {caution.code: caution for caution in Caution}

FILE: Final = "file"
PASSWORD: Final = "password"  # noqa: S105  the name of a field
_ABOUT_PASSWORD: Final = {Reason.WRONG_PASSWORD}


class NotTaken(Invalid):
    """An upload is refused. `field` is what to correct ("file" or "password"), `codes` say why and never change."""

    def __init__(self, field: str, codes: Sequence[str], sentences: Sequence[str]) -> None:
        super().__init__(" ".join(sentences))
        self.field = field
        self.codes = codes
        self.sentences = sentences


def unreadable(refused: Refused) -> NotTaken:
    """For a file that cannot be taken, or opened."""
    reason = refused.reason
    text = " ".join(_(sentence) for sentence in reason.sentences)
    return NotTaken(PASSWORD if reason in _ABOUT_PASSWORD else FILE, [reason.code], [text])


def unusable(refusals: Iterable[Refusal]) -> NotTaken:
    """For a certificate that is good for nothing here, whichever reasons there are."""
    found = list(refusals)
    return NotTaken(FILE, [one.code for one in found], [_(one.text) for one in found])


def cautions(codes: Iterable[str]) -> list[str]:
    """The sentences of codes. One that is not known any more says nothing."""
    return [_(CAUTIONS[code].text) for code in codes if code in CAUTIONS]
