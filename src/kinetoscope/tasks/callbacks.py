"""Callbacks: an upstream says that there is news of a task. A wake-up, and never more than that.

What it says of the job is not believed: the state is asked for, with our own key. Only where a
submit's answer was lost, the id it names is looked at, and asked about.
"""

import hmac

from kinetoscope.kernel.ids import TaskId
from kinetoscope.postgres.pool import Connection, Database
from kinetoscope.tasks.wakes import wake_within

PATH = "/api/v1/upstream"
TOKEN_BYTES = 16
CLAIM_LENGTH_MAX = 300


def token(signing_key: bytes, task_id: str) -> str:
    """Return what stands in a task's callback address, so that strangers cannot wake anybody."""
    digest = hmac.digest(signing_key, f"upstream callback\n{task_id}".encode(), "sha256")
    return digest[:TOKEN_BYTES].hex()


def is_token(signing_key: bytes, task_id: str, presented: str) -> bool:
    """Whether a token is that of a task."""
    expected = token(signing_key, task_id)
    return hmac.compare_digest(expected.encode(), presented.encode("utf-8", "replace"))


async def heard(database: Database, task_id: TaskId, claim: str | None) -> None:
    """Wake who follows a task, and keep the id that its upstream claims to have it under."""
    usable = claim if claim and len(claim) <= CLAIM_LENGTH_MAX else None

    async def steps(connection: Connection) -> None:
        await connection.execute(
            """
            update task set upstream_claim = coalesce(%(claim)s, upstream_claim)
            where id = %(id)s and status in ('waiting', 'generating')
              and submit_started_at is not null and upstream_id is null
            """,
            {"id": task_id, "claim": usable},
        )
        await wake_within(connection, task_id)

    await database.transact(steps)
