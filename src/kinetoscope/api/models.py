"""The models, for programs: what there is, what each takes, what it costs. Open to everybody."""

import difflib
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.cached import cached
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer
from kinetoscope.api.samples import order_example
from kinetoscope.api.schemas import CREDITS, TEXT, prices_json
from kinetoscope.catalog.fields import Integer, Media, Text
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.price import price_summary
from kinetoscope.catalog.schema import json_schema
from kinetoscope.catalog.spec import Catalog
from kinetoscope.catalog.urls import DATA_URI_CHARACTERS_MAX, URL_CHARACTERS_MAX

ID_LENGTH_MAX = 64

UNCHANGED = "It has not changed since the ETag in If-None-Match"

LISTED: dict[str, Any] = {
    "id": TEXT,
    "title": TEXT,
    "kind": {"enum": ["video", "image", "audio"]},
    "family": TEXT,
    "description": TEXT,
    "version": {"type": "string", "description": "Changes with whatever is declared of it"},
    "price": {"type": "string", "description": "In words"},
    "url": {"type": "string", "format": "uri"},
    "page": {"type": "string", "format": "uri"},
    "available": {"type": "boolean", "description": "Whether it can be ordered just now"},
}

PRICE = {
    "type": "object",
    "required": ["for", "credits", "per"],
    "properties": {"for": {"type": "array", "items": TEXT}, "credits": CREDITS, "per": TEXT},
}

DETAILED: dict[str, Any] = {
    **LISTED,
    "files": {"type": "integer", "description": "How many a task makes"},
    "inputs": {"type": "object", "description": "JSON Schema 2020-12 of createTask's inputs"},
    "olderNames": {
        "type": "object",
        "description": "Names of inputs that older clients use, and what they stand for",
        "additionalProperties": {"type": "array", "items": TEXT},
    },
    "limits": {"type": "object"},
    "prices": {"type": "array", "items": PRICE},
    "examples": {
        "type": "array",
        "description": "Bodies for createTask",
        "items": {"type": "object", "required": ["model", "inputs"]},
    },
}

LIST = Operation(
    summary="List the models",
    tag="models",
    answer={
        "type": "object",
        "required": ["models"],
        "properties": {
            "models": {
                "type": "array",
                "items": {"type": "object", "required": list(LISTED), "properties": LISTED},
            }
        },
    },
    answers={304: UNCHANGED},
)

MODEL_ID = ({"name": "id", "in": "path", "required": True, "schema": TEXT},)

SHOW = Operation(
    summary="Describe a model: its inputs, limits and prices",
    tag="models",
    parameters=MODEL_ID,
    answer={"type": "object", "required": list(DETAILED), "properties": DETAILED},
    answers={304: UNCHANGED, 404: "There is no such model; `nearest` names similar ones"},
)


def mount(doors: Doors) -> None:
    """Add the routes under /api/v1/models."""
    runtime = doors.runtime
    catalog, public_url = runtime.catalog, runtime.settings.public_url

    def shown(model: Model, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "available": bool(runtime.routes.by_model[model.id])}

    async def listing(request: Request) -> Response:
        """List the models."""
        body = {
            "models": [shown(model, listed_json(model, public_url)) for model in catalog.models]
        }
        return cached(request, orjson.dumps(body), "application/json")

    async def show(request: Request) -> Response:
        """Describe a model."""
        model_id = request.path_params["id"]
        model = catalog.models_by_id.get(model_id)
        if model is None:
            return answer(
                {"message": "Model not found", "nearest": nearest(catalog, model_id)}, 404
            )
        body = shown(model, detailed_json(model, public_url))
        return cached(request, orjson.dumps(body), "application/json")

    doors.open("GET", "/api/v1/models", listing, LIST)
    doors.open("GET", "/api/v1/models/{id}", show, SHOW)


def nearest(catalog: Catalog, model_id: str) -> list[str]:
    """Return the ids that are spelled most alike."""
    return difflib.get_close_matches(model_id[:ID_LENGTH_MAX].lower(), catalog.models_by_id, n=3)


def listed_json(model: Model, public_url: str) -> dict[str, Any]:
    """Return a model as lists show it."""
    return {
        "id": model.id,
        "title": model.title,
        "kind": model.kind.value,
        "family": model.family,
        "description": model.description,
        "version": model.version,
        "price": price_summary(model),
        "url": f"{public_url}/api/v1/models/{model.id}",
        "page": f"{public_url}/models/{model.id}",
    }


def detailed_json(model: Model, public_url: str) -> dict[str, Any]:
    """Return all there is to know of a model."""
    return {
        **listed_json(model, public_url),
        "files": model.count,
        "inputs": json_schema(model),
        "olderNames": {old: list(names) for old, names in model.names_by_alias.items()},
        "limits": limits_json(model),
        "prices": prices_json(model),
        "examples": [
            {**order, "inputs": {**order["inputs"], "prompt": prompt}}
            for order in [order_example(model)]
            for prompt in model.examples
        ],
    }


def limits_json(model: Model) -> dict[str, Any]:
    """Return the bounds that clients like to know ahead, gathered from the inputs."""
    limits: dict[str, Any] = {}
    for field in model.fields:
        match field:
            case Text(name="prompt"):
                limits["promptCharacters"] = field.length_max
            case Integer(name="duration"):
                limits["durationSeconds"] = {"min": field.minimum, "max": field.maximum}
            case Media():
                limits[field.name] = {"kind": field.kind.value, "max": field.items_max}
            case _:
                pass
    if model.media:
        limits["urlCharacters"] = URL_CHARACTERS_MAX
        limits["dataUriCharacters"] = DATA_URI_CHARACTERS_MAX
    sizes = {
        resolution or "default": {ratio: [size.width, size.height] for ratio, size in by.items()}
        for resolution, by in model.sizes.items()
    }
    return limits | ({"sizes": sizes} if sizes else {})
