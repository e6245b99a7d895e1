"""A receiver of webhooks on 127.0.0.1 that does what a test tells it to and notes what came."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import orjson
from aiohttp import web
from tests.conftest import Person, World
from tests.scripted import (
    PICTURE,
    VIDEO,
    ScriptedProvider,
    create,
    done_pictures,
    done_video,
    tools_for,
)

from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.outbound import Egress
from kinetoscope.tasks.advance import advance

DELIVERIES = "/api/v1/webhooks/deliveries"

LOOPBACK = Egress(allowed_networks=(ip_network("127.0.0.1/32"),), connect_timeout_s=2)


@dataclass(frozen=True, slots=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        envelope = orjson.loads(self.body)
        assert (envelope["code"], envelope["message"]) == (200, "success")
        assert sorted(envelope) == ["code", "data", "message"]
        data: dict[str, Any] = envelope["data"]
        return data


Answer = int | tuple[int, dict[str, str]] | Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """Answers from a list, and 200 after its end."""

    port: int = 0
    answers: deque[Answer] = field(default_factory=deque)
    received: list[Received] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.received.append(Received(request.path_qs, dict(request.headers), body))
        self.arrived.set()
        answer = self.answers.popleft() if self.answers else 200
        if isinstance(answer, int):
            return web.Response(status=answer, text=f"answered {answer}")
        if isinstance(answer, tuple):
            return web.Response(status=answer[0], headers=answer[1])
        return await answer(request)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def silent(_request: web.Request) -> web.StreamResponse:
    """Take the request and never answer."""
    await asyncio.sleep(3600)
    return web.Response()


async def ended(
    world: World, person: Person, url: str, order: dict[str, Any] | None = None
) -> TaskId:
    """Create a task with a callBackUrl and let it succeed."""
    task_id = await create(world, person, {**(order or PICTURE), "callBackUrl": url})
    done = done_video if order is VIDEO else done_pictures
    await advance(tools_for(world, ScriptedProvider(statuses=[done])), task_id)
    return task_id


async def listed(world: World, person: Person, **query: str) -> list[dict[str, Any]]:
    """List deliveries over HTTP."""
    response = await world.client.get(DELIVERIES, params=query, headers=person.headers)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["deliveries"]
    return found


async def shown(world: World, person: Person, delivery_id: str) -> dict[str, Any]:
    """Read a delivery over HTTP."""
    response = await world.client.get(f"{DELIVERIES}/{delivery_id}", headers=person.headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found
