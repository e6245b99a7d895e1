"""Story: what an owner may know of one task beyond its record. Providers are not part of it."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.ids import AccountId, KeyId, TaskId, is_task_id
from kinetoscope.kernel.order import JSON
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks.read import SHOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What was asked for, with which key, and when which step was taken.

    `submit_started_at` is when it was first offered to a provider, `started_at` when one said to
    be at work. `rehearsal` is how a test key wanted it to go; `cached_from` whose media it shows.
    """

    id: TaskId
    inputs: dict[str, JSON]
    key_id: KeyId
    key_name: str
    key_last_four: str
    is_studio: bool
    is_key_deleted: bool
    is_test: bool
    rehearsal: str | None
    cached_from: TaskId | None
    callback_url: str | None
    legal_hold: bool
    submit_started_at: datetime | None
    started_at: datetime | None
    cancel_requested_at: datetime | None

    @property
    def mode(self) -> KeyMode:
        """What kind of key may write to it."""
        return KeyMode.TEST if self.is_test else KeyMode.LIVE


STORY = f"""
select task.id, task.inputs, task.key_id, api_key.name as key_name,
       api_key.last_four as key_last_four, api_key.is_studio,
       api_key.deleted_at is not null as is_key_deleted, task.is_test, task.rehearsal,
       task.cached_from, task.callback_url, task.legal_hold or account.legal_hold as legal_hold,
       task.submit_started_at, task.started_at, task.cancel_requested_at
from task
join api_key on api_key.id = task.key_id
join account on account.id = task.account_id
where task.id = %(id)s and task.account_id = %(account_id)s and not task.is_sample and {SHOWN}
"""


async def story(database: Database, account_id: AccountId, task_id: str, now: datetime) -> Story:
    """Return what an account may know of a task of its own; raises NotFound for any other."""
    found = None
    if is_task_id(task_id):
        values = {"id": task_id, "account_id": account_id, "now": now}
        found = await database.fetch_one(Story, STORY, values)
    if found is None:
        raise NotFound("Task not found")
    return found
