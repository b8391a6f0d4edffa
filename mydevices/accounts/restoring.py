"""The way back in for an administrator whom nothing else lets in: a link that only the server's command line makes."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import password_reset, selectors, services
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import NotAllowed, NotFound


@transaction.atomic
def restore(*, actor: Actor, email: str) -> str:
    """A one-time link with which this administrator sets a password and signs in, good for an hour. A suspension ends,
    and no provider keeps the account any more; links to providers stay. Every administrator is mailed.

    For the command line alone: raises NotAllowed for anybody else, and for somebody who is no administrator; NotFound.
    """
    if actor.kind != "system":
        raise NotAllowed(_("Only the server’s command line does this."))
    person = selectors.with_address(email).select_for_update().first()
    if person is None:
        raise NotFound(_("Nobody here has the address %(email)s.") % {"email": email})
    if not person.is_administrator:
        raise NotAllowed(_("%(name)s is no administrator.") % {"name": person.name})
    was_suspended, kept_by = not person.is_active, person.provider
    person.is_active, person.provider = True, ""
    person.save(update_fields=["is_active", "provider"])
    person.provider_links.update(manages=False)
    audit.record(
        Verb.ADMINISTRATOR_RESTORED,
        actor=actor,
        person=person,
        details={"was_suspended": was_suspended, "provider": kept_by},
    )
    facts = {"name": person.name, "at": timezone.now().isoformat(timespec="seconds")}
    for administrator in Person.objects.filter(role=Person.Role.ADMINISTRATOR, is_active=True):
        services.notify(person=administrator, notice=Notice.ADMINISTRATOR_RESTORED, facts=facts)
    return f"{settings.PUBLIC_URL}{password_reset.link_for(person)}"
