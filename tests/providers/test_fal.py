"""What fal is asked for, endpoint by endpoint, and what its answers mean."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.providers.asking import answer, asked, called_back, ordered, sent, unsupported
from tests.providers.case import conversing, submitted
from tests.providers.upstream import KEY, Stage, Verb, answers, media_of
from tests.providers.wire_fal import CASES

from kinetoscope.kernel.calling import Call
from kinetoscope.kernel.order import JSON, MediaKind
from kinetoscope.providers.contract import Accepted, CancelOutcome, Failed, Kind
from kinetoscope.providers.fal import FAL
from kinetoscope.providers.states import State, state_of

pytestmark = pytest.mark.anyio

CASE = CASES[0]


def test_a_clip_of_text_goes_to_its_endpoint():
    order = ordered("seedance-20", duration=6, aspectRatio="9:16", resolution="480p")
    ask = called_back(asked(FAL, order), "https://us.example/news?a=1")
    assert sent(ask, FAL) == (
        "bytedance/seedance-2.0/text-to-video",
        {
            "prompt": "A fox",
            "seed": 7,
            "aspect_ratio": "9:16",
            "generate_audio": True,
            "duration": "6",
            "resolution": "480p",
        },
    )
    call = FAL.submit(ask)
    assert isinstance(call, Call)
    assert call.query == (("fal_webhook", "https://us.example/news?a=1"),)


def test_frames_go_to_another():
    path, body = sent(asked(FAL, ordered("seedance2-fast", images=2)), FAL)
    assert path == "bytedance/seedance-2.0/fast/image-to-video"
    assert body["image_url"] == "up://image-1"
    assert body["end_image_url"] == "up://image-2"
    assert body["aspect_ratio"] == "auto"


def test_references_go_to_a_third():
    order = ordered("seedance-20", images=2, videos=1, audios=1, aspectRatio="1:1")
    path, body = sent(asked(FAL, order), FAL)
    assert path == "bytedance/seedance-2.0/reference-to-video"
    assert body["image_urls"] == ["up://image-1", "up://image-2"]
    assert body["video_urls"] == ["up://video-1"]
    assert body["audio_urls"] == ["up://audio-1"]
    assert body["aspect_ratio"] == "1:1"


def test_seedance_2_5_has_no_seed():
    path, body = sent(asked(FAL, ordered("seedance2-5")), FAL)
    assert path == "bytedance/seedance-2.5/text-to-video"
    assert "seed" not in body


def test_editing_is_left_to_others():
    order = ordered("seedance2-5-edit", videos=1)
    assert unsupported(asked(FAL, order, "bytedance/seedance-2.5"), FAL)


def test_a_picture_has_a_shape_and_a_class():
    order = ordered("nanobanana2", aspectRatio="16:9", resolution="4k")
    assert sent(asked(FAL, order), FAL) == (
        "fal-ai/nano-banana-2",
        {
            "prompt": "A fox",
            "seed": 7,
            "num_images": 1,
            "output_format": "png",
            "aspect_ratio": "16:9",
            "resolution": "4K",
        },
    )


def test_a_picture_of_pictures_has_pixels_and_a_quality():
    order = ordered("gpt-image-2", images=1, aspectRatio="auto", resolution="1k", quality="high")
    assert sent(asked(FAL, order), FAL) == (
        "openai/gpt-image-2/edit",
        {
            "prompt": "A fox",
            "num_images": 1,
            "output_format": "png",
            "quality": "high",
            "image_size": {"width": 1376, "height": 768},
            "image_urls": ["up://image-1"],
        },
    )


def test_a_model_nobody_knows_is_asked_as_it_is_named_with_names_of_the_operators():
    order = ordered("seedance2-5-edit", videos=1)
    ask = asked(FAL, order, "fal-ai/any/edit", rename={"video_url": "clip", "seed": ""}, steps=4)
    path, body = sent(ask, FAL)
    assert path == "fal-ai/any/edit"
    assert body["clip"] == "up://video-1"
    assert body["steps"] == 4
    assert not {"seed", "video_url", "rename", "aspect_ratio"} & body.keys()


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("bytedance/seedance-2.0/fast", "bytedance/seedance-2.0/requests/r%2F1"),
        ("openai/gpt-image-2", "openai/gpt-image-2/requests/r%2F1"),
        ("workflows/me/mine/deep", "workflows/me/mine/requests/r%2F1"),
    ],
)
def test_a_request_is_under_its_app(model: str, path: str):
    job = asked(FAL, ordered("seedance-20"), model).job
    site = asked(FAL, ordered("seedance-20")).site
    assert FAL.status is not None
    assert FAL.result is not None
    assert FAL.cancel is not None
    assert FAL.status(site, "r/1", job).url == f"{path}/status"
    assert FAL.result(site, "r/1", job).url == path
    assert FAL.cancel(site, "r/1", job).url == f"{path}/cancel"


def test_a_webhook_names_the_id_that_the_submit_does():
    job = asked(FAL, ordered("seedance-20")).job
    body: dict[str, JSON] = {
        "request_id": "r-1",
        "gateway_request_id": "r-2",
        "status": "OK",
        "payload": {},
    }
    accepted = FAL.accepted(answer(200, {"request_id": "r-1", "status": "IN_QUEUE"}), job)
    assert accepted == Accepted(upstream_id="r-1")
    assert FAL.claim(body) == "r-1"


@pytest.mark.parametrize(
    ("error_type", "kind"),
    [
        ("content_policy_violation", Kind.MODERATION),
        ("request_timeout", Kind.TEMPORARY),
        ("runner_disconnected", Kind.TEMPORARY),
        ("downstream_service_error", Kind.TEMPORARY),
        ("image_too_large", Kind.PERMANENT),
    ],
)
def test_completed_with_an_error_has_failed(error_type: str, kind: Kind):
    body = {"status": "COMPLETED", "error": "Because.", "error_type": error_type, "logs": None}
    reading = FAL.read(answer(200, body), asked(FAL, ordered("seedance-20")).job)
    assert state_of(reading.word) is State.DONE, "there is no word for failure"
    assert reading.failure is not None
    assert (reading.failure.kind, reading.failure.message) == (kind, "Because.")


@pytest.mark.parametrize(
    ("body", "urls"),
    [
        ({"video": {"url": "https://v3.fal/1.mp4"}, "seed": 1}, ["https://v3.fal/1.mp4"]),
        ({"images": [{"url": "https://v3.fal/1"}, {"url": "https://v3.fal/2"}]}, 2),
        ({"image": {"url": "https://v3.fal/1"}}, 1),
        ({"audio": {"url": "https://v3.fal/1.mp3"}}, 1),
        ({"audio_url": "https://v3.fal/1.mp3"}, 1),
    ],
)
def test_results_are_found_under_the_usual_names(body: dict[str, object], urls: object):
    reading = FAL.read(answer(200, body), asked(FAL, ordered("seedance-20")).job)
    found = [output.url for output in reading.outputs]
    assert urls in (found, len(found))


def test_a_refusal_says_where():
    detail = {"loc": ["body", "duration"], "msg": "No.", "type": "literal_error"}
    refused = FAL.refusal(answer(422, {"detail": [detail]}))
    assert (refused.kind, refused.message) == (Kind.PERMANENT, "body.duration: No.")
    locked = FAL.refusal(answer(403, {"detail": "User is locked. Reason: Exhausted balance."}))
    assert locked.kind is Kind.ACCOUNT


@pytest.mark.parametrize(
    ("status", "word", "outcome"),
    [
        (202, "OK", CancelOutcome.STOPPED),
        (202, "CANCELLATION_REQUESTED", CancelOutcome.UNKNOWN),
        (400, "ALREADY_COMPLETED", CancelOutcome.GOES_ON),
        (404, "NOT_FOUND", CancelOutcome.GOES_ON),
    ],
)
def test_a_cancel(status: int, word: str, outcome: CancelOutcome):
    assert FAL.cancelled is not None
    assert FAL.cancelled(answer(status, {"status": word})) is outcome


async def test_a_result_that_is_a_models_error_is_a_failure(tmp_path: Path):
    detail = {"loc": ["body"], "msg": "Flagged.", "type": "content_policy_violation"}
    async with conversing(CASE) as (provider, upstream):
        job = CASE.job(tmp_path)
        outcome = await provider.submit(job)
        assert isinstance(outcome, Accepted)
        upstream.only.stay(Stage.DONE)
        upstream.fault(Verb.RESULT, answers(422, {"detail": [detail]}))
        status = await provider.status(outcome.upstream_id, job)
        assert isinstance(status, Failed), status
        assert status.kind is Kind.MODERATION


async def test_a_reference_is_put_where_fal_wants_it_for_a_day(tmp_path: Path):
    async with conversing(CASE) as (provider, upstream):
        assert isinstance(await submitted(provider, CASE.job_with_image(tmp_path)), Accepted)
        asking, putting = upstream.of(Verb.UPLOAD)
        assert asking.json == {"content_type": "image/png", "file_name": "image-1"}
        assert asking.headers["x-fal-object-lifecycle"] == '{"expiration_duration_seconds": 86400}'
        assert putting.headers["content-type"] == "image/png"
        assert KEY not in str(putting.headers)
        assert upstream.uploads["image-1"] == media_of(MediaKind.IMAGE)[1]
        assert upstream.only.body["image_url"] == "https://v3.fal/image-1"


def test_sound_is_asked_for_like_anything_else():
    order = replace(ordered("seedance-20"), kind=MediaKind.AUDIO)
    path, body = sent(asked(FAL, order, "fal-ai/some/sound"), FAL)
    assert (path, body) == ("fal-ai/some/sound", {"prompt": "A fox", "seed": 7})


def test_what_an_endpoint_makes_in_no_such_resolution_is_left_to_others():
    assert unsupported(asked(FAL, ordered("seedance-20", resolution="4k")), FAL)
    assert unsupported(asked(FAL, ordered("seedance2-5", resolution="1080p")), FAL)
