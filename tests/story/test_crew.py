"""The crew: steps outlive the engine that began them, and are broken off where that is free.

Who lives is told by the database, in its own time: some of these tests have to wait.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from tests.conftest import Person, World
from tests.scripted import PICTURE, create

from kinetoscope import crew, engine
from kinetoscope.crew import Advance
from kinetoscope.engine import Timing
from kinetoscope.kernel import steps
from kinetoscope.kernel.ids import TaskId

pytestmark = pytest.mark.anyio

TIMING = Timing(heartbeat_s=0.1, stalled_s=2, shutdown_s=0.2, held_s=20)
BOUND_S = 20


@dataclass
class Acts:
    """What steps do in these tests: they hold themselves if told to, and wait to be let on."""

    held: bool = False
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    broken_off: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def advance(self, task_id: TaskId) -> None:
        self.begun.append(task_id)
        self.news.set()
        if self.held:
            steps.hold()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.broken_off.append(task_id)
            raise
        self.ended.append(task_id)

    async def until_begun(self, count: int) -> None:
        async with asyncio.timeout(BOUND_S):
            while len(self.begun) < count:
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def working(world: World, advance: Advance) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(
        crew.run_worker(
            world.runtime.database.conninfo,
            queues=["embedded"],
            concurrency=1,
            advance=advance,
            timing=TIMING,
        )
    )
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=BOUND_S)


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def statuses(world: World) -> list[str]:
    values = await world.runtime.database.fetch_values(
        "select coalesce(array_agg(status::text order by id), '{}') from procrastinate_jobs", {}
    )
    assert values is not None
    found: list[str] = values[0]
    return found


async def disconnect(world: World) -> None:
    """End every connection to this database but the one that says so."""
    await world.runtime.database.execute(
        """
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
        """,
        {},
    )


async def test_a_step_outlives_its_engine_and_nobody_else_is_given_its_task(
    world: World, alice: Person
):
    first = await create(world, alice, PICTURE)
    acts = Acts()
    async with working(world, acts.advance):
        await acts.until_begun(1)
        await disconnect(world)
        second = await create(world, alice, PICTURE)
        await acts.until_begun(2)
        assert acts.begun == [first, second], "another engine fetches"
        for _ in range(20):
            await asyncio.sleep(TIMING.stalled_s / 10)
            assert await engine.requeue_stalled(world.runtime.database, TIMING) == 0
        acts.go_on.set()
    assert await statuses(world) == []
    assert sorted(acts.ended) == sorted([first, second])
    assert acts.broken_off == []


async def test_told_to_stop_a_step_is_broken_off_soon_and_goes_back(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    acts = Acts()
    async with working(world, acts.advance) as task:
        await acts.until_begun(1)
        task.cancel()
        await asyncio.wait([task], timeout=BOUND_S / 4)
        assert task.done()
    assert acts.broken_off == [task_id]
    assert await statuses(world) == ["todo"]


async def test_told_to_stop_a_step_that_holds_itself_is_waited_for(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    acts = Acts(held=True)
    async with working(world, acts.advance) as task:
        await acts.until_begun(1)
        task.cancel()
        for _ in range(20):
            await asyncio.sleep(TIMING.stalled_s / 10)
            assert await engine.requeue_stalled(world.runtime.database, TIMING) == 0
        acts.go_on.set()
        await asyncio.wait([task], timeout=BOUND_S / 4)
        assert task.done()
    assert (acts.ended, acts.broken_off) == ([task_id], [])
    assert await statuses(world) == []


async def test_a_step_that_lets_go_is_broken_off_then(world: World, alice: Person):
    await create(world, alice, PICTURE)
    ended: list[str] = []
    begun = asyncio.Event()
    answer = asyncio.Event()

    async def advance(task_id: TaskId) -> None:
        steps.hold()
        begun.set()
        await answer.wait()
        steps.let_go()
        await asyncio.sleep(BOUND_S)
        ended.append(task_id)

    async with working(world, advance) as task:
        await asyncio.wait_for(begun.wait(), BOUND_S)
        task.cancel()
        await asyncio.sleep(3 * TIMING.shutdown_s)
        assert not task.done()
        answer.set()
        await asyncio.wait([task], timeout=BOUND_S / 4)
        assert task.done()
    assert ended == []
    assert await statuses(world) == ["todo"]


FETCHES = """
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock' and query like '%%fetch_job%%'
"""


async def test_told_to_stop_while_it_fetches_it_begins_no_step_that_nobody_waits_for(world: World):
    acts = Acts(held=True)
    database = world.runtime.database
    async with working(world, acts.advance) as task, database.connection() as connection:
        async with connection.transaction():
            await connection.execute("lock table procrastinate_jobs in exclusive mode")
            await connection.execute("select enqueue_advance('task_1', 'embedded')")
            async with asyncio.timeout(BOUND_S):
                while await database.fetch_values(FETCHES, {}) == (0,):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.sleep(0.1)
        await asyncio.wait([task], timeout=BOUND_S / 4)
        assert task.done()
    assert (acts.begun, await statuses(world)) == ([], ["todo"])


async def test_told_to_stop_while_it_starts_it_leaves_nothing_behind(world: World):
    """Whenever that is: its pool may be opening, or open in that very moment."""
    before = pool_tasks()
    for number in range(40):
        async with working(world, Acts().advance) as task:
            await asyncio.sleep(number * 0.001)
            task.cancel()
            await asyncio.wait([task], timeout=BOUND_S)
            assert task.done(), f"after {number} ms"
    async with asyncio.timeout(BOUND_S):
        while pool_tasks() > before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def pool_tasks() -> int:
    return sum(task.get_name().startswith("pool-") for task in asyncio.all_tasks())


async def test_after_a_restart_of_the_database_nobody_is_taken_for_dead_too_soon(
    world: World, alice: Person
):
    """Its workers could not give a sign of life while it was away."""
    await create(world, alice, PICTURE)
    async with world.runtime.database.connection() as connection:
        await connection.execute(
            """
            with silent as (
              insert into procrastinate_workers (last_heartbeat)
              values (now() - interval '1 year') returning id
            )
            update procrastinate_jobs set status = 'doing', worker_id = (select id from silent)
            """
        )
    long = Timing(stalled_s=30 * 24 * 3600)
    assert await engine.requeue_stalled(world.runtime.database, long) == 0
