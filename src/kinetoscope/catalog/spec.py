"""The catalog: every model declared in a folder of TOML files, loaded once and checked strictly."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from kinetoscope.catalog.declare import field_from, price_from
from kinetoscope.catalog.fields import Boolean, Choice, Field, Integer, Media, Number, Text
from kinetoscope.catalog.fitting import FILE_FORMATS, check_whole
from kinetoscope.catalog.model import FOLLOW_WORDS, Follows, Model, Roles
from kinetoscope.kernel.errors import UnknownModel
from kinetoscope.kernel.order import JSON, MediaKind, Size
from kinetoscope.kernel.toml_files import parse
from kinetoscope.kernel.toml_tables import DeclarationInvalid, Table

RATIO = re.compile(r"[1-9][0-9]?:[1-9][0-9]?")

Sizes = dict[str, dict[str, Size]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Every model on offer."""

    models: tuple[Model, ...]
    models_by_id: Mapping[str, Model]

    def find(self, model_id: str) -> Model:
        """Return the model with exactly this id; raises UnknownModel."""
        model = self.models_by_id.get(model_id)
        if model is None:
            raise UnknownModel("Unknown model")
        return model


@cache
def builtin() -> Catalog:
    """Return the catalog that comes with the package; read once per process."""
    return load(files("kinetoscope.catalog") / "models")


def load(folder: Path | Traversable) -> Catalog:
    """Read every `*.toml` of a folder, in the order of their names; raises DeclarationInvalid.

    The README.md of `models/` explains what a file looks like.
    """
    models: dict[str, Model] = {}
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".toml"):
            continue
        text = file.read_text(encoding="utf-8")
        for place, model in enumerate(models_from(parse(file.name, text), text)):
            if model.id in models:
                raise declared_twice(file.name, model.id, place)
            models[model.id] = model
    return catalog_of(models)


def catalog_of(models: Mapping[str, Model]) -> Catalog:
    """Return a catalog of models by their ids."""
    return Catalog(models=tuple(models.values()), models_by_id=models)


def declared_twice(file: str, model_id: str, place: int, where: str = "") -> DeclarationInvalid:
    """Return the error of a file whose model of this place has been declared before."""
    path = ("model", place, "id")
    return DeclarationInvalid(file, f"model[{model_id}].id", f"is declared twice{where}", path=path)


def models_from(family: Table, text: str) -> list[Model]:
    """Read a family of models; raises DeclarationInvalid."""
    shared = _fields_from(family.table("inputs"))
    sizes = _sizes_from(family.table("sizes"))
    tables = family.tables("model")
    kind = family.text("kind")
    if kind not in FILE_FORMATS:
        raise family.invalid("kind", f"{kind!r} is not a kind of media")
    version = hashlib.sha256(text.encode()).hexdigest()[:16]
    models = [
        replace(_model_from(table, family, shared, sizes), version=version) for table in tables
    ]
    family.done()
    return models


def _fields_from(table: Table) -> dict[str, Field]:
    return {name: field_from(name, table.table(name)) for name in table.names()}


def _sizes_from(table: Table) -> Sizes:
    sizes: Sizes = {}
    for resolution in table.names():
        ratios = table.table(resolution)
        sizes[resolution] = {}
        for ratio in ratios.names():
            if not RATIO.fullmatch(ratio):
                raise ratios.invalid(ratio, "is no aspect ratio such as 16:9")
            width, height = ratios.size(ratio)
            sizes[resolution][ratio] = Size(width=width, height=height)
    return sizes


def _model_from(table: Table, family: Table, shared: dict[str, Field], sizes: Sizes) -> Model:
    """Build one model: the inputs of its family, with its own in the place of those of one name."""
    fields = shared | _fields_from(table.table("inputs"))
    kind = MediaKind(family.text("kind"))
    resolution_name = _first_of(fields, "outputResolution", "resolution")
    format_name = _first_of(fields, "output_format", "outputFormat")
    resolutions = options(fields, resolution_name)
    follows = _follows(table, family)
    chosen_sizes = _chosen_sizes(table, fields, resolutions, sizes)
    model = Model(
        id=table.text("id"),
        version="",
        title=table.text("title"),
        kind=kind,
        family=family.text("family"),
        description=table.text("description"),
        examples=table.texts("examples"),
        known_as=table.texts("known_as", ()),
        fields=tuple(fields.values()),
        refuses=table.texts("refuses", ()),
        roles=_roles(table, family),
        follows=follows,
        shape=_shape(family, chosen_sizes),
        sizes=chosen_sizes,
        file_format=_file_format(family, kind),
        count=table.positive("count", 1),
        price=price_from(table.table("price"), resolutions, options(fields, "quality")),
        fields_by_name=fields,
        names_by_alias=_names_by_alias(table, fields),
        names_by_flag={flag: field.name for field in fields.values() for flag in field.flags},
        required=tuple(field for field in fields.values() if field.required),
        media=tuple(field for field in fields.values() if isinstance(field, Media)),
        defaults=_defaults(fields, follows),
        size_lists={word: tuple(ratios.values()) for word, ratios in chosen_sizes.items()},
        resolution_name=resolution_name,
        format_name=format_name,
        audio_name=_first_of(fields, "generate_audio", "audio"),
    )
    table.done()
    check_whole(model, table)
    return model


def _first_of(fields: Mapping[str, Field], *names: str) -> str:
    return next((name for name in names if name in fields), "")


def options(fields: Mapping[str, Field], name: str) -> tuple[str, ...]:
    """Return the words of a choice; one empty word where there is no such choice."""
    field = fields.get(name)
    return field.options if isinstance(field, Choice) else ("",)


def _chosen_sizes(
    table: Table, fields: Mapping[str, Field], resolutions: tuple[str, ...], sizes: Sizes
) -> Sizes:
    """Return the part of the family's size table that the model's inputs can reach."""
    if not sizes:
        return {}
    tables = sizes if resolutions != ("",) else {"": next(iter(sizes.values()))}
    ratios = [word for word in options(fields, "aspectRatio") if word not in FOLLOW_WORDS]
    chosen: Sizes = {}
    for resolution in resolutions:
        available = tables.get(resolution, {})
        wanted = ratios if ratios != [""] else list(available)
        missing = [ratio for ratio in wanted if ratio not in available]
        if missing or not wanted:
            raise table.invalid("sizes", f"no size at {resolution!r} for {missing}")
        chosen[resolution] = {ratio: available[ratio] for ratio in wanted}
    return chosen


def _shape(family: Table, sizes: Sizes) -> str:
    if not sizes:
        return ""
    shape = family.text("shape")
    if any(shape not in ratios for ratios in sizes.values()):
        raise family.invalid("shape", f"{shape!r} has no size")
    return shape


def _file_format(family: Table, kind: MediaKind) -> str:
    word = family.text("file_format")
    if word not in FILE_FORMATS[kind]:
        raise family.invalid("file_format", f"{word!r} is no {kind} format")
    return word


def _roles(table: Table, family: Table) -> Roles:
    word = table.text("roles", family.text("roles", Roles.REFERENCES))
    if word not in {member.value for member in Roles}:
        raise table.invalid("roles", f"{word!r} is not a rule for references")
    return Roles(word)


def _follows(table: Table, family: Table) -> Follows:
    word = table.text("follows", family.text("follows", Follows.WHEN_ASKED))
    if word not in {member.value for member in Follows}:
        raise table.invalid("follows", f"{word!r} is not a rule for shapes")
    return Follows(word)


def _names_by_alias(table: Table, fields: Mapping[str, Field]) -> dict[str, tuple[str, ...]]:
    """Return which inputs an older name stands for: several, for a list of mixed media."""
    names: dict[str, tuple[str, ...]] = {}
    for field in fields.values():
        for alias in field.aliases:
            if alias in fields:
                raise table.invalid(f"inputs.{field.name}.aliases", f"{alias!r} is a current name")
            names[alias] = (*names.get(alias, ()), field.name)
    for alias, targets in names.items():
        if len(targets) > 1 and not all(isinstance(fields[name], Media) for name in targets):
            raise table.invalid(f"inputs.{targets[1]}.aliases", f"{alias!r} stands for two inputs")
    return names


def _defaults(fields: Mapping[str, Field], follows: Follows) -> dict[str, JSON]:
    """Return what is always filled in; not an aspect ratio that depends on the media."""
    fixed = follows is Follows.WHEN_ASKED
    defaults: dict[str, JSON] = {}
    for field in fields.values():
        match field:
            case Integer() | Boolean() | Choice():
                if field.default is not None and (fixed or field.name != "aspectRatio"):
                    defaults[field.name] = field.default
            case Text() | Number() | Media():
                pass
    return defaults
