"""What servers that speak OpenAI's shapes are asked for, and what their answers mean."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.providers.asking import answer, asked, ordered, sent, unsupported
from tests.providers.case import Case, conversing
from tests.providers.upstream import KEY, Verb, media_of
from tests.providers.wire_openai_media import CASES

from kinetoscope.kernel.calling import Answer, Call, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Order, Role
from kinetoscope.providers.adapter import Ask, Reading
from kinetoscope.providers.contract import Accepted, CancelOutcome, Done, Kind
from kinetoscope.providers.openai_media import OPENAI_MEDIA

pytestmark = pytest.mark.anyio

PICTURE = media_of(MediaKind.IMAGE)[1]
_VIDEO, FRAME, IMAGE, _SPEECH = CASES


def ask_of(order: Order, **site_options: JSON) -> Ask:
    ask = asked(OPENAI_MEDIA, order, "model")
    return replace(ask, site=replace(ask.site, options=site_options))


def call_of(ask: Ask) -> Call:
    call = OPENAI_MEDIA.submit(ask)
    assert isinstance(call, Call), call
    return call


def with_role(ask: Ask, role: Role) -> Ask:
    """The same, with its references for something else."""
    attached = tuple(
        replace(
            each,
            fetched=replace(each.fetched, reference=replace(each.fetched.reference, role=role)),
        )
        for each in ask.attached
    )
    return replace(ask, attached=attached)


def test_a_clip_of_a_text_is_a_form():
    order = ordered("seedance-20", duration=6, aspectRatio="9:16", resolution="480p")
    call = call_of(ask_of(order))
    assert (call.method, call.url, call.json, call.files) == ("POST", "videos", None, ())
    assert order.size is not None
    assert dict(call.fields) == {
        "model": "model",
        "prompt": "A fox",
        "seconds": "6",
        "size": f"{order.size.width}x{order.size.height}",
        "seed": "7",
    }


def test_a_clip_of_a_frame_has_it_as_a_file_and_the_size_nearest_to_its_shape():
    call = call_of(ask_of(ordered("seedance-20", images=1, duration=5, resolution="720p")))
    (part,) = call.files
    assert (part.name, part.filename, part.media_type) == (
        "input_reference",
        "image-1.png",
        "image/png",
    )
    width, height = map(int, dict(call.fields)["size"].split("x"))
    assert width * 9 == height * 16, "of 720p, the shape nearest to 32 by 16"


def test_sglang_reads_json_and_the_frame_from_its_address():
    order = ordered("seedance-20", images=1, duration=5)
    path, body = sent(ask_of(order, video_body="json"), OPENAI_MEDIA)
    assert path == "videos"
    assert body["reference_url"] == "up://image-1"
    assert "input_reference" not in body, "that would be a path on its own disk"
    assert (body["seconds"], body["seed"]) == ("5", 7)


def test_a_picture_to_go_by_is_one_to_send():
    order = ordered("seedance-20", images=1, mode="reference")
    assert len(call_of(ask_of(order)).files) == 1


@pytest.mark.parametrize(("images", "videos"), [(2, 0), (0, 1), (1, 1)])
def test_references_that_there_is_no_place_for_are_left_to_others(images: int, videos: int):
    for mode in ("keyframe", "reference"):
        order = ordered("seedance-20", images=images, videos=videos, mode=mode)
        assert unsupported(ask_of(order), OPENAI_MEDIA)


@pytest.mark.parametrize("body", ["json", "form"])
def test_a_frame_to_end_with_is_none_to_begin_with(body: str):
    ask = ask_of(ordered("seedance-20", images=1), video_body=body)
    assert unsupported(with_role(ask, Role.LAST_FRAME), OPENAI_MEDIA)


def test_several_clips_are_left_to_others():
    assert unsupported(ask_of(replace(ordered("seedance-20"), count=2)), OPENAI_MEDIA)


def test_the_operators_options_go_along_as_the_form_has_them():
    ask = asked(
        OPENAI_MEDIA,
        ordered("seedance-20"),
        "wan",
        fps=16,
        generate_sound=True,
        extra_params={"preencode_mp4": True},
        seed=None,
    )
    found = dict(call_of(ask).fields)
    assert (found["fps"], found["generate_sound"]) == ("16", "true")
    assert found["extra_params"] == '{"preencode_mp4":true}'
    assert "seed" not in found


def test_a_picture_is_asked_for_as_bytes_with_a_seed():
    order = ordered("seedream-5.0-pro", aspectRatio="1:1", resolution="1k")
    path, body = sent(ask_of(order), OPENAI_MEDIA)
    assert order.size is not None
    assert (path, body) == (
        "images/generations",
        {
            "model": "model",
            "prompt": "A fox",
            "n": 1,
            "size": f"{order.size.width}x{order.size.height}",
            "seed": 7,
            "output_format": "png",
            "response_format": "b64_json",
        },
    )


def test_a_size_is_never_auto():
    order = replace(ordered("gpt-image-2"), size=None, sizes=())
    assert "size" not in sent(ask_of(order), OPENAI_MEDIA)[1]
    follows = ordered("gpt-image-2", images=1, aspectRatio="auto", resolution="4k")
    fields = dict(call_of(ask_of(follows)).fields)
    assert fields["size"] == "3840x2160", "a server of one's own has no limits that we know"


def test_addresses_of_pictures_are_the_operators_wish():
    body = sent(ask_of(ordered("gpt-image-2"), response_format="url"), OPENAI_MEDIA)[1]
    assert body["response_format"] == "url"


def test_a_picture_of_pictures_is_a_form():
    call = call_of(ask_of(ordered("gpt-image-2", images=2)))
    assert call.url == "images/edits"
    assert [part.name for part in call.files] == ["image[]", "image[]"]
    fields = dict(call.fields)
    assert (fields["seed"], fields["response_format"]) == ("7", "b64_json")


def test_eleven_pictures_are_left_to_others():
    assert unsupported(ask_of(replace(ordered("gpt-image-2"), count=11)), OPENAI_MEDIA)


def test_speech_has_a_voice_of_the_operators():
    order = ordered("kinetoscope-soundscape")
    ask = asked(OPENAI_MEDIA, replace(order, file_format="mp3"), "tts", voice="vivian")
    assert sent(ask, OPENAI_MEDIA) == (
        "audio/speech",
        {"model": "tts", "input": "A fox", "response_format": "mp3", "voice": "vivian"},
    )
    assert sent(ask_of(order), OPENAI_MEDIA)[1]["response_format"] == "wav"


def test_speech_after_a_reference_is_left_to_others():
    order = replace(ordered("seedance-20", images=1), kind=MediaKind.AUDIO)
    assert unsupported(ask_of(order), OPENAI_MEDIA)


@pytest.mark.parametrize("media_type", ["audio/wav", "audio/x-wav", "application/octet-stream"])
def test_speech_is_the_answer(media_type: str):
    reading = OPENAI_MEDIA.accepted(spoken(media_type, b"RIFF"), SPEECH_JOB)
    assert isinstance(reading, Reading)
    (output,) = reading.outputs
    assert output.data == b"RIFF"


@pytest.mark.parametrize(
    ("media_type", "body"),
    [("application/json", b"{}"), ("text/event-stream", b"data:"), ("audio/wav", b""), ("", b"x")],
)
def test_an_answer_that_is_no_sound_is_none(media_type: str, body: bytes):
    with pytest.raises(Malformed):
        OPENAI_MEDIA.accepted(spoken(media_type, body), SPEECH_JOB)


@pytest.mark.parametrize("word", ["completed", "succeeded", "SUCCESS"])
def test_a_clip_that_is_done_has_an_address_however_that_is_called(word: str):
    reading = OPENAI_MEDIA.read(shown(status=word, id="video/1", url=None), JOB)
    (output,) = reading.outputs
    assert (output.url, output.with_key) == ("videos/video%2F1/content", True)
    assert reading.failure is None


def test_a_clip_in_a_store_is_fetched_from_there():
    url = "https://store.example/clip.mp4"
    reading = OPENAI_MEDIA.read(shown(status="completed", url=url), JOB)
    assert [output.url for output in reading.outputs] == [url]


@pytest.mark.parametrize("word", ["failed", "error", "cancelled"])
@pytest.mark.parametrize(
    ("error", "message", "kind"),
    [
        ({"message": "Out of memory"}, "Out of memory", Kind.PERMANENT),
        ({"code": 500, "message": "It broke."}, "It broke.", Kind.PERMANENT),
        ("It broke.", "It broke.", Kind.PERMANENT),
        ({"code": "moderation_blocked", "message": "Not this."}, "Not this.", Kind.MODERATION),
        (None, "Generation failed. Please try again.", Kind.PERMANENT),
    ],
)
def test_a_failure_has_a_reason_however_that_is_called(
    word: str, error: object, message: str, kind: Kind
):
    reading = OPENAI_MEDIA.read(shown(status=word, error=error), JOB)
    assert reading.failure is not None
    assert (reading.failure.message, reading.failure.kind) == (message, kind)
    assert reading.outputs == ()


@pytest.mark.parametrize(("percent", "progress"), [(50, 0.5), (250, 1.0), (-1, 0.0), (None, None)])
def test_progress_is_in_percent(percent: int | None, progress: float | None):
    reading = OPENAI_MEDIA.read(shown(status="in_progress", progress=percent), JOB)
    assert reading.progress == progress
    assert reading.outputs == ()


def test_an_id_is_one_step_of_a_path():
    site = ask_of(ordered("seedance-20")).site
    assert OPENAI_MEDIA.status is not None
    assert OPENAI_MEDIA.cancel is not None
    assert OPENAI_MEDIA.status(site, "../models", JOB).url == "videos/..%2Fmodels"
    assert OPENAI_MEDIA.cancel(site, "a/b", JOB).url == "videos/a%2Fb"


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, {"id": "1", "object": "video.deleted", "deleted": True}, CancelOutcome.STOPPED),
        (200, {"id": "1", "object": "video", "status": "deleted"}, CancelOutcome.STOPPED),
        (200, {"id": "1", "deleted": False}, CancelOutcome.UNKNOWN),
        (404, {"detail": "Video not found"}, CancelOutcome.GOES_ON),
        (405, {"detail": "Method Not Allowed"}, CancelOutcome.GOES_ON),
    ],
)
def test_a_cancel(status: int, body: object, outcome: CancelOutcome):
    assert OPENAI_MEDIA.cancelled is not None
    assert OPENAI_MEDIA.cancelled(answer(status, body)) is outcome


@pytest.mark.parametrize(
    ("status", "body", "message", "kind"),
    [
        (400, {"detail": "Invalid size."}, "Invalid size.", Kind.PERMANENT),
        (
            422,
            {"detail": [{"loc": ["body", "prompt"], "msg": "Field required", "type": "missing"}]},
            "body.prompt: Field required",
            Kind.PERMANENT,
        ),
        (401, {"error": "Unauthorized"}, "Unauthorized", Kind.ACCOUNT),
        (
            404,
            {"error": {"message": "No such model", "type": "NotFoundError", "code": 404}},
            "No such model",
            Kind.UNSUPPORTED,
        ),
        (400, {"object": "error", "message": "No.", "code": 400}, "No.", Kind.PERMANENT),
    ],
)
def test_a_refusal_is_read_in_the_shapes_that_servers_have(
    status: int, body: object, message: str, kind: Kind
):
    refused = OPENAI_MEDIA.refusal(answer(status, body))
    assert (refused.message, refused.kind) == (message, kind)


def test_a_key_is_sent_only_if_there_is_one():
    site = ask_of(ordered("seedance-20")).site
    assert OPENAI_MEDIA.headers(site) == {"Authorization": "Bearer key"}
    assert OPENAI_MEDIA.headers(replace(site, key="")) == {}


@pytest.mark.parametrize("case", [FRAME, replace(FRAME, site_options={})], ids=["json", "form"])
async def test_a_frame_arrives_either_way(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        outcome = await provider.submit(case.job_with_image(tmp_path))
        assert isinstance(outcome, Accepted), outcome
        assert upstream.uploads == {"reference-1": PICTURE}


async def test_a_picture_with_an_address_is_fetched_with_the_key(tmp_path: Path):
    case = replace(IMAGE, site_options={"response_format": "url"})
    async with conversing(case) as (provider, upstream):
        done = await provider.submit(case.job(tmp_path))
        assert isinstance(done, Done), done
        assert done.files[0].path.read_bytes() == PICTURE
        (fetched,) = upstream.of(Verb.FILE)
        assert fetched.path == f"/v1/images/{upstream.only.id}/content"
        assert fetched.headers["authorization"] == f"Bearer {KEY}"


async def test_a_picture_of_a_picture_is_here_at_once(tmp_path: Path):
    async with conversing(IMAGE) as (provider, upstream):
        done = await provider.submit(IMAGE.job_with_image(tmp_path))
        assert isinstance(done, Done), done
        assert upstream.uploads == {"image-1": PICTURE}


def spoken(media_type: str, body: bytes) -> Answer:
    return Answer(status=200, headers={"content-type": media_type}, body=body)


def shown(**fields: object) -> Answer:
    return answer(200, {"id": "video_1", "object": "video", **fields})


JOB = ask_of(ordered("seedance-20")).job
SPEECH_JOB = ask_of(ordered("kinetoscope-soundscape")).job
