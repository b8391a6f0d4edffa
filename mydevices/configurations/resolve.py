"""What should be on a device, in no platform's words: for each of its configurations the content that it has for the
device's owner. Adapters render it when a device polls.

An identity certificate of which people bring their own (a type) is used on a device where it is assigned, and where an
account names it. Its certificate is in the profile of that account where the platform puts it there, and else in a
profile of its own. One that is for encryption has a profile of its own in any case, one for each certificate: a
replaced one stays on the device beside its successor, and old mail readable."""

import json
from base64 import b64decode
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext_noop

from mydevices.accounts.models import Person
from mydevices.certificates import selectors as certificates
from mydevices.certificates.models import Certificate, CertificateType
from mydevices.configurations.kinds import KINDS
from mydevices.configurations.kinds.account import Account
from mydevices.configurations.kinds.email import Email
from mydevices.configurations.kinds.exchange import Exchange
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.kinds.web_clip import WebClip
from mydevices.configurations.models import Configuration, SharedIdentity, Withdrawal
from mydevices.configurations.selectors import identifier
from mydevices.configurations.variables import fill, fill_address
from mydevices.errors import Conflict, Unsupported
from mydevices.protocols.pki.pkcs12 import Bundle
from mydevices.vault import services as vault

CLEARED: Final = gettext_noop(
    "The private key of the certificate is not kept here any more. Upload the certificate again to send it."
)
DELETED: Final = gettext_noop("The certificate was deleted before it could be sent.")


def _digest(*parts: object) -> str:
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


# --- content


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate that goes to a device together with its private key: a person's, or the file for everybody."""

    configuration_id: UUID
    """Of the identity certificate that it is of, which is also its type."""
    label: str
    fingerprint: str
    all_apps: bool
    """On this device every application may use the key."""
    certificate: Certificate | None = field(default=None, repr=False)
    shared: SharedIdentity | None = field(default=None, repr=False)

    @property
    def has_key(self) -> bool:
        return self.certificate is None or self.certificate.has_key

    def opened(self) -> Bundle:
        """With its key and chain, read from the database. Raises Conflict, with why, once the key is gone."""
        if self.certificate is not None:
            row = Certificate.objects.select_related("type").filter(id=self.certificate.id).first()
            bundle = certificates.identity(row) if row else None
            if bundle is None:
                raise Conflict(CLEARED if row else DELETED)
            return bundle
        shared = SharedIdentity.objects.filter(configuration=self.configuration_id).first()
        if shared is None:
            raise Conflict(DELETED)
        return Bundle(
            key=vault.open_sealed(shared.key, place_of_key(self.configuration_id)),
            certificate=bytes(shared.der),
            chain=tuple(b64decode(one) for one in shared.chain),
            friendly_name=self.label,
        )


def place_of_key(configuration_id: UUID) -> vault.Place:
    """What the key of the file for everybody is sealed to."""
    subject = str(configuration_id)
    return vault.Place("configurations_sharedidentity", "key", row=subject, owner=subject)


@dataclass(frozen=True, slots=True)
class ClipContent:
    """A web clip with its variables filled."""

    clip: WebClip
    icon: bytes | None
    name: str

    @property
    def identities(self) -> Sequence[Identity]:
        return ()

    def digest_with(self, _fingerprints: Mapping[str, str]) -> str:
        icon = sha256(self.icon).hexdigest() if self.icon else ""
        return _digest("web_clip", self.name, icon, self.clip.stored())

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal: differs whenever a device would have to be sent something else."""
        return self.digest_with({})


@dataclass(frozen=True, slots=True)
class IdentityContent:
    """A certificate with its private key in a profile of its own."""

    name: str
    identity: Identity

    @property
    def identities(self) -> Sequence[Identity]:
        return (self.identity,)

    def digest_with(self, _fingerprints: Mapping[str, str]) -> str:
        return _digest("identity_certificate", self.name, self.identity.fingerprint, self.identity.all_apps)

    @property
    def digest(self) -> str:
        """As of a web clip. Whether the private key is still kept here changes nothing."""
        return self.digest_with({})


@dataclass(frozen=True, slots=True)
class AccountContent:
    """An account with its variables filled, and the certificates that go into its profile. Signing or encryption for
    which a type is named that the person has no certificate of is switched off in `account`."""

    name: str
    account: Exchange | Email
    signing: Identity | None
    encryption: Identity | None
    login: Identity | None
    wanting: frozenset[UUID] = frozenset()
    """Types that are named here and would be in the profile, if the person had a certificate."""
    as_named: Exchange | Email | None = field(default=None, repr=False)
    """The account before anything was switched off."""

    @property
    def identities(self) -> Sequence[Identity]:
        """Each once."""
        found = {one.fingerprint: one for one in (self.signing, self.encryption, self.login) if one is not None}
        return tuple(found.values())

    def digest_with(self, fingerprints: Mapping[str, str]) -> str:
        """What the digest is with certificates for what is wanting: fingerprints by type."""
        named = {one.configuration_id: one.fingerprint for one in (self.signing, self.encryption, self.login) if one}
        found = named | {one: fingerprints[str(one)] for one in self.wanting if str(one) in fingerprints}
        account = _plain(self.as_named or self.account, found)
        of_fields = {name: found.get(type_id, "") for name, type_id in account.types.items()}
        return _digest(account.name(), self.name, account.stored(), of_fields)

    @property
    def digest(self) -> str:
        """As of a web clip."""
        return self.digest_with({})


Content = ClipContent | IdentityContent | AccountContent


def missing(content: Content) -> str:
    """Why it cannot be sent, in English: a key that is gone. Empty when nothing is missing."""
    return "" if all(one.has_key for one in content.identities) else CLEARED


def carried(content: Content) -> dict[str, str]:
    """The certificates in a content: fingerprints by the id of what they are of."""
    return {str(one.configuration_id): one.fingerprint for one in content.identities}


@dataclass(frozen=True, slots=True)
class Piece:
    """What should be in one profile."""

    configuration: Configuration
    identifier: str
    content: Content
    uses: frozenset[UUID] = frozenset()
    """The types whose present certificate this is about, whether it is inside or not: what is sent again when that
    changes."""
    is_optional: bool = False
    """Only where it is already: a replaced certificate that cannot be sent any more."""


# --- what there is to choose from


@dataclass(frozen=True)
class Supply:
    """Configurations, and the certificates of people for them, loaded at once."""

    configurations: Sequence[Configuration]
    """All, with groups and shared identities; also those that are switched off, because accounts may name them."""
    held: Mapping[tuple[UUID, UUID], Sequence[Certificate]]
    """By person and type, the present one first; without those that were withdrawn. No keys."""
    known: frozenset[tuple[UUID, UUID, str]]
    """Person, type and fingerprint of every certificate that is kept here."""
    withdrawn: frozenset[tuple[UUID, UUID, str]]
    is_keyless: bool = False
    """For a device that no private key may go to: there is no certificate to choose from, the files for everybody
    included."""

    def keyless(self) -> "Supply":
        return replace(self, held={}, is_keyless=True)

    @cached_property
    def values(self) -> Mapping[UUID, object]:
        """Of the configurations, as their kinds read them."""
        return {one.id: KINDS[one.kind].read(one.values) for one in self.configurations if one.kind in KINDS}

    @cached_property
    def identities(self) -> Mapping[UUID, tuple[Configuration, IdentityCertificate]]:
        """The identity certificates, of any source."""
        return {
            one.id: (one, values)
            for one in self.configurations
            if isinstance(values := self.values.get(one.id), IdentityCertificate)
        }

    def present(self, person: Person, type_id: UUID, *, all_apps: bool) -> Identity | None:
        """What an account that names this brings to the person: their certificate, or the file for everybody."""
        configuration, values = self.identities.get(type_id, (None, None))
        if configuration is None or values is None:
            return None
        all_apps = all_apps and values.all_apps
        if not values.is_user_provided:
            return self.shared(configuration, all_apps=all_apps)
        for certificate in self.held.get((person.id, type_id), ()):
            if certificate.is_present:
                return _own(configuration, certificate, all_apps=all_apps)
        return None

    def shared(self, configuration: Configuration, *, all_apps: bool) -> Identity | None:
        """The file for everybody, where the configuration has one."""
        shared = getattr(configuration, "shared_identity", None)
        if self.is_keyless or not isinstance(shared, SharedIdentity):
            return None
        return Identity(configuration.id, configuration.name, shared.fingerprint, all_apps, shared=shared)


def _own(configuration: Configuration, certificate: Certificate, *, all_apps: bool) -> Identity:
    return Identity(configuration.id, configuration.name, certificate.fingerprint, all_apps, certificate=certificate)


def supply(person_ids: Iterable[UUID]) -> Supply:
    """Five statements for any number of people; three where nobody can have a certificate."""
    configurations = list(
        Configuration.objects.select_related("shared_identity").defer("shared_identity__key").prefetch_related("groups")
    )
    if not any(one.kind == IdentityCertificate.name() for one in configurations):
        return Supply(configurations, {}, frozenset(), frozenset())
    people = list(person_ids)
    rows = Certificate.objects.filter(person__in=people).defer("key", "der", "chain").order_by("-uploaded_at", "id")
    gone = frozenset(Withdrawal.objects.filter(person__in=people).values_list("person_id", "type_id", "fingerprint"))
    held: dict[tuple[UUID, UUID], list[Certificate]] = {}
    known = set()
    for one in sorted(rows, key=lambda row: not row.is_present):
        place = (one.person_id, one.type_id, one.fingerprint)
        known.add(place)
        if place not in gone:
            held.setdefault(place[:2], []).append(one)
    return Supply(configurations, held, frozenset(known), gone)


# --- what should be on a device


def pieces(
    owner: Person,
    reached: Sequence[Configuration],
    supplied: Supply,
    *,
    carries: bool,
    all_apps: bool,
    keys_held: bool,
) -> Sequence[Piece]:
    """Everything that should be on a device of this person that these configurations reach. `carries`: an account's
    profile brings the certificates that it names; `all_apps`: there is such a choice on this platform. `keys_held`: the
    device waits for its owner's word, and no private key is among what it gets; accounts are as for somebody who has no
    certificate. This is the one place that decides so. Asks nothing of the database."""
    if keys_held:
        supplied = supplied.keyless()
    found: list[Piece] = []
    inside: set[UUID] = set()
    for configuration in reached:
        values = supplied.values.get(configuration.id)
        if isinstance(values, WebClip):
            found.append(Piece(configuration, identifier(configuration.id), _clip(configuration, values, owner)))
        elif isinstance(values, Exchange | Email):
            content = _account(configuration, values, owner, supplied, carries=carries, all_apps=all_apps)
            types = frozenset(values.types.values())
            found.append(Piece(configuration, identifier(configuration.id), content, uses=types))
            inside |= {one.configuration_id for one in content.identities}
        elif not isinstance(values, IdentityCertificate):
            raise Unsupported(f"A configuration of the kind {configuration.kind} cannot be sent.")
    for type_id in sorted(used(reached, supplied)):
        if type_id in supplied.identities:
            found += _identities(type_id, owner, supplied, is_inside=type_id in inside, all_apps=all_apps)
    return found


def used(reached: Sequence[Configuration], supplied: Supply) -> frozenset[UUID]:
    """The identity certificates that are assigned to a device, or named by an account that is."""
    found: set[UUID] = set()
    for configuration in reached:
        values = supplied.values.get(configuration.id)
        if isinstance(values, IdentityCertificate):
            found.add(configuration.id)
        elif isinstance(values, Account):
            found |= set(values.types.values())
    return frozenset(found)


def _clip(configuration: Configuration, values: WebClip, person: Person) -> ClipContent:
    filled = replace(values, label=fill(values.label, person), url=fill_address(values.url, person))
    return ClipContent(filled, bytes(configuration.icon) if configuration.icon else None, configuration.name)


_FILLED: Final = (
    "email_address",
    "host",
    "external_host",
    "domain",
    "user_name",
    "path",
    "external_path",
    "description",
    "full_name",
    "imap_path_prefix",
    "incoming_host",
    "incoming_user_name",
    "outgoing_host",
    "outgoing_user_name",
)
"""Fields of accounts that may hold variables."""


_DEFAULTS: Final[Mapping[str, Any]] = {one.name: one.default for one in fields(Account)}
_SIGNING: Final = {name: value for name, value in _DEFAULTS.items() if name.startswith(("smime_signing", "signing_"))}
_ENCRYPTION: Final = {
    name: value for name, value in _DEFAULTS.items() if name.startswith(("smime_encryption", "encrypt", "per_message_"))
}


def _plain(account: Exchange | Email, there: Container[UUID]) -> Exchange | Email:
    """An account without what does not apply: signing and encryption that are off, or for which a type is named of
    which there is no certificate. Without it the account is worth having; switched on, every mail would fail for want
    of it."""
    types = account.types
    if not account.smime_signing or ("signing_type" in types and types["signing_type"] not in there):
        account = replace(account, **_SIGNING)
    if not account.smime_encryption or ("encryption_type" in types and types["encryption_type"] not in there):
        account = replace(account, **_ENCRYPTION)
    return account


def _account(
    configuration: Configuration,
    values: Exchange | Email,
    person: Person,
    supplied: Supply,
    *,
    carries: bool,
    all_apps: bool,
) -> AccountContent:
    texts: dict[str, Any] = {name: fill(getattr(values, name), person) for name in _FILLED if hasattr(values, name)}
    filled = replace(values, **texts)
    if not carries:  # S/MIME is no matter of the account there; who signs in is said by the account everywhere
        filled = replace(filled, **_SIGNING, **_ENCRYPTION)
    types = filled.types
    found = {name: supplied.present(person, type_id, all_apps=all_apps) for name, type_id in types.items()}
    wanting = frozenset(types[name] for name, one in found.items() if one is None)
    return AccountContent(
        name=configuration.name,
        account=_plain(filled, {types[name] for name, one in found.items() if one is not None}),
        signing=found.get("signing_type"),
        encryption=found.get("encryption_type"),
        login=found.get("login_identity"),
        wanting=wanting,
        as_named=filled,
    )


def _identities(type_id: UUID, owner: Person, supplied: Supply, *, is_inside: bool, all_apps: bool) -> Sequence[Piece]:
    """The profiles of an identity certificate itself."""
    configuration, values = supplied.identities[type_id]
    all_apps = all_apps and values.all_apps
    if not values.is_user_provided:
        shared = supplied.shared(configuration, all_apps=all_apps)
        if shared is None or is_inside:
            return ()
        return [Piece(configuration, identifier(type_id), IdentityContent(configuration.name, shared))]
    keeps_history = values.fits(CertificateType.Purpose.ENCRYPTION)
    found = []
    for certificate in supplied.held.get((owner.id, type_id), ()):
        if not keeps_history and (is_inside or not certificate.is_present):
            continue
        content = IdentityContent(configuration.name, _own(configuration, certificate, all_apps=all_apps))
        found.append(
            Piece(
                configuration,
                identifier(type_id, certificate.id if keeps_history else None),
                content,
                uses=frozenset({type_id}) if certificate.is_present else frozenset(),
                is_optional=not certificate.is_present and not certificate.has_key,
            )
        )
    return found
