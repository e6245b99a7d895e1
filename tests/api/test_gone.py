"""Clients that leave in the middle: no error of ours, and no place that they keep."""

import asyncio
from datetime import UTC, datetime

import pytest
from tests.api.served import Served, serving
from tests.api.test_uploads_slow import promised, stalled
from tests.conftest import Person, World
from tests.scripted import VIDEO, create

pytestmark = pytest.mark.anyio

WAIT = "/api/v1/jobs/waitTask"
EVENTS = "/api/v1/jobs/taskEvents"

OPEN_ROUTES = ("/api/v1/verify",)
GUARDED_ROUTES = (
    "/api/v1/jobs/createTask",
    "/api/v1/jobs/cancelTask",
    "/api/v1/jobs/estimateTask",
    "/api/v1/uploads",
    "/api/mcp",
)


async def seen(served: Served, text: str, times: int) -> None:
    """Wait until the log has a text so many times."""
    async with asyncio.timeout(20):
        while served.log.count(text) < times:  # noqa: ASYNC110 - another process's file
            await asyncio.sleep(0.05)


async def half(served: Served, person: Person, path: str, length: int) -> None:
    """Send the beginning of a body, and leave."""
    head = (
        f"POST {path} HTTP/1.1\nContent-Length: {length}\nContent-Type: application/json\n"
        f"Authorization: Bearer {person.key}"
    )
    connection = await served.begin(head, b'{"half": ')
    await asyncio.sleep(0.2)  # so that it is asked for, and waited for
    await connection.leave()


async def test_half_a_body_is_a_line_for_the_curious_and_no_bug(world: World, conninfo: str):
    alice = await world.person("alice")
    async with serving(world.runtime.settings.data_dir, conninfo) as served:
        for path in (*OPEN_ROUTES, *GUARDED_ROUTES):
            await half(served, alice, path, 1000)
        await half(served, alice, "/api/v1/jobs/createTask", 1_000_000)
        connection = await stalled(served, await promised(served, alice))
        await asyncio.sleep(0.2)
        await connection.leave()
        await seen(served, "request.gone", len(OPEN_ROUTES) + len(GUARDED_ROUTES) + 2)
        assert (await served.client.get("/livez")).is_success
        log = served.log
    assert "request.broke" not in log
    assert "Traceback" not in log
    assert "ERROR" not in log
    assert "error " not in log.replace("error=", "")


@pytest.mark.parametrize("path", [WAIT, EVENTS])
async def test_a_client_that_goes_away_frees_its_place(world: World, conninfo: str, path: str):
    world.clock.moment = datetime.now(UTC)  # noqa: TID251 - the other process has the real one
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    changes = {"kinetoscope.tasks.watch.WATCHERS_PER_ACCOUNT_MAX": 5}
    async with serving(world.runtime.settings.data_dir, conninfo, changes=changes) as served:
        head = f"GET {path}?taskId={task_id} HTTP/1.1\nAuthorization: Bearer {alice.key}"

        async def status() -> int:
            response = await served.client.get(
                WAIT, params={"taskId": task_id, "timeout": 0}, headers=alice.headers
            )
            return response.status_code

        async with asyncio.timeout(20):
            while await status() != 429:
                await served.begin(head)
        for connection in served.connections:
            await connection.leave()
        # Long before the time is over that they would have waited.
        async with asyncio.timeout(10):
            while await status() != 200:  # noqa: ASYNC110 - another process knows
                await asyncio.sleep(0.05)
        assert "Traceback" not in served.log


async def test_who_stays_is_answered(world: World, conninfo: str):
    world.clock.moment = datetime.now(UTC)  # noqa: TID251 - the other process has the real one
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    async with serving(world.runtime.settings.data_dir, conninfo) as served:
        for _ in range(2):  # the connection is used again
            response = await served.client.get(
                WAIT, params={"taskId": task_id, "timeout": 1}, headers=alice.headers
            )
            assert (response.status_code, response.json()["status"]) == (200, "waiting")
        head = f"GET {WAIT}?taskId={task_id}&timeout=1 HTTP/1.1\nAuthorization: Bearer {alice.key}"
        connection = await served.begin(f"{head}\nContent-Length: 5", b"abcde")
        assert (await connection.answer()).status == 200
        await connection.leave()
