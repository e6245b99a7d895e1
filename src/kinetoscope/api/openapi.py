"""The description of the API, made from what the doors declare and what the catalog holds."""

import re
from functools import cache
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from kinetoscope import __version__
from kinetoscope.api.cached import cached
from kinetoscope.api.doors import Declared, Doors, Operation
from kinetoscope.api.samples import PARAMETER, curl
from kinetoscope.api.schemas import OF_STATUS, components, ref
from kinetoscope.api.told_headers import HEADERS, headers_of
from kinetoscope.api.webhook_shapes import SENT_HEADERS
from kinetoscope.catalog.spec import Catalog

GUARDED_ANSWERS = {
    401: "There is no key, or one that does not open",
    403: "The key is good, but not for this",
    429: "Too many requests, or too many tasks at once",
    503: "The service is unavailable for a moment",
}

ABOUT = """\
Videos, images and audio from one API. Create a task, then ask recordInfo every few seconds or
give a callBackUrl. A task's price is held when it is created, charged when it succeeds, and given
back when it fails.

Send `Authorization: Bearer <key>`. Refusals carry `message`, and where it helps `errors`,
`required` and `available`, or `limit` and `current`. Fields may be added to answers at any time:
ignore those you do not know.
"""

OPENAPI = Operation(
    summary="Describe the API",
    tag="discovery",
    description="This document: OpenAPI 3.1.",
    answers={304: "It has not changed since the ETag in If-None-Match"},
)

ENDED = {
    "summary": "A task has ended",
    "description": "Sent to the task's callBackUrl, signed as https://www.standardwebhooks.com "
    "says. Any 2xx takes it; other answers are tried again for hours, under the same webhook-id.",
    "tags": ["webhooks"],
    "parameters": [
        {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}
        for name, description in SENT_HEADERS.items()
    ],
    "requestBody": {"required": True, "content": {"application/json": {"schema": ref("Event")}}},
    "responses": {"2XX": {"description": "Taken"}, "410": {"description": "Never try again"}},
}


def mount(doors: Doors) -> None:
    """Add /openapi.json."""
    runtime = doors.runtime

    @cache
    def written() -> bytes:
        # Made at the first request: then every door has declared its routes.
        return orjson.dumps(document(doors.declared, runtime.catalog, runtime.settings.public_url))

    async def openapi(request: Request) -> Response:
        """Describe the API."""
        return cached(request, written(), "application/json")

    doors.open("GET", "/openapi.json", openapi, OPENAPI)


def document(declared: list[Declared], catalog: Catalog, public_url: str) -> dict[str, Any]:
    """Return the OpenAPI document of all declared routes."""
    shared = components(catalog)
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, None] = {}
    for route in declared:
        if route.operation.described:
            tags[route.operation.tag] = None
            sample = {"lang": "Shell", "label": "curl", "source": curl(route, public_url, shared)}
            described = {**_operation(route), "x-codeSamples": [sample]}
            paths.setdefault(route.path, {})[route.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kinetoscope",
            "version": __version__,
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "webhooks": {"taskEnded": {"post": ENDED}},
        "components": {
            "schemas": shared,
            "headers": dict(HEADERS),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, `kino_live_…` or `kino_test_…`",
                }
            },
        },
    }


def _operation(route: Declared) -> dict[str, Any]:
    operation = route.operation
    words = re.findall(r"[A-Za-z0-9]+", PARAMETER.sub(r"\1", route.path))
    described: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *words]),
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": _answers(route),
    }
    if operation.description:
        described["description"] = operation.description
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.body is not None:
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {operation.body_type: {"schema": operation.body}},
        }
    described["security"] = [{"key": []}] if route.scopes else []
    if route.scopes:
        described["x-scope"] = " ".join(route.scopes)
    if route.live_only:
        described["x-live-only"] = True
    return described


def _answers(route: Declared) -> dict[str, Any]:
    operation = route.operation
    content = {operation.answer_type: {"schema": operation.answer}}
    answers: dict[str, Any] = {"200": {"description": "Done", "content": content}}
    for status, description in all_answers(route).items():
        answers[str(status)] = {"description": description}
        if status < 300:  # noqa: PLR2004 - another success
            answers[str(status)]["content"] = content
        if status >= 400:  # noqa: PLR2004 - where errors begin
            schema = ref(OF_STATUS.get(status, "Error"))
            answers[str(status)]["content"] = {"application/json": {"schema": schema}}
    for given, described in answers.items():
        named = headers_of(route, int(given))
        if named:
            described["headers"] = {
                name: {"$ref": f"#/components/headers/{name}"} for name in named
            }
    return answers


def all_answers(route: Declared) -> dict[int, str]:
    """Return every status but 200 that a route may answer with, and when it does."""
    refusals = GUARDED_ANSWERS if route.scopes else {}
    return dict(sorted({**refusals, **route.operation.answers}.items()))
