"""The profile with which a device registers, and with which it renews its certificate."""

from hashlib import sha256
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from django.utils.translation import gettext as _

from mydevices.certificates import services as certificates
from mydevices.organisation import selectors as organisation
from mydevices.platforms.apple.registrations import Promise
from mydevices.port.registering import Document
from mydevices.protocols.apple import profiles
from mydevices.protocols.apple.profiles import AccessRights
from mydevices.protocols.pki import cms

PROFILE_TYPE: Final = "application/x-apple-aspen-config"


def document(*, promise: Promise, password: str, subject: str, signed: bool) -> Document:
    authority = certificates.authority()
    name = organisation.current().name
    content = profiles.registration_profile(
        organisation=name,
        identifier=promise.profile_identifier,
        display_name=_("Management by %(organisation)s") % {"organisation": name},
        description=_("Lets %(organisation)s manage this device, and you manage it yourself in MyDevices.")
        % {"organisation": name},
        uuids=_uuids(promise, password),
        scep_url=promise.scep_url,
        scep_name="MyDevices",
        challenge=password,
        subject_common_name=subject,
        authority_der=authority.der,
        server_url=promise.server_url,
        checkin_url=promise.checkin_url,
        topic=promise.topic,
        access_rights=AccessRights(promise.access_rights),
    )
    if signed:
        content = cms.sign(content, certificate=authority.certificate, key=authority.key)
    return Document(content, PROFILE_TYPE, "mydevices.mobileconfig")


def _uuids(promise: Promise, password: str) -> profiles.PayloadUuids:
    """Payload UUIDs: the same for the same promise and challenge, so that a profile downloaded twice is the same; the
    identity's changes with the challenge, so that a renewal brings a new certificate."""
    root = uuid5(NAMESPACE_URL, f"{promise.server_url}#{promise.profile_identifier}")
    return profiles.PayloadUuids(
        profile=_upper(uuid5(root, "profile")),
        mdm=_upper(uuid5(root, "mdm")),
        root=_upper(uuid5(root, "root")),
        scep=_upper(uuid5(root, sha256(password.encode()).hexdigest())),
    )


def _upper(value: UUID) -> str:
    return str(value).upper()
