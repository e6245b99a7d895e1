"""Idempotency-Key: the same request twice makes one task, and costs once."""

import asyncio
from collections import Counter
from datetime import timedelta

import psycopg
import pytest
from tests.conftest import Person, World
from tests.scripted import (
    PATH_CREATE,
    PICTURE,
    VIDEO,
    ScriptedProvider,
    done_pictures,
    tools_for,
)

from kinetoscope.accounts import retention
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.tasks import idempotency
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.reap import reap
from kinetoscope.wiring import reaper_of

pytestmark = pytest.mark.anyio

BUSY = {"message": "A request with this Idempotency-Key is still running"}
GONE = {
    "message": "The task that this Idempotency-Key made is gone. "
    "Send another key to make a new one."
}
MISMATCH = {"message": "This Idempotency-Key was used with a different request"}


async def post(world: World, person: Person, order: object, name: str = "order-1"):
    headers = {**person.headers, "Idempotency-Key": name}
    return await world.client.post(PATH_CREATE, json=order, headers=headers)


async def test_the_same_request_again_is_answered_with_the_same_task_and_says_so(world: World):
    alice = await world.person("alice")
    first = await post(world, alice, VIDEO)
    assert first.status_code == 200
    assert "idempotent-replayed" not in first.headers
    again = await post(world, alice, VIDEO)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert await world.count("task") == 1
    assert await world.balance(alice) == (80000, 20000, 0, 1)
    assert await audit(world.runtime.database) == []


async def test_how_the_json_is_written_makes_no_difference(world: World):
    alice = await world.person("alice")
    headers = {**alice.headers, "Idempotency-Key": "a", "Content-Type": "application/json"}
    answers = [
        await world.client.post(PATH_CREATE, content=text, headers=headers)
        for text in (
            b'{"model":"gpt-image-2","inputs":{"prompt":"sea","quality":"low"}}',
            b'{ "inputs": {"quality": "low", "prompt": "\\u0073ea"}, "model": "gpt-image-2" }',
        )
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotent-replayed"] == "true"


async def test_another_body_under_the_same_key_is_refused_with_422(world: World):
    alice = await world.person("alice")
    await post(world, alice, PICTURE)
    other = await post(world, alice, {**PICTURE, "inputs": {"prompt": "a sunrise"}})
    assert (other.status_code, other.json()) == (422, MISMATCH)
    assert await world.count("task") == 1


async def test_two_hundred_parallel_equal_requests_make_one_task(world: World):
    alice = await world.person("alice")
    answers = await asyncio.gather(*(post(world, alice, PICTURE) for _ in range(200)))
    assert Counter(answer.status_code for answer in answers) == {200: 200}
    assert len({answer.json()["taskId"] for answer in answers}) == 1
    replayed = [answer for answer in answers if "idempotent-replayed" in answer.headers]
    assert len(replayed) == 199
    assert await world.count("task") == 1
    assert await world.balance(alice) == (100000 - 217, 217, 0, 1)
    assert await audit(world.runtime.database) == []


async def test_while_an_equal_request_runs_the_answer_is_409(
    world: World, conninfo: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(idempotency, "BUSY_TIMEOUT_S", 0.2)
    alice = await world.person("alice")
    lock = "select pg_advisory_lock(hashtextextended(%s, 0))"
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as running:
        await running.execute(lock, (f"{alice.account_id} live:order-1",))
        busy = await post(world, alice, PICTURE)
        assert (busy.status_code, busy.json()) == (409, BUSY)
        assert (await post(world, alice, PICTURE, "order-2")).status_code == 200
    assert (await post(world, alice, PICTURE)).status_code == 200
    assert await world.count("task") == 2


async def test_a_refusal_is_not_remembered(world: World):
    poor = await world.person("poor", "1")
    refused = await post(world, poor, PICTURE)
    assert refused.status_code == 402
    invalid = await post(world, poor, {"model": "gpt-image-2", "inputs": {}})
    assert invalid.status_code == 400
    assert await world.count("idempotency_key") == 0
    await world.person("poor", "10")
    made = await post(world, poor, PICTURE)
    assert made.status_code == 200
    assert "idempotent-replayed" not in made.headers


async def test_a_key_is_forgotten_after_24_hours_to_the_second(world: World):
    alice = await world.person("alice")
    first = (await post(world, alice, PICTURE)).json()
    world.clock.move(timedelta(hours=24) - timedelta(seconds=1))
    assert (await post(world, alice, PICTURE)).json() == first
    world.clock.move(timedelta(seconds=1))
    fresh = await post(world, alice, VIDEO)
    assert fresh.status_code == 200
    assert fresh.json() != first
    assert (await post(world, alice, VIDEO)).json() == fresh.json()


async def ended(world: World, person: Person) -> str:
    task_id: str = (await post(world, person, PICTURE)).json()["taskId"]
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), TaskId(task_id))
    return task_id


async def test_a_replay_after_its_task_was_deleted_is_told_so_and_pays_for_no_other(world: World):
    alice = await world.person("alice")
    task_id = await ended(world, alice)
    body = {"taskId": task_id}
    deleted = await world.client.post("/api/v1/jobs/deleteTask", json=body, headers=alice.headers)
    assert deleted.status_code == 200
    before = await world.balance(alice)
    again = await post(world, alice, PICTURE)
    assert (again.status_code, again.json()) == (410, GONE)
    assert "idempotent-replayed" not in again.headers
    assert (await post(world, alice, VIDEO)).status_code == 422
    assert await world.balance(alice) == before
    assert await world.count("task") == 1
    assert (await post(world, alice, PICTURE, "order-2")).status_code == 200
    world.clock.move(timedelta(hours=24))
    assert (await post(world, alice, PICTURE)).status_code == 200


async def test_a_replay_of_a_task_that_is_known_no_more_is_told_so(world: World):
    """An account may have its tasks forgotten within hours."""
    alice = await world.person("alice")
    hour = timedelta(hours=1)
    await retention.set_lifetimes(
        world.runtime.database, "alice", media=hour, task=hour, upload=None
    )
    task_id = (await post(world, alice, PICTURE)).json()["taskId"]
    cancelling = {"taskId": task_id}
    await world.client.post("/api/v1/jobs/cancelTask", json=cancelling, headers=alice.headers)
    world.clock.move(hour)
    again = await post(world, alice, PICTURE)
    assert (again.status_code, again.json()) == (410, GONE)
    await reap(reaper_of(world.runtime))
    again = await post(world, alice, PICTURE)
    assert (again.status_code, again.json()) == (410, GONE)
    assert await world.count("task") == 0


async def test_accounts_and_modes_do_not_share_keys(world: World):
    alice = await world.person("alice")
    bob = await world.person("bob")
    test_key = await world.person("alice", "0", mode=KeyMode.TEST)
    made = [(await post(world, person, PICTURE)).json() for person in (alice, bob, test_key)]
    assert len({answer["taskId"] for answer in made}) == 3


@pytest.mark.parametrize("name", ["", " ", "a" * 256, "ümlaut", "tab\tin it", "\x7f"])
async def test_a_key_that_is_none_is_refused(world: World, name: str):
    alice = await world.person("alice")
    headers = [*alice.headers.items(), ("Idempotency-Key", name)]
    encoded = [(key.encode(), value.encode()) for key, value in headers]
    refused = await world.client.post(PATH_CREATE, json=PICTURE, headers=encoded)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["path"] == ["Idempotency-Key"]
    assert await world.count("task") == 0
