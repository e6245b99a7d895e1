"""What most commands begin with: settings, database, runtime; and end with, in reverse."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer

from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.log import configure_logging
from kinetoscope.settings import Settings, load_settings
from kinetoscope.wiring import (
    API_PATIENCE_S,
    Runtime,
    build_runtime,
    conninfo_of,
    migrate_database,
    open_database_server,
)

Result = TypeVar("Result")


def fail(message: str) -> typer.Exit:
    """Say what went wrong, in one sentence, and end with status 1."""
    sys.stderr.write(f"kinetoscope: {message}\n")
    return typer.Exit(1)


def settings_or_fail() -> Settings:
    """Load the settings and set up logging, or say which setting cannot be used."""
    try:
        settings = load_settings()
    except KinetoscopeError as error:
        raise fail(str(error)) from None
    configure_logging(as_json=settings.log_json, level=settings.log_level)
    return settings


def with_runtime(work: Callable[[Runtime], Awaitable[Result]]) -> Result:
    """Do something with the database, joining a server that runs or starting one for a moment."""
    settings = settings_or_fail()
    configure_logging(as_json=settings.log_json, level="WARNING")
    try:
        server = open_database_server(settings)
        try:
            conninfo = conninfo_of(settings, server)
            migrate_database(conninfo)
            return asyncio.run(run_in(settings, conninfo, work))
        finally:
            if server is not None:
                server.close()
    except KinetoscopeError as error:
        raise fail(str(error)) from None


async def run_in(
    settings: Settings, conninfo: str, work: Callable[[Runtime], Awaitable[Result]]
) -> Result:
    """Open a runtime, do something with it, close it."""
    runtime = build_runtime(settings, conninfo, patience_s=API_PATIENCE_S)
    await runtime.database.open()
    try:
        return await work(runtime)
    finally:
        await runtime.database.close()
