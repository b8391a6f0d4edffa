"""What the page “Register a device” says of the person's policy: how many devices, on which terms, with which PIN."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.html import format_html
from django.utils.translation import gettext as _

from mydevices.accounts.models import Person
from mydevices.organisation import selectors as organisation
from mydevices.policies import helpdesk
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.policies.kinds.self_service import REGISTER, SelfServiceRules
from mydevices.policies.selectors import Effective
from mydevices.presentation import moments
from mydevices.registration import selectors
from mydevices.registration.refusals import Refusal, Why

SLOTS = 12
"""As many devices as are drawn one by one; more are words alone."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The policy, in words. `slots` tell of each device that is allowed whether it is used; `obstacle` is why nothing
    can be registered now, `terms` whether terms are yet to be accepted."""

    used: int
    limit: int
    slots: Sequence[bool]
    left_out: str
    whose: str
    obstacle: str
    terms: bool
    terms_version: int
    asks_pin: bool
    pin: str
    may_ask_pin: bool


def shown(person: Person, rules: Effective[RegistrationRules], now: datetime) -> Desk:
    values = rules.values
    allowance = selectors.allowance(person, values)
    name = organisation.current().name
    obstacle = ""
    service = policies.effective(person, SelfServiceRules)
    if not service.values.allows(REGISTER):
        ask = helpdesk.of(service.values).whom_to_ask()
        obstacle = Refusal(Why.SELF_SERVICE, service.policy_name).message(ask)
    elif allowance.is_used_up and (values.company_devices_count or values.fixed_ownership == "personal"):
        # Else the organisation's own may still come beyond the limit: they do not count.
        facts = {"used": allowance.used, "limit": allowance.limit}
        obstacle = Refusal(Why.DEVICE_LIMIT, rules.policy_name, facts).message()
    return Desk(
        used=allowance.used,
        limit=allowance.limit,
        slots=[number < allowance.used for number in range(allowance.limit)] if allowance.limit <= SLOTS else [],
        left_out="" if values.company_devices_count else _("%(name)s’s own do not count.") % {"name": name},
        whose=_whose(values.fixed_ownership, name),
        obstacle=obstacle,
        terms=bool(values.terms) and not selectors.has_accepted(person, rules),
        terms_version=values.terms_version if values.terms else 0,
        asks_pin=values.asks_pin,
        pin=_pin(person, values, now),
        may_ask_pin=values.asks_pin and values.pin_on_request,
    )


def _whose(fixed: str, name: str) -> str:
    if not fixed:
        return ""
    if fixed == "personal":
        return _("It is registered as your own: %(name)s decided so for all devices.") % {"name": name}
    return _("It is registered as %(name)s’s: %(name)s decided so for all devices.") % {"name": name}


def _pin(person: Person, values: RegistrationRules, now: datetime) -> str:
    if not values.asks_pin:
        return ""
    pin = selectors.pin_of(person, now)
    if pin is None:
        return _("You have no PIN that works now.")
    return format_html(
        _("It came by mail, registers one device, and ends {when}."), when=moments.at(pin.expires_at, now)
    )
