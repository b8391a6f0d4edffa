"""The sealed columns of the house. Each app names its own at start-up, for the rotation of the master key."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db.models import BinaryField, Model


@dataclass(frozen=True, slots=True)
class Column:
    """A binary column that holds what `vault.services.seal` gave, or null."""

    model: type[Model]
    field: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Sealed values that are no column of their own, such as those inside JSON."""

    name: str
    table: str
    values: Callable[[], Iterable[tuple[object, bytes]]]
    """Every sealed value with something to find it again by."""
    move: Callable[[object, bytes, bytes], bool]
    """Put a value in the place of an old one, if that still stands there; whether it did."""


_ELSEWHERE: dict[str, Elsewhere] = {}
_COLUMNS: dict[tuple[str, str], Column] = {}


def column(model: type[Model], field: str) -> None:
    """Name a sealed column: `column(Channel, "unlock_token")`, from the app's `ready`.

    Raises TypeError for a column of another kind.
    """
    if not isinstance(model._meta.get_field(field), BinaryField):  # noqa: SLF001  Django's own way to a field
        raise TypeError(f"{model.__name__}.{field} is not a binary column.")
    _COLUMNS[model._meta.label, field] = Column(model, field)  # noqa: SLF001  the same


def columns() -> list[Column]:
    """All sealed columns, in a fixed order."""
    return [_COLUMNS[name] for name in sorted(_COLUMNS)]


def elsewhere(place: Elsewhere) -> None:
    """Name sealed values that are no column, from the app's `ready`."""
    _ELSEWHERE[place.name] = place


def places() -> list[Elsewhere]:
    """All sealed values that are no columns, in a fixed order."""
    return [_ELSEWHERE[name] for name in sorted(_ELSEWHERE)]
