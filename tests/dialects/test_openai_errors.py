"""Errors in OpenAI's shape: what each is called, and which a client may send again by itself."""

from dataclasses import dataclass

import orjson
import pytest
from starlette.requests import Request
from tests.conftest import World

from kinetoscope.dialects.door import Broken
from kinetoscope.dialects.openai.errors import refuse
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import (
    BodyTooSlow,
    CapReached,
    Conflict,
    CreditsShort,
    DatabaseUnavailable,
    Forbidden,
    IdempotencyBusy,
    IdempotencyGone,
    IdempotencyMismatch,
    InputIssue,
    IntakeFull,
    InvalidInputs,
    InvalidRequest,
    KeySpent,
    KinetoscopeError,
    ModelUnavailable,
    NotFound,
    RateLimited,
    StillRunning,
    StoreUnavailable,
    TooManyUploads,
    TooManyWatching,
    Unauthenticated,
    UnknownModel,
    Unsupported,
)
from kinetoscope.kernel.ids import TaskId

pytestmark = pytest.mark.anyio

TASK = TaskId("task_" + "a" * 24)
ISSUES = (InputIssue("too_small", "too little", ("images", 0)), InputIssue("custom", "no", ()))


@dataclass(frozen=True, slots=True)
class Case:
    """An error, how it is told, and whether it may be sent again."""

    error: KinetoscopeError
    status: int
    code: str
    again: bool = False


CASES = (
    Case(InvalidInputs(ISSUES), 400, "too_small"),
    Case(InvalidRequest("no", ISSUES), 400, "too_small"),
    Case(InvalidRequest("no"), 400, "invalid_request"),
    Case(UnknownModel("no"), 404, "model_not_found"),
    Case(ModelUnavailable("no"), 503, "model_unavailable"),
    Case(Unauthenticated("no"), 401, "invalid_api_key"),
    Case(Forbidden("no"), 403, "permission_denied"),
    Case(NotFound("no"), 404, "not_found"),
    Case(Conflict("no"), 409, "conflict"),
    Case(CreditsShort(required=Credits(2), available=Credits(1)), 429, "insufficient_quota"),
    Case(KeySpent(required=Credits(2), available=Credits(1)), 429, "insufficient_quota"),
    Case(CapReached(limit=1, current=1), 429, "concurrency_limit_exceeded"),
    Case(TooManyUploads(1, wait_s=9), 429, "rate_limit_exceeded"),
    Case(IdempotencyMismatch(), 422, "idempotency_mismatch"),
    Case(IdempotencyGone(), 410, "idempotency_gone"),
    Case(Unsupported("no"), 501, "unsupported"),
    Case(DatabaseUnavailable(TASK), 503, "database_unavailable"),
    Case(Broken(), 500, "broken"),
    Case(RateLimited(limit=1, wait_s=3), 429, "rate_limit_exceeded", again=True),
    Case(TooManyWatching(), 429, "rate_limit_exceeded", again=True),
    Case(BodyTooSlow(), 408, "body_too_slow", again=True),
    Case(IdempotencyBusy(), 409, "idempotency_busy", again=True),
    Case(IntakeFull(), 503, "intake_full", again=True),
    Case(StoreUnavailable("no"), 503, "store_unavailable", again=True),
    Case(DatabaseUnavailable(), 503, "database_unavailable", again=True),
    Case(StillRunning(TASK), 504, "still_running", again=True),
)


def request_of(**headers: str) -> Request:
    named = {"authorization": "Bearer x", **headers}
    pairs = [(name.replace("_", "-").encode(), text.encode()) for name, text in named.items()]
    return Request({"type": "http", "method": "POST", "path": "/v1/videos", "headers": pairs})


COUNTED = {"x_stainless_retry_count": "0"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{type(case.error).__name__}-{case.code}")
async def test_how_an_error_is_told(case: Case):
    again = refuse(request_of(x_stainless_retry_count="1"), case.error)
    response = refuse(request_of(**COUNTED), case.error)
    error = orjson.loads(response.body)["error"]
    assert (response.status_code, error["code"]) == (case.status, case.code)
    assert sorted(error) == ["code", "message", "param", "type"]
    # A client sends 408, 409, 429 and whatever is broken again, unless it is told not to.
    assert (again.headers.get("x-should-retry") != "false") == case.again
    # A first time never: the next would be shown what an equal request made before.
    assert response.headers["x-should-retry"] == "false"


async def test_every_thing_that_is_wrong_is_told_and_the_first_is_named():
    error = orjson.loads(refuse(request_of(), InvalidInputs(ISSUES)).body)["error"]
    assert (error["param"], error["message"]) == ("images.0", "images.0: too little; no")


async def test_when_it_is_worth_trying_again_is_told():
    response = refuse(request_of(), RateLimited(limit=1, wait_s=3))
    assert response.headers["retry-after"] == "3"
    challenge = refuse(request_of(), Unauthenticated("no"))
    assert challenge.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("error", [TooManyWatching(), StoreUnavailable("no")], ids=str)
async def test_what_has_made_a_task_comes_again_only_if_it_is_recognised(error: KinetoscopeError):
    for headers, again in (({}, False), (COUNTED, True), ({"idempotency_key": "x"}, True)):
        request = request_of(**headers)
        request.state.made = TASK
        response = refuse(request, error)
        assert ("x-should-retry" not in response.headers) is again
        assert TASK in orjson.loads(response.body)["error"]["message"]


async def test_the_unknown_names_the_task_that_may_be_there():
    response = refuse(request_of(), DatabaseUnavailable(TASK))
    assert TASK in orjson.loads(response.body)["error"]["message"]
    assert "retry-after" not in response.headers


async def test_what_nobody_anticipated_has_this_shape_too(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    async def breaks(*_arguments: object) -> None:
        raise ZeroDivisionError

    alice = await world.person("alice")
    monkeypatch.setattr("kinetoscope.tasks.whole.page", breaks)
    response = await world.client.get("/openai/v1/videos", headers=alice.headers)
    assert response.status_code == 500
    assert response.json()["error"]["type"] == "server_error"
