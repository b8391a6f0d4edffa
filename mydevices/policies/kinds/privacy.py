"""What the organisation may learn of a device and do to it: position, apps, the wipe of somebody else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices import looser
from mydevices.policies.kinds.kind import UNKEPT, Kind, Line

OFF, CHOICE, ON = "off", "choice", "on"
NO_APPS, MANAGED_APPS, ALL_APPS = "off", "managed", "all"

LONGEST_TEXT: Final = 10_000


@dataclass(frozen=True)
class Privacy(Kind):
    """Defaults: the position is the person's choice, which starts as off, and kept for a week; no list of apps;
    administrators may wipe and locate."""

    location: str = CHOICE
    """OFF: never collected. CHOICE: what the person's own switch says, which starts as off. ON: always."""
    position_days: int = 7
    """Days that a position is kept, 1 to 90."""
    app_inventory: str = NO_APPS
    """NO_APPS, MANAGED_APPS (those that the organisation installed) or ALL_APPS."""
    administrators_may_wipe: bool = True
    """Whether those who are not the owner may. A personal device that a policy reaches registers with the right to be
    erased only where they may: what nobody could refuse is then not promised."""
    administrators_may_locate: bool = True
    """Whether anybody but its owner may ask a lost device where it is, and see what it said."""
    text: str = ""
    """What people read about it, in the organisation's own words; empty: none."""

    LOOSER: ClassVar = {
        "location": looser.order(OFF, CHOICE, ON),
        "position_days": looser.HIGHER,
        "app_inventory": looser.order(NO_APPS, MANAGED_APPS, ALL_APPS),
        "administrators_may_wipe": looser.HIGHER,
        "administrators_may_locate": looser.HIGHER,
        "text": looser.neither("is read, and decides nothing"),
    }

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
            found["location"] = _("Choose off, the person’s choice or on.")
        if not 1 <= self.position_days <= 90:
            found["position_days"] = _("Positions are kept for 1 to 90 days.")
        if self.app_inventory not in {NO_APPS, MANAGED_APPS, ALL_APPS}:
            found["app_inventory"] = _("Choose no apps, managed apps or all apps.")
        if len(self.text) > LONGEST_TEXT:
            found["text"] = _("The text has at most 10,000 characters.")
        elif UNKEPT.search(self.text):
            found["text"] = _("The text has characters that cannot be shown. Type it anew.")
        return found

    def summary(self) -> Sequence[Line]:
        places = {OFF: _("Off"), CHOICE: _("The person’s choice"), ON: _("On")}
        apps = {
            NO_APPS: _("Not read"),
            MANAGED_APPS: _("Those that the organisation installed"),
            ALL_APPS: _("All apps on the device"),
        }
        days = ngettext("%(number)d day", "%(number)d days", self.position_days)
        lines = [Line("location", _("Location"), places.get(self.location, self.location))]
        if self.location != OFF:
            text = days % {"number": self.position_days}
            lookers = (
                _("Its owner, administrators and the helpdesk") if self.administrators_may_locate else _("Its owner")
            )
            lines += [
                Line("position_days", _("Positions are kept for"), text),
                Line("administrators_may_locate", _("Who may locate it"), lookers),
            ]
        lines += [
            Line("app_inventory", _("List of apps"), apps.get(self.app_inventory, self.app_inventory)),
            Line("administrators_may_wipe", _("Administrators may wipe"), _yes(self.administrators_may_wipe)),
        ]
        if self.text:
            lines.append(Line("text", _("What people read"), self.text))
        return lines


def _yes(value: bool) -> str:
    return _("Yes") if value else _("No")
