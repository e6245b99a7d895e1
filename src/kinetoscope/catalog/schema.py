"""A model's inputs as JSON Schema 2020-12, for OpenAPI documents, forms and agents."""

from collections.abc import Mapping
from typing import Any, assert_never

from kinetoscope.catalog.fields import Boolean, Choice, Field, Integer, Media, Number, Text
from kinetoscope.catalog.model import Model
from kinetoscope.kernel.order import JSON

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, JSON]


def json_schema(model: Model) -> Schema:
    """Return the schema of `inputs` under today's names; a checked order's inputs satisfy it.

    Older names and spellings are accepted as well, but not advertised. `x-media` tells the kind
    of media a list of URLs holds.
    """
    required: list[JSON] = [field.name for field in model.required]
    properties: Schema = {field.name: _property(field) for field in model.fields}
    prompt = properties["prompt"]
    if isinstance(prompt, dict):
        prompt["examples"] = list(model.examples)
    return {
        "$schema": DIALECT,
        "title": model.title,
        "description": model.description,
        "type": "object",
        "properties": properties,
        "required": required,
    }


def takes(described: Mapping[str, Any]) -> str:
    """Say in a few words what an input takes, from its part of the schema."""
    if "enum" in described:
        return ", ".join(str(option) for option in described["enum"])
    if "minimum" in described and "maximum" in described:
        return f"{described['minimum']} to {described['maximum']}"
    if "maxItems" in described:
        return f"up to {described['maxItems']} URLs"
    if "maxLength" in described:
        return f"up to {described['maxLength']} characters"
    return {"string": "text", "boolean": "true, false"}.get(described.get("type", ""), "")


def _property(field: Field) -> Schema:
    described: Schema = {"title": field.title, "description": field.description}
    return described | _type_of(field)


def _type_of(field: Field) -> Schema:
    match field:
        case Text():
            text: Schema = {"type": "string", "minLength": 1 if field.required else 0}
            return text if field.cut else text | {"maxLength": field.length_max}
        case Integer():
            return _integer(field) | _default(field.default)
        case Number():
            return {"type": "number", "enum": list(field.options)}
        case Boolean():
            truth: Schema = {"type": "boolean"}
            return truth | _default(field.default)
        case Choice():
            words: Schema = {"type": "string", "enum": list(field.options)}
            return words | _default(field.default)
        case Media():
            return _media(field)
        case _:
            assert_never(field)


def _integer(field: Integer) -> Schema:
    return {"type": "integer", "minimum": field.minimum, "maximum": field.maximum}


def _media(field: Media) -> Schema:
    return {
        "type": "array",
        "items": {"type": "string", "format": "uri"},
        "minItems": 1 if field.required else 0,
        "maxItems": field.items_max,
        "x-media": field.kind.value,
    }


def _default(value: str | float | bool | None) -> Schema:  # noqa: FBT001 - any JSON value
    return {} if value is None else {"default": value}
