"""Delete: an owner has what a task was told and what it made removed, at once and for good.

What money needs stays: the emptied row, and the ledger. From the moment this is committed nobody
is shown the task or its files; the bytes are removed right after, or by the reaper.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from kinetoscope.accounts import powers
from kinetoscope.kernel.errors import Conflict, Forbidden, NotFound
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.postgres.pool import Connection, Database
from kinetoscope.tasks import expire, forget
from kinetoscope.tasks.expire import Reaper

HELD = "This task is under a legal hold and cannot be deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletable:
    """What decides whether a task's data may be deleted."""

    account_id: AccountId
    is_open: bool
    is_sample: bool
    is_test: bool
    is_gone: bool
    data_deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Held:
    """Whether a legal hold stands on a task, its account, or a task that shows its media."""

    is_held: bool


async def delete(
    reaper: Reaper, account_id: AccountId, task_id: TaskId, *, mode: KeyMode
) -> datetime:
    """Remove a task's data; return when that was done. Doing it again changes nothing.

    Raises NotFound, Forbidden for what belongs to others or to keys of another mode, samples and
    what is held, Conflict for a task that has not ended.
    """
    now = reaper.clock()

    async def steps(connection: Connection) -> datetime:
        return await _mark(connection, account_id, mode, task_id, now)

    deleted_at = await reaper.database.transact(steps)
    await expire.reap_task(reaper, task_id)
    return deleted_at


async def _mark(
    connection: Connection, account_id: AccountId, mode: KeyMode, task_id: TaskId, now: datetime
) -> datetime:
    """Empty the task and refuse its files, and those of tasks that show them."""
    task = await _locked(connection, task_id, now)
    if task is None or task.is_gone:
        raise NotFound("Task not found")
    if task.is_sample:
        raise Forbidden("Sample tasks cannot be deleted")
    if task.account_id != account_id:
        raise Forbidden("Access denied")
    powers.require_same_mode(mode, is_test=task.is_test)
    if task.is_open:
        raise Conflict("This task has not ended yet. Cancel it, or wait for its end.")
    if await _is_held(connection, task_id):
        raise Forbidden(HELD)
    if task.data_deleted_at is not None:
        return task.data_deleted_at
    await forget.empty_within(connection, [task_id], now)
    await connection.execute(
        """
        update task set media_expires_at = least(media_expires_at, %(now)s)
        where (id = %(task_id)s or cached_from = %(task_id)s) and media_expires_at is not null
        """,
        {"task_id": task_id, "now": now},
    )
    await connection.execute(
        """
        update media_file set expires_at = least(expires_at, %(now)s)
        where task_id = %(task_id)s and deleted_at is null
        """,
        {"task_id": task_id, "now": now},
    )
    return now


async def _locked(connection: Connection, task_id: TaskId, now: datetime) -> Deletable | None:
    """Look at a task and keep others from showing its media until the transaction ends."""
    async with connection.cursor(row_factory=class_row(Deletable)) as cursor:
        await cursor.execute(
            """
            select account_id, completed_at is null as is_open, is_sample, is_test, data_deleted_at,
                   coalesce(metadata_expires_at <= %(now)s and not is_sample, false) as is_gone
            from task where id = %(task_id)s
            for update
            """,
            {"task_id": task_id, "now": now},
        )
        return await cursor.fetchone()


async def _is_held(connection: Connection, task_id: TaskId) -> bool:
    # After the lock, so that a task which began to show this media meanwhile is seen.
    async with connection.cursor(row_factory=class_row(Held)) as cursor:
        await cursor.execute(
            """
            select coalesce(bool_or(task.legal_hold or account.legal_hold), false) as is_held
            from task join account on account.id = task.account_id
            where task.id = %(task_id)s or task.cached_from = %(task_id)s
            """,
            {"task_id": task_id},
        )
        held = await cursor.fetchone()
    return held is not None and held.is_held


async def hold_task(database: Database, task_id: TaskId, *, is_held: bool) -> None:
    """Set or lift a task's legal hold; raises NotFound."""
    query = "update task set legal_hold = %(is_held)s where id = %(id)s"
    if await database.execute(query, {"is_held": is_held, "id": task_id}) == 0:
        raise NotFound(f"There is no task {task_id!r}")
