"""Workers of several queues, one task: no ping-pong, no task in a queue that nobody works on."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    ACCEPTED,
    PICTURE,
    Killed,
    ScriptedProvider,
    SubmitStep,
    assert_in_order,
    create,
    done_pictures,
    record,
    tools_for,
)

from kinetoscope.kernel.ids import TaskId
from kinetoscope.providers.breaker import CALLS_MIN
from kinetoscope.providers.contract import Idempotency, Kind, Polling, Refused
from kinetoscope.tasks import served
from kinetoscope.tasks.advance import OrderUnreadable, advance
from kinetoscope.tasks.place import ProviderMissing
from kinetoscope.tasks.route import Route, Routes
from kinetoscope.tasks.search import REFUSALS_MAX
from kinetoscope.tasks.served import UNSERVED_S, Served
from kinetoscope.tasks.tools import Tools
from kinetoscope.upstreams import EMBEDDED

pytestmark = pytest.mark.anyio

OWN = Route(provider="own", queue="gpu", order=1)
HOSTED = Route(provider="first", queue="hosted", order=2)
ROUTES = (OWN, HOSTED)
DEADLINE = timedelta(minutes=60)

BUSY = Refused(code="429", message="Too many.", kind=Kind.TEMPORARY)
CANNOT = Refused(code="500", message="No place for this reference.", kind=Kind.UNSUPPORTED)


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


def named(name: str, submits: Sequence[SubmitStep], *, done: bool = False) -> ScriptedProvider:
    provider = ScriptedProvider(
        submits,
        [done_pictures] if done else [],
        idempotency=Idempotency.NEITHER,
        polling=Polling(delay_s=2, delay_s_max=10),
    )
    provider.name = name
    return provider


def worker(world: World, queue: str, *providers: ScriptedProvider) -> Tools:
    return tools_for(world, *providers, routes=ROUTES, queues=frozenset({queue}))


async def queue_of(world: World, task_id: TaskId) -> str:
    values = await world.runtime.database.fetch_values(
        "select queue_name from procrastinate_jobs where lock = %(id)s order by id desc limit 1",
        {"id": task_id},
    )
    assert values is not None
    return str(values[0])


async def provider_of(world: World, task_id: TaskId) -> str:
    values = await world.runtime.database.fetch_values(
        "select provider from task where id = %(id)s", {"id": task_id}
    )
    assert values is not None
    return str(values[0])


async def put_into(world: World, task_id: TaskId, queue: str, provider: str) -> None:
    async with world.runtime.database.connection() as connection:
        await connection.execute(
            "update procrastinate_jobs set queue_name = %s where lock = %s", (queue, task_id)
        )
        await connection.execute("update task set provider = %s where id = %s", (provider, task_id))


async def carry(world: World, alice: Person, task_id: TaskId, *workers: Tools) -> int:
    """Let each worker advance the task while it is in its queue; return how often one did."""
    await put_into(world, task_id, "gpu", "own")
    for turns in range(1, 60):
        queue = await queue_of(world, task_id)
        (tools,) = [each for each in workers if each.queues is not None and queue in each.queues]
        await advance(tools, task_id)
        if (await record(world, alice, task_id))["status"] in {"success", "fail"}:
            return turns
    pytest.fail("handed to and fro without end")


@pytest.mark.parametrize("refusal", [BUSY, CANNOT])
async def test_what_one_queue_refuses_the_next_makes(world: World, alice: Person, refusal: Refused):
    task_id = await create(world, alice, PICTURE)
    own, hosted = named("own", [refusal]), named("first", [ACCEPTED], done=True)
    turns = await carry(
        world, alice, task_id, worker(world, "gpu", own), worker(world, "hosted", hosted)
    )
    assert turns == 2
    assert await provider_of(world, task_id) == "first"
    await assert_in_order(world, ended=1)


async def test_what_the_next_refuses_goes_back_when_the_first_has_rested(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    own = named("own", [BUSY, ACCEPTED], done=True)
    hosted = named("first", [CANNOT])
    turns = await carry(
        world, alice, task_id, worker(world, "gpu", own), worker(world, "hosted", hosted)
    )
    assert turns == 3
    assert await provider_of(world, task_id) == "own"


async def test_refusals_add_up_over_all_queues(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    own, hosted = named("own", [BUSY] * 50), named("first", [BUSY] * 50)
    await carry(world, alice, task_id, worker(world, "gpu", own), worker(world, "hosted", hosted))
    assert (await record(world, alice, task_id))["status"] == "fail"
    assert len(own.submitted) + len(hosted.submitted) == REFUSALS_MAX
    assert await world.balance(alice) == (1000_00, 0, 0, 0)


async def test_an_engine_that_is_left_alone_by_its_worker_is_not_asked_by_way_of_another(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    own, hosted = named("own", []), named("first", [ACCEPTED], done=True)
    gpu = worker(world, "gpu", own)
    breaker = gpu.breakers.of("own", "")
    for _ in range(CALLS_MIN):
        breaker.record(breaker.begin(), world.clock().timestamp(), fine=False)
    turns = await carry(world, alice, task_id, gpu, worker(world, "hosted", hosted))
    assert (turns, own.submitted) == (2, [])


async def unserved(world: World, own: str) -> Served:
    """Know for certain that nobody works on any other queue."""
    found = Served(world.runtime.database, frozenset({own}))
    await found.refresh()
    return found


async def rescued(world: World, found: Served) -> int:
    by_model = dict.fromkeys(world.runtime.routes.by_model, ROUTES)
    routes = Routes(
        by_model=by_model,
        test=world.runtime.routes.test,
        queues={"own": "gpu", "first": "hosted"},
    )
    return await served.rescue(world.runtime.database, found, routes, DEADLINE, world.clock())


async def test_a_task_in_a_queue_that_nobody_works_on_goes_to_its_next_route(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    await put_into(world, task_id, "gpu", "own")
    await served.note(world.runtime.database, frozenset({"gpu"}))
    assert await rescued(world, await unserved(world, "hosted")) == 0, "somebody was just there"
    await _forget_seen(world)
    found = await unserved(world, "hosted")
    assert await rescued(world, found) == 1
    assert await queue_of(world, task_id) == "hosted"
    hosted = named("first", [ACCEPTED], done=True)
    await advance(replace(worker(world, "hosted", hosted), served=found), task_id)
    assert (await record(world, alice, task_id))["status"] == "success"


async def _forget_seen(world: World) -> None:
    async with world.runtime.database.connection() as connection:
        await connection.execute(
            "update served_queue set seen_at = now() - make_interval(secs => %s)", (UNSERVED_S + 1,)
        )


async def test_where_nobody_works_on_any_of_its_queues_a_task_ends_unpaid_in_time(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    await put_into(world, task_id, "gpu", "own")
    found = Served(world.runtime.database, frozenset({"embedded"}))
    await found.refresh()
    routes = replace(
        world.runtime.routes,
        by_model=dict.fromkeys(world.runtime.routes.by_model, ROUTES),
        queues={**world.runtime.routes.queues, "own": "gpu", "first": "hosted"},
    )

    async def rescue() -> int:
        return await served.rescue(world.runtime.database, found, routes, DEADLINE, world.clock())

    assert await rescue() == 0
    world.clock.move(DEADLINE)
    assert await rescue() == 1
    assert await queue_of(world, task_id) == "embedded"
    await advance(replace(tools_for(world), routes=routes, served=found), task_id)
    assert (await record(world, alice, task_id))["status"] == "fail"
    assert await world.balance(alice) == (1000_00, 0, 0, 0)


async def test_what_an_upstream_has_waits_for_its_own_workers(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    dying = named("own", [ACCEPTED])
    dying.to_tell = deque([Killed()])
    with pytest.raises(Killed):
        await advance(worker(world, "gpu", dying), task_id)
    await put_into(world, task_id, "gpu", "own")
    found = await unserved(world, "hosted")
    assert await rescued(world, found) == 0
    world.clock.move(2 * DEADLINE)
    assert await rescued(world, found) == 1, "somebody has to end it"


async def test_a_queue_that_was_renamed_takes_its_tasks_along(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    await put_into(world, task_id, "gpu-of-old", "own")
    assert await rescued(world, await unserved(world, "gpu")) == 1
    assert await queue_of(world, task_id) == "gpu"


async def test_a_worker_without_the_providers_file_draws_no_preview_of_what_it_should_make(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    await put_into(world, task_id, "embedded", "first")
    embedded = named("embedded", [ACCEPTED], done=True)
    with pytest.raises(ProviderMissing):
        await advance(tools_for(world, embedded, routes=(EMBEDDED,)), task_id)
    assert embedded.submitted == []
    hosted = named("first", [ACCEPTED], done=True)
    await advance(tools_for(world, hosted, routes=ROUTES[1:]), task_id)
    assert (await record(world, alice, task_id))["status"] == "success"


async def test_a_worker_that_does_not_know_the_model_yet_ends_nothing(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    tools = tools_for(world, named("first", [ACCEPTED], done=True), routes=ROUTES[1:])
    behind = replace(tools, catalog=replace(tools.catalog, models=(), models_by_id={}))
    with pytest.raises(OrderUnreadable):
        await advance(behind, task_id)
    await advance(tools, task_id)
    assert (await record(world, alice, task_id))["status"] == "success"


async def test_a_provider_that_was_removed_does_not_make_its_references_the_clients_fault(
    world: World, alice: Person
):
    inputs = {"prompt": "a fox", "uploadedUrls": ["http://127.0.0.1:9/gone.png"]}
    task_id = await create(world, alice, {**PICTURE, "inputs": inputs})
    async with world.runtime.database.connection() as connection:
        await connection.execute(
            "update task set provider = 'first', submit_started_at = created_at,"
            " upstream_id = 'theirs' where id = %s",
            (task_id,),
        )
    with pytest.raises(ProviderMissing):
        await advance(tools_for(world, routes=ROUTES), task_id)
    assert (await record(world, alice, task_id))["status"] == "waiting"
