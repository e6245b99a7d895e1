"""A model as Replicate describes it: an OpenAPI document whose `Input` and `Output` clients read.

https://replicate.com/docs/reference/http#models.get; its shape is Cog's, which gives each choice a
schema of its own and each input an `x-order`. https://cog.run/http/
"""

from typing import Any

from kinetoscope.catalog.model import Model
from kinetoscope.catalog.schema import json_schema

COG_VERSION = "0.9.0"
"""Clients read a schema by the version of Cog that wrote it: this is the shape that we write."""


def openapi_schema(model: Model) -> dict[str, Any]:
    """Return the document that describes what a model takes and makes."""
    described: dict[str, Any] = dict(json_schema(model))
    properties: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for order, (name, field) in enumerate(described["properties"].items()):
        properties[name] = {"x-order": order, **_property(name, field, schemas)}
    schemas["Input"] = {
        "type": "object",
        "title": "Input",
        "required": described["required"],
        "properties": properties,
    }
    schemas["Output"] = output_schema(model)
    return {
        "openapi": "3.0.2",
        "info": {"title": model.title, "description": model.description, "version": model.version},
        "paths": {},
        "components": {"schemas": schemas},
    }


def _property(name: str, field: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return an input as Cog writes it; a choice goes into `schemas`, under its own name."""
    told = {key: value for key, value in field.items() if key not in {"type", "enum", "examples"}}
    if "enum" not in field:
        return told | {"type": field["type"]}
    schemas[name] = {
        "type": field["type"],
        "enum": field["enum"],
        "title": name,
        "description": "An enumeration.",
    }
    return told | {"allOf": [{"$ref": f"#/components/schemas/{name}"}]}


def output_schema(model: Model) -> dict[str, Any]:
    """Return what a model makes: the address of a file, or a list of them; as `output` gives it."""
    if model.count == 1:
        return {"type": "string", "title": "Output", "format": "uri"}
    return {
        "type": "array",
        "title": "Output",
        "items": {"type": "string", "format": "uri"},
    }
