"""The schema of a model's inputs says what the check does."""

import json

import pytest

from kinetoscope.catalog import spec
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.schema import DIALECT, json_schema

CATALOG = spec.builtin()


@pytest.mark.parametrize("model", CATALOG.models, ids=lambda model: model.id)
def test_every_model_has_a_schema_of_plain_json(model: Model):
    schema = json_schema(model)
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == DIALECT
    assert schema["type"] == "object"
    properties = schema["properties"]
    assert isinstance(properties, dict)
    assert list(properties) == [field.name for field in model.fields]
    assert schema["required"] == [field.name for field in model.fields if field.required]


def test_a_schema_in_full():
    assert json_schema(CATALOG.find("kinetoscope-soundscape")) == {
        "$schema": DIALECT,
        "title": "Kinetoscope Soundscape",
        "description": "A procedural soundscape from text, 1 to 60 seconds, as wav.",
        "type": "object",
        "properties": {
            "prompt": {
                "title": "Prompt",
                "description": "The place or mood to hear.",
                "type": "string",
                "minLength": 1,
                "maxLength": 4000,
                "examples": [
                    "Night rain on a tin roof, a distant train.",
                    "An empty swimming hall, slow waves, a humming lamp.",
                ],
            },
            "duration": {
                "title": "Duration",
                "description": "Length of the recording in seconds.",
                "type": "integer",
                "minimum": 1,
                "maximum": 60,
                "default": 10,
            },
            "seed": {
                "title": "Seed",
                "description": "-1 or left out for a random one.",
                "type": "integer",
                "minimum": -1,
                "maximum": 4294967295,
            },
        },
        "required": ["prompt"],
    }


def test_the_other_kinds_of_field():
    properties = json_schema(CATALOG.find("midjourney-v8"))["properties"]
    assert isinstance(properties, dict)
    kinds = {
        name: {key: value for key, value in schema.items() if key not in {"title", "description"}}
        for name, schema in properties.items()
        if isinstance(schema, dict)
    }
    assert kinds["prompt"]["minLength"] == 1
    assert "maxLength" not in kinds["prompt"]
    assert kinds["uploadedUrls"] == {
        "type": "array",
        "items": {"type": "string", "format": "uri"},
        "minItems": 0,
        "maxItems": 1,
        "x-media": "image",
    }
    assert kinds["quality"] == {"type": "number", "enum": [0.25, 0.5, 1]}
    assert kinds["style"] == {"type": "string", "enum": ["raw"]}
    assert kinds["autoFix"] == {"type": "boolean", "default": True}
    assert kinds["no"]["minLength"] == 0
