"""Idempotency-Key: the same request twice makes one task, whatever happened to the first answer.

The row that remembers a key is written in the transaction that creates the task, so a request
that was refused is not remembered: trying it again tries it again. It outlives the task: whoever
deletes a task within the day is not sold a second one by a request that was still on its way. Not
so where clients count: whose answer was lost cannot have deleted the task, and comes anew.
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kinetoscope.kernel.errors import IdempotencyGone, IdempotencyMismatch
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.postgres.pool import Connection

LIFETIME = timedelta(hours=24)

BUSY_TIMEOUT_S = 5.0
"""How long a request waits for an equal one that is running before it is told so."""

BUSY_DELAY_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A client's own name for a request, and what the request said.

    It repeats one of its name that was made no longer than `lifetime` ago. A client that does not
    choose names but counts says how many `tries` it has made before: its first is always new, and
    takes an earlier one's place; another one that is not more than were shown the task already is
    somebody else's, and new as well. So it is where the task is gone.
    """

    key: str
    body_sha256: bytes
    tries: int | None = None
    lifetime: timedelta = LIFETIME


@dataclass(frozen=True, slots=True)
class Before:
    """The task that a request made before; `reused` if it shows an earlier task's media."""

    task_id: TaskId
    reused: bool


async def lock(connection: Connection, account_id: AccountId, key: str) -> bool:
    """Keep equal requests apart until the transaction ends; False if another one is running."""
    cursor = await connection.execute(
        "select pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (f"{account_id} {key}",)
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - no table, so always one row
    return bool(row[0])


async def remembered(
    connection: Connection, account_id: AccountId, once: Once, now: datetime
) -> Before | None:
    """Return the task that this request made before.

    Raises IdempotencyMismatch where the request was another, IdempotencyGone where nobody is shown
    the task any more and the client chose the name.
    """
    if once.tries == 0:
        return None
    cursor = await connection.execute(
        """
        select remembered.task_id, body_sha256, task.cached_from is not null,
               task.id is not null and task.data_deleted_at is null
               and coalesce(task.metadata_expires_at > %(now)s, true), tries
        from idempotency_key remembered left join task on task.id = remembered.task_id
        where remembered.account_id = %(account_id)s and key = %(key)s
          and remembered.created_at > %(since)s
        """,
        {"account_id": account_id, "key": once.key, "since": now - once.lifetime, "now": now},
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    is_gone = not row[3]
    if once.tries is not None and (is_gone or row[4] >= once.tries):
        return None
    if bytes(row[1]) != once.body_sha256:
        raise IdempotencyMismatch
    if is_gone:
        raise IdempotencyGone
    if once.tries is not None:
        await connection.execute(
            "update idempotency_key set tries = %s where account_id = %s and key = %s",
            (once.tries, account_id, once.key),
        )
    return Before(TaskId(row[0]), reused=bool(row[2]))


async def remember(
    connection: Connection, account_id: AccountId, once: Once, task_id: TaskId, now: datetime
) -> None:
    """Note which task a request made; what was noted under its name before gives way."""
    await connection.execute(
        """
        insert into idempotency_key (account_id, key, body_sha256, task_id, tries, created_at)
        values (%s, %s, %s, %s, %s, %s)
        on conflict (account_id, key) do update
        set body_sha256 = excluded.body_sha256, task_id = excluded.task_id,
            tries = excluded.tries, created_at = excluded.created_at
        """,
        (account_id, once.key, once.body_sha256, task_id, once.tries or 0, now),
    )
