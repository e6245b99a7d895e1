"""From TOML tables to fields and prices: the reading of a declaration, piece by piece."""

from typing import TypedDict

from kinetoscope.catalog.fields import Boolean, Choice, Field, Integer, Media, Number, Text
from kinetoscope.catalog.model import (
    PerEditedSecond,
    PerFootageSecond,
    PerImage,
    PerSecond,
    PerTask,
    PerToken,
    Price,
    Rates,
)
from kinetoscope.kernel.order import MediaKind
from kinetoscope.kernel.toml_tables import Table

UNMEASURED = {
    MediaKind.IMAGE: ("item_s_min", "item_s_max", "total_s_max", "total_with_output_s_max"),
    MediaKind.VIDEO: (),
    MediaKind.AUDIO: ("side_pixels_min", "side_pixels_max"),
}
"""Bounds on what media of a kind does not have."""


class Described(TypedDict):
    """What every field has, as keyword arguments of its class."""

    name: str
    title: str
    description: str
    aliases: tuple[str, ...]
    flags: tuple[str, ...]
    required: bool


def field_from(name: str, table: Table) -> Field:
    """Read `[inputs.<name>]`; raises DeclarationInvalid."""
    described = Described(
        name=name,
        title=table.text("title"),
        description=table.text("description"),
        aliases=table.texts("aliases", ()),
        flags=table.texts("flags", ()),
        required=table.boolean("required", default=False),
    )
    field = _typed_field(described, table)
    table.done()
    return field


def _typed_field(described: Described, table: Table) -> Field:
    match table.text("type"):
        case "text":
            return _text(described, table)
        case "integer":
            return _integer(described, table)
        case "number":
            return _number(described, table)
        case "boolean":
            return _boolean(described, table)
        case "choice":
            return _choice(described, table)
        case "media":
            return _media(described, table)
        case other:
            raise table.invalid("type", f"{other!r} is not a type of input")


def _text(described: Described, table: Table) -> Text:
    return Text(
        **described,
        length_max=table.positive("length_max"),
        cut=table.boolean("cut", default=False),
    )


def _integer(described: Described, table: Table) -> Integer:
    minimum, maximum = table.integer("minimum"), table.integer("maximum")
    if minimum > maximum:
        raise table.invalid("minimum", "is above the maximum")
    default = table.integer("default") if table.has("default") else None
    if default is not None and not minimum <= default <= maximum:
        raise table.invalid("default", "is out of range")
    return Integer(
        **described,
        minimum=minimum,
        maximum=maximum,
        default=default,
        suffix=table.text("suffix", ""),
        message=table.text("message", ""),
    )


def _number(described: Described, table: Table) -> Number:
    return Number(
        **described,
        options=table.numbers("options"),
    )


def _boolean(described: Described, table: Table) -> Boolean:
    return Boolean(
        **described,
        default=table.boolean("default") if table.has("default") else None,
    )


def _choice(described: Described, table: Table) -> Choice:
    options = table.texts("options")
    synonyms_table = table.table("synonyms")
    synonyms = {word: synonyms_table.text(word) for word in synonyms_table.names()}
    default = table.text("default") if table.has("default") else None
    otherwise = table.text("otherwise") if table.has("otherwise") else None
    chosen = {"default": default, "otherwise": otherwise}
    for key, word in chosen.items():
        if word is not None and word not in options:
            raise table.invalid(key, f"{word!r} is not one of the options")
    for key, word in synonyms.items():
        if word not in options or key in options:
            raise synonyms_table.invalid(key, f"{word!r} is not one of the options")
    return Choice(
        **described,
        options=options,
        default=default,
        synonyms=synonyms,
        otherwise=otherwise,
    )


def _media(described: Described, table: Table) -> Media:
    kind = table.text("kind")
    if kind not in {member.value for member in MediaKind}:
        raise table.invalid("kind", f"{kind!r} is not a kind of media")
    _require_sensible_bounds(table, MediaKind(kind))
    return Media(
        **described,
        kind=MediaKind(kind),
        items_max=table.positive("items_max"),
        dispensable=table.boolean("dispensable", default=False),
        item_s_min=_bound(table, "item_s_min"),
        item_s_max=_bound(table, "item_s_max"),
        total_s_max=_bound(table, "total_s_max"),
        total_with_output_s_max=_bound(table, "total_with_output_s_max"),
        side_pixels_min=_bound(table, "side_pixels_min"),
        side_pixels_max=_bound(table, "side_pixels_max"),
        never_alone=table.boolean("never_alone", default=False),
    )


def _require_sensible_bounds(table: Table, kind: MediaKind) -> None:
    """Refuse bounds that no file could keep, or that are of no use for this kind of media."""
    for least, most in (("item_s_min", "item_s_max"), ("side_pixels_min", "side_pixels_max")):
        lower, upper = _bound(table, least), _bound(table, most)
        if lower is not None and upper is not None and lower > upper:
            raise table.invalid(least, f"is above {most}")
    for key in UNMEASURED[kind]:
        if table.has(key):
            raise table.invalid(key, f"means nothing for media of the kind {kind}")


def _bound(table: Table, key: str) -> int | None:
    return table.positive(key) if table.has(key) else None


def price_from(table: Table, resolutions: tuple[str, ...], qualities: tuple[str, ...]) -> Price:
    """Read `[model.price]`; every resolution and quality on offer must have its rate.

    `resolutions` and `qualities` hold one empty word where the model has no such input.
    Raises DeclarationInvalid.
    """
    price = _typed_price(table, resolutions, qualities)
    table.done()
    return price


def _typed_price(table: Table, resolutions: tuple[str, ...], qualities: tuple[str, ...]) -> Price:
    match table.text("unit"):
        case "second":
            return PerSecond(
                rates=_rates(table, "rates", resolutions),
                rates_with_video=_optional_rates(table, "rates_with_video", resolutions),
                finer=_thousandths(table, "finer", resolutions),
            )
        case "image":
            return PerImage(rates=_image_rates(table, resolutions, qualities))
        case "task":
            return PerTask(price=table.price("price"))
        case "footage_second":
            return PerFootageSecond(
                rates=_optional_rates(table, "rates", resolutions),
                rates_with_video=_rates(table, "rates_with_video", resolutions),
                footage_max_s=table.positive("footage_max_s"),
            )
        case "edited_second":
            return PerEditedSecond(
                rates=_rates(table, "rates", resolutions),
                hold_s=table.positive("hold_s"),
                passes=table.positive("passes"),
                footage_max_s=table.positive("footage_max_s"),
            )
        case "token":
            return _token_price(table)
        case other:
            raise table.invalid("unit", f"{other!r} is not a unit of price")


def _token_price(table: Table) -> PerToken:
    return PerToken(
        precharge=table.price("precharge"),
        text_in=table.price("text_in"),
        image_in=table.price("image_in"),
        image_out=table.price("image_out"),
    )


def _image_rates(
    table: Table, resolutions: tuple[str, ...], qualities: tuple[str, ...]
) -> dict[str, Rates]:
    if qualities == ("",):
        return {"": _rates(table, "rates", resolutions)}
    by_quality = table.table("rates")
    rates = {quality: _rates(by_quality, quality, resolutions) for quality in qualities}
    by_quality.done()
    return rates


def _rates(table: Table, key: str, resolutions: tuple[str, ...]) -> Rates:
    if resolutions == ("",):
        return {"": table.price(key)}
    by_resolution = table.table(key)
    rates = {resolution: by_resolution.price(resolution) for resolution in resolutions}
    by_resolution.done()
    return rates


def _thousandths(table: Table, key: str, resolutions: tuple[str, ...]) -> dict[str, int]:
    by_resolution = table.table(key)
    finer = {
        resolution: by_resolution.positive(resolution)
        for resolution in resolutions
        if by_resolution.has(resolution)
    }
    by_resolution.done()
    return finer


def _optional_rates(table: Table, key: str, resolutions: tuple[str, ...]) -> Rates:
    return _rates(table, key, resolutions) if table.has(key) else {}
