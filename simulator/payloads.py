"""What a device asks of a payload before it installs it: where it belongs, which keys it must and may have.

Written from mdm/profiles/*.yaml of Apple's schema and the error codes that Apple once published. Real devices pass over
a key that is not theirs; these refuse it, because a server that sends it means something that will not happen. Kinds of
payloads that are not described here are taken as they are.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.errors import EAS, EMAIL, INSTALLATION, PAYLOAD, PROFILE, WEB_CLIP, Fault, Refused, refuse
from simulator.hardware import Kind
from simulator.profiles import (
    EAS_PAYLOAD,
    EWS_PAYLOAD,
    MAIL_PAYLOAD,
    PKCS12_PAYLOAD,
    ROOT_PAYLOADS,
    SCEP_PAYLOAD,
    WEB_CLIP_PAYLOAD,
    Payload,
    Profile,
)

MAC_PLUGIN = "ConfigProfilePluginDomain"  # what a Mac reports about a payload, with negative codes
PLUGIN_FAILED, PLUGIN_INCOMPLETE, PLUGIN_AMBIGUOUS = -319, -307, -107

Types = Mapping[str, type]
FLAG, NUMBER, TEXT, DATA, DICTIONARY = bool, int, str, bytes, dict

SMIME: Types = {
    "SMIMEEnabled": FLAG,
    "SMIMESigningEnabled": FLAG,
    "SMIMESigningCertificateUUID": TEXT,
    "SMIMESigningUserOverrideable": FLAG,
    "SMIMESigningCertificateUUIDUserOverrideable": FLAG,
    "SMIMEEncryptionEnabled": FLAG,
    "SMIMEEncryptionCertificateUUID": TEXT,
    "SMIMEEncryptByDefault": FLAG,
    "SMIMEEncryptByDefaultUserOverrideable": FLAG,
    "SMIMEEncryptionCertificateUUIDUserOverrideable": FLAG,
    "SMIMEEnableEncryptionPerMessageSwitch": FLAG,
    "SMIMEEnablePerMessageSwitch": FLAG,
}
MAIL_AUTHENTICATION = ("EmailAuthNone", "EmailAuthPassword", "EmailAuthCRAMMD5", "EmailAuthNTLM", "EmailAuthHTTPMD5")
SERVICES = ("EnableMail", "EnableContacts", "EnableCalendars", "EnableReminders", "EnableNotes")


@dataclass(frozen=True)
class Form:
    """A kind of payload. `mobile` is iPhone and iPad; a Mac has channels. Keys are for all devices, or for one side."""

    title: str
    mobile: bool = True
    mac_device: bool = False
    mac_user: bool = True
    required: Types = field(default_factory=dict)
    optional: Types = field(default_factory=dict)
    mobile_only: Types = field(default_factory=dict)
    mac_only: Types = field(default_factory=dict)
    allowed: Mapping[str, tuple[object, ...]] = field(default_factory=dict)


FORMS: Mapping[str, Form] = {
    WEB_CLIP_PAYLOAD: Form(
        "Web Clip",
        required={"URL": TEXT, "Label": TEXT},
        optional={"Icon": DATA},
        mobile_only={
            "IsRemovable": FLAG,
            "Precomposed": FLAG,
            "FullScreen": FLAG,
            "IgnoreManifestScope": FLAG,
            "TargetApplicationBundleIdentifier": TEXT,
        },
    ),
    PKCS12_PAYLOAD: Form(
        "Certificate (PKCS #12)",
        mac_device=True,
        required={"PayloadContent": DATA},
        optional={"Password": TEXT, "PayloadCertificateFileName": TEXT},
        mac_only={"AllowAllAppsAccess": FLAG, "KeyIsExtractable": FLAG},
    ),
    EAS_PAYLOAD: Form(
        "Exchange ActiveSync",
        mac_user=False,
        # The schema has UserName as optional, and "required for noninteractive installations like MDM".
        required={"UserName": TEXT},
        mobile_only={
            "EmailAddress": TEXT,
            "Host": TEXT,
            "SSL": FLAG,
            "OAuth": FLAG,
            "OAuthSignInURL": TEXT,
            "OAuthTokenRequestURL": TEXT,
            "Password": TEXT,
            "OverridePreviousPassword": FLAG,
            "Certificate": DATA,
            "CertificateName": TEXT,
            "CertificatePassword": TEXT,
            "PayloadCertificateUUID": TEXT,
            "PreventMove": FLAG,
            "PreventAppSheet": FLAG,
            "disableMailRecentsSyncing": FLAG,
            "allowMailDrop": FLAG,
            "MailNumberOfPastDaysToSync": NUMBER,
            "CommunicationServiceRules": DICTIONARY,
            "VPNUUID": TEXT,
            **{name: FLAG for service in SERVICES for name in (service, f"{service}UserOverridable")},
            **SMIME,
        },
        allowed={"MailNumberOfPastDaysToSync": (0, 1, 3, 7, 14, 31)},
    ),
    EWS_PAYLOAD: Form(
        "Exchange Web Services",
        mobile=False,
        required={"UserName": TEXT},
        mac_only={
            "EmailAddress": TEXT,
            "Host": TEXT,
            "Port": NUMBER,
            "Path": TEXT,
            "SSL": FLAG,
            "ExternalHost": TEXT,
            "ExternalPort": NUMBER,
            "ExternalPath": TEXT,
            "ExternalSSL": FLAG,
            "OAuth": FLAG,
            "OAuthSignInURL": TEXT,
            "Password": TEXT,
            "PayloadCertificateUUID": TEXT,
            "AuthenticationCertificateUUID": TEXT,
            "allowMailDrop": FLAG,
        },
    ),
    MAIL_PAYLOAD: Form(
        "Mail",
        required={
            "EmailAccountType": TEXT,
            "IncomingMailServerAuthentication": TEXT,
            "IncomingMailServerHostName": TEXT,
            "OutgoingMailServerAuthentication": TEXT,
            "OutgoingMailServerHostName": TEXT,
        },
        optional={
            "EmailAccountDescription": TEXT,
            "EmailAccountName": TEXT,
            "EmailAddress": TEXT,
            "IncomingMailServerIMAPPathPrefix": TEXT,
            "IncomingMailServerPortNumber": NUMBER,
            "IncomingMailServerUseSSL": FLAG,
            "IncomingMailServerUsername": TEXT,
            "IncomingPassword": TEXT,
            "OutgoingMailServerPortNumber": NUMBER,
            "OutgoingMailServerUseSSL": FLAG,
            "OutgoingMailServerUsername": TEXT,
            "OutgoingPassword": TEXT,
            "OutgoingPasswordSameAsIncomingPassword": FLAG,
            "disableMailRecentsSyncing": FLAG,
            "allowMailDrop": FLAG,
        },
        mobile_only={"PreventMove": FLAG, "PreventAppSheet": FLAG, "VPNUUID": TEXT, **SMIME},
        allowed={
            "EmailAccountType": ("EmailTypeIMAP", "EmailTypePOP"),
            "IncomingMailServerAuthentication": MAIL_AUTHENTICATION,
            "OutgoingMailServerAuthentication": MAIL_AUTHENTICATION,
        },
    ),
}
# What a reference may lead to: certificates with a private key.
IDENTITIES = frozenset({PKCS12_PAYLOAD, SCEP_PAYLOAD})


def check(profile: Profile, *, kind: Kind, user: bool) -> None:
    """Everything but the certificates themselves: places, keys, references. `user` is the channel of a Mac's user.

    Raises Refused with the chain that such a device reports.
    """
    identifiers = [payload.identifier for payload in profile.payloads]
    if len(set(identifiers)) != len(identifiers):
        text = "A payload identifier is used more than once in the profile."
        raise refuse(MAC_PLUGIN, PLUGIN_AMBIGUOUS, text) if kind is Kind.MAC else refuse(PROFILE, 1008, text)
    for payload in profile.payloads:
        form = FORMS.get(payload.kind)
        if form is None:
            continue
        try:
            _check_place(form, kind, user=user)
            _check_keys(form, payload.values, mac=kind is Kind.MAC)
            _check_sense(payload)
            _check_references(payload, profile.payloads)
        except Refused as error:
            raise failed(profile, payload, error, kind) from error


def failed(profile: Profile, payload: Payload, error: Refused, kind: Kind) -> Refused:
    """The chain for a payload that cannot be installed, around what is wrong with it."""
    reason = error.faults[0]
    if kind is Kind.MAC:
        title = FORMS[payload.kind].title if payload.kind in FORMS else payload.kind
        code = PLUGIN_INCOMPLETE if (reason.domain, reason.code) == (PAYLOAD, 2002) else PLUGIN_FAILED
        return refuse(MAC_PLUGIN, code, f"The “{title}” payload could not be installed. {reason.text}")
    text = f"The profile “{profile.display_name or profile.identifier}” could not be installed."
    return Refused(Fault(INSTALLATION, 4001, text), *error.faults)


def _check_place(form: Form, kind: Kind, *, user: bool) -> None:
    if kind is not Kind.MAC:
        if not form.mobile:
            raise refuse(PAYLOAD, 2004, f"{form.title} is not for this kind of device.")
    elif not form.mac_device and not form.mac_user:
        raise refuse(PAYLOAD, 2004, f"{form.title} is not for a Mac.")
    elif not (form.mac_user if user else form.mac_device):
        raise refuse(PAYLOAD, 2004, f"{form.title} must be installed for a user of the Mac.")


def _check_keys(form: Form, values: Mapping[str, Any], *, mac: bool) -> None:
    theirs, others = (form.mac_only, form.mobile_only) if mac else (form.mobile_only, form.mac_only)
    for key in form.required:
        if values.get(key) is None or values[key] == "":
            raise refuse(PAYLOAD, 2002, f"The required field “{key}” is missing.")
    for key in values.keys() & others.keys():
        raise refuse(PAYLOAD, 2004, f"The field “{key}” does not exist on this kind of device.")
    for key, expected in {**form.required, **form.optional, **theirs}.items():
        value = values.get(key)
        if value is not None and (not isinstance(value, expected) or (expected is int and isinstance(value, bool))):
            raise refuse(PAYLOAD, 2003, f"The field “{key}” is of the wrong type.")
        if value is not None and key in form.allowed and value not in form.allowed[key]:
            raise refuse(PAYLOAD, 2004, f"The field “{key}” has a value that is not supported.")


def _check_sense(payload: Payload) -> None:
    """What no single key shows."""
    values = payload.values
    if payload.kind == WEB_CLIP_PAYLOAD and not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:\S", values["URL"]):
        raise refuse(WEB_CLIP, 8000, "The web clip cannot be installed: its URL is not valid.")
    if payload.kind not in {EAS_PAYLOAD, EWS_PAYLOAD}:
        return
    oauth = values.get("OAuth") is True
    if not values.get("Host") and (not oauth or values.get("OAuthSignInURL")):
        raise refuse(EAS, 21003, "The Exchange account has no host name.")
    if oauth and values.get("Password"):
        raise refuse(EAS, 21004, "The Exchange account cannot be created: OAuth goes without a password.")
    if payload.kind == EAS_PAYLOAD and not any(values.get(service, True) for service in SERVICES):
        raise refuse(EAS, 21009, "The Exchange account has no service enabled.")


def _check_references(payload: Payload, payloads: Iterable[Payload]) -> None:
    """A device looks for a certificate in the same profile only; what it signs or decrypts with has a private key."""
    kinds = {other.uuid: other.kind for other in payloads}
    for key in ("SMIMESigningCertificateUUID", "SMIMEEncryptionCertificateUUID"):
        wanted = payload.values.get(key)
        if not isinstance(wanted, str):
            continue
        if kinds.get(wanted) not in IDENTITIES | ROOT_PAYLOADS:
            raise refuse(EMAIL, 7003, f"The S/MIME certificate of “{key}” was not found in the profile.")
        if kinds[wanted] not in IDENTITIES:
            raise refuse(EMAIL, 7004, f"The S/MIME certificate of “{key}” is not an identity.")
    for key in ("PayloadCertificateUUID", "AuthenticationCertificateUUID"):
        wanted = payload.values.get(key)
        if isinstance(wanted, str) and kinds.get(wanted) not in IDENTITIES:
            raise refuse(EAS, 21004, "The account cannot be created: its identity certificate is not in the profile.")
