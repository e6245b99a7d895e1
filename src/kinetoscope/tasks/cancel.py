"""Cancel: an owner wants a task ended. What nobody has begun ends at once; the rest is asked to.

A task that its provider has is ended by the worker that follows it, which asks every second.
Should the provider be done first, the task succeeds, and is charged.
"""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.accounts import powers
from kinetoscope.kernel.errors import Forbidden, NotFound
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.postgres.pool import Connection, Database
from kinetoscope.tasks import finish, store
from kinetoscope.tasks.lifetimes import Lifetimes
from kinetoscope.tasks.task import CANCELLED, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What became of a wish to cancel; neither flag is set for a task that had ended."""

    status: Status
    cancelled: bool
    requested: bool


async def cancel(
    database: Database,
    lifetimes: Lifetimes,
    account_id: AccountId,
    task_id: TaskId,
    now: datetime,
    *,
    mode: KeyMode,
) -> Cancelled:
    """End a task, or ask for its end.

    Raises NotFound, or Forbidden for others', samples, and tasks of keys of another mode.
    """

    async def steps(connection: Connection) -> Cancelled:
        found = await store.lock_cancellable(connection, account_id, task_id, now)
        if found is None or (found.is_own and found.is_gone):
            raise NotFound("Task not found")
        if found.is_sample:
            raise Forbidden("Sample tasks cannot be cancelled")
        if not found.is_own:
            raise Forbidden("Access denied")
        powers.require_same_mode(mode, is_test=found.is_test)
        status = Status(found.status)
        if status in {Status.SUCCESS, Status.FAIL}:
            return Cancelled(status=status, cancelled=False, requested=False)
        if found.is_submitted:
            await store.request_cancel(connection, task_id, now)
            return Cancelled(status=status, cancelled=False, requested=True)
        task = await store.claim_within(connection, task_id)
        await finish.fail_within(connection, lifetimes, task, CANCELLED, now)
        return Cancelled(status=Status.FAIL, cancelled=True, requested=False)

    return await database.transact(steps)
