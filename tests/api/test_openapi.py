"""/openapi.json is true: to the router, to the standard, to the models, and to real answers."""

import re
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from starlette.routing import Route
from tests.conftest import Person, World
from tests.scripted import (
    PATH_RECORD,
    PICTURE,
    VIDEO,
    ScriptedProvider,
    create,
    done_pictures,
    done_video,
    tools_for,
)

from kinetoscope.catalog.check import check
from kinetoscope.catalog.spec import builtin
from kinetoscope.dialects.telling import DIALECTS
from kinetoscope.kernel.ids import TaskId
from kinetoscope.providers.contract import Failed, Kind, Refused
from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio

Document = dict[str, Any]


async def document(world: World) -> Document:
    response = await world.client.get("/openapi.json")
    assert response.status_code == 200
    found: Document = response.json()
    return found


def validator(document: Document, name: str) -> Draft202012Validator:
    """Check values against a shared schema of the document."""
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    )


async def test_it_is_valid_openapi_3_1(world: World):
    described = await document(world)
    assert described["openapi"].startswith("3.1")
    validate(described)
    assert described["servers"] == [{"url": "http://kinetoscope.test"}]


async def test_it_names_every_route_of_the_router_and_no_other(world: World):
    """What speaks another protocol, and says so, is the exception; pages are for people."""
    hidden = {
        (route.method, route.path)
        for route in world.app.state.declared
        if not route.operation.described
    }
    spoken = {
        (route.method, route.path)
        for route in world.app.state.declared
        if route.operation.tag in DIALECTS  # described by the services whose words they are
    }
    assert hidden - spoken == {
        ("POST", "/api/mcp"),
        ("POST", "/api/stripe/webhook"),
        ("GET", "/static/{name}"),
    }
    pages = {(page.method, page.path) for page in world.app.state.pages.added}
    served = {
        (method, route.path)
        for route in world.app.routes
        if isinstance(route, Route)
        for method in (route.methods or {"*"})
        if method != "HEAD"
    }
    described = {
        (method.upper(), path)
        for path, operations in (await document(world))["paths"].items()
        for method in operations
    }
    assert served - hidden - pages == described


async def test_every_parameter_of_a_path_is_described(world: World):
    for path, operations in (await document(world))["paths"].items():
        for operation in operations.values():
            described = {
                parameter["name"]
                for parameter in operation.get("parameters", ())
                if parameter["in"] == "path"
            }
            assert described == set(re.findall(r"\{([^}]*)\}", path)), path


async def test_every_operation_has_a_name_a_tag_a_key_or_none_and_a_command(world: World):
    described = await document(world)
    tags = {tag["name"] for tag in described["tags"]}
    names = []
    for path, operations in described["paths"].items():
        for operation in operations.values():
            names.append(operation["operationId"])
            assert set(operation["tags"]) <= tags
            assert operation["summary"]
            needs_key = operation["security"] == [{"key": []}]
            assert needs_key == ("x-scope" in operation)
            assert ({"401", "403", "429", "503"} <= set(operation["responses"])) or not needs_key
            (sample,) = operation["x-codeSamples"]
            assert sample["source"].startswith("curl ")
            assert ("$KINETOSCOPE_KEY" in sample["source"]) == needs_key, path
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in names)


async def test_every_model_has_its_inputs_and_prices_described(world: World):
    schemas = (await document(world))["components"]["schemas"]
    taken = schemas["CreateTask"]
    assert len(builtin().models) >= 20
    assert taken["properties"]["model"]["enum"] == [model.id for model in builtin().models]
    assert set(taken["discriminator"]["mapping"]) == set(taken["properties"]["model"]["enum"])
    for model in builtin().models:
        inputs = schemas[f"Inputs_{model.id}"]
        assert list(inputs["properties"]) == [field.name for field in model.fields]
        assert inputs["x-price"]
        assert {"$ref": f"#/components/schemas/Order_{model.id}"} in taken["oneOf"]
    assert {"for": ["720p"], "credits": 40, "per": "second"} in schemas["Inputs_seedance-20"][
        "x-price"
    ]


async def test_use_cache_names_the_models_that_it_is_for(world: World):
    schemas = (await document(world))["components"]["schemas"]
    told = schemas["CreateTask"]["properties"]["useCache"]["description"]
    for model in builtin().models:
        takes_seed = "seed" in schemas[f"Inputs_{model.id}"]["properties"]
        assert (re.search(rf"[ ]{re.escape(model.id)}[,.]", told) is not None) == takes_seed


async def test_the_schema_of_create_task_says_what_each_model_takes(world: World):
    taken = validator(await document(world), "CreateTask")
    good = {"model": "seedance-20", "inputs": {"prompt": "a sunset", "duration": 5}}
    assert taken.is_valid(good)
    for wrong in (
        {"model": "seedance-20", "inputs": {"prompt": "a sunset", "duration": 99}},
        {"model": "seedance-20", "inputs": {}},
        {"model": "seedance-99", "inputs": {"prompt": "a sunset"}},
        {"model": "seedance-20"},
        {**good, "autoFix": "yes"},
    ):
        assert not taken.is_valid(wrong), wrong


async def test_every_shared_schemas_examples_fit_it(world: World):
    described = await document(world)
    seen = 0
    for name, schema in described["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", ()):
            validator(described, name).validate(example)
            seen += 1
    assert seen >= 2
    (order,) = described["components"]["schemas"]["CreateTask"]["examples"]
    check(builtin().find(order["model"]), order["inputs"])


async def test_the_command_for_create_task_carries_an_order_that_is_taken(world: World):
    alice = await world.person("alice", "5000")
    described = await document(world)
    operation = described["paths"]["/api/v1/jobs/createTask"]["post"]
    (sample,) = operation["x-codeSamples"]
    body = re.search(r"-d '(.*)'$", sample["source"], re.DOTALL)
    assert body is not None
    response = await world.client.post(
        "/api/v1/jobs/createTask",
        content=body[1].replace("'\"'\"'", "'").encode(),
        headers=alice.headers,
    )
    assert response.status_code == 200, response.text


async def test_records_in_every_state_fit_the_schema(world: World):
    alice = await world.person("alice", "5000")
    fits = validator(await document(world), "Record")

    async def shown(task_id: str, status: str) -> None:
        response = await world.client.get(
            PATH_RECORD, params={"taskId": task_id}, headers=alice.headers
        )
        assert response.json()["status"] == status
        fits.validate(response.json())

    waiting = await create(world, alice, VIDEO)
    await shown(waiting, "waiting")
    for order, done in ((VIDEO, done_video), (PICTURE, done_pictures)):
        made = await create(world, alice, order)
        await advance(tools_for(world, ScriptedProvider(statuses=[done])), made)
        await shown(made, "success")
    refused = await create(world, alice, VIDEO)
    no = Refused(code="2038", message="No.", kind=Kind.PERMANENT)
    await advance(tools_for(world, ScriptedProvider(submits=[no])), refused)
    await shown(refused, "fail")
    failed = await create(world, alice, VIDEO)
    broke = Failed(code="500", message="Broke.")
    await advance(tools_for(world, ScriptedProvider(statuses=[broke])), failed)
    await shown(failed, "fail")


async def test_refusals_fit_their_schemas(world: World):
    described = await document(world)
    alice = await world.person("alice", "10")

    async def refused(person: Person, order: object, status: int, schema: str) -> Document:
        response = await world.client.post(
            "/api/v1/jobs/createTask", json=order, headers=person.headers
        )
        assert response.status_code == status
        operation = described["paths"]["/api/v1/jobs/createTask"]["post"]
        content = operation["responses"][str(status)]["content"]["application/json"]
        assert content["schema"] == {"$ref": f"#/components/schemas/{schema}"}
        validator(described, schema).validate(response.json())
        body: Document = response.json()
        return body

    wrong = {"model": "seedance-20", "inputs": {"duration": 99}}
    assert len((await refused(alice, wrong, 400, "InvalidRequest"))["errors"]) == 2
    assert (await refused(alice, VIDEO, 402, "CreditsShort"))["required"] == 200
    await book_limit(world, alice)
    assert (await refused(alice, PICTURE, 429, "TooMany"))["limit"] == 0


UNTOLD = {
    "access-control-allow-origin",
    "content-disposition",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-resource-policy",
    "link",
    "x-accel-buffering",
    "x-content-type-options",
}
"""What every answer has, or browsers and crawlers heed by themselves."""


def carried(described: Document, path: str, answer: httpx.Response) -> set[tuple[str, int, str]]:
    """Return an answer's headers that are declared; each one that it has must be."""
    operation = described["paths"][path][answer.request.method.lower()]
    declared = operation["responses"][str(answer.status_code)].get("headers", {})
    assert set(declared) <= set(described["components"]["headers"])
    told = {name.lower() for name in declared}
    assert set(answer.headers) - UNTOLD <= told, (path, answer.status_code)
    return {(path, answer.status_code, name) for name in declared if name in answer.headers}


async def test_every_header_of_a_real_answer_is_declared(world: World):
    described = await document(world)
    alice, poor = await world.person("alice"), await world.person("poor", "0")
    task_id = await create(world, alice, PICTURE)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), TaskId(task_id))
    record = {"taskId": task_id}
    shown = await world.client.get(PATH_RECORD, params=record, headers=alice.headers)
    media = shown.json()["output"][0]["url"]
    jobs, events, files = "/api/v1/jobs/createTask", "/api/v1/jobs/taskEvents", "/media/{name}"
    once = {**alice.headers, "Idempotency-Key": "once"}
    post, get = world.client.post, world.client.get
    nobody = {"taskId": "task_00000000"}
    answers = [
        (jobs, await post(jobs, json=PICTURE, headers=once)),
        (jobs, await post(jobs, json=PICTURE, headers=once)),
        (jobs, await post(jobs, json={}, headers=once)),
        (jobs, await post(jobs, json=VIDEO, headers=once)),
        (jobs, await post(jobs, json=PICTURE, headers=poor.headers)),
        (jobs, await post(jobs, json=PICTURE)),
        (PATH_RECORD, await get(PATH_RECORD, params=record, headers=alice.headers)),
        (PATH_RECORD, await get(PATH_RECORD, params=nobody, headers=alice.headers)),
        (events, await get(events, params=record, headers=alice.headers)),
        ("/api/v1/keys", await get("/api/v1/keys", headers=alice.headers)),
        (files, await get(media)),
        (files, await get(media, headers={"Range": "bytes=0-9"})),
        (files, await get(media, headers={"Range": "bytes=99999999-"})),
    ]
    for path in ("/openapi.json", "/llms.txt", "/api/v1/models", "/.well-known/api-catalog"):
        kept = await get(path)
        known = {"If-None-Match": kept.headers["etag"]}
        answers += [(path, kept), (path, await get(path, headers=known))]
    await book_limit(world, alice)
    answers.append((jobs, await post(jobs, json=PICTURE, headers=alice.headers)))
    seen = set().union(*(carried(described, path, answer) for path, answer in answers))
    expected = {
        (jobs, 200, "Idempotent-Replayed"),
        (jobs, 200, "RateLimit"),
        (jobs, 200, "RateLimit-Policy"),
        (jobs, 422, "RateLimit"),
        (jobs, 429, "Retry-After"),
        (jobs, 401, "WWW-Authenticate"),
        (PATH_RECORD, 404, "RateLimit"),
        ("/api/v1/keys", 403, "RateLimit"),
        ("/openapi.json", 304, "ETag"),
        (files, 206, "Content-Range"),
    }
    assert expected <= seen


async def book_limit(world: World, person: Person) -> None:
    async with world.runtime.database.connection() as connection:
        await connection.execute(
            "update account set tasks_running_max = 0 where id = %s", [person.account_id]
        )


async def test_it_may_be_kept_and_asked_for_again(world: World):
    first = await world.client.get("/openapi.json")
    assert first.headers["cache-control"] == "public, max-age=300"
    tag = first.headers["etag"]
    again = await world.client.get("/openapi.json", headers={"If-None-Match": f"W/{tag}"})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = await world.client.get("/openapi.json", headers={"If-None-Match": '"x"'})
    assert other.status_code == 200


async def options(world: World, path: str) -> httpx.Response:
    return await world.client.options(path)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/jobs/createTask", "OPTIONS, POST"),
        ("/api/v1/jobs/recordInfo", "GET, HEAD, OPTIONS"),
        ("/api/v1/webhooks/settings", "GET, HEAD, OPTIONS, POST"),
        ("/livez", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_refused_method_is_told_all_that_the_path_has(
    world: World, path: str, allowed: str
):
    response = await world.client.patch(path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    asked = await options(world, path)
    assert (asked.status_code, asked.headers["allow"], asked.content) == (204, allowed, b"")
    assert (await options(world, "/nothing")).status_code == 404
