"""What watches the server, and the one way every door says no."""

import re
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from structlog.testing import capture_logs
from tests.conftest import World
from tests.scripted import PICTURE, VIDEO, ScriptedProvider, create, tools_for

from kinetoscope.api.envelope import STATUS, answer, answer_error, credits_json
from kinetoscope.kernel import errors
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import (
    BodyTooLarge,
    CapReached,
    CreditsShort,
    InputIssue,
    InvalidInputs,
    InvalidRequest,
    KinetoscopeError,
    RangeUnsatisfiable,
)
from kinetoscope.providers.contract import Failed
from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio


def leaves(of: type[KinetoscopeError]) -> Iterator[type[KinetoscopeError]]:
    below = [kind for kind in of.__subclasses__() if kind.__module__ == errors.__name__]
    if not below:
        yield of
    for kind in below:
        yield from leaves(kind)


async def test_the_server_says_that_it_lives_and_can_serve(world: World):
    for path in ("/livez", "/readyz"):
        response = await world.client.get(path)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def figures(world: World) -> dict[tuple[str, ...], float]:
    response = await world.client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


async def test_the_figures_are_those_of_the_database(world: World):
    assert await figures(world) == {
        ("kinetoscope_tasks_open",): 0,
        ("kinetoscope_oldest_waiting_seconds",): 0,
    }
    alice = await world.person("alice")
    ended = [await create(world, alice, PICTURE) for _ in range(3)]
    await create(world, alice, VIDEO)
    provider = ScriptedProvider(statuses=[Failed(code="500", message="No.")])
    await advance(tools_for(world, provider), ended[0])
    found = await figures(world)
    oldest = found.pop(("kinetoscope_oldest_waiting_seconds",))
    assert oldest != 0
    assert found == {
        ("kinetoscope_tasks_open",): 3,
        ("kinetoscope_tasks", "gpt-image-2", "waiting"): 2,
        ("kinetoscope_tasks", "seedance-20", "waiting"): 1,
    }


NO_SUCH_PATH = (404, {"message": "Not Found"})
NO_SUCH_METHOD = (405, {"message": "Method Not Allowed"})


async def test_paths_and_methods_that_do_not_exist_are_refused_as_json(world: World):
    for method, path, expected in [
        ("GET", "/nowhere", NO_SUCH_PATH),
        ("GET", "/nothing", NO_SUCH_PATH),
        ("GET", "/api/v1", NO_SUCH_PATH),
        ("GET", "/api/v1/jobs", NO_SUCH_PATH),
        ("POST", "/api/v1/jobs/nothingTask", NO_SUCH_PATH),
        ("POST", "/api/v2/jobs/createTask", NO_SUCH_PATH),
        ("GET", "/api/v1/jobs/createtask", NO_SUCH_PATH),
        ("GET", "/media/a/b.mp4", NO_SUCH_PATH),
        ("GET", "/swagger", NO_SUCH_PATH),
        ("GET", "/redoc", NO_SUCH_PATH),
        ("GET", "/api/v1/jobs/createTask", NO_SUCH_METHOD),
        ("PUT", "/api/v1/jobs/createTask", NO_SUCH_METHOD),
        ("POST", "/api/v1/jobs/recordInfo", NO_SUCH_METHOD),
        ("DELETE", "/api/v1/jobs/recordInfo", NO_SUCH_METHOD),
        ("POST", "/livez", NO_SUCH_METHOD),
        ("POST", "/metrics", NO_SUCH_METHOD),
    ]:
        response = await world.client.request(method, path)
        assert (response.status_code, response.json()) == expected, (method, path)
        assert response.headers["content-type"] == "application/json"
        if expected == NO_SUCH_METHOD:
            assert response.headers["allow"] in {"GET, HEAD, OPTIONS", "OPTIONS, POST"}


async def test_every_route_refuses_in_json_whatever_it_refuses(world: World):
    refused = 0
    paths = (await world.client.get("/openapi.json")).json()["paths"]
    assert len(paths) >= 6
    for pattern in paths:
        path = re.sub(r"\{[^}]*\}", "nothing", pattern)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            response = await world.client.request(method, path)
            if response.is_success or response.is_redirect:
                continue
            refused += 1
            assert response.status_code in {400, 401, 403, 404, 405}, (method, path)
            assert response.headers["content-type"] == "application/json"
            assert "message" in response.json()
    assert refused >= 4 * len(paths)


async def test_the_description_of_the_api_names_every_operation_once(world: World):
    response = await world.client.get("/openapi.json")
    assert response.status_code == 200
    paths = response.json()["paths"]
    assert {"/api/v1/jobs/createTask", "/api/v1/jobs/recordInfo", "/media/{name}"} <= set(paths)
    names = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(names) == len(set(names))


def test_the_table_has_every_error_and_no_other():
    assert set(STATUS) == set(leaves(KinetoscopeError))
    assert {status for status in STATUS.values() if not 400 <= status < 600} == set()


def test_the_errors_docstring_shows_every_error():
    for kind in leaves(KinetoscopeError):
        assert f"── {kind.__name__} " in f"{errors.__doc__}".replace("\n", " ")


def examples() -> list[KinetoscopeError]:
    issue = InputIssue(code="custom", message="No.", path=("imageUrls", 0))
    special: dict[type[KinetoscopeError], KinetoscopeError] = {
        BodyTooLarge: BodyTooLarge(5),
        RangeUnsatisfiable: RangeUnsatisfiable(5),
        InvalidInputs: InvalidInputs((issue,)),
        InvalidRequest: InvalidRequest("Unreadable", (issue,)),
        CreditsShort: CreditsShort(required=Credits(217), available=Credits(-1)),
        CapReached: CapReached(limit=1, current=2),
        errors.DatabaseUnavailable: errors.DatabaseUnavailable(),
        errors.KeySpent: errors.KeySpent(required=Credits(217), available=Credits(1)),
        errors.RateLimited: errors.RateLimited(limit=50, wait_s=2),
        errors.TooManyUploads: errors.TooManyUploads(5, wait_s=7),
    }
    without_words = (
        errors.BodyTooSlow,
        errors.IdempotencyBusy,
        errors.IdempotencyGone,
        errors.IdempotencyMismatch,
        errors.IntakeFull,
        errors.TooManyWatching,
    )
    special |= {kind: kind() for kind in without_words}
    return [special.get(kind) or kind("A sentence.") for kind in leaves(KinetoscopeError)]


async def test_every_error_is_answered_in_the_contracts_form():
    extra = {
        InvalidInputs: {"errors"},
        InvalidRequest: {"errors"},
        CreditsShort: {"required", "available"},
        CapReached: {"limit", "current"},
        errors.KeySpent: {"required", "available"},
        errors.RateLimited: {"limit"},
    }
    again_s = {
        errors.DatabaseUnavailable: "1",
        errors.RateLimited: "2",
        CapReached: "2",
        errors.IdempotencyBusy: "1",
        errors.IntakeFull: "5",
        errors.ModelUnavailable: "60",
        errors.StoreUnavailable: "1",
        errors.TooManyUploads: "7",
        errors.TooManyWatching: "2",
    }
    later = {kind for kind, status in STATUS.items() if status in {429, 503}}
    assert set(again_s) == later | {errors.IdempotencyBusy}
    for error in examples():
        answered = await answer_error(Request({"type": "http", "headers": []}), error)
        response = httpx.Response(answered.status_code, content=bytes(answered.body))
        assert response.status_code == STATUS[type(error)]
        body = response.json()
        assert set(body) == {"message"} | extra.get(type(error), set())
        assert body["message"] == str(error)
        assert answered.headers["content-type"] == "application/json"
        assert ("www-authenticate" in answered.headers) == (response.status_code == 401)
        assert answered.headers.get("retry-after") == again_s.get(type(error))


@pytest.mark.parametrize(
    ("amount", "text"),
    [(217, "2.17"), (1441, "14.41"), (20000, "200"), (750, "7.5"), (-1, "-0.01")],
)
def test_credits_are_written_exactly(amount: int, text: str):
    assert answer({"a": credits_json(Credits(amount))}).body == f'{{"a":{text}}}'.encode()


async def test_a_bug_is_told_in_one_sentence_and_nothing_of_it_shows(world: World):
    async def broken() -> None:
        raise RuntimeError("the password is 12345")

    world.app.get("/broken")(broken)
    with capture_logs() as logs:
        response = await world.client.get("/broken")
    assert [(line["event"], line["path"]) for line in logs] == [("request.broke", "/broken")]
    assert response.status_code == 500
    assert response.json() == {"message": "Internal server error. It is safe to try again."}
    assert response.headers["content-type"] == "application/json"
    assert (await world.client.get("/livez")).status_code == 200


async def test_the_database_refusing_a_statement_is_a_bug_and_not_an_outage(world: World):
    """Repeating it would be pointless: the answer comes at once, as a bug's."""
    alice = await world.person("alice")
    async with world.runtime.database.connection() as connection:
        await connection.execute("alter table task drop column media_name")
    with capture_logs() as logs:
        response = await world.client.post(
            "/api/v1/jobs/createTask", json=PICTURE, headers=alice.headers
        )
    assert [line["event"] for line in logs] == ["request.broke"]
    assert response.status_code == 500
    assert response.json() == {"message": "Internal server error. It is safe to try again."}
    assert await world.balance(alice) == (1000_00, 0, 0, 0)
