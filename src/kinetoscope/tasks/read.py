"""Read: what the doors show of a task, to those who may see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kinetoscope.accounts import keys
from kinetoscope.accounts.keys import KeyRecord
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import Forbidden, InvalidRequest, NotFound
from kinetoscope.kernel.ids import AccountId, KeyId, TaskId, is_task_id
from kinetoscope.kernel.secrets import PresentedKey
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks.task import Failure, Status, StoredOutput, stored_output


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A task as its owner sees it. `output` is empty unless it succeeded."""

    id: TaskId
    model: str
    status: Status
    price: Credits
    progress_percent: int | None
    preview: bool
    output: tuple[StoredOutput, ...]
    failure: Failure | None
    created_at: datetime
    completed_at: datetime | None
    media_expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A key and a task side by side, so that one question to the database answers a poll."""

    key_id: KeyId
    account_id: AccountId
    mode: str
    secret_sha256: bytes
    scopes: list[str]
    active: bool
    expires_at: datetime | None
    api_access: bool
    task_id: TaskId | None
    task_account_id: AccountId | None
    model: str
    status: str
    price: Credits
    progress: int | None
    preview: bool
    output: list[dict[str, Any]] | None
    error_code: str | None
    error_message: str | None
    created_at: datetime
    completed_at: datetime | None
    media_expires_at: datetime | None


FIND = f"""
select {keys.RECORD_COLUMNS},
       task.id as task_id, task.account_id as task_account_id, task.model, task.status,
       task.price, task.progress, task.preview, task.output, task.error_code,
       task.error_message, task.created_at, task.completed_at, task.media_expires_at
from api_key
join account on account.id = api_key.account_id
left join task on task.id = %(task_id)s
where api_key.id = %(key_id)s
"""


async def record(
    database: Database, presented: PresentedKey, task_id: str | None, now: datetime
) -> Record:
    """Return a task to its owner.

    Raises Unauthenticated or Forbidden for the key first, then InvalidRequest for a missing or
    malformed id, NotFound, or Forbidden for somebody else's task.
    https://kinovi.ai/docs/common/reference/get-task-status
    """
    parameters = {"key_id": presented.id, "task_id": task_id or None}
    if "\x00" in (task_id or ""):
        parameters["task_id"] = None  # PostgreSQL's text cannot hold it, so no task has it
    found = await database.fetch_one(Found, FIND, parameters)
    caller = keys.admit(presented, _key(found), now)
    keys.require(caller, "tasks:read")
    if not task_id:
        raise InvalidRequest("Missing taskId parameter")
    if not is_task_id(task_id):
        raise InvalidRequest("Invalid taskId")
    assert found is not None  # noqa: S101 - admitted above
    if found.task_id is None:
        raise NotFound("Task not found")
    if found.task_account_id != caller.account_id:
        raise Forbidden("Access denied")
    return _record(found, found.task_id)


def _key(found: Found | None) -> KeyRecord | None:
    if found is None:
        return None
    return KeyRecord(
        key_id=found.key_id,
        account_id=found.account_id,
        mode=found.mode,
        secret_sha256=found.secret_sha256,
        scopes=found.scopes,
        active=found.active,
        expires_at=found.expires_at,
        api_access=found.api_access,
    )


def _record(found: Found, task_id: TaskId) -> Record:
    failure = None
    if found.error_code is not None:
        failure = Failure(code=found.error_code, message=found.error_message or "")
    return Record(
        id=task_id,
        model=found.model,
        status=Status(found.status),
        price=found.price,
        progress_percent=found.progress,
        preview=found.preview,
        output=tuple(stored_output(output) for output in found.output or ()),
        failure=failure,
        created_at=found.created_at,
        completed_at=found.completed_at,
        media_expires_at=found.media_expires_at,
    )
