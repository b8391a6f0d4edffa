import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from django.db.models import QuerySet, Subquery
from django.db.models.functions import JSONObject
from django.utils.translation import gettext as _

from mydevices.accounts.models import Person
from mydevices.devices import assignment
from mydevices.devices.models import Device
from mydevices.errors import NotFound
from mydevices.policies.kinds.kind import Kind
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.policies.models import Policy

K = TypeVar("K", bound=Kind)


@dataclass(frozen=True, slots=True)
class Effective(Generic[K]):
    """What holds for somebody, and the policy that it comes from: `policy_id` is None where nobody has decided."""

    values: K
    policy_id: UUID | None = None
    policy_name: str = ""


def effective(who: Person | Device, kind: type[K]) -> Effective[K]:
    """What holds for a person or a device. One statement.

    Of the enabled policies that reach them the first counts, as a whole; where there is none, the kind's defaults."""
    found = reaching(who, kind).values_list("id", "name", "values").first()
    if found is None:
        return Effective(kind())
    return Effective(kind.read(found[2]), found[0], found[1])


LOADED: Final[tuple[type[Kind], ...]] = (Privacy, SelfServiceRules)
"""The kinds that bind what is done to a device: read in the statement that reads the device."""


def with_rules(rows: "QuerySet[Device]") -> "QuerySet[Device]":
    """Devices with what holds for each of them, still one statement: `of_device` finds it there."""
    return rows.annotate(**{_place(kind): _first(kind) for kind in LOADED})


def of_device(device: Device, kind: type[K]) -> Effective[K]:
    """What holds for a device, as it was when the device was read. One statement for a device that came from elsewhere
    than `devices.selectors`, and only the first time."""
    kept: dict[str, Effective[Any]] = device.__dict__.setdefault("rules_of_it", {})
    if kind.name() not in kept:
        kept[kind.name()] = _read(device, kind)
    return kept[kind.name()]


def _read(device: Device, kind: type[K]) -> Effective[K]:
    if _place(kind) not in device.__dict__:
        return effective(device, kind)
    found: Mapping[str, Any] | None = device.__dict__[_place(kind)]
    if found is None:
        return Effective(kind())
    values = found["values"]
    # SQLite nests JSON inside of JSON as text.
    return Effective(
        kind.read(json.loads(values) if isinstance(values, str) else values), UUID(found["id"]), found["name"]
    )


def _place(kind: type[Kind]) -> str:
    return f"decided_{kind.name()}"


def _first(kind: type[Kind]) -> Subquery:
    """Of the policies that reach the device of the query around this one, the one that counts."""
    rows = assignment.reaching_each(of_kind(kind).filter(enabled=True))
    return Subquery(rows.values(found=JSONObject(id="id", name="name", values="values"))[:1])


def reaching(who: Person | Device, kind: type[Kind]) -> QuerySet[Policy]:
    """The enabled policies of a kind that reach a person or a device; the first one counts."""
    return assignment.reaching(of_kind(kind).filter(enabled=True), who)


def of_kind(kind: type[Kind]) -> QuerySet[Policy]:
    """In the order in which they count. The id decides between numbers that are alike for a moment."""
    return Policy.objects.filter(kind=kind.name()).order_by("precedence", "id")


def has_policies() -> bool:
    return Policy.objects.exists()


def by_id(policy_id: UUID) -> Policy:
    """Raises NotFound."""
    policy = Policy.objects.prefetch_related("groups").filter(id=policy_id).first()
    if policy is None:
        raise NotFound(_("There is no such policy."))
    return policy
