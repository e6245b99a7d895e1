"""waitTask and taskEvents: news as it happens, state always read anew, nothing held for long."""

import asyncio
from datetime import timedelta
from typing import Any

import orjson
import psycopg
import pytest
from tests.conftest import Person, World
from tests.scripted import (
    PICTURE,
    VIDEO,
    ScriptedProvider,
    create,
    done_video,
    record,
    tools_for,
)

from kinetoscope.api import watch as watch_door
from kinetoscope.providers.contract import Working
from kinetoscope.tasks import watch
from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio

WAIT = "/api/v1/jobs/waitTask"
EVENTS = "/api/v1/jobs/taskEvents"


def parse(stream: str) -> list[tuple[str, dict[str, Any]]]:
    """Read Server-Sent Events: each one's name and data, in order, numbered from 1."""
    found = []
    for number, block in enumerate((b for b in stream.split("\n\n") if b.startswith("id")), 1):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        assert fields["id"] == str(number)
        found.append((fields["event"], orjson.loads(fields["data"])))
    return found


async def until_watched(world: World, task_id: str, watchers: int = 1) -> None:
    async with asyncio.timeout(20):
        while len(world.runtime.watch.listener.waiting.get(task_id, ())) < watchers:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def wait(world: World, person: Person, task_id: str, timeout_s: int) -> dict[str, Any]:
    response = await world.client.get(
        WAIT, params={"taskId": task_id, "timeout": timeout_s}, headers=person.headers
    )
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_waiting_is_answered_when_the_task_ends_and_by_the_news_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch, "POLL_DELAY_S", 3600)
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    waiting = asyncio.create_task(wait(world, alice, task_id, 60))
    await until_watched(world, task_id)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), task_id)
    async with asyncio.timeout(20):
        found = await waiting
    assert found == await record(world, alice, task_id)
    assert found["status"] == "success"
    assert world.runtime.watch.listener.waiting == {}
    assert world.runtime.watch.watchers == {}


async def test_who_waits_when_the_server_ends_is_answered_as_things_stand(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch, "POLL_DELAY_S", 3600)
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    waiting = asyncio.create_task(wait(world, alice, task_id, 60))
    query = {"taskId": task_id}
    following = asyncio.create_task(world.client.get(EVENTS, params=query, headers=alice.headers))
    await until_watched(world, task_id, 2)
    world.runtime.watch.close()
    async with asyncio.timeout(20):
        found, stream = await waiting, await following
    assert found["status"] == "waiting"
    assert [name for name, _ in parse(stream.text)][-1] == "timeout"
    assert (await wait(world, alice, task_id, 60))["status"] == "waiting"
    assert world.runtime.watch.watchers == {}


async def test_news_that_is_lost_delays_the_answer_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch, "POLL_DELAY_S", 0.05)
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    waiting = asyncio.create_task(wait(world, alice, task_id, 60))
    await until_watched(world, task_id)
    world.runtime.watch.listener.waiting[task_id] = {asyncio.Event()}  # not the one it waits for
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), task_id)
    async with asyncio.timeout(20):
        assert (await waiting)["status"] == "success"


async def test_when_the_time_is_over_the_present_state_is_the_answer(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    assert (await wait(world, alice, task_id, 0))["status"] == "waiting"
    assert (await wait(world, alice, task_id, 1))["status"] == "waiting"


async def test_waiting_for_what_has_ended_takes_no_time(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), task_id)
    async with asyncio.timeout(20):
        assert (await wait(world, alice, task_id, 60))["status"] == "success"


@pytest.mark.parametrize("path", [WAIT, EVENTS])
async def test_what_cannot_be_watched_is_refused_with_a_status(world: World, path: str):
    alice, bob = await world.person("alice"), await world.person("bob")
    task_id = await create(world, alice, VIDEO)
    for query, status, message in (
        ({}, 400, "Missing taskId parameter"),
        ({"taskId": "nonsense"}, 400, "Invalid taskId"),
        ({"taskId": "task_" + "0" * 24}, 404, "Task not found"),
        ({"taskId": task_id}, 403, "Access denied"),
    ):
        response = await world.client.get(path, params=query, headers=bob.headers)
        assert (response.status_code, response.json()) == (status, {"message": message})


@pytest.mark.parametrize("timeout_s", ["-1", "61", "x", "1.5"])
async def test_a_timeout_out_of_range_is_refused(world: World, timeout_s: str):
    alice = await world.person("alice")
    query = {"taskId": await create(world, alice, VIDEO), "timeout": timeout_s}
    response = await world.client.get(WAIT, params=query, headers=alice.headers)
    assert response.status_code == 400
    assert response.json()["errors"][0]["path"] == ["timeout"]


async def test_events_tell_the_whole_story_and_end_with_the_record(world: World):
    alice = await world.person("alice")
    await create(world, alice, PICTURE)
    task_id = await create(world, alice, VIDEO)
    query = {"taskId": task_id}
    following = asyncio.create_task(world.client.get(EVENTS, params=query, headers=alice.headers))
    await until_watched(world, task_id)
    provider = ScriptedProvider(
        statuses=[Working(progress=0.25), Working(progress=0.75), done_video]
    )
    await advance(tools_for(world, provider), task_id)
    async with asyncio.timeout(20):
        response = await following
    assert response.headers["content-type"].startswith("text/event-stream")
    told = parse(response.text)
    assert told[0] == ("state", {"status": "waiting"})
    assert told[1][0] == "queue"
    assert ("state", {"status": "success"}) in told
    assert told[-1] == ("end", await record(world, alice, task_id))
    percents = [data["percent"] for name, data in told if name == "progress"]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert world.runtime.watch.watchers == {}


async def test_a_stream_whose_time_is_over_says_that_the_task_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch_door, "EVENTS_TIMEOUT_S", 0.05)
    monkeypatch.setattr(watch, "POLL_DELAY_S", 0.05)
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    response = await world.client.get(EVENTS, params={"taskId": task_id}, headers=alice.headers)
    told = parse(response.text)
    assert [name for name, _ in told] == ["state", "queue", "timeout"]
    assert told[-1][1] == {"message": watch_door.TIMED_OUT}
    assert world.runtime.watch.watchers == {}
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), task_id)
    response = await world.client.get(EVENTS, params={"taskId": task_id}, headers=alice.headers)
    assert [name for name, _ in parse(response.text)] == ["state", "progress", "end"]


async def test_connecting_again_tells_the_present_state(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), task_id)
    headers = {**alice.headers, "Last-Event-ID": "17"}
    response = await world.client.get(EVENTS, params={"taskId": task_id}, headers=headers)
    assert [name for name, _ in parse(response.text)] == ["state", "progress", "end"]


async def test_the_position_counts_who_waits_in_front(world: World):
    alice = await world.person("alice", "10000")
    for _ in range(3):
        await create(world, alice, PICTURE)
        world.clock.move(timedelta(seconds=1))
    task_id = await create(world, alice, PICTURE)
    seen = watch.changes(world.runtime.watch, alice.account_id, task_id, 60)
    assert (await anext(seen)).position == 3
    await seen.aclose()  # type: ignore[attr-defined]
    assert world.runtime.watch.watchers == {}
    assert world.runtime.watch.listener.waiting == {}


async def test_waiting_requests_are_bounded_for_an_account_and_hold_no_connection(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch, "WATCHERS_PER_ACCOUNT_MAX", 40)
    alice, bob = await world.person("alice"), await world.person("bob")
    task_id = await create(world, alice, VIDEO)
    waiting = [asyncio.create_task(wait(world, alice, task_id, 60)) for _ in range(40)]
    await until_watched(world, task_id, 40)
    query = {"taskId": task_id}
    refused = await world.client.get(WAIT, params=query, headers=alice.headers)
    assert refused.status_code == 429
    streamed = await world.client.get(EVENTS, params=query, headers=alice.headers)
    assert streamed.status_code == 429
    bobs = await create(world, bob, VIDEO)  # 40 waiting requests leave the pool of 16 free
    assert (await wait(world, bob, bobs, 0))["status"] == "waiting"
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), task_id)
    async with asyncio.timeout(20):
        ended = await asyncio.gather(*waiting)
    assert {found["status"] for found in ended} == {"success"}


async def test_the_listener_survives_the_loss_of_its_connection(
    world: World, conninfo: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch, "POLL_DELAY_S", 3600)
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    waiting = asyncio.create_task(wait(world, alice, task_id, 60))
    await until_watched(world, task_id)
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as admin:
        cut = await admin.execute(
            """
            select count(pg_terminate_backend(pid)) from pg_stat_activity
            where datname = current_database() and query ilike 'listen kinetoscope%'
            """
        )
        assert await cut.fetchone() == (1,)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), task_id)
    async with asyncio.timeout(20):
        assert (await waiting)["status"] == "success"
