"""Assignment: whose devices a policy or a configuration reaches. Everyone, nobody or chosen groups; and of their
devices those of some platforms, or of one ownership.

A model that can be assigned inherits `Assigned`. The rule is `reaches`. `reaching` asks the database the same of rows,
for a person or a device; `people` and `devices` ask it whom an assignment would reach, be it saved or not."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar
from uuid import UUID

from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat, Lower
from django.utils.translation import gettext as _

from mydevices.accounts.models import Group, Membership, Person
from mydevices.devices.models import Device, Registration
from mydevices.errors import Invalid

KNOWN_PLATFORMS: Final[set[str]] = set()
"""The platforms that an assignment can be narrowed to, by name: `port.platform.register` adds each."""


class To(models.TextChoices):
    """Whom it is for, before the filters of devices."""

    EVERYONE = "everyone", "Everyone"
    GROUPS = "groups", "Chosen groups"
    NOBODY = "nobody", "Nobody"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Whom something is for. An empty filter lets everything through; groups count with `To.GROUPS` only.

    Raises Invalid for groups that are needed and missing, and for filters that nothing could pass."""

    to: str = To.EVERYONE
    groups: frozenset[UUID] = frozenset()
    platforms: frozenset[str] = frozenset()
    ownerships: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.to not in To.values:
            raise Invalid(_("It is for everyone, for chosen groups or for nobody."))
        if (self.to == To.GROUPS) != bool(self.groups):
            raise Invalid(
                _("Choose the groups that it is for.") if self.to == To.GROUPS else _("Groups come without these.")
            )
        if not self.platforms <= KNOWN_PLATFORMS:
            raise Invalid(_("There is no such platform."))
        if not self.ownerships <= set(Device.Ownership.values):
            raise Invalid(_("A device is personal or the organisation’s."))

    @property
    def has_filters(self) -> bool:
        """Whether it depends on the device, and not on its owner alone."""
        return bool(self.platforms or self.ownerships)

    def stored(self) -> dict[str, Any]:
        """For a column of JSON."""
        return {
            "to": str(self.to),
            "groups": sorted(str(group) for group in self.groups),
            "platforms": sorted(self.platforms),
            "ownerships": sorted(self.ownerships),
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """From such a column."""
        return cls(
            to=stored["to"],
            groups=frozenset(map(UUID, stored["groups"])),
            platforms=frozenset(stored["platforms"]),
            ownerships=frozenset(stored["ownerships"]),
        )

    def described(self) -> str:
        """Whom it is for, in a few words, with the groups that are still there. One statement."""
        groups = Group.objects.filter(id__in=self.groups).order_by(Lower("name"))
        names = _(", ").join(groups.values_list("name", flat=True)) if self.groups else ""
        filters = _(", ").join([*sorted(self.platforms), *sorted(self.ownerships)])
        whom = {To.EVERYONE.value: _("Everyone"), To.NOBODY.value: _("Nobody")}.get(self.to, names)
        return f"{whom} ({filters})" if filters else whom


EVERYONE: Final = Assignment()


class Assigned(models.Model):
    """What is assigned, as columns. Filters are names between commas (“,one,another,”), because both databases can
    look into a text and only one of them into a list."""

    assigned_to = models.CharField(max_length=16, choices=To.choices, default=To.EVERYONE)
    groups: "models.ManyToManyField[Group, models.Model]" = models.ManyToManyField(Group, related_name="+", blank=True)
    platform_filter = models.CharField(max_length=200, blank=True)
    ownership_filter = models.CharField(max_length=64, blank=True)

    class Meta:
        abstract = True

    @property
    def assignment(self) -> Assignment:
        """As it is saved. A group that was deleted is gone from it, and with its last group it is for nobody."""
        groups = frozenset(group.id for group in self.groups.all()) if self.assigned_to == To.GROUPS else frozenset()
        return Assignment(
            to=To.NOBODY if self.assigned_to == To.GROUPS and not groups else self.assigned_to,
            groups=groups,
            platforms=_names(self.platform_filter),
            ownerships=_names(self.ownership_filter),
        )


def in_words(row: Assigned) -> str:
    """Whom a saved row is for, in a few words. Asks nothing where its groups are loaded."""
    names = _(", ").join(sorted(group.name for group in row.groups.all())) if row.assigned_to == To.GROUPS else ""
    if row.assigned_to == To.NOBODY or (row.assigned_to == To.GROUPS and not names):
        return _("Nobody")
    text = names or _("Everyone")
    return _("%(whom)s, some devices") % {"whom": text} if row.assignment.has_filters else text


def assign(row: Assigned, assignment: Assignment) -> None:
    """Write an assignment into a saved row, in the caller's transaction. Raises Invalid for a group that is gone."""
    if len(assignment.groups) != Group.objects.filter(id__in=assignment.groups).count():
        raise Invalid(_("One of these groups is gone. Choose anew."))
    row.assigned_to = assignment.to
    row.platform_filter = _text(assignment.platforms)
    row.ownership_filter = _text(assignment.ownerships)
    row.save(update_fields=["assigned_to", "platform_filter", "ownership_filter"])
    row.groups.set(Group.objects.filter(id__in=assignment.groups))


def _names(text: str) -> frozenset[str]:
    return frozenset(name for name in text.split(",") if name)


def _text(names: Iterable[str]) -> str:
    return f",{','.join(sorted(names))}," if names else ""


# --- whom it reaches: in memory first, then as the database is asked; one test compares them


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands: their groups, and the device it is about, if any."""

    groups: AbstractSet[UUID]
    platform: str = ""
    """Empty where it is about a person by themselves."""
    ownership: str = ""


def reaches(assignment: Assignment, who: Standing) -> bool:
    """Whether something is for somebody, or for a device of theirs. A person by themselves is reached by what has no
    filters: what is for some devices says nothing of somebody who has none at hand.

    Somebody who is suspended is reached as they would be when they were let in again. Whether that counts is asked
    apart: rules hold for their devices, and nothing more is sent there."""
    if assignment.to == To.NOBODY or (assignment.to == To.GROUPS and assignment.groups.isdisjoint(who.groups)):
        return False
    if not who.platform:
        return not assignment.has_filters
    return (not assignment.platforms or who.platform in assignment.platforms) and (
        not assignment.ownerships or who.ownership in assignment.ownerships
    )


def is_sent(assignment: Assignment, device: Device, groups: AbstractSet[UUID]) -> bool:
    """Whether something is for a device, with its owner loaded, who is in these groups and not suspended."""
    return device.owner.is_active and reaches(assignment, Standing(groups, device.platform, device.ownership))


Row = TypeVar("Row", bound=Assigned)


def reaching(rows: QuerySet[Row], who: Person | Device) -> QuerySet[Row]:
    """Those of the rows that reach a person or a device (`reaches`), still one statement."""
    if isinstance(who, Device):
        passes = _passes("platform_filter", who.platform) & _passes("ownership_filter", who.ownership)
        return _reaching(rows, passes, who.owner_id)
    return _reaching(rows, Q(platform_filter="", ownership_filter=""), who.id)


def reaching_each(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Those of the rows that reach the device of the query around this one: for a subquery of a query of devices."""
    passes = Q()
    for column, of_device in (("platform_filter", "platform"), ("ownership_filter", "ownership")):
        name = Concat(Value(","), OuterRef(of_device), Value(","))
        passes &= Q(**{column: ""}) | Q(**{f"{column}__contains": name})
    return _reaching(rows, passes, OuterRef(OuterRef(OuterRef("owner_id"))))


def _reaching(rows: QuerySet[Row], passes: Q, owner: "UUID | OuterRef") -> QuerySet[Row]:
    through = rows.model.groups.through
    column = f"{rows.model._meta.model_name}_id"  # noqa: SLF001  how Django names the column of its own table
    chosen = through._default_manager.filter(  # noqa: SLF001  the manager of whatever model it is
        Exists(Membership.objects.filter(group=OuterRef("group_id"), person=owner)), **{column: OuterRef("pk")}
    )
    return rows.filter(Q(assigned_to=To.EVERYONE) | (Q(assigned_to=To.GROUPS) & Exists(chosen)), passes)


def _passes(column: str, name: str) -> Q:
    return Q(**{column: ""}) | Q(**{f"{column}__contains": f",{name},"})


def people(assignment: Assignment) -> QuerySet[Person]:
    """Whom it is for: people who are not suspended. What its filters say of their devices is not asked."""
    everybody = Person.objects.filter(is_active=True)
    return everybody.none() if assignment.to == To.NOBODY else everybody.filter(_is_for(assignment, "pk"))


def devices(assignment: Assignment, *, suspended: bool = False) -> QuerySet[Device]:
    """The managed devices that it is sent to (`is_sent`). `suspended`: also those that it would reach if their owners
    were let in again (`reaches`)."""
    found = Device.objects.filter(registration__state__in=Registration.LIVING)
    if assignment.to == To.NOBODY:
        return found.none()
    if not suspended:
        found = found.filter(owner__is_active=True)
    found = found.filter(_is_for(assignment, "owner_id"))
    if assignment.platforms:
        found = found.filter(platform__in=assignment.platforms)
    if assignment.ownerships:
        found = found.filter(ownership__in=assignment.ownerships)
    return found


def _is_for(assignment: Assignment, person: str) -> Q:
    """Whether it is for everybody, or for a group of the person in this column."""
    if assignment.to != To.GROUPS:
        return Q()
    return Q(Exists(Membership.objects.filter(person=OuterRef(person), group__in=assignment.groups)))


@dataclass(frozen=True, slots=True)
class Reach:
    """How many people an assignment is for, and how many of their devices pass its filters."""

    people: int
    devices: int


def reach(assignment: Assignment) -> Reach:
    """Counted now, in two statements."""
    return Reach(people(assignment).count(), devices(assignment).count())
