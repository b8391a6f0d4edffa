"""How people register devices: what proves that it is them, whose devices, how many, on which terms, which systems."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final, Self

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices import looser
from mydevices.policies.kinds.kind import Kind, Line
from mydevices.port.platform import systems
from mydevices.port.versions import is_older, is_whole_version

PASSWORD, PIN, BOTH = "password", "pin", "both"
NEVER, FACTOR, EVERYBODY = "never", "factor", "everybody"
ASKED, PERSONAL, COMPANY = "asked", "personal", "company"


def _system_names() -> tuple[str, ...]:
    """What can be allowed, in the words that devices use of themselves (`Device.os_name`)."""
    return tuple(system.name for system in systems())


def minimum_field(system: str) -> str:
    """What problems, and the fields of forms, call the oldest version of a system."""
    return f"minimum_{system.lower()}"


_OLDER: Final = looser.Direction(
    lambda before, after: any(
        minimum and (not after.get(system) or is_older(after[system], minimum)) for system, minimum in before.items()
    )
)
"""An older version of some system that may register, or any."""


@dataclass(frozen=True)
class RegistrationRules(Kind):
    """Defaults: a password, no PIN; devices of people with a second factor are confirmed; the person says whose device
    it is; no limit, no terms, every system."""

    sign_in: str = PASSWORD
    """PASSWORD, PIN or BOTH: what registering asks of a person. A signed-in person has given their password."""
    pin_length: int = 6
    """Characters, 4 to 12."""
    pin_days: int = 7
    """Days that a PIN is valid, 1 to 30."""
    pin_on_request: bool = True
    """Whether a person may ask for a new PIN by themselves."""
    confirm_devices: str = FACTOR
    """Whose devices are sent no private key before their owner confirms them: NEVER anybody's, those of people with a
    second FACTOR, or EVERYBODY's. A device that its owner registered with a second factor needs no confirmation."""
    ownership: str = ASKED
    """ASKED, or what every device is registered as: PERSONAL or COMPANY."""
    device_limit: int = 0
    """How many managed devices a person may have, up to 100; 0: as many as they like."""
    company_devices_count: bool = True
    """Whether the organisation’s devices count towards the limit."""
    terms: str = ""
    """Text to accept before the first registration; empty: none."""
    terms_version: int = 0
    """Counted up by `after` when the text changes; what people accept is a version."""
    systems: tuple[str, ...] = field(default_factory=_system_names)
    """Those that may register. One that comes with a later platform may not, until it is added."""
    minimums: Mapping[str, str] = field(default_factory=dict)
    """By system, the oldest version that may register, such as 17.4; any version of what is not named."""

    LOOSER: ClassVar = {
        "sign_in": looser.asks({PASSWORD: (PASSWORD,), PIN: (PIN,), BOTH: (PASSWORD, PIN)}),
        "pin_length": looser.LOWER,
        "pin_days": looser.HIGHER,
        "pin_on_request": looser.HIGHER,
        "confirm_devices": looser.order(EVERYBODY, FACTOR, NEVER),
        "ownership": looser.admits({ASKED: (PERSONAL, COMPANY), PERSONAL: (PERSONAL,), COMPANY: (COMPANY,)}),
        "device_limit": looser.HIGHER_OR_NONE,
        "company_devices_count": looser.LOWER,
        "terms": looser.EMPTY,
        "terms_version": looser.neither("is counted by the server"),
        "systems": looser.MORE,
        "minimums": _OLDER,
    }

    @classmethod
    def name(cls) -> str:
        return "registration"

    @classmethod
    def title(cls) -> str:
        return _("Registration")

    @classmethod
    def is_of_devices(cls) -> bool:
        return False  # it is asked before there is a device

    @property
    def asks_pin(self) -> bool:
        return self.sign_in in {PIN, BOTH}

    @property
    def asks_password(self) -> bool:
        return self.sign_in in {PASSWORD, BOTH}

    @property
    def confirms_devices(self) -> bool:
        """At least those of people who have a second factor."""
        return self.confirm_devices != NEVER

    @property
    def confirms_everybodys(self) -> bool:
        return self.confirm_devices == EVERYBODY

    @property
    def has_minimum(self) -> bool:
        """Whether any system has a version below which it may not register."""
        return any(self.minimum(system) for system in self.systems)

    @property
    def least(self) -> Sequence[str]:
        """The systems that may register, each with its oldest version where there is one: “System 17.4”."""
        return [f"{system} {self.minimum(system)}".strip() for system in self.systems]

    @property
    def fixed_ownership(self) -> str:
        """What every device is registered as; empty where the person is asked."""
        return "" if self.ownership == ASKED else self.ownership

    def minimum(self, system: str) -> str:
        """The oldest version of a system that may register; empty for any."""
        return self.minimums.get(system, "")

    def after(self, previous: Self | None) -> Self:
        if previous is None:
            return replace(self, terms_version=1 if self.terms else 0)
        changed = self.terms != previous.terms
        return replace(self, terms_version=previous.terms_version + (1 if changed else 0))

    def problems(self) -> Mapping[str, str]:
        found = {}
        if self.sign_in not in {PASSWORD, PIN, BOTH}:
            found["sign_in"] = _("Choose password, PIN or both.")
        if not 4 <= self.pin_length <= 12:
            found["pin_length"] = _("A PIN has 4 to 12 characters.")
        if not 1 <= self.pin_days <= 30:
            found["pin_days"] = _("A PIN is valid for 1 to 30 days.")
        if self.confirm_devices not in {NEVER, FACTOR, EVERYBODY}:
            found["confirm_devices"] = _("Choose whose devices have to be confirmed.")
        if self.ownership not in {ASKED, PERSONAL, COMPANY}:
            found["ownership"] = _("Ask the person, or choose whose devices are.")
        if not 0 <= self.device_limit <= 100:
            found["device_limit"] = _("A limit is a number from 1 to 100. Leave it empty for none.")
        if len(self.terms) > 50_000:
            found["terms"] = _("Terms of service have at most 50,000 characters here.")
        if not self.systems or not set(self.systems) <= set(_system_names()):
            found["systems"] = _("Allow at least one system. To stop registrations, set the limit or suspend people.")
        return {**found, **self._unread_versions()}

    def _unread_versions(self) -> Mapping[str, str]:
        return {
            minimum_field(system): _("A version is numbers with dots, such as 17.4.")
            for system, version in self.minimums.items()
            if version and not is_whole_version(version)
        }

    def summary(self) -> Sequence[Line]:
        signs = {PASSWORD: _("Password"), PIN: _("PIN"), BOTH: _("Password and PIN")}
        owners = {
            ASKED: _("The person is asked"),
            PERSONAL: _("Always the person’s own"),
            COMPANY: _("Always the organisation’s"),
        }
        lines = [Line("sign_in", _("Registering asks for"), signs.get(self.sign_in, self.sign_in))]
        if self.asks_pin:
            days = ngettext("%(number)d day", "%(number)d days", self.pin_days) % {"number": self.pin_days}
            facts = {"length": self.pin_length, "days": days}
            text = (
                _("%(length)d characters, valid for %(days)s, and people may ask for a new one")
                if self.pin_on_request
                else _("%(length)d characters, valid for %(days)s, and only administrators give a new one")
            )
            lines.append(Line("pin_length", _("PIN"), text % facts))
        confirmed = {
            NEVER: _("Nobody’s"),
            FACTOR: _("Those of people with a second factor"),
            EVERYBODY: _("Everybody’s"),
        }
        lines += [
            Line(
                "confirm_devices",
                _("Confirmed by their owner before they get private keys"),
                confirmed.get(self.confirm_devices, self.confirm_devices),
            ),
            Line("ownership", _("Whose devices"), owners.get(self.ownership, self.ownership)),
            Line("device_limit", _("Devices of a person"), self._limit()),
            Line("terms", _("Terms of service"), self._terms()),
            Line("systems", _("Systems"), _(", ").join(self._system(system) for system in self.systems)),
        ]
        return lines

    def _limit(self) -> str:
        if not self.device_limit:
            return _("As many as they like")
        number = {"number": self.device_limit}
        text = ngettext("At most %(number)d", "At most %(number)d", self.device_limit) % number
        return text if self.company_devices_count else _("%(limit)s, not counting the organisation’s") % {"limit": text}

    def _terms(self) -> str:
        return _("Version %(version)d is to be accepted") % {"version": self.terms_version} if self.terms else _("None")

    def _system(self, system: str) -> str:
        facts = {"system": system, "version": self.minimum(system)}
        return _("%(system)s %(version)s or newer") % facts if facts["version"] else system
