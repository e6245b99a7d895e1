"""`kinetoscope serve`, `worker` and `migrate`: what keeps a deployment running."""

import asyncio
from dataclasses import replace
from typing import Annotated

import typer

from kinetoscope.cli.first_start import prepare
from kinetoscope.cli.session import fail, settings_or_fail
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.setting_values import names
from kinetoscope.wiring import migrate_database, opened_database, run_in


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


def migrate() -> None:
    """Bring the database's schema forward (starting does this too)."""
    settings = settings_or_fail()
    try:
        with opened_database(settings) as conninfo:
            applied = migrate_database(conninfo)
    except KinetoscopeError as error:
        raise fail(str(error)) from None
    typer.echo(f"{applied} migrations applied")
