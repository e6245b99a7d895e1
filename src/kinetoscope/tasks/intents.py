"""Intents: what is written down around a submit, so that whoever comes next knows where it stands.

Part of `store`: fenced like everything that a worker writes.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from kinetoscope.kernel.errors import LeaseLost
from kinetoscope.kernel.order import JSON
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks import store
from kinetoscope.tasks.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is about to be submitted where. `decision` is None where it was decided before."""

    provider: str
    upstream_model: str
    reference_video_s: int
    decision: JSON = None


async def intend(database: Database, task: Task, intent: Intent, now: datetime) -> bool:
    """Record that a submit is about to happen; False if somebody wants the task ended.

    Raises LeaseLost.
    """
    intended = await database.execute(
        f"""
        update task set
        submit_started_at = %(now)s, upstream_id = null, upstream_claim = null,
        submits = submits + 1, provider = %(provider)s, upstream_model = %(upstream_model)s,
        reference_video_s = %(reference_video_s)s,
        routing = routing || %(decision)s::jsonb
        where {store.FENCE} and cancel_requested_at is null
        """,
        {
            "id": task.id,
            "epoch": task.epoch,
            "now": now,
            "provider": intent.provider,
            "upstream_model": intent.upstream_model,
            "reference_video_s": intent.reference_video_s,
            "decision": Jsonb([] if intent.decision is None else [intent.decision]),
        },
    )
    if intended != 1:
        await store.require_lease(database, task)
    return intended == 1


async def move(database: Database, task: Task, provider: str, queue: str, decision: JSON) -> None:
    """Hand a task that nobody has to the workers of another queue. Raises LeaseLost."""
    moved = await database.execute(
        f"""
        with moved as (
          update task
          set provider = %(provider)s, routing = routing || %(decision)s::jsonb
          where {store.FENCE} and submit_started_at is null
          returning id
        )
        select enqueue_advance(id, %(queue)s) from moved
        """,
        {
            "provider": provider,
            "decision": Jsonb([decision]),
            "queue": queue,
            "id": task.id,
            "epoch": task.epoch,
        },
    )
    if moved != 1:
        raise LeaseLost(task.id)


async def told(database: Database, task: Task) -> str | None:
    """Return the id under which an upstream's callback said it has a task, if one came."""
    values = await database.fetch_values(
        "select upstream_claim from task where id = %(id)s", {"id": task.id}
    )
    return None if values is None else values[0]


async def withdraw(database: Database, task: Task) -> None:
    """Record that the upstream certainly does not have the task. Raises LeaseLost."""
    await store.write(database, task, "submit_started_at = null, upstream_claim = null", {})


async def accept(database: Database, task: Task, upstream_id: str) -> None:
    """Record that the upstream has the task, under its own name for it. Raises LeaseLost."""
    await store.write(database, task, "upstream_id = %(upstream_id)s", {"upstream_id": upstream_id})
