"""How Replicate's dialect says no: problem details that its clients show, and do not send again."""

from typing import Any

import pytest
from replicate.exceptions import ReplicateError
from starlette.requests import Request
from tests.conftest import Person, World
from tests.dialects.replicate_calls import BASE, PICTURE_MODEL, SUNSET, VIDEO_MODEL, ask, predict
from tests.scripted import assert_in_order

from kinetoscope.accounts import accounts
from kinetoscope.api.envelope import STATUS
from kinetoscope.dialects.door import Broken
from kinetoscope.dialects.replicate.errors import RETRIED, refuse
from kinetoscope.dialects.retries import COUNT as RETRY_COUNT
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import (
    CapReached,
    CreditsShort,
    DatabaseUnavailable,
    IdempotencyBusy,
    IntakeFull,
    KinetoscopeError,
    ModelUnavailable,
    RateLimited,
    StoreUnavailable,
    TooManyUploads,
    Unauthenticated,
    UnknownModel,
    Unsupported,
)
from kinetoscope.kernel.ids import TaskId

pytestmark = pytest.mark.anyio

TASK_ID = TaskId("task_012345678901234567890123")


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


def request(
    method: str = "POST",
    path: str = f"{BASE}/predictions",
    named: dict[str, str] | None = None,
) -> Request:
    return Request(
        {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [
                (name.encode(), value.encode())
                for name, value in {"host": "kinetoscope.test", **(named or {})}.items()
            ],
            "query_string": b"",
            "scheme": "http",
            "server": ("kinetoscope.test", 80),
        }
    )


@pytest.mark.parametrize(
    ("error", "status", "retry_after", "again"),
    [
        (Unauthenticated("No key"), 401, None, False),
        (CreditsShort(required=Credits(1000), available=Credits(1)), 402, None, False),
        (TooManyUploads(5, wait_s=3600), 403, "3600", False),
        (Unsupported("no"), 501, None, False),
        (UnknownModel("no"), 422, None, False),
        (CapReached(limit=1, current=1), 429, "2", False),
        (RateLimited(limit=1, wait_s=3), 429, "3", True),
        (IdempotencyBusy(), 409, "1", True),
        (IntakeFull(), 503, "5", True),
        (StoreUnavailable("away"), 503, "1", True),
        (DatabaseUnavailable(), 503, "1", True),
        (DatabaseUnavailable(TASK_ID), 503, None, False),
        (ModelUnavailable("no"), 503, "60", False),
        (Broken(), 500, None, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_post_is_sent_again_only_where_that_helps(
    error: KinetoscopeError,
    status: int,
    retry_after: str | None,
    again: bool,  # noqa: FBT001 - a column of the table above
):
    for tried in (
        request(path=f"{BASE}/files"),
        request(named={"idempotency-key": "one"}),
        request(named={RETRY_COUNT: "1"}),
    ):
        response = refuse(tried, error)
        assert response.status_code == status
        assert response.headers.get("retry-after") == retry_after
        is_stopped = response.headers.get("x-should-retry") == "false"
        assert is_stopped is (status in RETRIED and not again)
    # Whatever made nothing the first time must not be taken for a repetition the next time.
    first = refuse(request(), error)
    assert (first.headers.get("x-should-retry") == "false") is (status in RETRIED)


def test_every_error_is_told_in_the_clients_own_shape():
    for error in STATUS:
        told = error.__new__(error)
        Exception.__init__(told, "What happened")
        for name in ("required", "available", "limit", "current", "wait_s"):
            setattr(told, name, Credits(1) if name in {"required", "available"} else 1)
        told.issues, told.task_id = (), None  # type: ignore[attr-defined]
        response = refuse(request("GET"), told)
        body = bytes(response.body).decode()
        assert '"title":"' in body
        assert "What happened" in body
        assert f'"status":{response.status_code}' in body
        assert "x-should-retry" not in response.headers


def test_the_client_that_does_not_wait_is_not_told_429_for_the_cap():
    """It would ask five times more, at once (`withAutomaticRetries` of its 1.x)."""
    capped = CapReached(limit=1, current=1)
    assert (
        refuse(request(named={"user-agent": "replicate-javascript/1.4.0"}), capped).status_code
        == 409
    )
    assert (
        refuse(request(named={"user-agent": "replicate-python/1.0.7"}), capped).status_code == 429
    )


async def test_bad_inputs_are_named_and_nothing_is_made(world: World, alice: Person):
    path = f"/models/{VIDEO_MODEL}/predictions"
    response = await ask(world, alice, "POST", path, json={"input": {"duration": 400, "seed": "x"}})
    assert response.status_code == 422
    body = response.json()
    assert body["title"] == "Input validation failed"
    assert {field["field"] for field in body["invalid_fields"]} == {"prompt", "duration", "seed"}
    assert body["detail"].splitlines()[0].startswith("- ")
    assert str(ReplicateError.from_response(response)).count("- ") == 3
    assert await world.count("task") == 0
    assert (await world.balance(alice))[:3] == (100_000, 0, 0)


@pytest.mark.parametrize(
    ("model", "inputs", "name"),
    [
        (PICTURE_MODEL, {"num_outputs": 4}, "num_outputs"),
        (PICTURE_MODEL, {"mask": "https://x.example/m.png"}, "mask"),
        (PICTURE_MODEL, {"width": 123, "height": 77}, "width"),
        (PICTURE_MODEL, {"width": 1024}, "width"),
        (PICTURE_MODEL, {"size": "12345x1"}, "size"),
        (PICTURE_MODEL, {"output_format": "webp"}, "output_format"),
        (PICTURE_MODEL, {"video": "https://x.example/v.mp4"}, "video"),
        (VIDEO_MODEL, {"negative_prompt": "rain"}, "negative_prompt"),
        (VIDEO_MODEL, {"num_frames": 81}, "num_frames"),
        (VIDEO_MODEL, {"last_frame_image": "https://x.example/l.png"}, "last_frame_image"),
        (VIDEO_MODEL, {"output_format": "gif"}, "output_format"),
    ],
)
async def test_what_would_come_out_otherwise_is_refused_by_name(
    world: World, alice: Person, model: str, inputs: dict[str, Any], name: str
):
    response = await ask(
        world, alice, "POST", f"/models/{model}/predictions", json={"input": {**SUNSET, **inputs}}
    )
    assert response.status_code == 422, response.text
    assert response.json()["detail"].startswith(f"- {name}")
    assert await world.count("task") == 0


async def test_inputs_as_replicates_models_spell_them(world: World, alice: Person):
    made = await predict(
        world,
        alice,
        PICTURE_MODEL,
        inputs={
            **SUNSET,
            "aspect_ratio": "16:9",
            "resolution": "2K",
            "output_format": "jpg",
            "num_outputs": 1,
            "negative_prompt": "",
            "go_fast": True,
        },
    )
    stored = made["input"]
    assert (stored["aspectRatio"], stored["resolution"], stored["outputFormat"]) == (
        "16:9",
        "2k",
        "jpeg",
    )
    found = world.runtime.catalog.models_by_id["gpt-image-2"].sizes["1k"]["16:9"]
    sized = await predict(
        world, alice, PICTURE_MODEL, inputs={**SUNSET, "size": f"{found.width}x{found.height}"}
    )
    sides = await predict(
        world,
        alice,
        PICTURE_MODEL,
        inputs={**SUNSET, "width": found.width, "height": found.height},
    )
    for each in (sized, sides):
        assert (each["input"]["aspectRatio"], each["input"]["resolution"]) == ("16:9", "1k")
    alike = await predict(
        world, alice, PICTURE_MODEL, inputs={**SUNSET, "aspect_ratio": "match_input_image"}
    )
    assert alike["input"]["aspectRatio"] == "auto"
    four = await predict(
        world, alice, "kinetoscope/midjourney-v8", inputs={**SUNSET, "negative_prompt": "rain"}
    )
    assert four["input"]["no"] == "rain"


async def test_bodies_that_say_nothing_are_refused(world: World, alice: Person):
    path = f"/models/{PICTURE_MODEL}/predictions"
    for body, name in (
        ({}, "input"),
        ({"input": "x"}, "input"),
        ({"input": SUNSET, "webhook": "ftp://x"}, "webhook"),
        ({"input": SUNSET, "webhook_events_filter": ["end"]}, "webhook_events_filter"),
    ):
        response = await ask(world, alice, "POST", path, json=body)
        assert response.status_code == 422, body
        assert response.json()["invalid_fields"][0]["field"] == name
    assert (await ask(world, alice, "POST", "/predictions", json={"input": {}})).status_code == 422
    assert (await ask(world, alice, "POST", path, json=[])).status_code == 422
    assert await world.count("task") == 0


async def test_out_of_credits_and_over_the_cap(world: World):
    """Behaviour 9: a POST is refused once; nothing is held."""
    poor = await world.person("poor", "1")
    path = f"/models/{VIDEO_MODEL}/predictions"
    response = await ask(world, poor, "POST", path, json={"input": SUNSET})
    assert response.status_code == 402
    assert response.json() == {
        "title": "Insufficient credit",
        "detail": "Insufficient credits: 200 credits are needed, 1 are available.",
        "status": 402,
    }
    busy = await world.person("busy")
    await accounts.limit(world.runtime.database, "busy", tasks_running_max=1, api_access=None)
    await predict(world, busy)
    response = await ask(world, busy, "POST", path, json={"input": SUNSET})
    assert (response.status_code, response.json()["title"]) == (429, "Too many requests")
    assert await world.count("task") == 1
    await assert_in_order(world, ended=0)


async def test_unknown_models_and_what_is_not_supported(world: World, alice: Person):
    response = await ask(
        world, alice, "POST", "/models/kinetoscope/seedance-21/predictions", json={"input": SUNSET}
    )
    assert response.status_code == 404
    assert "kinetoscope/seedance-20" in response.json()["detail"]
    assert (await ask(world, alice, "GET", "/models/nobody/nothing")).status_code == 404
    for method, path in (
        ("POST", "/models"),
        ("POST", "/models/kinetoscope/seedance-20/versions/1/trainings"),
        ("GET", "/trainings"),
        ("POST", "/deployments"),
        ("PATCH", "/deployments/kinetoscope/seedance-20"),
        ("GET", "/collections/text-to-video"),
        ("DELETE", "/models/kinetoscope/seedance-20"),
    ):
        response = await ask(world, alice, method, path)
        assert response.status_code == 501, path
        assert response.json()["title"] == "Not supported"
