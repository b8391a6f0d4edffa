"""How Apple's devices are asked for their apps (application.installed.list.yaml): over the device's own channel, which
is the only one on an iPhone, and on a Mac tells the apps of everybody."""

from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from mydevices.applications import selectors
from mydevices.applications.models import Listing
from mydevices.devices.models import Channel, Device
from mydevices.errors import Conflict, Unsupported
from mydevices.platforms.apple import registrations
from mydevices.platforms.apple.systems import is_mac, noun
from mydevices.port.configurations import AppQuestion
from mydevices.protocols.apple import commands, inventory
from mydevices.protocols.apple.commands import Payload
from mydevices.protocols.apple.profiles import AccessRights

REQUEST: Final = "InstalledApplicationList"
TELLS_MANAGED: Final = (10, 15)
"""The first macOS that tells which apps are managed."""
TAKES_ITEMS: Final = 14
"""The first iOS that can be asked for some keys alone."""


def question(device: Device, scope: str) -> AppQuestion:
    """See `Platform.app_question`."""
    life = device.registration
    channel = (
        next((one for one in life.channels.all() if one.kind == Channel.Kind.DEVICE), None)
        if life is not None
        else None
    )
    if life is None or channel is None:
        raise Unsupported(_("It has not finished its registration yet."))
    own = registrations.kept(life)
    if is_mac(device) and own.is_user_enrollment:
        raise Unsupported(_("Apple lets nobody read the apps of a Mac that is registered this way."))
    if not own.is_user_enrollment and not registrations.may(life, AccessRights.INSPECT_APPLICATIONS):
        raise Unsupported(_("The profile of the %(noun)s gives no right to read its apps.") % {"noun": noun(device)})
    if scope == Listing.Scope.MANAGED and is_mac(device) and version(device.os_version) < TELLS_MANAGED:
        raise Unsupported(_("A Mac tells only from macOS 10.15 on which apps are managed, and so it is not asked."))
    return AppQuestion(channel, REQUEST, {"scope": scope})


def version(text: str) -> tuple[int, ...]:
    """Its first numbers: (10, 15) of 10.15.7. An unknown version is older than any."""
    parts = text.split(".")[:2]
    return (
        tuple(int(part) for part in parts)
        if all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts)
        else ()
    )


def payload(device_id: UUID, scope: str | None) -> Payload:
    """The command, when the device asks for it. Raises Conflict where this is not wanted any more."""
    device = Device.objects.select_related("owner", "registration").get(id=device_id)
    if scope is None or selectors.scope_now(device) != scope:
        raise Conflict("The policy has changed since: these apps are not read any more.")
    takes_items = not is_mac(device) and version(device.os_version)[:1] >= (TAKES_ITEMS,)
    return commands.installed_application_list(
        managed_only=scope == Listing.Scope.MANAGED or None,
        items=inventory.APPLICATION_ITEMS if takes_items else None,
    )
