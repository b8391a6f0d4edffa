from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Invalid, NotAllowed
from mydevices.organisation import colour, selectors
from mydevices.organisation.models import Organisation

LARGEST_LOGO: Final = 200 * 1024
WIDEST_LOGO: Final = 1200
_PNG: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


def hold() -> None:
    """Keep others from what may happen only once at a time here, until the caller's transaction ends: they wait for
    their turn. What a decision rests on is read after this call, not before."""
    Organisation.objects.get_or_create(id=1)
    Organisation.objects.select_for_update().get(id=1)


@transaction.atomic
def describe(
    *, actor: Actor, name: str, helpdesk_name: str = "", helpdesk_phone: str = "", helpdesk_email: str = ""
) -> Organisation:
    """Set the organisation's name and whom its people ask for help. Raises NotAllowed to all but administrators,
    Invalid for what cannot be kept."""
    require_administrator(actor)
    organisation = Organisation.objects.filter(id=1).first() or Organisation(id=1)
    organisation.name = name
    organisation.helpdesk_name = helpdesk_name
    organisation.helpdesk_phone = helpdesk_phone
    organisation.helpdesk_email = helpdesk_email
    _keep(organisation)
    audit.record(Verb.SETTINGS_CHANGED, actor=actor, details={"organisation": name})
    return organisation


@transaction.atomic
def brand(*, actor: Actor, accent: str, language: str) -> Organisation:
    """Set the accent colour (`#rrggbb`, or empty for the product's own) and the language of mails. Raises NotAllowed,
    Invalid."""
    require_administrator(actor)
    if accent:
        colour.parse(accent)
    if language and language not in dict(settings.LANGUAGES):
        raise Invalid(_("This language is not one of those that MyDevices speaks."))
    organisation = Organisation.objects.filter(id=1).first() or Organisation(id=1)
    organisation.accent = accent.lower()
    organisation.language = language
    _keep(organisation)
    audit.record(Verb.SETTINGS_CHANGED, actor=actor, details={"accent": accent, "language": language})
    return organisation


@transaction.atomic
def show_logo(*, actor: Actor, png: bytes | None) -> Organisation:
    """Put the organisation's logo on pages and mails, or take it away. Raises NotAllowed, and Invalid for what is no
    PNG picture of a sensible size."""
    require_administrator(actor)
    if png is not None:
        _check_png(png)
    organisation = Organisation.objects.filter(id=1).first() or Organisation(id=1)
    organisation.logo = png
    _keep(organisation)
    audit.record(Verb.SETTINGS_CHANGED, actor=actor, details={"logo": png is not None})
    return organisation


def _check_png(data: bytes) -> None:
    """By its first chunk (PNG, third edition, 11.2.1): nothing here decodes pictures."""
    if not data.startswith(_PNG) or len(data) < len(_PNG) + 8:
        raise Invalid(_("The logo must be a PNG picture."))
    if len(data) > LARGEST_LOGO:
        raise Invalid(_("The logo must be no larger than %(size)s kB.") % {"size": LARGEST_LOGO // 1024})
    width, height = selectors.size_of(data)
    if not (0 < width <= WIDEST_LOGO and 0 < height <= WIDEST_LOGO):
        raise Invalid(_("The logo must be at most %(size)s pixels wide and high.") % {"size": WIDEST_LOGO})


def require_administrator(actor: Actor) -> None:
    """Raises NotAllowed to everybody else."""
    # The rights of roles are the accounts' to know, which lie above: settings are the administrators' alone.
    if actor.kind != "system" and not actor.is_administrator:
        raise NotAllowed(_("Only an administrator can change this."))


def _keep(organisation: Organisation) -> None:
    try:
        organisation.full_clean(validate_unique=False, exclude=["logo"])
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    organisation.save()
    transaction.on_commit(selectors.forget)
