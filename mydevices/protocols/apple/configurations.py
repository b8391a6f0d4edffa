"""The payloads of configurations: web clips, identities, Exchange and mail accounts.

Schema: mdm/profiles/com.apple.webClip.managed.yaml, com.apple.security.pkcs12.yaml, com.apple.security.pkcs1.yaml,
com.apple.eas.account.yaml (iPhone and iPad), com.apple.ews.account.yaml (Mac) and com.apple.mail.managed.yaml. One
value describes an account for every platform; each function takes what its payload has. A key that the system, or the
version given, does not have is left out: a newer device gets the newer keys. Without a version the newest is meant.

On a Mac all of these belong to a user's channel, and no account payload there has a key for S/MIME: Mail finds the
identity in the login keychain by its address. On iPhone and iPad the identities that an account names by PayloadUUID
must be in the same profile.

The file is long because it is four payloads, each of which is a list of keys.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from mydevices.errors import Invalid
from mydevices.protocols.apple import profiles, schema
from mydevices.protocols.apple.profiles import Payload
from mydevices.protocols.apple.schema import System

WEB_CLIP = "com.apple.webClip.managed"
PKCS12 = "com.apple.security.pkcs12"
CERTIFICATE = "com.apple.security.pkcs1"
EXCHANGE_IOS = "com.apple.eas.account"
EXCHANGE_MAC = "com.apple.ews.account"
MAIL = "com.apple.mail.managed"

LARGEST_ICON = 1024 * 1024
"""Bytes. Devices scale and crop what is larger than 400 x 400 pixels (com.apple.webClip.managed.yaml)."""

_PNG = b"\x89PNG\r\n\x1a\n"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_HOST = re.compile(r"[^\s/:@?#]+|\[[0-9A-Fa-f:.]+\]")
_SECURE = re.compile(r"https://[^\s/]\S*")


def _given(value: str, what: str) -> str:
    if not value.strip():
        raise Invalid(f"{what} is missing.")
    return value


def _checked_host(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise Invalid(f"“{host}” is not the name of a server: no https:// before it, no path and no port after it.")
    return host


def _check_port(port: int | None) -> None:
    if port is not None and not 0 < port < 65536:
        raise Invalid("A port is a number from 1 to 65535.")


def _check_sign_in(url: str | None) -> None:
    if url and not _SECURE.fullmatch(url):
        raise Invalid(f"“{url}” is not an address for signing in: it begins with https://")


def _payload(
    kind: str,
    keys: Mapping[str, object],
    *,
    identifier: str,
    uuid: str,
    display_name: str,
    os: System,
    os_version: str | None,
) -> Payload:
    """A payload with those keys that have a value and that the system has. A key unknown to all is a LookupError."""
    there = {key for key in keys if schema.has(kind, key, os=os, os_version=os_version)}
    found = {key: value for key, value in keys.items() if key in there and value is not None}
    return profiles.payload(kind, identifier=identifier, uuid=uuid, display_name=display_name, **found)


# --- web clips


@dataclass(frozen=True, slots=True)
class WebClip:
    """A symbol on the home screen, on a Mac in the Dock, that opens an address.

    `target_application` is the bundle identifier of the application that opens it, such as `com.google.chrome.ios`.
    `ignore_manifest_scope` matters only in full screen. A Mac knows label, address and icon.
    """

    label: str
    url: str
    icon: bytes | None = None
    """PNG, at best square and no larger than 400 x 400 pixels."""
    removable: bool = True
    precomposed: bool = False
    full_screen: bool = False
    ignore_manifest_scope: bool = False
    target_application: str | None = None

    def __post_init__(self) -> None:
        _given(self.label, "The label of the web clip")
        if not _SCHEME.fullmatch(self.url):
            raise Invalid(f"“{self.url}” is not an address: it begins with https://, for example.")
        if self.icon is not None and not self.icon.startswith(_PNG):
            raise Invalid("The icon must be a PNG picture.")
        if self.icon is not None and len(self.icon) > LARGEST_ICON:
            raise Invalid("The icon is larger than 1 MB.")


def web_clip(
    clip: WebClip, *, identifier: str, uuid: str, display_name: str, os: System, os_version: str | None = None
) -> Payload:
    """com.apple.webClip.managed; on a Mac for a user's channel."""
    keys = {
        "Label": clip.label,
        "URL": clip.url,
        "Icon": clip.icon,
        "IsRemovable": clip.removable,
        "Precomposed": clip.precomposed,
        "FullScreen": clip.full_screen,
        "IgnoreManifestScope": clip.ignore_manifest_scope if clip.full_screen else None,
        "TargetApplicationBundleIdentifier": clip.target_application or None,
    }
    return _payload(
        WEB_CLIP, keys, identifier=identifier, uuid=uuid, display_name=display_name, os=os, os_version=os_version
    )


# --- certificates


@dataclass(frozen=True, slots=True)
class IdentityCertificate:
    """A certificate with its private key: one PKCS#12 with nothing else in it, and the password that opens it.

    The profile that it goes into must be encrypted. Devices read PKCS#12 of the old kind only (3DES and SHA-1).
    """

    pkcs12: bytes = field(repr=False)
    password: str = field(repr=False)
    allow_all_apps: bool = False
    """Any application on a Mac may use the key without asking its user."""
    file_name: str = "identity.p12"

    def __post_init__(self) -> None:
        if not self.pkcs12:
            raise Invalid("There is no certificate to install.")
        _given(self.password, "The password of the certificate")


def identity(
    certificate: IdentityCertificate,
    *,
    identifier: str,
    uuid: str,
    display_name: str,
    os: System,
    os_version: str | None = None,
) -> Payload:
    """com.apple.security.pkcs12. A new key needs a new `uuid`. On a Mac the key cannot be copied out of the keychain;
    on the device channel it would land in the system's, where Mail does not look."""
    keys = {
        "PayloadCertificateFileName": certificate.file_name,
        "PayloadContent": certificate.pkcs12,
        "Password": certificate.password,
        "AllowAllAppsAccess": certificate.allow_all_apps,
        "KeyIsExtractable": False,
    }
    return _payload(
        PKCS12, keys, identifier=identifier, uuid=uuid, display_name=display_name, os=os, os_version=os_version
    )


def certificate(der: bytes, *, identifier: str, uuid: str, display_name: str, os: System) -> Payload:
    """com.apple.security.pkcs1: a certificate without a key, in DER, such as one between an identity and its root."""
    if not der:
        raise Invalid("There is no certificate to install.")
    keys = {"PayloadCertificateFileName": "certificate.cer", "PayloadContent": der}
    return _payload(
        CERTIFICATE, keys, identifier=identifier, uuid=uuid, display_name=display_name, os=os, os_version=None
    )


# --- S/MIME


@dataclass(frozen=True, slots=True)
class Signing:
    """Signing of mail on iPhone and iPad. `certificate_uuid` is the PayloadUUID of an identity in the same profile."""

    certificate_uuid: str | None = None
    enabled: bool = True
    user_may_switch: bool = False
    user_may_choose_certificate: bool = False


@dataclass(frozen=True, slots=True)
class Encryption:
    """Encryption of mail on iPhone and iPad: the identity that mail to this account is read with.

    `by_default`: new mail is encrypted unless its writer says otherwise, which needs `per_message_switch`.
    """

    certificate_uuid: str | None = None
    by_default: bool = False
    user_may_switch_default: bool = False
    user_may_choose_certificate: bool = False
    per_message_switch: bool = True


@dataclass(frozen=True, slots=True)
class Smime:
    """None: nothing is said, and it is off."""

    signing: Signing | None = None
    encryption: Encryption | None = None


def _smime(smime: Smime) -> dict[str, object]:
    """The keys are the same for Exchange and mail. Apple describes SMIMEEncryptByDefaultUserOverrideable of Exchange as
    the opposite of its name and of the same key of mail; it is used by its name."""
    keys: dict[str, object] = {}
    if (signing := smime.signing) is not None:
        keys |= {
            "SMIMESigningEnabled": signing.enabled,
            "SMIMESigningCertificateUUID": signing.certificate_uuid,
            "SMIMESigningUserOverrideable": signing.user_may_switch,
            "SMIMESigningCertificateUUIDUserOverrideable": signing.user_may_choose_certificate,
        }
    if (encryption := smime.encryption) is not None:
        keys |= {
            "SMIMEEncryptionEnabled": encryption.by_default,  # what SMIMEEncryptByDefault was before iOS 12
            "SMIMEEncryptionCertificateUUID": encryption.certificate_uuid,
            "SMIMEEncryptByDefault": encryption.by_default,
            "SMIMEEncryptByDefaultUserOverrideable": encryption.user_may_switch_default,
            "SMIMEEncryptionCertificateUUIDUserOverrideable": encryption.user_may_choose_certificate,
            "SMIMEEnableEncryptionPerMessageSwitch": encryption.per_message_switch,
            "SMIMEEnablePerMessageSwitch": encryption.per_message_switch,  # its name before iOS 12
        }
    return keys


# --- Exchange


class PastDays(IntEnum):
    """How much mail is on the device (com.apple.eas.account.yaml: MailNumberOfPastDaysToSync)."""

    NO_LIMIT = 0
    ONE_DAY = 1
    THREE_DAYS = 3
    ONE_WEEK = 7
    TWO_WEEKS = 14
    ONE_MONTH = 31


@dataclass(frozen=True, slots=True)
class Service:
    """One of the things that an Exchange account brings to an iPhone or iPad (from iOS 13; before, all of them)."""

    enabled: bool = True
    user_may_switch: bool = True


@dataclass(frozen=True, slots=True)
class Services:
    mail: Service = Service()
    contacts: Service = Service()
    calendars: Service = Service()
    reminders: Service = Service()
    notes: Service = Service()


@dataclass(frozen=True, slots=True)
class OAuth:
    """Signing in on a web page. The addresses are found by the device when they are not given (from iOS 13; a Mac takes
    the first, from macOS 10.14)."""

    sign_in_url: str | None = None
    token_request_url: str | None = None

    def __post_init__(self) -> None:
        _check_sign_in(self.sign_in_url)
        _check_sign_in(self.token_request_url)


@dataclass(frozen=True, slots=True)
class ExchangeAccount:
    """An account of a person on an Exchange server: ActiveSync on iPhone and iPad, Exchange Web Services on a Mac.

    A device installs it without asking anybody only with `user_name`. A password makes the profile a secret, and cannot
    be given with `oauth`. `login_certificate_uuid` is the PayloadUUID of an identity in the same profile that proves
    who signs in, with no password where the server wants none.
    """

    email_address: str
    user_name: str
    host: str | None = None
    ssl: bool = True
    password: str | None = field(default=None, repr=False)
    oauth: OAuth | None = None
    login_certificate_uuid: str | None = None
    smime: Smime = Smime()
    # iPhone and iPad
    past_days: PastDays = PastDays.ONE_WEEK
    services: Services = Services()
    only_in_mail: bool = False
    """Other applications cannot send with this account."""
    prevent_move: bool = False
    """Messages stay in this account, and are answered and forwarded from it only."""
    keep_recents: bool = True
    """Its addresses are among those last used, on all devices of the person."""
    replace_password: bool = False
    """The password of this profile takes the place of what the person entered (iOS 14)."""
    audio_call_application: str | None = None
    """The bundle identifier of the application that calls the contacts of this account."""
    vpn_uuid: str | None = None
    """The VPNUUID of the VPN that the account uses (iOS 14)."""
    # iPhone, iPad and Mac
    allow_mail_drop: bool = False
    # Mac
    port: int | None = None
    path: str | None = None
    external_host: str | None = None
    external_port: int | None = None
    external_path: str | None = None
    external_ssl: bool = True

    def __post_init__(self) -> None:
        _given(self.email_address, "The e-mail address")
        _given(self.user_name, "The user name")
        for host in (self.host, self.external_host):
            if host:
                _checked_host(host)
        for port in (self.port, self.external_port):
            _check_port(port)
        if self.oauth and self.password:
            raise Invalid("An account that signs in on a web page (OAuth) has no password in its profile.")
        if self.oauth and self.oauth.sign_in_url and not self.host:
            raise Invalid("With an address for signing in, the account needs its server: the device looks for none.")
        if not self.oauth and not self.host:
            raise Invalid("The Exchange server is missing.")
        services = self.services
        if not any(
            service.enabled
            for service in (services.mail, services.contacts, services.calendars, services.reminders, services.notes)
        ):
            raise Invalid("At least one of mail, contacts, calendars, reminders and notes must be on.")


def exchange_ios(
    account: ExchangeAccount, *, identifier: str, uuid: str, display_name: str, os_version: str | None = None
) -> Payload:
    """com.apple.eas.account, for iPhone and iPad. `display_name` is also the name of the account."""
    services = account.services
    call = account.audio_call_application
    keys: dict[str, object] = {
        "EmailAddress": account.email_address,
        "UserName": account.user_name,
        "Host": account.host or None,
        "SSL": account.ssl,
        "Password": account.password or None,
        "OAuth": account.oauth is not None,
        "OAuthSignInURL": (account.oauth and account.oauth.sign_in_url) or None,
        "OAuthTokenRequestURL": (account.oauth and account.oauth.token_request_url) or None,
        "OverridePreviousPassword": account.replace_password,
        "PayloadCertificateUUID": account.login_certificate_uuid,
        "MailNumberOfPastDaysToSync": int(account.past_days),
        "EnableMail": services.mail.enabled,
        "EnableMailUserOverridable": services.mail.user_may_switch,
        "EnableContacts": services.contacts.enabled,
        "EnableContactsUserOverridable": services.contacts.user_may_switch,
        "EnableCalendars": services.calendars.enabled,
        "EnableCalendarsUserOverridable": services.calendars.user_may_switch,
        "EnableReminders": services.reminders.enabled,
        "EnableRemindersUserOverridable": services.reminders.user_may_switch,
        "EnableNotes": services.notes.enabled,
        "EnableNotesUserOverridable": services.notes.user_may_switch,
        "PreventMove": account.prevent_move,
        "PreventAppSheet": account.only_in_mail,
        "disableMailRecentsSyncing": not account.keep_recents,
        "allowMailDrop": account.allow_mail_drop,
        "CommunicationServiceRules": {"DefaultServiceHandlers": {"AudioCall": call}} if call else None,
        "VPNUUID": account.vpn_uuid or None,
        **_smime(account.smime),
    }
    return _payload(
        EXCHANGE_IOS, keys, identifier=identifier, uuid=uuid, display_name=display_name, os="iOS", os_version=os_version
    )


def exchange_mac(
    account: ExchangeAccount, *, identifier: str, uuid: str, display_name: str, os_version: str | None = None
) -> Payload:
    """com.apple.ews.account, for the channel of a Mac's user. It has no key for S/MIME, services or past days."""
    external = account.external_host or None
    keys: dict[str, object] = {
        "EmailAddress": account.email_address,
        "UserName": account.user_name,
        "Host": account.host or None,
        "Port": account.port,
        "Path": account.path or None,
        "SSL": account.ssl,
        "ExternalHost": external,
        "ExternalPort": account.external_port if external else None,
        "ExternalPath": (account.external_path or None) if external else None,
        "ExternalSSL": account.external_ssl if external else None,
        "Password": account.password or None,
        "OAuth": account.oauth is not None,
        "OAuthSignInURL": (account.oauth and account.oauth.sign_in_url) or None,
        "PayloadCertificateUUID": account.login_certificate_uuid,
        "allowMailDrop": account.allow_mail_drop,
    }
    return _payload(
        EXCHANGE_MAC,
        keys,
        identifier=identifier,
        uuid=uuid,
        display_name=display_name,
        os="macOS",
        os_version=os_version,
    )


# --- mail


class MailProtocol(StrEnum):
    IMAP = "EmailTypeIMAP"
    POP = "EmailTypePOP"


class Authentication(StrEnum):
    """How an account signs in at a mail server."""

    NONE = "EmailAuthNone"
    PASSWORD = "EmailAuthPassword"  # noqa: S105  # the name of a way to sign in
    CRAM_MD5 = "EmailAuthCRAMMD5"
    NTLM = "EmailAuthNTLM"
    HTTP_MD5 = "EmailAuthHTTPMD5"


@dataclass(frozen=True, slots=True)
class MailServer:
    """One of the two servers of a mail account. Without a port the device takes the usual ones. Without a password it
    asks its user for it, later; one password for both servers is given twice."""

    host: str
    port: int | None = None
    ssl: bool = True
    authentication: Authentication = Authentication.PASSWORD
    user_name: str | None = None
    password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _checked_host(_given(self.host, "The mail server"))
        _check_port(self.port)


@dataclass(frozen=True, slots=True)
class MailAccount:
    """An account of a person on mail servers (IMAP or POP, and SMTP)."""

    email_address: str
    incoming: MailServer
    outgoing: MailServer
    protocol: MailProtocol = MailProtocol.IMAP
    description: str | None = None
    """What Mail calls the account."""
    full_name: str | None = None
    """The name in the mail that is sent."""
    imap_path_prefix: str | None = None
    allow_mail_drop: bool = False
    keep_recents: bool = True
    # iPhone and iPad
    smime: Smime = Smime()
    prevent_move: bool = False
    only_in_mail: bool = False
    vpn_uuid: str | None = None

    def __post_init__(self) -> None:
        _given(self.email_address, "The e-mail address")


def mail(
    account: MailAccount, *, identifier: str, uuid: str, display_name: str, os: System, os_version: str | None = None
) -> Payload:
    """com.apple.mail.managed; on a Mac for a user's channel, and without any key for S/MIME."""
    incoming, outgoing = account.incoming, account.outgoing
    imap = account.protocol is MailProtocol.IMAP
    keys: dict[str, object] = {
        "EmailAccountType": str(account.protocol),
        "EmailAccountDescription": account.description or None,
        "EmailAccountName": account.full_name or None,
        "EmailAddress": account.email_address,
        "IncomingMailServerHostName": incoming.host,
        "IncomingMailServerPortNumber": incoming.port,
        "IncomingMailServerUseSSL": incoming.ssl,
        "IncomingMailServerAuthentication": str(incoming.authentication),
        "IncomingMailServerUsername": incoming.user_name or None,
        "IncomingPassword": incoming.password or None,
        "IncomingMailServerIMAPPathPrefix": (account.imap_path_prefix or None) if imap else None,
        "OutgoingMailServerHostName": outgoing.host,
        "OutgoingMailServerPortNumber": outgoing.port,
        "OutgoingMailServerUseSSL": outgoing.ssl,
        "OutgoingMailServerAuthentication": str(outgoing.authentication),
        "OutgoingMailServerUsername": outgoing.user_name or None,
        "OutgoingPassword": outgoing.password or None,
        "PreventMove": account.prevent_move,
        "PreventAppSheet": account.only_in_mail,
        "disableMailRecentsSyncing": not account.keep_recents,
        "allowMailDrop": account.allow_mail_drop,
        "VPNUUID": account.vpn_uuid or None,
        **_smime(account.smime),
    }
    return _payload(
        MAIL, keys, identifier=identifier, uuid=uuid, display_name=display_name, os=os, os_version=os_version
    )
