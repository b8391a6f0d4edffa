from django.db import transaction

from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.organisation import selectors
from mydevices.organisation.models import Organisation


def hold() -> None:
    """Keep others from what may happen only once here, until the caller's transaction ends: they wait in this line."""
    Organisation.objects.get_or_create(id=1)
    Organisation.objects.select_for_update().get(id=1)


@transaction.atomic
def describe(
    *, actor: Actor, name: str, helpdesk_name: str = "", helpdesk_phone: str = "", helpdesk_email: str = ""
) -> Organisation:
    """Set the organisation's name and whom its people ask for help."""
    organisation = Organisation.objects.filter(id=1).first() or Organisation(id=1)
    organisation.name = name
    organisation.helpdesk_name = helpdesk_name
    organisation.helpdesk_phone = helpdesk_phone
    organisation.helpdesk_email = helpdesk_email
    organisation.full_clean(validate_unique=False)
    organisation.save()
    transaction.on_commit(selectors.forget)
    audit.record(Verb.SETTINGS_CHANGED, actor=actor, details={"organisation": name})
    return organisation
