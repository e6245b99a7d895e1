"""The four movements of the ledger: whatever the amounts, nothing appears and nothing vanishes."""

from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinetoscope.kernel.credits import Credits
from kinetoscope.ledger.entry import EntryKind, Movement, capture, grant, hold, release

CREDITS = st.integers(min_value=0, max_value=2**62).map(Credits)


def total(movement: Movement) -> int:
    return movement.granted + movement.available + movement.held + movement.spent


@given(CREDITS, CREDITS, CREDITS)
def test_every_movement_adds_up_to_zero(one: Credits, two: Credits, three: Credits):
    movements = (
        grant(one),
        grant(Credits(-one)),
        hold(one),
        release(one),
        capture(one, two, three),
    )
    assert [total(movement) for movement in movements] == [0] * 5


@given(CREDITS)
def test_a_hold_and_its_release_cancel_out(amount: Credits):
    held, released = hold(amount), release(amount)
    assert (held.available + released.available, held.held + released.held) == (0, 0)
    assert (held.spent, released.spent, held.granted, released.granted) == (0, 0, 0, 0)


@given(held=CREDITS, charged=CREDITS, available=CREDITS)
def test_a_capture_never_takes_more_than_there_is(
    held: Credits, charged: Credits, available: Credits
):
    movement = capture(held, charged, available)
    assert movement.held == -held
    assert available + movement.available >= 0
    assert 0 <= movement.spent <= held + available
    assert movement.spent <= charged
    assert movement.granted == 0


@given(held=CREDITS, charged=CREDITS, available=CREDITS)
def test_a_capture_takes_all_that_is_due_where_it_can(
    held: Credits, charged: Credits, available: Credits
):
    movement = capture(held, charged, available)
    assert movement.spent == min(charged, held + available)
    if charged <= held:
        assert movement.available == held - charged


@pytest.mark.parametrize(
    ("held", "charged", "available", "spent", "back"),
    [
        (200_00, 200_00, 0, 200_00, 0),
        (200_00, 150_55, 0, 150_55, 49_45),
        (200_00, 0, 0, 0, 200_00),
        (1_75, 81_58, 79_83, 81_58, -79_83),
        (1_75, 81_58, 79_82, 81_57, -79_82),
        (1_75, 81_58, 0, 1_75, 0),
        (0, 0, 5, 0, 0),
    ],
)
def test_captures_by_example(held: int, charged: int, available: int, spent: int, back: int):
    movement = capture(Credits(held), Credits(charged), Credits(available))
    assert astuple(movement) == (EntryKind.CAPTURE, 0, back, -held, spent)


def test_a_movement_that_does_not_add_up_cannot_be_made():
    held = hold(Credits(5))
    with pytest.raises(AssertionError):
        replace(held, granted=7)
    with pytest.raises(AssertionError):
        replace(held, available=-4)
    with pytest.raises(AssertionError):
        replace(held, held=6)
    with pytest.raises(AssertionError):
        replace(held, spent=1)


def test_the_kinds_are_those_of_the_table():
    assert set(EntryKind) == {"grant", "hold", "capture", "release"}
