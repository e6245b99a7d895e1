"""The commands: what an operator types."""

import asyncio
from dataclasses import replace
from typing import Annotated

import typer

from kinetoscope import __version__
from kinetoscope.cli import accounts, keys, models, people, providers, retention, tasks
from kinetoscope.cli import credits as credit_commands
from kinetoscope.cli.doctor import doctor
from kinetoscope.cli.first_start import prepare
from kinetoscope.cli.listen import listen
from kinetoscope.cli.session import fail, settings_or_fail
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.setting_values import names
from kinetoscope.wiring import migrate_database, opened_database, run_in

app = typer.Typer(
    name="kinetoscope",
    help="A self-hosted media-generation API platform.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(keys.app, name="keys")
app.add_typer(credit_commands.app, name="credits")
app.add_typer(accounts.app, name="accounts")
app.add_typer(people.app, name="people")
app.add_typer(retention.app, name="retention")
app.add_typer(models.app, name="models")
app.add_typer(providers.app, name="providers")
app.command()(doctor)
app.command()(listen)
app.add_typer(tasks.app, name="tasks")


@app.command()
def serve() -> None:
    """Start everything: database, API and a worker."""
    from kinetoscope.cli.serve import claim_port, supervise  # noqa: PLC0415 - heavy

    settings = settings_or_fail()
    try:
        claim_port(settings)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with opened_database(settings) as conninfo:
            migrate_database(conninfo)
            begun = asyncio.run(run_in(settings, conninfo, prepare))
            asyncio.run(supervise(settings, conninfo, begun))
    except (KinetoscopeError, OSError) as error:
        raise fail(str(error)) from None


@app.command()
def worker(
    queues: Annotated[
        str,
        typer.Option(
            help="Serve only these, comma-separated: embedded, test, hosted, webhooks, "
            "and what provider files name. Those of KINETOSCOPE_QUEUES unless told, or all.",
        ),
    ] = "",
) -> None:
    """Run tasks; any number of workers share one database."""
    from kinetoscope.cli.worker import Started, run  # noqa: PLC0415 - heavy

    settings = settings_or_fail()
    try:
        run(replace(settings, queues=names(queues) or settings.queues), Started())
    except (KinetoscopeError, OSError) as error:
        raise fail(str(error)) from None


@app.command()
def migrate() -> None:
    """Bring the database's schema forward (starting does this too)."""
    settings = settings_or_fail()
    try:
        with opened_database(settings) as conninfo:
            applied = migrate_database(conninfo)
    except KinetoscopeError as error:
        raise fail(str(error)) from None
    typer.echo(f"{applied} migrations applied")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run the command line."""
    app()
