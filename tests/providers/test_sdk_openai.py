"""OpenAI's own client gets along with our wire shapes, and has the fields and words we send."""

import base64
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import pytest
from openai import (
    AsyncOpenAI,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    RateLimitError,
)
from openai.types import ImageModel, video_create_params
from openai.types.audio.speech_create_params import SpeechCreateParams
from openai.types.image_edit_params import ImageEditParamsNonStreaming
from openai.types.image_generate_params import ImageGenerateParamsNonStreaming
from tests.providers import wire_openai, wire_openai_media
from tests.providers.asking import asked, ordered
from tests.providers.upstream import KEY, Stage, Upstream, Verb, answers, media_of, payload, running

from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.calling import Call
from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.openai import HAVE_FINEST, OPENAI, STANDARD
from kinetoscope.providers.openai_images import BACKGROUNDS, FORMATS, QUALITIES
from kinetoscope.providers.openai_media import OPENAI_MEDIA, SPEECH_FORMATS

pytestmark = [
    pytest.mark.anyio,
    # As a protocol it goes on.
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]

PICTURE = media_of(MediaKind.IMAGE)[1]
CLIP = media_of(MediaKind.VIDEO)[1]
MODEL = "gpt-image-2"


def client(upstream: Upstream, key: str = KEY) -> AsyncOpenAI:
    url = f"http://127.0.0.1:{upstream.port}/v1"
    return AsyncOpenAI(api_key=key, base_url=url, max_retries=0)


async def test_pictures_are_made():
    async with running(wire_openai.wire) as upstream, client(upstream) as api:
        made = await api.images.generate(
            model=MODEL, prompt="A fox", n=2, size="1376x768", quality="low", output_format="png"
        )
        assert made.data is not None
        assert [base64.b64decode(each.b64_json or "") for each in made.data] == [PICTURE] * 2
        assert made.usage is not None
        assert made.usage.input_tokens_details.text_tokens == 10
        assert made.usage.output_tokens_details is not None
        assert made.usage.output_tokens_details.image_tokens == 1050
        assert upstream.only.body == {
            "model": MODEL,
            "prompt": "A fox",
            "n": 2,
            "size": "1376x768",
            "quality": "low",
            "output_format": "png",
        }


@pytest.mark.parametrize("count", [1, 2])
async def test_pictures_are_made_of_files(count: int):
    files = [("fox.png", PICTURE, "image/png") for _ in range(count)]
    async with running(wire_openai.wire) as upstream, client(upstream) as api:
        made = await api.images.edit(
            model=MODEL, prompt="Add snow", image=files[0] if count == 1 else files, n=1
        )
        assert made.data is not None
        assert len(made.data) == 1
        assert list(upstream.uploads.values()) == [PICTURE] * count
        assert upstream.only.body == {"model": MODEL, "prompt": "Add snow", "n": 1}


async def test_an_input_that_no_model_has_is_an_error():
    async with running(wire_openai.wire) as upstream, client(upstream) as api:
        with pytest.raises(BadRequestError) as refused:
            await api.images.generate(model=MODEL, prompt="A fox", extra_body={"seed": 7})
        assert (refused.value.code, refused.value.param) == ("unknown_parameter", "seed")
        assert upstream.jobs == {}


@pytest.mark.parametrize(
    ("status", "file", "kind", "code"),
    [
        (400, "openai_moderated.json", BadRequestError, "moderation_blocked"),
        (400, "openai_invalid.json", BadRequestError, "invalid_value"),
        (401, "openai_key.json", AuthenticationError, "invalid_api_key"),
        (404, "openai_model.json", NotFoundError, "model_not_found"),
        (429, "openai_model.json", RateLimitError, "model_not_found"),
        (503, "openai_model.json", InternalServerError, "model_not_found"),
    ],
)
async def test_recorded_errors_are_errors(status: int, file: str, kind: type[Any], code: str):
    async with running(wire_openai.wire) as upstream, client(upstream) as api:
        upstream.fault(Verb.SUBMIT, answers(status, payload(file)))
        with pytest.raises(kind) as refused:
            await api.images.generate(model=MODEL, prompt="A fox")
        assert refused.value.code == code


@pytest.mark.parametrize("wire", [wire_openai.wire, wire_openai_media.wire])
async def test_a_wrong_key_is_an_error(wire: Callable[[Upstream], None]):
    async with running(wire) as upstream, client(upstream, "wrong") as api:
        with pytest.raises(AuthenticationError):
            await api.models.list()
        with pytest.raises(AuthenticationError):
            await api.images.generate(model=MODEL, prompt="A fox")
        assert upstream.jobs == {}


async def test_a_clip_is_made_followed_and_downloaded():
    async with running(wire_openai_media.wire) as upstream, client(upstream) as api:
        made = await api.videos.create(
            model="wan", prompt="A fox", seconds="4", size="1280x720", extra_body={"seed": "7"}
        )
        assert made.status == "queued"
        assert upstream.only.body == {
            "model": "wan",
            "prompt": "A fox",
            "seconds": "4",
            "size": "1280x720",
            "seed": "7",
        }
        words = [(await api.videos.retrieve(made.id)).status for _ in range(3)]
        assert words == ["queued", "in_progress", "completed"]
        assert (await api.videos.download_content(made.id)).content == CLIP


async def test_a_clip_begins_with_a_file():
    async with running(wire_openai_media.wire) as upstream, client(upstream) as api:
        await api.videos.create(prompt="It runs", input_reference=("fox.png", PICTURE, "image/png"))
        assert upstream.uploads == {"reference-1": PICTURE}
        assert upstream.only.body == {"prompt": "It runs"}


async def test_a_clip_that_failed_says_why():
    async with running(wire_openai_media.wire) as upstream, client(upstream) as api:
        made = await api.videos.create(prompt="A fox")
        upstream.only.stay(Stage.REFUSED)
        failed = await api.videos.retrieve(made.id)
        assert failed.status == "failed"
        assert failed.error is not None
        assert failed.error.code == "moderation_blocked"


async def test_a_clip_is_deleted():
    async with running(wire_openai_media.wire) as upstream, client(upstream) as api:
        made = await api.videos.create(prompt="A fox")
        assert (await api.videos.delete(made.id)).deleted is True
        with pytest.raises(NotFoundError):
            await api.videos.retrieve(made.id)


async def test_a_server_of_ones_own_makes_pictures_and_has_addresses_for_them():
    async with running(wire_openai_media.wire) as upstream, client(upstream) as api:
        inline = await api.images.generate(prompt="A fox", response_format="b64_json")
        assert inline.data is not None
        assert base64.b64decode(inline.data[0].b64_json or "") == PICTURE
        edited = await api.images.edit(prompt="Add snow", image=[("fox.png", PICTURE)])
        assert edited.data is not None
        assert edited.data[0].url == "/v1/images/up-2/content"
        assert upstream.uploads == {"image-1": PICTURE}
        with pytest.raises(BadRequestError):
            await api.images.generate(prompt="A fox", size="auto")


async def test_a_text_is_spoken():
    async with running(wire_openai_media.wire) as upstream, client(upstream) as api:
        spoken = await api.audio.speech.create(
            model="tts", input="A fox", voice="vivian", response_format="mp3"
        )
        assert spoken.content == media_of(MediaKind.AUDIO)[1]
        assert upstream.only.body == {
            "model": "tts",
            "input": "A fox",
            "voice": "vivian",
            "response_format": "mp3",
        }


def words_of(hint: object) -> set[str]:
    """Return every literal that a type allows for."""
    inner = get_args(hint)
    found = {each for each in inner if isinstance(each, str)}
    return found.union(*(words_of(each) for each in inner if not isinstance(each, str)))


GENERATE = get_type_hints(ImageGenerateParamsNonStreaming)
EDIT = get_type_hints(ImageEditParamsNonStreaming)


@pytest.mark.parametrize("fields", [GENERATE, EDIT])
def test_our_words_are_theirs(fields: dict[str, Any]):
    assert words_of(fields["quality"]) >= QUALITIES
    assert words_of(fields["background"]) == BACKGROUNDS
    assert words_of(fields["output_format"]) >= set(FORMATS.values())
    assert {"auto", "1024x1024", "1536x1024", "1024x1536"} <= words_of(fields["size"])


def test_our_models_are_theirs():
    models = set(get_args(ImageModel))
    assert set(OPENAI.models.values()) <= models
    assert models >= STANDARD
    assert any(model.startswith(HAVE_FINEST) for model in models)
    assert all(builtin().find(model) is not None for model in OPENAI.models)


@pytest.mark.parametrize("images", [0, 2])
@pytest.mark.parametrize("model", sorted(OPENAI.models))
def test_what_we_send_for_pictures_are_fields_of_theirs(model: str, images: int):
    order = ordered(
        model, images=images, outputFormat="jpeg", background="opaque", outputCompression=80
    )
    call = OPENAI.submit(asked(OPENAI, order))
    assert isinstance(call, Call)
    sent = dict(call.fields) if images else call.json
    assert isinstance(sent, dict)
    fields = EDIT if images else GENERATE
    assert sent.keys() <= fields.keys()
    for name in ("model", "quality", "background", "output_format"):
        assert sent[name] in words_of(fields[name])
    assert {part.name for part in call.files} == ({"image[]"} if images else set())


OWN = {"seed"}
"""What vLLM-Omni and SGLang have besides."""


def test_what_we_send_for_clips_are_fields_of_theirs():
    order = ordered("seedance-20", images=1, duration=5)
    call = OPENAI_MEDIA.submit(asked(OPENAI_MEDIA, order, "wan"))
    assert isinstance(call, Call)
    fields = get_type_hints(video_create_params.VideoCreateParams)
    assert dict(call.fields).keys() - OWN <= fields.keys()
    assert {part.name for part in call.files} <= fields.keys()


def test_what_we_send_for_speech_are_fields_of_theirs():
    call = OPENAI_MEDIA.submit(asked(OPENAI_MEDIA, ordered("kinetoscope-soundscape"), "tts"))
    assert isinstance(call, Call)
    assert isinstance(call.json, dict)
    fields = get_type_hints(SpeechCreateParams)
    assert call.json.keys() <= fields.keys()
    assert set(SPEECH_FORMATS.values()) <= words_of(fields["response_format"])
