"""What is to be installed, removed and kept, from what is wanted and what is there: nothing is asked or written."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from mydevices.certificates.models import Certificate
from mydevices.configurations import reconcile, resolve
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.kinds.web_clip import WebClip
from mydevices.configurations.models import Configuration, Installation
from mydevices.configurations.reconcile import Move, Step
from mydevices.configurations.resolve import ClipContent, Identity, IdentityContent, Piece, Supply
from mydevices.configurations.selectors import identifier
from mydevices.configurations.wanted import InUse, Target, Wanted
from mydevices.devices.models import Channel

LIFE, OWNER = UUID(int=1), UUID(int=2)
CHANNEL = Channel(id=7, registration_id=LIFE)
CLIP = Configuration(id=UUID(int=3), kind=WebClip.name(), name="Help")
MAIL = Configuration(
    id=UUID(int=4), kind=IdentityCertificate.name(), name="Mail", values=IdentityCertificate().stored()
)
State = Installation.State
Found = list[tuple[Move, str, str]]


def certificate(fingerprint: str, *, has_key: bool = True) -> Certificate:
    return Certificate(fingerprint=fingerprint, key_cleared_at=None if has_key else datetime(2026, 3, 1, tzinfo=UTC))


def clip(label: str = "Help") -> Target:
    content = ClipContent(WebClip(label=label, url="https://help.example"), None, "Help")
    return Target(Piece(CLIP, identifier(CLIP.id), content), CHANNEL)


def mail(fingerprint: str, *, of: UUID | None = None, has_key: bool = True, is_optional: bool = False) -> Target:
    one = certificate(fingerprint, has_key=has_key)
    content = IdentityContent("Mail", Identity(MAIL.id, "Mail", fingerprint, all_apps=False, certificate=one))
    uses = frozenset({MAIL.id})
    return Target(Piece(MAIL, identifier(MAIL.id, of), content, uses=uses, is_optional=is_optional), CHANNEL)


def row(target: Target, state: str = State.INSTALLED, *, was_sent: bool = True) -> Installation:
    """As the target would be there."""
    content = target.piece.content
    return Installation(
        channel=CHANNEL,
        identifier=target.piece.identifier,
        state=state,
        digest=content.digest,
        sent_digest=content.digest if was_sent else "",
        carried=resolve.carried(content),
    )


def wanted(*targets: Target, supplied: Supply | None = None) -> Wanted:
    supplied = supplied or Supply([CLIP, MAIL], {}, frozenset(), frozenset())
    of = {(target.channel.pk, target.piece.identifier): target for target in targets}
    return Wanted(of, {LIFE: InUse(OWNER, frozenset({MAIL.id}))}, supplied)


def said(steps: Sequence[Step]) -> Found:
    return [(step.move, _identifier(step), step.why) for step in steps]


def _identifier(step: Step) -> str:
    if step.row is not None:
        return step.row.identifier
    assert step.target is not None
    return step.target.piece.identifier


def found(should: Wanted, *there: Installation, only: set[UUID] | None = None, again: UUID | None = None) -> Found:
    return said(reconcile.steps(should, there, only=only, again=again))


HELP, LETTERS = identifier(CLIP.id), identifier(MAIL.id)


def test_what_is_wanted_and_not_there_is_installed() -> None:
    assert found(wanted(clip(), mail("a"))) == [(Move.INSTALL, HELP, ""), (Move.INSTALL, LETTERS, "")]


@pytest.mark.parametrize("state", State.values)
def test_what_is_settled_as_it_should_be_is_kept_and_all_else_is_installed(state: str) -> None:
    move = Move.KEEP if state in {State.INSTALLED, State.FAILED} else Move.INSTALL
    assert found(wanted(clip()), row(clip(), state)) == [(move, HELP, "")]


@pytest.mark.parametrize("state", State.values)
def test_what_differs_is_installed_whatever_it_is_in(state: str) -> None:
    assert found(wanted(clip("Support")), row(clip(), state)) == [(Move.INSTALL, HELP, "")]


@pytest.mark.parametrize("state", State.values)
def test_what_is_not_wanted_is_removed_unless_it_has_gone(state: str) -> None:
    move = Move.KEEP if state == State.REMOVED else Move.REMOVE
    assert found(wanted(), row(clip(), state)) == [(move, HELP, "")]


def test_the_difference_comes_to_nothing_once_it_is_carried_out() -> None:
    should = wanted(clip(), mail("a"))
    there = [row(target) for target in should.targets.values()]
    assert {move for move, _identifier, _why in found(should, *there)} == {Move.KEEP}


def test_only_the_named_configurations_are_looked_at() -> None:
    assert found(wanted(clip(), mail("a")), only={MAIL.id}) == [(Move.INSTALL, LETTERS, "")]
    assert found(wanted(), row(clip()), row(mail("a")), only={CLIP.id}) == [(Move.REMOVE, HELP, "")]


def test_a_certificate_that_is_sent_anew_is_installed_though_nothing_differs() -> None:
    should = wanted(clip(), mail("a"))
    assert found(should, row(clip()), row(mail("a")), again=MAIL.id) == [
        (Move.KEEP, HELP, ""),
        (Move.INSTALL, LETTERS, ""),
    ]


def test_one_whose_key_is_gone_says_so_and_only_where_it_differs() -> None:
    gone = mail("a", has_key=False)
    assert found(wanted(gone)) == [(Move.INSTALL, LETTERS, resolve.CLEARED)]
    assert found(wanted(gone), row(mail("b"))) == [(Move.INSTALL, LETTERS, resolve.CLEARED)]
    assert found(wanted(gone), row(gone)) == [(Move.KEEP, LETTERS, "")]


def test_an_optional_one_is_kept_where_it_is_and_goes_nowhere_else() -> None:
    old = mail("a", has_key=False, is_optional=True)
    assert found(wanted(old)) == []
    for state in (State.INSTALLED, State.FAILED, State.REMOVING, State.REMOVED):
        assert found(wanted(old), row(old, state)) == [(Move.KEEP, LETTERS, "")]


def test_a_row_is_found_under_the_identifier_that_its_certificate_had_before() -> None:
    former = row(mail("a", of=UUID(int=9)))
    assert found(wanted(mail("a")), former) == [(Move.KEEP, former.identifier, "")]
    former.state = State.REMOVED
    assert found(wanted(mail("a")), former) == [(Move.INSTALL, LETTERS, ""), (Move.KEEP, former.identifier, "")]


def test_what_its_owner_has_deleted_here_stays_on_the_device_until_it_is_withdrawn() -> None:
    assert found(wanted(), row(mail("a"))) == [(Move.KEEP, LETTERS, resolve.DELETED)]
    withdrawn = Supply([MAIL], {}, frozenset(), frozenset({(OWNER, MAIL.id, "a")}))
    assert found(wanted(supplied=withdrawn), row(mail("a"))) == [(Move.REMOVE, LETTERS, "")]


def test_one_that_is_known_here_with_its_key_does_not_stay() -> None:
    known = frozenset({(OWNER, MAIL.id, "a")})
    for has_key, move in ((True, Move.REMOVE), (False, Move.KEEP)):
        held = {(OWNER, MAIL.id): [certificate("a", has_key=has_key)]}
        ((found_move, _identifier, _why),) = found(
            wanted(supplied=Supply([MAIL], held, known, frozenset())), row(mail("a"))
        )
        assert found_move == move


def test_one_that_was_never_sent_or_is_not_in_use_any_more_does_not_stay() -> None:
    assert found(wanted(), row(mail("a"), was_sent=False)) == [(Move.REMOVE, LETTERS, "")]
    unused = replace(wanted(), in_use={LIFE: InUse(OWNER, frozenset())})
    assert found(unused, row(mail("a"))) == [(Move.REMOVE, LETTERS, "")]


def test_without_a_key_what_waits_says_why_and_what_has_its_key_is_kept() -> None:
    waits = row(mail("a"), State.PENDING)
    for held, why in (
        ([certificate("a")], ""),
        ([certificate("a", has_key=False)], resolve.CLEARED),
        ([certificate("b")], resolve.DELETED),
    ):
        assert said(reconcile.without_keys([waits], held, MAIL.id)) == [(Move.KEEP, LETTERS, why)]


def test_a_deleted_certificate_that_no_device_has_is_removed_and_accounts_go_without() -> None:
    new = row(mail("a"), State.PENDING, was_sent=False)
    assert said(reconcile.without_keys([new], [], MAIL.id)) == [(Move.REMOVE, LETTERS, "")]
    account = row(clip(), State.PENDING, was_sent=False)
    account.carried = {str(MAIL.id): "a"}
    assert said(reconcile.without_keys([account], [], MAIL.id)) == [(Move.KEEP, HELP, "")]
