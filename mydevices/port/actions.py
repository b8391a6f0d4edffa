"""What a platform says of an action on a device, and what a person says with it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.utils.translation import gettext as _

from mydevices.actions import ActionKind
from mydevices.devices.models import Channel
from mydevices.errors import Invalid

UNSENDABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML cannot carry (XML 1.0, 2.2), and so no device could read."""


@dataclass(frozen=True, slots=True)
class Capability:
    """Whether an action is possible on a device now. `explanation` says what it does, `reason` why it is not possible
    and what is possible instead (empty when it is). `policy` is the name of the policy that forbids it, where one
    does."""

    kind: ActionKind
    explanation: str
    reason: str = ""
    policy: str = ""

    @property
    def possible(self) -> bool:
        return not self.reason


@dataclass(frozen=True, slots=True)
class CommandStep:
    """One command of an action. `parameters` are public and stored as they are; secrets belong to the action."""

    request_type: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    channel: str = Channel.Kind.DEVICE


@dataclass(frozen=True, slots=True)
class Plan:
    """What an action becomes: its commands in order, and the secret (a PIN) that they share, kept sealed with the
    action."""

    steps: Sequence[CommandStep]
    secret: bytes = b""


@dataclass(frozen=True, slots=True)
class Fates:
    """What an action takes from a device and what it leaves there, in the words that a person reads before
    confirming."""

    erased: Sequence[str]
    stays: Sequence[str]


LONGEST_MESSAGE: Final = 200
LONGEST_PHONE: Final = 40
"""Characters that a lock screen shows without cutting."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a person may say with an action: a message and a phone number for the lock screen. Raises Invalid for what
    no device could be sent."""

    message: str = ""
    phone_number: str = ""

    def __post_init__(self) -> None:
        if UNSENDABLE.search(self.message + self.phone_number):
            raise Invalid(_("The message has characters that cannot be shown. Type it anew."))
        if len(self.message) > LONGEST_MESSAGE or len(self.phone_number) > LONGEST_PHONE:
            words = {"message": LONGEST_MESSAGE, "phone": LONGEST_PHONE}
            raise Invalid(_("A message has at most %(message)d characters, a phone number %(phone)d.") % words)

    def public(self) -> dict[str, str]:
        given = {"message": self.message, "phone_number": self.phone_number}
        return {name: value for name, value in given.items() if value}
