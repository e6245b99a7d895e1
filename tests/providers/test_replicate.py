"""What Replicate is asked for, model by model, and what its answers mean."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.providers.asking import answer, asked, called_back, ordered, sent, unsupported
from tests.providers.case import conversing, submitted
from tests.providers.upstream import Verb, payload
from tests.providers.wire_replicate import CASES

from kinetoscope.providers.contract import Accepted, CancelOutcome, Kind
from kinetoscope.providers.replicate import REPLICATE

pytestmark = pytest.mark.anyio

PREDICTION = payload("replicate_prediction.json")


def test_a_clip_of_text():
    order = ordered("seedance-20", duration=6, aspectRatio="9:16", resolution="480p")
    ask = called_back(asked(REPLICATE, order), "https://us.example/news")
    assert sent(ask, REPLICATE) == (
        "models/bytedance/seedance-2.0/predictions",
        {
            "input": {
                "prompt": "A fox",
                "seed": 7,
                "aspect_ratio": "9:16",
                "duration": 6,
                "resolution": "480p",
                "generate_audio": True,
            },
            "webhook": "https://us.example/news",
            "webhook_events_filter": ["completed"],
        },
    )


def test_frames_have_names_of_their_own():
    inputs = sent(asked(REPLICATE, ordered("seedance-20", images=2)), REPLICATE)[1]["input"]
    assert inputs["image"] == "up://image-1"
    assert inputs["last_frame_image"] == "up://image-2"
    assert inputs["aspect_ratio"] == "adaptive"


def test_references_are_lists_by_kind():
    order = ordered("seedance-20", images=2, videos=2, audios=1, aspectRatio="1:1")
    inputs = sent(asked(REPLICATE, order), REPLICATE)[1]["input"]
    assert inputs["reference_images"] == ["up://image-1", "up://image-2"]
    assert inputs["reference_videos"] == ["up://video-1", "up://video-2"]
    assert inputs["reference_audios"] == ["up://audio-1"]


def test_what_is_made_in_no_such_resolution_is_left_to_others():
    assert unsupported(asked(REPLICATE, ordered("seedance-20", resolution="4k")), REPLICATE)


def test_a_model_nobody_knows_gets_the_usual_under_names_of_the_operators():
    order = ordered("seedance-20", images=1, videos=1, aspectRatio="1:1")
    ask = asked(REPLICATE, order, "a/b", rename={"video": "clip", "duration": ""}, steps=4)
    path, body = sent(ask, REPLICATE)
    assert path == "models/a/b/predictions"
    assert body["input"] == {
        "prompt": "A fox",
        "seed": 7,
        "aspect_ratio": "1:1",
        "resolution": "720p",
        "clip": "up://video-1",
        "reference_images": ["up://image-1"],
        "steps": 4,
    }


def test_no_reference_is_dropped():
    order = ordered("seedance-20", videos=2)
    assert "one video" in unsupported(asked(REPLICATE, order, "a/b"), REPLICATE)


@pytest.mark.parametrize(
    ("model", "path", "version"),
    [
        ("a/b", "models/a/b/predictions", None),
        ("deployments/a/b", "deployments/a/b/predictions", None),
        ("ab" * 32, "predictions", "ab" * 32),
        ("a/b:" + "cd" * 32, "predictions", "a/b:" + "cd" * 32),
    ],
)
def test_where_a_prediction_is_made(model: str, path: str, version: str | None):
    asked_of, body = sent(asked(REPLICATE, ordered("seedance-20"), model), REPLICATE)
    assert (asked_of, body.get("version")) == (path, version)


def test_several_pictures():
    order = replace(ordered("seedream-5.0-pro"), count=4)
    assert sent(asked(REPLICATE, order, "a/b"), REPLICATE)[1]["input"]["num_outputs"] == 4


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("The input or output was flagged as sensitive. (E005) (uIJ6l3ruRD)", Kind.MODERATION),
        ("NSFW content detected. Try running it again.", Kind.MODERATION),
        ("Service is currently unavailable due to high demand. (E003)", Kind.TEMPORARY),
        ("Service is temporarily unavailable. Please try again later. (E004)", Kind.TEMPORARY),
        ("Prediction interrupted; please retry (code: PA)", Kind.TEMPORARY),
        ("E6716: Timeout starting prediction", Kind.TEMPORARY),
        ("E1001: out of memory", Kind.PERMANENT),
        ("KeyError: names are case-sensitive", Kind.PERMANENT),
        ("", Kind.PERMANENT),
    ],
)
def test_a_failure_is_told_by_its_words(error: str, kind: Kind):
    body = PREDICTION | {"status": "failed", "error": error or None}
    failure = REPLICATE.read(answer(200, body), job()).failure
    assert failure is not None
    assert failure.kind is kind
    assert failure.message


@pytest.mark.parametrize("word", ["canceled", "aborted"])
def test_what_was_stopped_has_failed(word: str):
    failure = REPLICATE.read(answer(200, PREDICTION | {"status": word}), job()).failure
    assert failure is not None
    assert word in failure.message


@pytest.mark.parametrize(
    ("output", "count"),
    [
        ("https://replicate.delivery/1.mp4", 1),
        (["https://replicate.delivery/1", "https://replicate.delivery/2"], 2),
        ({"video": "https://replicate.delivery/1.mp4", "note": "a fox"}, 1),
        ("a text", 0),
        (None, 0),
    ],
)
def test_outputs_are_whatever_is_an_address(output: object, count: int):
    body = PREDICTION | {"status": "succeeded", "output": output}
    assert len(REPLICATE.read(answer(200, body), job()).outputs) == count


@pytest.mark.parametrize(
    ("logs", "progress"),
    [
        ("", None),
        ("  0%|          | 0/50\n 42%|####      | 21/50", 0.42),
        ("100%|##########| 50/50", 1.0),
        ("50% of it", None),
    ],
)
def test_progress_is_read_off_the_logs(logs: str, progress: float | None):
    body = PREDICTION | {"status": "processing", "logs": logs}
    assert REPLICATE.read(answer(200, body), job()).progress == progress


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("canceled", CancelOutcome.STOPPED),
        ("aborted", CancelOutcome.STOPPED),
        ("processing", CancelOutcome.UNKNOWN),
        ("succeeded", CancelOutcome.GOES_ON),
    ],
)
def test_a_cancel(word: str, outcome: CancelOutcome):
    assert REPLICATE.cancelled is not None
    assert REPLICATE.cancelled(answer(200, PREDICTION | {"status": word})) is outcome


def test_a_webhook_is_the_prediction():
    assert REPLICATE.claim(PREDICTION) == PREDICTION["id"]


async def test_a_reference_is_uploaded_and_named_by_its_address(tmp_path: Path):
    async with conversing(CASES[0]) as (provider, upstream):
        assert isinstance(await submitted(provider, CASES[0].job_with_image(tmp_path)), Accepted)
        (upload,) = upstream.of(Verb.UPLOAD)
        assert b'name="content"; filename="image-1"' in upload.body
        assert b"Content-Type: image/png" in upload.body
        image = upstream.only.body["input"]["image"]
        assert image == f"http://127.0.0.1:{upstream.port}/v1/files/file-1"


def test_sound_is_asked_for_like_anything_else():
    order = ordered("kinetoscope-soundscape")
    inputs = sent(asked(REPLICATE, order, "a/b"), REPLICATE)[1]["input"]
    assert inputs == {"prompt": "A fox", "seed": 7}


def job():
    return asked(REPLICATE, ordered("seedance-20")).job
