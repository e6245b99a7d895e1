"""cancelTask: what nobody has begun ends at once, the rest as soon as its worker hears of it."""

import asyncio

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    VIDEO,
    Killed,
    ScriptedProvider,
    create,
    done_video,
    record,
    tools_for,
)

from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.providers.contract import Job, Status, Working
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio

PATH = "/api/v1/jobs/cancelTask"

CANCELLED = {"code": "cancelled", "message": "The task was cancelled."}


async def cancel(world: World, person: Person, task_id: str) -> dict[str, object]:
    response = await world.client.post(PATH, json={"taskId": task_id}, headers=person.headers)
    assert response.status_code == 200, response.text
    answer: dict[str, object] = response.json()
    assert answer.pop("taskId") == task_id
    return answer


ENDED_NOW = {"status": "fail", "cancelled": True, "cancelRequested": False}


async def test_a_task_that_nobody_has_begun_ends_at_once_and_costs_nothing(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    assert await cancel(world, alice, task_id) == ENDED_NOW
    found = await record(world, alice, task_id)
    assert (found["status"], found["error"]) == ("fail", CANCELLED)
    assert found["completeTime"] is not None
    assert await world.balance(alice) == (100000, 0, 0, 0)
    provider = ScriptedProvider(submits=[])
    await advance(tools_for(world, provider), task_id)  # its job is still in the queue
    assert provider.submitted == []
    again = {"status": "fail", "cancelled": False, "cancelRequested": False}
    assert await cancel(world, alice, task_id) == again
    assert await audit(world.runtime.database) == []


async def test_a_task_at_its_provider_is_stopped_there_and_costs_nothing(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    provider = ScriptedProvider(statuses=[Working(progress=0.1)] * 3)
    tools = tools_for(world, provider)
    asked = provider.status

    async def status(upstream_id: str, job: Job) -> Status:
        if len(provider.asked) == 1:
            wanted = {"status": "generating", "cancelled": False, "cancelRequested": True}
            assert await cancel(world, alice, task_id) == wanted
            await tools.cancellations.refresh()
        return await asked(upstream_id, job)

    provider.status = status  # type: ignore[method-assign]
    await advance(tools, task_id)
    assert provider.cancelled == ["upstream-1"]
    assert len(provider.asked) == 2
    found = await record(world, alice, task_id)
    assert (found["status"], found["error"]) == ("fail", CANCELLED)
    assert await world.balance(alice) == (100000, 0, 0, 0)
    assert await audit(world.runtime.database) == []


async def test_who_is_done_first_is_paid(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    provider = ScriptedProvider(statuses=[done_video])
    tools = tools_for(world, provider)
    asked = provider.status

    async def status(upstream_id: str, job: Job) -> Status:
        await cancel(world, alice, task_id)
        await tools.cancellations.refresh()
        return await asked(upstream_id, job)

    provider.status = status  # type: ignore[method-assign]
    await advance(tools, task_id)
    assert (await record(world, alice, task_id))["status"] == "success"
    assert await world.balance(alice) == (80000, 0, 20000, 0)
    late = {"status": "success", "cancelled": False, "cancelRequested": False}
    assert await cancel(world, alice, task_id) == late
    assert await audit(world.runtime.database) == []


async def test_a_worker_killed_after_the_request_is_followed_by_one_that_knows(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    first = ScriptedProvider(statuses=[Killed()])
    with pytest.raises(Killed):
        await advance(tools_for(world, first), task_id)
    await cancel(world, alice, task_id)
    second = ScriptedProvider(submits=[], statuses=[Working(progress=0.5)])
    await advance(tools_for(world, second), task_id)
    assert second.cancelled == ["upstream-1"]
    assert (await record(world, alice, task_id))["error"] == CANCELLED
    assert await audit(world.runtime.database) == []


async def test_cancels_and_a_worker_at_once_make_one_end(world: World):
    alice = await world.person("alice", "10000")
    tasks = [await create(world, alice, VIDEO) for _ in range(20)]

    async def work(task_id: TaskId) -> None:
        await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), task_id)

    await asyncio.gather(
        *(work(task_id) for task_id in tasks),
        *(cancel(world, alice, task_id) for task_id in tasks for _ in range(2)),
    )
    ended = [(await record(world, alice, task_id))["status"] for task_id in tasks]
    assert set(ended) <= {"success", "fail"}
    paid = ended.count("success") * 20000
    assert await world.balance(alice) == (1000000 - paid, 0, paid, 0)
    assert await audit(world.runtime.database) == []


async def test_a_cancelled_tasks_owner_is_told_by_webhook(world: World):
    alice = await world.person("alice")
    body = {**VIDEO, "callBackUrl": "https://hooks.example/done"}
    task_id = await create(world, alice, body)
    await cancel(world, alice, task_id)
    assert await world.count("webhook_delivery") == 1


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "Invalid request parameters"),
        ({"taskId": 5}, 400, "Invalid request parameters"),
        ({"taskId": "nonsense"}, 400, "Invalid taskId"),
        ({"taskId": "task_" + "0" * 24}, 404, "Task not found"),
    ],
)
async def test_what_names_no_task_is_refused(world: World, body: object, status: int, message: str):
    alice = await world.person("alice")
    response = await world.client.post(PATH, json=body, headers=alice.headers)
    assert (response.status_code, response.json()["message"]) == (status, message)


async def test_nobody_cancels_anothers_task(world: World):
    alice, bob = await world.person("alice"), await world.person("bob")
    task_id = await create(world, alice, VIDEO)
    response = await world.client.post(PATH, json={"taskId": task_id}, headers=bob.headers)
    assert (response.status_code, response.json()) == (403, {"message": "Access denied"})
    assert (await record(world, alice, task_id))["status"] == "waiting"


async def test_a_test_task_is_cancelled_for_nothing(world: World):
    tester = await world.person("tester", "0", mode=KeyMode.TEST)
    task_id = await create(world, tester, VIDEO)
    assert await cancel(world, tester, task_id) == ENDED_NOW
    assert await audit(world.runtime.database) == []
