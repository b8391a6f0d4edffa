"""Whom something reaches: the rule in memory and each of its forms for the database, over all combinations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from typing import Final
from uuid import UUID

import pytest
from django.db.models import Count

from mydevices.accounts.models import Group, Membership, Person
from mydevices.devices import assignment
from mydevices.devices.assignment import Assignment, Standing, To, is_sent, reaches
from mydevices.devices.models import Device
from mydevices.policies.models import Policy
from tests import factories

pytestmark = pytest.mark.django_db

PLATFORMS: Final = ("apple", "toy")
OWNERSHIPS: Final[Sequence[str]] = Device.Ownership.values


def subsets(some: Sequence[str]) -> "Iterable[tuple[str, ...]]":
    return chain.from_iterable(combinations(some, size) for size in range(len(some) + 1))


@dataclass(frozen=True)
class Scene:
    """Everybody there can be with every device there can be, and every assignment."""

    groups_of: dict[UUID, frozenset[UUID]]
    """By person."""
    devices: Sequence[Device]
    rows: Sequence[Policy]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(assignment, "KNOWN_PLATFORMS", set(PLATFORMS))
    groups = [Group.objects.create(name=name) for name in ("Sales", "Support")]
    groups_of, devices = {}, []
    for inside, is_active in product(subsets(["0", "1"]), (True, False)):
        person = factories.person()
        Person.objects.filter(id=person.id).update(is_active=is_active)
        chosen = [groups[int(number)] for number in inside]
        Membership.objects.bulk_create(Membership(group=group, person=person) for group in chosen)
        groups_of[person.id] = frozenset(group.id for group in chosen)
        for platform, ownership in product(PLATFORMS, OWNERSHIPS):
            device = factories.device(person, ownership=ownership)
            Device.objects.filter(id=device.id).update(platform=platform)
            devices.append(device.id)
    filters = list(product(subsets(PLATFORMS), subsets(OWNERSHIPS)))
    rows: list[UUID] = []
    for to, (platforms, ownerships) in product(To.values, filters):
        # Of groups that were all deleted, too.
        for inside in subsets(["0", "1"]) if to == To.GROUPS else [()]:
            row = Policy.objects.create(kind="any", name=f"Policy {len(rows)}", precedence=len(rows) + 1)
            row.assigned_to = to
            row.platform_filter, row.ownership_filter = (assignment._text(names) for names in (platforms, ownerships))
            row.save()
            row.groups.set([groups[int(number)] for number in inside])
            rows.append(row.id)
    return Scene(
        groups_of,
        list(Device.objects.select_related("owner").filter(id__in=devices).order_by("id")),
        list(Policy.objects.prefetch_related("groups").filter(id__in=rows).order_by("precedence")),
    )


def standing(scene: Scene, device: Device) -> Standing:
    return Standing(scene.groups_of[device.owner_id], device.platform, device.ownership)


def test_there_is_every_combination(scene: Scene) -> None:
    assert len(scene.devices) == 8 * len(PLATFORMS) * len(OWNERSHIPS)
    assert len(scene.rows) == (1 + 4 + 1) * 4 * 2 ** len(OWNERSHIPS)
    assert len({(row.assignment, standing(scene, device)) for row in scene.rows for device in scene.devices}) > 1000


def test_the_devices_of_an_assignment_are_those_that_it_reaches(scene: Scene) -> None:
    for row in scene.rows:
        reached = {one.id for one in scene.devices if reaches(row.assignment, standing(scene, one))}
        sent = {one.id for one in scene.devices if is_sent(row.assignment, one, scene.groups_of[one.owner_id])}
        assert set(assignment.devices(row.assignment, suspended=True).values_list("id", flat=True)) == reached, row.name
        assert set(assignment.devices(row.assignment).values_list("id", flat=True)) == sent, row.name
        assert sent == {one.id for one in scene.devices if one.id in reached and one.owner.is_active}


def test_the_people_of_an_assignment_are_those_that_it_reaches_without_its_filters(scene: Scene) -> None:
    active = set(Person.objects.filter(id__in=scene.groups_of, is_active=True).values_list("id", flat=True))
    for row in scene.rows:
        of = row.assignment
        unfiltered = Assignment(to=of.to, groups=of.groups)
        expected = {one for one in active if reaches(unfiltered, Standing(scene.groups_of[one]))}
        assert set(assignment.people(of).values_list("id", flat=True)) == expected, row.name


def test_the_rows_that_reach_a_device_are_the_same_asked_of_one_and_of_each(scene: Scene) -> None:
    rows = Policy.objects.order_by()
    for device in scene.devices:
        expected = {row.id for row in scene.rows if reaches(row.assignment, standing(scene, device))}
        assert set(assignment.reaching(rows, device).values_list("id", flat=True)) == expected
    for row in scene.rows:
        each = assignment.reaching_each(rows.filter(id=row.id))
        reached = Device.objects.filter(id__in=[one.id for one in scene.devices]).annotate(
            number=each.values("kind").annotate(number=Count("id")).values("number")[:1]
        )
        expected = {one.id for one in scene.devices if reaches(row.assignment, standing(scene, one))}
        assert {one.id for one in reached if one.number} == expected, row.name


def test_the_rows_that_reach_a_person_by_themselves_have_no_filters(scene: Scene) -> None:
    for person in Person.objects.filter(id__in=scene.groups_of):
        expected = {row.id for row in scene.rows if reaches(row.assignment, Standing(scene.groups_of[person.id]))}
        assert set(assignment.reaching(Policy.objects.order_by(), person).values_list("id", flat=True)) == expected
