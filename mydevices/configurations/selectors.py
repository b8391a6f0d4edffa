from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from mydevices.accounts import memberships
from mydevices.accounts.memberships import Brought, Moves
from mydevices.configurations.kinds import KINDS
from mydevices.configurations.kinds.account import Account
from mydevices.configurations.models import Configuration, Installation, Withdrawal
from mydevices.devices import assignment
from mydevices.devices.models import Device, Registration
from mydevices.errors import NotFound
from mydevices.policies.kinds.kind import Kind, Line


def by_id(configuration_id: UUID) -> Configuration:
    """Raises NotFound."""
    found = Configuration.objects.prefetch_related("groups").filter(id=configuration_id).first()
    if found is None:
        raise NotFound("There is no such configuration.")
    return found


def every() -> QuerySet[Configuration]:
    return Configuration.objects.prefetch_related("groups").order_by("name", "id")


def all_configurations() -> QuerySet[Configuration]:
    """For a list that narrows and orders them itself."""
    return Configuration.objects.all()


def of_kind(kind: type[Kind]) -> QuerySet[Configuration]:
    """By name."""
    return Configuration.objects.filter(kind=kind.name()).order_by("name", "id")


def names_in_use() -> frozenset[str]:
    return frozenset(Configuration.objects.values_list("name", flat=True))


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


@dataclass(frozen=True, slots=True)
class Tally:
    """On how many channels of living registrations a configuration is in which state."""

    pending: int = 0
    installed: int = 0
    failed: int = 0
    removing: int = 0
    removed: int = 0

    @property
    def there(self) -> int:
        """What a device has, or is about to have."""
        return self.pending + self.installed + self.removing


def tallies(configuration_ids: Collection[UUID]) -> Mapping[UUID, Tally]:
    """Of each of these configurations. One statement."""
    counted: dict[UUID, dict[str, int]] = {one: {} for one in configuration_ids}
    rows = (
        Installation.objects.filter(
            configuration__in=configuration_ids, channel__registration__state__in=Registration.LIVING
        )
        .order_by()
        .values_list("configuration", "state")
        .annotate(number=Count("id"))
    )
    for configuration_id, state, number in rows:
        counted[configuration_id][state] = number
    return {one: Tally(**states) for one, states in counted.items()}


def brought_by(joins: Moves, _leaves: Moves) -> Sequence[Brought]:
    """The configurations that would reach devices of these people anew if they came into groups. Leaving one takes them
    away."""
    found = []
    for group_id, person_ids in memberships.people_of(joins).items():
        for one in every().filter(enabled=True, assigned_to=assignment.To.GROUPS, groups=group_id):
            here = assignment.devices(one.assignment, suspended=True)
            theirs = assignment.devices(
                replace(one.assignment, to=assignment.To.EVERYONE, groups=frozenset()), suspended=True
            )
            new = theirs.filter(owner__in=person_ids).exclude(id__in=here.values("id"))
            mark = f"configuration:{one.id}:{one.revision}"
            found.append(Brought(one.name, mark, frozenset(new.values_list("id", flat=True))))
    return found


def is_brought_by_ownership(device: Device, ownership: str) -> bool:
    """Whether a configuration would reach this device anew if it were personal, or the organisation's."""
    then = copy(device)
    then.ownership = ownership
    enabled = Configuration.objects.filter(enabled=True)
    here = assignment.reaching(enabled, device).values("id")
    return bool(assignment.reaching(enabled, then).exclude(id__in=here).exists())


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
    if configurations is None:
        configurations = every().filter(kind__in=_ACCOUNTS)
    return [
        one
        for one in configurations
        if one.kind in _ACCOUNTS
        and isinstance(values := KINDS[one.kind].read(one.values), Account)
        and type_id in values.types.values()
    ]


_ACCOUNTS: Final = [kind.name() for kind in KINDS.values() if issubclass(kind, Account)]


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


def installations(person_id: UUID, type_id: UUID) -> QuerySet[Installation]:
    """Where somebody's certificates of a type are, are to be, or could not be put."""
    return carrying(person_id, type_id).exclude(state=Installation.State.REMOVED)


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What has become of somebody's certificates on their devices, read at once."""

    rows: Sequence[Installation]
    """With their devices and configurations; none that was removed."""
    accounts: Sequence[Configuration]
    withdrawn: frozenset[tuple[UUID, str]]
    """By type and fingerprint."""

    def of(self, type_id: UUID, fingerprint: str) -> Sequence[Installation]:
        """Where one certificate is, is to be, or could not be put."""
        return [row for row in self.rows if row.carried.get(str(type_id)) == fingerprint]

    def users(self, type_id: UUID) -> Sequence[str]:
        """The names of the accounts on their devices that name a type."""
        there = {row.configuration_id for row in self.rows}
        return [one.name for one in used_by(type_id, self.accounts) if one.id in there]

    @property
    def certificates(self) -> Sequence[tuple[UUID, str]]:
        """Each that is in a profile, by type and fingerprint, whether it is still kept here or not."""
        found = {(UUID(of), fingerprint) for row in self.rows for of, fingerprint in row.carried.items()}
        return sorted(found, key=lambda one: (str(one[0]), one[1]))


def deliveries(person_id: UUID) -> Deliveries:
    """Three statements."""
    rows = (
        Installation.objects.filter(
            channel__registration__state=Registration.State.ACTIVE, channel__registration__device__owner=person_id
        )
        .exclude(state=Installation.State.REMOVED)
        .select_related("channel__registration__device")
        .order_by("channel__registration__device__created_at", "id")
    )
    accounts = Configuration.objects.filter(kind__in=_ACCOUNTS).order_by("name", "id")
    withdrawn = Withdrawal.objects.filter(person=person_id).values_list("type_id", "fingerprint")
    return Deliveries(list(rows), list(accounts), frozenset(withdrawn))


_PREFIX: Final = "org.mydevices.configuration."


def identifier(configuration_id: UUID, certificate_id: UUID | None = None) -> str:
    """Of a configuration's profile on devices; of an identity certificate that has one for each certificate, that."""
    return f"{_PREFIX}{configuration_id}" + (f".{certificate_id}" if certificate_id else "")


def subject(profile_identifier: str) -> UUID:
    """The configuration that an identifier is of."""
    return UUID(profile_identifier.removeprefix(_PREFIX)[:36])


_NAMING: Final = frozenset({"signing_type", "encryption_type", "login_identity"})


def lines(configuration: Configuration) -> Sequence[Line]:
    """Its values in plain words, with what accounts name by what it is called. One statement for an account."""
    found = KINDS[configuration.kind].read(configuration.values).summary()
    wanted = [line.text for line in found if line.field in _NAMING]
    names = dict(Configuration.objects.filter(id__in=wanted).values_list("id", "name")) if wanted else {}
    called = {str(one): name for one, name in names.items()}
    return [
        Line(line.field, line.label, called.get(line.text, line.text)) if line.field in _NAMING else line
        for line in found
    ]
