"""One task through every protocol: created in each, read in all of them, charged once.

Plain HTTP in this process; tests/clients does the same with the services' own clients.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.conftest import Person, World
from tests.receiver import LOOPBACK, Receiver, receiving
from tests.scripted import ScriptedProvider, done_video, record, tools_for

from kinetoscope.cli.sending import sender_parts
from kinetoscope.kernel.ids import TaskId
from kinetoscope.providers.contract import Failed, Kind
from kinetoscope.settings import Settings
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.webhooks.sender import Sender

pytestmark = pytest.mark.anyio

MODEL = "seedance2.0-mini"
INPUT = {"prompt": "a harbour at dusk", "duration": 4, "resolution": "480p", "aspect_ratio": "16:9"}
PRICE = 3000
"""Four seconds in 480p, in 1/100 credit."""

FAL = f"/fal/queue/kinetoscope/{MODEL}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a protocol shows of a task: its own word for the state, and the files' addresses."""

    state: str
    urls: list[str]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a protocol creates and reads, and its words: waiting, success, failure, cancelled."""

    create: Callable[[World, Person, str], Awaitable[str]]
    read: Callable[[World, Person, str], Awaitable[Seen]]
    waiting: str
    success: str
    failed: str
    cancelled: str
    told: Callable[[dict[str, Any]], tuple[str, object]]
    """The id and the state that a webhook's body tells."""
    cancel: Callable[[World, Person, str], Awaitable[object]] | None = None


async def ask(
    world: World,
    person: Person,
    method: str,
    path: str,
    **more: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Ask, and return the answer's JSON; anything but a success fails."""
    response = await world.client.request(method, path, headers=person.headers, **more)
    assert response.status_code < 300, (path, response.status_code, response.text)
    return response.json()


async def native_create(world: World, person: Person, callback: str) -> str:
    body = {"model": MODEL, "inputs": INPUT, "callBackUrl": callback}
    return str((await ask(world, person, "POST", "/api/v1/jobs/createTask", json=body))["taskId"])


async def native_read(world: World, person: Person, task_id: str) -> Seen:
    found = await record(world, person, task_id)
    error = (found["error"] or {}).get("message", "")
    return Seen(found["status"], [item["url"] for item in found["output"] or ()], error)


async def native_cancel(world: World, person: Person, task_id: str) -> object:
    return await ask(world, person, "POST", "/api/v1/jobs/cancelTask", json={"taskId": task_id})


async def openai_create(world: World, person: Person, callback: str) -> str:
    body = {
        "model": MODEL,
        "prompt": INPUT["prompt"],
        "seconds": "4",
        "size": "864x496",
        "callBackUrl": callback,
    }
    return str((await ask(world, person, "POST", "/openai/v1/videos", json=body))["id"])


async def openai_read(world: World, person: Person, task_id: str) -> Seen:
    """There are no addresses there, but bytes: the file is found by what is in it."""
    found = await ask(world, person, "GET", f"/v1/videos/{task_id}")
    if found["status"] != "completed":
        return Seen(found["status"], [], (found["error"] or {}).get("message", ""))
    path = f"/openai/v1/videos/{task_id}/content"
    content = (await world.client.get(path, headers=person.headers)).content
    (url,) = (await native_read(world, person, task_id)).urls
    assert (await world.client.get(url)).content == content
    return Seen(found["status"], [url])


async def replicate_create(world: World, person: Person, callback: str) -> str:
    path = f"/replicate/v1/models/kinetoscope/{MODEL}/predictions"
    body = {"input": INPUT, "webhook": callback, "webhook_events_filter": ["completed"]}
    return str((await ask(world, person, "POST", path, json=body))["id"])


async def replicate_read(world: World, person: Person, task_id: str) -> Seen:
    found = await ask(world, person, "GET", f"/replicate/v1/predictions/{task_id}")
    output = found["output"]
    return Seen(found["status"], [output] if output else [], found["error"] or "")


async def replicate_cancel(world: World, person: Person, task_id: str) -> object:
    return await ask(world, person, "POST", f"/replicate/v1/predictions/{task_id}/cancel")


async def fal_create(world: World, person: Person, callback: str) -> str:
    query = {"fal_webhook": callback}
    return str((await ask(world, person, "POST", FAL, params=query, json=INPUT))["request_id"])


async def fal_read(world: World, person: Person, task_id: str) -> Seen:
    found = await ask(world, person, "GET", f"{FAL}/requests/{task_id}/status")
    if found["status"] != "COMPLETED" or "error" in found:
        return Seen(found["status"], [], found.get("error", ""))
    result = await ask(world, person, "GET", f"{FAL}/requests/{task_id}")
    return Seen(found["status"], [result["video"]["url"]])


async def fal_cancel(world: World, person: Person, task_id: str) -> object:
    return await ask(world, person, "PUT", f"{FAL}/requests/{task_id}/cancel")


async def kie_create(world: World, person: Person, callback: str) -> str:
    body = {"model": "bytedance/seedance-2-mini", "input": INPUT, "callBackUrl": callback}
    told = await ask(world, person, "POST", "/kie/api/v1/jobs/createTask", json=body)
    return str(told["data"]["taskId"])


async def kie_read(world: World, person: Person, task_id: str) -> Seen:
    query = {"taskId": task_id}
    told = await ask(world, person, "GET", "/kie/api/v1/jobs/recordInfo", params=query)
    if told["code"] != 200:
        raise AssertionError(told)
    found = told["data"]
    urls = json.loads(found["resultJson"])["resultUrls"] if found["resultJson"] else []
    return Seen(found["state"], urls, found["failMsg"])


PROTOCOLS = {
    "native": Protocol(
        create=native_create,
        read=native_read,
        waiting="waiting",
        success="success",
        failed="fail",
        cancelled="fail",
        told=lambda body: (body["data"]["taskId"], body["data"]["status"]),
        cancel=native_cancel,
    ),
    "openai": Protocol(
        create=openai_create,
        read=openai_read,
        waiting="queued",
        success="completed",
        failed="failed",
        cancelled="failed",
        told=lambda body: (body["data"]["id"], body["type"].removeprefix("video.")),
    ),
    "replicate": Protocol(
        create=replicate_create,
        read=replicate_read,
        waiting="starting",
        success="succeeded",
        failed="failed",
        cancelled="canceled",
        told=lambda body: (body["id"], body["status"]),
        cancel=replicate_cancel,
    ),
    "fal": Protocol(
        create=fal_create,
        read=fal_read,
        waiting="IN_QUEUE",
        success="COMPLETED",
        failed="COMPLETED",
        cancelled="COMPLETED",
        told=lambda body: (
            body["request_id"],
            {"OK": "COMPLETED", "ERROR": "failed"}[body["status"]],
        ),
        cancel=fal_cancel,
    ),
    "kie": Protocol(
        create=kie_create,
        read=kie_read,
        waiting="waiting",
        success="success",
        failed="fail",
        cancelled="fail",
        told=lambda body: (body["data"]["taskId"], body["data"]["state"]),
    ),
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, allowed_networks=LOOPBACK.allowed_networks)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def seen_by_all(world: World, person: Person, task_id: str) -> dict[str, Seen]:
    return {name: await each.read(world, person, task_id) for name, each in PROTOCOLS.items()}


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_a_task_of_one_protocol_is_a_task_of_all(
    world: World, alice: Person, receiver: Receiver, name: str
):
    creator = PROTOCOLS[name]
    task_id = await creator.create(world, alice, receiver.url(f"/{name}"))
    assert task_id.startswith("task_")
    assert await world.balance(alice) == (100000 - PRICE, PRICE, 0, 1)
    waiting = await seen_by_all(world, alice, task_id)
    assert waiting == {name: Seen(each.waiting, []) for name, each in PROTOCOLS.items()}

    provider = ScriptedProvider(statuses=[done_video])
    await advance(tools_for(world, provider), TaskId(task_id))
    urls = (await native_read(world, alice, task_id)).urls
    ended = await seen_by_all(world, alice, task_id)
    assert ended == {name: Seen(each.success, urls) for name, each in PROTOCOLS.items()}

    listed = await ask(world, alice, "GET", "/api/v1/jobs/listTasks")
    assert [task["taskId"] for task in listed["tasks"]] == [task_id]
    videos = await ask(world, alice, "GET", "/openai/v1/videos")
    assert [video["id"] for video in videos["data"]] == [task_id]
    predictions = await ask(world, alice, "GET", "/replicate/v1/predictions")
    assert [prediction["id"] for prediction in predictions["results"]] == [task_id]

    assert await world.balance(alice) == (100000 - PRICE, 0, PRICE, 0)
    assert await world.count("task") == 1
    assert await audit(world.runtime.database) == []
    # The same was ordered, whatever the words.
    (job,) = provider.jobs
    order = job.order
    assert (order.model, order.duration_s, order.resolution) == (MODEL, 4, "480p")
    assert (order.prompt, order.size) == ("a harbour at dusk", order.sizes[0])

    await Sender(sender_parts(world.runtime, LOOPBACK)).drain()
    (received,) = receiver.received
    assert received.path == f"/{name}"
    assert creator.told(json.loads(received.body)) == (task_id, creator.success)


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_a_failure_is_told_by_all_and_charged_by_none(
    world: World, alice: Person, receiver: Receiver, name: str
):
    creator = PROTOCOLS[name]
    task_id = await creator.create(world, alice, receiver.url())
    failed = Failed(code="2038", message="It violates the rules.", kind=Kind.MODERATION)
    await advance(tools_for(world, ScriptedProvider(statuses=[failed])), TaskId(task_id))
    for other, seen in (await seen_by_all(world, alice, task_id)).items():
        assert (seen.state, seen.urls) == (PROTOCOLS[other].failed, []), other
        assert "It violates the rules." in seen.error, other
    assert await world.balance(alice) == (100000, 0, 0, 0)
    await Sender(sender_parts(world.runtime, LOOPBACK)).drain()
    (received,) = receiver.received
    told_id, state = creator.told(json.loads(received.body))
    assert (told_id, state) == (task_id, "failed" if name == "fal" else creator.failed)


@pytest.mark.parametrize("name", [name for name, each in PROTOCOLS.items() if each.cancel])
async def test_a_task_of_any_protocol_is_cancelled_by_any_that_can(
    world: World, alice: Person, receiver: Receiver, name: str
):
    canceller = PROTOCOLS[name].cancel
    assert canceller is not None
    for creator in PROTOCOLS.values():
        task_id = await creator.create(world, alice, receiver.url())
        await canceller(world, alice, task_id)
        for other, seen in (await seen_by_all(world, alice, task_id)).items():
            assert seen.state == PROTOCOLS[other].cancelled, (other, seen)
    assert await world.balance(alice) == (100000, 0, 0, 0)
    assert await audit(world.runtime.database) == []


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_nobody_else_sees_it_in_any_protocol(
    world: World, alice: Person, receiver: Receiver, name: str
):
    mallory = await world.person("mallory")
    task_id = await PROTOCOLS[name].create(world, alice, receiver.url())
    for other in PROTOCOLS.values():
        with pytest.raises(AssertionError):
            await other.read(world, mallory, task_id)
    for path in ("/api/v1/jobs/listTasks", "/openai/v1/videos", "/replicate/v1/predictions"):
        response = await world.client.get(path, headers=mallory.headers)
        assert response.status_code == 200
        assert task_id not in response.text
