from uuid import UUID

from django.db.models import QuerySet

from mydevices.audit.models import Entry


def of_device(device_id: UUID) -> QuerySet[Entry]:
    """Everything that happened to a device, newest first."""
    return Entry.objects.filter(device_id=str(device_id)).order_by("-id")


def of_person(person_id: UUID) -> QuerySet[Entry]:
    """Everything that happened to a person's account and devices, newest first."""
    return Entry.objects.filter(person_id=str(person_id)).order_by("-id")


def latest() -> QuerySet[Entry]:
    """Everything, newest first."""
    return Entry.objects.order_by("-id")
