"""What a key may do within its account: models, price of a task, share of the cap, spending."""

from datetime import datetime, timedelta

from psycopg.rows import class_row

from kinetoscope.accounts.caps import COLUMNS, Caps, CapsRow, caps_of
from kinetoscope.kernel.credits import Credits, format_credits
from kinetoscope.kernel.errors import CapReached, Forbidden, KeySpent
from kinetoscope.kernel.ids import KeyId
from kinetoscope.postgres.pool import Connection


async def locked(connection: Connection, key_id: KeyId) -> Caps:
    """Return a key's caps, locked until the transaction ends.

    So parallel requests of one key see what the ones before them took.
    """
    async with connection.cursor(row_factory=class_row(CapsRow)) as cursor:
        # "No key": tasks created meanwhile may refer to the key's row.
        await cursor.execute(
            f"select {COLUMNS} from api_key where id = %s for no key update", (key_id,)
        )
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - keys are never deleted
    return caps_of(row)


def require_model(caps: Caps, model: str) -> None:
    """Refuse a model that a key may not use."""
    if caps.models is not None and model not in caps.models:
        raise Forbidden(f"This API Key may not use the model {model}")


async def require(
    connection: Connection, key_id: KeyId, caps: Caps, price: Credits, now: datetime
) -> None:
    """Refuse a task that is over one of its key's caps; raises Forbidden, KeySpent, CapReached."""
    if caps.price_max is not None and price > caps.price_max:
        most = format_credits(caps.price_max)
        raise Forbidden(f"This API Key may not spend more than {most} credits on one task")
    if caps.spend_max is not None:
        spent = await _spent(connection, key_id, caps.spend_window, now)
        left = Credits(max(0, caps.spend_max - spent))
        if price > left:
            raise KeySpent(required=price, available=left)
    if caps.tasks_running_max is not None:
        running = await _running(connection, key_id)
        if running >= caps.tasks_running_max:
            raise CapReached(limit=caps.tasks_running_max, current=running)


async def _spent(
    connection: Connection, key_id: KeyId, window: timedelta | None, now: datetime
) -> int:
    """Sum what a key's tasks hold or were charged; a key spends together with those it replaced."""
    cursor = await connection.execute(
        """
        with recursive line as (
          select id, replaces, spent_forgotten from api_key where id = %(key_id)s
          union
          select api_key.id, api_key.replaces, api_key.spent_forgotten
          from api_key join line on api_key.id = line.replaces
        )
        select (
          select coalesce(sum(task.price), 0)
          from task join line on task.key_id = line.id
          where task.status <> 'fail' and (%(since)s::timestamptz is null
                                           or task.created_at > %(since)s)
        ) + (
          select coalesce(sum(spent_forgotten), 0) from line where %(since)s::timestamptz is null
        )
        """,
        {"key_id": key_id, "since": None if window is None else now - window},
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def _running(connection: Connection, key_id: KeyId) -> int:
    cursor = await connection.execute(
        "select count(*) from task where key_id = %s and status in ('waiting', 'generating')",
        (key_id,),
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])
