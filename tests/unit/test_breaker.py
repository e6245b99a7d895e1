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


def ended(breaker: Breaker, now_s: float, *, fine: bool) -> Change | None:
    """Make a call that takes no time."""
    return breaker.record(breaker.begin(), now_s, fine=fine)


def opened(breaker: Breaker, now_s: float = 0.0) -> Breaker:
    changes = [ended(breaker, now_s, fine=False) for _ in range(CALLS_MIN)]
    assert changes == [None] * (CALLS_MIN - 1) + [Change.OPENED]
    return breaker


def test_a_few_failures_open_nothing():
    breaker = Breaker()
    for second in range(CALLS_MIN - 1):
        assert ended(breaker, second, fine=False) is None
    assert breaker.delay_s(CALLS_MIN) == 0


def test_half_of_enough_calls_open_it():
    breaker = Breaker()
    for number in range(CALLS_MIN // 2):
        ended(breaker, 0, fine=True)
        change = ended(breaker, 0, fine=False)
        assert change is (Change.OPENED if number == CALLS_MIN // 2 - 1 else None)


def test_more_fine_calls_than_failures_keep_it_closed():
    breaker = Breaker()
    for _ in range(100):
        assert ended(breaker, 0, fine=True) is None
        assert ended(breaker, 0, fine=True) is None
        assert ended(breaker, 0, fine=False) is None


def test_failures_of_long_ago_count_no_more():
    breaker = Breaker()
    for _ in range(CALLS_MIN - 1):
        ended(breaker, 0, fine=False)
    assert ended(breaker, WINDOW_S + 1, fine=False) is None


def test_open_it_lets_one_call_through_after_a_rest_and_closes_when_that_is_fine():
    breaker = opened(Breaker())
    assert breaker.delay_s(0) == REST_S
    assert breaker.delay_s(REST_S) == 0
    probe = breaker.begin()
    assert breaker.delay_s(REST_S) > 0, "one probe at a time"
    assert breaker.record(probe, REST_S + 1, fine=True) is Change.CLOSED
    assert breaker.delay_s(REST_S + 1) == 0


def test_a_probe_that_fails_doubles_the_rest_up_to_a_minute():
    breaker = opened(Breaker())
    now_s, rests = 0.0, []
    for _ in range(6):
        now_s += breaker.delay_s(now_s)
        assert ended(breaker, now_s, fine=False) is Change.PROLONGED
        rests.append(breaker.delay_s(now_s))
    assert rests == [10, 20, 40, 60, 60, 60]
    assert rests[-1] == REST_S_MAX


def test_calls_from_before_it_opened_neither_close_nor_prolong_it():
    breaker = Breaker()
    early = [breaker.begin() for _ in range(3)]
    opened(breaker)
    assert breaker.record(early[0], 1, fine=True) is None
    assert breaker.record(early[1], 1, fine=False) is None
    breaker.abandon(early[2])
    assert breaker.delay_s(0) == REST_S


def test_calls_from_before_it_opened_do_not_pass_for_the_probe():
    """They end while it runs: it alone tells, and no second one is let out beside it."""
    breaker = Breaker()
    early = [breaker.begin() for _ in range(3)]
    opened(breaker)
    probe = breaker.begin()
    assert breaker.record(early[0], REST_S, fine=True) is None
    assert breaker.record(early[1], REST_S, fine=False) is None
    breaker.abandon(early[2])
    assert breaker.rest_s == REST_S
    assert breaker.delay_s(REST_S) > 0, "the probe is still on its way"
    assert breaker.record(probe, REST_S, fine=False) is Change.PROLONGED
    assert breaker.delay_s(REST_S) == 2 * REST_S


def test_calls_from_before_it_opened_do_not_open_it_again():
    breaker = Breaker()
    early = [breaker.begin() for _ in range(CALLS_MIN)]
    opened(breaker)
    assert ended(breaker, REST_S, fine=True) is Change.CLOSED
    for ticket in early:
        assert breaker.record(ticket, REST_S + 1, fine=False) is None
    assert breaker.delay_s(REST_S + 1) == 0


def test_a_probe_that_told_nothing_leaves_room_for_another():
    breaker = opened(Breaker())
    breaker.abandon(breaker.begin())
    assert breaker.delay_s(REST_S) == 0


@given(st.lists(st.booleans(), max_size=200))
def test_a_minute_of_failures_costs_few_calls(outcomes: list[bool]):
    """Whatever happened before: once open, 60 s of failures see at most a handful of calls."""
    breaker = Breaker()
    for fine in outcomes:
        ended(breaker, 0.0, fine=fine)
    if breaker.opened_s is None:
        return
    calls = 0
    for tenth in range(600):
        now_s = tenth / 10
        if breaker.delay_s(now_s) == 0:
            ended(breaker, now_s, fine=False)
            calls += 1
    assert calls <= 4


def test_every_provider_and_model_has_its_own():
    breakers = Breakers()
    opened(breakers.of("fal", "veo"))
    assert breakers.of("fal", "veo").delay_s(0) > 0
    assert breakers.of("fal", "wan").delay_s(0) == 0
    assert breakers.of("kie", "veo").delay_s(0) == 0


def test_every_worker_has_a_name_of_its_own():
    assert Breakers().worker != Breakers().worker
