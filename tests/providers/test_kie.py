"""What kie.ai is asked for, model by model, and what its answers mean."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.providers.asking import answer, asked, called_back, ordered, sent, unsupported
from tests.providers.case import conversing, submitted
from tests.providers.upstream import Stage, Verb, answers, media_of, payload
from tests.providers.wire_kie import CASES

from kinetoscope.kernel.calling import Call, FilePart, Malformed
from kinetoscope.kernel.order import JSON, MediaKind
from kinetoscope.providers.contract import Accepted, Done, Job, Kind, Refused, Silent, Unknown
from kinetoscope.providers.kie import KIE
from kinetoscope.providers.kie_requests import FAMILIES

pytestmark = pytest.mark.anyio

CASE = CASES[0]
RECORD: dict[str, object] = {
    "taskId": "t-1",
    "model": "bytedance/seedance-2",
    "state": "generating",
    "param": "{}",
    "resultJson": "",
    "failCode": None,
    "failMsg": None,
    "costTime": 0,
    "completeTime": None,
    "createTime": 1786416968000,
}


def job(model: str = "seedance-20") -> Job:
    return asked(KIE, ordered(model)).job


def read(**said: object):
    return KIE.read(answer(200, {"code": 200, "message": "ok", "data": RECORD | said}), job())


def test_a_clip_of_text_has_the_inputs_of_its_page_and_no_seed():
    order = ordered("seedance-20", duration=6, aspectRatio="9:16", resolution="480p")
    ask = called_back(asked(KIE, order), "https://us.example/news")
    assert sent(ask, KIE) == (
        "jobs/createTask",
        {
            "model": "bytedance/seedance-2",
            "callBackUrl": "https://us.example/news",
            "input": {
                "prompt": "A fox",
                "aspect_ratio": "9:16",
                "resolution": "480p",
                "duration": 6,
                "generate_audio": True,
            },
        },
    )


def test_frames_have_names_and_the_clip_their_shape():
    body = sent(asked(KIE, ordered("seedance2-fast", images=2)), KIE)[1]
    assert body["model"] == "bytedance/seedance-2-fast"
    assert body["input"]["first_frame_url"] == "up://image-1"
    assert body["input"]["last_frame_url"] == "up://image-2"
    assert body["input"]["aspect_ratio"] == "adaptive"
    assert "reference_image_urls" not in body["input"]


def test_references_are_lists_by_their_kind():
    order = ordered("seedance-20", images=2, videos=1, audios=1, aspectRatio="1:1")
    inputs = sent(asked(KIE, order), KIE)[1]["input"]
    assert inputs["reference_image_urls"] == ["up://image-1", "up://image-2"]
    assert inputs["reference_video_urls"] == ["up://video-1"]
    assert inputs["reference_audio_urls"] == ["up://audio-1"]
    assert inputs["aspect_ratio"] == "1:1"


def test_seedance_2_5_says_its_format():
    body = sent(asked(KIE, ordered("seedance2-5", output_format="mov", duration=30)), KIE)[1]
    assert body["model"] == "bytedance/seedance-2-5"
    assert (body["input"]["output_format"], body["input"]["duration"]) == ("mov", 30)


@pytest.mark.parametrize(
    ("model", "upstream"),
    [
        ("wan3.0-text-to-video", "wan/3-0-video"),
        ("wan3.0-prime-text-to-video", "wan/3-0-video-prime"),
    ],
)
def test_wan_writes_resolutions_large_and_has_a_seed(model: str, upstream: str):
    body = sent(asked(KIE, ordered(model, audio=False, resolution="1080p")), KIE)[1]
    assert body["model"] == upstream
    assert body["input"] == {
        "prompt": "A fox",
        "aspect_ratio": "16:9",
        "resolution": "1080P",
        "duration": 5,
        "seed": 7,
        "audio": False,
    }


def test_seedreams_resolution_is_a_quality():
    order = ordered("seedream-5.0-pro", aspectRatio="3:2", resolution="2k", outputFormat="jpeg")
    assert sent(asked(KIE, order), KIE)[1] == {
        "model": "seedream/5-pro-text-to-image",
        "input": {
            "prompt": "A fox",
            "aspect_ratio": "3:2",
            "quality": "high",
            "output_format": "jpeg",
        },
    }


def test_seedream_with_pictures_is_another_model_and_takes_the_nearest_shape():
    order = ordered("seedream-5.0-pro", images=2, aspectRatio="auto", resolution="1k")
    body = sent(asked(KIE, order), KIE)[1]
    assert body["model"] == "seedream/5-pro-image-to-image"
    assert body["input"]["image_urls"] == ["up://image-1", "up://image-2"]
    assert body["input"]["quality"] == "basic"
    assert body["input"]["aspect_ratio"] == "16:9", "of a picture 32 by 16, in words it knows"


def test_a_banana_has_a_class_a_format_and_pictures():
    order = ordered("nanobanana2", images=1, aspectRatio="4:3", resolution="4k")
    assert sent(asked(KIE, order), KIE)[1] == {
        "model": "nano-banana-2",
        "input": {
            "prompt": "A fox",
            "aspect_ratio": "4:3",
            "resolution": "4K",
            "output_format": "png",
            "image_input": ["up://image-1"],
        },
    }
    jpeg = replace(order, file_format="jpeg")
    assert sent(asked(KIE, jpeg), KIE)[1]["input"]["output_format"] == "jpg"


def test_what_a_model_would_refuse_is_left_to_others():
    assert "1080p" in unsupported(
        asked(KIE, replace(ordered("seedance2-fast"), resolution="1080p")), KIE
    )
    assert "edit" in unsupported(
        asked(KIE, ordered("seedance2-5-edit", videos=1), "bytedance/seedance-2-5"), KIE
    )
    assert "characters" in unsupported(asked(KIE, ordered("seedance-20", prompt="Ox")), KIE)
    assert "characters" in unsupported(
        asked(KIE, ordered("seedream-5.0-pro", prompt="x" * 5001)), KIE
    )
    assert "8 pictures" in unsupported(asked(KIE, ordered("nanobanana-pro", images=9)), KIE)
    assert "webp" in unsupported(
        asked(KIE, replace(ordered("nanobanana2"), file_format="webp")), KIE
    )
    assert isinstance(KIE.submit(asked(KIE, ordered("nanobanana2", images=9))), Call)


@pytest.mark.parametrize("shape", ["1:1", "4:3", "3:4", "16:9", "9:16", "21:9"])
@pytest.mark.parametrize("resolution", ["480p", "720p"])
def test_every_shape_that_can_be_ordered_is_asked_for_by_its_name(shape: str, resolution: str):
    order = ordered("seedance-20", aspectRatio=shape, resolution=resolution)
    assert sent(asked(KIE, order), KIE)[1]["input"]["aspect_ratio"] == shape


def test_a_model_nobody_knows_gets_the_usual_with_names_of_the_operators():
    order = ordered("seedance-20", images=1, aspectRatio="16:9")
    rename: dict[str, JSON] = {
        "first_frame_url": "image_url",
        "generate_audio": "sound",
        "seed": "",
    }
    ask = asked(KIE, order, "kling/v2-5-turbo-image-to-video-pro", rename=rename, cfg_scale=0.5)
    body = sent(ask, KIE)[1]
    assert body["model"] == "kling/v2-5-turbo-image-to-video-pro"
    assert body["input"]["image_url"] == "up://image-1"
    assert body["input"]["sound"] is True
    assert body["input"]["duration"] == "5"
    assert body["input"]["cfg_scale"] == 0.5
    assert not {"seed", "rename", "first_frame_url", "generate_audio"} & body["input"].keys()


def test_every_model_of_ours_has_a_page_that_was_read():
    assert set(KIE.models.values()) == set(FAMILIES)


def test_an_accepted_task_has_an_id():
    said = {"code": 200, "msg": "success", "data": {"taskId": "t-1", "recordId": "t-1"}}
    assert KIE.accepted(answer(200, said), job()) == Accepted(upstream_id="t-1")


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (401, "You do not have access permissions", Kind.ACCOUNT),
        (402, "Credits insufficient", Kind.ACCOUNT),
        (403, "This address may not use the key", Kind.ACCOUNT),
        (404, "The model does not exist", Kind.UNSUPPORTED),
        (422, "duration is not within the range of allowed options", Kind.PERMANENT),
        (422, "Your prompt was flagged as violating content policies.", Kind.MODERATION),
        (400, "Sensitive content in the picture", Kind.MODERATION),
        (429, "You violate the limit of 20 requests in 10 seconds", Kind.TEMPORARY),
        (433, "The sub-key's limit is reached", Kind.ACCOUNT),
        (455, "Service under maintenance", Kind.TEMPORARY),
        (501, "Generation failed", Kind.TEMPORARY),
        (501, "The input was flagged as sensitive", Kind.MODERATION),
        (505, "The feature is disabled", Kind.UNSUPPORTED),
    ],
)
def test_a_code_in_an_answer_that_says_200_is_a_refusal(code: int, message: str, kind: Kind):
    body = {"code": code, "msg": message, "data": None}
    refused = KIE.accepted(answer(200, body, {"retry-after": "7"}), job())
    assert isinstance(refused, Refused), refused
    assert (refused.kind, refused.message, refused.retry_after_s) == (kind, message, 7)
    assert KIE.refusal(answer(400, body)).kind is kind, "the body knows better than the status"


@pytest.mark.parametrize("code", [408, 500, 502, 550, None])
async def test_a_code_of_unexpected_trouble_is_no_verdict(code: int | None, tmp_path: Path):
    async with conversing(CASE) as (provider, upstream):
        said = {"code": code, "msg": "Server exception", "data": None}
        upstream.fault(Verb.SUBMIT, answers(200, said))
        assert isinstance(await provider.submit(CASE.job(tmp_path)), Unknown)


def test_a_record_tells_how_far_it_is():
    reading = read(progress=45)
    assert (reading.word, reading.progress, reading.failure) == ("generating", 0.45, None)
    assert read(state="queuing").word == "queuing"


def test_a_result_is_a_text_in_a_text_and_costs_half_a_cent_a_credit():
    result = json.dumps(
        {"resultUrls": ["https://temp.example/1.mp4", "https://temp.example/2.mp4"]}
    )
    reading = read(state="success", resultJson=result, creditsConsumed=20.5)
    urls = [output.url for output in reading.outputs]
    assert urls == ["https://temp.example/1.mp4", "https://temp.example/2.mp4"]
    assert reading.cost_usd_micros == 102_500
    assert read(state="success", resultJson=result).cost_usd_micros is None
    with pytest.raises(Malformed):
        read(state="success", resultJson="")


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("500", "Internal Error, Please try again later.", Kind.TEMPORARY),
        (500, "Internal Error, Please try again later.", Kind.TEMPORARY),
        ("500", "The output was flagged as sensitive. (E005)", Kind.MODERATION),
        ("422", "The reference image is too small", Kind.PERMANENT),
        ("501", None, Kind.PERMANENT),
        ("MODEL_ERROR", "The provider rejected the task", Kind.PERMANENT),
    ],
)
def test_a_failed_task_is_told_by_its_code_and_words(code: object, message: object, kind: Kind):
    failure = read(state="fail", failCode=code, failMsg=message).failure
    assert failure is not None
    assert failure.kind is kind
    assert failure.message == (message or "Generation failed. Please try again.")


async def test_a_task_that_is_not_there_yet_is_not_lost(tmp_path: Path):
    async with conversing(CASE) as (provider, upstream):
        job = CASE.job(tmp_path)
        outcome = await provider.submit(job)
        assert isinstance(outcome, Accepted)
        null = {"code": 422, "msg": "recordInfo is null", "data": None}
        upstream.fault(Verb.STATUS, answers(200, null))
        assert isinstance(await provider.status(outcome.upstream_id, job), Silent)


async def test_what_a_task_took_is_told_with_its_files(tmp_path: Path):
    async with conversing(CASE) as (provider, upstream):
        job = CASE.job(tmp_path)
        outcome = await provider.submit(job)
        assert isinstance(outcome, Accepted)
        upstream.only.stay(Stage.DONE)
        done = await provider.status(outcome.upstream_id, job)
        assert isinstance(done, Done), done
        assert done.cost_usd_micros == 410_000


def test_files_of_two_tasks_have_different_names():
    fetched = asked(KIE, ordered("seedance-20", images=2)).job.references
    site = asked(KIE, ordered("seedance-20")).site
    assert KIE.upload is not None
    names = set()
    for each in (
        replace(fetched[0], path=Path("work/task_a-1/references/image-1")),
        replace(fetched[1], path=Path("work/task_a-1/references/image-2")),
        replace(fetched[0], path=Path("work/task_b-1/references/image-1")),
    ):
        call = KIE.upload(site, each)
        assert call.url == "https://kieai.redpandaai.co/api/file-stream-upload"
        (part,) = call.files
        assert dict(call.fields) == {"uploadPath": "kinetoscope", "fileName": part.filename}
        names.add(part.filename)
    assert len(names) == 3, "one of the same name overwrites the other"


@pytest.mark.parametrize(
    ("media_type", "ending"),
    [
        ("audio/mpeg", "mp3"),
        ("video/quicktime", "mov"),
        ("image/jpeg", "jpg"),
        ("image/png", "png"),
    ],
)
def test_a_file_has_the_usual_ending(media_type: str, ending: str):
    ask = asked(KIE, ordered("seedance-20", images=1))
    assert KIE.upload is not None
    call = KIE.upload(ask.site, replace(ask.job.references[0], media_type=media_type))
    (part,) = call.files
    assert isinstance(part, FilePart)
    assert part.filename.endswith(f".{ending}")


async def test_a_reference_is_used_at_the_address_that_its_upload_got(tmp_path: Path):
    async with conversing(CASE) as (provider, upstream):
        assert isinstance(await submitted(provider, CASE.job_with_image(tmp_path)), Accepted)
        ((name, content),) = upstream.uploads.items()
        assert content == media_of(MediaKind.IMAGE)[1]
        assert name.endswith(".png")
        url = f"http://127.0.0.1:{upstream.port}/download/{name}"
        assert upstream.only.body["input"]["first_frame_url"] == url


async def test_an_upload_that_is_refused_in_words_makes_no_task(tmp_path: Path):
    async with conversing(CASE) as (provider, upstream):
        upstream.fault(Verb.UPLOAD, answers(200, {"success": False, "code": 400, "msg": "No."}))
        outcome = await submitted(provider, CASE.job_with_image(tmp_path))
        assert isinstance(outcome, Refused)
        assert outcome.kind is Kind.TEMPORARY
        assert upstream.jobs == {}


@pytest.mark.parametrize(
    "body",
    [{"code": 200, "data": {"taskId": "t-1"}}, {"code": 501, "data": {"task_id": "t-1"}}],
)
def test_a_callback_names_its_task(body: dict[str, JSON]):
    assert KIE.claim(body) == "t-1"
    assert KIE.claim({"code": 200}) is None


def test_a_check_finds_fault_with_a_code():
    assert KIE.checked is not None
    assert KIE.checked(answer(200, {"code": 200, "msg": "success", "data": 100})) is None
    assert KIE.checked(answer(200, payload("kie_credits.json"))) == "Credits insufficient"
