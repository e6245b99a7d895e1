"""The inputs of an earlier task, for its owner to begin a new one with."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.ids import AccountId
from kinetoscope.kernel.order import JSON
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks.read import SHOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a task was asked for."""

    model: str
    inputs: dict[str, JSON]
    is_test: bool


async def asked_of(database: Database, account_id: AccountId, task_id: str, now: datetime) -> Asked:
    """Return what one of an account's own tasks, or a sample, was asked for; raises NotFound."""
    found = await database.fetch_one(
        Asked,
        f"""
        select model, inputs, is_test from task
        where id = %(id)s and (account_id = %(account_id)s or is_sample) and {SHOWN}
        """,
        {"id": task_id, "account_id": account_id, "now": now},
    )
    if found is None:
        raise NotFound("Task not found")
    return found
