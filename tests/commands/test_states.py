"""The table of states, walked: what it allows happens, and what it does not is refused by the database itself."""

from itertools import product

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from mydevices.commands.models import Command
from mydevices.commands.states import OPEN, PENDING, TRANSITIONS, State, before
from tests import factories


def make(state: State) -> Command:
    owner = factories.person()
    channel = factories.channel(factories.device(owner))
    return Command.objects.create(channel=channel, request_type="DeviceLock", state=state, queued_at=factories.NOW)


@pytest.mark.django_db
@pytest.mark.parametrize(("old", "new"), [pair for pair in product(State, State) if pair[0] != pair[1]])
def test_the_database_allows_exactly_the_moves_of_the_table(old: State, new: State) -> None:
    command = make(old)
    move = Command.objects.filter(id=command.id)
    if new in TRANSITIONS[old]:
        assert move.update(state=new) == 1
        return
    with pytest.raises(IntegrityError), transaction.atomic():
        move.update(state=new)
    command.refresh_from_db()
    assert command.state == old


@pytest.mark.django_db
def test_the_database_knows_no_other_state() -> None:
    command = make(State.QUEUED)
    with pytest.raises(IntegrityError), transaction.atomic():
        Command.objects.filter(id=command.id).update(state="lost")


class TestWalks(TestCase):
    @given(st.lists(st.sampled_from(list(State)), min_size=1, max_size=12))
    def test_a_walk_by_compare_and_swap_never_leaves_the_table(self, wanted: list[State]) -> None:
        command = make(State.HELD)
        state = State.HELD
        for following in wanted:
            moved = Command.objects.filter(id=command.id, state__in=before(following)).update(state=following)
            assert bool(moved) == (following in TRANSITIONS[state])
            state = following if moved else state
        command.refresh_from_db()
        assert command.state == state


def test_every_state_has_a_row_and_ends_are_ends() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {state for state in State if not TRANSITIONS[state]} == {
        State.DONE,
        State.FAILED,
        State.CANCELLED,
        State.VOID,
    }
    assert set(PENDING) < set(OPEN)
    assert State.HELD in before(State.CANCELLED)
    assert State.SENT not in before(State.CANCELLED)
