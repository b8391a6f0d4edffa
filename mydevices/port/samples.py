"""What a platform brings to `./run demo` and to `demo_data`: devices that nobody has."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mydevices.audit.actor import Actor
from mydevices.devices.models import Registration

Simulate = Callable[..., Callable[[], None]]
"""Begins a verb of the simulator, with its arguments, in a process beside it. Gives the function that waits for its
end."""


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """A device of the demo; `kind` is the name of a kind of device, `options` are the simulator's."""

    name: str
    ownership: str
    kind: str
    options: str


@dataclass(frozen=True, slots=True)
class SampleModel:
    """A model of which devices are made up: its product, its name, what it runs, and how its owner would call it."""

    product: str
    name: str
    system: str
    version: str
    noun: str


class Demonstration(ABC):
    devices: ClassVar[Sequence[SimulatedDevice]]
    models: ClassVar[Sequence[SampleModel]]
    minimums: ClassVar[Mapping[str, str]]
    """By system, the oldest version that the demo's policy lets in."""
    to_try: ClassVar[Sequence[str]]
    """What to do first with these devices, a sentence each."""

    @abstractmethod
    def prepare(self, *, actor: Actor, folder: Path, simulate: Simulate) -> Callable[[], None]:
        """Begin what a new demo needs before devices can be registered, with files in this folder; gives the function
        that ends it."""

    @abstractmethod
    def make_up(self, registrations: Sequence[Registration]) -> None:
        """Keep beside made-up registrations what is kept beside real ones."""
