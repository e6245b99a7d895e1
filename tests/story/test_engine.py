"""The engine's seam: what a dead worker left is found again, and nothing else is touched."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from procrastinate.jobs import Job
from tests.conftest import Person, World
from tests.scripted import PICTURE, Killed, ScriptedProvider, create, tools_for

from kinetoscope import crew, engine
from kinetoscope.engine import RETRY_DELAY_S_MAX, Retry, Timing
from kinetoscope.kernel.ids import TaskId
from kinetoscope.providers.contract import Failed
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio

TIMING = Timing(stalled_s=0.2)
"""The database of these tests may not have been up for much longer."""
QUEUES = {"embedded": "embedded"}


@dataclass(frozen=True)
class Jobs:
    """The engine's own tables."""

    world: World

    async def run(self, query: str, *values: object) -> None:
        async with self.world.runtime.database.connection() as connection:
            await connection.execute(query, values)

    async def worker(self, *, silent_s: float) -> int:
        """Register a worker that last gave a sign of life so long ago."""
        async with self.world.runtime.database.connection() as connection:
            cursor = await connection.execute(
                """
                insert into procrastinate_workers (last_heartbeat)
                values (now() - make_interval(secs => %s)) returning id
                """,
                (silent_s,),
            )
            row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

    async def take(self, task_id: TaskId, worker_id: int | None) -> None:
        """Let a worker begin a task's job."""
        await self.run(
            "update procrastinate_jobs set status = 'doing', worker_id = %s where lock = %s",
            worker_id,
            task_id,
        )

    async def by_task(self) -> list[tuple[str, str, str]]:
        """Return every job as task, queue and status, in the order they were enqueued."""
        async with self.world.runtime.database.connection() as connection:
            cursor = await connection.execute(
                "select lock, queue_name, status::text from procrastinate_jobs order by id"
            )
            return [(str(row[0]), str(row[1]), str(row[2])) for row in await cursor.fetchall()]


@pytest.fixture
async def jobs(world: World) -> Jobs:
    return Jobs(world)


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def test_the_jobs_of_a_silent_worker_go_back_and_those_of_a_living_one_stay(
    world: World, alice: Person, jobs: Jobs
):
    database = world.runtime.database
    silent, living, ownerless, waiting = [await create(world, alice, PICTURE) for _ in range(4)]
    await jobs.take(silent, await jobs.worker(silent_s=TIMING.stalled_s + 1))
    await jobs.take(living, await jobs.worker(silent_s=-60))
    await jobs.take(ownerless, None)
    assert await engine.requeue_stalled(database, TIMING) == 2
    # What goes back goes back as new jobs, behind those that were waiting.
    assert sorted(await jobs.by_task()) == sorted(
        [
            (silent, "embedded", "todo"),
            (living, "embedded", "doing"),
            (ownerless, "embedded", "todo"),
            (waiting, "embedded", "todo"),
        ]
    )
    assert await engine.requeue_stalled(database, TIMING) == 0


async def test_a_job_whose_worker_was_struck_off_goes_back(world: World, alice: Person, jobs: Jobs):
    task_id = await create(world, alice, PICTURE)
    worker_id = await jobs.worker(silent_s=0)
    await jobs.take(task_id, worker_id)
    await jobs.run("delete from procrastinate_workers where id = %s", worker_id)
    assert await engine.requeue_stalled(world.runtime.database, TIMING) == 1
    assert await jobs.by_task() == [(task_id, "embedded", "todo")]


async def test_two_sweeps_at_once_put_a_job_back_once(world: World, alice: Person, jobs: Jobs):
    for _ in range(5):
        task_id = await create(world, alice, PICTURE)
        await jobs.take(task_id, await jobs.worker(silent_s=60))
    counts = await asyncio.gather(
        *(engine.requeue_stalled(world.runtime.database, TIMING) for _ in range(4))
    )
    assert sum(counts) == 5
    assert [status for _, _, status in await jobs.by_task()] == ["todo"] * 5


async def test_only_an_open_task_without_a_job_is_woken(world: World, alice: Person, jobs: Jobs):
    database = world.runtime.database
    queued, running, orphan, begun, failed, ended = [
        await create(world, alice, PICTURE) for _ in range(6)
    ]
    await jobs.take(running, await jobs.worker(silent_s=0))
    with pytest.raises(Killed):
        await advance(tools_for(world, ScriptedProvider(statuses=[Killed()])), begun)
    await advance(
        tools_for(world, ScriptedProvider(statuses=[Failed(code="1", message="")])), ended
    )
    await jobs.run(
        "delete from procrastinate_jobs where lock in (%s, %s, %s)", orphan, begun, ended
    )
    await jobs.run("update procrastinate_jobs set status = 'failed' where lock = %s", failed)
    assert await engine.enqueue_orphans(database, QUEUES) == 3
    found = await jobs.by_task()
    assert found[:3] == [
        (queued, "embedded", "todo"),
        (running, "embedded", "doing"),
        (failed, "embedded", "failed"),
    ]
    assert sorted(found[3:]) == sorted(
        (task_id, "embedded", "todo") for task_id in (orphan, begun, failed)
    )
    assert await engine.enqueue_orphans(database, QUEUES) == 0
    assert await audit(database) == []


async def test_a_task_is_woken_on_the_queue_of_its_provider(
    world: World, alice: Person, jobs: Jobs
):
    task_id = await create(world, alice, PICTURE)
    await jobs.run("delete from procrastinate_jobs")
    assert await engine.enqueue_orphans(world.runtime.database, {"another": "elsewhere"}) == 0
    assert await engine.enqueue_orphans(world.runtime.database, {"embedded": "gpu"}) == 1
    assert await jobs.by_task() == [(task_id, "gpu", "todo")]


async def test_finished_jobs_are_forgotten_and_no_others(world: World, alice: Person, jobs: Jobs):
    kept = {"todo", "doing"}
    forgotten = {"succeeded", "failed", "cancelled", "aborted"}
    for status in sorted(kept | forgotten):
        task_id = await create(world, alice, PICTURE)
        await jobs.run(
            "update procrastinate_jobs set status = %s::text::procrastinate_job_status "
            "where lock = %s",
            status,
            task_id,
        )
    assert await engine.forget_finished(world.runtime.database) == 4
    assert {status for _, _, status in await jobs.by_task()} == kept
    assert await engine.forget_finished(world.runtime.database) == 0


async def test_a_worker_runs_what_was_enqueued_once_and_forgets_it(
    world: World, alice: Person, jobs: Jobs
):
    task_ids = [await create(world, alice, PICTURE) for _ in range(5)]
    ran: list[str] = []
    all_ran = asyncio.Event()

    async def note(task_id: TaskId) -> None:
        ran.append(task_id)
        if len(ran) == len(task_ids):
            all_ran.set()

    working = asyncio.create_task(
        crew.run_worker(
            world.runtime.database.conninfo,
            queues=["embedded"],
            concurrency=2,
            advance=note,
            timing=Timing(shutdown_s=1),
        )
    )
    await asyncio.wait_for(all_ran.wait(), 20)
    working.cancel()
    await asyncio.wait([working], timeout=20)
    assert sorted(ran) == sorted(task_ids)
    assert await jobs.by_task() == []


def decide(attempts: int, error: BaseException) -> timedelta:
    job = Job(
        id=1,
        queue="embedded",
        lock=None,
        queueing_lock=None,
        task_name="advance",
        attempts=attempts,
    )
    before = datetime.now(UTC)  # noqa: TID251 - the engine schedules by the machine's time
    decision = Retry().get_retry_decision(exception=error, job=job)
    assert decision.retry_at is not None
    return decision.retry_at - before


SLACK = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("attempts", "delay_s"), [(0, 1), (1, 2), (2, 4), (5, 32), (6, 60), (7, 60), (10_000, 60)]
)
def test_a_step_that_broke_is_run_again_later_each_time_and_for_ever(attempts: int, delay_s: int):
    delay = decide(attempts, RuntimeError("a bug"))
    assert timedelta(seconds=delay_s) <= delay < timedelta(seconds=delay_s) + SLACK
    assert delay_s <= RETRY_DELAY_S_MAX


@pytest.mark.parametrize("attempts", [0, 3, 10_000])
def test_what_a_shutdown_interrupts_is_handed_back_at_once(attempts: int):
    assert timedelta() <= decide(attempts, asyncio.CancelledError()) < SLACK


async def test_work_that_fails_is_done_again_and_the_loop_goes_on():
    calls = 0
    enough = asyncio.Event()

    async def work() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            enough.set()
        raise RuntimeError("again")

    going = asyncio.create_task(engine.every(0, work))
    await asyncio.wait_for(enough.wait(), 20)
    going.cancel()
    await asyncio.wait([going], timeout=5)
    assert going.cancelled()


async def test_the_jobs_of_a_process_that_has_ended_go_back_at_once(
    world: World, alice: Person, jobs: Jobs
):
    ended, other = [await create(world, alice, PICTURE) for _ in range(2)]
    for task_id, process in ((ended, "kinetoscope worker 1"), (other, "kinetoscope worker 2")):
        worker_id = await jobs.worker(silent_s=0)
        await jobs.run(
            "update procrastinate_workers set process = %s where id = %s", process, worker_id
        )
        await jobs.take(task_id, worker_id)
    assert await engine.requeue_of(world.runtime.database, ["kinetoscope worker 1"]) == 1
    assert sorted(await jobs.by_task()) == sorted(
        [(ended, "embedded", "todo"), (other, "embedded", "doing")]
    )


async def test_a_worker_is_known_by_the_name_of_its_connections(world: World):
    async with world.runtime.database.connection() as connection:
        await connection.execute("set application_name = 'kinetoscope worker 7'")
        try:
            await connection.execute("select procrastinate_register_worker_v1()")
        finally:
            await connection.execute("reset application_name")
        found = await connection.execute("select process from procrastinate_workers")
        assert await found.fetchall() == [("kinetoscope worker 7",)]


FETCH = "select id, lock from procrastinate_fetch_job_v2(%s::varchar[], %s)"


async def fetched(jobs: Jobs, queue: str, worker_id: int) -> str | None:
    async with jobs.world.runtime.database.connection() as connection:
        row = await (await connection.execute(FETCH, ([queue], worker_id))).fetchone()
    assert row is not None
    return None if row[0] is None else str(row[1])


async def test_the_next_job_of_a_queue_is_the_oldest_that_may_run(jobs: Jobs):
    worker_id = await jobs.worker(silent_s=0)
    for task_id, queue in (("a", "x"), ("later", "x"), ("b", "y"), ("a", "x"), ("c", "x")):
        await jobs.run("select enqueue_advance(%s, %s)", task_id, queue)
    schedule = "update procrastinate_jobs set scheduled_at = now() + %s where lock = 'later'"
    await jobs.run(schedule, timedelta(hours=1))
    taken = [await fetched(jobs, "x", worker_id) for _ in range(3)]
    assert taken == ["a", "c", None], "a's second job waits for its first, and later for its time"
    assert await fetched(jobs, "y", worker_id) == "b"
    await jobs.run("delete from procrastinate_jobs where lock = 'a' and status = 'doing'")
    assert await fetched(jobs, "x", worker_id) == "a"
    await jobs.run(schedule, timedelta(seconds=-1))
    assert await fetched(jobs, "x", worker_id) == "later"


async def test_taking_a_job_looks_at_few_rows_however_many_wait(jobs: Jobs):
    worker_id = await jobs.worker(silent_s=0)
    # Not analysed: what the planner believes of a queue is always out of date.
    await jobs.run(
        """
        select enqueue_advance('task_' || number, 'queue ' || mod(number, 3))
        from generate_series(1, 5000) as number
        """
    )
    async with jobs.world.runtime.database.connection() as connection:
        explained = await connection.execute(
            f"explain (analyze, buffers, format json) {FETCH}", (["queue 1"], worker_id)
        )
        row = await explained.fetchone()
    assert row is not None
    assert row[0][0]["Plan"]["Shared Hit Blocks"] < 1000
