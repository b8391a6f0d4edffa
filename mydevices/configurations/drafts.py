"""All that a configuration is made of, before it is kept: what is wrong with it, and how it waits where somebody else
has to allow it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.translation import gettext as _

from mydevices import names
from mydevices.accounts import approvals
from mydevices.accounts.models import Approval
from mydevices.certificates.models import CertificateType
from mydevices.configurations import enclosing, selectors
from mydevices.configurations.kinds import KINDS
from mydevices.configurations.kinds.account import Account
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.models import Configuration, SharedIdentity
from mydevices.devices.assignment import Assignment
from mydevices.errors import Conflict, Invalid
from mydevices.policies.kinds.kind import Kind

LARGEST_ICON: Final = 1024 * 1024
"""Bytes."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Draft:
    """All that a configuration is made of. `identity` are the columns of a `SharedIdentity`, its key in the clear."""

    name: str
    description: str
    values: Kind
    assignment: Assignment
    icon: bytes | None = field(repr=False)
    identity: Mapping[str, Any] | None = field(repr=False)
    enabled: bool


def of_row(present: Configuration) -> Draft:
    """As it is saved, without its icon and its file."""
    values = KINDS[present.kind].read(present.values)
    return Draft(present.name, present.description, values, present.assignment, None, None, present.enabled)


def stored(draft: Draft) -> dict[str, Any]:
    """For an approval: what it can show. Icon and file are enclosed (`enclosing`)."""
    return {
        "name": draft.name,
        "description": draft.description,
        "values": draft.values.stored(),
        "assignment": draft.assignment.stored(),
        "enabled": draft.enabled,
    }


def read(approval: Approval) -> Draft:
    """What has waited, with what is enclosed."""
    after, enclosed = approval.arguments["after"], enclosing.read(approvals.enclosed(approval))
    return Draft(
        name=after["name"],
        description=after["description"],
        values=KINDS[approval.arguments["kind"]].read(after["values"]),
        assignment=Assignment.read(after["assignment"]),
        icon=enclosed.icon,
        identity=enclosed.identity,
        enabled=after["enabled"],
    )


def check(draft: Draft, present: Configuration | None) -> None:
    """Raises Invalid or Conflict for what cannot be kept among what there is now, be it new or in place of one."""
    _keep_names_apart(draft.name, present)
    _check_references(draft.values)
    if present is not None:
        _check_purpose(present, draft.values)
    _check_file(present, draft)


def checked_name(name: str, description: str, values: Kind, icon: bytes | None) -> str:
    """The name as it is kept. Raises Invalid for what is wrong whatever else there is."""
    # A profile could not carry control characters either.
    name, description = " ".join(names.checked(name).split()), names.checked(description)
    if not name or len(name) > 120:
        raise Invalid(_("A configuration needs a name of at most 120 characters."))
    if len(description) > 500:
        raise Invalid(_("A description has at most 500 characters."))
    if values.name() not in KINDS:
        raise Invalid(_("There is no such kind of configuration."))
    problems = values.problems()
    if problems:
        raise Invalid(" ".join(problems.values()))
    if icon is not None and not icon.startswith(_PNG):
        raise Invalid(_("The icon must be a PNG picture."))
    if icon is not None and len(icon) > LARGEST_ICON:
        raise Invalid(_("The icon is larger than 1 MB."))
    return name


def _keep_names_apart(name: str, present: Configuration | None = None) -> None:
    others = Configuration.objects.filter(name__iexact=name)
    if (others.exclude(id=present.id) if present else others).exists():
        raise Conflict(taken(name))


def taken(name: str) -> str:
    return _("There is another configuration called “%(name)s”.") % {"name": name}


def _check_file(present: Configuration | None, draft: Draft) -> None:
    """An identity certificate that is one for everybody has a file, and nothing else has."""
    if not isinstance(draft.values, IdentityCertificate) or draft.values.is_user_provided:
        if draft.identity is not None:
            raise Invalid(_("Only an identity certificate of the source “single file” has a file."))
        return
    has_one = present is not None and SharedIdentity.objects.filter(configuration=present).exists()
    if draft.identity is None and not has_one:
        raise Invalid(_("Choose the file with the certificate."))


def _check_references(values: Kind) -> None:
    """What an account names must be there, and be made for what it is named for."""
    if not isinstance(values, Account):
        return
    for name, type_id in values.types.items():
        named = Configuration.objects.filter(id=type_id, kind=IdentityCertificate.name()).first()
        rules = IdentityCertificate.read(named.values) if named else None
        if rules is None:
            raise Invalid(_("One of these certificates is gone. Choose anew."))
        if name in _PURPOSES and not (rules.is_user_provided and rules.fits(_PURPOSES[name])):
            raise Invalid(_("“%(name)s” is not for this purpose. Choose another one.") % {"name": named})


_PURPOSES: Final = {
    "signing_type": CertificateType.Purpose.SIGNING,
    "encryption_type": CertificateType.Purpose.ENCRYPTION,
}


def _check_purpose(present: Configuration, values: Kind) -> None:
    """An identity certificate keeps its source, and the purposes that accounts name it for."""
    if not isinstance(values, IdentityCertificate):
        return
    before = IdentityCertificate.read(present.values)
    if before.source != values.source:
        raise Invalid(_("An identity certificate keeps its source. Make a new one instead."))
    for account in selectors.used_by(present.id):
        named = KINDS[account.kind].read(account.values)
        wanted = named.types if isinstance(named, Account) else {}
        if any(wanted.get(name) == present.id and not values.fits(purpose) for name, purpose in _PURPOSES.items()):
            raise Conflict(_("“%(name)s” uses it for another purpose. Change that first.") % {"name": account})
