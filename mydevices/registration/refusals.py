"""Why a policy lets somebody register nothing: kept as facts, said in the language of whoever reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from mydevices.errors import NotAllowed
from mydevices.organisation import selectors as organisation

Fact = str | int


class Why(StrEnum):
    DEVICE_LIMIT = "device_limit"
    OWNERSHIP = "ownership"
    TERMS = "terms"
    SYSTEM = "system"
    TOO_OLD = "too_old"
    VERSION_UNKNOWN = "version_unknown"
    PIN_NEEDED = "pin_needed"
    PIN_SPENT = "pin_spent"
    SELF_SERVICE = "self_service"
    SYSTEM_UNKNOWN = "system_unknown"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason with its facts, and the policy that decided; `policy` is empty where nobody has and a default holds."""

    why: Why
    policy: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def stored(self) -> dict[str, Fact]:
        """Flat, for a column or the audit."""
        return {"why": self.why.value, "policy": self.policy, **self.facts}

    @classmethod
    def read(cls, stored: Mapping[str, Fact]) -> Self:
        """From what `stored` gave; raises ValueError for anything else."""
        facts = {name: value for name, value in stored.items() if name not in {"why", "policy"}}
        return cls(Why(str(stored.get("why", ""))), str(stored.get("policy", "")), facts)

    def reason(self) -> str:
        """One sentence or two: what stands in the way, and what the person can do."""
        if self.why is Why.OWNERSHIP and self.facts.get("ownership") == "personal":
            return _("Devices are registered as people’s own here.")
        return str(_SENTENCES[self.why]) % self.facts

    def message(self, whom_to_ask: str = "") -> str:
        """The reason, the policy that decided, and whom to ask: the organisation's helpdesk, or another."""
        decided = _("The policy “%(policy)s” decides this.") % {"policy": self.policy} if self.policy else ""
        return " ".join(part for part in (self.reason(), decided, whom_to_ask or organisation.whom_to_ask()) if part)


_SENTENCES: Final[Mapping[Why, Promise]] = {
    Why.DEVICE_LIMIT: lazy("%(used)s of %(limit)s devices are used. Retire one first, then register the next."),
    Why.OWNERSHIP: lazy("Devices are registered as the organisation’s here."),
    Why.TERMS: lazy("The terms of service, version %(version)s, have not been accepted yet."),
    Why.SYSTEM: lazy("%(system)s cannot be registered here."),
    Why.TOO_OLD: lazy("%(system)s %(version)s is too old: %(minimum)s or newer is needed. Update it and try again."),
    Why.VERSION_UNKNOWN: lazy("The device does not say its version of %(system)s, and %(minimum)s or newer is needed."),
    Why.SYSTEM_UNKNOWN: lazy("The device doesn’t say that it runs one of these, or newer: %(systems)s."),
    Why.PIN_NEEDED: lazy("Registering asks for a PIN."),
    Why.PIN_SPENT: lazy("The PIN has registered a device already. Ask for a new one."),
    Why.SELF_SERVICE: lazy("You cannot register devices by yourself."),
    Why.EXPIRED: lazy("The time to register had passed when the device answered. Start again."),
}


class Refused(NotAllowed):
    """A policy forbids a registration."""

    def __init__(self, refusal: Refusal, whom_to_ask: str = "") -> None:
        super().__init__(refusal.message(whom_to_ask))
        self.refusal = refusal
