"""`useCache`: an equal task with a seed shows the media there is, for nothing."""

from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    PATH_CREATE,
    ScriptedProvider,
    create,
    done_pictures,
    record,
    tools_for,
)

from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio

MODEL = "midjourney-v8"
ORDER = {"model": MODEL, "inputs": {"prompt": "a sunset", "seed": 7}}
SEEDLESS = {"model": MODEL, "inputs": {"prompt": "a sunset"}}


async def made(world: World, person: Person, order: object = ORDER) -> TaskId:
    task_id = await create(world, person, order)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    return task_id


async def cached(world: World, person: Person, order: dict[str, Any] = ORDER) -> dict[str, Any]:
    body = {**order, "useCache": True}
    response = await world.client.post(PATH_CREATE, json=body, headers=person.headers)
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    return answer


async def test_an_equal_task_shows_the_stored_media_at_once_and_for_nothing(world: World):
    alice = await world.person("alice")
    source = await made(world, alice)
    before = await world.balance(alice)
    answer = await cached(world, alice)
    assert answer == {"taskId": answer["taskId"], "cached": True}
    found = await record(world, alice, answer["taskId"])
    original = await record(world, alice, source)
    assert (found["status"], found["creditsUsed"], found["progress"]) == ("success", 0, 100)
    assert found["output"] == original["output"]
    assert found["expiresAt"] == original["expiresAt"]
    assert answer["taskId"] != source
    assert await world.balance(alice) == before
    assert await audit(world.runtime.database) == []


async def test_without_being_asked_for_nothing_is_reused(world: World):
    alice = await world.person("alice")
    await made(world, alice)
    again = await create(world, alice, ORDER)
    assert (await record(world, alice, again))["status"] == "waiting"


@pytest.mark.parametrize(
    "other",
    [
        {"model": MODEL, "inputs": {"prompt": "a sunrise", "seed": 7}},
        {"model": MODEL, "inputs": {"prompt": "a sunset", "seed": 8}},
        {"model": "midjourney-v7-niji", "inputs": {"prompt": "a sunset", "seed": 7}},
        {"model": MODEL, "inputs": {"prompt": "a sunset", "seed": 7, "chaos": 5}},
        SEEDLESS,
    ],
)
async def test_another_order_is_made_and_paid_for(world: World, other: dict[str, Any]):
    alice = await world.person("alice")
    await made(world, alice)
    answer = await cached(world, alice, other)
    assert "cached" not in answer
    assert (await record(world, alice, answer["taskId"]))["status"] == "waiting"
    assert (await world.balance(alice))[3] == 1


async def test_defaults_written_out_are_the_same_order(world: World):
    alice = await world.person("alice")
    await made(world, alice)
    spelled = {"model": MODEL, "inputs": {"prompt": "a sunset", "seed": 7, "aspectRatio": "1:1"}}
    assert (await cached(world, alice, spelled)).get("cached") is True


async def test_nobody_is_shown_another_accounts_media(world: World):
    await made(world, await world.person("alice"))
    bob = await world.person("bob")
    assert "cached" not in await cached(world, bob)


async def test_test_keys_and_live_keys_do_not_share(world: World):
    await made(world, await world.person("alice", mode=KeyMode.TEST))
    live = await world.person("alice")
    assert "cached" not in await cached(world, live)


async def test_media_that_expired_is_made_again(world: World):
    alice = await world.person("alice")
    await made(world, alice)
    world.clock.move(timedelta(days=14) - timedelta(seconds=1))
    assert (await cached(world, alice)).get("cached") is True
    world.clock.move(timedelta(seconds=1))
    assert "cached" not in await cached(world, alice)


async def test_a_task_that_failed_or_runs_is_not_reused(world: World):
    alice = await world.person("alice")
    await create(world, alice, ORDER)
    assert "cached" not in await cached(world, alice)


async def test_reuse_works_with_no_credits_left_and_at_the_cap(world: World):
    alice = await world.person("alice", "12")
    await made(world, alice)
    assert (await world.balance(alice))[0] == 0
    assert (await cached(world, alice)).get("cached") is True


async def test_an_idempotent_request_for_cached_media_replays(world: World):
    alice = await world.person("alice")
    await made(world, alice)
    headers = {**alice.headers, "Idempotency-Key": "once"}
    body = {**ORDER, "useCache": True}
    answers = [
        (await world.client.post(PATH_CREATE, json=body, headers=headers)).json()["taskId"]
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert await world.count("task") == 2


async def test_reused_media_is_told_by_webhook_like_any_success(world: World):
    alice = await world.person("alice")
    await made(world, alice)
    assert await world.count("webhook_delivery") == 0
    await cached(world, alice, {**ORDER, "callBackUrl": "https://hook.example/"})
    assert await world.count("webhook_delivery") == 1
