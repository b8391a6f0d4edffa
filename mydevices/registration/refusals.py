"""Why a policy lets somebody register nothing: kept as facts, said in the language of whoever reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from django.utils.translation import gettext as _

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
        facts = self.facts
        match self.why:
            case Why.DEVICE_LIMIT:
                text = _("%(used)s of %(limit)s devices are used. Retire one first, then register the next.")
            case Why.OWNERSHIP:
                text = (
                    _("Devices are registered as people’s own here.")
                    if facts.get("ownership") == "personal"
                    else _("Devices are registered as the organisation’s here.")
                )
            case Why.TERMS:
                text = _("The terms of service, version %(version)s, have not been accepted yet.")
            case Why.SYSTEM:
                text = _("%(system)s cannot be registered here.")
            case Why.TOO_OLD:
                text = _("%(system)s %(version)s is too old: %(minimum)s or newer is needed. Update it and try again.")
            case Why.VERSION_UNKNOWN:
                text = _("The device does not say its version of %(system)s, and %(minimum)s or newer is needed.")
            case Why.PIN_NEEDED:
                text = _("Registering asks for a PIN.")
            case Why.PIN_SPENT:
                text = _("The PIN has registered a device already. Ask for a new one.")
            case Why.SELF_SERVICE:
                text = _("You cannot register devices by yourself.")
        return text % facts

    def message(self, whom_to_ask: str = "") -> str:
        """The reason, the policy that decided, and whom to ask: the organisation's helpdesk, or another."""
        decided = _("The policy “%(policy)s” decides this.") % {"policy": self.policy} if self.policy else ""
        return " ".join(part for part in (self.reason(), decided, whom_to_ask or organisation.whom_to_ask()) if part)


class Refused(NotAllowed):
    """A policy forbids a registration."""

    def __init__(self, refusal: Refusal, whom_to_ask: str = "") -> None:
        super().__init__(refusal.message(whom_to_ask))
        self.refusal = refusal
