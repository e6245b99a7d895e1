"""The operator's own models and prices: files in a folder, laid over the built-in catalog.

A file either declares models as the built-in ones do, or lists prices of models there are. A bad
file is refused whole and named; the others go on.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from kinetoscope.catalog.declare import price_from
from kinetoscope.catalog.fitting import check_whole
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.spec import (
    Catalog,
    builtin,
    catalog_of,
    declared_twice,
    models_from,
    options,
)
from kinetoscope.kernel.toml_files import Problem, Source, each, sources
from kinetoscope.kernel.toml_tables import DeclarationInvalid, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Every model on offer, and what is wrong with files that are not used."""

    catalog: Catalog
    problems: tuple[Problem, ...]


def load_with(folder: Path | None) -> Loaded:
    """Return the built-in catalog with the operator's files laid over it.

    A model with a built-in one's id takes its place, and so does a price; neither may be
    declared by two of the operator's own files. Never raises for what a file says.
    """
    if folder is None:
        return Loaded(catalog=builtin(), problems=())
    found, unreadable = sources(folder)
    tables, no_toml = each(found, Source.table)
    laid = _Laid(dict(builtin().models_by_id))
    families = [source for source, table in tables.items() if not table.has("price")]
    lists = [source for source, table in tables.items() if table.has("price")]
    _, bad_families = each(families, lambda source: laid.family(tables[source], source))
    _, bad_prices = each(lists, lambda source: laid.prices(tables[source], source))
    problems = (*unreadable, *no_toml, *bad_families, *bad_prices)
    return Loaded(
        catalog=catalog_of(laid.models),
        problems=tuple(sorted(problems, key=lambda problem: (problem.file, problem.line))),
    )


class _Laid:
    """The models so far, and which of the operator's files declared which of them."""

    def __init__(self, models: dict[str, Model]) -> None:
        self.models = models
        self.file_of_model: dict[str, str] = {}
        self.file_of_price: dict[str, str] = {}

    def family(self, table: Table, source: Source) -> None:
        """Take the models of a file, all or none."""
        name = source.path.name
        files = dict(self.file_of_model)
        models = models_from(table, source.text)
        for place, model in enumerate(models):
            if model.id in files:
                raise declared_twice(name, model.id, place, _elsewhere(files[model.id], name))
            files[model.id] = name
        self.file_of_model = files
        self.models |= {model.id: model for model in models}

    def prices(self, table: Table, source: Source) -> None:
        """Take the prices of a file, all or none."""
        name = source.path.name
        files = dict(self.file_of_price)
        priced: dict[str, Model] = {}
        for price in table.tables("price", "model"):
            model_id = price.text("model")
            if model_id not in self.models:
                raise price.invalid("model", f"there is no model {model_id!r}")
            if model_id in files:
                where = _elsewhere(files[model_id], name)
                raise price.invalid("model", f"is priced twice{where}")
            files[model_id] = name
            priced[model_id] = _repriced(self.models[model_id], price, source.text)
        table.done()
        self.file_of_price = files
        self.models |= priced


def _elsewhere(other: str, file: str) -> str:
    return "" if other == file else f", in {other} before"


def _repriced(model: Model, table: Table, text: str) -> Model:
    """Return the model with another price; its version changes with the file that says so."""
    fields = model.fields_by_name
    resolutions = options(fields, model.resolution_name)
    version = hashlib.sha256(f"{model.version}\n{text}".encode()).hexdigest()[:16]
    price = price_from(table, resolutions, options(fields, "quality"))
    repriced = replace(model, price=price, version=version)
    try:
        check_whole(repriced, Table(table.file, "", {}))
    except DeclarationInvalid as error:
        reason = f"is not for this model: its {error.key} {error.reason}"
        raise table.invalid("unit", reason) from None
    return repriced
