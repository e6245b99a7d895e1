"""Ended: what webhooks tell of tasks, and in which order they ended. For our own use, not for keys.

Whoever asks has already been found to be the owner, or is us.
"""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks.read import COLUMNS, SHOWN, Found, Record, as_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in the order of an account's ended tasks."""

    ended_at: datetime
    task_id: TaskId | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A task that ended."""

    id: TaskId


async def by_id(database: Database, task_id: TaskId, now: datetime) -> Record | None:
    """Return a task, or None where there is none of this id, or none any more."""
    values = await database.fetch_values(
        f"select task.id as task_id, true as is_own, {COLUMNS} from task where id = %(id)s",
        {"id": task_id},
    )
    if values is None:
        return None
    found = Found._make(values)
    return None if found.is_gone(now) else as_record(found, task_id, now)


async def after(
    database: Database, account_id: AccountId, place: Place, limit: int, now: datetime
) -> list[Record]:
    """Return an account's tasks that ended after a place, in order.

    Tasks that end in the same moment on different workers may become visible in another order:
    who follows along looks back a little and drops what it has seen.
    """
    found = await database.fetch_all(
        Reference,
        f"""
        select id from task
        where account_id = %(account_id)s and {SHOWN}
          and (completed_at, id) > (%(ended_at)s, %(task_id)s)
        order by completed_at, id
        limit %(limit)s
        """,
        {
            "account_id": account_id,
            "ended_at": place.ended_at,
            "task_id": place.task_id,
            "limit": limit,
            "now": now,
        },
    )
    records = [await by_id(database, reference.id, now) for reference in found]
    return [record for record in records if record is not None]
