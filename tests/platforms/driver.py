"""The other side of a platform's wire, for the conformance suite: a device that can be registered and that obeys."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import pytest

from mydevices.devices.models import Device
from mydevices.port.platform import Platform
from mydevices.registration.models import Ticket

Obeys = Callable[[str], bool]
"""Whether the device does what a request of this type says."""


class Refused(Exception):
    """The server did not let the device in."""


class Driver(ABC):
    """One device of a platform. `platform` is the registered one."""

    def __init__(self, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
        self.platform = platform
        self.monkeypatch = monkeypatch

    @abstractmethod
    def register(self, ticket: Ticket, *, honestly: bool = True) -> None:
        """Open what the ticket gives and register; again, with another ticket, as the same hardware. Not honestly: as
        a device that was promised something else. Raises Refused."""

    @abstractmethod
    def is_of(self, device: Device) -> bool:
        """Whether a row of ours is this device."""

    @abstractmethod
    def obey(self, obeys: Obeys = lambda _request: True) -> Sequence[str]:
        """Take whatever waits, do it or refuse it, and say so. The types of the requests, in order."""

    @abstractmethod
    def cut_off(self) -> None:
        """From now on the server cannot reach it."""

    @abstractmethod
    def was_reached(self) -> bool:
        """Whether the server has woken it, or handed something over for it."""
