"""Agents make media: links and pictures, waiting with progress, leaving, and whose is whose."""

import asyncio
import base64
import io
from datetime import timedelta

import orjson
import pytest
from mcp.types import CallToolResult, ImageContent, ResourceLink
from PIL import Image, ImageStat
from tests.agents.agents import MODES, ORDER, Leaving, agent, answered, call, refusal
from tests.conftest import World
from tests.scripted import (
    FOUR,
    ScriptedProvider,
    done_pictures,
    done_video,
    tools_for,
)

from kinetoscope.cli.first_start import ensure_demo
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.mcp import waiting
from kinetoscope.mcp.needs import NEEDS
from kinetoscope.providers.contract import Working
from kinetoscope.settings import DEMO_KEY
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio


def files(result: CallToolResult) -> tuple[list[ResourceLink], list[ImageContent]]:
    links = [block for block in result.content if isinstance(block, ResourceLink)]
    return links, [block for block in result.content if isinstance(block, ImageContent)]


async def the_only_task(world: World) -> TaskId:
    """Wait until there is a task."""
    for _ in range(2000):
        if await world.count("task"):
            values = await world.runtime.database.fetch_values("select id from task", {})
            assert values is not None
            return TaskId(values[0])
        await asyncio.sleep(0.005)
    pytest.fail("no task was made")


async def test_a_finished_task_comes_with_links_and_pictures(world: World):
    alice = await world.person("alice")
    async with agent(world, alice) as client:
        made = TaskId((await call(client, "generate", **ORDER))["taskId"])
        links, pictures = files(await client.call_tool("get_task", {"task_id": made}))
        assert (links, pictures) == ([], []), "it is not finished"
        await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), made)
        result = await client.call_tool("get_task", {"task_id": made})
        record = answered(result)
        ((link,), (picture,)) = files(result)
        assert link.uri == record["output"][0]["url"]
        assert (link.mime_type, link.name) == ("video/mp4", link.uri.split("/")[-1].split("?")[0])
        assert link.description == "video/mp4, 64 x 48 pixels, 0.5 s"
        body = (await world.client.get(link.uri)).content
        assert link.size == len(body)
        assert picture.mime_type == "image/jpeg"
        shown = Image.open(io.BytesIO(base64.b64decode(picture.data)))
        assert shown.size == (64, 48)
        assert ImageStat.Stat(shown.convert("L")).mean[0] >= 20, "the clip begins black"
        blind = await client.call_tool("get_task", {"task_id": made, "thumbnails": False})
        assert [len(kind) for kind in files(blind)] == [1, 0]
        world.clock.move(timedelta(days=14))
        expired = await client.call_tool("get_task", {"task_id": made})
        assert answered(expired)["output"][0]["expired"] is True
        assert files(expired) == ([], [])


async def test_every_picture_of_a_task_is_linked_to_and_shown(world: World):
    alice = await world.person("alice")
    async with agent(world, alice) as client:
        made = TaskId((await call(client, "generate", **FOUR))["taskId"])
        await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), made)
        links, pictures = files(await client.call_tool("get_task", {"task_id": made}))
        assert [link.mime_type for link in links] == ["image/png"] * 4
        sizes = [Image.open(io.BytesIO(base64.b64decode(one.data))).size for one in pictures]
        assert sizes == [(31, 20), (32, 20), (33, 20), (34, 20)]
        await world.runtime.store.delete([link.name for link in links[:3]])
        left = await client.call_tool("wait_for_task", {"task_id": made, "wait_s": 0})
        assert answered(left)["status"] == "success"
        assert len(files(left)[0]) == 4, "a picture that is gone costs no answer"


@pytest.mark.parametrize("mode", MODES)
async def test_generate_waits_for_the_end_and_tells_of_progress(world: World, mode: str):
    alice = await world.person("alice")
    told: list[tuple[float, float | None, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    async def work() -> None:
        made = await the_only_task(world)
        while not world.runtime.watch.watchers:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)
        script = ScriptedProvider(
            statuses=[Working(progress=0.2), Working(progress=0.7), done_video]
        )
        await advance(tools_for(world, script), made)

    async with agent(world, alice, mode) as client:
        working = asyncio.create_task(work())
        result = await client.call_tool(
            "generate", {**ORDER, "wait_s": 20}, progress_callback=on_progress
        )
        await working
    record = answered(result)
    assert record["status"] == "success"
    assert [len(kind) for kind in files(result)] == [1, 1]
    heard = [progress for progress, _, _ in told]
    assert heard == sorted(set(heard))
    assert next(one[1:] for one in told) == (100, "waiting")
    assert world.runtime.watch.watchers == {}
    assert await audit(world.runtime.database) == []


@pytest.mark.parametrize("mode", MODES)
async def test_a_task_survives_the_client_that_waits_for_it(
    world: World, mode: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(waiting, "HEARTBEAT_S", 0.0)
    alice = await world.person("alice")
    leaving = Leaving(world, alice, modern=mode == "auto")
    calling = asyncio.create_task(leaving.call("generate", **ORDER, wait_s=300))
    heard = [await leaving.heard()]
    made = await the_only_task(world)
    for news in world.runtime.watch.listener.waiting[made]:
        news.set()
    heard.append(await leaving.heard())
    assert [one["method"] for one in heard] == ["notifications/progress"] * 2
    assert [one["params"]["progressToken"] for one in heard] == ["token"] * 2
    assert [one["params"]["progress"] for one in heard] == [0, 0.01], "it must grow"
    assert len(world.runtime.watch.watchers) == 1
    leaving.left.set()
    async with asyncio.timeout(10):
        await calling
    assert world.runtime.watch.watchers == {}, "nobody waits any more"
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), made)
    async with agent(world, alice) as client:
        assert (await call(client, "wait_for_task", task_id=made))["status"] == "success"
    assert [int(one) for one in await world.balance(alice)] == [800_00, 0, 200_00, 0]
    assert await world.count("task") == 1


async def test_who_cannot_wait_still_learns_of_the_task_that_was_paid_for(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    alice = await world.person("alice")
    world.runtime.watch.watchers[alice.account_id] = 100
    async with agent(world, alice) as client:
        made = await call(client, "generate", **ORDER, wait_s=10)
        assert set(made) == {"taskId"}
        full = {"message": "Too many requests are waiting for tasks. Poll recordInfo instead."}
        assert await refusal(client, "wait_for_task", task_id=made["taskId"]) == full
        world.runtime.watch.watchers.clear()

        async def broken(*_: object) -> None:
            raise RuntimeError

        monkeypatch.setattr("kinetoscope.mcp.making.ended", broken)
        assert set(await call(client, "generate", **ORDER, wait_s=10)) == {"taskId"}
    assert await world.count("task") == 2


async def test_waiting_ends_when_its_time_is_over(world: World):
    alice = await world.person("alice")
    async with agent(world, alice) as client:
        made = await call(client, "generate", **ORDER, wait_s=1)
        assert made["status"] == "waiting"
        stands = await call(client, "wait_for_task", task_id=made["taskId"], wait_s=0)
        assert stands == made
        for wrong in (-1, 301):
            result = await client.call_tool("generate", {**ORDER, "wait_s": wrong})
            assert result.is_error
    assert await world.count("task") == 1


async def test_tasks_are_listed_page_by_page_and_filtered(world: World):
    alice, bob = await world.person("alice"), await world.person("bob")
    async with agent(world, bob) as client:
        await call(client, "generate", **ORDER)
    async with agent(world, alice) as client:
        made = []
        for order in (ORDER, FOUR, FOUR):
            world.clock.move(timedelta(seconds=1))
            made.append((await call(client, "generate", **order))["taskId"])
        made.reverse()
        first = await call(client, "list_tasks", limit=2)
        assert [task["taskId"] for task in first["tasks"]] == made[:2]
        rest = await call(client, "list_tasks", limit=2, cursor=first["nextCursor"])
        assert [task["taskId"] for task in rest["tasks"]] == made[2:]
        assert rest["nextCursor"] is None
        assert rest["tasks"] == [await call(client, "get_task", task_id=made[2])]
        fours = await call(client, "list_tasks", model=FOUR["model"])
        assert [task["taskId"] for task in fours["tasks"]] == made[:2]
        await call(client, "cancel", task_id=made[0])
        failed = await call(client, "list_tasks", status="fail")
        assert [task["taskId"] for task in failed["tasks"]] == made[:1]
        wrong = await refusal(client, "list_tasks", cursor="nonsense!")
        assert wrong["errors"][0]["path"] == ["cursor"]
        for bad in ({"limit": 101}, {"limit": 0}, {"status": "done"}):
            assert (await client.call_tool("list_tasks", bad)).is_error


async def test_cancel_gives_the_credits_back(world: World):
    alice = await world.person("alice")
    async with agent(world, alice) as client:
        made = (await call(client, "generate", **ORDER))["taskId"]
        ended = {"taskId": made, "status": "fail", "cancelled": True, "cancelRequested": False}
        assert await call(client, "cancel", task_id=made) == ended
        again = {**ended, "cancelled": False}
        assert await call(client, "cancel", task_id=made) == again
        assert await call(client, "credits") == {"available": 1000, "held": 0, "spent": 0}
        assert await refusal(client, "cancel", task_id="nonsense") == {"message": "Invalid taskId"}


async def test_no_tool_reaches_anothers_task(world: World):
    alice, bob = await world.person("alice"), await world.person("bob")
    async with agent(world, bob) as client:
        bobs = (await call(client, "generate", **ORDER))["taskId"]
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), TaskId(bobs))
    async with agent(world, alice) as client:
        for tool in ("get_task", "wait_for_task", "cancel"):
            denied = {"message": "Access denied"}
            assert await refusal(client, tool, task_id=bobs) == denied, tool
            nowhere = {"message": "Task not found"}
            assert await refusal(client, tool, task_id="task_00000000") == nowhere, tool
        assert (await call(client, "list_tasks"))["tasks"] == []


async def test_a_test_key_does_not_end_what_a_live_key_pays_for(world: World):
    alice = await world.person("alice")
    test = await world.person("alice", "0", mode=KeyMode.TEST)
    assert test.account_id == alice.account_id
    async with agent(world, alice) as client:
        made = (await call(client, "generate", **ORDER))["taskId"]
    async with agent(world, test) as client:
        refused = {"message": "A test key may not change a task that a live key made"}
        assert await refusal(client, "cancel", task_id=made) == refused


async def test_arguments_that_do_not_fit_are_told_as_every_other_refusal_is(world: World):
    alice = await world.person("alice")
    async with agent(world, alice) as client:
        missing = await refusal(client, "generate", model="seedance-20")
        many = await refusal(client, "list_tasks", limit=1000, status="ready")
        typo = await refusal(client, "generate", **ORDER, waits=30)
    assert missing == {
        "message": "Invalid request parameters",
        "errors": [{"code": "invalid_type", "message": "Field required", "path": ["inputs"]}],
    }
    assert [error["path"] for error in many["errors"]] == [["status"], ["limit"]]
    assert [error["path"] for error in typo["errors"]] == [["waits"]]
    assert await world.count("task") == 0


async def test_credits_and_cap_are_those_of_the_account(world: World):
    poor, busy = await world.person("poor", "1"), await world.person("busy")
    async with agent(world, poor) as client:
        short = {"message": "Insufficient credits", "required": 200, "available": 1}
        assert await refusal(client, "generate", **ORDER, wait_s=5) == short
    await world.runtime.database.execute("update account set tasks_running_max = 1", {})
    async with agent(world, busy) as client:
        await call(client, "generate", **ORDER)
        capped = await refusal(client, "generate", **ORDER)
        assert (capped["limit"], capped["current"]) == (1, 1)
    assert await world.count("task") == 1


async def test_the_demo_key_opens_nothing_here(world: World):
    await ensure_demo(world.runtime)
    headers = {"Authorization": f"Bearer {DEMO_KEY}"}
    response = await world.client.post("/api/mcp", json={}, headers=headers)
    assert response.status_code == 403
    assert response.json()["message"].startswith("The demo key is read-only")


async def test_the_same_name_makes_one_task_however_often_it_is_asked_for(world: World):
    alice = await world.person("alice")
    once = {**ORDER, "idempotency_key": "once"}
    async with agent(world, alice) as client:
        made = await asyncio.gather(
            *(client.call_tool("generate", once) for _ in range(5)), call(client, "credits")
        )
        ids = {answered(one)["taskId"] for one in made[:-1] if isinstance(one, CallToolResult)}
        waited = await call(client, "generate", **once, wait_s=1)
        assert {waited["taskId"]} == ids
        other = {**once, "inputs": {"prompt": "a sunrise"}}
        assert "different request" in (await refusal(client, "generate", **other))["message"]
        assert (await call(client, "credits"))["held"] == 200
    assert await world.count("task") == 1


async def test_models_are_resources_too(world: World):
    alice = await world.person("alice")
    async with agent(world, alice) as client:
        (template,) = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "kinetoscope://models/{id}"
        (content,) = (await client.read_resource("kinetoscope://models/seedance-20")).contents
        assert content.mime_type == "application/json"
        model = await call(client, "get_model", model="seedance-20")
        assert template.mime_type == "application/json"
        assert content.text == orjson.dumps(model, option=orjson.OPT_INDENT_2).decode()  # type: ignore[union-attr]
        with pytest.raises(Exception, match="Unknown model"):
            await client.read_resource("kinetoscope://models/nothing")


async def test_tools_say_what_they_do_and_what_they_take(world: World):
    alice = await world.person("alice")
    async with agent(world, alice) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    for tool in tools.values():
        assert tool.description
        assert tool.title
        for name, schema in tool.input_schema.get("properties", {}).items():
            assert schema.get("description"), f"{tool.name} {name}"
    reading = {name for name, tool in tools.items() if tool.annotations.read_only_hint}  # type: ignore[union-attr]
    assert set(tools) - reading == {"generate", "cancel"}
    assert {NEEDS["generate"], NEEDS["cancel"]} == {("tasks:write",)}
    ending = {name for name, tool in tools.items() if tool.annotations.destructive_hint}  # type: ignore[union-attr]
    assert ending == {"cancel"}
