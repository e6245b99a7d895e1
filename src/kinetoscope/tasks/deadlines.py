"""Deadlines of clients: a task that nobody wants after a time ends then, as if it were cancelled.

What no provider has been offered ends at once, and costs nothing. What one has is asked to end, as
by its owner: should it be done first, it succeeds, and is charged.
"""

from dataclasses import dataclass
from datetime import datetime

import structlog

from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.postgres.pool import Connection, Database
from kinetoscope.tasks import finish, store
from kinetoscope.tasks.lifetimes import Lifetimes
from kinetoscope.tasks.task import Failure

log = structlog.get_logger(__name__)

LOOK_DELAY_S = 1.0

OVERDUE_MAX = 100
"""How many are ended in one look; the next one is a second away."""

OVERDUE = Failure(
    code="deadline", message="The task was not begun within the time that its client gave it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """An open task whose time is over."""

    id: TaskId
    account_id: AccountId


async def end_overdue(database: Database, lifetimes: Lifetimes, now: datetime) -> None:
    """End what is overdue, or ask for its end."""
    found = await database.fetch_all(
        Overdue,
        """
        select id, account_id from task
        where status in ('waiting', 'generating')
          and (start_by is not null or end_by is not null)
          and least(start_by, end_by) <= %(now)s
          and cancel_requested_at is null
          and (submit_started_at is null or end_by <= %(now)s)
        order by least(start_by, end_by)
        limit %(limit)s
        """,
        {"now": now, "limit": OVERDUE_MAX},
    )
    for overdue in found:
        try:
            await _end(database, lifetimes, overdue, now)
        except Exception:
            # One account's trouble is not to keep the others' tasks open.
            log.exception("task.not_ended", task=overdue.id)


async def _end(database: Database, lifetimes: Lifetimes, overdue: Overdue, now: datetime) -> None:
    async def steps(connection: Connection) -> None:
        found = await store.lock_cancellable(connection, overdue.account_id, overdue.id, now)
        if found is None or found.status not in {"waiting", "generating"}:
            return
        if not found.is_submitted:
            task = await store.claim_within(connection, overdue.id)
            await finish.fail_within(connection, lifetimes, task, OVERDUE, now)
        elif await store.is_past_end(connection, overdue.id, now):
            await store.request_cancel(connection, overdue.id, now)

    await database.transact(steps)
