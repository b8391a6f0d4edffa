"""Configurations as Apple's profiles, made when a device polls."""

from uuid import NAMESPACE_URL, uuid5

from django.utils import timezone

from mydevices.certificates import services as certificates
from mydevices.configurations import push, resolve
from mydevices.configurations.models import Installation
from mydevices.devices.models import Channel, Device
from mydevices.errors import Conflict
from mydevices.organisation import selectors as organisation
from mydevices.platforms.apple.adapter import PLATFORM, is_mac
from mydevices.protocols.apple import configurations, profiles
from mydevices.protocols.pki import cms


def register() -> None:
    push.register(PLATFORM, ways)


def ways(device: Device) -> push.Ways:
    """On a Mac no account has a key for S/MIME: Mail finds the certificate by its address."""
    return push.Ways(channels(device), carries=not is_mac(device), all_apps=is_mac(device))


def channels(device: Device) -> list[Channel]:
    """On a Mac its users', where mail and the Dock are; elsewhere the device's own."""
    if device.registration is None:
        return []
    kind = Channel.Kind.USER if is_mac(device) else Channel.Kind.DEVICE
    return [channel for channel in device.registration.channels.all() if channel.kind == kind]


def profile(installation_id: object) -> bytes:
    """What the device is to install now, signed. Raises Conflict when that is nothing any more."""
    due = push.due(installation_id=installation_id, now=timezone.now())
    row, content = due.row, due.content
    if not isinstance(content, resolve.ClipContent):
        raise Conflict("Configurations of this kind are not rendered yet.")
    plain, uuid = _rendered(row, content, for_mac=is_mac(due.device))
    push.given(installation_id=row.pk, digest=content.digest, profile_uuid=uuid)
    authority = certificates.authority()
    return cms.sign(plain, certificate=authority.certificate, key=authority.key)


def identifier(installation_id: object) -> str:
    """Of the profile to remove. Raises Conflict when it is wanted again."""
    row = _installation(installation_id)
    if row.state != Installation.State.REMOVING:
        raise Conflict("This configuration is for the device again.")
    return row.identifier


def _installation(installation_id: object) -> Installation:
    rows = Installation.objects.select_related("configuration", "channel__registration__device__owner")
    row = rows.filter(id=installation_id).first() if isinstance(installation_id, int) else None
    if row is None:
        raise Conflict("This configuration is gone.")
    return row


def _rendered(row: Installation, content: resolve.ClipContent, *, for_mac: bool) -> tuple[bytes, str]:
    """The profile, and its UUID: another one for other content, by which the device's list tells which it has. Its
    payload keeps its own, so that the device updates it in its place."""
    uuid = str(uuid5(NAMESPACE_URL, f"{row.identifier}#{row.channel_id}#{content.digest}")).upper()
    clip = content.clip
    payload = configurations.web_clip(
        configurations.WebClip(
            label=clip.label,
            url=clip.url,
            icon=content.icon,
            removable=clip.removable,
            precomposed=clip.precomposed,
            full_screen=clip.full_screen,
            ignore_manifest_scope=clip.ignore_manifest_scope,
            target_application=clip.target_application or None,
        ),
        identifier=f"{row.identifier}.web_clip",
        uuid=str(uuid5(NAMESPACE_URL, f"{row.identifier}#{row.channel_id}#web_clip")).upper(),
        display_name=clip.label,
        os="macOS" if for_mac else "iOS",
    )
    plain = profiles.profile(
        identifier=row.identifier,
        uuid=uuid,
        display_name=content.name,
        organisation=organisation.current().name,
        description="",
        payloads=[payload],
        scope="User" if for_mac else "System",
    )
    return plain, uuid
