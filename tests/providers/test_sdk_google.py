"""Google's own client gets along with our wire shape, and sends what our adapter sends.

It runs in a process of its own: it leaves connections open at its end.
"""

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.providers.asking import asked, called_back, ordered, sent
from tests.providers.upstream import KEY, Stage, Upstream, Verb, answers, media_of, running
from tests.providers.wire_google import REFUSAL, wire

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.google import GOOGLE

pytestmark = pytest.mark.anyio

BEGIN = """
import base64, json, sys
from google import genai
from google.genai import errors, types

url, key, given = json.loads(sys.argv[1])
options = types.HttpOptions(base_url=url, api_version="v1beta")
client = genai.Client(api_key=key, http_options=options)

def say(**said):
    print(json.dumps(said))
"""
FOLLOW = """
made = client.interactions.create(**given)
seen = [client.interactions.get(made.id) for _ in range(3)]
clip = seen[-1].output_video
name = "files/" + clip.uri.rpartition("/")[2].partition(":")[0]
content = client.files.download(file=name)
say(
    id=made.id,
    words=[each.status for each in seen],
    uri=clip.uri,
    content=base64.b64encode(content).decode(),
    tokens=seen[-1].usage.output_tokens_by_modality[0].tokens,
)
"""
SEE = """
seen = client.interactions.get(given)
said = [block.text for step in seen.steps[1:] for block in step.content]
say(
    word=seen.status,
    said=said,
    has_clip=seen.output_video is not None,
    errors=[error.message for error in seen.errors or ()],
)
"""
STOP = """
say(word=client.interactions.cancel(given).status)
"""
PICTURE = """
made = client.models.generate_content(
    model="gemini-3-pro-image",
    contents=["A fox", types.Part.from_bytes(data=b"a picture", mime_type="image/png")],
    config=types.GenerateContentConfig(
        response_modalities=["IMAGE"],
        seed=7,
        image_config=types.ImageConfig(aspect_ratio="16:9", image_size="2K"),
    ),
)
first = made.candidates[0]
say(
    reason=first.finish_reason.name,
    thoughts=[part.thought for part in first.content.parts],
    content=base64.b64encode(first.content.parts[-1].inline_data.data).decode(),
    tokens=[made.usage_metadata.prompt_token_count, made.usage_metadata.candidates_token_count],
)
"""
BLOCKED = """
made = client.models.generate_content(model="gemini-3-pro-image", contents="A fox")
first = made.candidates[0] if made.candidates else None
feedback = made.prompt_feedback
say(
    blocked=feedback.block_reason.name if feedback else None,
    reason=first.finish_reason.name if first else None,
)
"""
REFUSED = """
caught = []
for ask in (
    lambda: client.models.generate_content(model="gemini-3-pro-image", contents="A fox"),
    lambda: client.files.download(file="files/up1"),
):
    try:
        ask()
    except errors.APIError as error:
        caught.append([error.code, error.status, error.message])
say(caught=caught)
"""
REFUSED_CLIP = """
caught = []
for ask in (lambda: client.interactions.create(**given), lambda: client.interactions.get("v1_1")):
    try:
        ask()
    except Exception as error:
        caught.append([error.status_code, type(error).__name__])
say(caught=caught)
"""


async def ran(
    script: str, upstream: Upstream, folder: Path, given: object = None, key: str = KEY
) -> dict[str, Any]:
    """Run a script with Google's client, as its users do."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        BEGIN + script,
        json.dumps([f"http://127.0.0.1:{upstream.port}", key, given]),
        env={"HOME": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complained = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, complained.decode()
    said: dict[str, Any] = json.loads(printed)
    return said


def clip_body(*, images: int = 0) -> dict[str, Any]:
    """Return what our adapter asks a clip with."""
    order = ordered("seedance-20", images=images, aspectRatio="9:16", duration=8)
    ask = called_back(asked(GOOGLE, order, "gemini-omni-1.2-flash"), "https://us.example/news")
    body = sent(ask, GOOGLE)[1]
    for number, picture in enumerate(body["input"][0]["content"][:-1]):
        picture["data"] = base64.b64encode(f"picture {number}".encode()).decode()
    return body


async def test_a_clip_is_made_followed_and_downloaded(tmp_path: Path):
    async with running(wire) as upstream:
        body = clip_body(images=2)
        said = await ran(FOLLOW, upstream, tmp_path, body)
        assert upstream.only.body == body, "the client says it in other words"
        assert said["id"] == upstream.only.id
        assert said["words"] == ["queued", "in_progress", "completed"]
        assert said["uri"].endswith("/v1beta/files/up1:download?alt=media")
        assert base64.b64decode(said["content"]) == media_of(MediaKind.VIDEO)[1]
        assert said["tokens"] == 46336
        paths = [recorded.path for recorded in upstream.of(Verb.FILE)]
        assert paths == ["/v1beta/files/up1:download", "/download/v1beta/files/up1:download"]


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (Stage.REFUSED, {"word": "completed", "said": [REFUSAL], "errors": []}),
        (Stage.FAILED, {"word": "failed", "said": [], "errors": ["Internal error encountered."]}),
        (Stage.CANCELLED, {"word": "cancelled", "said": [], "errors": []}),
    ],
)
async def test_a_clip_comes_to_nothing(stage: Stage, expected: dict[str, object], tmp_path: Path):
    async with running(wire) as upstream:
        job = upstream.new_job(clip_body(), MediaKind.VIDEO)
        job.stay(stage)
        assert await ran(SEE, upstream, tmp_path, job.id) == {**expected, "has_clip": False}


async def test_a_clip_is_cancelled(tmp_path: Path):
    async with running(wire) as upstream:
        job = upstream.new_job(clip_body(), MediaKind.VIDEO)
        assert await ran(STOP, upstream, tmp_path, job.id) == {"word": "cancelled"}
        assert job.stage is Stage.CANCELLED


async def test_a_picture_of_a_picture_is_made(tmp_path: Path):
    order = ordered("nanobanana-pro", images=1, aspectRatio="16:9", resolution="2k")
    body = sent(asked(GOOGLE, order), GOOGLE)[1]
    # The client keeps this one name as Python has it; the service reads both.
    picture = {"mime_type": "image/png", "data": base64.b64encode(b"a picture").decode()}
    body["contents"][0]["parts"][1] = {"inlineData": picture}
    async with running(wire) as upstream:
        said = await ran(PICTURE, upstream, tmp_path)
        assert upstream.only.body == body
        assert said["reason"] == "STOP"
        assert said["thoughts"] == [True, None]
        assert base64.b64decode(said["content"]) == media_of(MediaKind.IMAGE)[1]
        assert said["tokens"] == [1130, 1120]


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        (
            {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
            {"blocked": "PROHIBITED_CONTENT", "reason": None},
        ),
        (
            {"candidates": [{"finishReason": "IMAGE_SAFETY", "finishMessage": "No."}]},
            {"blocked": None, "reason": "IMAGE_SAFETY"},
        ),
    ],
)
async def test_a_picture_is_blocked(answered: object, expected: dict[str, object], tmp_path: Path):
    async with running(wire) as upstream:
        upstream.fault(Verb.SUBMIT, answers(200, answered))
        assert await ran(BLOCKED, upstream, tmp_path) == expected


async def test_a_wrong_key_is_an_error(tmp_path: Path):
    async with running(wire) as upstream:
        said = await ran(REFUSED, upstream, tmp_path, key="wrong")
        message = "API key not valid. Please pass a valid API key."
        assert said["caught"] == [[400, "INVALID_ARGUMENT", message]] * 2
        said = await ran(REFUSED_CLIP, upstream, tmp_path, clip_body(), key="wrong")
        assert said["caught"] == [[400, "BadRequestError"]] * 2
        assert upstream.jobs == {}


async def test_what_is_not_there_is_an_error(tmp_path: Path):
    body = clip_body()
    body["response_format"]["aspect_ratio"] = "1:1"
    async with running(wire) as upstream:
        said = await ran(REFUSED_CLIP, upstream, tmp_path, body)
        assert said["caught"] == [[400, "BadRequestError"], [404, "NotFoundError"]]
        assert upstream.jobs == {}
