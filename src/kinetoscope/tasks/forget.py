"""Forget: empty or delete the rows of tasks, and other rows that grow old. Only ended tasks.

The ledger is not touched: it says what was paid without saying for what. A key's spending cap goes
on counting what forgotten tasks cost; a row whose cost still lies within a cap's window is emptied
and stays that long.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from kinetoscope.kernel.ids import TaskId
from kinetoscope.postgres.pool import Connection, Database
from kinetoscope.tasks import idempotency
from kinetoscope.tasks.expire import Reaper
from kinetoscope.tasks.lifetimes import Lifetimes

BATCH_TASKS = 500
BATCH_ROWS = 5000

PACE_ROW_AGE = timedelta(hours=1)
"""How long an address is known that has asked for nothing more."""

UPLOAD_ROW_AGE = timedelta(days=1)
"""How long it is known that an upload was removed."""


@dataclass(frozen=True, slots=True)
class Due:
    """A task to be forgotten; `is_counted` while a cap's window still reaches back to it."""

    id: TaskId
    is_counted: bool


async def stamp(database: Database, lifetimes: Lifetimes) -> int:
    """Write down until when tasks are known whose end did not say so; return how many."""
    return await database.execute(
        """
        update task
        set metadata_expires_at = task.completed_at + least(
              %(lifetime)s::interval, make_interval(secs => account.task_lifetime_s))
        from account
        where account.id = task.account_id
          and task.completed_at is not null and task.metadata_expires_at is null
          and not task.is_sample
        """,
        {"lifetime": lifetimes.task},
    )


async def forget_tasks(reaper: Reaper) -> int:
    """Forget every task whose time is over; return how many rows were emptied or deleted."""
    now = reaper.clock()

    async def steps(connection: Connection) -> int:
        due = await _due(connection, now)
        await empty_within(connection, [task.id for task in due if task.is_counted], now)
        await _delete(connection, [task.id for task in due if not task.is_counted])
        return len(due)

    forgotten = 0
    while True:
        batch = await reaper.database.transact(steps)
        forgotten += batch
        if batch < BATCH_TASKS:
            return forgotten


async def _due(connection: Connection, now: datetime) -> list[Due]:
    """Lock a batch of tasks whose time is over and whose files are certainly gone."""
    async with connection.cursor(row_factory=class_row(Due)) as cursor:
        await cursor.execute(
            f"""
            select task.id, counted.is_counted
            from task
            join account on account.id = task.account_id
            cross join lateral (
              select task.status = 'success' and task.price > 0 and exists (
                select from api_key
                where api_key.account_id = task.account_id
                  and task.created_at > %(now)s - make_interval(secs => spend_window_s)
              ) as is_counted
            ) counted
            where task.metadata_expires_at <= %(now)s
              and task.completed_at is not null
              and not task.is_sample and not task.legal_hold and not account.legal_hold
              and not (counted.is_counted and task.data_deleted_at is not null)
              and not exists (
                select from media_file file
                where file.task_id = task.id and file.confirmed_at is null)
            order by task.metadata_expires_at
            limit {BATCH_TASKS}
            for update of task skip locked
            """,
            {"now": now},
        )
        return await cursor.fetchall()


async def empty_within(connection: Connection, task_ids: list[TaskId], now: datetime) -> None:
    """Take everything out of ended tasks that is not needed for money. Part of a transaction."""
    await connection.execute(
        """
        update task
        set inputs = '{}', seed = 0, callback_url = null, rehearsal = null, cache_key = null,
            upstream_id = null, error_message = null, error_detail = null, upstream_claim = null,
            routing = '[]', preview = false,
            output = case when status = 'success' then '[]'::jsonb end,
            data_deleted_at = %(now)s
        where id = any(%(task_ids)s)
        """,
        {"task_ids": task_ids, "now": now},
    )
    await _forget_deliveries(connection, task_ids)


async def _delete(connection: Connection, task_ids: list[TaskId]) -> None:
    of_these = {"task_ids": task_ids}
    await _forget_deliveries(connection, task_ids)
    await connection.execute("delete from media_file where task_id = any(%(task_ids)s)", of_these)
    # In the order of their ids, so that two of us cannot wait for each other.
    await connection.execute(
        """
        select from api_key
        where id in (select key_id from task where id = any(%(task_ids)s))
        order by id
        for no key update
        """,
        of_these,
    )
    await connection.execute(
        """
        with gone as (
          delete from task where id = any(%(task_ids)s) returning key_id, status, price
        ), spent as (
          select key_id, sum(price) as price from gone where status = 'success' group by key_id
        )
        update api_key set spent_forgotten = spent_forgotten + spent.price
        from spent where api_key.id = spent.key_id
        """,
        of_these,
    )


async def _forget_deliveries(connection: Connection, task_ids: list[TaskId]) -> None:
    await connection.execute(
        "delete from webhook_delivery where task_id = any(%(task_ids)s)", {"task_ids": task_ids}
    )


async def forget_rows(reaper: Reaper) -> int:
    """Delete Idempotency-Keys and uploads that are long gone; return how many. Addresses go too."""
    now = reaper.clock()
    keys = await _in_batches(
        reaper.database,
        """
        delete from idempotency_key
        where ctid in (select ctid from idempotency_key where created_at <= %(before)s
                       limit %(rows)s for update skip locked)
        """,
        now - idempotency.LIFETIME,
    )
    uploads = await _in_batches(
        reaper.database,
        """
        delete from media_file
        where name in (select name from media_file
                       where task_id is null and confirmed_at <= %(before)s
                       limit %(rows)s for update skip locked)
        """,
        now - UPLOAD_ROW_AGE,
    )
    # Not counted: a pace is memory of a moment, and no record of anything.
    await _in_batches(
        reaper.database,
        """
        delete from request_pace
        where ctid in (select ctid from request_pace
                       where starts_with(owner, 'address ')
                         and to_timestamp(full_at_ns / 1e9) <= %(before)s
                       limit %(rows)s for update skip locked)
        """,
        now - PACE_ROW_AGE,
    )
    return keys + uploads


async def _in_batches(database: Database, query: str, before: datetime) -> int:
    deleted = 0
    while True:
        batch = await database.execute(query, {"before": before, "rows": BATCH_ROWS})
        deleted += batch
        if batch < BATCH_ROWS:
            return deleted
