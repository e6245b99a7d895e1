"""What a key may do within its account: models, price of a task, share of the cap, spending."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from kinetoscope.accounts.caps import COLUMNS, UNCAPPED, Caps, CapsRow, caps_of
from kinetoscope.kernel.credits import Credits, format_credits
from kinetoscope.kernel.errors import CapReached, Forbidden, KeySpent
from kinetoscope.kernel.ids import KeyId
from kinetoscope.postgres.pool import Connection


@dataclass(frozen=True, slots=True)
class Line:
    """A key with those it replaced and those that replaced it: they share what they may spend."""

    caps: Caps
    key_ids: list[KeyId]


async def locked(connection: Connection, key_id: KeyId) -> Line:
    """Return a key's caps and its line, locked until the transaction ends.

    So parallel requests of one line see what the ones before them took.
    """
    cursor = await connection.execute(
        """
        with recursive line as (
          select id, replaces from api_key where id = %(key_id)s
          union
          select api_key.id, api_key.replaces
          from api_key join line on api_key.id = line.replaces or api_key.replaces = line.id
        )
        -- In one order, so that two of them never wait for each other. "No key", since tasks
        -- created meanwhile may refer to these rows.
        select id from api_key where id in (select id from line) order by id for no key update
        """,
        {"key_id": key_id},
    )
    key_ids = [KeyId(row[0]) for row in await cursor.fetchall()]
    async with connection.cursor(row_factory=class_row(CapsRow)) as caps:
        await caps.execute(f"select {COLUMNS} from api_key where id = %s", (key_id,))
        row = await caps.fetchone()
    assert row is not None  # noqa: S101 - keys are never removed
    return Line(caps_of(row), key_ids)


def require_model(caps: Caps, model: str) -> None:
    """Refuse a model that a key may not use."""
    if caps.models is not None and model not in caps.models:
        raise Forbidden(f"This API Key may not use the model {model}")


async def require(connection: Connection, line: Line, price: Credits, now: datetime) -> None:
    """Refuse a task that is over one of its key's caps; raises Forbidden, KeySpent, CapReached."""
    caps = line.caps
    if caps.price_max is not None and price > caps.price_max:
        most = format_credits(caps.price_max)
        raise Forbidden(f"This API Key may not spend more than {most} credits on one task")
    if caps.spend_max is not None:
        spent = await _spent(connection, line, now)
        left = Credits(max(0, caps.spend_max - spent))
        if price > left:
            raise KeySpent(required=price, available=left)
    if caps.tasks_running_max is not None:
        running = await _running(connection, line)
        if running >= caps.tasks_running_max:
            raise CapReached(limit=caps.tasks_running_max, current=running)


async def _spent(connection: Connection, line: Line, now: datetime) -> int:
    """Sum what a line's tasks hold or were charged, in its window or ever."""
    window = line.caps.spend_window
    cursor = await connection.execute(
        """
        select (
          select coalesce(sum(price), 0) from task
          where key_id = any (%(key_ids)s) and status <> 'fail'
            and (%(since)s::timestamptz is null or created_at > %(since)s)
        ) + (
          select coalesce(sum(spent_forgotten), 0) from api_key
          where id = any (%(key_ids)s) and %(since)s::timestamptz is null
        )
        """,
        {"key_ids": line.key_ids, "since": None if window is None else now - window},
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def _running(connection: Connection, line: Line) -> int:
    cursor = await connection.execute(
        """
        select count(*) from task
        where key_id = any (%s) and status in ('waiting', 'generating')
        """,
        (line.key_ids,),
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


UNBOUND = Line(UNCAPPED, [])
"""What holds for keys without caps."""
