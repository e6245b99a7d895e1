"""What a task did to its account's credits: the hold, and how it ended."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEntry:
    """One entry: what it added to each place."""

    kind: str
    available: Credits
    held: Credits
    spent: Credits
    created_at: datetime


async def entries_of(database: Database, account_id: AccountId, task_id: TaskId) -> list[TaskEntry]:
    """Return the entries of an account's task, oldest first."""
    return await database.fetch_all(
        TaskEntry,
        """
        select kind, available, held, spent, created_at from ledger_entry
        where task_id = %(task_id)s and account_id = %(account_id)s
        order by id
        """,
        {"task_id": task_id, "account_id": account_id},
    )
