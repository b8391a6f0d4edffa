"""What configurations are in Apple's words: neutral content as a profile, in the clear.

Identifiers stay as they are through all revisions, so that a newer profile replaces the older one. So do the UUIDs of
web clips and accounts, which the device then updates in their place; that of an identity is another one for another
certificate, and the device takes the new key instead of keeping the old."""

import secrets
from base64 import b64decode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from mydevices.configurations import resolve
from mydevices.configurations.kinds.account import Account
from mydevices.configurations.kinds.email import POP, Email
from mydevices.configurations.kinds.exchange import Exchange
from mydevices.errors import ProtocolError
from mydevices.protocols.apple import configurations as apple
from mydevices.protocols.apple import profiles
from mydevices.protocols.apple.profiles import Payload
from mydevices.protocols.apple.schema import System
from mydevices.protocols.pki import wrapping, x509

MARKER: Final = "The private key is not in this file."
"""Stands for a key, and for the password that protects it, where a profile is only looked at."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """An identity as its payload carries it."""

    pkcs12: bytes = field(repr=False)
    password: str = field(repr=False)
    chain: Sequence[bytes]
    """Certificates in DER: of those who issued it, the nearest first."""


Wrapping = Callable[[resolve.Identity], Wrapped]


def wrapped(identity: resolve.Identity) -> Wrapped:
    """With its key, under a password that has not been used before. Raises Conflict once the key is gone, CannotOpen
    without the master key for it."""
    bundle = identity.opened()
    password = secrets.token_urlsafe(24)
    pkcs12 = wrapping.wrap(bundle, password=password, friendly_name=identity.label, target="apple")
    return Wrapped(pkcs12, password, bundle.chain)


def marked(identity: resolve.Identity) -> Wrapped:
    """Without its key, which is not even opened."""
    kept = identity.certificate or identity.shared
    return Wrapped(MARKER.encode(), MARKER, [b64decode(one) for one in kept.chain] if kept else ())


@dataclass(frozen=True, slots=True)
class ProfilePlace:
    """Where a profile goes."""

    identifier: str
    channel_id: int
    for_mac: bool

    @property
    def os(self) -> System:
        return "macOS" if self.for_mac else "iOS"

    def uuid(self, what: str) -> str:
        """The same whenever it is asked for."""
        return str(uuid5(NAMESPACE_URL, f"{self.identifier}#{self.channel_id}#{what}")).upper()


def profile(
    content: resolve.Content, place: ProfilePlace, *, organisation: str, wrapping: Wrapping
) -> tuple[bytes, str]:
    """The profile as an XML property list, and its UUID: another one for other content, by which the device's list
    tells which it has. Raises Invalid for what a device would refuse, and as `wrapping` does."""
    uuid = place.uuid(content.digest)
    plain = profiles.profile(
        identifier=place.identifier,
        uuid=uuid,
        display_name=content.name,
        organisation=organisation,
        description="",
        payloads=_payloads(content, place, wrapping),
        scope="User" if place.for_mac else "System",
    )
    return plain, uuid


def _payloads(content: resolve.Content, place: ProfilePlace, wrapping: Wrapping) -> Sequence[Payload]:
    if isinstance(content, resolve.ClipContent):
        return [_clip(content, place)]
    identities = _identities(content.identities, place, wrapping)
    if isinstance(content, resolve.IdentityContent):
        return identities
    if isinstance(content.account, Exchange):
        return [_exchange(content, content.account, place), *identities]
    return [_mail(content, content.account, place), *identities]


def _clip(content: resolve.ClipContent, place: ProfilePlace) -> Payload:
    clip = content.clip
    return apple.web_clip(
        apple.WebClip(
            label=clip.label,
            url=clip.url,
            icon=content.icon,
            removable=clip.removable,
            precomposed=clip.precomposed,
            full_screen=clip.full_screen,
            ignore_manifest_scope=clip.ignore_manifest_scope,
            target_application=clip.target_application or None,
        ),
        identifier=f"{place.identifier}.web_clip",
        uuid=place.uuid("web_clip"),
        display_name=clip.label,
        os=place.os,
    )


# --- identities


def _identities(identities: Iterable[resolve.Identity], place: ProfilePlace, wrapping: Wrapping) -> list[Payload]:
    """One payload each, and one for each certificate between them and their roots."""
    found: list[Payload] = []
    between: dict[str, Payload] = {}
    for identity in identities:
        carried = wrapping(identity)
        found.append(
            apple.identity(
                apple.IdentityCertificate(
                    pkcs12=carried.pkcs12,
                    password=carried.password,
                    allow_all_apps=identity.all_apps,
                ),
                identifier=f"{place.identifier}.identity.{identity.configuration_id}",
                uuid=_uuid(identity, place),
                display_name=identity.label,
                os=place.os,
            )
        )
        for der in filter(_is_between, carried.chain):
            digest = x509.fingerprint(der)
            between[digest] = apple.certificate(
                der,
                identifier=f"{place.identifier}.issuer.{digest[:32]}",
                uuid=place.uuid(f"issuer {digest}"),
                display_name=f"{identity.label}: issuer",
                os=place.os,
            )
    return [*found, *between.values()]


def _uuid(identity: resolve.Identity, place: ProfilePlace) -> str:
    """Also another one where other applications may use the key: that is written into a keychain with the key."""
    return place.uuid(f"identity {identity.fingerprint}{' of all' if identity.all_apps else ''}")


def _is_between(der: bytes) -> bool:
    """Whether somebody else vouches for it. A root is not sent: a device trusts one that its management brings for
    everything, web pages included, and whom to trust is not for an uploaded file to say. Nor is what cannot be read:
    the identity works without it."""
    try:
        outline = x509.outline(der)
    except ProtocolError:
        return False
    return outline.issuer != outline.subject


# --- accounts


def _smime(content: resolve.AccountContent, place: ProfilePlace) -> apple.Smime:
    """An identity is named by its payload; what is switched off is not mentioned."""
    account: Account = content.account
    signing = encryption = None
    if account.smime_signing:
        signing = apple.Signing(
            certificate_uuid=_uuid(content.signing, place) if content.signing else None,
            user_may_switch=account.signing_user_may_switch,
            user_may_choose_certificate=account.signing_user_may_choose,
        )
    if account.smime_encryption:
        encryption = apple.Encryption(
            certificate_uuid=_uuid(content.encryption, place) if content.encryption else None,
            by_default=account.encrypt_by_default,
            user_may_switch_default=account.encryption_user_may_switch,
            user_may_choose_certificate=account.encryption_user_may_choose,
            per_message_switch=account.per_message_switch,
        )
    return apple.Smime(signing, encryption)


def _service(account: Exchange, name: str) -> apple.Service:
    return apple.Service(
        enabled=bool(getattr(account, name)), user_may_switch=bool(getattr(account, f"{name}_user_may_switch"))
    )


def _exchange(content: resolve.AccountContent, account: Exchange, place: ProfilePlace) -> Payload:
    described = apple.ExchangeAccount(
        email_address=account.email_address,
        user_name=account.sign_in_name,
        host=account.host or None,
        ssl=account.ssl,
        oauth=apple.OAuth(account.oauth_sign_in_url or None, account.oauth_token_url or None)
        if account.oauth
        else None,
        login_certificate_uuid=_uuid(content.login, place) if content.login else None,
        smime=_smime(content, place),
        past_days=apple.PastDays(account.past_days),
        services=apple.Services(
            mail=_service(account, "mail"),
            contacts=_service(account, "contacts"),
            calendars=_service(account, "calendars"),
            reminders=_service(account, "reminders"),
            notes=_service(account, "notes"),
        ),
        only_in_mail=account.only_in_mail,
        prevent_move=account.prevent_move,
        keep_recents=account.keep_recents,
        audio_call_application=account.audio_call_application or None,
        allow_mail_drop=account.allow_mail_drop,
        port=account.port,
        path=account.path or None,
        external_host=account.external_host or None,
        external_port=account.external_port,
        external_path=account.external_path or None,
        external_ssl=account.external_ssl,
    )
    make = apple.exchange_mac if place.for_mac else apple.exchange_ios
    return make(
        described,
        identifier=f"{place.identifier}.exchange",
        uuid=place.uuid("exchange"),
        display_name=content.name,
    )


_AUTHENTICATIONS: Final = {
    "none": apple.Authentication.NONE,
    "password": apple.Authentication.PASSWORD,
    "cram_md5": apple.Authentication.CRAM_MD5,
    "ntlm": apple.Authentication.NTLM,
    "http_md5": apple.Authentication.HTTP_MD5,
}


def _mail(content: resolve.AccountContent, account: Email, place: ProfilePlace) -> Payload:
    return apple.mail(
        apple.MailAccount(
            email_address=account.email_address,
            incoming=apple.MailServer(
                host=account.incoming_host,
                port=account.incoming_port,
                ssl=account.incoming_ssl,
                authentication=_AUTHENTICATIONS[account.incoming_authentication],
                user_name=account.incoming_user_name or None,
            ),
            outgoing=apple.MailServer(
                host=account.outgoing_host,
                port=account.outgoing_port,
                ssl=account.outgoing_ssl,
                authentication=_AUTHENTICATIONS[account.outgoing_authentication],
                user_name=account.outgoing_user_name or None,
            ),
            protocol=apple.MailProtocol.POP if account.protocol == POP else apple.MailProtocol.IMAP,
            description=account.description or content.name,
            full_name=account.full_name or None,
            imap_path_prefix=account.imap_path_prefix or None,
            allow_mail_drop=account.allow_mail_drop,
            keep_recents=account.keep_recents,
            smime=_smime(content, place),
            prevent_move=account.prevent_move,
            only_in_mail=account.only_in_mail,
        ),
        identifier=f"{place.identifier}.mail",
        uuid=place.uuid("mail"),
        display_name=content.name,
        os=place.os,
    )
