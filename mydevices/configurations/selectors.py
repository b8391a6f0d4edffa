from uuid import UUID

from django.db.models import Q, QuerySet

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
    """The managed devices that have it or should: also when it is gone (then its identifier says it)."""
    has = Q(registration__channels__installations__identifier=identifier(configuration_id))
    configuration = Configuration.objects.prefetch_related("groups").filter(id=configuration_id, enabled=True).first()
    managed = Device.objects.filter(registration__state=Registration.State.ACTIVE)
    if configuration is None:
        return managed.filter(has).distinct()
    return managed.filter(has | Q(id__in=assignment.devices(configuration.assignment).values("id"))).distinct()


def identifier(configuration_id: UUID) -> str:
    """Of its profile on devices."""
    return f"org.mydevices.configuration.{configuration_id}"
