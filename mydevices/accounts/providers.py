"""Sign-in with the organisation: which providers there are, and who may sign in without one.

What becomes of a person who comes from a provider is decided in `arrivals`; how a provider is spoken to, in `openid`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices import looser
from mydevices.accounts import addresses, approvals, rights
from mydevices.accounts.approvals import Change, Matter, Wanted
from mydevices.accounts.models import Approval, Membership, Person, Provider, ProviderLink
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import CannotOpen, Conflict, Invalid, NotFound
from mydevices.organisation import services as organisation
from mydevices.protocols import oidc
from mydevices.remembered import Remembered
from mydevices.vault import services as vault

DOMAIN: Final = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
FROM_ENVIRONMENT: Final = "organisation"
"""The id of the provider that the environment sets. It is not in the database and cannot be changed in the console."""


def every() -> Sequence[Provider]:
    """All providers, the environment's first. One statement."""
    given = _from_environment()
    return [*([given] if given else []), *Provider.objects.exclude(id=FROM_ENVIRONMENT).order_by("created_at")]


_enabled: Final = Remembered(lambda: [provider for provider in every() if provider.is_enabled])
forget: Final = _enabled.forget


def enabled() -> Sequence[Provider]:
    """Those that people can sign in with; at most five seconds old."""
    return _enabled()


def required() -> Provider | None:
    """The provider that everybody has to sign in with, if one is required."""
    return next((provider for provider in enabled() if provider.is_required), None)


def by_id(provider_id: str) -> Provider:
    """An enabled provider. Raises NotFound."""
    found = next((provider for provider in enabled() if provider.id == provider_id), None)
    if found is None:
        raise NotFound(_("There is no such provider."))
    return found


def kept(provider_id: str) -> Provider:
    """One that the console keeps, be it switched off. Raises NotFound."""
    found = Provider.objects.filter(id=provider_id).first()
    if found is None:
        raise NotFound(_("There is no such provider."))
    return found


def of(person: Person) -> Provider | None:
    """The provider that manages this person, where it is still there."""
    return (
        next((provider for provider in enabled() if provider.id == person.provider), None) if person.provider else None
    )


def keeper(person: Person) -> str:
    """What keeps this person's name, address and password, by its name; empty for those who are kept here."""
    if not person.provider:
        return ""
    provider = of(person)
    return provider.name if provider else _("your organisation")


def linked(person: Person) -> Sequence[Provider]:
    """The providers in use that this person can sign in with. One statement."""
    issuers = set(person.provider_links.values_list("issuer", flat=True))
    return [provider for provider in enabled() if provider.issuer in issuers]


def keeps_out(person: Person) -> bool:
    """Whether a provider is required that this person has to sign in with, so that password and passkey do nothing.

    Not for administrators: somebody must get in on the day it is down. Nor for helpdesk and auditors who are not linked
    yet, for roles of the console are linked by their own hand alone, and by somebody who is signed in."""
    provider = required()
    if provider is None or person.is_administrator:
        return False
    return not person.has_console or person.provider_links.filter(issuer=provider.issuer).exists()


def has_another_way_in(person: Person, *, but: Provider) -> bool:
    """Whether this person could sign in without this provider."""
    if any(provider.id != but.id for provider in linked(person)):
        return True
    if person.provider and person.provider != but.id:
        return False
    stays_out = keeps_out(person) and but.id != (required() or but).id
    return not stays_out and (person.has_usable_password() or has_passkey(person))


def has_passkey(person: Person) -> bool:
    return bool(Authenticator.objects.filter(user=person, type=Authenticator.Type.WEBAUTHN).exists())


def links_of(provider: Provider) -> int:
    """How many people can sign in with this provider because they are linked."""
    return ProviderLink.objects.filter(provider=provider.id).count()


def issuers_gone() -> Sequence[tuple[str, int]]:
    """Issuers that people are linked to and no provider has any more, each with how many these are. For the start."""
    counted = ProviderLink.objects.exclude(issuer__in=[provider.issuer for provider in every()]).values_list("issuer")
    return list(counted.annotate(number=Count("id")).order_by("issuer"))


def secret_of(provider: Provider) -> str:
    """The client's secret, for the request to the provider; empty for a public client."""
    if provider.id == FROM_ENVIRONMENT:
        return str(settings.ENVIRONMENT.oidc_client_secret)
    if provider.client_secret is None:
        return ""
    return vault.open_sealed(bytes(provider.client_secret), _place(provider.id)).decode()


def _place(provider_id: str) -> vault.Place:
    return vault.Place("accounts_provider", "client_secret", row=provider_id, owner="organisation")


def _from_environment() -> Provider | None:
    given = settings.ENVIRONMENT
    if not given.oidc_issuer:
        return None
    return Provider(
        id=FROM_ENVIRONMENT,
        name=given.oidc_name,
        issuer=given.oidc_issuer,
        client_id=given.oidc_client_id,
        groups_claim=given.oidc_groups_claim,
        makes_people=given.oidc_makes_people,
        vouches_for_addresses=given.oidc_vouches_for_addresses,
        domains=given.oidc_domains,
        is_required=given.oidc_required,
    )


def save(
    *,
    actor: Actor,
    provider: Provider,
    secret: str | None = None,
    is_new: bool = False,
    ends: int | None = None,
    now: datetime | None = None,
) -> Provider:
    """Keep a provider's settings. `secret` is kept sealed; None leaves the one that is there, empty removes it. Another
    issuer is somebody else, who may call other people by the same names: so the links to the old one end, and `ends` is
    how many that are, as whoever asks was told. Nor is the old one's secret told to it: without another there is none.

    Raises NotAllowed, NeedsFreshAuthentication, Invalid with what is wrong, Conflict when id, name or issuer are taken,
    when another number of links ends, or when no administrator could sign in any more; Waits where more people get in
    by it, or by the word of somebody else, and where another administrator could get in no more."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    now = now or timezone.now()
    actor.require_fresh(now)
    if provider.id == FROM_ENVIRONMENT:
        raise Conflict(_("This provider is set in the environment of the server. Change it there."))
    provider.issuer = provider.issuer.rstrip("/").removesuffix(oidc.WELL_KNOWN)
    provider.domains = domains(provider.domains)
    try:
        provider.clean_fields(exclude=["client_secret"])
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    _check_issuer(provider)
    with transaction.atomic():
        organisation.hold()
        before = None if is_new else Provider.objects.select_for_update().filter(id=provider.id).first()
        _check_ends(provider, before, ends)
        _check_change(provider, before)
        approval = None
        loosens = bool(looser.fields(Provider.LOOSER, _counting(before), _counting(provider)))
        is_lost = not provider.is_enabled or _is_another(secret, before)
        if loosens or _sorts_otherwise(before, provider) or (is_lost and _shuts_out(before, actor)):
            if is_new:
                _check_free(provider)
            arguments = {"provider": provider.id, "before": before and _values(before), "after": _values(provider)}
            enclosure = b"" if secret is None else json.dumps({"secret": secret}).encode()
            wanted = Wanted(SAVE, what(provider.id, is_new=before is None), provider.name, arguments, enclosure)
            approval = approvals.loosen(actor=actor, wanted=wanted, now=now)
        else:
            approvals.replace(actor=actor, what=what(provider.id), now=now)
        if approval is None:
            return _keep(actor, provider, before, secret)
    raise approvals.waits(approval)


def _check_ends(provider: Provider, before: Provider | None, ends: int | None) -> None:
    ended = links_of(before) if before is not None and before.issuer != provider.issuer else 0
    if ended and ends != ended:
        raise Conflict(
            ngettext(
                "Another issuer ends the link of %(number)d person. Confirm that first.",
                "Another issuer ends the links of %(number)d people. Confirm that first.",
                ended,
            )
            % {"number": ended}
        )


def _check_change(provider: Provider, before: Provider | None) -> None:
    if before is not None and before.is_enabled and (before.issuer != provider.issuer or not provider.is_enabled):
        _check_administrators(but=before)


def _is_another(secret: str | None, before: Provider | None) -> bool:
    """Whether this secret takes the place of another one, or of one that cannot be read any more."""
    if secret is None or before is None:
        return False
    try:
        return secret != secret_of(before)
    except CannotOpen:
        return True


def _sorts_otherwise(before: Provider | None, provider: Provider) -> bool:
    """Whether values of its claim stand for other groups from now on. Fewer are no stricter: whoever is taken out of
    one as they next sign in is free of what it demanded. Without a claim everybody stays where they are."""
    if before is None or not before.is_enabled or not provider.is_enabled or not provider.groups_claim:
        return False
    return bool(before.group_names != provider.group_names)


def _shuts_out(before: Provider | None, actor: Actor) -> bool:
    """Whether another administrator could sign in no more if this provider took nobody in, as it does with a wrong
    secret. That is as good as to suspend them."""
    if before is None or not before.is_enabled:
        return False
    linked_there = Person.objects.filter(
        role=Person.Role.ADMINISTRATOR, is_active=True, provider_links__issuer=before.issuer
    )
    return any(str(person.id) != actor.id and not has_another_way_in(person, but=before) for person in linked_there)


def _check_free(provider: Provider) -> None:
    if Provider.objects.filter(Q(id=provider.id) | Q(name__iexact=provider.name)).exists():
        raise Conflict(_taken())


def _taken() -> str:
    return _("There is a provider with this name or this part of the address.")


def _keep(actor: Actor, provider: Provider, before: Provider | None, secret: str | None) -> Provider:
    ended = 0
    if before is not None and before.issuer != provider.issuer:
        ended = links_of(before)
        _end_links(before)
        provider.client_secret = None  # of the client that the old issuer knows
    if secret is not None:
        provider.client_secret = vault.seal(secret.encode(), _place(provider.id)) if secret else None
    try:
        with transaction.atomic():
            provider.save(force_insert=before is None)
    except IntegrityError as error:
        raise Conflict(_taken()) from error
    audit.record(
        Verb.SETTINGS_CHANGED,
        actor=actor,
        details={
            "provider": provider.id,
            "issuer": provider.issuer,
            "enabled": provider.is_enabled,
            "required": provider.is_required,
            "vouches": provider.vouches_for_addresses,
            "domains": ", ".join(provider.domains),
            **({"links_ended": ended} if ended else {}),
        },
    )
    transaction.on_commit(forget)
    return provider


# What waits for another administrator


SAVE: Final = "provider.save"
REMOVE: Final = "provider.remove"
_NAMES: Final = tuple(name for name in Provider.LOOSER if name not in {"client_secret", "created_at"})
_NONE: Final[Mapping[str, Any]] = {
    "name": "",
    "issuer": "",
    "client_id": "",
    "groups_claim": "",
    "group_names": {},
    "makes_people": False,
    "vouches_for_addresses": False,
    "domains": [],
    "is_required": False,
    "is_enabled": False,
}
"""As good as no provider: one that is not in use lets nobody in."""


def register() -> None:
    """From the app's `ready`."""
    for kind, title, carry_out in (
        (SAVE, _title_of_save, _carry_out_save),
        (REMOVE, _title_of_remove, _carry_out_remove),
    ):
        matter = Matter(
            right=Right.MANAGE_SETTINGS, title=title, lines=_lines, carry_out=carry_out, is_form=kind == SAVE
        )
        approvals.register(kind, matter)


def what(provider_id: str, *, is_new: bool = False) -> str:
    """How an approval names a provider."""
    return f"provider:new:{provider_id}" if is_new else f"provider:{provider_id}"


def _values(provider: Provider) -> dict[str, Any]:
    return {name: getattr(provider, name) for name in _NAMES}


def _counting(provider: Provider | None) -> Mapping[str, Any]:
    return _values(provider) if provider is not None and provider.is_enabled else _NONE


def _title_of_save(approval: Approval) -> str:
    if approval.arguments["before"] is None:
        return _("Let people sign in with “%(name)s”") % {"name": approval.subject}
    return _("Change the provider “%(name)s”") % {"name": approval.subject}


def _title_of_remove(approval: Approval) -> str:
    return _("Remove the provider “%(name)s”, which is required") % {"name": approval.subject}


def _lines(approval: Approval) -> Sequence[Change]:
    labels = {
        "name": _("Name"),
        "issuer": _("Issuer"),
        "client_id": _("Client ID"),
        "groups_claim": _("Claim with groups"),
        "group_names": _("Groups of another name"),
        "makes_people": _("Whoever signs in there gets an account here"),
        "vouches_for_addresses": _("Its e-mail addresses are its people’s own"),
        "domains": _("Domains of its addresses"),
        "is_required": _("Everybody signs in there"),
        "is_enabled": _("In use"),
    }
    before, after = (approval.arguments[when] or _NONE for when in ("before", "after"))
    # One that was not in use is read as a whole: what it is counts from now on.
    shown = before if before["is_enabled"] else _NONE
    changed = [
        Change(label, _said(shown[name]), _said(after[name]))
        for name, label in labels.items()
        if shown[name] != after[name]
    ]
    return [*changed, Change(_("Client secret"), "", "••••")] if approval.enclosure else changed


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return _(", ").join(f"{key} = {one}" for key, one in value.items())
    return _(", ").join(value) if isinstance(value, list) else approvals.said(value)


def _carry_out_save(approval: Approval, actor: Actor, _now: datetime) -> None:
    before = Provider.objects.select_for_update().filter(id=approval.arguments["provider"]).first()
    approvals.check_unchanged(before and _values(before), approval)
    provider = Provider(id=approval.arguments["provider"])
    if before is not None:
        provider.client_secret, provider.created_at = before.client_secret, before.created_at
    for name, value in approval.arguments["after"].items():
        setattr(provider, name, value)
    _check_issuer(provider)
    _check_change(provider, before)
    enclosed = approvals.enclosed(approval)
    _keep(actor, provider, before, json.loads(enclosed)["secret"] if enclosed else None)


def _carry_out_remove(approval: Approval, actor: Actor, _now: datetime) -> None:
    present = Provider.objects.select_for_update().filter(id=approval.arguments["provider"]).first()
    approvals.check_unchanged(present and _values(present), approval)
    if present is not None:
        _remove(actor, present)


def domains(given: Sequence[str]) -> list[str]:
    """Domains of addresses as they are compared. Raises Invalid for what is none."""
    kept = []
    for one in given:
        # As it stands in the key of an address.
        name = addresses.key_of(f"x@{str(one).strip().removeprefix('@')}").removeprefix("x@")
        if not DOMAIN.fullmatch(name):
            raise Invalid(_("“%(name)s” is no domain.") % {"name": one})
        kept.append(name)
    return sorted(set(kept))


def _check_issuer(provider: Provider) -> None:
    if not oidc.is_reachable(provider.issuer, locally=True):
        raise Invalid(_("The provider’s address must begin with https://."))
    if urlsplit(provider.issuer).query:
        raise Invalid(_("The provider’s address has no question mark in it."))
    for other in every():
        if other.id != provider.id and other.issuer == provider.issuer:
            raise Conflict(_("%(name)s has this issuer already.") % {"name": other.name})


def _check_administrators(*, but: Provider) -> None:
    """Raises Conflict where without this provider no administrator could sign in."""
    administrators = Person.objects.filter(role=Person.Role.ADMINISTRATOR, is_active=True)
    if not any(has_another_way_in(person, but=but) for person in administrators):
        raise Conflict(
            _(
                "No administrator could sign in any more. First give one a password or a passkey, or a link to another "
                "provider."
            )
        )


def _end_links(provider: Provider) -> None:
    """Nobody signs in by this provider any more, and it keeps nothing of anybody."""
    ProviderLink.objects.filter(provider=provider.id).delete()
    Person.objects.filter(provider=provider.id).update(provider="")
    Membership.objects.filter(provider=provider.id).update(provider="")


def remove(*, actor: Actor, provider: Provider, now: datetime | None = None) -> None:
    """Forget a provider, and end its links. Its people keep their accounts, and set a password by “Forgotten password”
    from now on. Raises NotAllowed, NeedsFreshAuthentication, Conflict where no administrator could sign in any more;
    Waits for one that is required, for passwords open accounts again without it, and for one that is another
    administrator's only way in."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    now = now or timezone.now()
    actor.require_fresh(now)
    with transaction.atomic():
        organisation.hold()
        present = Provider.objects.select_for_update().filter(id=provider.id).first()
        if present is None:
            raise Conflict(_("There is no such provider."))
        loosens = bool(looser.fields(Provider.LOOSER, _counting(present), _NONE)) or _shuts_out(present, actor)
        arguments = {"provider": present.id, "before": _values(present), "after": None}
        wanted = Wanted(REMOVE, what(present.id), present.name, arguments)
        approval = approvals.ask(actor=actor, wanted=wanted, loosens=loosens, now=now)
        if approval is None:
            _remove(actor, present)
            return
    raise approvals.waits(approval)


def _remove(actor: Actor, provider: Provider) -> None:
    ended = links_of(provider)
    if provider.is_enabled:
        _check_administrators(but=provider)
    _end_links(provider)
    Provider.objects.filter(id=provider.id).delete()
    audit.record(
        Verb.SETTINGS_CHANGED,
        actor=actor,
        details={"provider": provider.id, "removed": True, "links_ended": ended},
    )
    transaction.on_commit(forget)


@transaction.atomic
def end_links_of_issuer(*, actor: Actor, issuer: str) -> int:
    """End the links of an issuer that no provider here has any more, such as one that the environment named before; how
    many. Its people set a password by “Forgotten password” from now on. Raises Conflict where a provider has it."""
    issuer = issuer.rstrip("/").removesuffix(oidc.WELL_KNOWN)
    for provider in every():
        if provider.issuer == issuer:
            raise Conflict(_("%(name)s has this issuer still.") % {"name": provider.name})
    links = ProviderLink.objects.filter(issuer=issuer)
    for link in links.filter(manages=True).select_related("person"):
        Person.objects.filter(id=link.person_id, provider=link.provider).update(provider="")
        Membership.objects.filter(person=link.person_id, provider=link.provider).update(provider="")
    ended, _by_model = links.delete()
    audit.record(Verb.SETTINGS_CHANGED, actor=actor, details={"issuer": issuer, "links_ended": ended})
    return int(ended)
