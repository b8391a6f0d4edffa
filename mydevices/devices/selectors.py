from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Prefetch, QuerySet
from django.utils.translation import gettext as _

from mydevices import search
from mydevices.accounts.models import Person
from mydevices.devices.models import Channel, Device, Registration
from mydevices.errors import NotFound, NotTheirs

Loading = Callable[["QuerySet[Device]"], "QuerySet[Device]"]

LOADING: Final[list[Loading]] = []
"""What else is read in the statement that reads a device, for the apps above: each adds to the query, once, at start-up
(`loading`)."""


def loading(more: Loading) -> None:
    LOADING.append(more)


_BESIDE: Final[list[str]] = []


def kept_beside(name: str) -> None:
    """Name a relation that leads from a registration, and from a channel, to the row that its platform keeps beside it
    (one to one, and null for those of other platforms). By `port.platform.register`."""
    _BESIDE.append(name)


def beside(path: str) -> Sequence[str]:
    """For `select_related`: what platforms keep beside the registration, or the channel, at this path."""
    return [f"{path}__{name}" if path else name for name in _BESIDE]


def with_registration(rows: QuerySet[Device]) -> QuerySet[Device]:
    """With present registration and channels, and what their platform keeps beside them. Two statements."""
    channels = Channel.objects.select_related(*beside("")) if _BESIDE else Channel.objects.all()
    related = rows.select_related("registration", *beside("registration"))
    return related.prefetch_related(Prefetch("registration__channels", channels))


def _whole(rows: QuerySet[Device]) -> QuerySet[Device]:
    """With present registration, channels, inventory and owner, and what the apps above need to judge it."""
    rows = with_registration(rows.select_related("inventory", "owner"))
    for more in LOADING:
        rows = more(rows)
    return rows


def all_devices() -> QuerySet[Device]:
    """For a list that narrows and orders them itself; what its rows need, it loads for those of a page."""
    return Device.objects.all()


def lost() -> QuerySet[Device]:
    """Marked lost, whatever has become of their registration."""
    return Device.objects.filter(lost_since__isnull=False)


def owned_by(person: Person) -> QuerySet[Device]:
    """A person's devices, with their present registration and inventory. The only way for the portal to get at a
    device."""
    return _whole(Device.objects.filter(owner=person)).order_by("created_at", "id")


def owned(person: Person, device_id: UUID) -> Device:
    """One device of this person. Raises NotFound for everybody else's (NotTheirs), as for none."""
    device = owned_by(person).filter(id=device_id).first()
    if device is None:
        why = NotTheirs if Device.objects.filter(id=device_id).exists() else NotFound
        raise why(_("There is no such device here."))
    return device


def by_id(device_id: UUID) -> Device:
    """Any device, for administrators and the command line. Raises NotFound."""
    device = _whole(Device.objects.filter(id=device_id)).first()
    if device is None:
        raise NotFound(f"There is no device {device_id}.")
    return device


def number() -> int:
    """How many devices are registered."""
    return Device.objects.filter(registration__state__in=Registration.LIVING).count()


def managed(platform: str) -> QuerySet[Device]:
    """All devices of a platform that are under management, in the order of their ids, with owner, registration and
    channels."""
    found = Device.objects.filter(platform=platform, registration__state=Registration.State.ACTIVE)
    return with_registration(found.select_related("owner")).order_by("id")


def count_managed(person: Person, *, company: bool = True, but: str = "") -> int:
    """How many managed devices a person has: with the organisation's own or without them, and without the one of the
    hardware id `but`. One statement."""
    found = Device.objects.filter(owner=person, registration__state__in=Registration.LIVING)
    if not company:
        found = found.exclude(ownership=Device.Ownership.COMPANY)
    return (found.exclude(hardware_id=but) if but else found).count()


@dataclass(frozen=True, slots=True)
class Fleet:
    """How all devices are: `by_system` counts them by name of their system and state (`Registration.State`); of the
    managed ones some have been `silent` for a week, and some `unreachable`, their push token being dead."""

    by_system: Mapping[tuple[str, str], int]
    silent: int
    unreachable: int
    lost: int

    def number(self, state: str, system: str | None = None) -> int:
        """How many are in this state, of one system or of all."""
        return sum(
            number
            for (its_system, its_state), number in self.by_system.items()
            if its_state == state and system in {None, its_system}
        )


SILENT: Final = timedelta(days=7)


def silent(now: datetime) -> QuerySet[Device]:
    """Managed devices that have not been heard of for a week, as an index counts them."""
    return Device.objects.filter(state=Registration.State.ACTIVE, seen_at__lt=now - SILENT)


def unreachable() -> QuerySet[Registration]:
    """Managed, and the push service calls the token dead."""
    return Registration.objects.filter(state=Registration.State.ACTIVE, unreachable_since__isnull=False)


def of_old_digest() -> QuerySet[Registration]:
    """Managed, and signing requests with a digest that is only accepted because it is allowed."""
    return Registration.objects.filter(state=Registration.State.ACTIVE, old_digest_since__isnull=False)


def fleet(now: datetime) -> Fleet:
    """Four statements, each of which counts in an index of its own: at a hundred thousand devices they take some 30 ms,
    and what they say is never old."""
    registered = Device.objects.filter(registration__isnull=False)  # the words of the index `devices_by_system`
    counted = registered.order_by().values_list("os_name", "state").annotate(number=Count("*"))
    return Fleet(
        by_system={(system, state): number for system, state, number in counted if state},
        silent=silent(now).count(),
        unreachable=unreachable().count(),
        lost=lost().count(),
    )


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
