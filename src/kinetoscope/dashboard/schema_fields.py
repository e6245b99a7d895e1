"""A JSON Schema as a list of fields for people: what each is called, takes and means. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

DEPTH_MAX = 4
OPTIONS_MAX = 8

NAMES = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "array": "list",
    "null": "null",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A field; `path` says where it stands (`deliveries[].id`), `refers_to` what tells more."""

    path: str
    kind: str
    options: tuple[str, ...] = ()
    limits: str = ""
    about: str = ""
    required: bool = False
    refers_to: str = ""


def fields(schema: Schema, shared: Schema, apart: frozenset[str]) -> list[Shown]:
    """Return the fields of an object, those within it after it.

    Shared schemas that are named in `apart` are referred to, and not told again.
    """
    return list(_within(_resolved(schema, shared), shared, apart, "", 0))


def of_parameter(parameter: Schema) -> Shown:
    """Return a parameter of a path, a query or a header as a field."""
    schema = parameter["schema"]
    return Shown(
        path=parameter["name"],
        kind=kind_of(schema),
        options=_options(schema),
        limits=limits_of(schema),
        about=parameter.get("description", ""),
        required=parameter.get("required", False),
    )


def name_of(schema: Schema) -> str:
    """Return the name of the shared schema that is referred to, or nothing."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def kind_of(schema: Schema) -> str:
    """Say in a word or two what a value is."""
    if "anyOf" in schema:
        return " or ".join(kind_of(each) for each in schema["anyOf"])
    if "const" in schema:
        return f"always {_word(schema['const'])}"
    if "$ref" in schema:
        return "object"
    kinds = schema.get("type", "text" if "enum" in schema else "object")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    names = [NAMES.get(kind, kind) for kind in kinds]
    if names[0] == "list":
        inner = schema.get("items", {})
        words = name_of(inner) or kind_of(inner)
        names[0] = f"list of {'objects' if words == 'object' else words}"
    if schema.get("format") == "uri":
        names[0] = "URL"
    return " or ".join(names)


def limits_of(schema: Schema) -> str:
    """Say what a value may be at most, and what it is where it is left out."""
    schema = _single(schema)
    parts = []
    unnamed = len(schema.get("enum", ())) - OPTIONS_MAX
    if unnamed > 0:
        parts.append(f"and {unnamed} more")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None and high < 10**9:
        parts.append(f"{low} to {high}")
    elif low:
        parts.append(f"at least {low}")
    if "maxLength" in schema:
        parts.append(f"up to {schema['maxLength']:,} characters")
    if "maxItems" in schema:
        parts.append(f"up to {schema['maxItems']}")
    if "default" in schema:
        parts.append(f"default {_word(schema['default'])}")
    return ", ".join(parts)


def _within(
    schema: Schema, shared: Schema, apart: frozenset[str], above: str, depth: int
) -> Iterator[Shown]:
    needed = frozenset(schema.get("required", ()))
    for name, stated in schema.get("properties", {}).items():
        inner, path = _single(stated), f"{above}{name}"
        element = inner
        if inner.get("type") == "array":
            element, path = _single(inner.get("items", {})), f"{path}[]"
        reference = name_of(element)
        resolved = _resolved(element, shared)
        yield Shown(
            path=f"{above}{name}",
            kind=kind_of(stated if "$ref" not in stated else resolved),
            options=_options(element),
            limits=limits_of(stated),
            about=str(stated.get("description") or inner.get("description", "")),
            required=name in needed,
            refers_to=reference if reference in apart else "",
        )
        if reference not in apart and depth < DEPTH_MAX:
            yield from _within(resolved, shared, apart, f"{path}.", depth + 1)


def _resolved(schema: Schema, shared: Schema) -> Schema:
    """Follow a reference, and put together what `allOf` takes apart."""
    reference = name_of(schema)
    if reference:
        return _resolved(shared[reference], shared)
    if "allOf" not in schema:
        return schema
    properties: dict[str, Any] = {}
    needed: list[str] = []
    for part in (*(_resolved(each, shared) for each in schema["allOf"]), schema):
        properties |= part.get("properties", {})
        needed += part.get("required", ())
    return {"type": "object", "properties": properties, "required": needed}


def _single(schema: Schema) -> Schema:
    """Return what a value is when it is not null."""
    choices = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    return choices[0] if len(choices) == 1 else schema


def _options(schema: Schema) -> tuple[str, ...]:
    inner = _single(schema)
    options = [_word(option) for option in inner.get("enum", ())]
    return tuple(options[:OPTIONS_MAX])


def _word(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)
