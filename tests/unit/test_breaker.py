"""Circuit breakers, on a clock of numbers."""

from hypothesis import given
from hypothesis import strategies as st

from kinetoscope.providers.breaker import (
    CALLS_MIN,
    REST_S,
    REST_S_MAX,
    WINDOW_S,
    Breaker,
    Breakers,
    Change,
)


def opened(breaker: Breaker, now_s: float = 0.0) -> Breaker:
    changes = [breaker.record(now_s, fine=False) for _ in range(CALLS_MIN)]
    assert changes == [None] * (CALLS_MIN - 1) + [Change.OPENED]
    return breaker


def test_a_few_failures_open_nothing():
    breaker = Breaker()
    for second in range(CALLS_MIN - 1):
        assert breaker.record(second, fine=False) is None
    assert breaker.delay_s(CALLS_MIN) == 0


def test_half_of_enough_calls_open_it():
    breaker = Breaker()
    for number in range(CALLS_MIN // 2):
        breaker.record(0, fine=True)
        change = breaker.record(0, fine=False)
        assert change is (Change.OPENED if number == CALLS_MIN // 2 - 1 else None)


def test_more_fine_calls_than_failures_keep_it_closed():
    breaker = Breaker()
    for _ in range(100):
        assert breaker.record(0, fine=True) is None
        assert breaker.record(0, fine=True) is None
        assert breaker.record(0, fine=False) is None


def test_failures_of_long_ago_count_no_more():
    breaker = Breaker()
    for _ in range(CALLS_MIN - 1):
        breaker.record(0, fine=False)
    assert breaker.record(WINDOW_S + 1, fine=False) is None


def test_open_it_lets_one_call_through_after_a_rest_and_closes_when_that_is_fine():
    breaker = opened(Breaker())
    assert breaker.delay_s(0) == REST_S
    assert breaker.delay_s(REST_S) == 0
    breaker.begin()
    assert breaker.delay_s(REST_S) > 0, "one probe at a time"
    assert breaker.record(REST_S + 1, fine=True) is Change.CLOSED
    assert breaker.delay_s(REST_S + 1) == 0


def test_a_probe_that_fails_doubles_the_rest_up_to_a_minute():
    breaker = opened(Breaker())
    now_s, rests = 0.0, []
    for _ in range(6):
        now_s += breaker.delay_s(now_s)
        breaker.begin()
        assert breaker.record(now_s, fine=False) is None
        rests.append(breaker.delay_s(now_s))
    assert rests == [10, 20, 40, 60, 60, 60]
    assert rests[-1] == REST_S_MAX


def test_calls_from_before_it_opened_neither_close_nor_prolong_it():
    breaker = opened(Breaker())
    assert breaker.record(1, fine=True) is None
    assert breaker.record(1, fine=False) is None
    assert breaker.delay_s(0) == REST_S


def test_a_probe_that_told_nothing_leaves_room_for_another():
    breaker = opened(Breaker())
    breaker.begin()
    breaker.abandon()
    assert breaker.delay_s(REST_S) == 0


@given(st.lists(st.booleans(), max_size=200))
def test_a_minute_of_failures_costs_few_calls(outcomes: list[bool]):
    """Whatever happened before: once open, 60 s of failures see at most a handful of calls."""
    breaker = Breaker()
    for fine in outcomes:
        breaker.record(0.0, fine=fine)
    if breaker.opened_s is None:
        return
    calls = 0
    for tenth in range(600):
        now_s = tenth / 10
        if breaker.delay_s(now_s) == 0:
            breaker.begin()
            breaker.record(now_s, fine=False)
            calls += 1
    assert calls <= 4


def test_every_provider_and_model_has_its_own():
    breakers = Breakers()
    opened(breakers.of("fal", "veo"))
    assert breakers.of("fal", "veo").delay_s(0) > 0
    assert breakers.of("fal", "wan").delay_s(0) == 0
    assert breakers.of("kie", "veo").delay_s(0) == 0
