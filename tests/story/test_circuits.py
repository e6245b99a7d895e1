"""Circuits as operators see them, and what they alone can mend: an account in trouble."""

import asyncio
from collections import deque
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    ACCEPTED,
    PICTURE,
    MovedWakes,
    ScriptedProvider,
    SubmitStep,
    assert_in_order,
    create,
    done_pictures,
    record,
    tools_for,
)

from kinetoscope.catalog import check
from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.order import Order
from kinetoscope.providers.breaker import CALLS_MIN, REST_S, REST_S_MAX, Breaker
from kinetoscope.providers.contract import (
    Absent,
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
    Unknown,
)
from kinetoscope.tasks import alerts, circuits, place, store
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.circuits import SHOWN_FOR
from kinetoscope.tasks.route import Route
from kinetoscope.tasks.task import CANCELLED

pytestmark = pytest.mark.anyio

POLLING = Polling(delay_s=2, delay_s_max=10)
FIRST = Route(provider="first", queue="hosted", order=1, upstream_model="theirs-1")
SECOND = Route(provider="second", queue="hosted", order=2, upstream_model="theirs-2")
WRONG_KEY = Refused(code="500", message="The key is refused.", kind=Kind.ACCOUNT)
LOST = Unknown(reason="status 500")
BUSY = Refused(code="429", message="Too many.", kind=Kind.TEMPORARY)
PAID = (997_83, 0, 2_17, 0)
FREE = (1000_00, 0, 0, 0)


def hosted(
    submits: list[SubmitStep],
    *,
    name: str = "first",
    idempotency: Idempotency = Idempotency.NEITHER,
) -> ScriptedProvider:
    statuses = [done_pictures] * submits.count(ACCEPTED)
    provider = ScriptedProvider(submits, statuses, idempotency=idempotency, polling=POLLING)
    provider.name = name
    return provider


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def raised(world: World) -> list[tuple[str, str, str | None]]:
    since = world.clock() - timedelta(days=7)
    recent = await alerts.recent(world.runtime.database, since)
    return [(alert.kind, alert.provider, alert.task_id) for alert in recent]


async def shown(world: World) -> list[str]:
    found = await circuits.listed(world.runtime.database, world.clock())
    return [circuit.provider for circuit in found]


def ordered() -> Order:
    return check.check(builtin().find("gpt-image-2"), {"prompt": "x"}, auto_fix=False)


def is_open(breaker: Breaker) -> bool:
    return breaker.opened_s is not None


# An account in trouble


async def test_a_key_that_is_refused_is_waited_for_and_ends_no_task(world: World, alice: Person):
    """It is made again within the half minute that a worker takes to learn of a new key."""
    task_id = await create(world, alice, PICTURE)
    first = hosted([*[WRONG_KEY] * 6, ACCEPTED])
    began_at = world.clock()
    await advance(tools_for(world, first, routes=(FIRST,)), task_id)
    assert world.clock() - began_at > timedelta(seconds=30)
    assert await world.balance(alice) == PAID
    await assert_in_order(world, ended=1)


async def test_meanwhile_another_route_makes_it(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    first, second = hosted([WRONG_KEY]), hosted([ACCEPTED], name="second")
    await advance(tools_for(world, first, second, routes=(FIRST, SECOND)), task_id)
    assert second.submitted == [task_id]
    assert await world.balance(alice) == PAID


async def test_in_the_end_the_client_hears_nothing_of_it_and_is_not_charged(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    first = hosted([WRONG_KEY] * 30)
    await advance(tools_for(world, first, routes=(FIRST,)), task_id)
    assert 10 < len(first.submitted) <= 15
    error = (await record(world, alice, task_id))["error"]
    assert error["message"] == "Service temporarily unavailable. Please try again later."
    assert await world.balance(alice) == FREE


async def test_an_account_in_trouble_opens_the_circuit_and_raises_one_alert(
    world: World, alice: Person
):
    first, second = hosted([WRONG_KEY] * CALLS_MIN), hosted([ACCEPTED] * 30, name="second")
    tools = tools_for(world, first, second, routes=(FIRST, SECOND))
    for _ in range(CALLS_MIN + 3):
        await advance(tools, await create(world, alice, PICTURE))
    assert len(first.submitted) == CALLS_MIN, "nobody asks it now"
    assert await raised(world) == [("account", "first", None)]
    assert await shown(world) == ["first"]


async def test_one_alert_an_hour_for_each_provider_however_many_tasks_find_out_at_once(
    world: World, alice: Person
):
    names = ("first", "second")
    providers = [hosted([WRONG_KEY] * 10, name=name) for name in names]
    good = hosted([ACCEPTED] * 20, name="good")
    last = Route(provider="good", queue="hosted", order=3)

    async def some() -> None:
        tools = tools_for(world, *providers, good, routes=(FIRST, SECOND, last))
        tasks = [await create(world, alice, PICTURE) for _ in range(5)]
        await asyncio.gather(*(advance(tools, task_id) for task_id in tasks))

    await some()
    assert sorted(await raised(world)) == [("account", name, None) for name in names]
    world.clock.move(timedelta(minutes=61))
    await some()
    assert sorted(await raised(world)) == [("account", name, None) for name in names for _ in "12"]


# Who is asked again about a lost answer


@pytest.mark.parametrize("idempotency", [Idempotency.CLIENT_TOKEN, Idempotency.LOOKUP])
async def test_a_lost_answer_is_not_asked_for_while_its_circuit_is_open(
    world: World, alice: Person, idempotency: Idempotency
):
    task_id = await create(world, alice, PICTURE)
    is_lookup = idempotency is Idempotency.LOOKUP
    first = hosted([LOST] if is_lookup else [LOST, ACCEPTED], idempotency=idempotency)
    first.to_find.append(ACCEPTED)
    first.to_tell = deque([done_pictures])
    tools = tools_for(world, first, routes=(FIRST,))
    breaker = tools.breakers.of("first", "theirs-1")
    for _ in range(CALLS_MIN - 1):
        breaker.record(breaker.begin(), world.clock().timestamp(), fine=False)
    await advance(tools, task_id)
    assert isinstance(tools.wakes, MovedWakes)
    assert sum(tools.wakes.pauses_s) >= REST_S
    assert len(first.submitted) + len(first.sought) == 2
    assert await world.balance(alice) == PAID
    assert is_open(breaker) == is_lookup, "that it can be looked up says nothing of submits"


async def test_a_lost_answer_is_asked_for_after_a_moment_and_not_at_once(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    first = hosted([LOST, ACCEPTED], idempotency=Idempotency.CLIENT_TOKEN)
    tools = tools_for(world, first, routes=(FIRST,))
    await advance(tools, task_id)
    assert isinstance(tools.wakes, MovedWakes)
    assert tools.wakes.pauses_s[0] >= 1


async def test_lookups_that_work_do_not_hide_submits_that_fail(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    first = hosted([LOST, ACCEPTED], idempotency=Idempotency.LOOKUP)
    first.to_find.extend([Unknown(reason="status 502"), Absent(), Absent()])
    tools = tools_for(world, first, routes=(FIRST,))
    await advance(tools, task_id)
    breaker = tools.breakers.of("first", "theirs-1")
    assert [fine for _, fine in breaker.results] == [False, False, True]


async def test_a_cancel_before_the_call_tells_nothing_of_the_upstream(world: World, alice: Person):
    """Nobody was asked: a circuit that is open stays so, and the next one may find out."""
    task_id = await create(world, alice, PICTURE)
    tools = tools_for(world, hosted([]), routes=(FIRST,))
    breaker = tools.breakers.of("first", "theirs-1")
    for _ in range(CALLS_MIN):
        breaker.record(breaker.begin(), world.clock().timestamp(), fine=False)
    world.clock.move(timedelta(seconds=REST_S))
    async with world.runtime.database.connection() as connection:
        await connection.execute("update task set cancel_requested_at = now()")
    task = await store.claim(world.runtime.database, task_id)
    assert task is not None
    # As if the wish had come in between the last look and the intent.
    unaware = replace(task, cancel_requested_at=None)

    def no_job(_route: Route) -> Job:
        return Job(task_id=task_id, order=ordered(), seed=1, references=(), folder=tools.folder)

    assert await place.place(tools, unaware, no_job) == CANCELLED
    assert is_open(breaker)
    assert breaker.delay_s(world.clock().timestamp()) == 0


# What operators see


async def note(world: World, worker: str, *, is_open: bool) -> None:
    now = world.clock()
    await circuits.note(
        world.runtime.database, worker, "first", "theirs-1", is_open=is_open, now=now
    )


async def test_a_circuit_is_shown_while_any_worker_has_it_open(world: World):
    await note(world, "a", is_open=True)
    await note(world, "b", is_open=True)
    assert await shown(world) == ["first"]
    await note(world, "b", is_open=False)
    assert await shown(world) == ["first"], "the other one still leaves it alone"
    await note(world, "a", is_open=False)
    assert await shown(world) == []


async def test_what_a_dead_worker_left_open_is_shown_for_minutes_only(world: World):
    await note(world, "dead", is_open=True)
    world.clock.move(SHOWN_FOR + timedelta(seconds=1))
    assert await shown(world) == []
    world.clock.move(timedelta(days=1))
    await note(world, "other", is_open=False)
    assert await world.count("provider_circuit") == 1, "and forgotten in the end"


async def test_one_that_stays_open_is_noted_with_every_probe(world: World, alice: Person):
    first, second = hosted([BUSY] * 40), hosted([ACCEPTED] * 200, name="second")
    tools = tools_for(world, first, second, routes=(FIRST, SECOND))
    breaker = tools.breakers.of("first", "theirs-1")
    for _ in range(CALLS_MIN):
        await advance(tools, await create(world, alice, PICTURE))
    for _ in range(12):
        world.clock.move(timedelta(seconds=REST_S_MAX))
        await advance(tools, await create(world, alice, PICTURE))
        assert is_open(breaker)
        assert await shown(world) == ["first"]
