"""What every kind of policy can do."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Final, Self

from mydevices.looser import Direction

UNKEPT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What a database, a page or a device would refuse in a text."""


@dataclass(frozen=True, slots=True)
class Line:
    """A field of a policy in plain words: what it is about, and what has been decided."""

    field: str
    label: str
    text: str


@dataclass(frozen=True)
class Kind:
    """The values of a policy. Subclasses add fields with defaults, each of a type that JSON knows (tuples become lists
    there)."""

    LOOSER: ClassVar[Mapping[str, Direction]]
    """Of a kind of policy: which way each of its fields is looser. Configurations have none: they let nobody do
    anything."""

    @classmethod
    def name(cls) -> str:
        """Stored with each policy; never changes."""
        raise NotImplementedError

    @classmethod
    def title(cls) -> str:
        """For people, translated."""
        raise NotImplementedError

    @classmethod
    def is_of_devices(cls) -> bool:
        """Whether it may be assigned by platform and ownership, because it is asked about a device."""
        raise NotImplementedError

    def problems(self) -> Mapping[str, str]:
        """What is wrong, by field: sentences for the person who typed it. Empty for values that may be kept."""
        raise NotImplementedError

    def summary(self) -> Sequence[Line]:
        """A plain-words line per field that matters."""
        raise NotImplementedError

    def after(self, previous: Self | None) -> Self:
        """These values as they are kept when they follow those, or are the first: for what counts its versions."""
        del previous
        return self

    def stored(self) -> dict[str, Any]:
        """For the column of values: what JSON gives back."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """From the column. What is missing (a field that came later) has its default, what is unknown (one that went)
        is left out."""
        known = {field.name for field in fields(cls)}
        return cls(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in values.items()
                if name in known
            }
        )
