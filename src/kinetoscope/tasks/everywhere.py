"""Everywhere: the tasks of all accounts as an operator finds them, newest first."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which tasks; None leaves a thing open. `before` is where the page before ended."""

    account_id: AccountId | None = None
    status: str | None = None
    provider: str | None = None
    task_id: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One task: whose it is and who makes it, but not what was asked for."""

    id: TaskId
    account_id: AccountId
    account: str
    model: str
    status: str
    provider: str
    price: Credits
    is_test: bool
    error_code: str | None
    created_at: datetime
    completed_at: datetime | None


async def listing(database: Database, asked: Asked, limit: int) -> list[Row]:
    """Return tasks of which something is known still, newest first; samples only by their id."""
    return await database.fetch_all(
        Row,
        """
        select task.id, task.account_id,
               coalesce(nullif(account.title, ''), account.name) as account,
               task.model, task.status, task.provider, task.price, task.is_test, task.error_code,
               task.created_at, task.completed_at
        from task join account on account.id = task.account_id
        left join task as last on last.id = %(before)s
        where task.data_deleted_at is null
          and (not task.is_sample or task.id = %(task_id)s)
          and (%(task_id)s::text is null or task.id = %(task_id)s)
          and (%(account_id)s::text is null or task.account_id = %(account_id)s)
          and (%(status)s::text is null or task.status = %(status)s)
          and (%(provider)s::text is null or task.provider = %(provider)s)
          and (last.id is null or task.created_at < last.created_at
               or (task.created_at = last.created_at and task.id > last.id))
        order by task.created_at desc, task.id
        limit %(limit)s
        """,
        {
            "account_id": asked.account_id,
            "status": asked.status,
            "provider": asked.provider,
            "task_id": asked.task_id,
            "before": asked.before,
            "limit": limit,
        },
    )
