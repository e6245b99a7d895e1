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

from kinetoscope.accounts import opening
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.tasks import conditions, request
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.request import Created, Request

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
    assert answer["cached"] is False
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
    assert not (await cached(world, bob))["cached"]


async def test_test_keys_and_live_keys_do_not_share(world: World):
    await made(world, await world.person("alice", mode=KeyMode.TEST))
    live = await world.person("alice")
    assert not (await cached(world, live))["cached"]


async def test_media_that_expired_is_made_again(world: World):
    alice = await world.person("alice")
    await made(world, alice)
    world.clock.move(timedelta(days=14) - timedelta(seconds=1))
    assert (await cached(world, alice)).get("cached") is True
    world.clock.move(timedelta(seconds=1))
    assert not (await cached(world, alice))["cached"]


async def test_a_task_that_failed_or_runs_is_not_reused(world: World):
    alice = await world.person("alice")
    await create(world, alice, ORDER)
    assert not (await cached(world, alice))["cached"]


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
    first, again = [
        (await world.client.post(PATH_CREATE, json=body, headers=headers)) for _ in range(2)
    ]
    assert first.json() == {"taskId": first.json()["taskId"], "cached": True}
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert await world.count("task") == 2


async def test_an_idempotent_request_that_found_nothing_replays_that_too(world: World):
    alice = await world.person("alice")
    headers = {**alice.headers, "Idempotency-Key": "once"}
    body = {**ORDER, "useCache": True}
    first = await world.client.post(PATH_CREATE, json=body, headers=headers)
    assert first.json() == {"taskId": first.json()["taskId"], "cached": False}
    task_id = TaskId(first.json()["taskId"])
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    again = await world.client.post(PATH_CREATE, json=body, headers=headers)
    assert again.content == first.content


async def test_a_repeated_commit_says_again_that_it_shows_earlier_media(world: World):
    """As the pool does, when the answer to a commit was lost."""
    alice = await world.person("alice")
    await made(world, alice)
    runtime = world.runtime
    key = opening.present(alice.headers["Authorization"])
    caller = await opening.authenticate(runtime.database, key, world.clock())
    inputs = ORDER["inputs"]
    asked = Request(model=MODEL, inputs=inputs, auto_fix=False, callback_url=None, reuse=True)
    planned = request.plan(runtime.catalog, runtime.routes, KeyMode.LIVE, asked)
    attempt = request.attempt(key, planned, asked, world.clock())
    parameters = request.parameters(attempt)
    answers = [
        await conditions.create(runtime.database, caller, attempt, parameters) for _ in range(2)
    ]
    assert answers == [Created(attempt.task_id, reused=True)] * 2
    assert await world.count("task") == 2


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (SEEDLESS, "Without a seed in the inputs no two tasks are equal"),
        (
            {"model": "gpt-image-2", "inputs": {"prompt": "a sunset", "seed": 7}},
            "The model gpt-image-2 takes no seed, so no two of its tasks are equal",
        ),
    ],
)
async def test_what_can_never_be_cached_says_why_here_and_in_the_estimate(
    world: World, order: dict[str, Any], why: str
):
    alice = await world.person("alice")
    headers = {**alice.headers, "Idempotency-Key": "once"}
    body = {**order, "useCache": True}
    first = await world.client.post(PATH_CREATE, json=body, headers=headers)
    expected = {"taskId": first.json()["taskId"], "cached": False, "uncacheable": why}
    assert (first.status_code, first.json()) == (200, expected)
    again = await world.client.post(PATH_CREATE, json=body, headers=headers)
    assert again.content == first.content
    estimated = await world.client.post(
        "/api/v1/jobs/estimateTask", json=body, headers=alice.headers
    )
    assert (estimated.json()["cached"], estimated.json()["uncacheable"]) == (False, why)
    unasked = await world.client.post(PATH_CREATE, json=order, headers=alice.headers)
    assert set(unasked.json()) == {"taskId"}


async def test_a_rehearsal_is_never_answered_from_the_cache_and_says_so(world: World):
    tester = await world.person("tester", mode=KeyMode.TEST)
    headers = {**tester.headers, "X-Test-Outcome": "slow"}
    response = await world.client.post(
        PATH_CREATE, json={**ORDER, "useCache": True}, headers=headers
    )
    assert response.json()["uncacheable"] == "A rehearsal is always played"


async def test_reused_media_is_told_by_webhook_like_any_success(world: World):
    alice = await world.person("alice")
    await made(world, alice)
    assert await world.count("webhook_delivery") == 0
    await cached(world, alice, {**ORDER, "callBackUrl": "https://hook.example/"})
    assert await world.count("webhook_delivery") == 1
