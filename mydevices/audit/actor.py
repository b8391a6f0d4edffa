from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Self

from django.utils.translation import gettext as _

from mydevices.errors import LimitedSession, NeedsFreshAuthentication

FRESH: Final = timedelta(minutes=5)
"""How old a proof of identity may be before what destroys, opens or reveals."""


class Strength(StrEnum):
    """What a person has proved themselves with."""

    FULL = "full"
    """With all that is asked of them."""
    LIMITED = "limited"
    """With their password alone, because the second factor is what they lost."""


LIMITED_TO: Final = frozenset({"lock", "lost", "locate"})
"""The actions (`platforms.port.ActionKind`) that a password alone is enough for."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: what verbs are given instead of a request.

    `kind` is "person", "device", "system", or "anonymous" for somebody whom nobody knows (yet). `address` is the IP
    address, where there is one. `authenticated_at` is when a person last proved who they are."""

    kind: str
    id: str = ""
    name: str = ""
    role: str = ""
    address: str = ""
    authenticated_at: datetime | None = None
    strength: Strength = Strength.FULL

    @classmethod
    def system(cls, name: str) -> Self:
        """The server itself: the queue, a command line, registration."""
        return cls(kind="system", name=name)

    @classmethod
    def device(cls, device_id: str, name: str, address: str = "") -> Self:
        """A device that proved itself by its certificate."""
        return cls(kind="device", id=device_id, name=name, address=address)

    @property
    def is_administrator(self) -> bool:
        return self.kind == "person" and self.role == "administrator" and not self.is_limited

    @property
    def is_limited(self) -> bool:
        return self.strength == Strength.LIMITED

    def may_ask(self, action: str) -> bool:
        """Whether their proof is enough for this action. Rights and policies are asked elsewhere."""
        return not self.is_limited or action in LIMITED_TO

    def require_full(self) -> None:
        """Raises LimitedSession for somebody who has proved themselves by password alone where more is asked."""
        if self.is_limited:
            raise LimitedSession(
                _(
                    "You signed in with your password alone. With that you can lock a device, mark it as lost and see "
                    "where it is, and nothing else."
                )
            )

    def require_fresh(self, now: datetime) -> None:
        """Raises NeedsFreshAuthentication for a person whose last proof is older than five minutes or unknown, and
        LimitedSession for one who has given no more than a password where more is asked: that is never fresh enough."""
        if self.kind == "system":
            return
        self.require_full()
        if self.authenticated_at is None or now - self.authenticated_at > FRESH:
            raise NeedsFreshAuthentication("Confirm that it is you: your last sign-in was more than five minutes ago.")
