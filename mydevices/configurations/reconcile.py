"""The difference between what should be on devices and what is: a list of steps. Pure: nothing is read or written here.
`delivery` carries the steps out."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final
from uuid import UUID

from mydevices.certificates.models import Certificate
from mydevices.configurations import resolve, selectors
from mydevices.configurations.models import Installation
from mydevices.configurations.wanted import Spot, Target, Wanted

SETTLED: Final = frozenset({Installation.State.INSTALLED, Installation.State.FAILED})
LEAVING: Final = frozenset({Installation.State.REMOVING, Installation.State.REMOVED})


class Move(Enum):
    INSTALL = "install"
    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do about one profile. To keep one is to leave its row as it is, be the profile there or gone."""

    move: Move
    row: Installation | None
    """None for one that is new to the device."""
    target: Target | None = None
    """What is to be installed."""
    why: str = ""
    """Why it cannot be sent, in English: what the device has been given stays, and nothing more goes there."""


def steps(
    wanted: Wanted, there: Iterable[Installation], *, only: Collection[UUID] | None = None, again: UUID | None = None
) -> Sequence[Step]:
    """Of all configurations, or of some. Whatever is about the present certificate of the type `again` is sent once
    more, whether it differs or not. The channels of what is there must be loaded."""
    targets = wanted.targets
    present = {(row.channel_id, row.identifier): row for row in there}
    if only is not None:
        targets = {spot: target for spot, target in targets.items() if target.piece.configuration.id in only}
        present = {spot: row for spot, row in present.items() if selectors.subject(row.identifier) in only}
    found = []
    for spot, target in targets.items():
        row = present.pop(_where(spot, target, targets, present), None)
        step = _wanted(row, target, again=again is not None and again in target.piece.uses)
        if step is not None:
            found.append(step)
    return [*found, *(_unwanted(row, wanted) for row in present.values())]


def without_keys(waiting: Iterable[Installation], held: Iterable[Certificate], type_id: UUID) -> Sequence[Step]:
    """What becomes of profiles that have not been sent yet, once keys of somebody's certificates of a type are gone, or
    these themselves. `held`: those that are left."""
    kept = {one.fingerprint: one for one in held}
    found = []
    for row in waiting:
        certificate = kept.get(row.carried[str(type_id)])
        if certificate is not None:
            found.append(Step(Move.KEEP, row, why="" if certificate.has_key else resolve.CLEARED))
        elif row.sent_digest:
            found.append(Step(Move.KEEP, row, why=resolve.DELETED))
        else:  # an account that no device has yet goes without
            is_its_own = selectors.subject(row.identifier) == type_id
            found.append(Step(Move.REMOVE if is_its_own else Move.KEEP, row))
    return found


def _where(spot: Spot, target: Target, targets: Mapping[Spot, Target], present: Mapping[Spot, Installation]) -> Spot:
    """Where the row of a target is: under its identifier, or under the one that the same certificate had before its
    type's purpose changed."""
    content = target.piece.content
    if spot in present or not isinstance(content, resolve.IdentityContent):
        return spot
    for other, row in present.items():
        is_same = row.channel_id == target.channel.pk and row.carried == resolve.carried(content)
        of_same = selectors.subject(row.identifier) == target.piece.configuration.id
        if is_same and of_same and other not in targets and row.state != Installation.State.REMOVED:
            return other
    return spot


def _wanted(row: Installation | None, target: Target, *, again: bool) -> Step | None:
    piece, content = target.piece, target.piece.content
    install = Step(Move.INSTALL, row, target, resolve.missing(content))
    if row is None:
        return None if piece.is_optional else install
    if row.state in SETTLED and not again:
        kept = {of: fingerprint for of, fingerprint in row.carried.items() if fingerprint not in target.withdrawn}
        if piece.is_optional or row.digest in {content.digest, content.digest_with(kept)}:
            return Step(Move.KEEP, row)
    if piece.is_optional and row.state in LEAVING:
        return Step(Move.KEEP, row)
    return install


def _unwanted(row: Installation, wanted: Wanted) -> Step:
    if row.state == Installation.State.REMOVED:
        return Step(Move.KEEP, row)
    return Step(Move.KEEP, row, why=resolve.DELETED) if _stays(row, wanted) else Step(Move.REMOVE, row)


def _stays(row: Installation, wanted: Wanted) -> bool:
    """Whether what is not wanted there as such is left alone all the same: a certificate that its owner has deleted
    here, or whose key is gone so that nothing could take its place. Removing it is a step of its own."""
    supplied, in_use = wanted.supplied, wanted.in_use[row.channel.registration_id]
    subject = selectors.subject(row.identifier)
    fingerprint = row.carried.get(str(subject))
    if not row.sent_digest or row.state in LEAVING or subject not in in_use.types or fingerprint is None:
        return False
    one = (in_use.owner_id, subject, fingerprint)
    if one in supplied.withdrawn or subject not in supplied.identities:
        return False
    if not supplied.identities[subject][1].is_user_provided:
        return False
    held = supplied.held.get((in_use.owner_id, subject), ())
    return one not in supplied.known or any(it.fingerprint == fingerprint and not it.has_key for it in held)
