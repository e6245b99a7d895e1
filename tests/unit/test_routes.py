"""In which order a task tries the routes of its model."""

from collections import Counter

import pytest

from kinetoscope.tasks.route import Route, Routes

TEST = Route(provider="rehearsal", queue="test")


def route(provider: str, *, order: int = 1, weight: int = 1) -> Route:
    return Route(provider=provider, queue="hosted", order=order, weight=weight)


def routes(*listed: Route) -> Routes:
    return Routes(by_model={"m": listed}, test=TEST, queues={})


def first_choices(listed: Routes, tasks: int = 4000) -> Counter[str]:
    return Counter(listed.ranked("m", f"task_{number}")[0].provider for number in range(tasks))


def test_a_smaller_order_comes_first_whatever_the_weights():
    listed = routes(route("hosted", order=2, weight=100), route("own", order=1))
    assert first_choices(listed, 100) == {"own": 100}
    assert [one.provider for one in listed.ranked("m", "task_1")] == ["own", "hosted"]


def test_a_task_is_always_ranked_alike():
    listed = routes(*(route(name) for name in "abcdef"))
    again = routes(*(route(name) for name in "fedcba"))
    assert listed.ranked("m", "task_1") == again.ranked("m", "task_1")


@pytest.mark.parametrize(("weight", "share"), [(1, 0.5), (3, 0.75), (9, 0.9)])
def test_weights_are_shares(weight: int, share: float):
    chosen = first_choices(routes(route("a", weight=weight), route("b")))
    assert abs(chosen["a"] / 4000 - share) < 0.03


def test_no_weight_is_a_last_resort():
    listed = routes(route("spare", weight=0), route("a"), route("b"))
    assert all(listed.ranked("m", f"task_{number}")[-1].provider == "spare" for number in range(50))


def test_losing_a_route_moves_only_its_own_tasks():
    """The point of rendezvous hashing: caches and quotas of the others are not disturbed."""
    three = routes(route("a"), route("b"), route("c"))
    two = routes(route("a"), route("b"))
    for number in range(200):
        before = three.ranked("m", f"task_{number}")[0].provider
        after = two.ranked("m", f"task_{number}")[0].provider
        assert before in {after, "c"}


def test_tasks_of_test_keys_have_one_route():
    listed = routes(route("a"))
    assert listed.of("m", "rehearsal", "task_1") == (TEST,)
    assert listed.of("m", "a", "task_1") == (route("a"),)
    assert listed.of("unheard-of", "a", "task_1") == ()
