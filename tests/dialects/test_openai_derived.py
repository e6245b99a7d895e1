"""Remixes, edits and extensions: what they do not heed is refused by name."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest
from tests.conftest import Person, World
from tests.dialects.examples_openai import PICTURE
from tests.scripted import ScriptedProvider, done_video, tools_for

from kinetoscope.kernel.ids import TaskId
from kinetoscope.settings import Settings
from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio

MODEL = "seedance2.0-mini"
SMALL = {"model": MODEL, "prompt": "a kite", "seconds": "4", "size": "864x496"}
PROMPT = {"prompt": "a red kite"}


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice", "10000")


async def post(world: World, person: Person, path: str, **sent: Any) -> httpx.Response:  # noqa: ANN401
    return await world.client.post(f"/v1/videos{path}", headers=person.headers, **sent)


async def filmed(world: World, person: Person, asked: Mapping[str, str] = SMALL) -> TaskId:
    """Make a video; its file is half a second of 64x48, whatever was asked for."""
    response = await post(world, person, "", json=asked)
    assert response.status_code == 200, response.text
    video_id = TaskId(response.json()["id"])
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), video_id)
    return video_id


def told(response: httpx.Response) -> tuple[int, str | None]:
    return response.status_code, response.json().get("error", {}).get("param")


@pytest.mark.parametrize(
    "other",
    [
        {"seconds": "8"},
        {"seconds": 8},
        {"size": "496x864"},
        {"size": "720p"},
        {"model": "seedance-20"},
        {"model": ["seedance2.0-mini"]},
        {"input_reference": {"image_url": "https://example.com/a.png"}},
        {"image_url": "https://example.com/a.png"},
        {"duration": 8},
        {"aspect_ratio": "9:16"},
        {"generate_audio": False},
        {"seed": 7},
        {"negative_prompt": "rain"},
        {"n": 2},
    ],
    ids=str,
)
async def test_a_remix_that_would_be_another_video_is_refused_by_name(
    world: World, alice: Person, other: dict[str, object]
):
    video_id = await filmed(world, alice)
    (name,) = other
    for sent in ({"json": {**PROMPT, **other}}, _as_form({**PROMPT, **other})):
        refused = await post(world, alice, f"/{video_id}/remix", **sent)
        assert refused.status_code == 400, refused.text
        assert str(told(refused)[1]).partition(".")[0] == name
        assert refused.headers["x-should-retry"] == "false"
    assert await world.count("task") == 1


def _as_form(values: Mapping[str, object]) -> dict[str, Any]:
    """Return values as a form has them, brackets and all."""
    fields: list[tuple[str, tuple[None, str]]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            fields += [(f"{name}[{key}]", (None, str(each))) for key, each in value.items()]
        elif isinstance(value, list):
            fields += [(f"{name}[]", (None, str(each))) for each in value]
        else:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            fields.append((name, (None, text)))
    return {"files": fields}


@pytest.mark.parametrize(
    "same",
    [
        {"seconds": "4", "size": "864x496", "model": MODEL},
        {"seconds": 4, "model": f"kinetoscope/{MODEL}", "aspect_ratio": "16:9"},
        {"seconds": "0", "size": "64x48"},
        {"size": "auto", "duration": 4, "user": "somebody", "unheard_of": "x", "n": 1},
        {"seconds": None, "size": None, "model": None},
    ],
    ids=str,
)
async def test_what_a_remix_has_anyway_may_be_said(
    world: World, alice: Person, same: dict[str, object]
):
    """As it was asked for or as it came out, whichever the client was shown."""
    video_id = await filmed(world, alice)
    made = await post(world, alice, f"/{video_id}/remix", json={**PROMPT, **same})
    assert made.status_code == 200, made.text
    body = made.json()
    assert (body["prompt"], body["seconds"], body["size"]) == ("a red kite", "4", "864x496")


async def test_nobody_reads_a_file_that_comes_with_a_remix(world: World, alice: Person):
    video_id = await filmed(world, alice)
    path = f"/{video_id}/remix"
    refused = await post(world, alice, path, data=PROMPT, files={"input_reference": PICTURE})
    assert told(refused) == (400, "input_reference")
    assert refused.json()["error"]["message"] == "input_reference: No file is read here"
    assert await world.count("media_file where kind = 'upload'") == 0


class TestNamed:
    """The operator has given a model's own id to another one."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, model_names={MODEL: "seedance-20", "small": MODEL})

    async def test_a_remix_is_by_the_model_that_made_the_video(self, world: World, alice: Person):
        video_id = await filmed(world, alice, {**SMALL, "model": "small"})
        for model in (None, MODEL, "small"):
            json = {**PROMPT, "model": model}
            made = await post(world, alice, f"/{video_id}/remix", json=json)
            assert (made.status_code, made.json().get("model")) == (200, MODEL), made.text


async def test_one_of_a_model_that_is_gone_is_refused(world: World, alice: Person):
    video_id = await filmed(world, alice)
    await world.runtime.database.execute("update task set model = 'of-last-year'", {})
    refused = await post(world, alice, f"/{video_id}/remix", json=PROMPT)
    assert told(refused) == (404, "model")


@pytest.mark.parametrize(("deed", "further"), [("/edits", {}), ("/extensions", {"seconds": "8"})])
async def test_edits_and_extensions_ignore_no_reference(
    world: World, alice: Person, deed: str, further: dict[str, str]
):
    clip = await filmed(world, alice, {"model": "seedance2-5", "prompt": "a walk"})
    asked = {"prompt": "in winter", "video": {"id": clip}, **further}
    image = {"image_url": "https://example.com/a.png"}
    refused = await post(world, alice, deed, json={**asked, "input_reference": image})
    assert told(refused) == (400, "input_reference")
    form = {"prompt": "in winter", "video[id]": clip, **further}
    both = await post(world, alice, deed, data=form, files={"video": PICTURE})
    assert told(both) == (400, "video")
    assert await world.count("task") == 1
    assert await world.count("media_file where kind = 'upload'") == 0
    assert (await post(world, alice, deed, json=asked)).status_code == 200
