"""Whatever JSON arrives: an order with a price, or issues; never anything else."""

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from kinetoscope.catalog import price, spec
from kinetoscope.catalog.check import check
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.schema import json_schema
from kinetoscope.kernel.errors import InvalidInputs
from kinetoscope.kernel.order import JSON, MediaKind, Order, Usage

CATALOG = spec.builtin()
MODELS = st.sampled_from(CATALOG.models)
SCHEMAS = {model.id: json_schema(model) for model in CATALOG.models}

STRANGE_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | STRANGE_TEXT
    | st.sampled_from(["5s", "4k", "720p", "16:9", "1280x720", "auto", "-1", "", "\0", "\ud800"])
)
URLS = st.sampled_from(
    [
        "https://example.com/a.png",
        "https://example.com/a.mp4",
        "https://example.com/a.mp3",
        "https://example.com/a",
        "https://example.com/a.gif",
        "data:image/png;base64,AAAA",
        "data:video/mp4;base64,AAAA",
        "ftp://example.com",
        "http://[::1",
    ]
)
ANYTHING = st.recursive(
    SCALARS | URLS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRANGE_TEXT, inner, max_size=4),
    max_leaves=10,
)
NAMES = sorted(
    {"autoFix", "nonsense"}
    | {name for model in CATALOG.models for name in model.fields_by_name}
    | {name for model in CATALOG.models for name in model.names_by_alias}
)
WORDS = sorted(
    {option for model in CATALOG.models for option in model.sizes}
    | {ratio for model in CATALOG.models for ratios in model.sizes.values() for ratio in ratios}
    | {"auto", "adaptive", "keyframe", "reference", "png", "jpeg", "mov", "high", "low", "raw"}
)
LIKELY = st.one_of(
    st.sampled_from(WORDS),
    st.integers(-1, 40),
    st.booleans(),
    st.sampled_from([0.25, 0.5, 1, 5.0, "5s"]),
    st.lists(URLS, max_size=12),
)
INPUTS = st.dictionaries(st.sampled_from(NAMES), LIKELY | ANYTHING, max_size=8)
PROMPTS = st.sampled_from(["a boat", "a boat --ar 16:9 --seed 5 --no x", "ü" * 40])


def fits(schema: JSON, value: JSON) -> bool:
    """Tell whether the value satisfies the part of JSON Schema our schemas use."""
    assert isinstance(schema, dict)
    known = schema.get("enum", [value])
    assert isinstance(known, list)
    match schema["type"]:
        case "object":
            right = isinstance(value, dict) and members_fit(schema, value)
        case "array":
            right = isinstance(value, list) and items_fit(schema, value)
        case "boolean":
            right = type(value) is bool
        case "integer":
            right = type(value) is int and range_fits(schema, value)
        case "number":
            right = type(value) in {int, float}
        case _:
            right = isinstance(value, str) and length_fits(schema, value)
    return right and value in known


def members_fit(schema: dict[str, JSON], value: dict[str, JSON]) -> bool:
    required, properties = schema["required"], schema["properties"]
    assert isinstance(required, list)
    assert isinstance(properties, dict)
    there = all(name in value for name in required)
    return there and all(fits(properties[name], item) for name, item in value.items())


def items_fit(schema: dict[str, JSON], value: list[JSON]) -> bool:
    least, most = schema["minItems"], schema["maxItems"]
    assert isinstance(least, int)
    assert isinstance(most, int)
    return least <= len(value) <= most and all(fits(schema["items"], item) for item in value)


def range_fits(schema: dict[str, JSON], value: int) -> bool:
    minimum, maximum = schema["minimum"], schema["maximum"]
    assert isinstance(minimum, int)
    assert isinstance(maximum, int)
    return minimum <= value <= maximum


def length_fits(schema: dict[str, JSON], value: str) -> bool:
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 10**9)
    assert isinstance(shortest, int)
    assert isinstance(longest, int)
    return shortest <= len(value) <= longest


def is_whole(model: Model, order: Order) -> None:
    """Assert everything an order promises."""
    assert order.model == model.id
    json.dumps(dict(order.inputs), allow_nan=False, ensure_ascii=False).encode()
    assert "\\u0000" not in json.dumps(dict(order.inputs))
    assert fits(SCHEMAS[model.id], dict(order.inputs)), order.inputs
    assert order.prompt == order.inputs["prompt"]
    assert order.size is None or order.size in order.sizes
    assert bool(order.sizes) == (order.kind is not MediaKind.AUDIO)
    if order.size is None and order.sizes:
        assert order.references[0].kind is not MediaKind.AUDIO
    held = price.hold(model, order)
    assert held > 0
    for usage in (Usage(), Usage(reference_video_s=7, tokens_image_out=1234)):
        assert price.settle(model, order, usage, price.hold(model, order)) > 0
    assert check(model, dict(order.inputs)) == order


def tried(model: Model, inputs: object, *, auto_fix: bool = False) -> Order | None:
    try:
        return check(model, inputs, auto_fix=auto_fix)
    except InvalidInputs as refused:
        issues = refused.issues
    assert issues
    for issue in issues:
        issue.message.encode()
        assert len(issue.message) < 400
        assert "\0" not in issue.message
        assert all(type(part) in {str, int} for part in issue.path)
        "".join(str(part) for part in issue.path).encode()
    return None


@settings(max_examples=400, deadline=None)
@given(model=MODELS, inputs=ANYTHING | st.dictionaries(st.sampled_from(NAMES), ANYTHING))
def test_any_json_is_an_order_or_issues(model: Model, inputs: object):
    order = tried(model, inputs)
    if order is not None:
        is_whole(model, order)


@settings(max_examples=600, deadline=None)
@given(model=MODELS, inputs=INPUTS, prompt=PROMPTS, fix=st.sampled_from(["yes", "no"]))
def test_likely_inputs_are_an_order_or_issues(
    model: Model, inputs: dict[str, object], prompt: str, fix: str
):
    order = tried(model, {"prompt": prompt} | inputs, auto_fix=fix == "yes")
    if order is not None:
        is_whole(model, order)


def valid(model: Model) -> st.SearchStrategy[dict[str, JSON]]:
    """Return inputs the schema of the model allows."""
    properties = SCHEMAS[model.id]["properties"]
    assert isinstance(properties, dict)
    strategies = {name: value_of(schema) for name, schema in properties.items()}
    needed = {"prompt": PROMPTS} | {field.name: strategies[field.name] for field in model.required}
    needed["prompt"] = PROMPTS
    optional = {name: each for name, each in strategies.items() if name not in needed}
    return st.fixed_dictionaries(needed, optional=optional)


def value_of(schema: JSON) -> st.SearchStrategy[JSON]:
    assert isinstance(schema, dict)
    if isinstance(schema.get("enum"), list):
        options = schema["enum"]
        assert isinstance(options, list)
        return st.sampled_from(options)
    match schema:
        case {"type": "integer", "minimum": int(minimum), "maximum": int(maximum)}:
            return st.integers(minimum, maximum)
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "array", "maxItems": int(most), "minItems": int(least)}:
            url = f"https://example.com/{schema['x-media']}"
            return st.integers(least, most).map(lambda count: [url] * count)
        case _:
            return st.just("a word")


@settings(max_examples=400, deadline=None)
@given(data=st.data(), model=MODELS)
def test_what_the_schema_allows_is_accepted(data: st.DataObject, model: Model):
    inputs = data.draw(valid(model))
    order = tried(model, inputs)
    clash = inputs.get("background") == "transparent" and inputs.get("outputFormat") == "jpeg"
    assert (order is None) == clash
    if order is not None:
        is_whole(model, order)


@settings(max_examples=200, deadline=None)
@given(value=st.floats() | st.integers())
def test_a_duration_is_a_whole_number_in_range_or_refused(value: float):
    model = CATALOG.find("seedance-20")
    order = tried(model, {"prompt": "x", "duration": value})
    whole = math.isfinite(value) and value == int(value) and 4 <= value <= 15
    assert (order is not None) == whole
