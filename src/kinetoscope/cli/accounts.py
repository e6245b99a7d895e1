"""`kinetoscope accounts`: who there is, and what each may do."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from kinetoscope.accounts import accounts
from kinetoscope.cli.key_options import RequestsBurst, RequestsPerSecond
from kinetoscope.cli.session import with_runtime
from kinetoscope.kernel.credits import format_credits

app = typer.Typer(help="Show accounts and set their limits.", no_args_is_help=True)


@app.command(name="list")
def list_accounts() -> None:
    """Show all accounts."""
    table = Table("name", "available", "held", "spent", "running", "API access")
    for account in with_runtime(lambda runtime: accounts.everyone(runtime.database)):
        table.add_row(
            account.name,
            format_credits(account.available),
            format_credits(account.held),
            format_credits(account.spent),
            f"{account.tasks_running} of {account.tasks_running_max}",
            "yes" if account.api_access else "no",
        )
    Console().print(table)


@app.command()
def limit(
    name: Annotated[str, typer.Argument(help="Name of the account.")],
    *,
    tasks_running_max: Annotated[int | None, typer.Option(min=0)] = None,
    api_access: Annotated[bool | None, typer.Option()] = None,
    requests_per_second: RequestsPerSecond = None,
    requests_burst: RequestsBurst = None,
) -> None:
    """Set how many tasks may run at once, how fast requests may come, and whether at all."""
    account = with_runtime(
        lambda runtime: accounts.limit(
            runtime.database,
            name,
            tasks_running_max=tasks_running_max,
            api_access=api_access,
            requests_per_second=requests_per_second,
            requests_burst=requests_burst,
        )
    )
    access = "with" if account.api_access else "without"
    typer.echo(f"{account.name}: {account.tasks_running_max} tasks at once, {access} API access")
