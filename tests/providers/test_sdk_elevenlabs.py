"""ElevenLabs' own client gets along with our wire shape, and has the fields we send."""

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import get_args

import httpx
import pytest
from elevenlabs import AsyncElevenLabs, UnprocessableEntityError
from elevenlabs.core.api_error import ApiError
from elevenlabs.text_to_sound_effects import TextToSoundEffectsConvertRequestOutputFormat
from elevenlabs.text_to_sound_effects.client import AsyncTextToSoundEffectsClient
from elevenlabs.text_to_speech import TextToSpeechConvertRequestOutputFormat
from elevenlabs.text_to_speech.client import AsyncTextToSpeechClient
from tests.providers.asking import answer, asked, ordered
from tests.providers.case import Case
from tests.providers.upstream import KEY, Upstream, Verb, answers, media_of, payload, running
from tests.providers.wire_elevenlabs import CASES, wire

from kinetoscope.kernel.calling import Answer, Call
from kinetoscope.kernel.order import JSON, MediaKind
from kinetoscope.providers.contract import Kind
from kinetoscope.providers.elevenlabs import ELEVENLABS

pytestmark = pytest.mark.anyio

VOICE = "JBFqnCBsd6RMkjVDRZzb"
MODEL = "eleven_multilingual_v2"
SOUND = media_of(MediaKind.AUDIO)[1]


@asynccontextmanager
async def client(upstream: Upstream, key: str = KEY) -> AsyncIterator[AsyncElevenLabs]:
    """Its own HTTP client is never closed, so that it is given one."""
    async with httpx.AsyncClient() as http:
        yield AsyncElevenLabs(
            api_key=key, base_url=f"http://127.0.0.1:{upstream.port}", httpx_client=http
        )


async def test_it_speaks_as_we_do():
    async with running(wire) as upstream, client(upstream) as api:
        speaking = api.text_to_speech.convert(
            VOICE, text="A fox", model_id=MODEL, seed=7, output_format="mp3_44100_128"
        )
        assert b"".join([part async for part in speaking]) == SOUND
        (spoken,) = upstream.of(Verb.SUBMIT)
    call = ELEVENLABS.submit(asked(ELEVENLABS, speech(), MODEL, voice=VOICE))
    assert isinstance(call, Call)
    assert spoken.path == f"/{call.url}"
    assert spoken.query == "output_format=mp3_44100_128"
    assert spoken.json == call.json


async def test_it_makes_sounds_as_we_do():
    async with running(wire) as upstream, client(upstream) as api:
        sounding = api.text_to_sound_effects.convert(
            text="A fox",
            duration_seconds=12,
            model_id="eleven_text_to_sound_v2",
            output_format="mp3_44100_128",
        )
        assert b"".join([part async for part in sounding]) == SOUND
        (sounded,) = upstream.of(Verb.SUBMIT)
    order = ordered("kinetoscope-soundscape", duration=12)
    call = ELEVENLABS.submit(asked(ELEVENLABS, order, "eleven_text_to_sound_v2"))
    assert isinstance(call, Call)
    assert sounded.path == f"/{call.url}"
    assert sounded.query == "output_format=mp3_44100_128"
    assert sounded.json == call.json


async def test_what_it_cost_is_in_a_header():
    async with running(wire) as upstream, client(upstream) as api:
        raw = api.text_to_speech.with_raw_response
        async with raw.convert(VOICE, text="A fox", model_id=MODEL) as response:
            assert b"".join([part async for part in response.data]) == SOUND
            headers = response.headers
    made = Answer(status=200, headers=headers, body=SOUND)
    job = asked(ELEVENLABS, speech(), MODEL).job
    assert ELEVENLABS.read(made, job).usage.tokens_text_in == len("A fox")


async def test_a_query_of_its_own_is_a_query_of_ours():
    async with running(wire) as upstream, client(upstream) as api:
        speaking = api.text_to_speech.convert(
            VOICE, text="A fox", enable_logging=False, optimize_streaming_latency=2
        )
        assert [part async for part in speaking]
        (spoken,) = upstream.of(Verb.SUBMIT)
    options: dict[str, JSON] = {"enable_logging": False, "optimize_streaming_latency": 2}
    call = ELEVENLABS.submit(asked(ELEVENLABS, speech(), MODEL, voice=VOICE, **options))
    assert isinstance(call, Call)
    ours = httpx.QueryParams(list(call.query[1:]))
    assert httpx.QueryParams(spoken.query) == ours


async def test_a_wrong_key_is_an_error():
    async with running(wire) as upstream, client(upstream, "wrong") as api:
        with pytest.raises(ApiError) as raised:
            assert [part async for part in api.text_to_speech.convert(VOICE, text="A fox")]
        assert raised.value.status_code == 401
        assert refused(raised.value) is Kind.ACCOUNT
        with pytest.raises(ApiError) as checked:
            await api.user.get()
        assert checked.value.status_code == 401
        assert upstream.jobs == {}


async def test_errors_have_the_bodies_that_we_read():
    async with running(wire) as upstream, client(upstream) as api:
        with pytest.raises(ApiError) as nobody:
            assert [part async for part in api.text_to_speech.convert("nobody", text="A fox")]
        assert nobody.value.status_code == 404
        assert nobody.value.body["detail"]["code"] == "voice_not_found"
        assert refused(nobody.value) is Kind.UNSUPPORTED
        with pytest.raises(UnprocessableEntityError) as empty:
            assert [part async for part in api.text_to_sound_effects.convert(text="")]
        assert refused(empty.value) is Kind.PERMANENT
        upstream.fault(Verb.SUBMIT, answers(403, payload("elevenlabs_moderated.json")))
        with pytest.raises(ApiError) as held:
            assert [part async for part in api.text_to_speech.convert(VOICE, text="A fox")]
        assert refused(held.value) is Kind.MODERATION


def refused(error: ApiError) -> Kind:
    """What our adapter makes of what their client was told."""
    return ELEVENLABS.refusal(answer(error.status_code or 0, error.body)).kind


def speech():
    return ordered("kinetoscope-soundscape")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_their_client_has_every_field_that_we_send(case: Case):
    model = case.upstream_model or "eleven_text_to_sound_v3"
    call = ELEVENLABS.submit(asked(ELEVENLABS, case.ordered(), model, **case.options))
    assert isinstance(call, Call)
    assert isinstance(call.json, dict)
    is_speech = "text-to-speech" in call.url
    theirs = AsyncTextToSpeechClient if is_speech else AsyncTextToSoundEffectsClient
    known_fields = set(inspect.signature(theirs.convert).parameters)
    assert {*call.json, *(name for name, _ in call.query)} <= known_fields


def test_their_formats_are_the_ones_we_sort():
    for formats in (
        TextToSpeechConvertRequestOutputFormat,
        TextToSoundEffectsConvertRequestOutputFormat,
    ):
        words = [word for each in get_args(formats) for word in get_args(each)]
        assert "mp3_44100_128" in words
        families = {str(word).partition("_")[0] for word in words}
        assert families == {"mp3", "opus", "wav", "pcm", "ulaw", "alaw"}
