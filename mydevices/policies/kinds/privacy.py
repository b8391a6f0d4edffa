"""What is collected of devices, and who may look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices.policies.kinds.kind import Kind, Line

OFF, CHOICE, ON = "off", "choice", "on"


@dataclass(frozen=True)
class Privacy(Kind):
    """Defaults: location is the person's choice, which starts as off; positions are kept for a week; administrators and
    the helpdesk may locate a lost device."""

    location: str = CHOICE
    """Whether positions are kept: OFF, CHOICE (its owner switches it) or ON."""
    position_days: int = 7
    """Days that a position is kept, 1 to 90."""
    administrators_may_locate: bool = True
    """Whether anybody but its owner may ask a lost device where it is, and see what it said."""

    @classmethod
    def name(cls) -> str:
        return "privacy"

    @classmethod
    def title(cls) -> str:
        return _("Privacy")

    @classmethod
    def is_of_devices(cls) -> bool:
        return True

    def problems(self) -> Mapping[str, str]:
        found = {}
        if self.location not in {OFF, CHOICE, ON}:
            found["location"] = _("Choose off, the person’s choice, or on.")
        if not 1 <= self.position_days <= 90:
            found["position_days"] = _("Positions are kept for 1 to 90 days.")
        return found

    def summary(self) -> Sequence[Line]:
        words = {OFF: _("Off"), CHOICE: _("The person’s choice"), ON: _("On")}
        lines = [Line("location", _("Location"), words.get(self.location, self.location))]
        if self.location != OFF:
            days = ngettext("%(number)d day", "%(number)d days", self.position_days) % {"number": self.position_days}
            lookers = (
                _("Its owner, administrators and the helpdesk") if self.administrators_may_locate else _("Its owner")
            )
            lines += [
                Line("position_days", _("Positions are kept for"), days),
                Line("administrators_may_locate", _("Who may locate it"), lookers),
            ]
        return lines
