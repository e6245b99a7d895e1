"""A model's declaration as a form, and what was filled in as inputs. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol, assert_never

from kinetoscope.catalog.fields import Boolean, Choice, Field, Integer, Media, Number, Text
from kinetoscope.catalog.model import Follows, Model
from kinetoscope.kernel.order import JSON

Kind = Literal["text", "segments", "select", "slider", "number", "switch", "media"]

SEGMENTS_MAX = 6
SEGMENT_LETTERS_MAX = 34
"""What fits side by side on a phone."""

SLIDER_STEPS_MAX = 120

WHOLE = re.compile(r"-?[0-9]{1,15}")
DECIMAL = re.compile(r"-?[0-9]{1,10}(\.[0-9]{1,6})?")

OFF, ON = "false", "true"

PROMPT = "prompt"
ASPECT = "aspectRatio"
SEED = "seed"

LATER = frozenset({SEED})
"""What most people never touch, beside everything that has no default."""


class Filled(Protocol):
    """What was filled in, by the names of fields."""

    def __getitem__(self, name: str) -> str:
        """Return a field's value, or nothing."""

    def __contains__(self, name: object) -> bool:
        """Whether a field was there at all."""

    def all(self, name: str) -> list[str]:
        """Return all values of a field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One thing to fill in. `none` is what an option that leaves the input out is called."""

    kind: Kind
    name: str
    label: str
    help: str
    required: bool
    value: str
    is_later: bool
    options: tuple[str, ...] = ()
    none: str = ""
    minimum: int = 0
    maximum: int = 0
    unit: str = ""
    length_max: int = 0
    media: str = ""
    items: tuple[str, ...] = ()
    items_max: int = 0


def controls(model: Model, filled: Filled) -> tuple[Control, ...]:
    """Return a model's form with what is filled in: the prompt first, then media, then the rest."""
    made = [_control(model, field, filled) for field in model.fields]
    return tuple(sorted(made, key=_rank))


def _rank(control: Control) -> int:
    if control.name == PROMPT:
        return 0
    return 1 if control.kind == "media" else 2


def _control(model: Model, field: Field, filled: Filled) -> Control:
    value = filled[field.name] if field.name in filled else None  # noqa: SIM401 - no mapping
    blank = Control(
        kind="text",
        name=field.name,
        label=field.title,
        help=field.description,
        required=field.required,
        value=value or "",
        is_later=field.name != PROMPT,
    )
    match field:
        case Text():
            return replace(blank, length_max=field.length_max)
        case Choice():
            return _choice(model, field, value, blank)
        case Number():
            return replace(
                blank,
                kind="segments" if _fits(_words(field)) else "select",
                is_later=not field.required,
                options=_words(field),
                none="" if field.required else "as the model likes",
            )
        case Integer():
            return _integer(field, value, blank)
        case Boolean():
            # A switch that is on says both, as the form has it: off first, then on.
            is_on = ON in filled.all(field.name) if value else bool(field.default)
            shown = ON if is_on else OFF
            return replace(blank, kind="switch", value=shown, is_later=field.default is None)
        case Media():
            return replace(
                blank,
                kind="media",
                is_later=False,
                media=field.kind.value,
                items=tuple(filled.all(field.name)[: field.items_max]),
                items_max=field.items_max,
            )
        case _:
            assert_never(field)


def _choice(model: Model, field: Choice, value: str | None, blank: Control) -> Control:
    default = "" if _is_open(model, field) else field.default or ""
    chosen = value if value in field.options or value == "" else default
    has_none = default == "" and not field.required
    return replace(
        blank,
        kind="segments" if _fits((*field.options, "auto" if has_none else "")) else "select",
        value=chosen or "",
        is_later=field.default is None and not field.required,
        options=field.options,
        none="auto" if has_none else "",
    )


def _is_open(model: Model, field: Choice) -> bool:
    """Whether leaving an input out is not the same as its default: it then follows the media."""
    return field.name == ASPECT and bool(model.media) and model.follows is not Follows.WHEN_ASKED


def _integer(field: Integer, value: str | None, blank: Control) -> Control:
    start = field.default
    if start is None and field.required:
        start = max(field.minimum, min(5, field.maximum))
    is_slider = start is not None and field.maximum - field.minimum <= SLIDER_STEPS_MAX
    shown = str(start) if value is None and start is not None else value or ""
    if is_slider and not WHOLE.fullmatch(shown):
        shown = str(start)
    return replace(
        blank,
        kind="slider" if is_slider else "number",
        value=shown,
        is_later=field.name in LATER or start is None,
        minimum=field.minimum,
        maximum=field.maximum,
        unit=field.suffix,
    )


def _words(field: Number) -> tuple[str, ...]:
    return tuple(f"{option:g}" for option in field.options)


def _fits(options: tuple[str, ...]) -> bool:
    return len(options) <= SEGMENTS_MAX and sum(map(len, options)) <= SEGMENT_LETTERS_MAX


def inputs_of(model: Model, filled: Filled) -> dict[str, JSON]:
    """Return what was filled in as the inputs of an order.

    What cannot be read as the field's kind stays text, so that the catalog's check names it. Words
    that are the default are left out, and so is everything empty.
    """
    inputs: dict[str, JSON] = {}
    for field in model.fields:
        value = _input(model, field, filled)
        if value is not None:
            inputs[field.name] = value
    return inputs


def _input(model: Model, field: Field, filled: Filled) -> JSON:
    text = filled[field.name].strip()
    value: JSON = text or None
    match field:
        case Media():
            value = list(filled.all(field.name)) or None
        case Boolean():
            is_on = ON in filled.all(field.name)
            is_default = is_on is (field.default or False)
            value = None if is_default or field.name not in filled else is_on
        case Integer():
            value = int(text) if WHOLE.fullmatch(text) else value
        case Number():
            value = float(text) if DECIMAL.fullmatch(text) else value
        case Choice():
            is_default = text == (field.default or "") and not _is_open(model, field)
            value = None if is_default else value
        case Text():
            pass
        case _:
            assert_never(field)
    return value


class Prefilled:
    """Values from an address's query or an earlier task, read as a form that was filled in."""

    def __init__(self, stated: Mapping[str, list[str]]) -> None:
        self.stated = stated

    def __getitem__(self, name: str) -> str:
        """Return a field's value, or nothing."""
        return next(iter(self.stated.get(name, [])), "")

    def __contains__(self, name: object) -> bool:
        return name in self.stated

    def all(self, name: str) -> list[str]:
        """Return all values of a field, without empty ones."""
        return [value for value in self.stated.get(name, []) if value]


def from_inputs(inputs: Mapping[str, JSON]) -> Prefilled:
    """Return an earlier task's inputs as a form that was filled in."""
    stated: dict[str, list[str]] = {}
    for name, value in inputs.items():
        values = value if isinstance(value, list) else [value]
        stated[name] = [_text(each) for each in values if each is not None]
    return Prefilled(stated)


def _text(value: JSON) -> str:
    if isinstance(value, bool):
        return ON if value else OFF
    return f"{value:g}" if isinstance(value, float) else str(value)
