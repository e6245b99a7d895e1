"""fal's queue over HTTP: submit, state, result, stream and cancel, of anybody's own tasks."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from fal_client.client import _BaseRequestHandle
from starlette.types import Message
from tests.conftest import Person, World
from tests.scripted import (
    FOUR,
    PICTURE,
    VIDEO,
    ScriptedProvider,
    create,
    done_pictures,
    done_video,
    record,
    tools_for,
)

from kinetoscope.dialects.fal import polls, streams
from kinetoscope.dialects.fal.streams import status_events
from kinetoscope.kernel.errors import DatabaseUnavailable
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.postgres.pool import Database
from kinetoscope.providers.contract import CancelOutcome, Failed, Polling, Status, Working
from kinetoscope.tasks import watch
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.deadlines import end_overdue
from kinetoscope.tasks.read import Record
from kinetoscope.wiring import lifetimes_of

pytestmark = pytest.mark.anyio

CLIP = "/fal/queue/fal-ai/bytedance/seedance-2.0/text-to-video"
ANY = "/fal/queue/any/model/requests/"
"""Behaviour 13: which model a request is said to be for means nothing."""


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def submit(
    world: World, person: Person, path: str = CLIP, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    response = await world.client.post(
        path, json={"prompt": "a sunset"}, headers={**person.headers, **(headers or {})}
    )
    assert response.status_code == 200, response.text
    submitted: dict[str, Any] = response.json()
    assert response.headers["x-fal-request-id"] == submitted["request_id"]
    return submitted


async def asked(
    world: World, person: Person, path: str, status: int, **query: str
) -> dict[str, Any]:
    """GET below the queue; behaviour 13: every answer tells its request in a header."""
    response = await world.client.get(path, params=query, headers=person.headers)
    assert response.status_code == status, response.text
    assert response.headers["x-fal-request-id"]
    found: dict[str, Any] = response.json()
    return found


async def ended(world: World, task_id: str, end: Status | None = None) -> None:
    provider = ScriptedProvider(statuses=[end or done_video])
    await advance(tools_for(world, provider), TaskId(task_id))


def parsed(told: dict[str, Any]) -> object:
    """Read a state as fal's client does, which takes some of its keys for granted."""
    handle = _BaseRequestHandle(request_id="", response_url="", status_url="", cancel_url="")
    return handle._parse_status(told)


async def test_a_request_goes_from_the_queue_to_its_result_and_is_charged_once(
    world: World, alice: Person
):
    """Behaviours 11 and 13."""
    first = await create(world, alice, VIDEO)
    world.clock.move(timedelta(seconds=1))
    submitted = await submit(world, alice)
    task_id = submitted["request_id"]
    base = f"http://kinetoscope.test/fal/queue/fal-ai/bytedance/requests/{task_id}"
    assert submitted == {
        "status": "IN_QUEUE",
        "request_id": task_id,
        "gateway_request_id": task_id,
        "response_url": base,
        "status_url": f"{base}/status",
        "cancel_url": f"{base}/cancel",
        "queue_position": 1,
    }
    told = await asked(world, alice, f"{ANY}{task_id}/status", 202)
    assert (told["status"], told["queue_position"], told["logs"]) == ("IN_QUEUE", 1, [])
    parsed(told)
    assert (await asked(world, alice, ANY + task_id, 400))["detail"].endswith("still in progress")

    at_work: list[dict[str, Any]] = []

    async def meanwhile() -> None:
        at_work.append(await asked(world, alice, f"{ANY}{task_id}/status", 202, logs="1"))

    provider = ScriptedProvider(
        statuses=[Working(progress=0.4), done_video], polling=Polling(delay_s=1, delay_s_max=1)
    )
    await advance(tools_for(world, provider, meanwhile=meanwhile), TaskId(task_id))
    assert at_work[-1]["status"] == "IN_PROGRESS"
    messages = [line["message"] for line in at_work[-1]["logs"]]
    assert messages == ["Started", "Progress: 40%"]
    parsed(at_work[-1])

    told = await asked(world, alice, f"{ANY}{task_id}/status", 200, logs="true")
    assert (told["status"], "error" in told) == ("COMPLETED", False)
    assert told["metrics"]["inference_time"] > 0
    assert [line["message"] for line in told["logs"]] == ["Started", "Finished"]
    parsed(told)
    native = (await record(world, alice, task_id))["output"][0]
    result = await asked(world, alice, ANY + task_id, 200)
    assert result == await asked(world, alice, f"{ANY}{task_id}/response", 200)
    assert result["video"] == {
        "url": native["url"],
        "content_type": "video/mp4",
        "file_name": result["video"]["file_name"],
        "file_size": result["video"]["file_size"],
        "width": 64,
        "height": 48,
        "duration": 0.5,
        "last_frame_url": native["lastFrameImage"],
    }
    assert (result["seed"], result["prompt"]) == (native["seed"], "a sunset")
    media = await world.client.get(result["video"]["url"])
    assert len(media.content) == result["video"]["file_size"]
    await ended(world, first)
    assert await audit(world.runtime.database) == []


async def test_what_was_made_natively_is_read_here_as_pictures(world: World, alice: Person):
    task_id = TaskId("")
    for order, count in ((PICTURE, 1), (FOUR, 4)):
        task_id = await create(world, alice, order)
        await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
        result = await asked(world, alice, ANY + task_id, 200)
        native = await record(world, alice, task_id)
        assert [each["url"] for each in result["images"]] == [
            each["url"] for each in native["output"]
        ]
        assert len(result["images"]) == count
    world.clock.move(timedelta(days=20))
    assert (await asked(world, alice, ANY + task_id, 200))["images"][0]["expired"] is True


@pytest.mark.parametrize(
    ("end", "status", "kind", "place"),
    [
        (Failed(code="2038", message="No."), 422, "content_policy_violation", ["body", "prompt"]),
        (Failed(code="4011", message="No."), 422, "content_policy_violation", ["body"]),
        (Failed(code="InvalidParameter", message="No."), 422, "value_error", ["body"]),
        (Failed(code="500", message="No."), 500, "internal_server_error", ["body"]),
    ],
)
async def test_a_failure_is_completed_and_its_result_says_why(
    world: World, alice: Person, end: Failed, status: int, kind: str, place: list[str]
):
    """Behaviour 11: there is no word for it."""
    task_id = (await submit(world, alice))["request_id"]
    await ended(world, task_id, end)
    told = await asked(world, alice, f"{ANY}{task_id}/status", 200, logs="1")
    assert (told["status"], told["error"], told["error_type"]) == ("COMPLETED", "No.", kind)
    assert told["logs"][-1]["level"] == "ERROR"
    (found,) = (await asked(world, alice, ANY + task_id, status))["detail"]
    assert (found["loc"], found["msg"], found["type"]) == (place, "No.", kind)
    assert found["ctx"] == {"code": end.code}
    assert (await world.balance(alice))[0] == 100_000


async def test_cancelling_in_the_queue_ends_it_and_at_work_asks_for_its_end(
    world: World, alice: Person
):
    task_id = (await submit(world, alice))["request_id"]
    cancelled = await world.client.put(f"{ANY}{task_id}/cancel", headers=alice.headers)
    assert (cancelled.status_code, cancelled.json()) == (200, {"status": "OK"})
    told = await asked(world, alice, f"{ANY}{task_id}/status", 200)
    assert told["error_type"] == "client_cancelled"
    result = await asked(world, alice, ANY + task_id, 499)
    assert result == {"detail": "The task was cancelled.", "error_type": "client_cancelled"}
    again = await world.client.put(f"{ANY}{task_id}/cancel", headers=alice.headers)
    assert (again.status_code, again.json()) == (400, {"status": "ALREADY_COMPLETED"})
    for unknown in ("task_0123456789", "f47ac10b-58cc-4372-a567-0e02b2c3d479"):
        absent = await world.client.put(f"{ANY}{unknown}/cancel", headers=alice.headers)
        assert (absent.status_code, absent.json()["status"]) == (404, "NOT_FOUND")

    task_id = (await submit(world, alice))["request_id"]
    answers = []

    async def meanwhile() -> None:
        asking = await world.client.put(f"{ANY}{task_id}/cancel", headers=alice.headers)
        answers.append((asking.status_code, asking.json()["status"]))
        await tools.cancellations.refresh()

    provider = ScriptedProvider(
        statuses=[Working(progress=0.1)] * 3,
        cancels=[CancelOutcome.STOPPED],
        polling=Polling(delay_s=1, delay_s_max=1),
    )
    tools = tools_for(world, provider, meanwhile=meanwhile)
    await advance(tools, TaskId(task_id))
    assert answers[0] == (202, "CANCELLATION_REQUESTED")
    assert (await world.balance(alice))[0] == 100_000


async def test_a_start_that_takes_too_long_is_the_clients_own_timeout(world: World, alice: Person):
    submitted = await submit(world, alice, headers={"X-Fal-Request-Timeout": "60.0"})
    world.clock.move(timedelta(minutes=1))
    runtime = world.runtime
    await end_overdue(runtime.database, lifetimes_of(runtime.settings), world.clock())
    address = ANY + submitted["request_id"]
    response = await world.client.get(address, headers=alice.headers)
    assert (response.status_code, response.json()["error_type"]) == (504, "request_timeout")
    assert response.headers["X-Fal-Request-Timeout-Type"] == "user"
    assert (await world.balance(alice))[0] == 100_000


async def test_the_stream_of_states_ends_when_it_is_completed(world: World, alice: Person):
    task_id = (await submit(world, alice))["request_id"]
    await ended(world, task_id)
    response = await world.client.get(
        f"{ANY}{task_id}/status/stream", params={"logs": "1"}, headers=alice.headers
    )
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-fal-request-id"] == task_id
    events = [orjson.loads(block[6:]) for block in response.text.split("\n\n") if block]
    assert [event["status"] for event in events] == ["COMPLETED"]
    assert events[0] == await asked(world, alice, f"{ANY}{task_id}/status", 200, logs="1")


async def test_a_stream_tells_what_is_new_once_and_ends_where_it_cannot_go_on(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("kinetoscope.tasks.watch.POLL_DELAY_S", 0.01)
    runtime = world.runtime
    told: list[dict[str, Any]] = []
    task_id = TaskId((await submit(world, alice))["request_id"])
    events = status_events(runtime, alice.account_id, "a/b", task_id, with_logs=True)

    async def meanwhile() -> None:
        told.append(orjson.loads((await anext(events))[6:]))

    await meanwhile()
    provider = ScriptedProvider(
        statuses=[Working(progress=0.1), Working(progress=0.2), done_video],
        polling=Polling(delay_s=1, delay_s_max=1),
    )
    await advance(tools_for(world, provider, meanwhile=meanwhile), task_id)
    told += [orjson.loads(event[6:]) async for event in events]
    assert [event["status"] for event in told] == [
        "IN_QUEUE",
        "IN_PROGRESS",
        "IN_PROGRESS",
        "COMPLETED",
    ]
    assert [[line["message"] for line in event["logs"]] for event in told] == [
        [],
        ["Started", "Progress: 10%"],
        ["Progress: 20%"],
        ["Finished"],
    ]

    task_id = TaskId((await submit(world, alice))["request_id"])
    events = status_events(runtime, alice.account_id, "a/b", task_id, with_logs=False)
    await anext(events)
    async with runtime.database.connection() as connection:
        await connection.execute("update task set data_deleted_at = %s", (world.clock(),))
    with pytest.raises(streams.BrokenOffError):
        await anext(events)


async def test_a_stream_goes_on_when_the_database_is_back(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    """Its end would be taken for the request's. What is silent is heard of now and then."""
    monkeypatch.setattr("kinetoscope.tasks.watch.POLL_DELAY_S", 0.01)
    monkeypatch.setattr(streams, "HEARTBEAT_S", 2)
    monkeypatch.setattr(streams, "AGAIN_DELAY_S", 0.01)
    task_id = TaskId((await submit(world, alice))["request_id"])
    events = status_events(world.runtime, alice.account_id, "a/b", task_id, with_logs=False)
    assert orjson.loads((await anext(events))[6:])["status"] == "IN_QUEUE"
    assert await anext(events) == b": ping\n\n"
    own, away = watch.own, [DatabaseUnavailable()]

    async def breaking(
        database: Database, account_id: AccountId, task_id: TaskId, now: datetime
    ) -> Record:
        if away:
            raise away.pop()
        return await own(database, account_id, task_id, now)

    monkeypatch.setattr(watch, "own", breaking)
    assert await anext(events) == b": ping\n\n"
    assert not away
    await ended(world, task_id)
    told = [orjson.loads(event[6:]) async for event in events if event.startswith(b"data")]
    assert [event["status"] for event in told] == ["COMPLETED"]


async def test_a_stream_that_cannot_go_on_is_not_ended_well(world: World, alice: Person):
    """As when a task has taken longer than any may."""
    runtime = world.runtime
    hasty = replace(runtime, settings=replace(runtime.settings, task_deadline=timedelta(0)))
    task_id = TaskId((await submit(world, alice))["request_id"])
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    for events in (
        status_events(hasty, alice.account_id, "a/b", task_id, with_logs=False),
        streams.run_events(hasty, alice.account_id, task_id),
    ):
        await streams.Events(events, task_id).stream_response(send)
    assert [message["type"] for message in sent] == ["http.response.start"] * 2


async def test_who_polls_is_answered_when_there_is_news_and_takes_nobodys_place(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    """Python's client asks ten times a second."""
    monkeypatch.setattr(polls, "HOLD_S", 30.0)
    monkeypatch.setattr(polls, "SOON_S", 30.0)
    task_id = (await submit(world, alice))["request_id"]
    address = f"{ANY}{task_id}/status"
    async with asyncio.timeout(20):
        await asked(world, alice, address, 202)
        polling = asyncio.create_task(asked(world, alice, address, 202))
        while task_id not in world.runtime.watch.listener.waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert not world.runtime.watch.watchers

        async def meanwhile() -> None:
            for event in world.runtime.watch.listener.waiting.get(task_id, ()):
                event.set()  # as the database's news does
            await polling

        provider = ScriptedProvider(
            statuses=[Working(progress=0.4), done_video], polling=Polling(delay_s=1, delay_s_max=1)
        )
        await advance(tools_for(world, provider, meanwhile=meanwhile), TaskId(task_id))
        assert (await polling)["status"] == "IN_PROGRESS"

        monkeypatch.setattr(polls, "HELD_PER_ACCOUNT_MAX", 0)
        task_id = (await submit(world, alice))["request_id"]
        for _ in range(2):
            await asked(world, alice, f"{ANY}{task_id}/status", 202)


async def test_nobody_reads_or_ends_anothers(world: World, alice: Person):
    mallory = await world.person("mallory")
    task_id = (await submit(world, alice))["request_id"]
    for tail in ("/status", "/status/stream", "", "/response"):
        told = await asked(world, mallory, f"{ANY}{task_id}{tail}", 403)
        assert told == {"detail": "Access denied"}
    refused = await world.client.put(f"{ANY}{task_id}/cancel", headers=mallory.headers)
    assert refused.status_code == 403
    assert (await record(world, alice, task_id))["status"] == "waiting"
    assert (await asked(world, alice, f"{ANY}nothing/status", 404))["detail"] == "Task not found"
