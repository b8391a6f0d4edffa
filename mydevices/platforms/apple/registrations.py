"""What a registration profile promises, what is kept of that with the registration, and the tokens that a device leaves
here. Renewal repeats the promise exactly: a device refuses a change (mdm.yaml)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction

from mydevices.devices.models import Channel, Device, Registration
from mydevices.errors import ProtocolError
from mydevices.platforms.apple import push_certificate
from mydevices.platforms.apple.models import AppleChannel, AppleRegistration
from mydevices.protocols.apple.profiles import AccessRights
from mydevices.vault import services as vault


@dataclass(frozen=True, slots=True)
class Promise:
    """What a registration profile says of the management that it begins. The same in a column of JSON."""

    topic: str
    server_url: str
    checkin_url: str
    scep_url: str
    access_rights: int
    profile_identifier: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a device says with Authenticate that concerns its registration (mdm/checkin/authenticate.yaml)."""

    topic: str
    is_user_enrollment: bool


def promise(*, may_erase: bool) -> Promise:
    """With or without the right to erase the device. Raises Conflict without a push certificate."""
    base = f"{settings.PUBLIC_URL}/mdm/apple"
    return Promise(
        topic=push_certificate.topic(),
        server_url=f"{base}/connect",
        checkin_url=f"{base}/checkin",
        scep_url=f"{base}/scep",
        access_rights=int(AccessRights.ALL if may_erase else AccessRights.WITHOUT_ERASE),
        profile_identifier=f"org.mydevices.registration.{sha256(settings.PUBLIC_URL.encode()).hexdigest()[:16]}",
    )


def kept(registration: Registration) -> AppleRegistration:
    """What was written when this registration began."""
    row: AppleRegistration = registration.apple
    return row


def kept_of(device: Device) -> AppleRegistration | None:
    """Of its present registration, if it has one."""
    return kept(device.registration) if device.registration is not None else None


def kept_with(channel: Channel) -> AppleChannel | None:
    return getattr(channel, "apple", None)


_PROMISED: Final = tuple(Promise.__dataclass_fields__)


def promised(registration: Registration) -> Promise:
    """What this registration's profile said."""
    row = kept(registration)
    return Promise(**{name: getattr(row, name) for name in _PROMISED})


def profile_identifier(registration_id: UUID) -> str:
    """Of the profile that manages the device. Removing it ends management."""
    return AppleRegistration.objects.values_list("profile_identifier", flat=True).get(registration=registration_id)


def may(registration: Registration, right: AccessRights) -> bool:
    """Whether its profile gives this right."""
    return bool(AccessRights(kept(registration).access_rights) & right)


def check_topic(*, topic: str, expected: str) -> None:
    """Raises ProtocolError for a push topic other than the one that the registration's profile named: the device is
    under somebody else's management, or pretends to be."""
    if topic != expected:
        raise ProtocolError("The topic is not the one of this registration.")


def begin(registration: Registration, promised: Promise, arrival: Arrival) -> None:
    registration.apple = AppleRegistration.objects.create(
        registration=registration, is_user_enrollment=arrival.is_user_enrollment, **asdict(promised)
    )


def again(registration: Registration) -> None:
    """A device that has not finished repeats Authenticate. What it left before may be of a Mac that has been erased
    since."""
    if registration.state == Registration.State.PENDING:
        keep_bootstrap_token(registration, None)


def forget_tokens(registration: Registration) -> None:
    """A life has ended: tokens that cannot be used again are not kept."""
    AppleRegistration.objects.filter(registration=registration).update(bootstrap_token=None)
    AppleChannel.objects.filter(channel__registration=registration).update(unlock_token=None)


def supervised(device_id: UUID, *, is_supervised: bool) -> None:
    """A device says whether it is."""
    living = AppleRegistration.objects.filter(registration__device=device_id, registration__ended_at=None)
    living.update(is_supervised=is_supervised)


# Tokens


def token_place(registration_id: UUID, column: str, user_id: str = "") -> vault.Place:
    """Where a token of a registration is sealed to."""
    return vault.Place("apple", column, row=f"{registration_id}/{user_id}", owner=registration_id)


@transaction.atomic
def keep_channel(*, channel: Channel, push_magic: str, unlock_token: bytes | None) -> None:
    """What TokenUpdate said of a channel; an unlock token that it leaves out is kept (tokenupdate.yaml)."""
    row = AppleChannel(channel=channel, push_magic=push_magic)
    fields = ["push_magic"]
    if unlock_token:
        place = token_place(channel.registration_id, "unlock_token", channel.user_id)
        row.unlock_token = vault.seal(unlock_token, place)
        fields.append("unlock_token")
    AppleChannel.objects.bulk_create([row], update_conflicts=True, unique_fields=["channel"], update_fields=fields)


def unlock_token(registration_id: UUID) -> bytes | None:
    """What clears the passcode of this registration's device; None where it has left none."""
    of_device = AppleChannel.objects.filter(channel__registration=registration_id, channel__kind=Channel.Kind.DEVICE)
    row = of_device.exclude(unlock_token=None).first()
    if row is None or row.unlock_token is None:
        return None
    return vault.open_sealed(bytes(row.unlock_token), token_place(registration_id, "unlock_token"))


def keep_bootstrap_token(registration: Registration, token: bytes | None) -> None:
    """Keep what a Mac deposits for itself, or forget it when it says so."""
    sealed = vault.seal(token, token_place(registration.id, "bootstrap_token")) if token else None
    AppleRegistration.objects.filter(registration=registration).update(bootstrap_token=sealed)


def bootstrap_token(registration: Registration) -> bytes | None:
    """What this Mac deposited, for this Mac."""
    sealed = kept(registration).bootstrap_token
    return vault.open_sealed(bytes(sealed), token_place(registration.id, "bootstrap_token")) if sealed else None


def read(stored: Mapping[str, object]) -> Promise:
    """From a column of JSON."""
    return Promise(**stored)  # type: ignore[arg-type]  # what `promise` gave, and nobody else writes there
