from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from mydevices.accounts.models import Person
from mydevices.devices import assignment
from mydevices.devices.models import Device
from mydevices.errors import NotFound
from mydevices.policies.kinds.kind import Kind
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


def reaching(who: Person | Device, kind: type[Kind]) -> QuerySet[Policy]:
    """The enabled policies of a kind that reach a person or a device; the first one counts."""
    return assignment.reaching(of_kind(kind).filter(enabled=True), who)


def of_kind(kind: type[Kind]) -> QuerySet[Policy]:
    """In the order in which they count. The id decides between numbers that are alike for a moment."""
    return Policy.objects.filter(kind=kind.name()).order_by("precedence", "id")


def by_id(policy_id: UUID) -> Policy:
    """Raises NotFound."""
    policy = Policy.objects.prefetch_related("groups").filter(id=policy_id).first()
    if policy is None:
        raise NotFound(_("There is no such policy."))
    return policy
