"""Forgotten passwords: a link by mail, good for an hour and once.

The link needs no row: its token is a keyed digest of the person, their address, their password and their last sign-in,
so it dies with any of them. For an address that nobody has everything is done alike (one mail, one entry), so that
neither the answer nor the work tells who is here.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import addresses, attempts, factor_removal, providers, selectors, services
from mydevices.accounts.attempts import Limit
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import NotAllowed, TooMany

PATH: Final = "/sign-in/forgotten"
PER_ADDRESS: Final = Limit(3, timedelta(hours=1))
"""Mails to one address. Links work as long, so whoever has used these up has a good one in the mailbox."""
PER_NETWORK: Final = Limit(20, timedelta(hours=1))


class _Links(PasswordResetTokenGenerator):
    key_salt = "mydevices.password-reset"


links: Final = _Links()


def link_for(person: Person) -> str:
    """The path of a page where this person sets a new password."""
    return f"{PATH}/{person.id}/{links.make_token(person)}"


def ask(*, actor: Actor, email: str, browser: str) -> None:
    """Send the link to this address if somebody here has it, and otherwise that nobody has.

    Raises TooMany for a network that asked too often. An address that was written to often enough gets no more mail,
    and the answer is the same."""
    if not attempts.take("forgotten from", attempts.network_of(actor.address), PER_NETWORK):
        raise TooMany(_("Too many asked for this from your network. Wait an hour, or ask your helpdesk."))
    may_send = attempts.take("forgotten by", addresses.counted_as(email), PER_ADDRESS)
    with transaction.atomic():
        person = selectors.with_address(email).filter(is_active=True).first()
        audit.record(
            Verb.PASSWORD_FORGOTTEN,
            actor=actor,
            person=person,
        )
        if may_send:
            _send(person, email, actor, browser)


def _send(person: Person | None, email: str, actor: Actor, browser: str) -> None:
    now = timezone.now()
    until = (now + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)).isoformat(timespec="seconds")
    facts = {"until": until, "browser": browser, "address": actor.address}
    if person is None:
        facts["at"] = now.isoformat(timespec="seconds")
        services.post_mail(notice=Notice.PASSWORD_FORGOTTEN_UNKNOWN, address=email.strip(), facts=facts)
    elif person.provider:
        services.notify(
            person=person, notice=Notice.PASSWORD_ELSEWHERE, facts=facts | {"provider": providers.keeper(person)}
        )
    else:
        link = f"{settings.PUBLIC_URL}{link_for(person)}"
        services.notify(person=person, notice=Notice.PASSWORD_FORGOTTEN, facts=facts | {"secret_link": link})


def whose(*, person_id: UUID, token: str) -> Person:
    """Who may set a new password with this link. Raises NotAllowed for one that is old, used or forged."""
    return _checked(Person.objects.filter(id=person_id, is_active=True).first(), token)


def _checked(person: Person | None, token: str) -> Person:
    if person is None or person.provider or not links.check_token(person, token):
        raise NotAllowed(_("This link is old or has been used. Ask for a new one on the sign-in page."))
    return person


@transaction.atomic
def reset(
    *,
    person_id: UUID,
    token: str,
    password: str,
    address: str,
    browser: str,
    missing: Collection[int] = (),
    now: datetime | None = None,
) -> Person:
    """Spend the link. Of two who spend it at once the second is refused: it waits for the first, and then the password
    is another one. `missing`: the second factors (primary keys) that the person says they don't have; they are removed
    after a week (`factor_removal`).

    Raises NotAllowed for a link that is no longer good, or for factors that can't be removed this way; Invalid for a
    password that will not do."""
    person = Person.objects.select_for_update().filter(id=person_id, is_active=True).first()
    person = _checked(person, token)
    actor = Actor.by_link(person, address=address)
    services.change_password(actor=actor, person=person, password=password, browser=browser)
    if missing:
        factor_removal.ask(actor=actor, person=person, factors=missing, browser=browser, now=now or timezone.now())
    return person
