"""Whom people ask: by their self-service policy, else by the organisation's settings."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from mydevices.accounts.models import Person
from mydevices.organisation import selectors as organisation
from mydevices.policies import selectors
from mydevices.policies.kinds.self_service import SelfServiceRules


@dataclass(frozen=True, slots=True)
class Helpdesk:
    """`name` is never empty; the ways are, each, where nobody has said."""

    name: str
    phone: str = ""
    email: str = ""
    link: str = ""

    def whom_to_ask(self) -> str:
        """A sentence with the helpdesk and how it is reached; empty where there is no way."""
        ways = [way for way in (self.phone, self.email, self.link) if way]
        return _("Questions go to %(desk)s: %(ways)s.") % {"desk": self.name, "ways": ", ".join(ways)} if ways else ""


def of(rules: SelfServiceRules) -> Helpdesk:
    known = organisation.current()
    if rules.helpdesk_phone or rules.helpdesk_email or rules.helpdesk_link:
        return Helpdesk(
            name=rules.helpdesk_name or known.helpdesk_name or known.name,
            phone=rules.helpdesk_phone,
            email=rules.helpdesk_email,
            link=rules.helpdesk_link,
        )
    return Helpdesk(
        name=rules.helpdesk_name or known.helpdesk_name or known.name,
        phone=known.helpdesk_phone,
        email=known.helpdesk_email,
    )


def of_person(person: Person) -> Helpdesk:
    """One statement."""
    return of(selectors.effective(person, SelfServiceRules).values)


def default() -> Helpdesk:
    """For whom nobody knows yet."""
    return of(SelfServiceRules())
