"""A command as a platform is given it and as its device answers it. States are those of `commands.states`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final
from uuid import UUID

INSTALL: Final = "INSTALL"
"""Put a configuration on a channel: `installation` among its parameters says which (`configurations.models`)."""
REMOVE: Final = "REMOVE"
"""Take a configuration off a channel, named likewise."""
RENEW: Final = "RENEW"
"""Get a new certificate: `challenge` among its parameters is the right to one."""

UPKEEP: Final = (INSTALL, REMOVE, RENEW)
"""What the house asks of devices by itself. Each platform that has configurations, or certificates, knows how."""


@dataclass(frozen=True, slots=True)
class Due:
    """A command that a device is about to be given. `secret` is sealed (`commands.pins`)."""

    id: int
    uuid: UUID
    request_type: str
    parameters: Mapping[str, object]
    state: str
    registration_id: UUID
    device_id: UUID
    device_model: str
    action_id: UUID | None
    secret: bytes | None


class SiblingState(IntEnum):
    """The state of an action without one of its commands: that of the one that matters most."""

    DONE = 0
    FAILED = 1
    CANCELLED = 2
    OPEN = 3


@dataclass(frozen=True, slots=True)
class Reported:
    """A command as it stood when its report came, and what had become of the others of its action: `others` may be
    out of date where it can still change."""

    id: int
    uuid: UUID
    platform: str
    request_type: str
    parameters: Mapping[str, object]
    state: str
    registration_id: UUID
    device_id: UUID
    device_name: str
    device_model: str
    owner_id: UUID
    owner_name: str
    action_id: UUID | None = None
    action_kind: str = ""
    others: SiblingState = SiblingState.DONE


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: done, failed or deferred, the device's reason, and its whole answer."""

    state: str
    at: datetime
    error: str = ""
    answer: Mapping[str, object] | None = None
    address: str = ""
    """Where the device answered from."""


Meaning = Callable[[Reported, Outcome], None]
"""Does what follows from it, in the report's own transaction."""

Showing = Callable[[Outcome], Mapping[str, object] | None]
"""What of the answer may be shown with the command, or None. Asks and changes nothing."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a finished command of some kind means for a device, a registration, a configuration."""

    meaning: Meaning
    shown: Showing | None = None
