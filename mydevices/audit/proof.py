"""What needs no fresh proof of identity. Everything else that changes something does.

`audit.services.record` asks `require` for every entry, in the transaction of the change: a verb that is not named here
is refused to somebody whose proof is older than five minutes, and what it did goes with it. So a new verb is strict
until somebody gives a reason why it need not be.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from mydevices.audit.actor import Actor, asking
from mydevices.audit.verbs import Verb

Detail = str | int | bool

_SIGN_IN: Final = "It tells of a proof of identity, given or failed."
_STOPS: Final = "It only stops something, and whoever does it wrongly has stopped something."
_READS: Final = "It is reading, and nothing secret is read."
_TOKEN: Final = "It tells that something was opened or refused, and changes nothing by itself."  # noqa: S105  no token

EXCEPTIONS: Final[Mapping[Verb, str]] = {
    Verb.SIGNED_IN: _SIGN_IN,
    Verb.SIGNED_IN_LIMITED: _SIGN_IN,
    Verb.SIGN_IN_FAILED: _SIGN_IN,
    Verb.SIGN_IN_SLOWED: _SIGN_IN,
    Verb.RECOVERY_USED: _SIGN_IN,
    Verb.PASSKEY_BEHIND: _SIGN_IN,
    Verb.SIGNED_OUT: _STOPS,
    Verb.SIGNED_OUT_IDLE: _STOPS,
    Verb.SESSION_ENDED: _STOPS,
    Verb.EMAIL_CHANGE_DROPPED: _STOPS,
    Verb.FACTOR_REMOVAL_STOPPED: _STOPS,
    Verb.INVITATION_REVOKED: _STOPS,
    Verb.TICKET_REVOKED: _STOPS,
    Verb.ACTION_CANCELLED: _STOPS,
    Verb.WIPE_REFUSED: _STOPS,
    Verb.CHANGE_STOPPED: _STOPS,
    Verb.BATCH_STOPPED: _STOPS,
    Verb.REPORTER_REMOVED: "A device sends its position no longer: somebody turned a collection off.",
    Verb.LOCATION_SWITCHED_OFF: "Somebody turned a collection off for themselves.",
    Verb.PREFERENCES_CHANGED: "Language, time zone and look.",
    Verb.NOTICES_CHANGED: "Somebody wants mails again that they did without.",
    Verb.CERTIFICATE_NOTE_CHANGED: "A note for oneself.",
    Verb.ACTION_REQUESTED: "To lock, find or check in one device protects it, and has to be quick.",
    Verb.POSITION_SEEN: "Somebody looks where a device of their own is, which has to be quick when it is lost.",
    Verb.APPS_SEEN: _READS,
    Verb.INVITATION_SEEN: _TOKEN,
    Verb.TICKET_SEEN: _TOKEN,
    Verb.ACCESS_REFUSED: _TOKEN,
    Verb.REGISTRATION_PIN_WITHHELD: _TOKEN,
    Verb.REGISTRATION_PIN_WRONG: _TOKEN,
    Verb.REGISTRATION_PIN_LOCKED: _TOKEN,
}
"""Why these need no fresh proof. Those that need one after all in some cases are in `ONLY`."""


def _is_own(actor: Actor, person_id: UUID | None, details: Mapping[str, Detail]) -> bool:  # noqa: ARG001  one signature
    return actor.id == str(person_id or "")


def _protects(actor: Actor, person_id: UUID | None, details: Mapping[str, Detail]) -> bool:
    """Whether this action needs none, by its row in `actions`."""
    needs = asking(str(details.get("action", "")))
    return needs.own if _is_own(actor, person_id, details) else needs.others and bool(details.get("reason"))


Condition = Callable[[Actor, UUID | None, Mapping[str, Detail]], bool]

ONLY: Final[Mapping[Verb, Condition]] = {
    Verb.ACTION_REQUESTED: _protects,
    Verb.LOCATION_SWITCHED_OFF: _is_own,
    Verb.POSITION_SEEN: _is_own,
    Verb.PREFERENCES_CHANGED: _is_own,
    Verb.NOTICES_CHANGED: lambda _actor, _person, details: not details.get("off"),
}
"""Where an exception does not hold in every case: whether it does, by who acts, whom it concerns and the details."""


def is_excepted(actor: Actor, verb: Verb, details: Mapping[str, Detail], *, person_id: UUID | None = None) -> bool:
    """Whether this needs no fresh proof."""
    if verb not in EXCEPTIONS:
        return False
    holds = ONLY.get(verb)
    return holds is None or holds(actor, person_id, details)


def require(
    actor: Actor,
    verb: Verb,
    details: Mapping[str, Detail] | None,
    now: datetime,
    *,
    person_id: UUID | None = None,
) -> None:
    """Raises NeedsFreshAuthentication for a person whose proof is older than five minutes, unless this needs none, and
    LimitedSession for one who has given a password alone.

    Verbs need not ask, for the audit does. Those ask first that do work which cannot be rolled back before they
    record, or a great deal of it."""
    if actor.kind == "person" and not is_excepted(actor, verb, details or {}, person_id=person_id):
        actor.require_fresh(now)
