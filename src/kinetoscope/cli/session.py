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
    Runtime,
    migrate_database,
    opened_database,
    run_in,
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


def operates() -> bool:
    """Whether this machine has a deployment: one has begun here, or a database is named."""
    try:
        settings = load_settings()
    except KinetoscopeError:
        return False
    return _has_begun(settings)


def _has_begun(settings: Settings) -> bool:
    return bool(settings.database_url) or (settings.data_dir / "postgres").exists()


def with_runtime(work: Callable[[Runtime], Awaitable[Result]]) -> Result:
    """Do something with the database, joining a server that runs or starting one for a moment."""
    settings = settings_or_fail()
    configure_logging(as_json=settings.log_json, level="WARNING")
    if not _has_begun(settings):
        sys.stderr.write(
            f"kinetoscope: nothing has run with the data folder {settings.data_dir} yet; a new "
            "deployment begins there. For the one that runs, set KINETOSCOPE_DATA_DIR as it has.\n"
        )
    try:
        with opened_database(settings) as conninfo:
            migrate_database(conninfo)
            return asyncio.run(run_in(settings, conninfo, work))
    except KinetoscopeError as error:
        raise fail(str(error)) from None
