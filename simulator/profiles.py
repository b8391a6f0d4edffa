"""Configuration profiles: plain, signed, encrypted; and the two payloads that enrol a device (SCEP and MDM)."""

import plistlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Any, TypeVar
from urllib.parse import urlsplit
from xml.parsers.expat import ExpatError

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ObjectIdentifier

from simulator import cms, scep
from simulator.errors import MDM, PROFILE, Unreachable, refuse
from simulator.identity import Identity, name
from simulator.transport import check_url

T = TypeVar("T")

MDM_PAYLOAD = "com.apple.mdm"
SCEP_PAYLOAD = "com.apple.security.scep"
PKCS12_PAYLOAD = "com.apple.security.pkcs12"
ROOT_PAYLOADS = frozenset({"com.apple.security.root", "com.apple.security.pkcs1", "com.apple.security.pem"})
WEB_CLIP_PAYLOAD = "com.apple.webClip.managed"
EAS_PAYLOAD = "com.apple.eas.account"
EWS_PAYLOAD = "com.apple.ews.account"
MAIL_PAYLOAD = "com.apple.mail.managed"

PER_USER = "com.apple.mdm.per-user-connections"
BOOTSTRAP_TOKEN = "com.apple.mdm.bootstraptoken"  # noqa: S105  (the name of a capability)


class Right(IntFlag):
    """AccessRights of the MDM payload."""

    INSPECT_PROFILES = 1
    INSTALL_PROFILES = 2
    LOCK = 4
    ERASE = 8
    DEVICE_INFORMATION = 16
    NETWORK_INFORMATION = 32
    INSPECT_PROVISIONING = 64
    INSTALL_PROVISIONING = 128
    APPLICATIONS = 256
    RESTRICTIONS = 512
    SECURITY = 1024
    SETTINGS = 2048
    MANAGE_APPLICATIONS = 4096


ALL_RIGHTS = 8191


@dataclass(frozen=True)
class Payload:
    """One payload of a profile. `values` are all its keys, PayloadType and the other common ones included."""

    kind: str
    identifier: str
    uuid: str
    values: Mapping[str, Any]

    @property
    def display_name(self) -> str:
        return str(self.values.get("PayloadDisplayName", ""))


@dataclass(frozen=True)
class Profile:
    """A profile that can be installed, as far as its form goes. `signers` are DER, the signer first."""

    identifier: str
    uuid: str
    display_name: str
    organisation: str
    description: str
    removal_disallowed: bool
    encrypted: bool
    signers: tuple[bytes, ...]
    payloads: tuple[Payload, ...]

    def of_kind(self, kind: str) -> tuple[Payload, ...]:
        return tuple(payload for payload in self.payloads if payload.kind == kind)


@dataclass(frozen=True)
class Management:
    """The MDM payload."""

    topic: str
    server_url: str
    check_in_url: str
    identity_uuid: str
    rights: int
    sign_message: bool
    check_out_when_removed: bool
    capabilities: tuple[str, ...]
    mode: str | None

    @property
    def is_user_enrolment(self) -> bool:
        return self.mode == "BYOD"


def load_plist(data: bytes) -> dict[str, Any]:
    """A property list whose root is a dictionary. Raises ValueError."""
    try:
        value = plistlib.loads(data)
    except (ExpatError, plistlib.InvalidFileException, ValueError, TypeError, LookupError, OverflowError) as error:
        raise ValueError("This is not a property list.") from error
    if not isinstance(value, dict):
        raise ValueError("The property list is not a dictionary.")  # noqa: TRY004  (the file is wrong, not the call)
    return value


def parse(data: bytes, *, identities: Sequence[Identity] = ()) -> Profile:
    """Read a profile. A signature is verified and its signer kept; encrypted content is opened with `identities`.

    Raises Refused with the fault the device would report.
    """
    signers: tuple[bytes, ...] = ()
    if data[:1] == b"\x30":  # DER, so signed
        try:
            signed = cms.verify(data)
        except cms.CmsError as error:
            raise refuse(PROFILE, 1004, f"The profile’s signature is not valid. {error}") from error
        data = signed.content
        others = [certificate for certificate in signed.certificates if certificate != signed.signer]
        signers = tuple(
            certificate.public_bytes(serialization.Encoding.DER) for certificate in (signed.signer, *others)
        )
    try:
        top = load_plist(data)
    except ValueError as error:
        raise refuse(PROFILE, 1000, "The profile is malformed.") from error
    if field(top, "PayloadType", str) != "Configuration":
        raise refuse(PROFILE, 1010, "The profile is not of type Configuration.")
    if field(top, "PayloadVersion", int) != 1:
        raise refuse(PROFILE, 1001, "The version of the profile is not supported.")
    # The sealed content counts only when the flag says so (TopLevel).
    encrypted = top.get("IsEncrypted") is True
    content = _decrypted(top, identities) if encrypted else field(top, "PayloadContent", list)
    payloads = tuple(_payload(item) for item in content)
    if not payloads:
        raise refuse(PROFILE, 1005, "The profile is empty.")
    uuids = [payload.uuid for payload in payloads]
    if len(set(uuids)) != len(uuids):
        raise refuse(PROFILE, 1007, "The UUIDs in the profile are not unique.")
    return Profile(
        identifier=field(top, "PayloadIdentifier", str),
        uuid=field(top, "PayloadUUID", str),
        display_name=str(top.get("PayloadDisplayName", "")),
        organisation=str(top.get("PayloadOrganization", "")),
        description=str(top.get("PayloadDescription", "")),
        removal_disallowed=top.get("PayloadRemovalDisallowed") is True,
        encrypted=encrypted,
        signers=signers,
        payloads=payloads,
    )


def field(values: Mapping[str, Any], key: str, kind: type[T]) -> T:
    """A required field of a profile. Raises Refused when it is missing or of another type."""
    value = values.get(key)
    if value is None:
        raise refuse(PROFILE, 1002, f"The field “{key}” is missing.")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise refuse(PROFILE, 1003, f"The field “{key}” is of the wrong type.")
    return value


def _decrypted(top: Mapping[str, Any], identities: Sequence[Identity]) -> list[Any]:
    sealed = field(top, "EncryptedPayloadContent", bytes)
    try:
        content = plistlib.loads(cms.decrypt(sealed, identities=identities))
    except (cms.CmsError, ExpatError, plistlib.InvalidFileException, ValueError) as error:
        raise refuse(PROFILE, 1006, f"The profile cannot be decrypted. {error}") from error
    if not isinstance(content, list):
        raise refuse(PROFILE, 1000, "The encrypted content of the profile is malformed.")
    return content


def _payload(item: object) -> Payload:
    if not isinstance(item, dict):
        raise refuse(PROFILE, 1003, "A payload is of the wrong type.")
    if field(item, "PayloadVersion", int) != 1:
        raise refuse(PROFILE, 1001, "The version of a payload is not supported.")
    return Payload(
        field(item, "PayloadType", str), field(item, "PayloadIdentifier", str), field(item, "PayloadUUID", str), item
    )


def management(profile: Profile) -> Management | None:
    """The profile's MDM payload, checked as a device checks it; None when it has none. Raises Refused."""
    payloads = profile.of_kind(MDM_PAYLOAD)
    if not payloads:
        return None
    if len(payloads) > 1:
        raise refuse(MDM, 12001, "A device can have one MDM payload only.")
    values = payloads[0].values
    server_url = _url(field(values, "ServerURL", str))
    mode = values.get("EnrollmentMode")
    result = Management(
        topic=field(values, "Topic", str),
        server_url=server_url,
        check_in_url=_url(str(values.get("CheckInURL", server_url))),
        identity_uuid=field(values, "IdentityCertificateUUID", str),
        rights=ALL_RIGHTS if mode == "BYOD" else _rights(values),
        sign_message=values.get("SignMessage") is True,
        check_out_when_removed=values.get("CheckOutWhenRemoved") is True,
        capabilities=tuple(str(item) for item in values.get("ServerCapabilities", ())),
        mode=mode if isinstance(mode, str) else None,
    )
    if not result.topic.startswith("com.apple.mgmt."):
        raise refuse(MDM, 12022, "The topic of the MDM payload is not valid.")
    if all(payload.uuid != result.identity_uuid for payload in profile.payloads):
        raise refuse(MDM, 12005, "The identity certificate of the MDM payload is not in the profile.")
    return result


def _url(value: str) -> str:
    try:
        check_url(value)
    except Unreachable as error:
        raise refuse(MDM, 12011, "The addresses of the MDM payload must begin with https://.") from error
    if not urlsplit(value).path:
        return f"{value}/"
    return value


def _rights(values: Mapping[str, Any]) -> int:
    """AccessRights must not be 0; 2 needs 1, and 128 needs 64."""
    rights = values.get("AccessRights", 0)
    wrong = not isinstance(rights, int) or isinstance(rights, bool) or not 0 < rights <= ALL_RIGHTS
    if wrong or (rights & 2 and not rights & 1) or (rights & 128 and not rights & 64):
        raise refuse(MDM, 12000, "The access rights of the MDM payload are not valid.")
    return int(rights)


def check_replacement(old: Management, new: Management) -> None:
    """What must not change when the MDM payload is updated (com.apple.mdm). Raises Refused."""
    changed = [
        key
        for key, before, after in (
            ("Topic", old.topic, new.topic),
            ("ServerURL", old.server_url, new.server_url),
            ("CheckInURL", old.check_in_url, new.check_in_url),
            ("EnrollmentMode", old.mode, new.mode),
            ("ServerCapabilities", PER_USER in old.capabilities, PER_USER in new.capabilities),
        )
        if before != after
    ]
    if changed:
        raise refuse(MDM, 12012, f"The replacement of the MDM payload changes what must stay: {', '.join(changed)}.")
    if new.rights & ~old.rights:
        raise refuse(MDM, 12012, "The replacement of the MDM payload adds access rights.")


def order(payload: Payload) -> scep.Order:
    """What a SCEP payload asks for. Raises Refused."""
    content = field(payload.values, "PayloadContent", dict)
    url = field(content, "URL", str)
    fingerprint = content.get("CAFingerprint")
    try:
        check_url(url)
        return scep.Order(
            url=url,
            name=_optional_text(content, "Name"),
            subject=name(content.get("Subject", ())),
            challenge=_optional_text(content, "Challenge"),
            key_size=int(content.get("Keysize", 1024)),
            key_usage=int(content.get("Key Usage", 0)),
            fingerprint=scep.order_fingerprint(fingerprint),
            alternative_names=_alternative_names(content.get("SubjectAltName", {})),
        )
    except (Unreachable, scep.ScepError, ValueError, TypeError, AttributeError) as error:
        raise refuse("MCSCEPErrorDomain", 22000, f"The SCEP payload is not valid. {error}") from error


def _optional_text(values: Mapping[str, Any], key: str) -> str | None:
    return field(values, key, str) if key in values else None


def _alternative_names(values: Mapping[str, Any]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for key, value in values.items():
        for text in value if isinstance(value, list) else [value]:
            if key == "rfc822Name":
                names.append(x509.RFC822Name(text))
            elif key == "dNSName":
                names.append(x509.DNSName(text))
            elif key == "uniformResourceIdentifier":
                names.append(x509.UniformResourceIdentifier(text))
            elif key == "ntPrincipalName":
                encoded = text.encode()
                utf8 = b"\x0c" + bytes([len(encoded)]) + encoded  # UTF8String; principal names are short
                names.append(x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), utf8))
    return names
