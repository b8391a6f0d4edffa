"""Profiles: what is around every payload, encryption to one device, and the profile that begins management.

Schema: mdm/profiles/TopLevel.yaml, CommonPayloadKeys.yaml, com.apple.security.scep.yaml, com.apple.security.root.yaml
and com.apple.mdm.yaml. The payloads of configurations are in `configurations`. A device refuses a renewal that changes
topic, addresses or per-user connections, or adds a right: pass the same again, with a new challenge.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Literal

from cryptography import x509

from mydevices.errors import Invalid, ProtocolError
from mydevices.protocols.apple import plist, schema
from mydevices.protocols.apple.push import TOPIC_PREFIX
from mydevices.protocols.pki import cms

Payload = dict[str, object]
"""One entry of PayloadContent, the common keys included."""
Scope = Literal["System", "User"]
"""For whom a Mac installs a profile: itself (the device channel), or one of its users (that user's channel)."""

KEY_SIZE = 2048
KEY_USAGE = 1 | 4  # signing and encryption: it signs every message, and profiles with secrets are encrypted to it
RETRIES = 3
RETRY_DELAY = 10  # seconds

PER_USER_CONNECTIONS = "com.apple.mdm.per-user-connections"
BOOTSTRAP_TOKEN = "com.apple.mdm.bootstraptoken"  # noqa: S105 - the name of a capability


_ADDRESS = re.compile(
    r"(https://[A-Za-z0-9.-]+|https://\[[0-9A-Fa-f:.]+\]|http://(localhost|127\.0\.0\.1|\[::1\]))(:[0-9]{1,5})?(/[!$-;=@-~]*)?",
    re.ASCII,
)
"""Devices insist on https (com.apple.mdm.yaml), and append a query string to the address of SCEP blindly. Without TLS
it is only for simulated devices on the same machine."""


class AccessRights(IntFlag):
    """What the server may do, as the person reads it before installing. Ignored in a User Enrolment."""

    INSPECT_PROFILES = 1
    INSTALL_PROFILES = 2
    LOCK = 4
    """Lock the device and remove its passcode."""
    ERASE = 8
    QUERY_DEVICE = 16
    QUERY_NETWORK = 32
    INSPECT_PROVISIONING = 64
    INSTALL_PROVISIONING = 128
    INSPECT_APPLICATIONS = 256
    QUERY_RESTRICTIONS = 512
    QUERY_SECURITY = 1024
    SETTINGS = 2048
    MANAGE_APPLICATIONS = 4096

    ALL = 8191
    WITHOUT_ERASE = 8183


@dataclass(frozen=True, slots=True)
class PayloadUuids:
    """The PayloadUUID of the profile and of each payload. On replacement a device updates the payloads whose identifier
    and UUID are the same; a new one for `scep` brings a new key."""

    profile: str
    scep: str
    mdm: str
    root: str


def _check_rights(rights: AccessRights) -> int:
    value = int(rights)
    if not 0 < value <= AccessRights.ALL:
        raise Invalid("The access rights are not of this protocol.")
    for right, needs in (
        (AccessRights.INSTALL_PROFILES, AccessRights.INSPECT_PROFILES),
        (AccessRights.INSTALL_PROVISIONING, AccessRights.INSPECT_PROVISIONING),
    ):
        if value & right and not value & needs:
            raise Invalid("The right to install profiles needs the right to inspect them.")
    return value


def _check_address(url: str) -> str:
    if not _ADDRESS.fullmatch(url):
        raise Invalid(f"“{url}” is not an address that devices can use: https://, a host, and no query string.")
    return url


def _check_fingerprint(fingerprint: bytes | None, authority_der: bytes | None) -> bytes | None:
    """SHA-1, as Apple's tools make it: the authority travels over TLS, and this only tells one authority from
    another."""
    if fingerprint is None:
        return hashlib.sha1(authority_der, usedforsecurity=False).digest() if authority_der else None
    if len(fingerprint) != hashlib.sha1(usedforsecurity=False).digest_size:
        raise Invalid("The fingerprint of the authority is a SHA-1 digest.")
    return fingerprint


def payload(kind: str, *, identifier: str, uuid: str, display_name: str, **keys: object) -> Payload:
    """A payload: what every one has (CommonPayloadKeys.yaml), and the keys of its kind."""
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": uuid,
        "PayloadDisplayName": display_name,
        **keys,
    }


def profile(
    *,
    identifier: str,
    uuid: str,
    display_name: str,
    organisation: str,
    description: str,
    payloads: Sequence[Payload],
    scope: Scope,
    removal_disallowed: bool = False,
    consent: str | None = None,
) -> bytes:
    """A profile as a plain XML property list, to be encrypted (`encrypted_profile`) and signed (`cms.sign`) or not.

    A profile with the same `identifier` replaces the one on the device. There, payloads with the same identifier and
    UUID are updated, others removed and added. `removal_disallowed` binds people at supervised iPhones and at Macs
    where they installed it by hand. `consent` is a text to agree to first. Raises Invalid for what a device would
    refuse as a whole: nothing in it, a name that is there twice, a reference that leads out of it.
    """
    if not payloads:
        raise Invalid("A profile without content cannot be installed.")
    for key, own, what in (("PayloadUUID", uuid, "UUID"), ("PayloadIdentifier", identifier, "identifier")):
        names = [own, *(payload[key] for payload in payloads)]
        if not all(names) or len(set(names)) != len(names):
            raise Invalid(f"The profile and each of its payloads need a {what} of their own.")
    for _, key in schema.unresolved(payloads):
        raise Invalid(f"The certificate of {key} is not in the profile.")
    top = payload(
        "Configuration",
        identifier=identifier,
        uuid=uuid,
        display_name=display_name,
        PayloadDescription=description,
        PayloadOrganization=organisation,
        PayloadScope=scope,
    )
    if removal_disallowed:
        top["PayloadRemovalDisallowed"] = True
    if consent:
        top["ConsentText"] = {"default": consent}
    return plist.dumps({**top, "PayloadContent": list(payloads)})


def encrypted_profile(profile: bytes, *, certificate: x509.Certificate | bytes) -> bytes:
    """The profile with its payloads encrypted to the holder of the certificate, to be signed around that or not.

    Names, identifier and description of the profile itself stay readable. `certificate` (object or DER) is that of an
    identity on the device: its own, which it is managed with. The payloads become an EnvelopedData in DER over the
    property list of the array (TopLevel.yaml, profile.install.yaml). Raises ProtocolError when the profile cannot be
    read, or is encrypted already, or the certificate has no RSA key.
    """
    top = plist.loads(profile)
    content = top.pop("PayloadContent", None)
    if not isinstance(content, list):
        raise ProtocolError("The profile has no payloads that could be encrypted.")
    sealed = cms.encrypt(plist.dumps_array(content), certificate=certificate)
    return plist.dumps({**top, "IsEncrypted": True, "EncryptedPayloadContent": sealed})


def registration_profile(
    *,
    organisation: str,
    identifier: str,
    display_name: str,
    description: str,
    uuids: PayloadUuids,
    scep_url: str,
    scep_name: str,
    challenge: str,
    subject_common_name: str,
    server_url: str,
    checkin_url: str,
    topic: str,
    access_rights: AccessRights,
    authority_der: bytes | None = None,
    ca_fingerprint: bytes | None = None,
    per_user: bool = True,
    consent: str | None = None,
) -> bytes:
    """An enrolment profile as a plain XML property list, to be signed or not.

    `identifier` is its PayloadIdentifier, which RemoveProfile takes to end management. `authority_der` adds the device
    authority as a root certificate, and `ca_fingerprint` (SHA-1, 20 bytes) tells the device which authority to accept:
    it follows from `authority_der` when not given. `per_user` keeps a channel for each user of a Mac and cannot be
    changed later; iPhones ignore it, as they do the scope. `consent` is a text that the person must agree to. Raises
    Invalid for what a device would refuse.
    """
    if not topic.startswith(TOPIC_PREFIX):
        raise Invalid(f"A topic for device management begins with {TOPIC_PREFIX}")
    if not identifier or not challenge or not subject_common_name:
        raise Invalid("A registration profile needs an identifier, a challenge and a subject.")
    scep: dict[str, object] = {
        "URL": _check_address(scep_url),
        "Name": scep_name,
        "Subject": [[["CN", subject_common_name]]],
        "Challenge": challenge,
        "Keysize": KEY_SIZE,
        "Key Type": "RSA",
        "Key Usage": KEY_USAGE,
        "Retries": RETRIES,
        "RetryDelay": RETRY_DELAY,
        "KeyIsExtractable": False,  # a Mac would otherwise let its administrator copy the device's identity away
    }
    fingerprint = _check_fingerprint(ca_fingerprint, authority_der)
    if fingerprint is not None:
        scep["CAFingerprint"] = fingerprint
    payloads = []
    if authority_der:
        root = payload(
            "com.apple.security.root",
            identifier=f"{identifier}.root",
            uuid=uuids.root,
            display_name=f"{organisation}: device authority",
            PayloadCertificateFileName="authority.cer",
            PayloadContent=authority_der,
        )
        payloads.append(root)
    identity = payload(
        "com.apple.security.scep",
        identifier=f"{identifier}.scep",
        uuid=uuids.scep,
        display_name=f"{organisation}: identity of this device",
        PayloadContent=scep,
    )
    management = payload(
        "com.apple.mdm",
        identifier=f"{identifier}.mdm",
        uuid=uuids.mdm,
        display_name=display_name,
        IdentityCertificateUUID=uuids.scep,
        Topic=topic,
        ServerURL=_check_address(server_url),
        CheckInURL=_check_address(checkin_url),
        SignMessage=True,
        CheckOutWhenRemoved=True,
        AccessRights=_check_rights(access_rights),
        ServerCapabilities=[PER_USER_CONNECTIONS, BOOTSTRAP_TOKEN] if per_user else [BOOTSTRAP_TOKEN],
        UseDevelopmentAPNS=False,
    )
    return profile(
        identifier=identifier,
        uuid=uuids.profile,
        display_name=display_name,
        organisation=organisation,
        description=description,
        payloads=[*payloads, identity, management],
        scope="System",
        consent=consent,
    )
