"""Requests to copy: commands and bodies made from what the doors declare, so they cannot lag."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

import orjson

from kinetoscope.api.doors import Declared
from kinetoscope.catalog.model import Model

PARAMETER = re.compile(r"\{([^}]*)\}")

Schemas = Mapping[str, Any]

PLAIN = {
    "integer": 1,
    "number": 1,
    "boolean": True,
    "array": [],
    "object": {},
    "null": None,
    "string": "text",
}


def curl(route: Declared, public_url: str, shared: Schemas) -> str:
    """Return a command that asks for a route; only the names in capitals need a value."""
    operation = route.operation
    query = "&".join(
        f"{parameter['name']}={_capitals(parameter['name'])}"
        for parameter in operation.parameters
        if parameter["in"] == "query" and parameter.get("required")
    )
    path = PARAMETER.sub(lambda match: _capitals(match[1]), route.path)
    words = [f"curl '{public_url}{path}{'?' + query if query else ''}'"]
    if route.method != ("GET" if operation.body is None else "POST"):
        words[0] = words[0].replace("curl", f"curl -X {route.method}", 1)
    if route.scopes:
        words.append('-H "Authorization: Bearer $KINETOSCOPE_KEY"')
    if operation.body is not None and operation.body_type != "application/json":
        words += [f"-H 'Content-Type: {operation.body_type}'", "--data-binary @FILE"]
    elif operation.body is not None:
        body = orjson.dumps(sample(operation.body, shared)).decode()
        words += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(words)


def sample(schema: Schemas, shared: Schemas) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value that fits a schema: its own example, or what it demands and no more."""
    if "$ref" in schema:
        return sample(shared[schema["$ref"].rpartition("/")[2]], shared)
    for name in ("examples", "enum"):
        if name in schema:
            return schema[name][0]
    for name in ("const", "default", "minimum"):
        if name in schema:
            return schema[name]
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        properties = schema.get("properties", {})
        return {
            name: sample(properties.get(name, {}), shared) for name in schema.get("required", ())
        }
    if kind == "string" and schema.get("format") == "uri":
        return "https://example.com/"
    return PLAIN[kind]


def _capitals(name: str) -> str:
    """Write `taskId` as TASK_ID."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|-", "_", name).upper()


def order_example(model: Model) -> dict[str, Any]:
    """Return a request that the model takes."""
    inputs: dict[str, Any] = {"prompt": model.examples[0]}
    for field in model.required:
        if field.name != "prompt":
            inputs[field.name] = EXAMPLES.get(field.name, 5)
    return {"model": model.id, "inputs": inputs}


EXAMPLES: Schemas = {
    "imageUrls": ["https://kinetoscope.example/photo.png"],
    "videoUrls": ["https://kinetoscope.example/clip.mp4"],
    "audioUrls": ["https://kinetoscope.example/song.wav"],
    "duration": 5,
}
"""Values of inputs that some models demand beside the prompt."""
