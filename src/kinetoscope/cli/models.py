"""`kinetoscope models`: what can be asked for, with which inputs, and what it costs."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kinetoscope.catalog import price, schema
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.spec import builtin
from kinetoscope.cli.session import fail
from kinetoscope.kernel.errors import UnknownModel


def models(
    model_id: Annotated[str, typer.Argument(help="Show this one's inputs.")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Schema.")] = False,
) -> None:
    """Show all models and their prices, or one model's inputs."""
    catalog = builtin()
    if not model_id:
        _list(catalog.models)
        return
    try:
        model = catalog.find(model_id)
    except UnknownModel:
        raise fail(f"there is no model {model_id!r}; `kinetoscope models` lists them") from None
    if as_json:
        typer.echo(json.dumps(schema.json_schema(model), indent=2))
    else:
        _show(model)


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
