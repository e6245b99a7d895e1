"""What ElevenLabs is asked for, and what its answers mean."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.providers.asking import answer, asked, ordered, unsupported
from tests.providers.case import Case, conversing
from tests.providers.upstream import Verb, answers
from tests.providers.wire_elevenlabs import CASES

from kinetoscope.kernel.calling import Answer, Call, Malformed
from kinetoscope.kernel.order import JSON, Order
from kinetoscope.providers.adapter import Ask
from kinetoscope.providers.contract import Done, Kind, Refused
from kinetoscope.providers.elevenlabs import ELEVENLABS

pytestmark = pytest.mark.anyio

SPEECH, SOUND = CASES
VOICE = "JBFqnCBsd6RMkjVDRZzb"
MP3 = {"content-type": "audio/mpeg"}


def order(duration: int = 10) -> Order:
    return ordered("kinetoscope-soundscape", duration=duration)


def speech(**options: JSON) -> Ask:
    return asked(ELEVENLABS, order(), "eleven_multilingual_v2", voice=VOICE, **options)


def called(ask: Ask) -> Call:
    call = ELEVENLABS.submit(ask)
    assert isinstance(call, Call), call
    return call


def test_a_voice_speaks():
    call = called(speech())
    assert (call.method, call.url) == ("POST", f"v1/text-to-speech/{VOICE}")
    assert call.query == (("output_format", "mp3_44100_128"),)
    assert call.json == {"text": "A fox", "model_id": "eleven_multilingual_v2", "seed": 7}


def test_what_the_operator_adds_goes_where_it_belongs():
    settings: dict[str, JSON] = {"stability": 0.5, "speed": 1.1}
    call = called(
        speech(
            language_code="de",
            voice_settings=settings,
            output_format="opus_48000_96",
            enable_logging=False,
            optimize_streaming_latency=2,
        )
    )
    assert call.query == (
        ("output_format", "opus_48000_96"),
        ("enable_logging", "false"),
        ("optimize_streaming_latency", "2"),
    )
    assert call.json == {
        "text": "A fox",
        "model_id": "eleven_multilingual_v2",
        "seed": 7,
        "language_code": "de",
        "voice_settings": settings,
    }


def test_a_voice_is_one_part_of_the_address():
    ask = asked(ELEVENLABS, order(), "eleven_v3", voice="../user")
    assert called(ask).url == "v1/text-to-speech/..%2Fuser"


def test_without_a_voice_it_is_a_sound_of_the_ordered_length():
    ask = asked(ELEVENLABS, order(duration=12), "eleven_text_to_sound_v2", loop=True)
    call = called(ask)
    assert call.url == "v1/sound-generation"
    assert call.query == (("output_format", "mp3_44100_128"),)
    assert call.json == {
        "text": "A fox",
        "model_id": "eleven_text_to_sound_v2",
        "duration_seconds": 12,
        "loop": True,
    }


def test_a_model_that_makes_no_sounds_is_not_named_for_one():
    ask = asked(ELEVENLABS, order(duration=12), "sound")
    assert called(ask).json == {"text": "A fox", "duration_seconds": 12}


def test_a_sound_is_never_shorter_than_what_was_ordered():
    assert "30 seconds" in unsupported(asked(ELEVENLABS, order(duration=31), "sound"), ELEVENLABS)
    assert isinstance(called(asked(ELEVENLABS, order(duration=30), "sound")), Call)


@pytest.mark.parametrize("bare", ["pcm_44100", "ulaw_8000", "alaw_8000"])
def test_samples_that_nobody_could_open_are_not_asked_for(bare: str):
    assert bare in unsupported(speech(output_format=bare), ELEVENLABS)


def test_pictures_clips_and_references_are_left_to_others():
    for made in (ordered("gpt-image-2"), ordered("seedance-20")):
        assert unsupported(asked(ELEVENLABS, made, "eleven_v3", voice=VOICE), ELEVENLABS)
    reference = asked(ELEVENLABS, ordered("seedance-20", images=1), "eleven_v3")
    heard = replace(reference, job=replace(reference.job, order=order()))
    assert unsupported(heard, ELEVENLABS)


def test_the_answer_is_the_file_and_says_what_it_cost():
    headers = MP3 | {"character-cost": "42", "request-id": "r-1"}
    reading = ELEVENLABS.read(Answer(status=200, headers=headers, body=b"ID3"), speech().job)
    assert [output.data for output in reading.outputs] == [b"ID3"]
    assert reading.usage.tokens_text_in == 42


@pytest.mark.parametrize(
    ("headers", "cost"),
    [({}, 0), ({"x-character-count": "7"}, 7), ({"character-cost": "1.5"}, 0)],
)
def test_a_cost_that_is_not_told_is_none(headers: dict[str, str], cost: int):
    found = Answer(status=200, headers=MP3 | headers, body=b"ID3")
    assert ELEVENLABS.read(found, speech().job).usage.tokens_text_in == cost


@pytest.mark.parametrize(
    ("content_type", "body"), [("application/json", b"{}"), ("audio/mpeg", b""), ("", b"ID3")]
)
def test_what_is_no_sound_is_no_answer(content_type: str, body: bytes):
    found = Answer(status=200, headers={"content-type": content_type}, body=body)
    with pytest.raises(Malformed):
        ELEVENLABS.accepted(found, speech().job)


def error(code: str, status: str | None = None) -> dict[str, object]:
    detail = {"type": "error", "code": code, "message": "Because.", "status": status or code}
    return {"detail": detail}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "invalid_api_key", Kind.ACCOUNT),
        (401, "detected_unusual_activity", Kind.ACCOUNT),
        (401, "missing_permissions", Kind.ACCOUNT),
        (400, "quota_exceeded", Kind.ACCOUNT),
        (402, "insufficient_credits", Kind.ACCOUNT),
        (403, "content_against_policy", Kind.MODERATION),
        (403, "model_access_denied", Kind.ACCOUNT),
        (400, "voice_not_found", Kind.UNSUPPORTED),
        (404, "voice_not_found", Kind.UNSUPPORTED),
        (400, "max_character_limit_exceeded", Kind.UNSUPPORTED),
        (400, "text_too_long", Kind.UNSUPPORTED),
        (400, "unsupported_model", Kind.UNSUPPORTED),
        (400, "invalid_output_format", Kind.UNSUPPORTED),
        (400, "invalid_text", Kind.PERMANENT),
        (400, "empty_text", Kind.PERMANENT),
        (409, "already_running", Kind.TEMPORARY),
    ],
)
def test_a_refusal_is_told_by_its_code_whichever_name_that_has(status: int, code: str, kind: Kind):
    older = {"detail": {"status": code, "message": "Because."}}
    for body in (error(code, "older"), older, error("bad_request", code)):
        refused = ELEVENLABS.refusal(answer(status, body))
        assert (refused.kind, refused.message) == (kind, "Because.")


def test_a_refusal_says_where():
    detail = {"type": "missing", "loc": ["body", "text"], "msg": "Field required", "input": {}}
    refused = ELEVENLABS.refusal(answer(422, {"detail": [detail]}))
    assert (refused.kind, refused.message) == (Kind.PERMANENT, "body.text: Field required")
    assert ELEVENLABS.refusal(answer(404, {"detail": "Not Found"})).message == "Not Found"
    plain = Answer(status=400, headers={}, body=b"<html>")
    assert ELEVENLABS.refusal(plain).kind is Kind.PERMANENT


@pytest.mark.parametrize("case", [SPEECH, SOUND], ids=["speech", "sound"])
async def test_a_finished_sound_comes_with_what_it_cost(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        done = await provider.submit(case.job(tmp_path))
        assert isinstance(done, Done), done
        assert done.usage.tokens_text_in == len(case.ordered().prompt)
        assert done.cost_usd_micros is None, "credits are no money"
        assert len(upstream.jobs) == 1


async def test_too_many_at_once_is_a_matter_of_waiting(tmp_path: Path):
    async with conversing(SPEECH) as (provider, upstream):
        upstream.fault(Verb.SUBMIT, answers(429, error("concurrent_limit_exceeded")))
        refused = await provider.submit(SPEECH.job(tmp_path))
        assert isinstance(refused, Refused)
        assert refused.kind is Kind.TEMPORARY
