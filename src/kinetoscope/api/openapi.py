"""The description of the API, made from what the doors declare."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope import __version__
from kinetoscope.api.doors import Declared, Doors, Operation
from kinetoscope.api.envelope import answer

ERROR = {
    "type": "object",
    "required": ["message"],
    "properties": {"message": {"type": "string"}},
}

GUARDED_ANSWERS = {
    401: "There is no key, or one that does not open",
    403: "The key is good, but not for this",
    429: "Too many requests, or too many tasks at once",
    503: "The service is unavailable for a moment",
}

OPENAPI = Operation(summary="Describe the API", tag="discovery")


def mount(doors: Doors) -> None:
    """Add /openapi.json."""

    async def openapi(_request: Request) -> Response:
        return answer(document(doors.declared, doors.runtime.settings.public_url))

    doors.open("GET", "/openapi.json", openapi, OPENAPI)


def document(declared: list[Declared], public_url: str) -> dict[str, Any]:
    """Return the OpenAPI document of all declared routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in declared:
        if not route.operation.described:
            continue
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Kinetoscope", "version": __version__},
        "servers": [{"url": public_url}],
        "paths": paths,
        "components": {
            "schemas": {"Error": ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Declared) -> dict[str, Any]:
    operation = route.operation
    words = route.path.strip("/").replace("{", "").replace("}", "").replace(".", "/").split("/")
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
            "content": {"application/json": {"schema": operation.body}},
        }
    if route.scope is not None:
        described["security"] = [{"key": []}]
        described["x-scope"] = route.scope
    return described


def _answers(route: Declared) -> dict[str, Any]:
    operation = route.operation
    content = {operation.answer_type: {"schema": operation.answer}}
    answers: dict[str, Any] = {"200": {"description": "Done", "content": content}}
    refusals = GUARDED_ANSWERS if route.scope is not None else {}
    for status, description in {**refusals, **operation.answers}.items():
        answers[str(status)] = {"description": description}
        if status >= 400:  # noqa: PLR2004 - where errors begin
            schema = {"$ref": "#/components/schemas/Error"}
            answers[str(status)]["content"] = {"application/json": {"schema": schema}}
    return answers
