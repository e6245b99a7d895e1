"""Agents at a deployment of two API processes: any of them answers any request of any session."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import av
import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ImageContent, ResourceLink
from PIL import Image, ImageStat
from tests.agents.agents import MODES, answered, call, plainly
from tests.story.deployment import Deployment, deployment

pytestmark = pytest.mark.anyio

ASKED_MAX = 40
"""How often to ask until another process answers; each time there is an even chance."""


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployment]:
    # Nobody works for test keys, whose tasks wait until they are cancelled.
    queues = "embedded,webhooks"
    with deployment(
        KINETOSCOPE_API_PROCESSES="2", KINETOSCOPE_DEMO_KEY="off", KINETOSCOPE_QUEUES=queues
    ) as running:
        yield running


@dataclass
class Session:
    """An agent, and the processes that answered its calls, by tool."""

    client: Client
    landed: dict[str, int]
    told: list[float] = field(default_factory=list)

    async def on_progress(self, progress: float, total: float | None, message: str | None) -> None:
        assert total == 100
        assert message
        self.told.append(progress)


def process_of(deployed: Deployment, client_port: int) -> int:
    """Find which API process holds the other end of a connection."""
    for part in deployed.parts("api"):
        for process in (part, *part.children()):
            for connection in process.net_connections("tcp"):
                if getattr(connection.raddr, "port", None) == client_port:
                    return process.pid
    raise AssertionError("nobody answers")


@asynccontextmanager
async def session(deployed: Deployment, key: str, mode: str = "auto") -> AsyncIterator[Session]:
    """Connect an agent, on connections of its own."""
    landed: dict[str, int] = {}

    async def note(response: httpx2.Response) -> None:
        said = json.loads(response.request.content or b"{}")
        address = response.extensions["network_stream"].get_extra_info("client_addr")
        tool = said.get("params", {}).get("name", said.get("method"))
        landed[tool] = process_of(deployed, address[1])

    url = f"http://127.0.0.1:{deployed.port}/api/mcp"
    bearer = {"Authorization": f"Bearer {key}"}
    hooks = {"response": [note]}
    with plainly():
        async with (
            httpx2.AsyncClient(headers=bearer, timeout=300, event_hooks=hooks) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            yield Session(client, landed)


def free_key(deployed: Deployment) -> str:
    printed = deployed.run(
        "keys", "create", "--account", "local", "--name", "agents", "--test", "--json"
    )
    return str(json.loads(printed)["key"])


Waiting = tuple[Session, dict[str, Any], asyncio.Task[CallToolResult]]


async def waiting_one(
    stack: AsyncExitStack, deployed: Deployment, key: str, number: int
) -> Waiting:
    """Let an agent order something and wait for it; return it, its order, and its call."""
    mode = MODES[number % len(MODES)]
    agent = await stack.enter_async_context(session(deployed, key, mode))
    order = {"model": "gpt-image-2", "inputs": {"prompt": f"a fox, number {number}"}}
    wanted = {**order, "wait_s": 240, "idempotency_key": f"agent {number}"}
    calling = asyncio.create_task(
        agent.client.call_tool("generate", wanted, progress_callback=agent.on_progress)
    )
    return agent, wanted, calling


async def looked_at_elsewhere(
    deployed: Deployment, key: str, task_id: str, process: int
) -> CallToolResult:
    """Look at a task in new sessions until another process than this one answers."""
    for number in range(ASKED_MAX):
        async with session(deployed, key, MODES[number % len(MODES)]) as other:
            result = await other.client.call_tool("get_task", {"task_id": task_id})
        if other.landed["get_task"] != process:
            return result
    raise AssertionError("one process answers everything")


async def test_sessions_are_answered_by_either_process(deployed: Deployment):
    key = await asyncio.to_thread(free_key, deployed)
    async with AsyncExitStack() as stack:
        waiting = [await waiting_one(stack, deployed, key, number) for number in range(4)]
        crossed = 0
        for number in range(ASKED_MAX):
            if number >= len(waiting):
                waiting.append(await waiting_one(stack, deployed, key, number))
            agent, wanted, calling = waiting[number]
            async with asyncio.timeout(40):
                while not agent.told:  # noqa: ASYNC110 - it is told by another task
                    await asyncio.sleep(0.02)
            other = await stack.enter_async_context(session(deployed, key))
            # The same name leads to the same task, whichever process is asked.
            again = await call(other.client, "generate", **{**wanted, "wait_s": 0})
            made = again["taskId"]
            here = agent.landed["generate"]
            assert not calling.done()
            record = answered(await looked_at_elsewhere(deployed, key, made, here))
            assert record["status"] == "waiting"
            assert (await call(other.client, "cancel", task_id=made))["cancelled"] is True
            ended = answered(await calling)
            assert (ended["taskId"], ended["error"]["code"]) == (made, "cancelled")
            assert agent.told == sorted(set(agent.told))
            crossed += other.landed["cancel"] != here
            if number >= 3 and crossed:
                break
        assert crossed, "a wait at one process ends when another cancels its task"
        listed = await call(waiting[0][0].client, "list_tasks", status="fail")
        assert len(listed["tasks"]) == len(waiting)


Block = TypeVar("Block")


def of_kind(result: CallToolResult, kind: type[Block]) -> Block:
    (found,) = [block for block in result.content if isinstance(block, kind)]
    return found


async def test_a_real_clip_is_fetched_by_its_link_and_looked_at(deployed: Deployment):
    inputs = {"prompt": "a red kite over the sea at noon", "resolution": "480p", "duration": 4}
    key = deployed.banner["key"]
    async with session(deployed, key) as maker:
        result = await maker.client.call_tool(
            "generate",
            {"model": "seedance-20", "inputs": inputs, "wait_s": 120},
            progress_callback=maker.on_progress,
        )
    record = answered(result)
    assert record["status"] == "success"
    assert maker.told == sorted(set(maker.told))
    assert maker.told[-1] > 1, "it told of more than that it waits"
    looked = await looked_at_elsewhere(deployed, key, record["taskId"], maker.landed["generate"])
    assert answered(looked)["output"] == record["output"]
    link = of_kind(looked, ResourceLink)
    async with httpx.AsyncClient() as anybody:
        clip = (await anybody.get(link.uri)).content
    assert len(clip) == link.size
    with av.open(io.BytesIO(clip), "r") as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]
    assert len(frames) >= 90
    jpeg = base64.b64decode(of_kind(looked, ImageContent).data)
    shown = Image.open(io.BytesIO(jpeg)).convert("RGB")
    assert max(shown.size) == 512
    first = frames[0].convert("RGB").resize(shown.size)
    means = [ImageStat.Stat(image).mean for image in (shown, first)]
    assert max(means[0]) > 40, "it is not black"
    assert all(abs(one - other) < 6 for one, other in zip(*means, strict=True))
