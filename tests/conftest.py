"""What tests share: a real PostgreSQL, a clock that is moved, an app and its people."""

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import structlog
from fastapi import FastAPI
from tests.long_files import longest_first
from tests.memory import memory_folder

from kinetoscope.accounts import accounts, keys
from kinetoscope.kernel.credits import Credits, parse_credits
from kinetoscope.kernel.ids import AccountId, KeyId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.ledger import book
from kinetoscope.postgres.embedded import open_server
from kinetoscope.server import create_app
from kinetoscope.settings import Settings, load_settings
from kinetoscope.wiring import Runtime, build_runtime, migrate_database

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


LOGGING: dict[str, Any] = {}
"""How tests log."""


def pytest_configure() -> None:
    """Have pytest's folders and ours made in memory, and tracebacks written without ornament.

    Every commit and every upload is synced. And with the values of all variables in colour, one
    error of the database takes fifteen seconds to print.
    """
    tempfile.tempdir = memory_folder()
    plain = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
    LOGGING.update(structlog.get_config())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items)


class MovedClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment

    def move(self, distance: timedelta) -> None:
        self.moment += distance


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An account with a key."""

    name: str
    account_id: AccountId
    key: str
    key_id: KeyId

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A runtime with its clock and an HTTP client in front of its app."""

    runtime: Runtime
    clock: MovedClock
    client: httpx.AsyncClient
    app: FastAPI

    async def person(
        self,
        name: str,
        granted: str = "1000",
        *,
        mode: KeyMode = KeyMode.LIVE,
        expires_at: datetime | None = None,
    ) -> Person:
        """Make an account with credits and a key."""
        database, now = self.runtime.database, self.clock()
        account, _ = await accounts.ensure(database, name, now)
        amount = parse_credits(granted)
        if amount:
            await book.grant(database, account.id, amount, reason="test", now=now)
        issued = await keys.create(
            database, account.id, "key", mode=mode, expires_at=expires_at, now=now
        )
        return Person(name=name, account_id=account.id, key=issued.text, key_id=issued.id)

    async def balance(self, person: Person) -> tuple[Credits, Credits, Credits, int]:
        """Return available, held, spent and running tasks."""
        account = await accounts.by_name(self.runtime.database, person.name)
        return account.available, account.held, account.spent, account.tasks_running

    async def count(self, table: str) -> int:
        """Count the rows of a table."""
        async with self.runtime.database.connection() as connection:
            cursor = await connection.execute(f"select count(*) from {table}")
            row = await cursor.fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    # Not pytest's own folder: as root the database runs as another user, who cannot enter that.
    folder = Path(tempfile.mkdtemp(prefix="kinetoscope-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _logging_as_ever() -> None:
    """Undo what a command that ran in this process, whenever that was, decided about logging."""
    structlog.configure(**{**LOGGING, "processors": list(LOGGING["processors"])})


@pytest.fixture(scope="session")
def template_conninfo(server_folder: Path) -> Iterator[str]:
    """Start one PostgreSQL for all tests and bring a template database up to date."""
    with open_server(server_folder / "postgres") as server:
        migrate_database(server.conninfo)
        yield server.conninfo


@pytest.fixture
def conninfo(template_conninfo: str) -> Iterator[str]:
    """Give a test an empty database of its own."""
    admin = psycopg.conninfo.make_conninfo(template_conninfo, dbname="postgres", user="postgres")
    template = psycopg.conninfo.conninfo_to_dict(template_conninfo)["dbname"]
    name = f"test_{secrets.token_hex(8)}"
    # Copying files syncs them, and is the quicker way where that costs nothing.
    strategy = "file_copy" if memory_folder() else "wal_log"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(
            f"create database {name} template {template} strategy {strategy}".encode()
        )
    yield psycopg.conninfo.make_conninfo(template_conninfo, dbname=name)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        {
            "KINETOSCOPE_DATA_DIR": str(tmp_path / "data"),
            "KINETOSCOPE_PUBLIC_URL": "http://kinetoscope.test",
            "KINETOSCOPE_SIGN_UP": "open",
            "KINETOSCOPE_SIGN_UP_GRANT": "500",
            # On a clock that stands still no pace ever comes back.
            "KINETOSCOPE_REQUESTS_BURST": "1000000",
        }
    )


@pytest.fixture
async def world(conninfo: str, settings: Settings) -> AsyncIterator[World]:
    """Run the app in this process, over a database of its own and a clock that is moved."""
    clock = MovedClock()
    runtime = build_runtime(settings, conninfo, patience_s=5, clock=clock)
    app = create_app(runtime)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://kinetoscope.test") as client,
    ):
        yield World(runtime=runtime, clock=clock, client=client, app=app)
