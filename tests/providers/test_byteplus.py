"""What BytePlus ModelArk and Volcengine Ark are asked for, and what their answers mean."""

from dataclasses import replace

import pytest
from tests.providers.asking import answer, asked, called_back, ordered, sent, unsupported
from tests.providers.upstream import payload

from kinetoscope.kernel.order import MediaKind, Size
from kinetoscope.providers.adapter import Adapter
from kinetoscope.providers.byteplus import BYTEPLUS, VOLCENGINE
from kinetoscope.providers.contract import CancelOutcome, Kind
from kinetoscope.providers.states import State, state_of

TASKS = "contents/generations/tasks"
DONE = payload("byteplus_task.json") | {"content": {"video_url": "https://tos.example/1.mp4"}}


def image(number: int, role: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": f"up://image-{number}"}, "role": role}


def test_a_clip_of_text_has_every_field_of_its_page_and_no_seed():
    order = ordered("seedance-20", duration=6, aspectRatio="9:16", resolution="480p")
    ask = called_back(asked(BYTEPLUS, order), "https://us.example/news")
    assert sent(ask, BYTEPLUS) == (
        TASKS,
        {
            "model": "dreamina-seedance-2-0-260128",
            "content": [{"type": "text", "text": "A fox"}],
            "resolution": "480p",
            "ratio": "9:16",
            "duration": 6,
            "generate_audio": True,
            "watermark": False,
            "return_last_frame": True,
            "callback_url": "https://us.example/news",
        },
    )


def test_a_silent_clip_is_asked_for_as_one():
    order = ordered("seedance-20", generate_audio=False)
    assert sent(asked(BYTEPLUS, order), BYTEPLUS)[1]["generate_audio"] is False


def test_frames_have_roles_and_the_clip_their_shape():
    ask = asked(BYTEPLUS, ordered("seedance2-5", images=2, aspectRatio="16:9"))
    body = sent(ask, BYTEPLUS)[1]
    assert body["content"][1:] == [image(1, "first_frame"), image(2, "last_frame")]
    assert body["ratio"] == "adaptive", "2.5 refuses any other with a first frame"


def test_references_have_roles_by_their_kind():
    order = ordered("seedance-20", images=2, audios=1, aspectRatio="1:1")
    body = sent(asked(BYTEPLUS, order), BYTEPLUS)[1]
    assert body["content"][1:] == [
        image(1, "reference_image"),
        image(2, "reference_image"),
        {"type": "audio_url", "audio_url": {"url": "up://audio-1"}, "role": "reference_audio"},
    ]
    assert body["ratio"] == "1:1"


def test_a_sound_is_named_as_its_page_names_it():
    ask = asked(BYTEPLUS, ordered("seedance-20", images=1, audios=1))
    inline = tuple(
        replace(each, url=f"data:{each.fetched.media_type};base64,AAAA") for each in ask.attached
    )
    content = sent(replace(ask, attached=inline), BYTEPLUS)[1]["content"]
    assert content[1]["image_url"]["url"] == "data:image/png;base64,AAAA"
    assert content[2]["audio_url"]["url"] == "data:audio/mp3;base64,AAAA"


@pytest.mark.parametrize("adapter", [BYTEPLUS, VOLCENGINE])
def test_clips_as_references_are_left_to_others(adapter: Adapter):
    ask = asked(adapter, ordered("seedance-20", videos=1))
    assert "public address" in unsupported(ask, adapter)


def test_more_than_a_body_may_hold_is_left_to_others():
    ask = asked(BYTEPLUS, ordered("seedance-20", images=9, mode="reference"))
    large = tuple(replace(each, url="x" * 8 * 1024 * 1024) for each in ask.attached)
    assert "large" in unsupported(replace(ask, attached=large), BYTEPLUS)


def test_sound_alone_is_left_to_others():
    order = replace(ordered("seedance-20"), kind=MediaKind.AUDIO)
    assert unsupported(asked(BYTEPLUS, order), BYTEPLUS)


def test_only_the_models_that_have_a_parameter_get_it():
    old = sent(asked(BYTEPLUS, ordered("seedance-20"), "seedance-1-0-pro-250528"), BYTEPLUS)[1]
    assert old["seed"] == 7
    assert "generate_audio" not in old
    mov = ordered("seedance2-5", output_format="mov")
    assert sent(asked(BYTEPLUS, mov), BYTEPLUS)[1]["output_format"] == "mov"
    assert "output_format" not in sent(asked(BYTEPLUS, ordered("seedance2-5")), BYTEPLUS)[1]


def test_the_operators_options_come_last():
    ask = asked(BYTEPLUS, ordered("seedance-20"), priority=3, watermark=True)
    body = sent(ask, BYTEPLUS)[1]
    assert (body["priority"], body["watermark"]) == (3, True)


def test_a_picture_has_pixels_a_format_and_no_seed():
    order = ordered("seedream-5.0-pro", images=2, aspectRatio="1:1", resolution="1k")
    assert sent(asked(BYTEPLUS, order), BYTEPLUS) == (
        "images/generations",
        {
            "model": "dola-seedream-5-0-pro-260628",
            "prompt": "A fox",
            "image": ["up://image-1", "up://image-2"],
            "size": "1024x1024",
            "output_format": "png",
            "response_format": "url",
            "watermark": False,
        },
    )


def test_a_picture_in_the_shape_of_another_has_a_class_of_resolution():
    order = ordered("seedream-5.0-pro", images=1, aspectRatio="auto", resolution="2k")
    assert sent(asked(BYTEPLUS, order), BYTEPLUS)[1]["size"] == "2K"


@pytest.mark.parametrize("shape", ["1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "21:9"])
def test_no_picture_has_more_pixels_than_the_model_makes(shape: str):
    order = ordered("seedream-5.0-pro", aspectRatio=shape, resolution="2k")
    width, height = map(int, sent(asked(BYTEPLUS, order), BYTEPLUS)[1]["size"].split("x"))
    assert 921_600 <= width * height <= 4_194_304
    assert order.size is not None
    assert abs(width / height - order.size.width / order.size.height) < 0.01


def test_older_picture_models_have_seeds():
    order = replace(ordered("seedream-5.0-pro"), size=Size(width=1024, height=1024))
    body = sent(asked(BYTEPLUS, order, "seedream-3-0-t2i-250415"), BYTEPLUS)[1]
    assert body["seed"] == 7
    assert "output_format" not in body


def test_volcengine_has_the_same_models_under_its_own_names():
    assert VOLCENGINE.models.keys() == BYTEPLUS.models.keys()
    assert all(name.startswith("doubao-") for name in VOLCENGINE.models.values())
    assert VOLCENGINE.base_url == "https://ark.cn-beijing.volces.com/api/v3"
    assert BYTEPLUS.base_url == "https://ark.ap-southeast.bytepluses.com/api/v3"
    assert VOLCENGINE.key_name != BYTEPLUS.key_name


ERRORS = [
    (400, "InputTextSensitiveContentDetected", Kind.MODERATION),
    (400, "InputImageSensitiveContentDetected.PrivacyInformation", Kind.MODERATION),
    (400, "SensitiveContentDetected.SevereViolation", Kind.MODERATION),
    (400, "OutputVideoSensitiveContentDetected.PolicyViolation", Kind.MODERATION),
    (400, "InputImageRiskDetection", Kind.MODERATION),
    (400, "ContentSecurityDetectionError", Kind.TEMPORARY),
    (400, "InvalidParameter.TaskTypeConstraint", Kind.PERMANENT),
    (400, "MissingParameter", Kind.PERMANENT),
    (400, "InvalidEndpoint.ClosedEndpoint", Kind.UNSUPPORTED),
    (401, "AuthenticationError", Kind.ACCOUNT),
    (403, "AccountOverdueError", Kind.ACCOUNT),
    (403, "OperationDenied.ServiceOverdue", Kind.ACCOUNT),
    (404, "InvalidEndpointOrModel.NotFound", Kind.UNSUPPORTED),
    (404, "ModelNotOpen", Kind.UNSUPPORTED),
]


@pytest.mark.parametrize(("status", "code", "kind"), ERRORS)
def test_a_refusal_is_told_by_its_code(status: int, code: str, kind: Kind):
    body = {"error": {"code": code, "message": "Because.", "param": "", "type": "BadRequest"}}
    refused = BYTEPLUS.refusal(answer(status, body))
    assert (refused.kind, refused.message) == (kind, "Because.")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("OutputAudioSensitiveContentDetected", Kind.MODERATION),
        ("InternalServiceError", Kind.TEMPORARY),
        ("InvalidParameter.TaskTypeMismatch", Kind.PERMANENT),
        ("AccountOverdueError", Kind.ACCOUNT),
    ],
)
def test_a_failed_task_is_told_by_its_code(code: str, kind: Kind):
    body = DONE | {"status": "failed", "content": None, "error": {"code": code, "message": "No."}}
    failure = BYTEPLUS.read(answer(200, body), job()).failure
    assert failure is not None
    assert (failure.kind, failure.message) == (kind, "No.")


@pytest.mark.parametrize("word", ["cancelled", "expired"])
def test_a_task_that_was_never_made_has_failed(word: str):
    reading = BYTEPLUS.read(answer(200, DONE | {"status": word, "content": None}), job())
    assert state_of(reading.word) is State.FAILED
    assert reading.failure is not None
    assert word in reading.failure.message


def test_a_finished_task_has_a_clip_a_last_frame_and_tokens():
    content = {"video_url": "https://tos.example/1.mp4", "last_frame_url": "https://tos.example/1"}
    reading = BYTEPLUS.read(answer(200, DONE | {"content": content}), job())
    assert [(output.url, output.is_last_frame) for output in reading.outputs] == [
        ("https://tos.example/1.mp4", False),
        ("https://tos.example/1", True),
    ]
    assert reading.usage.tokens_image_out == 108_900


def test_a_picture_that_was_held_back_is_a_failure_by_moderation():
    error = {"code": "OutputImageSensitiveContentDetected", "message": "Held back."}
    for body in ({"data": [{"error": error}]}, {"error": error}):
        reading = BYTEPLUS.accepted(answer(200, body), job("seedream-5.0-pro"))
        assert reading.failure is not None  # type: ignore[union-attr]
        assert reading.failure.kind is Kind.MODERATION  # type: ignore[union-attr]


def test_a_running_task_goes_on():
    error = {"error": {"code": "InvalidAction.RunningTaskDeletion", "message": "It runs."}}
    assert BYTEPLUS.cancelled is not None
    assert BYTEPLUS.cancelled(answer(409, error)) is CancelOutcome.GOES_ON
    assert BYTEPLUS.cancelled(answer(200, {})) is CancelOutcome.STOPPED
    assert BYTEPLUS.cancellable == frozenset({State.WAITING})


def test_a_callback_names_its_task():
    assert BYTEPLUS.claim(DONE) == "cgt-20260601120000-abcde"


def job(model: str = "seedance-20"):
    return asked(BYTEPLUS, ordered(model)).job
