"""`kinetoscope models`: what can be asked for, with which inputs, and what it costs."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kinetoscope.catalog import price, schema
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.operator import load_with
from kinetoscope.catalog.spec import builtin
from kinetoscope.cli.commands import ByModel
from kinetoscope.cli.session import fail, settings_or_fail
from kinetoscope.kernel.errors import UnknownModel

app = typer.Typer(help="Show models and their prices; check files that declare them.", cls=ByModel)


@app.command()
def show(
    model_id: Annotated[str, typer.Argument(help="Show this one's inputs.")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Schema.")] = False,
) -> None:
    """Show all models and their prices, or one model's inputs (`models MODEL_ID`)."""
    loaded = load_with(settings_or_fail().config_dir / "models")
    for problem in loaded.problems:
        sys.stderr.write(f"kinetoscope: not used: {problem}\n")
    if not model_id:
        _list(loaded.catalog.models)
        return
    try:
        model = loaded.catalog.find(model_id)
    except UnknownModel:
        raise fail(f"there is no model {model_id!r}; `kinetoscope models` lists them") from None
    if as_json:
        typer.echo(json.dumps(schema.json_schema(model), indent=2))
    else:
        _show(model)


@app.command()
def check(
    folder: Annotated[
        Path | None, typer.Argument(help="Of the files; your configuration's by default.")
    ] = None,
) -> None:
    """Check your own files of models and prices; each problem is a line, and ends with 1."""
    if folder is not None and not folder.is_dir():
        raise fail(f"there is no folder {folder}")
    folder = folder or settings_or_fail().config_dir / "models"
    loaded = load_with(folder)
    for problem in loaded.problems:
        typer.echo(str(problem))
    if loaded.problems:
        raise typer.Exit(1)
    usual = builtin().models_by_id
    own = sum(usual.get(model.id) != model for model in loaded.catalog.models)
    typer.echo(f"{folder}: no problems; {own} of {len(loaded.catalog.models)} models are yours")


def _list(listed: tuple[Model, ...]) -> None:
    table = Table("model", "kind", "price in credits")
    for model in listed:
        table.add_row(model.id, model.kind, "\n".join(price.price_lines(model)))
    Console().print(table)


def _show(model: Model) -> None:
    described: dict[str, Any] = dict(schema.json_schema(model))
    console = Console()
    console.print(f"[bold]{model.id}[/bold]  {model.title}\n{model.description}\n")
    table = Table("input", "takes", "default", "meaning")
    for name, field in described["properties"].items():
        needed = "[bold]required[/bold]" if name in described.get("required", ()) else ""
        default = json.dumps(field["default"]) if "default" in field else needed
        table.add_row(name, schema.takes(field), default, field.get("description", ""))
    console.print(table)
    for line in price.price_lines(model):
        console.print(f"{line}", highlight=False)
