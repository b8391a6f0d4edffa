"""Configurations as Apple's profiles, made when a device polls."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_noop

from mydevices.certificates import selectors as certificates_selectors
from mydevices.certificates import services as certificates
from mydevices.configurations import delivery, resolve, wanted
from mydevices.configurations.models import Installation
from mydevices.devices.models import Channel, Device
from mydevices.errors import Conflict, Invalid
from mydevices.organisation import selectors as organisation
from mydevices.platforms.apple import payloads
from mydevices.platforms.apple.payloads import ProfilePlace
from mydevices.platforms.apple.systems import is_mac
from mydevices.port.configurations import Ways
from mydevices.protocols.apple import profiles
from mydevices.protocols.pki import cms

NO_RECIPIENT = gettext_noop("The device has no certificate that a private key could be encrypted to.")


def ways(device: Device) -> Ways:
    """On a Mac no account has a key for S/MIME: Mail finds the certificate by its address."""
    return Ways(channels(device), carries=not is_mac(device), all_apps=is_mac(device))


def channels(device: Device) -> list[Channel]:
    """On a Mac its users', where mail and the Dock are; elsewhere the device's own."""
    if device.registration is None:
        return []
    kind = Channel.Kind.USER if is_mac(device) else Channel.Kind.DEVICE
    return [channel for channel in device.registration.channels.all() if channel.kind == kind]


def profile(installation_id: object) -> bytes:
    """What the device is to install now: encrypted to it where there is a private key inside, and signed, as the
    settings have it. Raises Conflict when that is nothing any more; Conflict or Invalid when it cannot be made, and
    then the installation has failed and says why."""
    due = delivery.due(installation_id=installation_id, now=timezone.now())
    row, content = due.row, due.content
    place = ProfilePlace(row.identifier, row.channel_id, for_mac=is_mac(due.device))
    try:
        made, uuid = payloads.profile(
            content, place, organisation=organisation.current().name, wrapping=payloads.wrapped
        )
        if content.identities and (not place.for_mac or settings.ENVIRONMENT.encrypt_for_users):
            made = profiles.encrypted_profile(made, certificate=_recipient(row))
    except (Conflict, Invalid) as problem:
        delivery.unsendable(installation_id=row.pk, digest=content.digest, why=problem.message, now=timezone.now())
        raise
    delivery.given(installation_id=row.pk, digest=content.digest, profile_uuid=uuid)
    if not settings.ENVIRONMENT.sign_profiles:
        return made
    authority = certificates.authority()
    return cms.sign(made, certificate=authority.certificate, key=authority.key)


def _recipient(row: Installation) -> bytes:
    """The certificate that the device is managed with, in DER: with its key, everything on the device is opened, on a
    user's channel of a Mac too."""
    found = certificates_selectors.in_use(row.channel.registration_id)
    if found is None:
        raise Conflict(NO_RECIPIENT)
    return bytes(found.der)


def identifier(installation_id: object) -> str:
    """Of the profile to remove. Raises Conflict when it is wanted again."""
    rows = Installation.objects.select_related("configuration")
    row = rows.filter(id=installation_id).first() if isinstance(installation_id, int) else None
    if row is None:
        raise Conflict("This configuration is gone.")
    if row.state != Installation.State.REMOVING:
        raise Conflict("This configuration is for the device again.")
    return row.identifier


@dataclass(frozen=True, slots=True)
class ShownProfile:
    """A profile to be looked at."""

    identifier: str
    name: str
    content: bytes
    """Before encryption and signature, with a marker in place of private keys. Empty where it is not sent."""
    why_not: str
    """Why it is not sent."""


def shown(device: Device) -> Sequence[ShownProfile]:
    """What would be on a device with its owner, registration and channels loaded. No key is opened. Nothing for a Mac
    that no user has a channel on: it is sent nothing."""
    name = organisation.current().name
    found = []
    for channel in channels(device):
        for piece in wanted.pieces(device):
            if piece.is_optional:
                continue  # where it is already, it stays
            place = ProfilePlace(piece.identifier, channel.pk, for_mac=is_mac(device))
            plain, why = b"", resolve.missing(piece.content)
            try:
                if not why:
                    plain, _uuid = payloads.profile(piece.content, place, organisation=name, wrapping=payloads.marked)
            except Invalid as problem:
                why = problem.message
            found.append(ShownProfile(piece.identifier, piece.content.name, plain, why))
    return found
