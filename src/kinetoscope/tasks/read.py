"""Read: what the doors show of a task, to those who may see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from kinetoscope.accounts import opening
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import Forbidden, InvalidRequest, NotFound
from kinetoscope.kernel.ids import TaskId, is_task_id
from kinetoscope.kernel.secrets import PresentedKey
from kinetoscope.media.signing import kept_until
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks.task import Failure, Status, StoredOutput, stored_output


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A task as its owner sees it. `output` is empty unless it succeeded.

    `media_expires_at` is None where there is no media, or where it is kept for good. Its addresses
    hold until `addresses_expire_at`, which has passed where the media `is_expired`.
    """

    id: TaskId
    model: str
    status: Status
    price: Credits
    progress_percent: int | None
    preview: bool
    ai_generated: bool | None
    output: tuple[StoredOutput, ...]
    failure: Failure | None
    created_at: datetime
    completed_at: datetime | None
    media_expires_at: datetime | None
    metadata_expires_at: datetime | None
    addresses_expire_at: datetime
    is_expired: bool


class Found(NamedTuple):
    """What one question finds for a key that opens: a task or none, and whether it is theirs.

    In the order of the columns of `FIND`.
    """

    task_id: TaskId | None
    is_own: bool
    model: str
    status: str
    price: Credits
    progress: int | None
    preview: bool
    ai_generated: bool
    output: list[dict[str, Any]] | None
    error_code: str | None
    error_message: str | None
    error_detail: str | None
    created_at: datetime
    completed_at: datetime | None
    media_expires_at: datetime | None
    metadata_expires_at: datetime | None
    data_deleted_at: datetime | None
    is_sample: bool

    def is_gone(self, now: datetime) -> bool:
        """Whether nobody may see the task any more, though its row may still be there."""
        expires_at = None if self.is_sample else self.metadata_expires_at
        return self.data_deleted_at is not None or (expires_at is not None and expires_at <= now)


SCOPE = "tasks:read"

SCOPE_SAMPLES = "samples:read"
"""All that the demo key may do; whoever reads tasks reads samples too."""

COLUMNS = """
  task.model, task.status, task.price, task.progress, task.preview,
  task.ai_generated, task.output,
  task.error_code, task.error_message, task.error_detail, task.created_at, task.completed_at,
  task.media_expires_at, task.metadata_expires_at, task.data_deleted_at, task.is_sample
"""
"""What `Found` holds after whose task it is."""

SHOWN = """
  task.data_deleted_at is null
  and (task.is_sample or task.metadata_expires_at is null or task.metadata_expires_at > %(now)s)
"""
"""`not Found.is_gone` as a condition, for lists."""

FIND = f"""
select task.id as task_id, task.account_id = account.id as is_own, {COLUMNS}
from api_key
cross join account
left join task on task.id = %(task_id)s
where {opening.OPENS}
"""
"""Key and task in one question: this runs on every poll, so it is one trip to the database."""


async def record(
    database: Database, key: PresentedKey, task_id: str | None, now: datetime
) -> Record:
    """Return a task to its owner.

    Raises Unauthenticated or Forbidden for the key first, then InvalidRequest for a missing or
    malformed id, NotFound, or Forbidden for somebody else's task.
    https://kinovi.ai/docs/common/reference/get-task-status
    """
    if not task_id or not is_task_id(task_id):
        opening.require(await opening.authenticate(database, key, now), SCOPE)
        raise InvalidRequest("Invalid taskId" if task_id else "Missing taskId parameter")
    parameters = {**opening.opens_parameters(key, SCOPE), "task_id": task_id, "now": now}
    values = await database.fetch_values(FIND, parameters)
    if values is None:
        # The key does not open; find out in which words to say so. Had it been let in again in
        # this very moment, the next poll would succeed.
        caller = await opening.authenticate(database, key, now)
        if SCOPE_SAMPLES in caller.scopes:
            sample = await _sample(database, task_id, now)
            if sample is not None:
                return sample
        opening.require(caller, SCOPE)
        raise NotFound("Task not found")
    found = Found._make(values)
    if found.task_id is None or found.is_gone(now):
        raise NotFound("Task not found")
    if not found.is_own and not found.is_sample:
        raise Forbidden("Access denied")
    return as_record(found, found.task_id, now)


async def _sample(database: Database, task_id: str, now: datetime) -> Record | None:
    values = await database.fetch_values(
        f"select id, false, {COLUMNS} from task where id = %(id)s and is_sample", {"id": task_id}
    )
    return None if values is None else as_record(Found._make(values), TaskId(task_id), now)


def as_record(found: Found, task_id: TaskId, now: datetime) -> Record:
    """Return a task as its owner sees it."""
    expires_at = found.media_expires_at
    failure = None
    if found.error_code is not None:
        failure = Failure(
            code=found.error_code,
            message=found.error_message or "",
            detail=found.error_detail or "",
        )
    return Record(
        id=task_id,
        model=found.model,
        status=Status(found.status),
        price=found.price,
        progress_percent=found.progress,
        preview=found.preview,
        ai_generated=found.ai_generated if found.status == Status.SUCCESS else None,
        output=tuple(stored_output(output) for output in found.output or ()),
        failure=failure,
        created_at=found.created_at,
        completed_at=found.completed_at,
        media_expires_at=expires_at,
        metadata_expires_at=found.metadata_expires_at,
        addresses_expire_at=kept_until(now) if expires_at is None else expires_at,
        is_expired=expires_at is not None and expires_at <= now,
    )
