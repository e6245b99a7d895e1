"""Callbacks: an upstream says that there is news of a task. A wake-up, and never more than that.

What it says of the job is not believed: the state is asked for, with our own key. Only where a
submit's answer was lost, the id it names is looked at, and asked about.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime

import structlog
from psycopg.rows import class_row

from kinetoscope.kernel.ids import TaskId
from kinetoscope.postgres.pool import Connection, Database
from kinetoscope.tasks import alerts
from kinetoscope.tasks.wakes import wake_within

log = structlog.get_logger(__name__)

PATH = "/api/v1/upstream"
TOKEN_BYTES = 16
CLAIM_LENGTH_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is heard: which provider calls of which task, and under which id it says to have it."""

    provider: str
    task_id: TaskId
    claim: str | None


def token(signing_key: bytes, provider: str, task_id: str) -> str:
    """Return what stands in a task's callback address, so that strangers cannot wake anybody.

    Each provider that was asked has an address of its own: who refused a task cannot speak for
    the one that took it.
    """
    named = f"upstream callback\n{task_id}\n{provider}".encode("utf-8", "replace")
    return hmac.digest(signing_key, named, "sha256")[:TOKEN_BYTES].hex()


def is_token(signing_key: bytes, provider: str, task_id: str, presented: str) -> bool:
    """Whether a token is that of a task at a provider."""
    expected = token(signing_key, provider, task_id)
    return hmac.compare_digest(expected.encode(), presented.encode("utf-8", "replace"))


async def heard(database: Database, call: Call, now: datetime) -> None:
    """Wake who follows a task, and keep the id that its upstream claims to have it under.

    Only the provider that has the task is heeded. If the task was given up because nobody knew
    whether that one has it, the operator's alert says from now on that it does.
    """

    async def steps(connection: Connection) -> None:
        async with connection.cursor(row_factory=class_row(_Standing)) as cursor:
            await cursor.execute(STANDING, {"id": call.task_id})
            task = await cursor.fetchone()
        if task is None or task.provider != call.provider:
            log.warning("callback.not_its_task", task=call.task_id, provider=call.provider)
            return
        if task.is_unanswered:
            await _keep_claim(connection, call, task, now)
        if not task.is_ended:
            await wake_within(connection, call.task_id)

    await database.transact_pipelined(steps)


@dataclass(frozen=True, slots=True)
class _Standing:
    provider: str
    is_ended: bool
    is_unanswered: bool


STANDING = """
select provider, status in ('success', 'fail') as is_ended,
       submit_started_at is not null and upstream_id is null as is_unanswered
from task where id = %(id)s
for update
"""


async def _keep_claim(connection: Connection, call: Call, task: _Standing, now: datetime) -> None:
    """Keep what may be the only word of a submit's outcome, for the worker or the operator."""
    claim = await _free_claim(connection, call)
    if task.is_ended:
        if await alerts.tell_within(connection, call.task_id, claim, now):
            log.error("callback.too_late", task=call.task_id, provider=call.provider, id=claim)
    elif claim is not None:
        await connection.execute(
            "update task set upstream_claim = %s where id = %s", (claim, call.task_id)
        )


async def _free_claim(connection: Connection, call: Call) -> str | None:
    """Return the id that is claimed if it can be one, and no other task's at this provider.

    Two tasks with one id would be two clients with one result.
    """
    claim = call.claim
    if not claim or len(claim) > CLAIM_LENGTH_MAX or not claim.isprintable():
        return None
    values = {"id": call.task_id, "provider": call.provider, "claim": claim}
    # One after the other, so that of two who claim the same id the second sees the first.
    await connection.execute(
        "select pg_advisory_xact_lock(hashtextextended(%s, 0))",
        (f"claim {call.provider} {claim}",),
    )
    cursor = await connection.execute(
        """
        select id from task
        where id <> %(id)s and provider = %(provider)s and upstream_id = %(claim)s
        union all
        select id from task
        where id <> %(id)s and provider = %(provider)s and upstream_claim = %(claim)s
        limit 1
        """,
        values,
    )
    taken = await cursor.fetchone()
    if taken is None:
        return claim
    log.error("callback.id_of_another", task=call.task_id, provider=call.provider, other=taken[0])
    return None
