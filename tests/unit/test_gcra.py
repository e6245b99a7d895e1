"""The arithmetic of a pace, by itself and as the limiter's statement does it."""

import psycopg
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kinetoscope.limits import statements
from kinetoscope.limits.gcra import NS_PER_S, Pace, Standing, decide, standing

NOW = 1_795_000_000 * NS_PER_S

PACES = st.builds(
    Pace,
    st.one_of(st.integers(1, 60), st.integers(1, 1_000_000)),
    st.one_of(st.integers(1, 60), st.integers(1, 1_000_000)),
)
AROUND_NOW = st.one_of(
    st.integers(NOW - 5 * NS_PER_S, NOW + 5 * NS_PER_S),
    st.integers(0, NOW + 10**15),
)
ASKED = st.one_of(st.integers(0, 100), st.integers(0, 2_000_000))


def test_a_burst_comes_at_once_and_then_one_by_one():
    pace = Pace(5, 10)
    granted, full_at = decide(0, NOW, pace, 12)
    assert (granted, full_at) == (10, NOW + 2 * NS_PER_S)
    assert decide(full_at, NOW + NS_PER_S // 5 - 1, pace, 1) == (0, full_at)
    granted, full_at = decide(full_at, NOW + NS_PER_S // 5, pace, 3)
    assert granted == 1
    assert decide(full_at, NOW + 10 * NS_PER_S, pace, 100)[0] == 10


def test_a_clock_that_was_set_back_locks_nobody_out_for_longer_than_a_burst_takes():
    pace = Pace(5, 10)
    granted, full_at = decide(NOW + 3600 * NS_PER_S, NOW, pace, 1)
    assert (granted, full_at) == (0, NOW + 2 * NS_PER_S)
    assert decide(full_at, NOW + NS_PER_S, pace, 9)[0] == 5


def test_how_one_stands():
    pace = Pace(5, 10)
    assert standing(NOW, NOW, pace) == Standing(pace, 10, 0)
    assert standing(NOW + NS_PER_S // 5, NOW, pace) == Standing(pace, 9, 1)
    assert standing(NOW + 2 * NS_PER_S, NOW, pace) == Standing(pace, 0, 1)
    slow = Pace(1, 3)
    assert standing(NOW + 3 * NS_PER_S, NOW, slow) == Standing(slow, 0, 1)
    assert standing(NOW + 2 * NS_PER_S, NOW, slow) == Standing(slow, 1, 2)
    assert Pace(50, 100).window_s == 2
    assert Pace(3, 1).window_s == 1


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ((None, None), Pace(50, 100)),
        ((5, None), Pace(5, 10)),
        ((500, None), Pace(500, 100)),
        ((None, 7), Pace(50, 7)),
        ((5, 200), Pace(5, 200)),
    ],
)
def test_what_is_not_said_follows_from_the_usual_pace(
    own: tuple[int | None, int | None], expected: Pace
):
    assert Pace(50, 100).with_own(*own) == expected


@given(PACES, AROUND_NOW, st.lists(st.tuples(st.integers(0, NS_PER_S), ASKED), max_size=30))
def test_never_more_than_the_burst_and_what_came_back_since(
    pace: Pace, full_at: int, steps: list[tuple[int, int]]
):
    now, admitted, refused_at = NOW, 0, None
    for later, asked in steps:
        now += later
        granted, full_at = decide(full_at, now, pace, asked)
        assert 0 <= granted <= asked
        admitted += granted
        assert admitted <= pace.burst + (now - NOW) // pace.interval_ns
        if granted < asked:
            refused_at = now
            assert standing(full_at, now, pace).left == 0
    if refused_at is not None:
        wait_s = standing(full_at, now, pace).wait_s
        assert decide(full_at, now + wait_s * NS_PER_S, pace, 1)[0] == 1


@given(PACES, st.lists(st.tuples(st.integers(0, NS_PER_S), st.integers(1, 50)), max_size=20))
def test_several_at_once_are_several_one_after_another(pace: Pace, steps: list[tuple[int, int]]):
    together = alone = 0
    now = NOW
    for later, asked in steps:
        now += later
        granted, together = decide(together, now, pace, asked)
        one_by_one = 0
        for _ in range(asked):
            one, alone = decide(alone, now, pace, 1)
            one_by_one += one
        assert (granted, together) == (one_by_one, alone)


def test_the_statement_decides_as_the_function_does(conninfo: str):
    asking = """(
      select %(owner)s::text as owner, %(now_ns)s::bigint as now_ns,
             %(per_second)s::bigint as per_second, %(burst)s::bigint as burst,
             %(asked)s::bigint as asked
    ) as asking"""
    with psycopg.connect(conninfo, autocommit=True) as connection:

        @hypothesis_settings(max_examples=300, deadline=None)
        @given(PACES, st.one_of(st.none(), AROUND_NOW), ASKED)
        def agree(pace: Pace, full_at: int | None, asked: int) -> None:
            connection.execute("truncate request_pace")
            if full_at is not None:
                connection.execute(
                    "insert into request_pace values ('a', %s, 1, 1, 1, 1, 1)", (full_at,)
                )
            parameters = {
                "owner": "a",
                "now_ns": NOW,
                "per_second": pace.per_second,
                "burst": pace.burst,
                "asked": asked,
            }
            query = statements.UPSERT % asking
            row = connection.execute(query.encode(), parameters).fetchone()
            granted, then_full_at = decide(full_at or 0, NOW, pace, asked)
            expected = ("a", then_full_at, NOW, pace.per_second, pace.burst, granted)
            assert row == expected

        agree()
