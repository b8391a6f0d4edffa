from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol, Self

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


class Proof(StrEnum):
    """What shows that it is the person themselves who asks for this."""

    SESSION = "session"
    """Their session, in which they proved it at `authenticated_at`."""
    LINK = "link"
    """A link that was sent to them and carries a token of its own: an invitation, a forgotten password, an undo. Also a
    PIN that was sent to them, where it stands for one."""
    EARLIER = "earlier"
    """They asked with a fresh proof, and the worker carries it out later."""


class Somebody(Protocol):
    """A person, as far as an actor needs one."""

    @property
    def id(self) -> object: ...
    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Asking:
    """Of an action: whether a password alone is enough for it (`limited`), and whether it needs no fresh proof for a
    device of one's own, or for one device of somebody else with a reason."""

    limited: bool
    own: bool
    others: bool


_ASKING: Final[dict[str, Asking]] = {}


def declare(action: str, *, limited: bool, own: bool, others: bool) -> None:
    """From `actions`, which this room does not know. An action that nobody has declared is allowed nothing."""
    _ASKING[action] = Asking(limited, own, others)


def asking(action: str) -> Asking:
    """What proof an action needs."""
    return _ASKING.get(action, Asking(limited=False, own=False, others=False))


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: what verbs are given instead of a request.

    `kind` is "person", "device", "system", or "anonymous" for somebody whom nobody knows (yet). `address` is the IP
    address, where there is one. `authenticated_at` is when a person last proved who they are, and `factor_at` when they
    last did so with a second factor (or a passkey); None for never in this session, or unknown."""

    kind: str
    id: str = ""
    name: str = ""
    role: str = ""
    address: str = ""
    authenticated_at: datetime | None = None
    strength: Strength = Strength.FULL
    factor_at: datetime | None = None
    proof: Proof = Proof.SESSION

    @classmethod
    def by_link(cls, person: Somebody, *, address: str = "") -> Self:
        """A person who opened a link that carries a token of its own, which is all the proof that this needs. Only for
        verbs that have just checked the token."""
        return cls(
            kind="person",
            id=str(person.id),
            name=person.name,
            role=person.role,
            address=address,
            proof=Proof.LINK,
        )

    def through_link(self) -> Self:
        """The same person, who is signed in besides. As `by_link`."""
        return replace(self, proof=Proof.LINK)

    @classmethod
    def as_asked(cls, person: Somebody, *, address: str = "", authenticated_at: datetime | None = None) -> Self:
        """A person who asked for this earlier, with a proof that was fresh then: what the worker carries out."""
        return cls(
            kind="person",
            id=str(person.id),
            name=person.name,
            role=person.role,
            address=address,
            authenticated_at=authenticated_at,
            proof=Proof.EARLIER,
        )

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
        return not self.is_limited or asking(action).limited

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
        if not self.is_fresh(now):
            raise NeedsFreshAuthentication(_("Confirm that it’s you. You last did more than five minutes ago."))

    def is_fresh(self, now: datetime) -> bool:
        """Whether a person's proof is fresh enough for what destroys, opens, reveals or changes something for good."""
        if self.proof != Proof.SESSION:
            return True
        return self.authenticated_at is not None and now - self.authenticated_at <= FRESH

    def has_fresh_factor(self, now: datetime) -> bool:
        """Whether a second factor was part of a proof that is still fresh."""
        return self.factor_at is not None and now - self.factor_at <= FRESH
