"""What Runway is asked for, model by model, and what its answers mean."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.providers.asking import answer, asked, ordered, sent, unsupported
from tests.providers.case import conversing, submitted
from tests.providers.upstream import Verb
from tests.providers.wire_runway import CASES

from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.contract import Accepted, Kind
from kinetoscope.providers.runway import RUNWAY
from kinetoscope.providers.runway_models import MADE

pytestmark = pytest.mark.anyio


def test_a_clip_of_text():
    order = ordered("seedance-20", duration=6, aspectRatio="9:16", resolution="480p")
    assert sent(asked(RUNWAY, order), RUNWAY) == (
        "text_to_video",
        {
            "model": "seedance2",
            "promptText": "A fox",
            "ratio": "496:864",
            "duration": 6,
            "audio": True,
            "seed": 7,
        },
    )


def test_frames_have_positions_and_the_size_nearest_to_their_shape():
    route, body = sent(asked(RUNWAY, ordered("seedance2-5", images=2)), RUNWAY)
    assert route == "image_to_video"
    assert body["promptImage"] == [
        {"uri": "up://image-1", "position": "first"},
        {"uri": "up://image-2", "position": "last"},
    ]
    assert body["ratio"] == "1280:720", "of 720p, the shape nearest to 32 by 16"


def test_references_of_every_kind_go_with_the_text():
    order = ordered("seedance-20", images=1, videos=1, audios=1)
    route, body = sent(asked(RUNWAY, order), RUNWAY)
    assert route == "text_to_video"
    assert body["references"] == [{"uri": "up://image-1"}]
    assert body["referenceVideos"] == [{"type": "video", "uri": "up://video-1"}]
    assert body["referenceAudio"] == [{"type": "audio", "uri": "up://audio-1"}]


def test_wan_has_no_seed_and_sizes_of_its_own():
    order = ordered("wan3.0-text-to-video", outputResolution="480p", aspectRatio="16:9")
    body = sent(asked(RUNWAY, order), RUNWAY)[1]
    assert body["ratio"] == "832:480"
    assert "seed" not in body


def test_wan_keeps_the_shape_of_a_frame():
    order = ordered("wan3.0-image-to-video", images=1, aspectRatio="adaptive")
    route, body = sent(asked(RUNWAY, order), RUNWAY)
    assert (route, body["ratio"]) == ("image_to_video", "auto_720p")
    other = ordered("wan3.0-image-to-video", images=1, aspectRatio="9:16")
    assert unsupported(asked(RUNWAY, other), RUNWAY), "it would not be 9:16"


def test_a_picture_has_pictures_to_go_by():
    order = ordered("seedream-5.0-pro", images=1, aspectRatio="16:9", resolution="2k")
    assert sent(asked(RUNWAY, order), RUNWAY) == (
        "text_to_image",
        {
            "model": "seedream5_pro",
            "promptText": "A fox",
            "ratio": "2720:1530",
            "referenceImages": [{"uri": "up://image-1"}],
            "outputFormat": "png",
        },
    )


def test_a_picture_in_the_shape_of_another():
    order = ordered("seedream-5.0-pro", images=1, aspectRatio="auto", resolution="1k")
    assert sent(asked(RUNWAY, order), RUNWAY)[1]["ratio"] == "auto_1k"
    any_quality = ordered("gpt-image-2", images=1, aspectRatio="auto", quality="high")
    body = sent(asked(RUNWAY, any_quality), RUNWAY)[1]
    assert (body["ratio"], body["quality"]) == ("auto", "high")


@pytest.mark.parametrize("shape", ["1:1", "4:3", "3:4", "16:9", "9:16"])
@pytest.mark.parametrize("model", ["nanobanana2", "nanobanana-pro"])
def test_a_picture_has_the_size_of_theirs_that_is_closest(model: str, shape: str):
    order = ordered(model, aspectRatio=shape, resolution="2k")
    width, height = map(int, sent(asked(RUNWAY, order), RUNWAY)[1]["ratio"].split(":"))
    assert order.size is not None
    assert abs(width / height / (order.size.width / order.size.height) - 1) < 0.04


def test_what_is_made_in_no_such_size_is_left_to_others():
    order = ordered("gpt-image-2", aspectRatio="1:1", resolution="1k")
    assert "size" in unsupported(asked(RUNWAY, order), RUNWAY)


def test_several_pictures_are_counted_or_left_to_others():
    several = replace(ordered("seedream-5.0-pro", aspectRatio="1:1"), count=2)
    assert sent(asked(RUNWAY, several), RUNWAY)[1]["outputCount"] == 2
    assert unsupported(asked(RUNWAY, several, "gen4_image"), RUNWAY)


def test_editing_is_left_to_others_by_models_whose_resolution_it_would_hide():
    order = ordered("seedance2-5-edit", videos=1)
    assert unsupported(asked(RUNWAY, order, "seedance2_5"), RUNWAY)
    route, body = sent(asked(RUNWAY, order, "aleph2"), RUNWAY)
    assert (route, body["videoUri"]) == ("video_to_video", "up://video-1")


def test_pictures_that_are_no_frames_are_left_to_others_by_most_models():
    order = ordered("seedance-20", images=1, mode="reference")
    assert unsupported(asked(RUNWAY, order, "gen4.5"), RUNWAY)


def test_sound_is_left_to_others():
    order = replace(ordered("seedance-20"), kind=MediaKind.AUDIO)
    assert unsupported(asked(RUNWAY, order), RUNWAY)


def test_a_model_nobody_knows_gets_what_nearly_all_have():
    body = sent(asked(RUNWAY, ordered("seedance-20"), "kling9", cfgScale=0.5), RUNWAY)[1]
    assert body == {
        "model": "kling9",
        "promptText": "A fox",
        "ratio": "1280:720",
        "duration": 5,
        "cfgScale": 0.5,
    }


@pytest.mark.parametrize("model", sorted(RUNWAY.models))
def test_every_model_of_ours_is_one_of_theirs(model: str):
    assert RUNWAY.models[model] in MADE
    assert builtin().find(model) is not None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("SAFETY.INPUT.TEXT", Kind.MODERATION),
        ("SAFETY.OUTPUT.VIDEO", Kind.MODERATION),
        ("INPUT_PREPROCESSING.SAFETY.TEXT", Kind.MODERATION),
        ("INPUT_PREPROCESSING.SAFETY.THIRD_PARTY", Kind.MODERATION),
        ("INPUT_PREPROCESSING.INTERNAL", Kind.TEMPORARY),
        ("INTERNAL", Kind.TEMPORARY),
        ("INTERNAL.BAD_OUTPUT.01", Kind.TEMPORARY),
        ("THIRD_PARTY.UNAVAILABLE", Kind.TEMPORARY),
        (None, Kind.TEMPORARY),
        ("ASSET.INVALID", Kind.PERMANENT),
    ],
)
def test_a_failure_is_told_by_its_code(code: str | None, kind: Kind):
    body = {"id": "1", "status": "FAILED", "failure": "It broke.", "failureCode": code}
    failure = RUNWAY.read(answer(200, body), job()).failure
    assert failure is not None
    assert failure.kind is kind


def test_credits_are_cents():
    body = {"id": "1", "status": "SUCCEEDED", "output": ["https://cdn.example/1"]}
    assert RUNWAY.read(answer(200, body), job()).cost_usd_micros is None
    reading = RUNWAY.read(answer(200, body | {"cost": {"credits": 25}}), job())
    assert reading.cost_usd_micros == 250_000
    assert [output.url for output in reading.outputs] == ["https://cdn.example/1"]


def test_a_refusal_says_what_is_wrong_and_is_moderation_only_in_a_task():
    issue = {"code": "x", "path": ["contentModeration"], "message": "Unknown key."}
    body = {"error": "Validation of body failed", "issues": [issue]}
    refused = RUNWAY.refusal(answer(400, body))
    assert refused.kind is Kind.PERMANENT
    assert refused.message == "Validation of body failed contentModeration: Unknown key."


async def test_a_reference_goes_into_the_bucket_without_the_key(tmp_path: Path):
    async with conversing(CASES[0]) as (provider, upstream):
        outcome = await submitted(provider, CASES[0].job_with_image(tmp_path))
        assert isinstance(outcome, Accepted), outcome
        asking, putting = upstream.of(Verb.UPLOAD)
        assert asking.json == {"filename": "image-1.png", "type": "ephemeral"}
        assert putting.path == "/bucket"
        assert upstream.only.body["promptImage"][0]["uri"] == "runway://kept-1"


def job():
    return asked(RUNWAY, ordered("seedance-20")).job
