"""What should be on devices, and what is kept from them: asked once for all of them, in the same number of statements
however many there are. `reconcile` compares it with what is there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from mydevices.accounts.models import Membership
from mydevices.certificates.models import Certificate
from mydevices.configurations import resolve, selectors
from mydevices.configurations.models import Configuration, Installation
from mydevices.devices import selectors as devices_selectors
from mydevices.devices.assignment import is_sent
from mydevices.devices.models import Channel, Device, Registration
from mydevices.port.configurations import Ways
from mydevices.port.platform import platform_of

Spot = tuple[int, str]
"""A channel, and the identifier of a profile there."""


@dataclass(frozen=True, slots=True)
class Target:
    """A piece on one channel of a device."""

    piece: resolve.Piece
    channel: Channel
    withdrawn: frozenset[str] = frozenset()
    """Fingerprints of certificates that the device's owner had removed."""


@dataclass(frozen=True, slots=True)
class InUse:
    """The identity certificates that are assigned to a device, or named by an account that is."""

    owner_id: UUID
    types: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should be on some devices, and what was asked to know it."""

    targets: Mapping[Spot, Target]
    in_use: Mapping[UUID | None, InUse]
    """By the registration of each device."""
    supplied: resolve.Supply


def on(devices: Sequence[Device]) -> Wanted:
    """What should be on devices, with their owners and registrations loaded."""
    supplied = resolve.supply({device.owner_id for device in devices})
    targets: dict[Spot, Target] = {}
    in_use: dict[UUID | None, InUse] = {}
    for device, reached in _reached(devices, supplied):
        in_use[device.registration_id] = InUse(device.owner_id, resolve.used(reached, supplied))
        targets |= _targets(device, reached, supplied)
    return Wanted(targets, in_use, supplied)


def pieces(device: Device, life: Registration | None = None) -> Sequence[resolve.Piece]:
    """Everything that should be on a device with its owner loaded, in this life or else its present one."""
    return _pieces_of(device, keys_held=_holds(life or device.registration))


def withheld(device: Device) -> Sequence[resolve.Identity]:
    """The certificates whose private keys would go to a device, with its owner and registration loaded, once its owner
    confirms it."""
    if device.registration is None or device.registration.has_ended or not device.registration.keys_held:
        return ()
    found = {
        one.fingerprint: one
        for piece in _pieces_of(device, keys_held=False)
        for one in piece.content.identities
        if one.has_key
    }
    return tuple(found.values())


def unconfirmed(person_id: UUID) -> Iterable[Device]:
    """Somebody's devices that are sent no private key yet, because they have to confirm them."""
    living = Device.objects.filter(
        owner=person_id, registration__state__in=Registration.LIVING, registration__keys_held=True
    )
    return devices_selectors.with_registration(living.select_related("owner")).order_by("created_at", "id")


def waits_for_key(certificate: Certificate) -> bool:
    """Whether a device still has to be sent this certificate with its key."""
    rows = selectors.carrying(certificate.person_id, certificate.type_id)
    under_way = rows.filter(
        **{f"carried__{certificate.type_id}": certificate.fingerprint}, state=Installation.State.PENDING
    )
    return under_way.exists() or any(
        certificate.fingerprint == one.fingerprint
        for device in unconfirmed(certificate.person_id)
        for one in withheld(device)
    )


def _reached(devices: Sequence[Device], supplied: resolve.Supply) -> Sequence[tuple[Device, Sequence[Configuration]]]:
    """The devices, each with the configurations that reach it: none for a platform that is sent nothing."""
    groups: dict[UUID, set[UUID]] = {}
    owners = [device.owner_id for device in devices]
    for person_id, group_id in Membership.objects.filter(person__in=owners).values_list("person_id", "group_id"):
        groups.setdefault(person_id, set()).add(group_id)
    assignments = [(one, one.assignment) for one in supplied.configurations if one.enabled]
    return [
        (
            device,
            [one for one, assignment in assignments if is_sent(assignment, device, groups.get(device.owner_id, set()))]
            if _ways(device) is not None
            else [],
        )
        for device in devices
    ]


def _ways(device: Device) -> Ways | None:
    return platform_of(device).ways(device)


def _targets(device: Device, reached: Sequence[Configuration], supplied: resolve.Supply) -> Mapping[Spot, Target]:
    if not reached:
        return {}
    ways = _ways(device)
    if ways is None:
        return {}
    found = _pieces(device, ways, reached, supplied, keys_held=_holds(device.registration))
    gone = frozenset(one for person_id, _type, one in supplied.withdrawn if person_id == device.owner_id)
    return {
        (channel.pk, piece.identifier): Target(piece, channel, gone) for channel in ways.channels for piece in found
    }


def _pieces_of(device: Device, *, keys_held: bool) -> Sequence[resolve.Piece]:
    supplied = resolve.supply([device.owner_id])
    ((_device, reached),) = _reached([device], supplied)
    ways = _ways(device)
    if not reached or ways is None:
        return ()
    return _pieces(device, ways, reached, supplied, keys_held=keys_held)


def _pieces(
    device: Device, ways: Ways, reached: Sequence[Configuration], supplied: resolve.Supply, *, keys_held: bool
) -> Sequence[resolve.Piece]:
    return resolve.pieces(
        device.owner, reached, supplied, carries=ways.carries, all_apps=ways.all_apps, keys_held=keys_held
    )


def _holds(life: Registration | None) -> bool:
    """Whether private keys are held back in this life of a device. Nothing goes to a device without one."""
    return life is None or life.keys_held
