from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from mydevices.errors import NeedsFreshAuthentication

FRESH: Final = timedelta(minutes=5)
"""How old a proof of identity may be before what destroys, opens or reveals."""


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
        return self.kind == "person" and self.role == "administrator"

    def require_fresh(self, now: datetime) -> None:
        """Raises NeedsFreshAuthentication for a person whose last proof is older than five minutes or unknown."""
        if self.kind == "system":
            return
        if self.authenticated_at is None or now - self.authenticated_at > FRESH:
            raise NeedsFreshAuthentication("Confirm that it is you: your last sign-in was more than five minutes ago.")
