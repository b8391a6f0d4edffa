"""The profile with which a device registers, and with which it renews its certificate."""

from hashlib import sha256
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from django.conf import settings
from django.utils.translation import gettext as _

from mydevices.certificates import services as certificates
from mydevices.devices.services import Terms
from mydevices.organisation import selectors as organisation
from mydevices.platforms.apple import push_certificate
from mydevices.port.registering import Document
from mydevices.protocols.apple import profiles
from mydevices.protocols.apple.profiles import AccessRights
from mydevices.protocols.pki import cms

PROFILE_TYPE: Final = "application/x-apple-aspen-config"


def terms(*, may_erase: bool) -> Terms:
    base = f"{settings.PUBLIC_URL}/mdm/apple"
    return Terms(
        topic=push_certificate.topic(),
        server_url=f"{base}/connect",
        checkin_url=f"{base}/checkin",
        scep_url=f"{base}/scep",
        access_rights=int(AccessRights.ALL if may_erase else AccessRights.WITHOUT_ERASE),
        profile_identifier=f"org.mydevices.registration.{sha256(settings.PUBLIC_URL.encode()).hexdigest()[:16]}",
    )


def document(*, terms: Terms, password: str, subject: str, signed: bool) -> Document:
    authority = certificates.authority()
    name = organisation.current().name
    content = profiles.registration_profile(
        organisation=name,
        identifier=terms.profile_identifier,
        display_name=_("Management by %(organisation)s") % {"organisation": name},
        description=_("Lets %(organisation)s manage this device, and you manage it yourself in MyDevices.")
        % {"organisation": name},
        uuids=_uuids(terms, password),
        scep_url=terms.scep_url,
        scep_name="MyDevices",
        challenge=password,
        subject_common_name=subject,
        authority_der=authority.der,
        server_url=terms.server_url,
        checkin_url=terms.checkin_url,
        topic=terms.topic,
        access_rights=AccessRights(terms.access_rights),
    )
    if signed:
        content = cms.sign(content, certificate=authority.certificate, key=authority.key)
    return Document(content, PROFILE_TYPE, "mydevices.mobileconfig")


def _uuids(terms: Terms, password: str) -> profiles.PayloadUuids:
    """Payload UUIDs: the same for the same terms and challenge, so that a profile downloaded twice is the same profile;
    the identity's changes with the challenge, so that a renewal brings a new certificate."""
    root = uuid5(NAMESPACE_URL, f"{terms.server_url}#{terms.profile_identifier}")
    return profiles.PayloadUuids(
        profile=_upper(uuid5(root, "profile")),
        mdm=_upper(uuid5(root, "mdm")),
        root=_upper(uuid5(root, "root")),
        scep=_upper(uuid5(root, sha256(password.encode()).hexdigest())),
    )


def _upper(value: UUID) -> str:
    return str(value).upper()
