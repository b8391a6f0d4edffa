"""What a person becomes who comes from a provider: who is linked, somebody who is here already, or somebody new.

A link is known by issuer and subject, and nothing else signs anybody in. An address opens no account by itself, however
well the provider vouches for it: whose account it is, is proved by its password or a factor. Takes plain claims, so
that SAML, LDAP or SCIM can bring them as well.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.db import IntegrityError, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import addresses, following, memberships, providers, selectors, services
from mydevices.accounts.models import Group, Membership, Person, Provider, ProviderLink
from mydevices.accounts.notices import Notice
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, Invalid, NotAllowed, NotFound
from mydevices.lines import one_line
from mydevices.protocols.oidc import Claims


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who has come. `must_prove`: it is somebody's account whom the provider's word alone does not open."""

    person: Person
    must_prove: bool = False


@transaction.atomic
def admit(*, provider: Provider, claims: Claims, address: str) -> Arrival:
    """The person who comes from a provider: the one who is linked; else the one with the address; else a new one. Whom
    the provider manages gets name, address and groups as it says.

    Raises NotAllowed, Invalid or Conflict, each with a sentence for them."""
    actor = Actor(kind="system", name=provider.name, address=address)
    link = _found(provider, claims)
    if link is None:
        person = _by_address(provider, claims)
        if person is not None and must_prove(person):
            return Arrival(person, must_prove=True)
        link = _linked(actor, person or _new(provider, claims, actor), provider, claims, manages=True)
    person = link.person
    if not person.is_active:
        raise NotAllowed(_("Your account here is suspended. Ask the helpdesk."))
    _follow(link, provider, claims, actor)
    return Arrival(person)


def _found(provider: Provider, claims: Claims) -> ProviderLink | None:
    links = ProviderLink.objects.select_for_update(of=("self",)).select_related("person")
    return links.filter(issuer=provider.issuer, subject=claims.subject).first()


def _by_address(provider: Provider, claims: Claims) -> Person | None:
    """Who has the address here already. Raises NotAllowed for an address that is missing, can't be used here, or that
    the provider does not vouch for, and where this provider is not to be linked to their account. Nobody but the one
    whose address it is learns whether there is an account."""
    if not claims.email:
        raise NotAllowed(
            _("%(provider)s told no e-mail address of yours. Ask the helpdesk.") % {"provider": provider.name}
        )
    try:
        addresses.checked(claims.email)  # never taken for another one
    except Invalid as refusal:
        raise NotAllowed(
            _("%(provider)s says that your e-mail address is %(email)s, which can't be used here. Ask the helpdesk.")
            % {"provider": provider.name, "email": one_line(claims.email)}
        ) from refusal
    if not _is_vouched(provider, claims):
        raise NotAllowed(
            _(
                "%(provider)s does not say that the address %(email)s is yours, so it opens no account here. Ask the "
                "helpdesk."
            )
            % {"email": claims.email, "provider": provider.name}
        )
    person = selectors.with_address(claims.email).first()
    if person is not None:
        _check_adoptable(person, provider, claims)
    return person


def _is_vouched(provider: Provider, claims: Claims) -> bool:
    return claims.email_verified or provider.vouches_for_addresses


def _check_adoptable(person: Person, provider: Provider, claims: Claims) -> None:
    """Raises NotAllowed where this provider is not to be linked to this account by its address."""
    if person.provider not in {"", provider.id} or person.provider_links.exists():
        raise NotAllowed(
            _(
                "There is an account with the address %(email)s, and it is linked to another sign-in. Sign in with "
                "that, or ask the helpdesk."
            )
            % {"email": claims.email}
        )
    if person.has_console:
        raise NotAllowed(
            _(
                "Your role sees more than your own devices, so your account is linked by yourself alone: sign in "
                "another way, and link %(provider)s under Account, Sign-in and security."
            )
            % {"provider": provider.name}
        )
    if not is_of_a_domain(provider, claims.email):
        raise NotAllowed(
            _(
                "There is an account with the address %(email)s, and addresses of its domain are not for %(provider)s "
                "to give. Sign in another way, or ask the helpdesk."
            )
            % {"email": claims.email, "provider": provider.name}
        )
    if not person.is_active:
        raise NotAllowed(_("Your account here is suspended. Ask the helpdesk."))


def is_of_a_domain(provider: Provider, email: str) -> bool:
    return addresses.key_of(email).rpartition("@")[2] in set(provider.domains)


def must_prove(person: Person) -> bool:
    """Whether somebody has this account already. Who has neither password nor factor and has never signed in has not:
    they were invited, and this is how they come."""
    has_factor = Authenticator.objects.filter(user=person).exists()
    return person.signed_in_at is not None or person.has_usable_password() or has_factor


def _new(provider: Provider, claims: Claims, actor: Actor) -> Person:
    if not provider.makes_people:
        raise NotAllowed(
            _("%(provider)s knows you, and you have no account here yet. Ask the helpdesk for an invitation.")
            % {"provider": provider.name}
        )
    name = claims.name or claims.email.partition("@")[0]
    return services.create_person(actor=actor, email=claims.email, name=name[:120])


def _linked(actor: Actor, person: Person, provider: Provider, claims: Claims, *, manages: bool) -> ProviderLink:
    try:
        with transaction.atomic():
            link = ProviderLink.objects.create(
                person=person,
                provider=provider.id,
                issuer=provider.issuer,
                subject=claims.subject,
                manages=manages,
            )
    except IntegrityError as error:
        raise Conflict(
            _("This account of %(provider)s signs in somebody else here.") % {"provider": provider.name}
        ) from error
    audit.record(
        Verb.PROVIDER_LINKED,
        actor=actor,
        person=person,
        details={"provider": provider.id, "issuer": provider.issuer, "manages": manages},
    )
    return link


def _follow(link: ProviderLink, provider: Provider, claims: Claims, actor: Actor) -> None:
    ProviderLink.objects.filter(pk=link.pk).update(used_at=timezone.now())
    # Not whom another provider manages: the one who signed in last would be the one who says who they are.
    if link.manages and link.person.provider in {"", provider.id}:
        _describe(link.person, provider, claims, actor)
        if provider.groups_claim:
            _sort(link.person, provider, claims.groups, actor)


@transaction.atomic
def adopt(*, actor: Actor, person: Person, provider: Provider, claims: Claims) -> None:
    """Link somebody to the account at the provider that has their address, now that they have proved to be this person
    as well. From now on the provider keeps their name, address and groups.

    Raises NotAllowed, NeedsFreshAuthentication, or Conflict where things have changed meanwhile."""
    actor.require_fresh(timezone.now())
    person = Person.objects.select_for_update().get(id=person.id)
    if actor.kind != "person" or actor.id != str(person.id) or _by_address(provider, claims) != person:
        raise NotAllowed(_("This is somebody else’s account."))
    if _found(provider, claims) is not None:
        raise Conflict(_("This account of %(provider)s signs in somebody else here.") % {"provider": provider.name})
    link = _linked(actor, person, provider, claims, manages=True)
    _follow(link, provider, claims, Actor(kind="system", name=provider.name, address=actor.address))
    _tell(person, Notice.FACTOR_ADDED, provider, actor)


@transaction.atomic
def link_own(*, actor: Actor, person: Person, provider: Provider, claims: Claims) -> None:
    """Let somebody who is signed in here sign in with this account at a provider as well. Name, address, groups and
    password stay as they are. They are told by mail.

    Raises NotAllowed, NeedsFreshAuthentication, Conflict for an account that is somebody else's or where there is one.
    """
    actor.require_fresh(timezone.now())
    if actor.kind != "person" or actor.id != str(person.id):
        raise NotAllowed(_("This is somebody else’s account."))
    person = Person.objects.select_for_update().get(id=person.id)
    if person.provider:
        raise NotAllowed(
            _("%(keeper)s keeps your account, so it can’t be linked to another sign-in.")
            % {"keeper": providers.keeper(person)}
        )
    if person.provider_links.filter(issuer=provider.issuer).exists():
        raise Conflict(_("Your account is linked to %(provider)s already.") % {"provider": provider.name})
    _linked(actor, person, provider, claims, manages=False)
    _tell(person, Notice.FACTOR_ADDED, provider, actor)


@transaction.atomic
def unlink_own(*, actor: Actor, person: Person, provider: Provider) -> None:
    """Take back `link_own`. They are told by mail.

    Raises NotFound, NeedsFreshAuthentication, NotAllowed for whom the provider manages, Conflict where it is the only
    way in."""
    actor.require_fresh(timezone.now())
    if actor.kind != "person" or actor.id != str(person.id):
        raise NotAllowed(_("This is somebody else’s account."))
    person = Person.objects.select_for_update().get(id=person.id)
    links = person.provider_links.filter(issuer=provider.issuer)
    if not links.exists():
        raise NotFound(_("Your account is not linked to %(provider)s.") % {"provider": provider.name})
    if person.provider == provider.id:
        raise NotAllowed(_("Your account is kept by %(provider)s.") % {"provider": provider.name})
    if not providers.has_another_way_in(person, but=provider):
        raise Conflict(_("You could not sign in any more. Add a passkey or a password first."))
    links.delete()
    audit.record(
        Verb.PROVIDER_UNLINKED,
        actor=actor,
        person=person,
        details={"provider": provider.id, "issuer": provider.issuer},
    )
    _tell(person, Notice.FACTOR_REMOVED, provider, actor)


def end_links_since(person_id: UUID, since: datetime, now: datetime) -> None:  # noqa: ARG001  as `set_aside.Revoke` is
    """End the links that somebody who had this account in their hands may have made. Whoever made them rightly makes
    them again."""
    links = ProviderLink.objects.filter(person_id=person_id, linked_at__gte=since)
    for provider in links.filter(manages=True).values_list("provider", flat=True):
        Person.objects.filter(id=person_id, provider=provider).update(provider="")
    links.delete()


def _tell(person: Person, notice: Notice, provider: Provider, actor: Actor) -> None:
    facts = {
        "factor": provider.name,
        "at": timezone.now().isoformat(timespec="seconds"),
        "address": actor.address,
    }
    services.notify(person=person, notice=notice, facts=facts)


def _describe(person: Person, provider: Provider, claims: Claims, actor: Actor) -> None:
    """Name and address are the provider's to say. An address that somebody else has here stays as it was."""
    changed = []
    if person.provider != provider.id:
        person.provider = provider.id
        changed.append("provider")
    if claims.name and person.name != claims.name[:120]:
        person.name = claims.name[:120]
        changed.append("name")
    if changed:
        person.clean_fields(exclude=["password", "email_key"])
        person.save(update_fields=changed)
    if person.email != claims.email and _is_free(claims.email, person, vouched=_is_vouched(provider, claims)):
        before, person.email = person.email, claims.email
        try:
            with transaction.atomic():
                person.save(update_fields=["email"])
        except IntegrityError:  # somebody was given it at this very moment
            person.email = before
        else:
            changed.append("email")
    if changed:
        if {"name", "email"} & set(changed):
            following.changed([person.id])
        audit.record(
            Verb.PERSON_CHANGED,
            actor=actor,
            person=person,
            details={"changed": ", ".join(changed)},
        )


def _is_free(email: str, person: Person, *, vouched: bool) -> bool:
    """Whether a person can be given this address from now on."""
    if not email or not vouched:
        return False
    try:
        addresses.checked(email)
    except Invalid:
        return False
    return not selectors.with_address(email).exclude(id=person.id).exists()


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
    memberships.note_groups(actor=actor, person=person, joined=joining, left=leaving)
