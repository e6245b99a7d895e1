"""The delivery log, settings and the relay, as their owner and others find them over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from tests.conftest import Person, World
from tests.receiver import (
    DELIVERIES,
    LOOPBACK,
    Receiver,
    ended,
    listed,
    receiving,
    shown,
)
from tests.scripted import PICTURE, ScriptedProvider, create, tools_for

from kinetoscope.accounts import keys
from kinetoscope.cli.sending import sender_parts
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.providers.contract import Failed
from kinetoscope.settings import Settings
from kinetoscope.tasks.advance import advance
from kinetoscope.webhooks import deliver
from kinetoscope.webhooks.sender import Sender

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, allowed_networks=LOOPBACK.allowed_networks)


LISTEN = "/api/v1/webhooks/listen"
ROUTES = (
    ("GET", DELIVERIES),
    ("GET", DELIVERIES + "/msg_x"),
    ("POST", DELIVERIES + "/msg_x/redeliver"),
    ("POST", "/api/v1/webhooks/test"),
    ("GET", "/api/v1/webhooks/settings"),
    ("POST", "/api/v1/webhooks/settings"),
    ("POST", "/api/v1/webhooks/secret"),
    ("GET", LISTEN),
)


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
def sender(world: World) -> Sender:
    return Sender(sender_parts(world.runtime, LOOPBACK))


async def test_a_delivery_is_shown_with_its_attempts(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    now = unix_ms(world.clock())
    task_id = await ended(world, alice, receiver.url())
    pending = {
        "id": "msg_" + task_id.removeprefix("task_"),
        "taskId": task_id,
        "eventType": "task.succeeded",
        "url": receiver.url(),
        "state": "pending",
        "attemptCount": 0,
        "nextAttemptTime": now,
        "createTime": now,
        "endTime": None,
    }
    assert await listed(world, alice) == [pending]
    assert await shown(world, alice, str(pending["id"])) == {**pending, "attempts": []}
    world.clock.move(timedelta(seconds=3))
    await sender.drain()
    delivered = await shown(world, alice, str(pending["id"]))
    (attempt,) = delivered.pop("attempts")
    assert delivered == {
        **pending,
        "state": "delivered",
        "attemptCount": 1,
        "nextAttemptTime": None,
        "endTime": now + 3000,
    }
    assert attempt.pop("durationMs") >= 0
    assert attempt == {
        "time": now + 3000,
        "status": 200,
        "error": None,
        "response": "answered 200",
    }


async def test_the_log_is_filtered_and_paged_newest_first(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    task_ids = [await ended(world, alice, receiver.url()) for _ in range(5)]
    receiver.answers.extend([200, 410, 200])
    await sender.drain()
    everything = await listed(world, alice)
    assert [delivery["taskId"] for delivery in everything] == task_ids[::-1]
    (gone,) = await listed(world, alice, state="disabled")
    assert gone in everything
    assert len(await listed(world, alice, state="delivered")) == 4
    (one,) = await listed(world, alice, taskId=task_ids[2])
    assert one == everything[2]
    assert await listed(world, alice, taskId="task_00000000") == []
    paged: list[Any] = []
    cursor: str | None = None
    sizes: list[int] = []
    while cursor is not None or not sizes:
        query = {"limit": "2"} if cursor is None else {"limit": "2", "cursor": cursor}
        response = await world.client.get(DELIVERIES, params=query, headers=alice.headers)
        page = response.json()
        sizes.append(len(page["deliveries"]))
        paged += page["deliveries"]
        cursor = page["nextCursor"]
    assert (paged, sizes) == (everything, [2, 2, 1])


@pytest.mark.parametrize(
    "query",
    [
        {"state": "lost"},
        {"cursor": "x"},
        {"cursor": "9" * 19},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "-1"},
        {"taskId": "task_\x00"},
        {"taskId": ""},
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    world: World, alice: Person, query: dict[str, str]
):
    response = await world.client.get(DELIVERIES, params=query, headers=alice.headers)
    assert response.status_code == 400
    assert response.json()["message"] == "Invalid request parameters"
    assert response.json()["errors"][0]["path"] == list(query)


async def test_redelivery_keeps_the_id_and_begins_a_new_schedule(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    receiver.answers.extend([410, 500, 200])
    await ended(world, alice, receiver.url())
    await sender.drain()
    (delivery,) = await listed(world, alice)
    assert delivery["state"] == "disabled"
    world.clock.move(timedelta(days=1))
    again = await redelivered(world, alice, delivery["id"])
    assert (again["id"], again["state"], again["attemptCount"]) == (delivery["id"], "pending", 1)
    assert again["nextAttemptTime"] == unix_ms(world.clock())
    assert again["endTime"] is None
    await sender.drain()
    world.clock.move(timedelta(seconds=2))
    await sender.drain()
    (delivery,) = await listed(world, alice)
    assert (delivery["state"], delivery["attemptCount"]) == ("delivered", 3)
    await redelivered(world, alice, delivery["id"])
    await sender.drain()
    assert len({got.id for got in receiver.received}) == 1
    assert len(receiver.received) == 4


async def test_what_waits_for_its_next_try_can_be_sent_now(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    receiver.answers.append((503, {"Retry-After": "3600"}))
    await ended(world, alice, receiver.url())
    await sender.drain()
    (delivery,) = await listed(world, alice)
    assert await sender.drain() == 0
    await redelivered(world, alice, delivery["id"])
    assert await sender.drain() == 1
    assert len(receiver.received) == 2


async def test_others_see_and_move_nothing(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    bob = await world.person("bob")
    await ended(world, alice, receiver.url())
    await sender.drain()
    (delivery,) = await listed(world, alice)
    path = f"{DELIVERIES}/{delivery['id']}"
    for method, of in (("GET", path), ("POST", path + "/redeliver")):
        response = await world.client.request(method, of, headers=bob.headers)
        assert (response.status_code, response.json()) == (403, {"message": "Access denied"})
    assert await listed(world, bob) == []
    assert await listed(world, bob, taskId=delivery["taskId"]) == []
    assert (await relayed(world, bob, since="0"))["events"] == []
    assert await sender.drain() == 0
    assert await listed(world, alice) == [delivery]


@pytest.mark.parametrize("delivery_id", ["msg_00000000", "task_x", "msg_%00", "msg_" + "x" * 99])
async def test_an_unknown_delivery_is_not_found(world: World, alice: Person, delivery_id: str):
    path = f"{DELIVERIES}/{delivery_id}"
    for method, of in (("GET", path), ("POST", path + "/redeliver")):
        response = await world.client.request(method, of, headers=alice.headers)
        assert (response.status_code, response.json()) == (404, {"message": "Delivery not found"})


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_key_without_the_scope_is_refused(
    world: World, alice: Person, method: str, path: str
):
    issued = await keys.create(
        world.runtime.database,
        alice.account_id,
        "narrow",
        mode=KeyMode.LIVE,
        expires_at=None,
        scopes=("tasks:write", "account:read"),
        now=world.clock(),
    )
    headers = {"Authorization": f"Bearer {issued.text}"}
    response = await world.client.request(method, path, headers=headers)
    assert response.status_code == 403
    assert "lacks the scope" in response.json()["message"]
    assert (await world.client.request(method, path)).status_code == 401
    assert await world.count("webhook_secret") == 0


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("test", {}, "url"),
        ("test", {"url": 5}, "url"),
        ("test", {"url": "ftp://example.com/"}, "url"),
        ("test", {"url": "http://"}, "url"),
        ("settings", {}, "kieHeaders"),
        ("settings", {"kieHeaders": 1}, "kieHeaders"),
        ("secret", {"overlapHours": -1}, "overlapHours"),
        ("secret", {"overlapHours": 169}, "overlapHours"),
        ("secret", {"overlapHours": 1.5}, "overlapHours"),
        ("secret", {"overlapHours": True}, "overlapHours"),
        ("secret", {"overlapHours": "24"}, "overlapHours"),
    ],
)
async def test_a_body_that_makes_no_sense_changes_nothing(
    world: World, alice: Person, path: str, body: dict[str, object], field: str
):
    response = await world.client.post(f"/api/v1/webhooks/{path}", json=body, headers=alice.headers)
    assert response.status_code == 400
    assert response.json()["errors"][0]["path"] == [field]
    assert await world.count("webhook_secret") == await world.count("webhook_delivery") == 0


async def test_the_relay_carries_what_the_delivery_carries(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    task_id = await ended(world, alice, receiver.url())
    await sender.drain()
    (got,) = receiver.received
    page = await relayed(world, alice, since="0")
    (event,) = page["events"]
    assert (event["id"], event["taskId"]) == (got.id, task_id)
    assert event["body"].encode() == got.body
    signed = {name: got.headers[name] for name in event["headers"]}
    assert event["headers"] == signed
    assert "webhook-signature" in signed


async def test_the_relay_tells_of_every_end_once_in_order(world: World, alice: Person):
    start = await relayed(world, alice)
    assert (start["events"], start["time"]) == ([], unix_ms(world.clock()))
    world.clock.move(timedelta(microseconds=1))
    task_ids = []
    for number in range(60):
        task_id = await create(world, alice, PICTURE)
        failed = Failed(code="500", message="")
        await advance(tools_for(world, ScriptedProvider(statuses=[failed])), task_id)
        task_ids.append(task_id)
        if number % 7 == 0:
            world.clock.move(timedelta(microseconds=1))
    await create(world, alice, PICTURE)
    told: list[str] = []
    cursor = start["cursor"]
    sizes: list[int] = []
    while not sizes or sizes[-1]:
        page = await relayed(world, alice, cursor=cursor)
        told += [event["taskId"] for event in page["events"]]
        cursor = page["cursor"]
        sizes.append(len(page["events"]))
    assert sizes == [50, 10, 0]
    assert sorted(told) == sorted(task_ids)
    assert told[:1] == task_ids[:1]
    assert {event["eventType"] for event in (await relayed(world, alice, since="0"))["events"]} == {
        "task.failed"
    }


@pytest.mark.parametrize(
    "query",
    [
        {"since": "x"},
        {"since": "-1"},
        {"since": "253402300800000"},
        {"cursor": "x"},
        {"cursor": "999999999999999999_"},
        {"cursor": "1_task\x00"},
    ],
)
async def test_the_relay_refuses_a_place_that_is_none(
    world: World, alice: Person, query: dict[str, str]
):
    response = await world.client.get(LISTEN, params=query, headers=alice.headers)
    assert response.status_code == 400


async def test_the_last_place_there_is_can_be_asked_for(world: World, alice: Person):
    page = await relayed(world, alice, since="253402300799999")
    assert (await relayed(world, alice, cursor=page["cursor"]))["cursor"] == page["cursor"]


async def test_a_test_without_a_worker_is_answered_as_pending(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("kinetoscope.api.webhooks.TEST_PATIENCE_S", 0.05)
    response = await world.client.post(
        "/api/v1/webhooks/test", json={"url": "http://example.com/"}, headers=alice.headers
    )
    assert response.status_code == 200
    assert (response.json()["state"], response.json()["attempts"]) == ("pending", [])
    assert deliver.LIMITS.total_timeout_s < 20


async def redelivered(world: World, person: Person, delivery_id: str) -> dict[str, Any]:
    path = f"{DELIVERIES}/{delivery_id}/redeliver"
    response = await world.client.post(path, headers=person.headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def relayed(world: World, person: Person, **query: str) -> dict[str, Any]:
    response = await world.client.get(LISTEN, params=query, headers=person.headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_an_attempt_in_flight_does_not_undo_a_redelivery(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    """Its answer is an old schedule's: the new one begins at the first try, now."""
    await ended(world, alice, receiver.url())
    (delivery,) = await listed(world, alice)

    async def meanwhile(_request: web.Request) -> web.Response:
        await redelivered(world, alice, delivery["id"])
        return web.Response(status=410)

    receiver.answers.append(meanwhile)
    await sender.drain()
    (after,) = await listed(world, alice)
    assert after["state"] == "delivered", "the second went out and was taken"
    assert len(receiver.received) == 2
