"""What was typed becomes a model's inputs, by the JSON Schema that the server gives."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kinetoscope.client import Model

ADDRESS = re.compile(r"(https?|data):", re.IGNORECASE)

TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Unusable(Exception):
    """What was typed cannot be an input of the model; says why."""


def read_inputs(
    model: Model,
    prompt: str,
    stated: Sequence[str],
    media: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Return a model's inputs; raises Unusable.

    `stated` are texts `name=value`; `media` are paths and addresses by kind. A list's name may be
    given several times. Files are paths here, and uploaded later.
    """
    fields: Mapping[str, Any] = model.inputs.get("properties", {})
    inputs: dict[str, Any] = {"prompt": prompt} if prompt else {}
    for text in stated:
        name, has_value, value = text.partition("=")
        if not has_value:
            raise Unusable(f"--input {text}: expected name=value")
        if name not in fields:
            raise Unusable(f"{model.id} has no input {name!r}; it has {', '.join(fields)}")
        read = _value(name, fields[name], value)
        if name in inputs and not isinstance(read, list):
            raise Unusable(f"--input {name}: it takes one value, and is given twice")
        inputs[name] = inputs.get(name, []) + read if isinstance(read, list) else read
    for kind, places in media.items():
        if places:
            name = _media_name(model, fields, kind)
            inputs[name] = inputs.get(name, []) + [_file(place) for place in places]
    for name in model.inputs.get("required", ()):
        if name not in inputs:
            how = "the prompt is missing" if name == "prompt" else f"--input {name}=… is missing"
            raise Unusable(f"{model.id}: {how}")
    return inputs


def _media_name(model: Model, fields: Mapping[str, Any], kind: str) -> str:
    for name, field in fields.items():
        if field.get("x-media") == kind:
            return name
    raise Unusable(f"{model.id} takes no {kind}")


def _value(name: str, field: Mapping[str, Any], text: str) -> Any:  # noqa: ANN401 - any input
    try:
        match field.get("type"):
            case "integer":
                return int(text)
            case "number":
                return json.loads(text)
            case "boolean":
                return TRUTHS[text.lower()]
            case "array":
                return _items(field, text)
            case _:
                return text
    except (KeyError, ValueError):
        raise Unusable(f"--input {name}: expected {takes(field)}, not {text!r}") from None


def _items(field: Mapping[str, Any], text: str) -> list[Any]:
    items = json.loads(text) if text.startswith("[") else [text]
    return [_file(item) if "x-media" in field else item for item in items]


def _file(place: str) -> str | Path:
    if ADDRESS.match(place):
        return place
    path = Path(place).expanduser()
    if not path.is_file():
        raise Unusable(f"there is no file {place}")
    return path


def takes(field: Mapping[str, Any]) -> str:
    """Say in a few words what an input takes."""
    if "enum" in field:
        return ", ".join(str(option) for option in field["enum"])
    if "minimum" in field and "maximum" in field:
        return f"{field['minimum']} to {field['maximum']}"
    if "maxItems" in field:
        return f"up to {field['maxItems']} files or URLs"
    if "maxLength" in field:
        return f"up to {field['maxLength']} characters"
    return {"string": "text", "boolean": "true or false"}.get(field.get("type", ""), "")
