"""`kinetoscope models`, asked of a server: what there is, what each takes, what it costs."""

import json
from typing import Annotated, Any

import typer
from rich.text import Text

from kinetoscope.cli.commands import ByModel, Deferred
from kinetoscope.cli.user.completing import model_ids
from kinetoscope.cli.user.connection import AsJson, Key, Local, Url, connected
from kinetoscope.cli.user.inputs import takes
from kinetoscope.cli.user.written import out, table, write_json
from kinetoscope.client import Model
from kinetoscope.client.asking import understood


class Listed(ByModel):
    """The group; checking files is the operator's."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - as typer has it
        super().__init__(**attributes)
        self.commands["check"] = Deferred(
            "check", "As the operator: check files.", operator="kinetoscope.cli.models:check"
        )


app = typer.Typer(help="Show models, their inputs and prices.", cls=Listed)


@app.callback()
def _models() -> None:
    """Show models, their inputs and prices."""


@app.command()
def show(
    model_id: Annotated[
        str, typer.Argument(help="Show this one's inputs.", autocompletion=model_ids)
    ] = "",
    *,
    as_json: AsJson = False,
    key: Key = None,
    url: Url = None,
    local: Local = False,
) -> None:
    """Show all models and their prices, or one model's inputs (`models MODEL_ID`)."""
    del local  # the choice was made already
    with connected(key, url, as_json=as_json) as client:
        if model_id:
            model = client.model(model_id)
            with understood(client.url):
                _show(model, as_json=as_json)
        else:
            _list(client.models(), as_json=as_json)


def _list(models: tuple[Model, ...], *, as_json: bool) -> None:
    if as_json:
        typer.echo(write_json({"models": [model.raw for model in models]}))
        return
    rows = table("id", "kind", "price")
    for model in models:
        missing = "" if model.available else " (not available just now)"
        rows.add_row(model.id, model.kind, model.price + missing)
    out().print(rows)


def _show(model: Model, *, as_json: bool) -> None:
    if as_json:
        typer.echo(write_json(model.raw))
        return
    console = out()
    console.print(Text(model.id, style="bold"), f" {model.title}")
    console.print(f"{model.description}\n{model.price}\n")
    rows = table("input", "takes", "default", "meaning")
    required = model.inputs.get("required", ())
    for name, field in model.inputs.get("properties", {}).items():
        default = json.dumps(field["default"]) if "default" in field else ""
        needed = "required" if name in required else default
        rows.add_row(name, takes(field), needed, field.get("description", ""))
    console.print(rows)
