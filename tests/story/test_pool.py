"""Transactions that are sent as a pipeline: all of it or nothing, as with any other."""

import asyncio

import psycopg
import pytest
from psycopg_pool._acompat import AEvent
from tests.conftest import World

from kinetoscope.kernel.errors import LeaseLost
from kinetoscope.postgres.pool import Connection, Database

pytestmark = pytest.mark.anyio

NOTE = "insert into schema_migration (name, sha256) values (%s, '')"


async def noted(world: World) -> int:
    query = "select count(*) from schema_migration where name like 'note %%'"
    values = await world.runtime.database.fetch_values(query, {})
    assert values is not None
    return int(values[0])


async def test_all_of_a_pipeline_is_there_in_the_end(world: World):
    async def steps(connection: Connection) -> str:
        for number in range(3):
            await connection.execute(NOTE, (f"note {number}",))
        found = await connection.execute("select count(*) from schema_migration")
        assert await found.fetchone() is not None
        return "done"

    assert await world.runtime.database.transact_pipelined(steps) == "done"
    assert await noted(world) == 3


async def test_a_statement_that_fails_leaves_nothing_of_a_pipeline(world: World):
    async def steps(connection: Connection) -> None:
        await connection.execute(NOTE, ("note 1",))
        await connection.execute(NOTE, ("note 1",))
        await connection.execute(NOTE, ("note 2",))

    for _ in range(5):  # and of its connection nobody notices anything
        with pytest.raises(psycopg.errors.UniqueViolation):
            await world.runtime.database.transact_pipelined(steps)
    assert await noted(world) == 0


async def test_steps_that_raise_leave_nothing_of_a_pipeline(world: World):
    async def steps(connection: Connection) -> None:
        await connection.execute(NOTE, ("note 1",))
        raise LeaseLost("task_1")

    with pytest.raises(LeaseLost):
        await world.runtime.database.transact_pipelined(steps)
    assert await noted(world) == 0


async def test_steps_that_are_broken_off_leave_nothing_of_a_pipeline(world: World):
    began = asyncio.Event()

    async def steps(connection: Connection) -> None:
        await connection.execute(NOTE, ("note 1",))
        began.set()
        await (await connection.execute("select pg_sleep(60)")).fetchone()

    for _ in range(3):
        working = asyncio.create_task(world.runtime.database.transact_pipelined(steps))
        await began.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        began.clear()
    assert await noted(world) == 0


async def test_a_pipeline_begins_anew_where_its_connection_broke(world: World):
    tries = 0

    async def steps(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        await connection.execute(NOTE, ("note 1",))
        if tries == 1:
            await connection.execute("select pg_terminate_backend(pg_backend_pid())")

    await world.runtime.database.transact_pipelined(steps)
    assert (tries, await noted(world)) == (2, 1)


@pytest.mark.parametrize("ticks", range(4))
async def test_who_is_ended_just_when_a_pool_is_ready_does_end(ticks: int):
    ready = AEvent()
    waiting = asyncio.create_task(ready.wait_timeout(60))
    await asyncio.sleep(0.01)
    ready.set()
    for _ in range(ticks):
        await asyncio.sleep(0)
    was_done = waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting], timeout=5)
    assert waiting.cancelled() is not was_done


async def test_who_is_ended_just_when_a_connection_comes_free_does_end(world: World):
    database = Database(world.runtime.database.conninfo, connections_max=1, patience_s=5)
    await database.open()
    try:
        for ticks in range(25):
            async with database.connection():
                waiting = asyncio.create_task(database.execute("select pg_sleep(60)", {}))
                await asyncio.sleep(0.01)
            for _ in range(ticks):
                await asyncio.sleep(0)
            waiting.cancel()
            # Where the cancel request overtakes its query, the driver waits for some seconds.
            await asyncio.wait([waiting], timeout=30)
            assert waiting.cancelled(), f"after {ticks} turns of the loop"
            assert await database.execute("select 1", {}) == 1  # and the connection is back
    finally:
        await database.close()
