"""What Google is asked for, clip and picture, and what its answers mean."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.providers.asking import answer, asked, called_back, ordered, sent, unsupported
from tests.providers.case import conversing
from tests.providers.upstream import KEY, Stage, Verb, answers, media_of
from tests.providers.wire_google import CASES, REFUSAL

from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.calling import Call, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Role, Usage
from kinetoscope.providers.adapter import Ask, Output, Reading
from kinetoscope.providers.contract import Accepted, CancelOutcome, Done, Kind, Refused
from kinetoscope.providers.google import GOOGLE

pytestmark = pytest.mark.anyio

CLIP, PICTURE = CASES
OMNI = "gemini-omni-1.2-flash"
OLDER_OMNI = "gemini-omni-1.1-flash"
ENCODED = base64.b64encode(b"a picture").decode()


def clip(model: str = OMNI, **inputs: object) -> Ask:
    return with_bytes(asked(GOOGLE, ordered("seedance-20", "A fox", **inputs), model))


def with_bytes(ask: Ask) -> Ask:
    """Number the bytes of references, as data URIs."""
    attached = tuple(
        replace(each, url=f"data:image/png;base64,bytes{number}")
        for number, each in enumerate(ask.attached, start=1)
    )
    return replace(ask, attached=attached)


def content_of(ask: Ask) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = sent(ask, GOOGLE)[1]["input"][0]["content"]
    return content


def read(body: object) -> Reading:
    return GOOGLE.read(answer(200, body), clip().job)


def made_of(body: object) -> Reading:
    """Read the answer to a picture's submit."""
    job = asked(GOOGLE, ordered("nanobanana-pro")).job
    reading = GOOGLE.accepted(answer(200, body), job)
    assert isinstance(reading, Reading), reading
    return reading


def test_a_clip_of_text_is_made_in_the_background():
    ask = called_back(clip(duration=6, aspectRatio="9:16"), "https://us.example/news")
    assert sent(ask, GOOGLE) == (
        "interactions",
        {
            "model": OMNI,
            "input": [{"type": "user_input", "content": [{"type": "text", "text": "A fox"}]}],
            "background": True,
            "response_format": {
                "type": "video",
                "delivery": "uri",
                "aspect_ratio": "9:16",
                "resolution": "720p",
                "duration": "6s",
            },
            "generation_config": {"video_config": {"task": "text_to_video"}},
            "webhook_config": {"uris": ["https://us.example/news"]},
        },
    )


def test_nobody_is_called_back_where_nobody_asked():
    assert "webhook_config" not in sent(clip(), GOOGLE)[1]


def test_frames_go_in_their_order_with_the_text_behind():
    ask = clip(images=2, aspectRatio="16:9")
    upside_down = replace(ask, attached=ask.attached[::-1])
    expected = [
        {"type": "image", "data": "bytes1", "mime_type": "image/png"},
        {"type": "image", "data": "bytes2", "mime_type": "image/png"},
        {"type": "text", "text": "A fox"},
    ]
    for each in (ask, upside_down):
        assert content_of(each) == expected
        config = sent(each, GOOGLE)[1]["generation_config"]
        assert config == {"video_config": {"task": "image_to_video"}}


def test_references_are_no_frames():
    ask = clip(images=3, mode="reference", aspectRatio="16:9")
    config = sent(ask, GOOGLE)[1]["generation_config"]
    assert config == {"video_config": {"task": "reference_to_video"}}
    assert [each["type"] for each in content_of(ask)] == ["image", "image", "image", "text"]


def test_a_last_frame_alone_or_among_references_is_left_to_others():
    ask = clip(images=2, aspectRatio="16:9")
    first, last = ask.attached
    assert unsupported(replace(ask, attached=(last,)), GOOGLE)
    reference = replace(first.fetched.reference, role=Role.REFERENCE)
    among = replace(first, fetched=replace(first.fetched, reference=reference))
    assert unsupported(replace(ask, attached=(among, last)), GOOGLE)


def test_clips_and_sounds_are_no_references():
    assert "pictures" in unsupported(clip(images=1, videos=1), GOOGLE)
    assert "pictures" in unsupported(clip(images=1, audios=1), GOOGLE)


@pytest.mark.parametrize(("width", "height", "ratio"), [(1920, 1080, "16:9"), (1080, 1920, "9:16")])
def test_a_clip_follows_the_shape_of_a_frame(width: int, height: int, ratio: str):
    ask = clip(images=1)
    (reference,) = ask.job.references
    reference = replace(reference, width=width, height=height)
    ask = replace(ask, job=replace(ask.job, references=(reference,)))
    assert sent(ask, GOOGLE)[1]["response_format"]["aspect_ratio"] == ratio


@pytest.mark.parametrize(
    "inputs",
    [
        {"aspectRatio": "1:1"},
        {"aspectRatio": "21:9"},
        {"resolution": "480p", "aspectRatio": "16:9"},
        {"generate_audio": False},
        {"duration": 15, "images": 2, "aspectRatio": "16:9"},
    ],
)
def test_what_it_does_not_make_is_left_to_others(inputs: dict[str, Any]):
    assert unsupported(clip(**inputs), GOOGLE)


def test_a_frame_of_another_shape_is_left_to_others():
    ask = clip(images=1)
    (reference,) = ask.job.references
    square = replace(ask.job, references=(replace(reference, width=512, height=512),))
    assert "16:9" in unsupported(replace(ask, job=square), GOOGLE)


def test_each_model_has_a_length_of_its_own():
    assert sent(clip(duration=15), GOOGLE)[1]["response_format"]["duration"] == "15s"
    assert "10 seconds" in unsupported(clip(OLDER_OMNI, duration=11), GOOGLE)
    assert sent(clip(OLDER_OMNI, duration=10, resolution="4k"), GOOGLE)[1]["response_format"] == {
        "type": "video",
        "delivery": "uri",
        "aspect_ratio": "16:9",
        "resolution": "4k",
        "duration": "10s",
    }
    newer = clip("gemini-omni-9", duration=15, images=2, aspectRatio="16:9")
    assert sent(newer, GOOGLE)[1]["response_format"]["duration"] == "15s"


def test_the_operator_has_the_last_word():
    order = ordered("seedance-20")
    shape: JSON = {"type": "video", "delivery": "inline"}
    body = sent(asked(GOOGLE, order, OMNI, response_format=shape, labels={"a": "b"}), GOOGLE)[1]
    assert (body["response_format"], body["labels"]) == (shape, {"a": "b"})
    picture = asked(GOOGLE, ordered("nanobanana-pro"), imageConfig={"imageSize": "1K"})
    assert sent(picture, GOOGLE)[1]["generationConfig"]["imageConfig"] == {"imageSize": "1K"}


def test_a_picture_of_pictures():
    order = ordered("nanobanana2", images=2, aspectRatio="16:9", resolution="4k")
    assert sent(with_bytes(asked(GOOGLE, order)), GOOGLE) == (
        "models/gemini-3.1-flash-image:generateContent",
        {
            "contents": [
                {
                    "role": "user",
                    "parts": [
                        {"text": "A fox"},
                        {"inlineData": {"mimeType": "image/png", "data": "bytes1"}},
                        {"inlineData": {"mimeType": "image/png", "data": "bytes2"}},
                    ],
                }
            ],
            "generationConfig": {
                "responseModalities": ["IMAGE"],
                "seed": 7,
                "imageConfig": {"aspectRatio": "16:9", "imageSize": "4K"},
            },
        },
    )


def test_a_picture_in_the_shape_of_another_has_no_ratio():
    order = ordered("gpt-image-2", images=1, aspectRatio="auto", resolution="1k")
    config = sent(asked(GOOGLE, order, "gemini-3-pro-image"), GOOGLE)[1]["generationConfig"]
    assert config["imageConfig"] == {"imageSize": "1K"}


def test_a_seed_is_an_int32():
    ask = asked(GOOGLE, ordered("nanobanana-pro"))
    largest = replace(ask, job=replace(ask.job, seed=2**32 - 1))
    assert sent(largest, GOOGLE)[1]["generationConfig"]["seed"] == 2**31 - 1


def test_several_pictures_and_sounds_are_left_to_others():
    several = replace(ordered("nanobanana-pro"), count=2)
    assert unsupported(asked(GOOGLE, several), GOOGLE)
    sound = replace(ordered("nanobanana-pro"), kind=MediaKind.AUDIO)
    assert unsupported(asked(GOOGLE, sound), GOOGLE)


@pytest.mark.parametrize("model", sorted(GOOGLE.models))
def test_every_model_of_ours_is_there(model: str):
    assert builtin().find(model) is not None


def test_an_answer_may_have_the_clip_or_what_went_in():
    job = clip().job
    site = clip().site
    assert GOOGLE.status is not None
    call = GOOGLE.status(site, "v1/1", job)
    assert (call.method, call.url) == ("GET", "interactions/v1%2F1")
    submitted = GOOGLE.submit(clip())
    assert isinstance(submitted, Call)
    assert min(call.bytes_max, submitted.bytes_max) >= 100 * 1024 * 1024
    assert GOOGLE.cancel is not None
    stop = GOOGLE.cancel(site, "v1/1", job)
    assert (stop.method, stop.url) == ("POST", "interactions/v1%2F1/cancel")


def completed(**block: object) -> dict[str, object]:
    output = {"type": "model_output", "content": [block]}
    steps = [{"type": "user_input", "content": [{"type": "video", "uri": "ours"}]}, output]
    return {"id": "v1_1", "status": "completed", "steps": steps}


@pytest.mark.parametrize(
    ("block", "output"),
    [
        (
            {"uri": "https://google.example/v1beta/files/a-1:download?alt=media"},
            Output(url="../download/v1beta/files/a-1:download?alt=media", with_key=True),
        ),
        (
            {"uri": "files/a1"},
            Output(url="../download/v1beta/files/a1:download?alt=media", with_key=True),
        ),
        (
            {"uri": "https://else.example/files/1.mp4?signed=1"},
            Output(url="https://else.example/files/1.mp4?signed=1"),
        ),
        ({"data": ENCODED}, Output(data=b"a picture")),
    ],
)
def test_a_clip_is_a_file_there_or_elsewhere_or_bytes(block: dict[str, object], output: Output):
    reading = read(completed(type="video", **block))
    assert (reading.word, reading.outputs) == ("completed", (output,))


async def test_a_file_is_fetched_with_the_key_and_at_once(tmp_path: Path):
    async with conversing(CLIP) as (provider, upstream):
        job = CLIP.job(tmp_path)
        outcome = await provider.submit(job)
        assert isinstance(outcome, Accepted)
        upstream.only.stay(Stage.DONE)
        done = await provider.status(outcome.upstream_id, job)
        assert isinstance(done, Done), done
        assert done.files[0].path.read_bytes() == media_of(MediaKind.VIDEO)[1]
        (fetched,) = upstream.of(Verb.FILE)
        assert fetched.path == "/download/v1beta/files/up1:download"
        assert fetched.headers["x-goog-api-key"] == KEY


def test_words_in_place_of_a_clip_are_moderation():
    failure = read(completed(type="text", text=REFUSAL)).failure
    assert failure is not None
    assert (failure.kind, failure.message) == (Kind.MODERATION, REFUSAL)


def test_a_clip_that_was_made_and_is_not_there_is_no_moderation():
    usage = {"output_tokens_by_modality": [{"modality": "video", "tokens": 46336}]}
    failure = read({**completed(type="hologram"), "usage": usage}).failure
    assert failure is not None
    assert failure.kind is Kind.PERMANENT


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"errors": [{"code": "internal", "message": "Internal."}]}, Kind.PERMANENT),
        ({"errors": [{"code": "safety", "message": "No."}]}, Kind.MODERATION),
        ({"error": {"message": "It was blocked for safety reasons."}}, Kind.MODERATION),
        (
            {
                "steps": [
                    {"type": "model_output", "error": {"message": "It violates our policies."}}
                ]
            },
            Kind.MODERATION,
        ),
        ({"error": {"code": "unavailable", "message": "Busy."}}, Kind.PERMANENT),
        ({}, Kind.PERMANENT),
    ],
)
@pytest.mark.parametrize("word", ["failed", "incomplete", "budget_exceeded", "requires_action"])
def test_a_failure_is_told_by_its_error(word: str, error: dict[str, object], kind: Kind):
    reading = read({"id": "v1_1", "status": word, **error})
    assert reading.word == "failed"
    assert reading.failure is not None
    assert reading.failure.kind is kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"promptFeedback": {"blockReason": "OTHER"}}, Kind.MODERATION),
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, Kind.MODERATION),
        ({"candidates": [{"finishReason": "IMAGE_SAFETY"}]}, Kind.MODERATION),
        ({"candidates": [{"finishReason": "IMAGE_RECITATION"}]}, Kind.MODERATION),
        ({"candidates": [{"finishReason": "PUP_LIMITED_DISABLED"}]}, Kind.ACCOUNT),
        ({"candidates": [{"finishReason": "NO_IMAGE"}]}, Kind.PERMANENT),
        ({"candidates": [{"finishReason": "OTHER"}]}, Kind.PERMANENT),
        ({"candidates": [], "usageMetadata": {}}, Kind.PERMANENT),
    ],
)
def test_why_there_is_no_picture(body: dict[str, object], kind: Kind):
    failure = made_of(body).failure
    assert failure is not None
    assert failure.kind is kind
    assert failure.message


def test_what_a_model_says_instead_of_painting_is_passed_on():
    parts = [{"text": "Thinking", "thought": True}, {"text": "I would rather not."}]
    body = {"candidates": [{"finishReason": "STOP", "content": {"parts": parts}}]}
    failure = made_of(body).failure
    assert failure is not None
    assert (failure.kind, failure.message) == (Kind.PERMANENT, "I would rather not.")


def test_an_answer_of_another_shape_is_no_verdict():
    with pytest.raises(Malformed):
        made_of({"surprise": 1})


async def test_a_blocked_picture_is_refused_and_not_open(tmp_path: Path):
    body = {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "Not that."}}
    async with conversing(PICTURE) as (provider, upstream):
        upstream.fault(Verb.SUBMIT, answers(200, body))
        refused = await provider.submit(PICTURE.job(tmp_path))
        assert isinstance(refused, Refused), refused
        assert (refused.kind, refused.message) == (Kind.MODERATION, "Not that.")


async def test_a_picture_has_its_tokens_and_not_its_thoughts(tmp_path: Path):
    async with conversing(PICTURE) as (provider, _):
        done = await provider.submit(PICTURE.job(tmp_path))
        assert isinstance(done, Done), done
        assert len(done.files) == 1, "a thought was published"
        assert done.usage == Usage(tokens_text_in=10, tokens_image_in=1120, tokens_image_out=1120)


def test_tokens_without_details_are_of_text():
    part = {"inlineData": {"mimeType": "image/png", "data": ENCODED}}
    usage = {"promptTokenCount": 12, "candidatesTokenCount": 1290}
    body = {"candidates": [{"content": {"parts": [part]}}], "usageMetadata": usage}
    assert made_of(body).usage == Usage(tokens_text_in=12, tokens_image_out=1290)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"code": "invalid_request", "message": "Invalid duration."}, Kind.PERMANENT),
        (400, {"code": 400, "message": "Bad safety_settings.", "status": "X"}, Kind.PERMANENT),
        (400, {"code": "prohibited_content", "message": "No."}, Kind.MODERATION),
        (400, {"code": 400, "message": "API key expired."}, Kind.ACCOUNT),
        (
            400,
            {"message": "Bad.", "details": [{"@type": "x", "reason": "API_KEY_INVALID"}]},
            Kind.ACCOUNT,
        ),
        (
            403,
            {"message": "Blocked.", "details": [{"reason": "API_KEY_SERVICE_BLOCKED"}]},
            Kind.ACCOUNT,
        ),
        (
            400,
            {"message": "User location is not supported.", "status": "FAILED_PRECONDITION"},
            Kind.ACCOUNT,
        ),
        (404, {"code": "not_found", "message": "It is no longer available."}, Kind.UNSUPPORTED),
    ],
)
def test_a_refusal_is_told_by_its_error(status: int, error: dict[str, object], kind: Kind):
    for body in ({"error": error}, [{"error": error}]):
        refused = GOOGLE.refusal(answer(status, body))
        assert (refused.kind, refused.message) == (kind, error["message"])


def test_a_refusal_without_words_is_told_by_its_status():
    assert GOOGLE.refusal(answer(403, [])).kind is Kind.ACCOUNT
    assert GOOGLE.refusal(answer(400, "html")).kind is Kind.PERMANENT


@pytest.mark.parametrize(
    ("status", "word", "outcome"),
    [
        (200, "cancelled", CancelOutcome.STOPPED),
        (200, "in_progress", CancelOutcome.UNKNOWN),
        (200, "completed", CancelOutcome.GOES_ON),
        (400, "", CancelOutcome.GOES_ON),
    ],
)
def test_a_cancel(status: int, word: str, outcome: CancelOutcome):
    assert GOOGLE.cancelled is not None
    assert GOOGLE.cancelled(answer(status, {"id": "v1_1", "status": word})) is outcome


def test_a_webhook_names_the_id_that_the_submit_does():
    accepted = GOOGLE.accepted(answer(200, {"id": "v1_1", "status": "queued"}), clip().job)
    assert accepted == Accepted(upstream_id="v1_1")
    data: dict[str, JSON] = {"id": "v1_1"}
    assert GOOGLE.claim({"type": "interaction.completed", "version": "v1", "data": data}) == "v1_1"
    assert GOOGLE.claim({"type": "ping"}) is None
