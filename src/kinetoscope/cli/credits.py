"""`kinetoscope credits`: give credits to accounts and look at balances."""

import json
from typing import Annotated

import typer

from kinetoscope.accounts import accounts
from kinetoscope.accounts.accounts import Account
from kinetoscope.cli.session import fail, with_runtime
from kinetoscope.kernel.credits import format_credits, parse_credits
from kinetoscope.ledger import book
from kinetoscope.wiring import Runtime

app = typer.Typer(help="Give credits and look at balances.", no_args_is_help=True)

AccountName = Annotated[str, typer.Option("--account", help="Name of the account.")]


@app.command()
def grant(
    account: AccountName,
    amount: Annotated[str, typer.Argument(help="Credits, such as 500 or 142.57.")],
    reason: Annotated[str, typer.Option(help="Kept with the ledger's entry.")] = "operator",
) -> None:
    """Give credits to an account; it is made if there is none of that name."""
    try:
        granted = parse_credits(amount)
    except ValueError as error:
        raise fail(str(error)) from None

    async def work(runtime: Runtime) -> Account:
        now = runtime.clock()
        owner, _ = await accounts.ensure(runtime.database, account, now)
        await book.grant(runtime.database, owner.id, granted, reason=reason, now=now)
        return await accounts.by_name(runtime.database, account)

    owner = with_runtime(work)
    typer.echo(f"{owner.name} has {format_credits(owner.available)} credits available")


@app.command()
def show(
    account: AccountName,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show an account's balance."""
    owner = with_runtime(lambda runtime: accounts.by_name(runtime.database, account))
    figures = {
        "available": format_credits(owner.available),
        "held": format_credits(owner.held),
        "spent": format_credits(owner.spent),
    }
    if as_json:
        typer.echo(json.dumps({**figures, "tasksRunning": owner.tasks_running}))
        return
    for name, figure in figures.items():
        typer.echo(f"{name:<10}{figure:>14}")
