"""What Kinovi and another Kinetoscope are asked for, and what their answers mean.

Neither has a client library: our own server, which speaks the same contract, answers instead.
"""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.conftest import Person, World
from tests.providers.asking import answer, asked, called_back, ordered, sent
from tests.providers.case import conversing, prepared
from tests.providers.upstream import KEY, Stage, Verb, answers, media_of, payload, running
from tests.providers.wire_kinovi import CASES, wire
from tests.scripted import ScriptedProvider, done_video, tools_for

from kinetoscope.kernel.calling import Answer, Call, Caller
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.order import JSON, MediaKind, Order
from kinetoscope.kernel.outbound import Egress
from kinetoscope.providers.adapter import Ask, Place
from kinetoscope.providers.contract import (
    Accepted,
    CancelOutcome,
    Done,
    Failed,
    Job,
    Kind,
    Refused,
    Unknown,
)
from kinetoscope.providers.kinovi import KINETOSCOPE, KINOVI
from kinetoscope.providers.results import Results, take
from kinetoscope.providers.states import State, state_of
from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio

KINETOSCOPE_CASE = next(case for case in CASES if case.adapter is KINETOSCOPE)


def test_the_inputs_go_on_as_they_came_with_our_seed():
    order = ordered("seedance-20", duration=6, aspectRatio="9:16", resolution="480p", seed=99)
    ask = called_back(asked(KINOVI, order), "https://us.example/news")
    assert sent(ask, KINOVI) == (
        "jobs/createTask",
        {
            "model": "seedance-20",
            "callBackUrl": "https://us.example/news",
            "inputs": {
                "prompt": "A fox",
                "mode": "keyframe",
                "duration": 6,
                "aspectRatio": "9:16",
                "outputResolution": "480p",
                "generate_audio": True,
                "seed": 7,
            },
        },
    )


@pytest.mark.parametrize("model", ["seedance-20", "wan3.0-text-to-video", "midjourney-v8"])
def test_a_seed_that_the_client_left_open_is_ours_there_too(model: str):
    assert sent(asked(KINOVI, ordered(model)), KINOVI)[1]["inputs"]["seed"] == 7


def test_references_have_their_new_addresses_under_their_old_names():
    order = ordered("seedance-20", images=2, videos=1, audios=1)
    inputs = sent(asked(KINOVI, order), KINOVI)[1]["inputs"]
    assert inputs["imageUrls"] == ["up://image-1", "up://image-2"]
    assert inputs["videoUrls"] == ["up://video-1"]
    assert inputs["audioUrls"] == ["up://audio-1"]
    assert inputs["mode"] == "reference"


@pytest.mark.parametrize(
    "model", ["gpt-image-2", "gpt-image-2.5-flare", "seedream-5.0-pro", "nanobanana2"]
)
def test_pictures_of_pictures_go_by_their_own_name_and_no_strangers_address_with_them(model: str):
    body = sent(asked(KINOVI, ordered(model, images=2)), KINOVI)[1]
    assert body["inputs"]["uploadedUrls"] == ["up://image-1", "up://image-2"]
    assert "imageUrls" not in body["inputs"]
    assert "example.com" not in str(body)


def test_what_could_not_be_fetched_and_was_dispensable_is_left_out():
    ask = replace(asked(KINOVI, ordered("midjourney-v8", images=1)), attached=())
    assert "uploadedUrls" not in sent(ask, KINOVI)[1]["inputs"]


def test_a_picture_beyond_the_frames_is_left_out():
    ask = asked(KINOVI, ordered("seedance-20", images=3))
    assert sent(ask, KINOVI)[1]["inputs"]["imageUrls"] == ["up://image-1", "up://image-2"]


def test_the_operators_options_come_last():
    ask = asked(KINOVI, ordered("seedance-20"), bitrate_mode="high", seed=-1)
    inputs = sent(ask, KINOVI)[1]["inputs"]
    assert (inputs["bitrate_mode"], inputs["seed"]) == ("high", -1)


def test_only_a_kinetoscope_is_told_a_name_for_the_request():
    order = ordered("seedance-20")
    ours, theirs = (each.submit(asked(each, order)) for each in (KINETOSCOPE, KINOVI))
    assert isinstance(ours, Call)
    assert isinstance(theirs, Call)
    assert ours.headers == {"Idempotency-Key": "task_asked"}
    assert theirs.headers == {}
    assert ours.json == theirs.json


def failure_of(error: object) -> Failed:
    body = {"taskId": "task_1", "status": "fail", "output": None, "error": error}
    failure = KINOVI.read(answer(200, body), asked(KINOVI, ordered("seedance-20")).job).failure
    assert failure is not None
    return failure


@pytest.mark.parametrize(
    ("code", "message", "kind", "told"),
    [
        ("2038", "Your input text violates platform rules.", Kind.MODERATION, "2038"),
        ("4011", "A face was found.", Kind.MODERATION, "4011"),
        (
            "asset_review_failed",
            "Reference image 1 failed.",
            Kind.MODERATION,
            "asset_review_failed",
        ),
        ("banned_prompt_words", "banned: exposed", Kind.MODERATION, "banned_prompt_words"),
        ("500", "Your content was blocked by moderation.", Kind.MODERATION, "2038"),
        ("500", "FaceDetectionSuspect: replace the picture.", Kind.MODERATION, "2038"),
        ("1001", "The result failed the copyright review.", Kind.MODERATION, "2038"),
        ("1001", "Sensitive media.", Kind.MODERATION, "2038"),
        ("500", "Generation failed. Please try again.", Kind.TEMPORARY, "500"),
        ("500", "Service temporarily unavailable.", Kind.TEMPORARY, "500"),
        ("1001", "No capacity at the moment.", Kind.TEMPORARY, "1001"),
        ("1001", "An edit parameter is invalid.", Kind.PERMANENT, "1001"),
        ("500", "Failed to download your reference video.", Kind.PERMANENT, "500"),
        ("InvalidParameter", "Too long. Please try again.", Kind.PERMANENT, "InvalidParameter"),
        ("cancelled", "The task was cancelled.", Kind.PERMANENT, "cancelled"),
    ],
)
def test_a_failed_task_is_told_by_its_code_and_words(
    code: str, message: str, kind: Kind, told: str
):
    failure = failure_of({"code": code, "message": message})
    assert (failure.kind, failure.code, failure.message) == (kind, told, message)


def test_older_servers_say_why_in_a_text_and_how_in_a_state():
    assert failure_of("Your content was blocked by moderation.").kind is Kind.MODERATION
    body = {"taskId": "task_1", "state": "generating"}
    reading = KINOVI.read(answer(200, body), asked(KINOVI, ordered("seedance-20")).job)
    assert state_of(reading.word) is State.WORKING


def test_a_finished_task_has_files_and_last_frames():
    body = {
        "taskId": "task_1",
        "status": "success",
        "output": [
            {"url": "https://static.example/1.mp4", "lastFrameImage": "https://s.example/1"}
        ],
    }
    reading = KINOVI.read(answer(200, body), asked(KINOVI, ordered("seedance-20")).job)
    assert [(output.url, output.is_last_frame) for output in reading.outputs] == [
        ("https://static.example/1.mp4", False),
        ("https://s.example/1", True),
    ]


async def test_a_preview_of_another_server_is_one_here_too(world: World, tmp_path: Path):
    """And what no AI made is not said to be AI's."""
    alice, ask = await world.person("alice"), clip()
    task_id = await submitted(world, alice, ask)

    def drawn(job: Job) -> Done:
        return replace(done_video(job), preview=True, ai_generated=False)

    await advance(tools_for(world, ScriptedProvider(statuses=(drawn,))), TaskId(task_id))
    reading = KINETOSCOPE.read(await told_for_real(world, alice, ask, task_id), ask.job)
    assert (reading.preview, reading.ai_generated) == (True, False)
    data = tuple(replace(output, data=b"x") for output in reading.outputs)
    results = Results(caller=Caller(), egress=Egress(), origins=frozenset())
    job = replace(ask.job, folder=tmp_path)
    done = await take(results, ask.site, KINETOSCOPE, replace(reading, outputs=data), job)
    assert isinstance(done, Done)
    assert (done.preview, done.ai_generated) == (True, False)


def test_four_pictures_are_four_files():
    body = {"status": "success", "output": [{"url": f"https://s.example/{n}"} for n in range(4)]}
    reading = KINOVI.read(answer(200, body), asked(KINOVI, ordered("midjourney-v8")).job)
    assert len(reading.outputs) == 4


def test_a_refusal_says_what_is_wrong_with_which_input():
    refused = KINOVI.refusal(answer(400, payload("kinovi_invalid.json")))
    assert refused.kind is Kind.PERMANENT
    assert "videoUrls: At least one reference video" in refused.message


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Kind.ACCOUNT), (402, Kind.ACCOUNT), (404, Kind.UNSUPPORTED)]
)
def test_what_is_wrong_with_the_operators_account_stays_there(status: int, kind: Kind):
    body = {"message": "Insufficient credits", "required": 200, "available": 12.5}
    refused = KINOVI.refusal(answer(status, body))
    assert refused.kind is kind
    assert "credits" not in refused.message


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, {"cancelled": True, "cancelRequested": False}, CancelOutcome.STOPPED),
        (200, {"cancelled": False, "cancelRequested": True}, CancelOutcome.UNKNOWN),
        (200, {"cancelled": False, "cancelRequested": False}, CancelOutcome.GOES_ON),
        (404, {"message": "Task not found"}, CancelOutcome.GOES_ON),
    ],
)
def test_a_cancel(status: int, body: object, outcome: CancelOutcome):
    assert KINETOSCOPE.cancelled is not None
    assert KINETOSCOPE.cancelled(answer(status, body)) is outcome
    assert KINOVI.cancel is None


@pytest.mark.parametrize(
    "body",
    [
        {"code": 200, "message": "success", "data": {"taskId": "task_1", "state": "success"}},
        {"taskId": "task_1", "status": "success"},
    ],
)
def test_a_callback_names_its_task(body: dict[str, JSON]):
    assert KINOVI.claim(body) == "task_1"


async def test_a_kinetoscope_that_is_away_for_a_moment_may_have_the_task(tmp_path: Path):
    async with conversing(KINETOSCOPE_CASE) as (provider, upstream):
        told = {"message": "The service is unavailable for a moment", "taskId": "task_1"}
        upstream.fault(Verb.SUBMIT, answers(503, told))
        assert isinstance(await provider.submit(KINETOSCOPE_CASE.job(tmp_path)), Unknown)


async def test_a_repeat_with_other_addresses_is_no_refusal_of_the_task(tmp_path: Path):
    async with conversing(KINETOSCOPE_CASE) as (provider, upstream):
        job = KINETOSCOPE_CASE.job_with_image(tmp_path)
        first, other = await prepared(provider, job), await prepared(provider, job)
        assert isinstance(await provider.submit(first), Accepted)
        again = await provider.submit(other)
        assert isinstance(again, Refused), again
        assert again.kind is Kind.TEMPORARY, "any other kind ends the task, which is being made"
        assert len(upstream.jobs) == 1


async def asked_for_real(world: World, person: Person, call: Call | Refused) -> Answer:
    """Send a call to our own server."""
    assert isinstance(call, Call), call
    response = await world.client.request(
        call.method,
        httpx.URL("http://kinetoscope.test/api/v1/").join(call.url),
        params=dict(call.query),
        json=call.json,
        headers={**person.headers, **call.headers},
    )
    return Answer(
        status=response.status_code, headers=dict(response.headers), body=response.content
    )


async def submitted(world: World, person: Person, ask: Ask) -> str:
    answered = await asked_for_real(world, person, KINETOSCOPE.submit(ask))
    assert answered.status == 200, answered.body
    outcome = KINETOSCOPE.accepted(answered, ask.job)
    assert isinstance(outcome, Accepted)
    return outcome.upstream_id


async def told_for_real(world: World, person: Person, ask: Ask, task_id: str) -> Answer:
    assert KINETOSCOPE.status is not None
    return await asked_for_real(world, person, KINETOSCOPE.status(ask.site, task_id, ask.job))


def clip() -> Ask:
    return asked(KINETOSCOPE, ordered("seedance-20"))


async def test_our_own_server_takes_a_clip_once_and_tells_of_it(world: World):
    alice, ask = await world.person("alice"), clip()
    task_id = await submitted(world, alice, ask)
    assert await submitted(world, alice, ask) == task_id
    assert await world.count("task") == 1
    waiting = KINETOSCOPE.read(await told_for_real(world, alice, ask, task_id), ask.job)
    assert state_of(waiting.word) is State.WAITING
    await advance(tools_for(world, ScriptedProvider(statuses=(done_video,))), TaskId(task_id))
    told = await told_for_real(world, alice, ask, task_id)
    done = KINETOSCOPE.read(told, ask.job)
    assert state_of(done.word) is State.DONE
    assert [output.is_last_frame for output in done.outputs] == [False, True]
    assert told.table()["output"][0]["seed"] == 7  # type: ignore[index,call-overload]


async def test_our_own_server_fails_and_cancels_in_words_that_we_read(world: World):
    alice, ask = await world.person("alice"), clip()
    task_id = await submitted(world, alice, ask)
    assert KINETOSCOPE.cancel is not None
    assert KINETOSCOPE.cancelled is not None
    call = KINETOSCOPE.cancel(ask.site, task_id, ask.job)
    answered = await asked_for_real(world, alice, call)
    assert KINETOSCOPE.cancelled(answered) is CancelOutcome.STOPPED
    told = KINETOSCOPE.read(await told_for_real(world, alice, ask, task_id), ask.job)
    assert state_of(told.word) is State.FAILED
    assert told.failure is not None
    assert told.failure.code == "cancelled"


async def test_our_own_server_refuses_in_words_that_we_read(world: World):
    alice, poor = await world.person("alice"), await world.person("poor", "0")
    ask = clip()

    async def refusal_of(person: Person, made: Ask) -> Refused:
        answered = await asked_for_real(world, person, KINETOSCOPE.submit(made))
        assert 400 <= answered.status < 500
        return KINETOSCOPE.refusal(answered)

    assert (await refusal_of(poor, ask)).kind is Kind.ACCOUNT
    assert (await refusal_of(replace(alice, key="wrong"), ask)).kind is Kind.ACCOUNT
    unknown = replace(ask, job=replace(ask.job, upstream_model="seedance-1"))
    assert (await refusal_of(alice, unknown)).kind is Kind.UNSUPPORTED
    wrong = replace(ask, job=replace(ask.job, options={"duration": 99}))
    refused = await refusal_of(alice, wrong)
    assert refused.kind is Kind.PERMANENT
    assert "duration: " in refused.message
    assert await world.count("task") == 0
    await submitted(world, alice, ask)
    other = replace(ask, job=replace(ask.job, options={"duration": 9}))
    assert (await refusal_of(alice, other)).kind is Kind.TEMPORARY


async def test_our_own_server_gives_a_file_a_place(world: World, tmp_path: Path):
    alice = await world.person("alice")
    path = tmp_path / "fox.png"
    path.write_bytes(media_of(MediaKind.IMAGE)[1])
    ask = asked(KINETOSCOPE, ordered("gpt-image-2", images=1))
    fetched = replace(ask.job.references[0], path=path)
    assert KINETOSCOPE.upload is not None
    assert KINETOSCOPE.uploaded is not None
    answered = await asked_for_real(world, alice, KINETOSCOPE.upload(ask.site, fetched))
    place = KINETOSCOPE.uploaded(answered, fetched)
    assert isinstance(place, Place)
    put = await world.client.put(
        place.put.url, content=path.read_bytes(), headers=dict(place.put.headers)
    )
    assert put.status_code == 200, put.text
    attached = tuple(replace(each, url=place.url) for each in ask.attached)
    task_id = await submitted(world, alice, replace(ask, attached=attached))
    assert (
        state_of(KINETOSCOPE.read(await told_for_real(world, alice, ask, task_id), ask.job).word)
        is State.WAITING
    )


async def test_the_wire_shape_we_test_against_is_the_one_that_we_serve(world: World):
    alice, ask = await world.person("alice"), clip()
    task_id = await submitted(world, alice, ask)
    real = (await told_for_real(world, alice, ask, task_id)).table()
    async with running(wire) as upstream:
        job = upstream.new_job({"model": "seedance-20"}, MediaKind.VIDEO)
        job.stay(Stage.DONE)
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as client:
            response = await client.get(
                f"http://127.0.0.1:{upstream.port}/api/v1/jobs/recordInfo",
                params={"taskId": job.id},
            )
    assert set(response.json()) <= set(real)


async def test_a_check_of_our_own_server_looks_at_the_account(world: World):
    alice = await world.person("alice")
    site = clip().site
    assert (await asked_for_real(world, alice, KINETOSCOPE.check(site))).status == 200
    stranger = replace(alice, key="wrong")
    assert (await asked_for_real(world, stranger, KINETOSCOPE.check(site))).status == 401
    nobody = await asked_for_real(world, alice, KINOVI.check(site))
    assert nobody.status in KINOVI.knows_the_key
    assert (await asked_for_real(world, stranger, KINOVI.check(site))).status == 401


def order_of_all() -> list[Order]:
    return [ordered(model) for model in ("gpt-image-2", "nanobanana-pro", "midjourney-v7-niji")]


async def test_our_own_server_takes_a_seed_for_models_that_have_none(world: World):
    alice = await world.person("alice")
    for number, order in enumerate(order_of_all()):
        ask = asked(KINETOSCOPE, order)
        named = replace(ask, job=replace(ask.job, task_id=f"task_{number}"))
        await submitted(world, alice, named)
    assert await world.count("task") == 3
