"""More than 150 hostile URLs at each of the three entrances reach nothing; the controls do.

The entrances are callBackUrl, reference media and upload by address. Every name resolves to
127.0.0.1 here, where a listener counts who comes.
"""

import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import Person, World
from tests.receiver import receiving
from tests.scripted import (
    PATH_CREATE,
    PICTURE,
    ScriptedProvider,
    create,
    done_pictures,
    done_video,
    paint,
    record,
    tools_for,
)
from tests.unit.hostile_urls import HOSTILE
from tests.unit.outside import Canary, listening, serving, watching

from kinetoscope.accounts import accounts
from kinetoscope.cli.sending import sender_parts
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.outbound import Egress
from kinetoscope.server import create_app
from kinetoscope.tasks.advance import advance
from kinetoscope.webhooks.sender import Sender

pytestmark = pytest.mark.anyio

LOOPBACK = (ip_network("127.0.0.1/32"),)


def test_the_corpus_is_large_and_without_repetition():
    assert len(set(HOSTILE)) == len(HOSTILE) >= 150


@pytest.fixture
async def canary(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Canary]:
    """Count connections to 127.0.0.1, where every name leads but those of this machine's parts."""
    asked: Callable[..., Any] = socket.getaddrinfo

    def everywhere(host: object, *arguments: object, **_options: object) -> object:
        text = host.decode() if isinstance(host, bytes) else str(host)
        return asked("127.0.0.1" if "." in text or text == "localhost" else host, *arguments)

    monkeypatch.setattr(socket, "getaddrinfo", everywhere)
    async with listening() as counted:
        with watching() as connecting:
            yield counted
        assert connecting == [], "not even a packet was to leave"


def urls(canary: Canary) -> list[str]:
    return [url.replace("{p}", str(canary.port)) for url in HOSTILE]


@pytest.fixture
async def alice(world: World) -> Person:
    await world.person("alice", "100000")
    await accounts.limit(world.runtime.database, "alice", tasks_running_max=10_000, api_access=None)
    return await world.person("alice", "0")


def egress_of(canary: Canary) -> Egress:
    return Egress(ports=frozenset({80, 443, canary.port}), connect_timeout_s=2)


async def test_no_hostile_callback_is_called(world: World, alice: Person, canary: Canary):
    taken = refused = 0
    for url in urls(canary):
        body = {**PICTURE, "callBackUrl": url}
        response = await world.client.post(PATH_CREATE, json=body, headers=alice.headers)
        if response.status_code == 400:
            assert response.json()["errors"][0]["path"] == ["callBackUrl"]
            refused += 1
            body = {**PICTURE, "callBackUrl": "https://hook.example/"}
            response = await world.client.post(PATH_CREATE, json=body, headers=alice.headers)
        assert response.status_code == 200
        task_id = TaskId(response.json()["taskId"])
        async with world.runtime.database.connection() as connection:
            await connection.execute(
                "update task set callback_url = %s where id = %s",
                (url.replace("\x00", ""), task_id),  # which the database cannot hold
            )
        taken += 1
        await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    assert taken == len(HOSTILE)
    assert refused > 100, "what can never be called is refused where it is handed in"
    sender = Sender(sender_parts(world.runtime, egress_of(canary)))
    while await sender.drain():
        pass
    assert canary.connections == 0
    async with world.runtime.database.connection() as connection:
        cursor = await connection.execute(
            "select count(*), count(*) filter (where state = 'delivered') from webhook_delivery"
        )
        assert await cursor.fetchone() == (taken, 0)


async def test_no_hostile_reference_is_fetched(world: World, alice: Person, canary: Canary):
    taken = 0
    tools = replace(tools_for(world, ScriptedProvider(submits=[])), egress=egress_of(canary))
    for url in urls(canary):
        if url.startswith("data:"):
            continue  # carries its own bytes, and is looked at in test_inspect
        body = {"model": "gpt-image-2", "inputs": {"prompt": "a", "uploadedUrls": [url]}}
        response = await world.client.post(PATH_CREATE, json=body, headers=alice.headers)
        if response.status_code == 400:
            assert response.json()["errors"][0]["path"] == ["uploadedUrls", 0]
            continue
        assert response.status_code == 200
        taken += 1
        task_id = response.json()["taskId"]
        await advance(tools, TaskId(task_id))
        found = await record(world, alice, task_id)
        assert found["error"]["code"] == "asset_review_failed"
    assert taken > 20
    assert canary.connections == 0


async def test_no_hostile_address_is_uploaded_from(world: World, alice: Person, canary: Canary):
    for url in urls(canary):
        response = await world.client.post(
            "/api/v1/uploads", json={"fileUrl": url}, headers=alice.headers
        )
        assert response.status_code == 400, url
        (found,) = response.json()["errors"]
        assert found["path"] == ["fileUrl"]
        assert "127.0.0.1" not in found["message"]
    assert canary.connections == 0
    assert await world.count("media_file") == 0


async def test_the_controls_pass_at_all_three_entrances(
    world: World, alice: Person, tmp_path: Path
):
    """With 127.0.0.1 allowed: there it works, and a redirect from there to 127.0.0.2 does not."""
    runtime = world.runtime
    settings = replace(runtime.settings, allowed_networks=LOOPBACK)
    egress = Egress(allowed_networks=LOOPBACK, connect_timeout_s=2)
    app = create_app(replace(runtime, settings=settings))
    transport = httpx.ASGITransport(app=app)
    async with (
        serving() as outside,
        receiving() as receiver,
        httpx.AsyncClient(transport=transport, base_url="http://x") as client,
    ):
        outside.body = paint(tmp_path / "a.png", 400, 320).read_bytes()
        good = ["/ok", "/ok?a=1&b=%20", "/redirect?to=/ok", "/chain/2", "/ok#part"]
        bad = [
            f"/redirect?to=http://127.0.0.2:{outside.port}/ok",
            f"/redirect?to=http://[::1]:{outside.port}/ok",
            "/redirect?to=file:///etc/passwd",
            "/chain/5",
            "/encoded/gzip",
            "/status/500",
        ]
        for path, works in [(path, True) for path in good] + [(path, False) for path in bad]:
            url = outside.url(path)
            uploaded = await client.post(
                "/api/v1/uploads", json={"fileUrl": url}, headers=alice.headers
            )
            assert uploaded.is_success == works, (path, uploaded.text)
            inputs = {"prompt": "a", "imageUrls": [url]}
            task_id = await create(world, alice, {"model": "seedance-20", "inputs": inputs})
            provider = ScriptedProvider(statuses=[done_video])
            await advance(replace(tools_for(world, provider), egress=egress), task_id)
            status = (await record(world, alice, task_id))["status"]
            assert status == ("success" if works else "fail"), path
        for number in range(4):
            body = {**PICTURE, "callBackUrl": receiver.url(f"/hook/{number}")}
            made = await client.post(PATH_CREATE, json=body, headers=alice.headers)
            task_id = TaskId(made.json()["taskId"])
            await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
        await Sender(sender_parts(runtime, egress)).drain()
        assert len(receiver.received) == 4
