"""Agents: the official client over /api/mcp, with our keys, our words and our ledger."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import orjson
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from tests.conftest import Person, World
from tests.scripted import ScriptedProvider, done_video, tools_for

from kinetoscope.kernel.ids import TaskId
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio

URL = "http://kinetoscope.test/api/mcp"

ORDER = {"model": "seedance-20", "inputs": {"prompt": "a sunset"}}

TOOLS = {"list_models", "get_model", "estimate", "generate", "get_task", "credits"}


@asynccontextmanager
async def agent(world: World, person: Person) -> AsyncIterator[Client]:
    transport = httpx2.ASGITransport(app=world.app)
    async with (
        httpx2.AsyncClient(transport=transport, headers=person.headers) as http,
        Client(streamable_http_client(URL, http_client=http)) as client,
    ):
        yield client


async def call(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    answer: dict[str, Any] | None = result.structured_content
    assert answer is not None
    return answer


async def refusal(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    (content,) = result.content
    told: dict[str, Any] = orjson.loads("{" + content.text.partition("{")[2])  # type: ignore[union-attr]
    return told


async def test_the_whole_life_of_a_task_through_the_official_client(world: World):
    alice = await world.person("alice")
    async with agent(world, alice) as client:
        listed = await client.list_tools()
        assert {tool.name for tool in listed.tools} >= TOOLS
        models = (await call(client, "list_models"))["models"]
        assert {"seedance-20", "gpt-image-2"} <= {model["id"] for model in models}
        model = await call(client, "get_model", model="seedance-20")
        assert model["inputs"]["properties"]["prompt"]["type"] == "string"
        assert {"for": ["720p"], "credits": 40, "per": "second"} in model["prices"]
        estimated = await call(client, "estimate", **ORDER)
        assert (estimated["creditsRequired"], estimated["allowed"]) == (200, True)
        task_id = (await call(client, "generate", **ORDER))["taskId"]
        assert (await call(client, "get_task", task_id=task_id))["status"] == "waiting"
        await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), TaskId(task_id))
        record = await call(client, "get_task", task_id=task_id)
        assert record["status"] == "success"
        (output,) = record["output"]
        assert (await world.client.get(output["url"])).status_code == 200
        balance = {"available": 800, "held": 0, "spent": 200}
        assert await call(client, "credits") == balance
    assert await audit(world.runtime.database) == []


async def test_refusals_are_told_in_the_contracts_words(world: World):
    poor = await world.person("poor", "1")
    bob = await world.person("bob")
    async with agent(world, bob) as client:
        bobs = (await call(client, "generate", **ORDER))["taskId"]
    async with agent(world, poor) as client:
        short = {"message": "Insufficient credits", "required": 200, "available": 1}
        assert await refusal(client, "generate", **ORDER) == short
        denied = {"message": "Access denied"}
        assert await refusal(client, "get_task", task_id=bobs) == denied
        unknown = {"message": "Unknown model"}
        assert await refusal(client, "get_model", model="nothing") == unknown
        invalid = await refusal(client, "generate", model="seedance-20", inputs={"prompt": 5})
        assert invalid["errors"][0]["path"] == ["prompt"]
    assert await world.count("task") == 1


async def test_calling_again_with_the_same_idempotency_key_makes_one_task(world: World):
    alice = await world.person("alice")
    async with agent(world, alice) as client:
        made = [await call(client, "generate", **ORDER, idempotency_key="once") for _ in range(2)]
    assert made[0] == made[1]
    assert await world.count("task") == 1


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense"])
async def test_without_a_key_nothing_answers(world: World, authorization: str | None):
    headers = {} if authorization is None else {"Authorization": authorization}
    initialize = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    response = await world.client.post(URL, json=initialize, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert set(response.json()) == {"message"}
