"""OpenAI's images and speech: answers that come with a task's end."""

import base64
from collections.abc import AsyncIterator
from io import BytesIO

import pytest
from openai import AsyncOpenAI, BadRequestError, InternalServerError
from PIL import Image
from tests.conftest import Person, World
from tests.dialects.examples_openai import PICTURE, SOUNDS
from tests.dialects.openai_client import Line, speaking
from tests.dialects.working import working
from tests.scripted import record

from kinetoscope.kernel.ids import TaskId
from kinetoscope.providers.contract import Failed, Kind
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio

GENERATIONS, EDITS, SPEECH = (
    f"/openai/v1/{path}" for path in ("images/generations", "images/edits", "audio/speech")
)
ASKED = {"model": "gpt-image-2", "prompt": "a kite"}


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
async def spoken(world: World, alice: Person) -> AsyncIterator[tuple[AsyncOpenAI, Line]]:
    async with speaking(world, alice) as made:
        yield made


async def only_task(world: World) -> TaskId:
    values = await world.runtime.database.fetch_values("select id from task", {})
    assert values is not None
    return TaskId(values[0])


async def bytes_at(world: World, url: str | None) -> bytes:
    assert url is not None
    return (await world.client.get(url)).content


async def test_an_image_comes_as_base64_with_its_address_beside(
    world: World, alice: Person, spoken: tuple[AsyncOpenAI, Line]
):
    client, _ = spoken
    async with working(world):
        made = await client.images.generate(
            model="gpt-image-2",
            prompt="a kite",
            n=1,
            size="1376x768",
            quality="medium",
            output_format="png",
            background="opaque",
            moderation="auto",
            user="somebody",
        )
    task_id = await only_task(world)
    assert made._request_id == task_id
    assert (made.size, made.quality, made.output_format) == ("31x20", "medium", "png")
    assert made.background == "opaque"
    assert made.created == int(world.clock().timestamp())
    assert made.data is not None
    (image,) = made.data
    content = base64.b64decode(image.b64_json or "", validate=True)
    assert Image.open(BytesIO(content)).size == (31, 20)
    assert content == await bytes_at(world, image.url)
    inputs = await world.runtime.database.fetch_values("select inputs from task", {})
    assert inputs is not None
    assert inputs[0] == {
        "prompt": "a kite",
        "aspectRatio": "16:9",
        "resolution": "1k",
        "quality": "medium",
        "outputFormat": "png",
        "background": "opaque",
    }
    assert await world.balance(alice) == (98697, 0, 1303, 0)
    assert await audit(world.runtime.database) == []


async def test_four_images_are_one_task_and_may_be_addresses_only(
    world: World, spoken: tuple[AsyncOpenAI, Line]
):
    client, _ = spoken
    async with working(world):
        four = await client.images.generate(model="midjourney-v8", prompt="a kite", n=4)
        addresses = await client.images.generate(
            model="midjourney-v8", prompt="a kite", response_format="url"
        )
    assert four.data is not None
    assert addresses.data is not None
    for image in four.data:
        content = base64.b64decode(image.b64_json or "", validate=True)
        assert content == await bytes_at(world, image.url)
    assert [image.b64_json for image in addresses.data] == [None] * 4
    assert len({image.url for image in [*four.data, *addresses.data]}) == 8


async def test_images_are_made_of_images(world: World, alice: Person):
    """A list of files, or one; the SDK sends both, and `extra_body` references."""
    async with speaking(world, alice, prefix="/v1") as (client, _), working(world):
        await client.images.edit(
            model="gpt-image-2", prompt="as one", image=[PICTURE, PICTURE], quality="low"
        )
        await client.images.edit(model="gpt-image-2", prompt="in winter", image=PICTURE)
    counts = await world.runtime.database.fetch_values(
        "select array_agg(jsonb_array_length(inputs->'uploadedUrls')) from task", {}
    )
    assert counts is not None
    assert sorted(counts[0]) == [1, 2]


REFUSED_IMAGES: tuple[tuple[dict[str, object], int, str | None], ...] = (
    ({"n": 2}, 400, "n"),
    ({"size": "1000x1000"}, 400, "size"),
    ({"size": 7}, 400, "size"),
    ({"quality": "max"}, 400, "quality"),
    ({"background": "transparent"}, 400, "background"),
    ({"output_format": "svg"}, 400, "output_format"),
    ({"output_compression": 50}, 400, "output_compression"),
    ({"response_format": "png"}, 400, "response_format"),
    ({"model": "nanobanana2", "quality": "high"}, 400, "quality"),
    ({"model": "nanobanana2", "output_format": "webp"}, 400, "output_format"),
    ({"model": None}, 400, "model"),
    ({"model": "seedance-20"}, 400, "model"),
    ({"model": "dall-e-3"}, 404, "model"),
    ({"prompt": None}, 400, "prompt"),
    ({"stream": True}, 501, None),
    ({"partial_images": 2}, 501, None),
    ({"mask": "https://example.com/mask.png"}, 501, None),
    ({"svg": {"model": "x"}}, 501, None),
)


async def test_what_a_model_cannot_do_is_refused_and_not_left_out(world: World, alice: Person):
    for change, status, param in REFUSED_IMAGES:
        response = await world.client.post(
            GENERATIONS, json={**ASKED, **change}, headers=alice.headers
        )
        told = response.status_code, response.json()["error"]["param"]
        assert told == (status, param), (change, response.text)
        assert response.headers["x-should-retry"] == "false"
    assert await world.count("task") == 0


async def test_edits_want_an_image_and_no_mask(world: World, alice: Person):
    for files, status in (
        ({"other": PICTURE}, 400),
        ({"image": PICTURE, "mask": PICTURE}, 501),
        ({"image": ("a.png", b"no picture", "image/png")}, 400),
    ):
        response = await world.client.post(EDITS, data=ASKED, files=files, headers=alice.headers)
        assert response.status_code == status, response.text
    response = await world.client.post(EDITS, json=ASKED, headers=alice.headers)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "image")
    assert await world.count("task") == 0


@pytest.mark.parametrize("word", ["moderation", "server_error"])
async def test_a_failed_task_is_an_error_that_is_told_once(
    world: World, alice: Person, spoken: tuple[AsyncOpenAI, Line], word: str
):
    """The SDK would ask for a 500 twice more."""
    client, line = spoken
    failed = {
        "moderation": Failed(code="2038", message="no", kind=Kind.MODERATION),
        "server_error": Failed(code="500", message="no"),
    }[word]
    async with working(world, ending=failed):
        with pytest.raises((BadRequestError, InternalServerError)) as told:
            await client.images.generate(model="gpt-image-2", prompt="a kite")
    status, code = {
        "moderation": (400, "moderation_blocked"),
        "server_error": (500, "server_error"),
    }[word]
    assert (told.value.status_code, told.value.code) == (status, code)
    assert told.value.request_id == await only_task(world)
    assert line.posts == [status]
    assert await world.balance(alice) == (100000, 0, 0, 0)


async def test_sound_is_made_of_text_and_answered_as_a_file(
    world: World, alice: Person, spoken: tuple[AsyncOpenAI, Line]
):
    client, _ = spoken
    async with working(world):
        made = await client.audio.speech.create(
            model="kinetoscope-soundscape",
            input="rain on a roof",
            voice="alloy",
            response_format="wav",
            speed=1.0,
            extra_body={"duration": 2},
        )
    assert made.response.headers["content-type"] == "audio/wav"
    task_id = await only_task(world)
    assert made.response.headers["x-request-id"] == task_id
    found = await record(world, alice, task_id)
    assert made.content == await bytes_at(world, found["output"][0]["url"])
    assert await world.balance(alice) == (99600, 0, 400, 0)


REFUSED_SOUNDS: tuple[tuple[dict[str, object], int, str | None], ...] = (
    ({"response_format": "mp3"}, 400, "response_format"),
    ({"speed": 2}, 400, "speed"),
    ({"instructions": "whisper"}, 400, "instructions"),
    ({"stream_format": "sse"}, 501, None),
    ({"input": "x" * 4001}, 400, "input"),
    ({"input": None}, 400, "input"),
    ({"model": "gpt-image-2"}, 400, "model"),
    ({"model": "tts-1"}, 404, "model"),
)


async def test_sound_that_cannot_be_had_is_refused(world: World, alice: Person):
    for change, status, param in REFUSED_SOUNDS:
        response = await world.client.post(SPEECH, json={**SOUNDS, **change}, headers=alice.headers)
        told = response.status_code, response.json()["error"]["param"]
        assert told == (status, param), (change, response.text)
    assert await world.count("task") == 0
