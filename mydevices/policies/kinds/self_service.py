"""What people may do by themselves, and whom they ask."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices import looser
from mydevices.actions import ACTIONS, PERMISSIONS
from mydevices.lines import is_one_line
from mydevices.policies.kinds.kind import Kind, Line

CERTIFICATES, REGISTER = "certificates", "register"

EVERYTHING: Final = (*PERMISSIONS, CERTIFICATES, REGISTER)
"""What a person may be allowed: actions by their own names, and what is no action on a device."""

_FIRST: Final = ("check_in", "lock", "unlock", "locate", "retire", "wipe", "certificates", "register")
"""What there was to allow before policies kept what they chose from."""

MOST_WIPES: Final = 10_000


def _undo_seconds(decided: int | None) -> int:
    """How long an undo window is; None stands for the server's own."""
    return int(settings.ENVIRONMENT.undo_seconds) if decided is None else decided


_IS_SHOWN: Final = looser.neither("is shown to people, and decides nothing")

_URL: Final = URLValidator(schemes=["https", "http"])


@dataclass(frozen=True)
class SelfServiceRules(Kind):
    """Defaults: everything; no message; the organisation's own helpdesk."""

    allowed: tuple[str, ...] = EVERYTHING
    later: bool = True
    """Whether people may also do what a later version of MyDevices adds."""
    chosen_from: tuple[str, ...] = EVERYTHING
    """What there was to allow when this was decided: everything else came later."""
    undo_seconds: int | None = None
    """How long a wipe or retire waits for an undo, 0 to 3600; None: as the server is set."""
    person_wipes: int = 1
    """How many devices of theirs a person may wipe in 24 hours before an administrator has to let the next one go."""
    organisation_wipes: int = 10
    """The same of everybody together in an hour, whoever asks."""
    lock_message: str = ""
    lock_phone: str = ""
    """What the form of a lock begins with."""
    helpdesk_name: str = ""
    helpdesk_email: str = ""
    helpdesk_phone: str = ""
    helpdesk_link: str = ""
    """Whom people ask. Where none of the ways is given, the organisation's own."""

    LOOSER: ClassVar = {
        "allowed": looser.MORE,
        "later": looser.HIGHER,
        "chosen_from": looser.neither("says what there was to choose from"),
        "undo_seconds": looser.ranked(lambda decided: -_undo_seconds(decided)),
        "person_wipes": looser.HIGHER,
        "organisation_wipes": looser.HIGHER,
        "lock_message": _IS_SHOWN,
        "lock_phone": _IS_SHOWN,
        "helpdesk_name": _IS_SHOWN,
        "helpdesk_email": _IS_SHOWN,
        "helpdesk_phone": _IS_SHOWN,
        "helpdesk_link": _IS_SHOWN,
    }

    @classmethod
    def name(cls) -> str:
        return "self_service"

    @classmethod
    def title(cls) -> str:
        return _("Self-service")

    @classmethod
    def is_of_devices(cls) -> bool:
        return True

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """What came after the policy was decided is allowed or not as it says; where it does not say, by whether it
        allowed everything that there was."""
        allowed, known = values.get("allowed", EVERYTHING), values.get("chosen_from", _FIRST)
        later = values.get("later", set(allowed) >= set(known))
        now = [what for what in EVERYTHING if what in allowed or (later and what not in known)]
        return super().read({**values, "allowed": now, "later": later, "chosen_from": EVERYTHING})

    def allows(self, what: str) -> bool:
        """`what` is one of EVERYTHING."""
        return what in self.allowed

    def problems(self) -> Mapping[str, str]:
        found = {}
        if not set(self.allowed) <= set(EVERYTHING):
            found["allowed"] = _("Choose from the list.")
        if self.undo_seconds is not None and not 0 <= self.undo_seconds <= 3600:
            found["undo_seconds"] = _("An undo window has 0 to 3600 seconds. Leave it empty for the server’s own.")
        for field in ("person_wipes", "organisation_wipes"):
            if not 0 <= getattr(self, field) <= MOST_WIPES:
                found[field] = _("A number from 0 to %(most)d. 0: an administrator decides on each wipe.") % {
                    "most": MOST_WIPES
                }
        for field, longest in _LONGEST.items():
            value = getattr(self, field)
            if len(value) > longest:
                found[field] = _("This has at most %(number)d characters.") % {"number": longest}
            elif not is_one_line(value):
                found[field] = _("This has characters that cannot be shown. Type it anew.")
        if "helpdesk_email" not in found and not _passes(validate_email, self.helpdesk_email):
            found["helpdesk_email"] = _("Type an e-mail address, such as help@example.org.")
        if "helpdesk_link" not in found and not _passes(_URL, self.helpdesk_link):
            found["helpdesk_link"] = _("Type an address that begins with https://.")
        return found

    def summary(self) -> Sequence[Line]:
        forbidden = [label for name, label in names().items() if name not in self.allowed]
        lines = [
            Line(
                "allowed",
                _("People may"),
                _("Do everything by themselves")
                if not forbidden
                else ", ".join(label for name, label in names().items() if name in self.allowed) or _("Do nothing"),
            )
        ]
        if forbidden:
            lines.append(Line("forbidden", _("People may not"), ", ".join(forbidden)))
        if forbidden or not self.later:
            may = _("allowed") if self.later else _("not allowed until an administrator allows it")
            lines.append(Line("later", _("What later versions add"), may))
        lines.append(Line("undo_seconds", _("Undo window"), self._undo()))
        lines.append(Line("person_wipes", _("Wipes without an administrator"), self._wipes()))
        said = ", ".join(part for part in (self.lock_message, self.lock_phone) if part)
        if said:
            lines.append(Line("lock_message", _("On a locked screen"), said))
        desk = [self.helpdesk_name, self.helpdesk_phone, self.helpdesk_email, self.helpdesk_link]
        if any(desk):
            lines.append(Line("helpdesk_name", _("Helpdesk"), ", ".join(part for part in desk if part)))
        return lines

    def _undo(self) -> str:
        if self.undo_seconds is None:
            return _("As the server is set")
        number = {"number": self.undo_seconds}
        return ngettext("%(number)d second", "%(number)d seconds", self.undo_seconds) % number

    def _wipes(self) -> str:
        of_one = ngettext(
            "%(number)d device by one person in 24 hours", "%(number)d devices by one person in 24 hours",
            self.person_wipes,
        ) % {"number": self.person_wipes}  # fmt: skip
        of_all = ngettext(
            "%(number)d device by everybody in an hour", "%(number)d devices by everybody in an hour",
            self.organisation_wipes,
        ) % {"number": self.organisation_wipes}  # fmt: skip
        return _("; ").join([of_one, of_all])


_LONGEST: Final[Mapping[str, int]] = {
    "lock_message": 200,
    "lock_phone": 40,
    "helpdesk_name": 120,
    "helpdesk_email": 254,
    "helpdesk_phone": 40,
    "helpdesk_link": 300,
}


def names() -> Mapping[str, str]:
    """What may be allowed, in words, in the order of EVERYTHING."""
    return {
        **{rules.permission: str(rules.allows) for rules in ACTIONS.values() if rules.allows},
        CERTIFICATES: _("keep certificates"),
        REGISTER: _("register devices"),
    }


def _passes(check: Callable[[str], None], value: str) -> bool:
    if not value:
        return True
    try:
        check(value)
    except ValidationError:
        return False
    return True
