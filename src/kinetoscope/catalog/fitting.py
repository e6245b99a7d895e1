"""Whether the parts of one declaration fit each other: what no single key of it can show."""

from typing import assert_never

from kinetoscope.catalog.fields import Boolean, Choice, Declared, Integer, Text
from kinetoscope.catalog.model import (
    Model,
    PerEditedSecond,
    PerFootageSecond,
    PerImage,
    PerSecond,
    PerTask,
    PerToken,
    Roles,
)
from kinetoscope.kernel.order import MediaKind
from kinetoscope.kernel.toml_tables import Table

FILE_FORMATS = {
    MediaKind.VIDEO: frozenset({"mp4", "mov"}),
    MediaKind.IMAGE: frozenset({"png", "jpeg", "webp"}),
    MediaKind.AUDIO: frozenset({"wav"}),
}
"""What can be made of each kind."""

_TYPES: dict[str, type[Declared]] = {
    "prompt": Text,
    "duration": Integer,
    "seed": Integer,
    "outputResolution": Choice,
    "resolution": Choice,
    "aspectRatio": Choice,
    "output_format": Choice,
    "outputFormat": Choice,
    "generate_audio": Boolean,
    "audio": Boolean,
    "mode": Choice,
}
"""Inputs whose names mean something to an order."""


def check_whole(model: Model, table: Table) -> None:
    """Refuse a model whose parts do not fit; raises DeclarationInvalid."""
    _check_names(model, table)
    _check_media(model, table)
    _check_output(model, table)
    for name in _priced_by(model):
        _check_always_there(model, table, name)


def _check_names(model: Model, table: Table) -> None:
    for name, field in model.fields_by_name.items():
        if not isinstance(field, _TYPES.get(name, Declared)):
            raise table.invalid(f"inputs.{name}.type", f"must be {_TYPES[name].__name__.lower()}")
    if "prompt" not in model.fields_by_name:
        raise table.invalid("inputs.prompt", "is missing")
    for name in model.refuses:
        if name in model.fields_by_name:
            raise table.invalid("refuses", f"{name!r} is an input of the model")


def _check_media(model: Model, table: Table) -> None:
    kinds = [field.kind for field in model.media]
    if len(set(kinds)) < len(kinds):
        raise table.invalid("inputs", "two inputs take the same kind of media")
    required = {field.kind for field in model.media if field.required}
    if model.roles is Roles.SOURCE and MediaKind.VIDEO not in required:
        raise table.invalid("roles", "a source needs a required input of videos")


def _check_output(model: Model, table: Table) -> None:
    if not model.sizes and model.kind is not MediaKind.AUDIO:
        raise table.invalid("sizes", "is missing")
    field = model.fields_by_name.get(model.format_name)
    unknown = set(field.options) - FILE_FORMATS[model.kind] if isinstance(field, Choice) else None
    if unknown:
        raise table.invalid(f"inputs.{model.format_name}", f"cannot be made: {sorted(unknown)}")


def _priced_by(model: Model) -> tuple[str, ...]:
    """Return the inputs that must have a value for every order to have a price and a size."""
    resolution = (model.resolution_name,) if model.resolution_name else ()
    match model.price:
        case PerSecond():
            return ("duration", *resolution)
        case PerFootageSecond(rates=rates):
            if not rates and model.roles is not Roles.SOURCE:
                return ("videoUrls", "duration", *resolution)
            return ("duration", *resolution)
        case PerImage(rates=rates) if "" not in rates:
            return ("quality", *resolution)
        case PerImage() | PerTask() | PerEditedSecond() | PerToken():
            return resolution
        case _:
            assert_never(model.price)


def _check_always_there(model: Model, table: Table, name: str) -> None:
    field = model.fields_by_name.get(name)
    if field is None or not (field.required or name in model.defaults):
        raise table.invalid(f"inputs.{name}", "sets the price, so it must be required or defaulted")
    if isinstance(field, Integer) and field.minimum < 1:
        raise table.invalid(f"inputs.{name}.minimum", "sets the price, so it must be at least 1")
