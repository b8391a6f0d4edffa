"""The profile that brings a device under management, and renews its certificate later.

Schema: mdm/profiles/TopLevel.yaml, CommonPayloadKeys.yaml, com.apple.security.scep.yaml, com.apple.security.root.yaml
and com.apple.mdm.yaml. A device refuses a renewal that changes topic, addresses or per-user connections, or adds a
right: pass the same again, with a new challenge.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import IntFlag

from mydevices.errors import Invalid
from mydevices.protocols.apple import plist
from mydevices.protocols.apple.push import TOPIC_PREFIX

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


def _payload(kind: str, identifier: str, uuid: str, display_name: str, **keys: object) -> dict[str, object]:
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": uuid,
        "PayloadDisplayName": display_name,
        **keys,
    }


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
    if len({uuids.profile, uuids.scep, uuids.mdm, uuids.root}) != 4:
        raise Invalid("Each payload has a UUID of its own.")
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
    root = (
        [
            _payload(
                "com.apple.security.root",
                f"{identifier}.root",
                uuids.root,
                f"{organisation}: device authority",
                PayloadCertificateFileName="authority.cer",
                PayloadContent=authority_der,
            )
        ]
        if authority_der
        else []
    )
    identity = _payload(
        "com.apple.security.scep",
        f"{identifier}.scep",
        uuids.scep,
        f"{organisation}: identity of this device",
        PayloadContent=scep,
    )
    management = _payload(
        "com.apple.mdm",
        f"{identifier}.mdm",
        uuids.mdm,
        display_name,
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
    profile = _payload(
        "Configuration",
        identifier,
        uuids.profile,
        display_name,
        PayloadDescription=description,
        PayloadOrganization=organisation,
        PayloadScope="System",
        PayloadContent=[*root, identity, management],
    )
    if consent:
        profile["ConsentText"] = {"default": consent}
    return plist.dumps(profile)
