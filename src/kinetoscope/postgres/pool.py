"""The way to the database: a pool of connections and a few verbs, patient while it restarts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import orjson
import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from kinetoscope.kernel.errors import DatabaseUnavailable
from kinetoscope.postgres.waits import mend_waits

mend_waits()

Row = TypeVar("Row")
Result = TypeVar("Result")
Connection = psycopg.AsyncConnection[TupleRow]
Parameters = Mapping[str, object]

log = structlog.get_logger(__name__)

RETRY_DELAY_S = 0.05
"""A restarted server answers within about this long, see postgres/embedded.py."""

TIMEOUTS = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "options": "-c statement_timeout=30s",
}

UNREACHABLE = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


class Database:
    """A pool of autocommit connections.

    `fetch_one`, `fetch_all` and `execute` run one statement, which is one transaction, and repeat
    it while the server cannot be reached, up to `patience_s`. A statement may therefore have
    taken effect before it is repeated: every caller's statement must be harmless to repeat.
    """

    def __init__(self, conninfo: str, *, connections_max: int, patience_s: float) -> None:
        self.conninfo = conninfo = with_timeouts(conninfo)
        self.patience_s = patience_s
        self.pool = AsyncConnectionPool[Connection](
            conninfo,
            min_size=min(2, connections_max),
            max_size=connections_max,
            open=False,
            timeout=patience_s,
            reconnect_timeout=10,
            kwargs={"autocommit": True},
            configure=_configure,
        )

    async def open(self) -> None:
        """Connect; raises DatabaseUnavailable where that takes longer than 30 s."""
        try:
            await self.pool.open(wait=True, timeout=30)
        except PoolTimeout as error:
            raise DatabaseUnavailable from error

    async def close(self) -> None:
        """Disconnect."""
        await self.pool.close()

    async def fetch_one(self, row: type[Row], query: str, parameters: Parameters) -> Row | None:
        """Run one statement and make its first row, if any, from the column names."""

        async def once(connection: Connection) -> Row | None:
            async with connection.cursor(row_factory=class_row(row)) as cursor:
                await cursor.execute(query, parameters)
                return await cursor.fetchone()

        return await self._patiently(once)

    async def fetch_values(self, query: str, parameters: Parameters) -> TupleRow | None:
        """Run one statement and return its first row, if any, as it comes."""

        async def once(connection: Connection) -> TupleRow | None:
            return await (await connection.execute(query, parameters)).fetchone()

        return await self._patiently(once)

    async def fetch_all(self, row: type[Row], query: str, parameters: Parameters) -> list[Row]:
        """Run one statement and make all its rows."""

        async def once(connection: Connection) -> list[Row]:
            async with connection.cursor(row_factory=class_row(row)) as cursor:
                await cursor.execute(query, parameters)
                return await cursor.fetchall()

        return await self._patiently(once)

    async def execute(self, query: str, parameters: Parameters) -> int:
        """Run one statement and return how many rows it touched."""

        async def once(connection: Connection) -> int:
            return (await connection.execute(query, parameters)).rowcount

        return await self._patiently(once)

    async def transact(self, steps: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Run several statements as one transaction, repeated whole while the server is away."""

        async def once(connection: Connection) -> Result:
            async with connection.transaction():
                return await steps(connection)

        return await self._patiently(once)

    async def transact_once(self, steps: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Do the same where twice would be wrong: a commit whose answer was lost is found again.

        https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
        """
        attempts: list[tuple[str, Result]] = []

        async def once(connection: Connection) -> Result:
            for attempt, result in attempts:
                if await _was_committed(connection, attempt):
                    return result
            async with connection.transaction():
                query = "select pg_current_xact_id()::text"
                row = await (await connection.execute(query)).fetchone()
                assert row is not None  # noqa: S101 - no table, so always one row
                result = await steps(connection)
                attempts.append((row[0], result))
                return result

        return await self._patiently(once)

    async def transact_pipelined(self, steps: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Do the same, sending statements on without waiting for those before them.

        So locks are held for as long as the server needs, however busy this process is. `rowcount`
        says nothing in there; a statement fails where a result is fetched, or in the end.
        https://www.psycopg.org/psycopg3/docs/advanced/pipeline.html
        """

        async def once(connection: Connection) -> Result:
            async with connection.pipeline(), connection.transaction():
                return await steps(connection)

        return await self._patiently(once)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection, for what the verbs above cannot say.

        Unlike the pool's own context manager it does not commit: every statement does that itself.
        """
        connection = await self.pool.getconn()
        try:
            yield connection
        finally:
            await self.pool.putconn(connection)

    async def _lent(self, once: Callable[[Connection], Awaitable[Result]]) -> Result:
        async with self.connection() as connection:
            return await once(connection)

    async def _patiently(self, once: Callable[[Connection], Awaitable[Result]]) -> Result:
        deadline_s = None
        while True:
            try:
                return await self._lent(once)
            except UNREACHABLE as error:
                if not is_unreachable(error):
                    raise
                now_s = asyncio.get_running_loop().time()
                if isinstance(error, PoolTimeout) or (deadline_s and now_s >= deadline_s):
                    raise DatabaseUnavailable from error
                deadline_s = deadline_s or now_s + self.patience_s
                await asyncio.sleep(RETRY_DELAY_S)


def with_timeouts(conninfo: str) -> str:
    """Add limits to an address, unless it has its own: a dead network must not hang anybody.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
    """
    return make_conninfo("", **{**TIMEOUTS, **conninfo_to_dict(conninfo)})


def named(conninfo: str, name: str) -> str:
    """Add what a process's connections are called in the database."""
    return make_conninfo(conninfo, application_name=name)


async def _was_committed(connection: Connection, attempt: str) -> bool:
    """Tell how a transaction ended; raises OperationalError while the server is still at it."""
    query = "select pg_xact_status(%s::text::xid8)"
    row = await (await connection.execute(query, (attempt,))).fetchone()
    assert row is not None  # noqa: S101 - no table, so always one row
    if row[0] == "in progress":
        raise psycopg.OperationalError("an earlier attempt has not ended yet")
    return bool(row[0] == "committed")


async def _configure(connection: Connection) -> None:
    set_json_loads(orjson.loads, connection)
    set_json_dumps(orjson.dumps, connection)


def is_unreachable(error: Exception) -> bool:
    """Tell a server that is away from one that refused a statement.

    Class 57P is an operator's shutdown, 08 a lost connection, 53300 too many connections;
    without a code the connection itself broke.
    https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    code: Any = getattr(error, "sqlstate", None)
    return code is None or code.startswith(("57P", "08", "53300"))
