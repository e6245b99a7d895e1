"""Trace: everything an operator wants to know of one task, its providers included.

Owners see less (`read`): which provider makes what, and what that costs, is the operator's affair.
"""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.order import JSON
from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One task. `routing` tells in order who was asked, who was passed over, and why."""

    id: str
    account: str
    model: str
    status: str
    price: Credits
    provider: str
    upstream_model: str | None
    upstream_id: str | None
    upstream_cost_usd_micros: int | None
    routing: list[JSON]
    submits: int
    epoch: int
    error_code: str | None
    error_message: str | None
    error_detail: str | None
    created_at: datetime
    submit_started_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None


async def trace(database: Database, task_id: str) -> Trace | None:
    """Return a task as the operator sees it, or None."""
    return await database.fetch_one(
        Trace,
        """
        select task.id, account.name as account, model, status, price, provider, upstream_model,
               upstream_id, upstream_cost_usd_micros, routing, submits, epoch, error_code,
               error_message, error_detail, task.created_at, submit_started_at, started_at,
               completed_at
        from task join account on account.id = task.account_id
        where task.id = %(id)s and data_deleted_at is null
        """,
        {"id": task_id},
    )
