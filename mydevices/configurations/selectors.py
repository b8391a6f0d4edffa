from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from mydevices.configurations.kinds import KINDS
from mydevices.configurations.kinds.account import Account
from mydevices.configurations.models import Configuration, Installation
from mydevices.devices import assignment
from mydevices.devices.models import Device, Registration
from mydevices.errors import NotFound


def by_id(configuration_id: UUID) -> Configuration:
    """Raises NotFound."""
    found = Configuration.objects.prefetch_related("groups").filter(id=configuration_id).first()
    if found is None:
        raise NotFound("There is no such configuration.")
    return found


def every() -> QuerySet[Configuration]:
    return Configuration.objects.prefetch_related("groups").order_by("name", "id")


def of_device(device: Device) -> QuerySet[Installation]:
    """What is, should be or was on it in its present life."""
    return Installation.objects.filter(channel__registration=device.registration_id).order_by("name", "id")


def of_configuration(configuration: Configuration) -> QuerySet[Installation]:
    """Device by device, in living registrations."""
    return (
        Installation.objects.filter(configuration=configuration, channel__registration__state__in=Registration.LIVING)
        .select_related("channel__registration__device__owner")
        .order_by("channel__registration__device__name", "id")
    )


def concerned(configuration_id: UUID) -> QuerySet[Device]:
    """The managed devices that have it or should: also when it is gone (then its identifier says it). An identity
    certificate is for the devices of accounts that name it, too."""
    has = Q(registration__channels__installations__identifier__startswith=identifier(configuration_id))
    enabled = Configuration.objects.prefetch_related("groups").filter(enabled=True)
    reaching = [*enabled.filter(id=configuration_id), *used_by(configuration_id, enabled)]
    for configuration in reaching:
        has |= Q(id__in=assignment.devices(configuration.assignment).values("id"))
    return Device.objects.filter(has, registration__state=Registration.State.ACTIVE).distinct()


def used_by(type_id: UUID, configurations: "Iterable[Configuration] | None" = None) -> Sequence[Configuration]:
    """The accounts, of all or of these configurations, that name an identity certificate."""
    accounts = [kind.name() for kind in KINDS.values() if issubclass(kind, Account)]
    if configurations is None:
        configurations = every().filter(kind__in=accounts)
    return [
        one
        for one in configurations
        if one.kind in accounts
        and isinstance(values := KINDS[one.kind].read(one.values), Account)
        and type_id in values.types.values()
    ]


def carrying(person_id: UUID, type_id: UUID) -> QuerySet[Installation]:
    """Where a certificate of this type is, should be or was in a profile, on somebody's devices in their present
    lives."""
    return (
        Installation.objects.filter(
            channel__registration__state=Registration.State.ACTIVE,
            channel__registration__device__owner=person_id,
            carried__has_key=str(type_id),
        )
        .select_related("channel__registration__device")
        .order_by("id")
    )


_PREFIX: Final = "org.mydevices.configuration."


def identifier(configuration_id: UUID, certificate_id: UUID | None = None) -> str:
    """Of a configuration's profile on devices; of an identity certificate that has one for each certificate, that."""
    return f"{_PREFIX}{configuration_id}" + (f".{certificate_id}" if certificate_id else "")


def subject(profile_identifier: str) -> UUID:
    """The configuration that an identifier is of."""
    return UUID(profile_identifier.removeprefix(_PREFIX)[:36])
