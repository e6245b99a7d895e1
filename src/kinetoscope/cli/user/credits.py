"""`kinetoscope credits`: the balance of a key's account; giving credits is the operator's."""

import typer

from kinetoscope.cli.commands import Deferred, with_table
from kinetoscope.cli.user.connection import AsJson, Key, Url, connected
from kinetoscope.cli.user.written import credits_text, write_json

OPERATOR = "kinetoscope.cli.credits"

TABLE = (
    Deferred("grant", "As the operator: give credits.", operator=f"{OPERATOR}:grant"),
    Deferred("show", "As the operator: show a balance.", operator=f"{OPERATOR}:show"),
)

app = typer.Typer(cls=with_table(*TABLE), invoke_without_command=True)


@app.callback()
def balance(
    context: typer.Context, *, as_json: AsJson = False, key: Key = None, url: Url = None
) -> None:
    """Show your balance: what can be spent, and what running tasks hold."""
    if context.invoked_subcommand is not None:
        return
    with connected(key, url, as_json=as_json) as client:
        found = client.credits()
    if as_json:
        typer.echo(write_json({"available": found.available, "held": found.held}))
        return
    typer.echo(f"available {credits_text(found.available):>14}")
    typer.echo(f"held      {credits_text(found.held):>14}")
