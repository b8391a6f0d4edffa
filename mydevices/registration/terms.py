"""Terms of use that people accept before they register, in the version that they have read."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts.models import Person
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, NotAllowed
from mydevices.registration import selectors
from mydevices.registration.models import Acceptance, TermsText


@transaction.atomic
def accept_terms(*, person: Person, policy_id: UUID, version: int, actor: Actor, now: datetime | None = None) -> None:
    """A person accepts the terms of their policy in the version that they have read. Nobody else can for them. Raises
    Conflict when there is another version by now, or another policy."""
    if actor.id != str(person.id):
        raise NotAllowed(_("Terms are accepted by the person who registers."))
    actor.require_fresh(now or timezone.now())
    rules = selectors.rules_of(person)
    if not rules.values.terms or (rules.policy_id, rules.values.terms_version) != (policy_id, version):
        raise Conflict(_("The terms have changed meanwhile. Read them anew."))
    text, _new = TermsText.objects.get_or_create(
        policy_id=policy_id,
        version=version,
        defaults={"policy_name": rules.policy_name, "text": rules.values.terms},
    )
    _acceptance, new = Acceptance.objects.get_or_create(
        person=person, terms=text, defaults={"at": now or timezone.now(), "address": actor.address}
    )
    if new:
        audit.record(
            Verb.TERMS_ACCEPTED,
            actor=actor,
            person=person,
            details={"policy": rules.policy_name, "policy_id": str(policy_id), "version": version},
        )
