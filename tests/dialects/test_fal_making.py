"""fal's requests to make something: models, inputs, headers, runs, refusals, and whose money."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import orjson
import pytest
from fal_client import client as sdk
from starlette.requests import Request
from starlette.types import Message
from tests.api.test_access_matrix import key_with
from tests.api.test_health import examples
from tests.conftest import Person, World
from tests.dialects.test_fal_queue import asked, submit
from tests.dialects.working import working
from tests.scripted import PICTURE, ScriptedProvider, create, record, tools_for

from kinetoscope.accounts import accounts
from kinetoscope.catalog.spec import builtin
from kinetoscope.dialects.door import Broken
from kinetoscope.dialects.fal import apps, left, making, streams
from kinetoscope.dialects.fal.answers import refuse
from kinetoscope.dialects.names import names_of
from kinetoscope.kernel import errors
from kinetoscope.kernel.errors import InvalidInputs, UnknownModel
from kinetoscope.kernel.ids import TaskId
from kinetoscope.providers.contract import Failed
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.request import PATIENT

pytestmark = pytest.mark.anyio

PAINT = "/fal/run/kinetoscope/gpt-image-2"
QUEUE = "/fal/queue/kinetoscope/gpt-image-2"
TASK_ID = TaskId("task_0123456789")

JS_RETRIES = {429, 502, 503, 504}
"""https://github.com/fal-ai/fal-js, libs/client/src/retry.ts"""


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def post(
    world: World, person: Person, path: str, body: object, **headers: str
) -> httpx.Response:
    stated = {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.client.post(path, json=body, headers={**person.headers, **stated})


def fitted(app: str, inputs: dict[str, Any]) -> tuple[str, dict[str, object]]:
    model = apps.find(names_of(builtin(), {}), app)
    return model.id, apps.fitted(model, app, inputs)


@pytest.mark.parametrize(
    ("app", "given", "model", "inputs"),
    [
        ("fal-ai/bytedance/seedance-2.0/fast/text-to-video", {}, "seedance2-fast", {}),
        ("bytedance/seedance-2.0/mini/text-to-video", {}, "seedance2.0-mini", {}),
        ("kinetoscope/seedance-20", {"duration": "5"}, "seedance-20", {"duration": "5"}),
        (
            "bytedance/seedance-2.0/image-to-video",
            {"end_image_url": "https://a/2", "image_url": "https://a/1", "aspect_ratio": "auto"},
            "seedance-20",
            {"imageUrls": ["https://a/1", "https://a/2"], "aspect_ratio": "auto"},
        ),
        (
            "bytedance/seedance-2.0/reference-to-video",
            {"image_urls": ["https://a/1"]},
            "seedance-20",
            {"image_urls": ["https://a/1"], "mode": "reference"},
        ),
        (
            "fal-ai/nano-banana-2/edit",
            {
                "image_urls": ["https://a/1"],
                "num_images": 1,
                "resolution": "2K",
                "sync_mode": False,
            },
            "nanobanana2",
            {"image_urls": ["https://a/1"], "resolution": "2K"},
        ),
        (
            "kinetoscope/seedream-5.0-pro",
            {"image_size": "landscape_16_9", "enable_safety_checker": True},
            "seedream-5.0-pro",
            {"aspectRatio": "16:9"},
        ),
        (
            "kinetoscope/seedream-5.0-pro",
            {"image_size": {"width": 2752, "height": 1536}},
            "seedream-5.0-pro",
            {"aspectRatio": "16:9", "resolution": "2k"},
        ),
        (
            "kinetoscope/seedream-5.0-pro",
            {"image_size": "auto_2K"},
            "seedream-5.0-pro",
            {"resolution": "2k"},
        ),
    ],
)
def test_what_fals_clients_send_is_what_the_model_has(
    app: str, given: dict[str, Any], model: str, inputs: dict[str, object]
):
    found, fit = fitted(app, {"prompt": "x", **given})
    assert (found, fit) == (model, {"prompt": "x", **inputs})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_images", 4),
        ("image_size", {"width": 123, "height": 77}),
        ("image_size", {"width": "wide"}),
        ("image_size", "enormous"),
        ("negative_prompt", "rain"),
        ("sync_mode", True),
        ("mask_url", "https://a/1"),
        ("output_format", "webp"),
        ("video_url", "https://a/1"),
        ("mask", "https://a/1"),
        ("elements", [{"frontal_image_url": "https://a/1"}]),
        ("width", 512),
        ("video_size", "square"),
        ("num_frames", 241),
    ],
)
def test_what_would_make_something_else_is_refused_by_its_name(name: str, value: object):
    with pytest.raises(InvalidInputs) as refused:
        fitted("kinetoscope/nanobanana2", {"prompt": "x", name: value})
    assert [issue.path for issue in refused.value.issues] == [(name,)]


@pytest.mark.parametrize(
    ("app", "given", "name"),
    [
        (
            "kinetoscope/nanobanana2",
            {"image_size": "square", "aspect_ratio": "16:9"},
            "aspect_ratio",
        ),
        (
            "kinetoscope/seedream-5.0-pro",
            {"image_size": {"width": 2752, "height": 1536}, "resolution": "1K"},
            "resolution",
        ),
        ("kinetoscope/midjourney-v7", {"resolution": "4K"}, "resolution"),
        (
            "bytedance/seedance-2.0/reference-to-video",
            {"image_urls": ["https://a/2"], "end_image_url": "https://a/9"},
            "end_image_url",
        ),
        ("bytedance/seedance-2.0/image-to-video", {}, "image_url"),
        ("bytedance/seedance-2.0/reference-to-video", {"image_urls": []}, "image_urls"),
        ("fal-ai/nano-banana-2/edit", {"image": ""}, "image_urls"),
    ],
)
def test_what_contradicts_is_refused_and_never_left_out(app: str, given: dict[str, Any], name: str):
    with pytest.raises(InvalidInputs) as refused:
        fitted(app, {"prompt": "x", **given})
    assert [issue.path for issue in refused.value.issues] == [(name,)]


def test_a_size_may_be_said_twice():
    for further in ({"aspect_ratio": "1:1"}, {"aspectRatio": "1:1"}, {"aspect_ratio": "auto"}):
        given = {"prompt": "x", "image_size": "square", **further}
        assert fitted("kinetoscope/nanobanana2", given)[1] == {"prompt": "x", "aspectRatio": "1:1"}


def test_no_model_is_made_in_anothers_place():
    for app in ("fal-ai/flux/dev", "workflows/a/b", "fal-ai/bytedance/seedance-9"):
        with pytest.raises(UnknownModel):
            fitted(app, {})


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"{QUEUE}?fal_max_queue_length=5", {}, 501),
        (QUEUE, {"X_Fal_Store_IO": "0"}, 501),
        (QUEUE, {"X_Fal_Object_Lifecycle_Preference": '{"expiration_duration_seconds":60}'}, 501),
        (QUEUE, {"X_Fal_Object_Lifecycle_Preference": "soon"}, 400),
        (QUEUE, {"X_Fal_Request_Timeout": "-1"}, 400),
        (f"{QUEUE}?fal_webhook=ftp://x", {}, 422),
        ("/fal/queue/fal-ai/flux/dev", {}, 404),
        ("/fal/kinetoscope/gpt-image-2", {}, 501),
        ("/fal/tokens/", {}, 501),
        ("/fal/storage/upload/initiate-multipart", {}, 501),
    ],
)
async def test_what_cannot_be_done_is_said_and_nothing_is_made(
    world: World, alice: Person, path: str, headers: dict[str, str], status: int
):
    response = await post(world, alice, path, {"prompt": "x"}, **headers)
    assert response.status_code == status, response.text
    assert response.json()["detail"]
    assert response.headers["x-fal-request-id"]
    assert await world.count("task") == 0


async def test_what_is_wrong_with_inputs_is_told_by_its_place(world: World, alice: Person):
    response = await post(world, alice, QUEUE, {"aspect_ratio": "7:1"})
    assert response.status_code == 422
    found = {tuple(each["loc"]): each for each in response.json()["detail"]}
    assert set(found) == {("body", "prompt"), ("body", "aspect_ratio")}
    assert all(each["msg"] and each["type"] and each["url"] for each in found.values())
    unread = await world.client.post(QUEUE, content=b"{", headers=alice.headers)
    assert (unread.status_code, unread.json()["detail"][0]["type"]) == (422, "json_invalid")


async def test_out_of_credits_and_over_the_cap_are_403_with_fals_words(world: World):
    """Behaviour 12: fal's clients send a 429 again, ten times and at once."""
    poor = await world.person("poor", "0")
    response = await post(world, poor, QUEUE, {"prompt": "x"})
    assert response.status_code == 403
    assert response.json()["detail"].startswith("User is locked. Reason: Exhausted balance.")
    assert await world.count("task") == 0

    full = await world.person("full")
    await accounts.limit(world.runtime.database, "full", tasks_running_max=1, api_access=None)
    await create(world, full, PICTURE)
    response = await post(world, full, QUEUE, {"prompt": "x"})
    assert (response.status_code, await world.count("task")) == (403, 1)
    assert response.json()["detail"].startswith("Concurrency limit reached (1).")


def again(response: httpx.Response) -> tuple[bool, bool]:
    """Tell whether Python's client would send a request again for an answer, and JavaScript's."""
    own_time = response.headers.get("x-fal-request-timeout-type") == "user"
    js = response.status_code in JS_RETRIES and not (response.status_code == 504 and own_time)
    return sdk._should_retry_response(response), js


def test_a_post_is_sent_again_only_where_that_helps_within_seconds():
    """Behaviour 12, for every error there is."""
    request = Request({"type": "http", "headers": [], "path_params": {}})
    lost = errors.DatabaseUnavailable(TASK_ID)
    found = {}
    for error in (*examples(), Broken(), lost, errors.StillRunning(TASK_ID)):
        told = refuse(request, error)
        response = httpx.Response(
            told.status_code, headers=dict(told.headers), content=bytes(told.body)
        )
        assert set(response.json()) <= {"detail", "error_type"}
        assert response.headers["x-fal-request-id"]
        found[error] = again(response)
    assert {type(error) for error, (py, _) in found.items() if py} == {
        errors.IdempotencyBusy,
        errors.RateLimited,
    }
    assert {type(error) for error, (_, js) in found.items() if js} == {
        errors.DatabaseUnavailable,
        errors.IntakeFull,
        errors.RateLimited,
        errors.StoreUnavailable,
    }
    assert found[lost] == (False, False)
    assert refuse(request, lost).headers["x-fal-request-id"] == TASK_ID


async def test_an_idempotency_key_makes_one_task_of_what_is_sent_again(world: World, alice: Person):
    headers = {"Idempotency-Key": "one"}
    first = await submit(world, alice, QUEUE, headers)
    assert await submit(world, alice, QUEUE, headers) == first
    other = await post(world, alice, QUEUE, {"prompt": "else"}, Idempotency_Key="one")
    assert other.status_code == 422
    assert await world.count("task") == 1
    assert (await world.balance(alice))[1] == 217


async def test_a_run_answers_with_what_was_made_and_is_charged_once(world: World, alice: Person):
    async with working(world):
        response = await post(world, alice, PAINT, {"prompt": "a sunset"})
    assert response.status_code == 200, response.text
    task_id = response.headers["x-fal-request-id"]
    native = await record(world, alice, task_id)
    assert [each["url"] for each in response.json()["images"]] == [native["output"][0]["url"]]
    assert (await world.balance(alice))[2] == 217
    assert await audit(world.runtime.database) == []


async def test_a_run_that_takes_too_long_is_not_sent_again_and_goes_on(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(making, "RUN_TIMEOUT_S", 0.05)
    response = await post(world, alice, PAINT, {"prompt": "a sunset"})
    assert (response.status_code, again(response)) == (504, (False, False))
    task_id = response.headers["x-fal-request-id"]
    assert (await record(world, alice, task_id))["status"] == "waiting"
    assert await world.count("task") == 1


async def test_a_run_for_which_nobody_may_wait_makes_nothing(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("kinetoscope.tasks.watch.WATCHERS_PER_ACCOUNT_MAX", 0)
    for path in (PAINT, f"{PAINT}/stream"):
        response = await post(world, alice, path, {"prompt": "a sunset"})
        assert (response.status_code, again(response)) == (403, (False, False))
    assert await world.count("task") == 0


@pytest.mark.parametrize("error", [errors.DatabaseUnavailable, errors.TooManyWatching])
async def test_a_run_whose_end_cannot_be_seen_is_not_sent_again(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
):
    """The task is there: JavaScript's client would make another one for a 503."""

    async def away(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(making, "waited", away)
    response = await post(world, alice, PAINT, {"prompt": "a sunset"})
    assert (response.status_code, again(response)) == (504, (False, False))
    assert (await record(world, alice, response.headers["x-fal-request-id"]))["status"] == "waiting"


async def leave(world: World, person: Person, path: str = PAINT, name: str | None = None) -> str:
    """Ask for a run, and leave as soon as it is waited for; return its task's id."""
    messages: asyncio.Queue[Message] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": b'{"prompt":"x"}', "more_body": False})
    named = [(b"idempotency-key", name.encode())] if name else []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "http",
        "server": ("kinetoscope.test", 80),
        "client": ("127.0.0.1", 1),
        "headers": [(b"authorization", f"Key {person.key}".encode()), *named],
    }

    async def send(_message: Message) -> None:
        pass

    running = asyncio.create_task(world.app(scope, messages.get, send))
    async with asyncio.timeout(20):
        while not world.runtime.watch.listener.waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        (task_id,) = world.runtime.watch.listener.waiting
        messages.put_nowait({"type": "http.disconnect"})
        await running
    return task_id


@pytest.mark.parametrize("path", [PAINT, f"{PAINT}/stream"])
async def test_whoever_leaves_a_run_wants_it_no_more(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch, path: str
):
    """As fal does."""
    monkeypatch.setattr(left, "GRACE_S", 0.05)
    task_id = await leave(world, alice, path)
    assert (await world.balance(alice))[1] == 217  # it might come back
    async with asyncio.timeout(20):
        while (await record(world, alice, task_id))["status"] == "waiting":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert (await world.balance(alice))[1] == 0
    assert await audit(world.runtime.database) == []


async def test_a_run_with_a_name_is_there_when_it_is_sent_again(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(left, "GRACE_S", 0.0)
    task_id = await leave(world, alice, name="one")
    async with working(world):
        response = await post(world, alice, PAINT, {"prompt": "x"}, Idempotency_Key="one")
    assert (response.status_code, response.headers["x-fal-request-id"]) == (200, task_id)


async def test_a_run_that_its_client_sends_again_by_itself_is_one_task(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    """Behaviour 12: Python's does up to nine times when its own time for a run is over."""
    monkeypatch.setattr(left, "GRACE_S", 30.0)
    task_id = await leave(world, alice)
    assert await leave(world, alice) == task_id
    other = await key_with(world, alice, "tasks:read", "tasks:write")
    async with working(world):
        response = await post(world, alice, PAINT, {"prompt": "x"})
        assert (response.status_code, response.headers["x-fal-request-id"]) == (200, task_id)
        assert (await world.balance(alice))[2] == 217
        # What was taken over is left no more.
        once_more = await post(world, alice, PAINT, {"prompt": "x"})
        assert once_more.headers["x-fal-request-id"] != task_id
    # Another body takes nothing over, nor does another key.
    task_id = await leave(world, alice)
    async with working(world):
        for person, prompt in ((alice, "y"), (replace(alice, key=other.text), "x")):
            response = await post(world, person, PAINT, {"prompt": prompt})
            assert response.headers["x-fal-request-id"] != task_id
    assert await audit(world.runtime.database) == []


async def test_what_was_taken_over_is_not_ended_and_what_is_too_much_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(left, "GRACE_S", 0.0)
    kept, ended = left.Left(), asyncio.Queue[str]()
    run = left.Run(key_id="a", body_sha256=b"", patience=PATIENT)

    def leave_one(task_id: str) -> None:
        kept.leave(run, left.Taken(task_id=TaskId(task_id)), partial(ended.put, task_id))

    leave_one("first")
    leave_one("second")
    assert kept.take(run) == left.Taken(task_id=TaskId("first"), times=1)
    async with asyncio.timeout(20):
        assert await ended.get() == "second"
        assert kept.take(run) is None
        monkeypatch.setattr(left, "GRACE_S", 30.0)
        monkeypatch.setattr(left, "LEFT_MAX", 1)
        leave_one("third")
        leave_one("fourth")
        assert await ended.get() == "fourth"
    assert kept.take(run) == left.Taken(task_id=TaskId("third"), times=1)


async def test_a_stream_tells_how_it_goes_and_at_last_what_was_made(world: World, alice: Person):
    async with working(world):
        response = await post(world, alice, f"{PAINT}/stream", {"prompt": "a sunset"})
    task_id = response.headers["x-fal-request-id"]
    events = [orjson.loads(block[6:]) for block in response.text.split("\n\n") if block]
    assert events[0] == {"status": "IN_QUEUE", "request_id": task_id, "queue_position": 0}
    assert events[-1] == await asked(world, alice, f"{QUEUE}/requests/{task_id}", 200)


async def test_a_stream_of_what_fails_says_so_last(world: World, alice: Person):
    streaming = asyncio.create_task(post(world, alice, f"{PAINT}/stream", {"prompt": "x"}))
    async with asyncio.timeout(20):
        while not world.runtime.watch.listener.waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        (task_id,) = world.runtime.watch.listener.waiting
        failed = ScriptedProvider(statuses=[Failed(code="2038", message="Not this.")])
        await advance(tools_for(world, failed), TaskId(task_id))
        response = await streaming
    last = orjson.loads([block for block in response.text.split("\n\n") if block][-1][6:])
    assert (last["status"], last["error"]) == ("ERROR", "Not this.")
    assert last["detail"][0]["type"] == last["error_type"] == "content_policy_violation"


async def test_a_stream_for_which_there_is_no_place_yet_goes_on(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    """Its task is there, and the place that was free has been taken in this moment."""
    monkeypatch.setattr(streams, "AGAIN_DELAY_S", 0.01)
    task_id = TaskId((await submit(world, alice))["request_id"])
    monkeypatch.setattr("kinetoscope.tasks.watch.WATCHERS_PER_ACCOUNT_MAX", 0)
    events = streams.run_events(world.runtime, alice.account_id, task_id)
    assert await anext(events) == streams.COMMENT
    monkeypatch.setattr("kinetoscope.tasks.watch.WATCHERS_PER_ACCOUNT_MAX", 1)
    assert orjson.loads((await anext(events))[6:])["status"] == "IN_QUEUE"
