"""Requests in the words of older contracts, over HTTP: what is kept, what is held, what is refused.

Kinovi's first versions wrote `urls`, `"5s"`, `sourceImageUrl`, `upscaleResolution` and two models
in one request; a sibling service writes `input`. Row 26 of the contract.
"""

from typing import Any

import pytest
from tests.conftest import World
from tests.scripted import PATH_CREATE, create, record

from kinetoscope.kernel.ids import TaskId

pytestmark = pytest.mark.anyio

IMAGE = "https://a.example/a.png"
VIDEO = "https://a.example/a.mp4"
AUDIO = "https://a.example/a.mp3"

PROMPT = {"prompt": "a boat"}


async def kept(world: World, task_id: TaskId) -> dict[str, Any]:
    """Return the inputs of a task as they were stored."""
    async with world.runtime.database.connection() as connection:
        cursor = await connection.execute("select inputs from task where id = %s", (task_id,))
        row = await cursor.fetchone()
    assert row is not None
    inputs: dict[str, Any] = row[0]
    return inputs


@pytest.mark.parametrize(
    ("model", "older", "current", "price"),
    [
        ("seedance-20", {"duration": "5"}, {"duration": 5}, 200),
        ("seedance-20", {"duration": "5s"}, {"duration": 5}, 200),
        ("seedance-20", {"duration": "10s"}, {"duration": 10}, 400),
        ("seedance-20", {"urls": [IMAGE]}, {"imageUrls": [IMAGE]}, 200),
        (
            "seedance-20",
            {"urls": [AUDIO, VIDEO, IMAGE]},
            {"imageUrls": [IMAGE], "videoUrls": [VIDEO], "audioUrls": [AUDIO]},
            240,
        ),
        ("nanobanana2", {"imageUrls": [IMAGE]}, {"uploadedUrls": [IMAGE]}, 15),
        ("nanobanana2", {"urls": [IMAGE]}, {"uploadedUrls": [IMAGE]}, 15),
        ("midjourney-v7", {"sourceImageUrl": IMAGE}, {"uploadedUrls": [IMAGE]}, 12),
        ("seedance-20", {"sourceImageUrl": IMAGE}, {"imageUrls": [IMAGE]}, 200),
        ("seedance-20", {"upscaleResolution": "4k"}, {"outputResolution": "4k"}, 1000),
        (
            "seedance-20",
            {"outputResolution": "720p", "upscaleResolution": "4k"},
            {"outputResolution": "4k"},
            1000,
        ),
        (
            "seedance-20",
            {"model": "seedance-20", "resolution": "720x960", "duration": "5s", "urls": [IMAGE]},
            {
                "outputResolution": "720p",
                "aspectRatio": "3:4",
                "duration": 5,
                "imageUrls": [IMAGE],
            },
            200,
        ),
    ],
)
@pytest.mark.parametrize("name", ["inputs", "input"])
async def test_an_older_shape_is_kept_and_priced_as_todays(
    world: World,
    name: str,
    model: str,
    older: dict[str, object],
    current: dict[str, object],
    price: int,
):
    alice = await world.person("alice", "5000")
    task_id = await create(world, alice, {"model": model, name: {**PROMPT, **older}})
    inputs = await kept(world, task_id)
    assert {key: inputs[key] for key in current} == current
    # Nothing is kept under a name that means nothing today.
    assert not (set(older) - set(current)) & set(inputs)
    same = await create(world, alice, {"model": model, "inputs": {**PROMPT, **current}})
    assert await kept(world, same) == inputs
    shown = await record(world, alice, task_id)
    assert (shown["model"], shown["creditsUsed"]) == (model, price)
    assert (await world.balance(alice))[1] == 2 * price * 100


@pytest.mark.parametrize(
    ("model", "inputs", "path"),
    [
        ("seedance-20", {"duration": "five"}, ["duration"]),
        ("seedance-20", {"duration": "5 s later"}, ["duration"]),
        ("seedance-20", {"duration": "16s"}, ["duration"]),
        ("seedance-20", {"duration": "5.5s"}, ["duration"]),
        ("seedance-20", {"urls": IMAGE + "\n"}, ["urls", 0]),
        ("seedance-20", {"urls": [IMAGE, 7]}, ["urls", 1]),
        ("seedance-20", {"urls": {"0": IMAGE}}, ["urls"]),
        ("seedance-20", {"upscaleResolution": "8k"}, ["upscaleResolution"]),
        ("seedance2-fast", {"upscaleResolution": "4k"}, ["upscaleResolution"]),
        ("midjourney-v7", {"sourceImageUrl": VIDEO}, ["sourceImageUrl", 0]),
        ("midjourney-v7", {"sourceImageUrl": 7}, ["sourceImageUrl"]),
        ("wan3.0-text-to-video", {"urls": [IMAGE]}, ["urls"]),
    ],
)
async def test_an_older_shape_that_means_nothing_is_named_as_it_was_sent(
    world: World, model: str, inputs: dict[str, object], path: list[object]
):
    alice = await world.person("alice")
    body = {"model": model, "inputs": {**PROMPT, **inputs}}
    response = await world.client.post(PATH_CREATE, json=body, headers=alice.headers)
    assert (response.status_code, response.json()["message"]) == (400, "Invalid inputs for model")
    assert path in [issue["path"] for issue in response.json()["errors"]]
    assert await world.count("task") == 0
    assert await world.balance(alice) == (1000_00, 0, 0, 0)


@pytest.mark.parametrize("model", ["wan22-video-generation", "seedance20-video-generation"])
async def test_the_first_versions_two_levels_of_models_are_cleanly_unknown(
    world: World, model: str
):
    alice = await world.person("alice")
    inputs = {**PROMPT, "model": "seedance-20", "resolution": "1280x720", "duration": "5s"}
    body = {"model": model, "inputs": inputs}
    response = await world.client.post(PATH_CREATE, json=body, headers=alice.headers)
    assert (response.status_code, response.json()) == (400, {"message": "Unknown model"})
    assert await world.count("task") == 0
    assert await world.balance(alice) == (1000_00, 0, 0, 0)


async def test_inputs_win_over_input(world: World):
    alice = await world.person("alice")
    body = {"model": "seedance-20", "inputs": PROMPT, "input": {**PROMPT, "duration": 15}}
    assert (await kept(world, await create(world, alice, body))).get("duration", 5) == 5
    wrong = {"model": "seedance-20", "input": "a boat"}
    response = await world.client.post(PATH_CREATE, json=wrong, headers=alice.headers)
    assert response.status_code == 400
    assert response.json()["message"] == "Invalid request parameters"
