"""What a client asks for in creating a prediction: its body and the headers that count.

https://replicate.com/docs/reference/http#predictions.create
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from kinetoscope.api.body import invalid, issue
from kinetoscope.catalog.fields import Choice
from kinetoscope.catalog.model import FOLLOW_WORDS, Model
from kinetoscope.dialects.inputs import fit, refused
from kinetoscope.dialects.sizes import agreed, sized
from kinetoscope.kernel.errors import InputIssue
from kinetoscope.kernel.order import Size
from kinetoscope.tasks.request import Patience

EVENTS = ("start", "output", "logs", "completed")

WAIT = re.compile(r"\bwait(?:\s*=\s*\"?([0-9]{1,6}))?", re.IGNORECASE)
HOLD_S_MAX = 60
HELD = 0.95
"""The part of the time that is waited: clients give up half a second behind the whole of it."""

DURATION = re.compile(r"(?:([0-9]{1,4})d)?(?:([0-9]{1,5})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,7})s?)?")
CANCEL_AFTER_MIN = timedelta(seconds=5)
CANCEL_AFTER_MAX = timedelta(days=30)

PIXELS = re.compile(r"([0-9]{2,5})\s*[xX*×]\s*([0-9]{2,5})")  # noqa: RUF001 - as some write it

AS_IMAGE = "match_input_image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for, whatever the model.

    `hold_s` is how long to wait for the end before answering; None is not at all.
    """

    inputs: Mapping[str, object]
    webhook: str | None
    events: tuple[str, ...]
    patience: Patience
    hold_s: float | None


def read(stated: Mapping[str, Any], headers: Mapping[str, str]) -> Asked:
    """Read a request for a prediction; raises InvalidRequest that names all that is wrong."""
    given = stated.get("input")
    webhook, events = stated.get("webhook"), stated.get("webhook_events_filter")
    if webhook is None and stated.get("webhook_completed") is not None:
        # How the filter was said before there was one.
        webhook, events = stated["webhook_completed"], ["completed"]
    issues: list[InputIssue] = []
    if not isinstance(given, dict):
        issues.append(issue("required", "input is required: an object", "input"))
    events = list(EVENTS) if events is None or events == [] else events
    if not isinstance(events, list) or any(event not in EVENTS for event in events):
        text = f"Expected a list of {', '.join(EVENTS)}"
        issues.append(issue("invalid_value", text, "webhook_events_filter"))
        events = []
    end = _duration(headers.get("cancel-after"), issues)
    if issues:
        raise invalid(*issues)
    return Asked(
        inputs=given if isinstance(given, dict) else {},
        webhook=webhook,
        events=tuple(dict.fromkeys(events)),
        patience=Patience(end=end),
        hold_s=hold_s(headers.get("prefer", "")),
    )


def hold_s(prefer: str) -> float | None:
    """Return how long `Prefer: wait` or `wait=5` waits, from 1 s to 60; None without it.

    What a client prefers and we do not understand is no error (RFC 7240 §2).
    """
    match = WAIT.search(prefer)
    if match is None:
        return None
    return HELD * min(max(int(match[1] or HOLD_S_MAX), 1), HOLD_S_MAX)


def _duration(stated: str | None, issues: list[InputIssue]) -> timedelta | None:
    """Read `Cancel-After`: `90`, `15s`, `1m`, `1h30m45s`."""
    if stated is None:
        return None
    text = stated.strip().lower()
    match = DURATION.fullmatch(text)
    if match is not None and text:
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        found = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if CANCEL_AFTER_MIN <= found <= CANCEL_AFTER_MAX:
            return found
    text = "Expected a duration such as 15s, 1m or 1h30m, from 5s to 30 days"
    issues.append(issue("invalid_value", text, "Cancel-After"))
    return None


def inputs_of(model: Model, given: Mapping[str, object]) -> dict[str, object]:
    """Return a prediction's inputs under the names that a model has for them.

    Raises InvalidInputs for what would change the result, and a model has no input for.
    """
    inputs = {name: value for name, value in given.items() if value is not None}
    if "no" in model.fields_by_name and "negative_prompt" in inputs:
        inputs.setdefault("no", inputs.pop("negative_prompt"))
    by = "size" if "size" in inputs else "width"
    chosen = _size_of(model, inputs)
    _set_format(model, inputs)
    _follow_image(model, inputs)
    if isinstance(inputs.get("resolution"), str) and "resolution" in model.fields_by_name:
        inputs["resolution"] = str(inputs["resolution"]).lower().replace(" ", "")
    return agreed(model, chosen, fit(model, inputs), by)


def _size_of(model: Model, inputs: dict[str, object]) -> dict[str, object]:
    """Take a size in pixels out of the inputs; return the inputs that give it."""
    size = inputs.get("size")
    match = PIXELS.fullmatch(size.strip()) if isinstance(size, str) else None
    if match is not None:
        del inputs["size"]
        return sized(model, Size(width=int(match[1]), height=int(match[2])), "size")
    sides = [name for name in ("width", "height") if name in inputs]
    if not sides or not model.sizes:
        return {}
    values = [inputs.pop(name) for name in sides]
    if len(values) != len(("width", "height")):
        raise refused(sides[0], "Expected a width and a height")
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        raise refused(sides[0], "Expected whole pixels")
    width, height = (int(str(value)) for value in values)
    return sized(model, Size(width=width, height=height), sides[0])


def _follow_image(model: Model, inputs: dict[str, object]) -> None:
    """Say `match_input_image` as the model does; one with no word for it will name those it has."""
    field = model.fields_by_name.get("aspectRatio")
    if inputs.get("aspect_ratio") != AS_IMAGE or not isinstance(field, Choice):
        return
    word = next((option for option in field.options if option in FOLLOW_WORDS), None)
    if word is not None:
        inputs["aspect_ratio"] = word


def _set_format(model: Model, inputs: dict[str, object]) -> None:
    """Say `jpg` as the model does, and refuse a format that it does not make."""
    stated = inputs.pop("output_format", inputs.pop("outputFormat", None))
    if not isinstance(stated, str):
        if stated is not None:
            raise refused("output_format", "Expected the name of a format")
        return
    word = {"jpg": "jpeg"}.get(stated.lower(), stated.lower())
    field = model.fields_by_name.get(model.format_name)
    offered = field.options if isinstance(field, Choice) else (model.file_format,)
    if word not in offered:
        raise refused("output_format", f"{model.id} makes {' or '.join(offered)}")
    if isinstance(field, Choice):
        inputs[field.name] = word
