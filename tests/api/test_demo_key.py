"""The demo key reads five samples and does nothing else; test keys rehearse, for nothing."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import av
import httpx
import pytest
from tests.conftest import World
from tests.scripted import PATH_CREATE, PATH_RECORD, PICTURE, VIDEO, create

from kinetoscope.accounts import accounts, keys
from kinetoscope.accounts.opening import READ_ONLY
from kinetoscope.cli.first_start import ensure_demo
from kinetoscope.kernel.errors import InvalidRequest
from kinetoscope.kernel.secrets import DEMO_KEY_ID, KeyMode
from kinetoscope.settings import DEMO_KEY
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.samples import SAMPLES
from kinetoscope.tasks.tools import Tools
from kinetoscope.wiring import worker_tools

pytestmark = pytest.mark.anyio

DEMO = {"Authorization": f"Bearer {DEMO_KEY}"}

FAILURES = {
    "demo_task_fail_text_moderation": "2038",
    "demo_task_fail_face_detected": "4011",
    "demo_task_fail_server_error": "500",
}
SUCCESSES = ("demo_task_t2v_success", "demo_task_i2v_success")


@pytest.fixture
async def tools(world: World) -> AsyncIterator[Tools]:
    async with worker_tools(world.runtime) as lent:
        yield lent


async def read(world: World, task_id: str, headers: dict[str, str]) -> httpx.Response:
    return await world.client.get(PATH_RECORD, params={"taskId": task_id}, headers=headers)


async def video_of(world: World, record: dict[str, Any]) -> tuple[int, int, int]:
    response = await world.client.get(record["output"][0]["url"])
    assert response.status_code == 200
    with av.open(io.BytesIO(response.content), "r") as container:
        stream = container.streams.video[0]
        frames = len(list(container.decode(video=0)))
        return stream.width, stream.height, frames


async def test_the_five_samples_are_made_by_the_engine_and_never_expire(world: World, tools: Tools):
    await ensure_demo(world.runtime)
    await ensure_demo(world.runtime)  # as at every start
    assert await world.count("task") == 5
    for sample in SAMPLES:
        await advance(tools, sample.id)
    world.clock.move(timedelta(days=365))
    for task_id in SUCCESSES:
        record = (await read(world, task_id, DEMO)).json()
        assert (record["status"], record["creditsUsed"], record["preview"]) == ("success", 0, True)
        assert record["expiresAt"] is None
        assert await video_of(world, record) == (1280, 720, 120)
    for task_id, code in FAILURES.items():
        record = (await read(world, task_id, DEMO)).json()
        assert (record["status"], record["error"]["code"]) == ("fail", code)
    broken = (await read(world, "demo_task_fail_server_error", DEMO)).json()
    assert "safe to retry" in broken["error"]["message"]
    assert await audit(world.runtime.database) == []


async def test_the_demo_key_creates_nothing_and_reads_nothing_else(world: World):
    await ensure_demo(world.runtime)
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    before = await world.count("task")
    refused = await world.client.post(PATH_CREATE, json=VIDEO, headers=DEMO)
    assert (refused.status_code, refused.json()) == (403, {"message": READ_ONLY})
    theirs = await read(world, task_id, DEMO)
    assert (theirs.status_code, theirs.json()) == (403, {"message": READ_ONLY})
    absent = await read(world, "task_" + "0" * 24, DEMO)
    assert (absent.status_code, absent.json()) == (403, {"message": READ_ONLY})
    assert await world.count("task") == before
    demo = await accounts.by_name(world.runtime.database, "demo")
    assert (demo.available, demo.held, demo.spent) == (0, 0, 0)


async def test_every_key_reads_samples_and_nobody_deletes_them(world: World):
    await ensure_demo(world.runtime)
    alice = await world.person("alice")
    for sample in SAMPLES:
        assert (await read(world, sample.id, alice.headers)).status_code == 200
        body = {"taskId": sample.id}
        for verb in ("deleteTask", "cancelTask"):
            path = f"/api/v1/jobs/{verb}"
            for headers in (alice.headers, DEMO):
                refused = await world.client.post(path, json=body, headers=headers)
                assert refused.status_code == 403, (verb, refused.text)


async def test_the_demo_key_follows_the_settings(world: World):
    await ensure_demo(world.runtime)
    other = "kino_demo_readonly_" + "a1" * 12
    runtime = replace(world.runtime, settings=replace(world.runtime.settings, demo_key=other))
    await ensure_demo(runtime)
    sample = SAMPLES[0].id
    assert (await read(world, sample, DEMO)).status_code == 401
    headers = {"Authorization": f"Bearer {other}"}
    assert (await read(world, sample, headers)).status_code == 200
    off = replace(world.runtime, settings=replace(world.runtime.settings, demo_key=""))
    await ensure_demo(off)
    refused = await read(world, sample, headers)
    assert (refused.status_code, refused.json()) == (401, {"message": "API Key is inactive"})


async def rehearse(
    world: World, tools: Tools, order: object, headers: dict[str, str]
) -> dict[str, Any]:
    tester = await world.person("tester", "0", mode=KeyMode.TEST)
    response = await world.client.post(PATH_CREATE, json=order, headers=tester.headers | headers)
    assert response.status_code == 200, response.text
    task_id = response.json()["taskId"]
    await advance(tools, task_id)
    record: dict[str, Any] = (await read(world, task_id, tester.headers)).json()
    return record


@pytest.mark.parametrize(
    ("word", "code"), [("moderation", "2038"), ("face", "4011"), ("server_error", "500")]
)
async def test_a_test_key_sees_the_failure_it_asks_for(
    world: World, tools: Tools, word: str, code: str
):
    by_header = await rehearse(world, tools, PICTURE, {"X-Test-Outcome": word})
    prompted = {"model": "gpt-image-2", "inputs": {"prompt": f"test:{word} a cat"}}
    by_prompt = await rehearse(world, tools, prompted, {})
    for record in (by_header, by_prompt):
        assert (record["status"], record["error"]["code"]) == ("fail", code)
        assert record["creditsUsed"] == 0
    assert await audit(world.runtime.database) == []


async def test_without_a_wish_a_test_key_gets_a_real_preview_for_nothing(
    world: World, tools: Tools
):
    record = await rehearse(world, tools, PICTURE, {})
    assert (record["status"], record["creditsUsed"], record["preview"]) == ("success", 0, True)


async def test_a_wish_is_refused_from_live_keys_and_where_nobody_knows_it(world: World):
    alice = await world.person("alice")
    tester = await world.person("alice", mode=KeyMode.TEST)
    for person, word in ((alice, "moderation"), (tester, "explode")):
        headers = {**person.headers, "X-Test-Outcome": word}
        refused = await world.client.post(PATH_CREATE, json=PICTURE, headers=headers)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["path"] == ["X-Test-Outcome"]
    assert await world.count("task") == 0


async def test_a_start_gives_the_demo_key_back_what_it_may_and_no_more(world: World):
    await ensure_demo(world.runtime)
    await world.runtime.database.execute(
        "update api_key set active = false, expires_at = %(now)s, scopes = array['tasks:write']",
        {"now": world.clock()},
    )
    await ensure_demo(world.runtime)
    assert (await read(world, SAMPLES[0].id, DEMO)).status_code == 200
    refused = await world.client.post(PATH_CREATE, json=VIDEO, headers=DEMO)
    assert (refused.status_code, refused.json()) == (403, {"message": READ_ONLY})


async def test_the_demo_key_is_not_rotated(world: World):
    await ensure_demo(world.runtime)
    with pytest.raises(InvalidRequest, match="KINETOSCOPE_DEMO_KEY"):
        await keys.rotate(
            world.runtime.database, DEMO_KEY_ID, overlap=timedelta(), now=world.clock()
        )
