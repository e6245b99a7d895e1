"""The acceptance list for clients of Kinovi's API, rows 15 to 29: media, prices, the rest.

Each test is one row and bears its number. Media is made by the embedded renderer and decoded.
"""

import base64
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image
from tests.conftest import Person, World
from tests.scripted import (
    FOUR,
    PATH_CREATE,
    ScriptedProvider,
    create,
    done_pictures,
    done_with_usage,
    film,
    paint,
    record,
    tools_for,
)

from kinetoscope.accounts import accounts
from kinetoscope.catalog.price import price_table
from kinetoscope.cli.first_start import ensure_demo
from kinetoscope.kernel.credits import format_credits
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.order import Usage
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.samples import SAMPLES
from kinetoscope.tasks.tools import Tools
from kinetoscope.wiring import worker_tools

pytestmark = pytest.mark.anyio

SMALL = {"prompt": "a sunset over the sea", "duration": 4, "outputResolution": "480p"}


@pytest.fixture
async def tools(world: World) -> AsyncIterator[Tools]:
    """Lend a real worker's tools: the embedded renderer in its own processes."""
    async with worker_tools(world.runtime) as lent:
        yield lent


async def made(world: World, tools: Tools, person: Person, order: object) -> dict[str, Any]:
    """Create a task, carry it to its end, read it."""
    task_id = await create(world, person, order)
    await advance(tools, task_id)
    return await record(world, person, task_id)


async def download(world: World, url: str) -> bytes:
    response = await world.client.get(url)
    assert response.status_code == 200
    return response.content


def data_uri(path: Path, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(path.read_bytes()).decode()}"


async def test_row_15_an_output_item_is_true_to_its_file(world: World, tools: Tools):
    alice = await world.person("alice")
    found = await made(world, tools, alice, {"model": "seedance-20", "inputs": SMALL})
    (item,) = found["output"]
    with av.open(io.BytesIO(await download(world, item["url"]))) as container:
        video = container.streams.video[0]
        assert (video.width, video.height) == (item["width"], item["height"]) == (864, 496)
        assert video.codec.name == "h264"
        assert video.average_rate == 24
        assert video.duration is not None
        assert video.time_base is not None
        assert abs(float(video.duration * video.time_base) - 4) <= 0.1
        assert len(container.streams.audio) == 1
    assert item["mediaType"] == "video/mp4"
    assert isinstance(item["seed"], int)
    last = Image.open(io.BytesIO(await download(world, item["lastFrameImage"])))
    assert (last.format, last.size) == ("PNG", (864, 496))
    four = await made(world, tools, alice, FOUR)
    assert len(four["output"]) == 4
    for item in four["output"]:
        image = Image.open(io.BytesIO(await download(world, item["url"])))
        assert image.size == (item["width"], item["height"]) == (1024, 1024)
        assert f"image/{image.format}".lower() == item["mediaType"]


async def test_row_16_a_silent_video_has_no_audio_stream(world: World, tools: Tools):
    alice = await world.person("alice")
    order = {"model": "seedance-20", "inputs": {**SMALL, "generate_audio": False}}
    found = await made(world, tools, alice, order)
    with av.open(io.BytesIO(await download(world, found["output"][0]["url"]))) as container:
        assert len(container.streams.video) == 1
        assert len(container.streams.audio) == 0


async def test_row_17_modes_follow_the_media_and_audio_alone_fails_late(
    world: World, tmp_path: Path
):
    alice = await world.person("alice")
    image = data_uri(paint(tmp_path / "a.png", 400, 320), "image/png")
    clip = data_uri(film(tmp_path / "a.mp4", 320, 320, frames=60), "video/mp4")
    for media, price in (
        ({}, 200),
        ({"imageUrls": [image] * 3}, 200),
        ({"imageUrls": [image], "mode": "reference"}, 200),
        ({"videoUrls": [clip]}, 240),
    ):
        inputs = {"prompt": "a sunset", **media}
        task_id = await create(world, alice, {"model": "seedance-20", "inputs": inputs})
        assert (await record(world, alice, task_id))["creditsUsed"] == price
    sound = tmp_path / "a.wav"
    with av.open(sound, "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=24000)
        frame.planes[0].update(bytes(48000))
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    inputs = {"prompt": "a sunset", "audioUrls": [data_uri(sound, "audio/wav")]}
    await failed_late(world, {"model": "seedance-20", "inputs": inputs}, "InvalidParameter")


async def failed_late(world: World, order: object, code: str) -> str:
    """Demand that an order is taken, then fails before any provider sees it, and costs nothing."""
    person = await world.person("late")
    task_id = await create(world, person, order)
    provider = ScriptedProvider(submits=[])
    await advance(tools_for(world, provider), task_id)
    found = await record(world, person, task_id)
    assert (found["status"], found["error"]["code"]) == ("fail", code)
    assert (await world.balance(person))[:3] == (100000, 0, 0)
    assert provider.submitted == []
    assert await audit(world.runtime.database) == []
    message: str = found["error"]["message"]
    return message


async def test_row_18_too_much_reference_video_is_taken_and_then_fails(
    world: World, tmp_path: Path
):
    clip = data_uri(film(tmp_path / "long.mp4", 320, 320, frames=24 * 16), "video/mp4")
    inputs = {"prompt": "a sunset", "videoUrls": [clip]}
    message = await failed_late(
        world, {"model": "seedance-20", "inputs": inputs}, "InvalidParameter"
    )
    assert "15" in message


async def test_row_19_a_reference_that_cannot_be_fetched_is_named(world: World, tmp_path: Path):
    image = data_uri(paint(tmp_path / "a.png", 400, 320), "image/png")
    urls = [image, "http://127.0.0.1:9/secret.png"]
    message = await failed_late(
        world,
        {"model": "seedance-20", "inputs": {"prompt": "a sunset", "imageUrls": urls}},
        "asset_review_failed",
    )
    assert message == "Reference image 2 failed review. Please replace it."


@pytest.mark.parametrize(
    ("model", "inputs", "credits_used"),
    [
        ("seedance-20", {"prompt": "x", "duration": 15, "outputResolution": "4k"}, 3000),
        ("seedance2-fast", {"prompt": "x", "outputResolution": "480p"}, 70),
        ("seedance2.0-mini", {"prompt": "x", "outputResolution": "480p", "duration": 5}, 37.5),
        ("wan3.0-text-to-video", {"prompt": "x", "outputResolution": "1080p"}, 285.05),
        ("gpt-image-2", {"prompt": "x", "quality": "high", "resolution": "4k"}, 156.36),
        ("nanobanana-pro", {"prompt": "x"}, 14.41),
        ("midjourney-v8", {"prompt": "x"}, 12),
        ("gpt-image-2.5-flare", {"prompt": "x"}, 1.75),
        ("seedance2-5", {"prompt": "x"}, 295),
    ],
)
async def test_row_22_prices_are_those_of_the_published_tables(
    world: World, model: str, inputs: object, credits_used: float
):
    alice = await world.person("alice", "5000")
    task_id = await create(world, alice, {"model": model, "inputs": inputs})
    assert (await record(world, alice, task_id))["creditsUsed"] == credits_used
    assert (await world.balance(alice))[1] == round(credits_used * 100)


async def test_row_23_decimals_are_exact_and_free_of_noise(world: World):
    alice = await world.person("alice", "142.57")
    for _ in range(9):
        await create(world, alice, {"model": "nanobanana-pro", "inputs": {"prompt": "x"}})
    response = await world.client.post(
        PATH_CREATE,
        json={"model": "nanobanana-pro", "inputs": {"prompt": "x"}},
        headers=alice.headers,
    )
    assert b'"required":14.41,"available":12.88' in response.content
    order = {"model": "gpt-image-2.5-flare", "inputs": {"prompt": "x"}}
    task_id = await create(world, alice, order)
    usage = Usage(tokens_text_in=1001, tokens_image_in=0, tokens_image_out=333)
    provider = ScriptedProvider(statuses=[done_with_usage(usage)])
    await advance(tools_for(world, provider), TaskId(task_id))
    used = (await record(world, alice, task_id))["creditsUsed"]
    assert str(used) == "3.91"


@pytest.mark.parametrize(
    ("model", "inputs", "stored"),
    [
        ("seedance-20", {"prompt": "x", "duration": "5s"}, {"duration": 5}),
        ("seedance-20", {"prompt": "x", "duration": "5"}, {"duration": 5}),
        ("seedance-20", {"prompt": "x", "urls": ["https://a.example/a.png"]}, {"imageUrls": 1}),
        (
            "nanobanana2",
            {"prompt": "x", "sourceImageUrl": "https://a.example/a.png"},
            {"uploadedUrls": 1},
        ),
        ("seedance-20", {"prompt": "x", "upscaleResolution": "4k"}, {"outputResolution": "4k"}),
    ],
)
async def test_row_26_older_request_shapes_are_taken_or_cleanly_refused(
    world: World, model: str, inputs: object, stored: dict[str, object]
):
    alice = await world.person("alice", "5000")
    order = {"model": model, "inputs": inputs}
    response = await world.client.post(PATH_CREATE, json=order, headers=alice.headers)
    assert response.status_code == 200, response.text
    async with world.runtime.database.connection() as connection:
        row = await (await connection.execute("select inputs from task")).fetchone()
    assert row is not None
    for name, value in stored.items():
        kept = row[0][name]
        assert (len(kept) if isinstance(kept, list) else kept) == value


async def test_row_21_uploads_are_put_without_a_key_and_gone_after_24_hours(
    world: World, tmp_path: Path
):
    alice = await world.person("alice")
    body = {"fileName": "reference.png"}
    asked = await world.client.post("/api/v1/uploads", json=body, headers=alice.headers)
    place = asked.json()
    assert {"uploadUrl", "url", "contentType"} <= set(place)
    content = paint(tmp_path / "a.png", 400, 320).read_bytes()
    headers = {"Content-Type": place["contentType"]}
    put = await world.client.put(place["uploadUrl"], content=content, headers=headers)
    assert put.is_success
    assert await download(world, place["url"]) == content
    world.clock.move(timedelta(hours=24))
    assert (await world.client.get(place["url"])).status_code == 403


async def test_row_25_the_demo_key_reads_five_samples_and_creates_nothing(
    world: World, tools: Tools
):
    await ensure_demo(world.runtime)
    demo = {"Authorization": f"Bearer {world.runtime.settings.demo_key}"}
    states = {}
    for sample in SAMPLES:
        if sample.rehearsal is not None:
            await advance(tools, sample.id)
        response = await world.client.get(
            "/api/v1/jobs/recordInfo", params={"taskId": sample.id}, headers=demo
        )
        states[sample.id] = response.json()["status"]
    assert states == {
        "demo_task_t2v_success": "waiting",  # rendered in tests/api/test_demo_key.py
        "demo_task_i2v_success": "waiting",
        "demo_task_fail_text_moderation": "fail",
        "demo_task_fail_face_detected": "fail",
        "demo_task_fail_server_error": "fail",
    }
    refused = await world.client.post(PATH_CREATE, json=FOUR, headers=demo)
    assert refused.status_code == 403
    assert "read-only" in refused.json()["message"]
    assert (await accounts.by_name(world.runtime.database, "demo")).available == 0


async def test_row_24_media_is_kept_14_days_and_what_is_known_of_a_task_60(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, FOUR)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    url = (await record(world, alice, task_id))["output"][0]["url"]
    second = timedelta(seconds=1)
    world.clock.move(timedelta(days=14) - second)
    assert (await world.client.get(url)).status_code == 200
    world.clock.move(second)
    assert (await world.client.get(url)).status_code == 403
    assert (await record(world, alice, task_id))["status"] == "success"
    world.clock.move(timedelta(days=46) - second)
    assert (await record(world, alice, task_id))["status"] == "success"
    world.clock.move(second)
    gone = await world.client.get(
        "/api/v1/jobs/recordInfo", params={"taskId": task_id}, headers=alice.headers
    )
    assert (gone.status_code, gone.json()) == (404, {"message": "Task not found"})


async def test_row_27_what_there_is_can_be_discovered(world: World):
    for path, content_type in (
        ("/openapi.json", "application/json"),
        ("/llms.txt", "text/plain"),
        ("/llms-full.txt", "text/plain"),
        ("/.well-known/api-catalog", "application/linkset+json"),
    ):
        response = await world.client.get(path)
        assert response.status_code == 200, path
        assert response.headers["content-type"].startswith(content_type)
    for path in ("/llms.txt", "/llms-full.txt"):
        assert "seedance-20" in (await world.client.get(path)).text
    catalog = (await world.client.get("/.well-known/api-catalog")).text
    assert "/openapi.json" in catalog


async def test_row_28_agents_are_answered_at_api_mcp_with_a_key_alone(world: World):
    alice = await world.person("alice")
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {"Accept": "application/json, text/event-stream"}
    refused = await world.client.post("/api/mcp", json=message, headers=headers)
    assert refused.status_code == 401
    answered = await world.client.post("/api/mcp", json=message, headers=headers | alice.headers)
    assert answered.status_code == 200
    assert '"generate"' in answered.text


async def test_row_29_every_model_has_a_public_page_with_its_price(world: World):
    for model in world.runtime.catalog.models:
        page = await world.client.get(f"/models/{model.id}")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        for row in price_table(model):
            assert format_credits(row.price) in page.text
        assert f"?model={model.id}" in page.text
