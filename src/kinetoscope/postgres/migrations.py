"""Bring the schema forward, once, whoever starts first."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import structlog

from kinetoscope.kernel.errors import KinetoscopeError, SettingInvalid

log = structlog.get_logger(__name__)

LOCK_KEY = 0x4B696E65746F
"""An arbitrary number that only our migrations take as an advisory lock ("Kineto")."""

VERSION_MIN = 140000
CONNECT_TIMEOUT_S = 20

TABLE = """
create table if not exists schema_migration (
  name text primary key,
  sha256 text not null,
  applied_at timestamptz not null default now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. Applied ones never change."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Hash of the text, kept beside the name to notice edits after the fact."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path) -> tuple[Migration, ...]:
    """Read `NNNN_*.sql` in order."""
    return tuple(Migration(path.stem, path.read_text()) for path in sorted(folder.glob("*.sql")))


def migrate(conninfo: str, migrations: Sequence[Migration]) -> int:
    """Apply what is missing, each in a transaction of its own; return how many were.

    Safe to call from any number of processes at once: an advisory lock lets one work while the
    others wait, and they then find nothing left to do.
    """
    with _connect(conninfo) as connection:
        if connection.info.server_version < VERSION_MIN:
            raise SettingInvalid(
                f"KINETOSCOPE_DATABASE_URL: PostgreSQL {VERSION_MIN // 10000} or newer is needed, "
                f"this server is {connection.info.server_version // 10000}"
            )
        connection.execute("select pg_advisory_lock(%s)", (LOCK_KEY,))
        try:
            return _apply_missing(connection, migrations)
        finally:
            # A connection that broke took the lock with it; why it broke is what is to be told.
            with suppress(psycopg.OperationalError):
                connection.execute("select pg_advisory_unlock(%s)", (LOCK_KEY,))


@contextmanager
def refusals_told(what: str) -> Iterator[None]:
    """Say in a line what the database refuses at a start: its operator can mend it, not we."""
    try:
        yield
    except psycopg.Error as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise KinetoscopeError(f"{what}: {reason}") from error


def _connect(conninfo: str) -> psycopg.Connection[tuple[object, ...]]:
    """Connect, waiting a while for a server that starts beside us; never shows a password."""
    deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
    while True:
        try:
            return psycopg.connect(conninfo, autocommit=True, connect_timeout=5)
        except psycopg.ProgrammingError:
            raise SettingInvalid(
                "KINETOSCOPE_DATABASE_URL: this is not the address of a PostgreSQL database"
            ) from None
        except psycopg.OperationalError as error:
            if time.monotonic() >= deadline_s:
                reason = str(error).strip().splitlines()[-1]
                raise SettingInvalid(
                    f"KINETOSCOPE_DATABASE_URL: no connection within {CONNECT_TIMEOUT_S} s: "
                    f"{reason}"
                ) from None
            time.sleep(0.5)


def _apply_missing(
    connection: psycopg.Connection[tuple[object, ...]], migrations: Sequence[Migration]
) -> int:
    connection.execute(TABLE)
    rows = connection.execute("select name, sha256 from schema_migration").fetchall()
    applied = {str(name): str(sha256) for name, sha256 in rows}
    missing = [migration for migration in migrations if migration.name not in applied]
    for migration in migrations:
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise SettingInvalid(
                f"migration {migration.name} was applied in another form; "
                "this database belongs to another version of Kinetoscope"
            )
    tell = log.info if applied else log.debug  # a new database has nothing to tell of each
    for migration in missing:
        with connection.transaction():
            connection.execute("set local lock_timeout = '5s'")
            connection.execute(migration.sql.encode())
            connection.execute(
                "insert into schema_migration (name, sha256) values (%s, %s)",
                (migration.name, migration.sha256),
            )
        tell("migration.applied", name=migration.name)
    if not applied:
        log.info("schema.created", migrations=len(missing))
    return len(missing)
