"""All SQL that writes to tasks once they are created. Only this folder may use it.

Every write after creation is fenced: it names the epoch of the claim it belongs to and does
nothing if the task has since been claimed by another worker or has ended.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import LeaseLost
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.kernel.order import JSON
from kinetoscope.media import files
from kinetoscope.postgres.pool import Connection, Database, Parameters
from kinetoscope.tasks.task import NEWS_CHANNEL, Failure, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The task that a statement wrote to."""

    id: TaskId


TASK_COLUMNS = """
  id, account_id, model, inputs, seed, provider, price, status, epoch, submits,
  submit_started_at, upstream_id, upstream_model, reference_video_s, media_name, rehearsal,
  is_sample, cancel_requested_at, search, accepted_by, events, created_at
"""


CLAIM = f"""
update task set epoch = epoch + 1
where id = %(id)s and status in ('waiting', 'generating')
returning {TASK_COLUMNS}
"""


async def claim(database: Database, task_id: TaskId) -> Task | None:
    """Take a task over, so that whoever had it before can write no more; None if it has ended."""
    return await database.fetch_one(Task, CLAIM, {"id": task_id})


CANCELLABLE = """
select account_id = %(account_id)s as is_own, is_sample, is_test, status,
       submit_started_at is not null as is_submitted,
       data_deleted_at is not null
         or coalesce(metadata_expires_at <= %(now)s, false) as is_gone
from task where id = %(id)s
for update
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellable:
    """What decides whether and how a task can be cancelled."""

    is_own: bool
    is_sample: bool
    is_test: bool
    status: str
    is_submitted: bool
    is_gone: bool


async def lock_cancellable(
    connection: Connection, account_id: AccountId, task_id: TaskId, now: datetime
) -> Cancellable | None:
    """Look at a task that somebody wants ended, and keep others from writing to it."""
    async with connection.cursor(row_factory=class_row(Cancellable)) as cursor:
        await cursor.execute(CANCELLABLE, {"account_id": account_id, "id": task_id, "now": now})
        return await cursor.fetchone()


async def request_cancel(connection: Connection, task_id: TaskId, now: datetime) -> None:
    """Ask the worker that has a task to end it."""
    await connection.execute(
        "update task set cancel_requested_at = coalesce(cancel_requested_at, %s) where id = %s",
        (now, task_id),
    )


async def is_past_end(connection: Connection, task_id: TaskId, now: datetime) -> bool:
    """Whether the time is over that a client gave its task to end."""
    query = "select end_by <= %s from task where id = %s"
    row = await (await connection.execute(query, (now, task_id))).fetchone()
    return row is not None and row[0] is True


async def claim_within(connection: Connection, task_id: TaskId) -> Task:
    """Take over a locked, open task as part of a transaction."""
    async with connection.cursor(row_factory=class_row(Task)) as cursor:
        await cursor.execute(CLAIM, {"id": task_id})
        task = await cursor.fetchone()
    assert task is not None  # noqa: S101 - it is open, and locked by this transaction
    return task


async def cancel_requests(database: Database) -> set[TaskId]:
    """Return the open tasks that somebody wants ended."""
    found = await database.fetch_all(
        Written,
        """
        select id from task
        where cancel_requested_at is not null and status in ('waiting', 'generating')
        """,
        {},
    )
    return {written.id for written in found}


async def require_lease(database: Database, task: Task) -> None:
    """See that nobody has taken a task over, and that it is open; raises LeaseLost."""
    values = {"id": task.id, "epoch": task.epoch}
    if await database.fetch_values(f"select true from task where {FENCE}", values) is None:
        raise LeaseLost(task.id)


async def has_upstream_id(database: Database, task: Task) -> bool:
    """Whether an upstream can be asked for what it makes of a task."""
    query = "select true from task where id = %(id)s and upstream_id is not null"
    return await database.fetch_values(query, {"id": task.id}) is not None


async def note_progress(
    database: Database, task: Task, progress_percent: int | None, now: datetime
) -> None:
    """Record that the task is being worked on, and how far. Raises LeaseLost."""
    query = f"""
        with noted as (
          update task
          set status = 'generating',
              started_at = coalesce(started_at, %(now)s),
              progress = coalesce(greatest(progress, %(progress)s::smallint),
                                  %(progress)s::smallint)
          where {FENCE}
          returning id
        )
        select pg_notify(%(channel)s, id) from noted
        """
    values = {"progress": progress_percent, "now": now, "channel": NEWS_CHANNEL}
    if await database.execute(query, {**values, "id": task.id, "epoch": task.epoch}) != 1:
        raise LeaseLost(task.id)


async def end_success(  # noqa: PLR0913 - what a success is
    connection: Connection,
    task: Task,
    *,
    output: list[JSON],
    preview: bool,
    ai_generated: bool = False,
    charged: Credits | None = None,
    cost_usd_micros: int | None = None,
    media_expires_at: datetime | None,
    metadata_expires_at: datetime | None = None,
    now: datetime,
) -> None:
    """Mark a task as finished. Part of the transaction that captures its hold.

    `charged` is None where the price stays as it is. Without `metadata_expires_at` the reaper
    writes down how long the task is known.
    """
    await _end(
        connection,
        task,
        """
        status = 'success', progress = 100, output = %(output)s, preview = %(preview)s,
        ai_generated = %(ai_generated)s, price = coalesce(%(charged)s::bigint, price),
        upstream_cost_usd_micros = %(cost_usd_micros)s,
        started_at = coalesce(started_at, %(now)s), media_expires_at = %(media_expires_at)s,
        metadata_expires_at = %(metadata_expires_at)s
        """,
        {
            "output": Jsonb(output),
            "preview": preview,
            "ai_generated": ai_generated,
            "charged": charged,
            "cost_usd_micros": cost_usd_micros,
            "media_expires_at": media_expires_at,
            "metadata_expires_at": metadata_expires_at,
            "now": now,
        },
    )
    await files.expire_within(connection, task.id, media_expires_at)


async def set_price(connection: Connection, task: Task, charged: Credits) -> None:
    """Write down what a task was charged. Part of the capture."""
    await connection.execute("update task set price = %s where id = %s", (charged, task.id))


async def end_fail(
    connection: Connection,
    task: Task,
    failure: Failure,
    now: datetime,
    metadata_expires_at: datetime | None = None,
) -> None:
    """Mark a task as failed. Part of the transaction that releases its hold.

    Files it may have stored are due for removal at once.
    """
    await _end(
        connection,
        task,
        """
        status = 'fail', error_code = %(code)s, error_message = %(message)s,
        error_detail = nullif(%(detail)s, ''), upstream_cost_usd_micros = %(cost)s,
        metadata_expires_at = %(metadata_expires_at)s
        """,
        {
            "code": failure.code,
            "message": failure.message,
            "detail": failure.detail,
            "cost": failure.cost_usd_micros,
            "metadata_expires_at": metadata_expires_at,
            "now": now,
        },
    )
    await files.expire_within(connection, task.id, now)


FENCE = "id = %(id)s and epoch = %(epoch)s and status in ('waiting', 'generating')"


async def write(database: Database, task: Task, changes: str, values: Parameters) -> None:
    """Change a task that is still ours. Raises LeaseLost."""
    query = f"update task set {changes} where {FENCE}"
    if await database.execute(query, {**values, "id": task.id, "epoch": task.epoch}) != 1:
        raise LeaseLost(task.id)


async def _end(connection: Connection, task: Task, changes: str, values: Parameters) -> None:
    changes = f"{changes}, upstream_prepared = null, completed_at = %(now)s"
    query = f"""
        with ended as (update task set {changes} where {FENCE} returning id)
        select pg_notify(%(channel)s, id) from ended
        """
    fence = {"id": task.id, "epoch": task.epoch, "channel": NEWS_CHANNEL}
    cursor = await connection.execute(query, {**values, **fence})
    if await cursor.fetchone() is None:
        raise LeaseLost(task.id)
