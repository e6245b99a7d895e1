"""Agents: the official client over /api/mcp, with our keys, our words and our ledger."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from tests.agents.agents import ORDER, URL, agent, call, refusal
from tests.conftest import Person, World
from tests.scripted import ScriptedProvider, done_video, tools_for

from kinetoscope.accounts import keys
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.mcp.needs import DOOR, NEEDS
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio


async def test_the_whole_life_of_a_task_through_the_official_client(world: World):
    alice = await world.person("alice")
    async with agent(world, alice) as client:
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


NOWHERE = {"task_id": "task_00000000"}

ARGUMENTS: dict[str, dict[str, Any]] = {
    "list_models": {},
    "get_model": {"model": "seedance-20"},
    "estimate": ORDER,
    "generate": ORDER,
    "get_task": NOWHERE,
    "wait_for_task": NOWHERE,
    "list_tasks": {},
    "cancel": NOWHERE,
    "credits": {},
}


async def with_scopes(world: World, person: Person, *scopes: str) -> Person:
    issued = await keys.create(
        world.runtime.database,
        person.account_id,
        "agent",
        mode=KeyMode.LIVE,
        expires_at=None,
        scopes=scopes,
        now=world.clock(),
    )
    return replace(person, key=issued.text, key_id=issued.id)


async def test_every_tool_declares_what_it_needs(world: World):
    async with agent(world, await world.person("alice")) as client:
        listed = await client.list_tools()
    assert {tool.name for tool in listed.tools} == set(NEEDS) == set(ARGUMENTS)
    assert {scope for needed in NEEDS.values() for scope in needed} <= set(keys.SCOPES_ALL)


async def test_a_tool_refuses_a_key_that_lacks_a_scope_it_needs(world: World):
    alice = await world.person("alice")
    for scope in {scope for needed in NEEDS.values() for scope in needed}:
        lacking = await with_scopes(world, alice, *(set(keys.SCOPES_ALL) - {scope}))
        async with agent(world, lacking) as client:
            for tool, needed in NEEDS.items():
                if scope in needed:
                    told = await refusal(client, tool, **ARGUMENTS[tool])
                    assert told == {"message": f"This API Key lacks the scope {scope}"}, tool
    assert await world.count("task") == 0


async def test_no_tool_answers_a_key_that_may_not_read_tasks(world: World):
    alice = await world.person("alice")
    lacking = await with_scopes(world, alice, *(set(keys.SCOPES_ALL) - {DOOR}))
    for tool in NEEDS:
        asked = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": tool, "arguments": ARGUMENTS[tool]},
        }
        response = await world.client.post(URL, json=asked, headers=lacking.headers)
        assert response.status_code == 403
        assert response.json() == {"message": f"This API Key lacks the scope {DOOR}"}
    assert await world.count("task") == 0


async def test_a_tool_needs_no_more_than_it_says(world: World):
    alice = await world.person("alice")
    for tool, needed in NEEDS.items():
        exact = await with_scopes(world, alice, DOOR, *needed)
        async with agent(world, exact) as client:
            if ARGUMENTS[tool] is NOWHERE:
                refused = {"message": "Task not found"}
                assert await refusal(client, tool, **NOWHERE) == refused, tool
            else:
                await call(client, tool, **ARGUMENTS[tool])


INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


async def test_a_body_it_does_not_take_is_refused_in_the_contracts_form(world: World):
    alice = await world.person("alice")
    accept = {"Accept": "application/json, text/event-stream"}
    for content_type in (None, "text/plain", "application/jsonx", "application/x-www-form"):
        headers = {**alice.headers, **accept}
        headers |= {} if content_type is None else {"Content-Type": content_type}
        response = await world.client.post(URL, content=b"{}", headers=headers)
        assert (response.status_code, response.json()["message"]) == (
            400,
            "Invalid request parameters",
        )
        assert response.json()["errors"][0]["path"] == ["Content-Type"]
    headers = {**alice.headers, **accept, "Content-Type": "application/json"}
    large = await world.client.post(URL, content=b" " * (4 * 1024 * 1024 + 1), headers=headers)
    assert (large.status_code, large.json()) == (
        413,
        {"message": "The request body is larger than 4194304 bytes"},
    )
    largest = orjson.dumps(INITIALIZE).ljust(4 * 1024 * 1024)
    assert (await world.client.post(URL, content=largest, headers=headers)).status_code == 200


async def test_a_slash_behind_the_path_means_the_same_and_nobody_is_sent_elsewhere(world: World):
    alice = await world.person("alice")
    headers = {**alice.headers, "Accept": "application/json, text/event-stream"}
    for url in (URL, f"{URL}/"):
        response = await world.client.post(url, json=INITIALIZE, headers=headers)
        assert response.status_code == 200, response.text
    for path in ("/api/v1/credits/", "/api/v1/models/", "/api/v1/account/ledger/"):
        assert (await world.client.get(path, headers=alice.headers)).status_code == 200
    for path in ("/nothing/", "/api/v1/credits//"):
        response = await world.client.get(path, headers=alice.headers)
        assert response.status_code == 404
        assert "location" not in response.headers


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense"])
async def test_without_a_key_nothing_answers(world: World, authorization: str | None):
    headers = {} if authorization is None else {"Authorization": authorization}
    initialize = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    response = await world.client.post(URL, json=initialize, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert set(response.json()) == {"message"}
