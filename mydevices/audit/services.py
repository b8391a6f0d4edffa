import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from django.utils import timezone

from mydevices.audit import proof
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.proof import Detail
from mydevices.audit.verbs import Verb

SECRETS: Final = frozenset(
    {"challenge", "code", "credential", "key", "passcode", "passphrase", "password", "pin", "secret", "token"}
)
LONGEST: Final = 500
"""Characters of a text among the details."""
LIMITED_MAY: Final = frozenset(
    {Verb.SIGNED_IN_LIMITED, Verb.SIGNED_OUT, Verb.ACCESS_REFUSED, Verb.POSITION_SEEN, Verb.ACTION_REQUESTED}
)
"""All that can happen by somebody who has given their password alone; of actions, those that are declared so
(`actor.declare`)."""


class Known(Protocol):
    """Who or what an entry is about: a person, a device, or a `Mention` of one."""

    @property
    def id(self) -> UUID | None: ...

    @property
    def name(self) -> str: ...


class Owned(Known, Protocol):
    """A device with its owner."""

    @property
    def owner(self) -> Known: ...


@dataclass(frozen=True, slots=True)
class Mention:
    """Of something that there is no row of at hand."""

    id: UUID | None = None
    name: str = ""


def record(
    verb: Verb,
    *,
    actor: Actor,
    device: Known | Owned | None = None,
    person: Known | None = None,
    action_id: UUID | None = None,
    outcome: str = "",
    details: Mapping[str, Detail] | None = None,
) -> Entry:
    """Write one entry, in the caller's transaction: it stands if and only if what it tells of does.

    `device` and `person` are what it is about. Of a device that comes with its owner, it is about them too, unless
    somebody else is named.

    `details` takes flat public values; long texts are cut. Raises ValueError for other values, and for a name with a
    word in it that sounds like a secret ("pin", "unlock_token"): such a thing is not for here.

    Every verb that changes something comes here, in its own transaction. So this is where a limited session ends, and
    where a fresh proof of identity is asked for: raises LimitedSession for whatever is not named as open to such a
    session, and NeedsFreshAuthentication for whatever `proof.EXCEPTIONS` does not name, to a person whose proof is
    older than five minutes. With it goes what the verb has done.
    """
    details = dict(details or {})
    if actor.is_limited:
        action = str(details.get("action", ""))
        if verb not in LIMITED_MAY or (verb == Verb.ACTION_REQUESTED and not actor.may_ask(action)):
            actor.require_full()
        details["limited"] = True
    about = person if person is not None else getattr(device, "owner", None)
    proof.require(actor, verb, details, timezone.now(), person_id=about.id if about is not None else None)
    return Entry.objects.create(
        at=timezone.now(),
        verb=verb,
        actor_kind=actor.kind,
        actor_id=_text(actor.id, 64),
        actor_name=_text(actor.name, 200),
        actor_role=_text(actor.role, 32),
        address=_text(actor.address, 64),
        device_id=str((device.id if device is not None else None) or ""),
        device_name=_text(device.name if device is not None else "", 200),
        person_id=str((about.id if about is not None else None) or ""),
        person_name=_text(about.name if about is not None else "", 200),
        action_id=str(action_id or ""),
        outcome=_text(outcome, 32),
        details={name: _public(name, value) for name, value in details.items()},
    )


def _public(name: str, value: Detail) -> Detail:
    words = re.split(r"[^a-z]+", name.lower())
    if any(word in SECRETS or word.removesuffix("s") in SECRETS for word in words):
        raise ValueError(f"“{name}” sounds like a secret, and the audit keeps none.")
    if not isinstance(value, str | int):  # bool is an int
        raise ValueError(f"“{name}” is neither text nor a number nor yes or no.")  # noqa: TRY004  one error for details
    return _text(value, LONGEST) if isinstance(value, str) else value


def _text(value: str, longest: int) -> str:
    """Text that both databases can keep: names come from devices, and an entry must not fail because of one."""
    return value.replace("\0", "").encode(errors="replace").decode()[:longest]
