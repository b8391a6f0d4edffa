"""Sign-in with the organisation: which providers there are, and what a person becomes who comes from one.

Nothing here knows OpenID Connect: `social.py` does. What admits a person takes plain claims, so that SAML, LDAP or SCIM
can bring them as well.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import addresses, following, people, rights, selectors, services
from mydevices.accounts.models import Group, Membership, Person, Provider
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, Invalid, NotAllowed, NotFound
from mydevices.organisation.selectors import LIFETIME
from mydevices.vault import services as vault

FROM_ENVIRONMENT: Final = "organisation"
"""The id of the provider that the environment sets. It is not in the database and cannot be changed in the console."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a provider says of the person who has just signed in there."""

    subject: str
    email: str
    email_verified: bool
    name: str
    groups: Sequence[str] = ()


_known: tuple[float, Sequence[Provider]] | None = None


def every() -> Sequence[Provider]:
    """All providers, the environment's first. One statement."""
    given = _from_environment()
    return [*([given] if given else []), *Provider.objects.exclude(id=FROM_ENVIRONMENT).order_by("created_at")]


def enabled() -> Sequence[Provider]:
    """Those that people can sign in with; at most five seconds old."""
    global _known  # noqa: PLW0603  one value per process is what a cache of a few rows is
    now = time.monotonic()
    if _known is None or now - _known[0] > LIFETIME:
        _known = (now, [provider for provider in every() if provider.is_enabled])
    return _known[1]


def forget() -> None:
    """Read anew next time, because this process has changed one."""
    global _known  # noqa: PLW0603  the same
    _known = None


def required() -> Provider | None:
    """The provider that everybody has to sign in with, if one is required."""
    return next((provider for provider in enabled() if provider.is_required), None)


def by_id(provider_id: str) -> Provider:
    """An enabled provider. Raises NotFound."""
    found = next((provider for provider in enabled() if provider.id == provider_id), None)
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


def secret_of(provider: Provider) -> str:
    """The client's secret, for the request to the provider; empty for a public client."""
    if provider.id == FROM_ENVIRONMENT:
        return str(settings.ENVIRONMENT.oidc_client_secret)
    if provider.client_secret is None:
        return ""
    return vault.open_sealed(bytes(provider.client_secret), **_place(provider.id)).decode()


def _place(provider_id: str) -> dict[str, str]:
    return {"table": "accounts_provider", "column": "client_secret", "row": provider_id, "owner": "organisation"}


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
        is_required=given.oidc_required,
    )


@transaction.atomic
def save(*, actor: Actor, provider: Provider, secret: str | None = None, is_new: bool = False) -> Provider:
    """Keep a provider's settings. `secret` is kept sealed; None leaves the one that is there, empty removes it.

    Raises NotAllowed, NeedsFreshAuthentication, Invalid with what is wrong, Conflict when id or name are taken."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    actor.require_fresh(timezone.now())
    if provider.id == FROM_ENVIRONMENT:
        raise Conflict(_("This provider is set in the environment of the server. Change it there."))
    provider.issuer = provider.issuer.rstrip("/").removesuffix("/.well-known/openid-configuration")
    try:
        provider.clean_fields(exclude=["client_secret"])
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    _check_issuer(provider.issuer)
    if secret is not None:
        provider.client_secret = vault.seal(secret.encode(), **_place(provider.id)) if secret else None
    try:
        with transaction.atomic():
            provider.save(force_insert=is_new)
    except IntegrityError as error:
        raise Conflict(_("There is a provider with this name or this part of the address.")) from error
    audit.record(
        Verb.SETTINGS_CHANGED,
        actor=actor,
        details={
            "provider": provider.id,
            "issuer": provider.issuer,
            "enabled": provider.is_enabled,
            "required": provider.is_required,
        },
    )
    transaction.on_commit(forget)
    return provider


def _check_issuer(issuer: str) -> None:
    parts = urlsplit(issuer)
    if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise Invalid(_("The provider’s address must begin with https://."))


@transaction.atomic
def remove(*, actor: Actor, provider: Provider) -> None:
    """Forget a provider. Its people keep their accounts, and set a password by “Forgotten password” from now on."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    actor.require_fresh(timezone.now())
    Person.objects.filter(provider=provider.id).update(provider="")
    Membership.objects.filter(provider=provider.id).update(provider="")
    Provider.objects.filter(id=provider.id).delete()
    audit.record(Verb.SETTINGS_CHANGED, actor=actor, details={"provider": provider.id, "removed": True})
    transaction.on_commit(forget)


@transaction.atomic
def admit(*, provider: Provider, claims: Claims, known: Person | None, address: str) -> Person:
    """The person who comes from a provider, with name, address and groups as it says: the one who is `known` by the
    provider's subject, else the one with the address, else a new one.

    Raises NotAllowed with a sentence for them: suspended, an address that the provider does not vouch for, an address
    of nobody where people are invited only."""
    actor = Actor(kind="system", name=provider.name, address=address)
    if claims.email and not addresses.key_of(claims.email):
        # Never taken for another one. Somebody who is known by their subject keeps the address that they have here.
        if known is None:
            raise NotAllowed(
                _(
                    "%(provider)s says that your e-mail address is %(email)s, which can't be used here. Ask the "
                    "helpdesk."
                )
                % {"provider": provider.name, "email": claims.email}
            )
        claims = replace(claims, email="")
    person = known or _by_address(provider, claims) or _new(provider, claims, actor)
    if not person.is_active:
        raise NotAllowed(_("Your account here is suspended. Ask the helpdesk."))
    _describe(person, provider, claims, actor)
    if provider.groups_claim:
        _sort(person, provider, claims.groups, actor)
    return person


def _by_address(provider: Provider, claims: Claims) -> Person | None:
    person = selectors.with_address(claims.email).first()
    if person is None:
        return None
    if not (claims.email_verified or provider.vouches_for_addresses):
        raise NotAllowed(
            _(
                "There is an account with the address %(email)s, and %(provider)s does not say that the address is "
                "yours. Sign in with your password, or ask the helpdesk."
            )
            % {"email": claims.email, "provider": provider.name}
        )
    return person


def _new(provider: Provider, claims: Claims, actor: Actor) -> Person:
    if not provider.makes_people:
        raise NotAllowed(
            _("%(provider)s knows you, and you have no account here yet. Ask the helpdesk for an invitation.")
            % {"provider": provider.name}
        )
    if not claims.email:
        raise NotAllowed(
            _("%(provider)s told no e-mail address of yours. Ask the helpdesk.") % {"provider": provider.name}
        )
    name = claims.name or claims.email.partition("@")[0]
    return services.create_person(actor=actor, email=claims.email, name=name[:120])


def _describe(person: Person, provider: Provider, claims: Claims, actor: Actor) -> None:
    """Name and address are the provider's to say. An address that somebody else has here stays as it was."""
    changed = []
    if person.provider != provider.id:
        person.provider = provider.id
        changed.append("provider")
    if claims.name and person.name != claims.name[:120]:
        person.name = claims.name[:120]
        changed.append("name")
    vouched = claims.email_verified or provider.vouches_for_addresses
    taken = selectors.with_address(claims.email).exclude(id=person.id)
    if claims.email and vouched and person.email != claims.email and not taken.exists():
        person.email = claims.email
        changed.append("email")
    if changed:
        person.clean_fields(exclude=["password", "email_key"])
        person.save(update_fields=changed)
        if {"name", "email"} & set(changed):
            following.changed([person.id])
        audit.record(
            Verb.PERSON_CHANGED,
            actor=actor,
            person_id=person.id,
            person_name=person.name,
            details={"changed": ", ".join(changed)},
        )


def _sort(person: Person, provider: Provider, values: Collection[str], actor: Actor) -> None:
    """Into the groups that the claim names, and out of those that it brought and names no longer."""
    names = {str(provider.group_names.get(value, value)).lower() for value in values}
    wanted = set(Group.objects.alias(lower=Lower("name")).filter(lower__in=names).values_list("id", flat=True))
    here: Mapping[UUID, str] = dict(Membership.objects.filter(person=person).values_list("group_id", "provider"))
    leaving = [group for group, by in here.items() if by == provider.id and group not in wanted]
    joining = wanted - set(here)
    Membership.objects.filter(person=person, group_id__in=leaving).delete()
    Membership.objects.bulk_create(
        [Membership(person=person, group_id=group, provider=provider.id) for group in joining]
    )
    people.note_groups(actor=actor, person=person, joined=joining, left=leaving)
