from uuid import UUID

from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from mydevices import search
from mydevices.accounts.models import Person
from mydevices.devices.models import Device, Registration
from mydevices.errors import NotFound


def owned_by(person: Person) -> QuerySet[Device]:
    """A person's devices, with their present registration and inventory. The only way for the portal to get at a
    device."""
    return (
        Device.objects.filter(owner=person)
        .select_related("registration", "inventory", "owner")
        .prefetch_related("registration__channels")
        .order_by("created_at", "id")
    )


def owned(person: Person, device_id: UUID) -> Device:
    """One device of this person. Raises NotFound for everybody else's, as for none."""
    device = owned_by(person).filter(id=device_id).first()
    if device is None:
        raise NotFound(_("There is no such device here."))
    return device


def by_id(device_id: UUID) -> Device:
    """Any device, for administrators and the command line. Raises NotFound."""
    device = (
        Device.objects.select_related("registration", "inventory", "owner")
        .prefetch_related("registration__channels")
        .filter(id=device_id)
        .first()
    )
    if device is None:
        raise NotFound(f"There is no device {device_id}.")
    return device


def count_managed(person: Person, *, company: bool = True, but: str = "") -> int:
    """How many managed devices a person has: with the organisation's own or without them, and without the one of the
    hardware id `but`. One statement."""
    found = Device.objects.filter(owner=person, registration__state__in=Registration.LIVING)
    if not company:
        found = found.exclude(ownership=Device.Ownership.COMPANY)
    return (found.exclude(hardware_id=but) if but else found).count()


def count_by_state() -> dict[str, int]:
    """How many devices are in each state of their present registration (`Registration.State`). One statement."""
    counted = Device.objects.exclude(state="").order_by().values_list("state").annotate(number=Count("id"))
    return {str(state): int(number) for state, number in counted}


def searched(rows: QuerySet[Device], text: str) -> QuerySet[Device]:
    """Those of these devices of which each word of the text begins a word: of their own, or of their owner's."""
    beginnings = search.wanted(text)
    for one in beginnings:
        owned = Device.objects.filter(owner_id__in=Person.having(one)).values("id")
        rows = rows.filter(id__in=Device.having(one).union(owned))
    return rows if beginnings else rows.none()


def searched_people(rows: QuerySet[Person], text: str) -> QuerySet[Person]:
    """Those of these people who have all words of the text, or a device whose serial number begins so."""
    serial = "".join(text.split()).upper()
    by_serial = Device.objects.filter(serial_number__prefix=serial).values("owner_id")
    return rows.filter(id__in=Person.matching(text).union(by_serial)) if serial else rows.none()
