"""Intents: what is written down around a submit, so that whoever comes next knows where it stands.

Part of `store`: fenced like everything that a worker writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from psycopg.types.json import Jsonb

from kinetoscope.kernel.errors import LeaseLost
from kinetoscope.kernel.order import JSON
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks import store
from kinetoscope.tasks.route import Route
from kinetoscope.tasks.task import Task
from kinetoscope.tasks.wakes import WAKE_CHANNEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is about to be submitted where. `decision` is None where it was decided before.

    `prepared` are the addresses of its references there.
    """

    provider: str
    upstream_model: str
    reference_video_s: int
    decision: JSON = None
    prepared: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """A submit that may have been made, as the task's row knows it."""

    submit_started_at: datetime
    prepared: dict[str, str]


async def intend(database: Database, task: Task, intent: Intent, now: datetime) -> bool:
    """Record that a submit is about to happen; False if somebody wants the task ended.

    Raises LeaseLost.
    """
    intended = await database.execute(
        f"""
        update task set
        submit_started_at = %(now)s, start_by = null, upstream_id = null, upstream_claim = null,
        submits = submits + 1, provider = %(provider)s, upstream_model = %(upstream_model)s,
        reference_video_s = %(reference_video_s)s, upstream_prepared = %(prepared)s,
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
            "prepared": Jsonb(dict(intent.prepared)),
            "decision": Jsonb([] if intent.decision is None else [intent.decision]),
        },
    )
    if intended != 1:
        await store.require_lease(database, task)
    return intended == 1


async def renew(database: Database, task: Task, now: datetime) -> None:
    """Say that a submit begins only now. Raises LeaseLost."""
    await store.write(database, task, "submit_started_at = %(now)s", {"now": now})


async def intended(database: Database, task: Task) -> Intended:
    """Return the submit that nobody saw the answer of. Raises LeaseLost where there is none."""
    found = await database.fetch_one(
        Intended,
        f"""
        select submit_started_at, coalesce(upstream_prepared, '{{}}') as prepared
        from task where {store.FENCE} and submit_started_at is not null
        """,
        {"id": task.id, "epoch": task.epoch},
    )
    if found is None:
        raise LeaseLost(task.id)
    return found


async def decide(database: Database, task: Task, decision: JSON) -> None:
    """Write down who was asked, where that came to no submit. Raises LeaseLost."""
    values = {"decision": Jsonb([] if decision is None else [decision])}
    await store.write(database, task, "routing = routing || %(decision)s::jsonb", values)


async def move(database: Database, task: Task, route: Route, decision: JSON, search: JSON) -> None:
    """Hand a task that nobody has to the workers of a route's queue, with what was learnt so far.

    Raises LeaseLost.
    """
    moved = await database.execute(
        f"""
        with moved as (
          update task
          set provider = %(provider)s, search = %(search)s,
              routing = routing || %(decision)s::jsonb
          where {store.FENCE} and submit_started_at is null
          returning id
        )
        select enqueue_advance(id, %(queue)s) from moved
        """,
        {
            "provider": route.provider,
            "decision": Jsonb([decision]),
            "search": Jsonb(search),
            "queue": route.queue,
            "id": task.id,
            "epoch": task.epoch,
        },
    )
    if moved != 1:
        raise LeaseLost(task.id)


async def told(database: Database, task: Task) -> str | None:
    """Return the id under which an upstream's callback said it has a task, if one came.

    Not one that another task was accepted under since: that answer came from the upstream itself.
    """
    values = await database.fetch_values(
        """
        select upstream_claim from task
        where id = %(id)s and not exists (
          select from task as other
          where other.id <> task.id and other.provider = task.provider
            and other.upstream_id = task.upstream_claim)
        """,
        {"id": task.id},
    )
    return None if values is None else values[0]


async def withdraw(database: Database, task: Task) -> None:
    """Record that the upstream certainly does not have the task. Raises LeaseLost."""
    changes = "submit_started_at = null, upstream_claim = null, upstream_prepared = null"
    await store.write(database, task, changes, {})


async def lose(database: Database, task: Task, *, is_bound: bool) -> None:
    """Record that who accepted the task does not know it any more. Raises LeaseLost.

    A bound task is never given to anybody else.
    """
    kept = "accepted_by" if is_bound else "null"
    changes = f"submit_started_at = null, upstream_claim = null, accepted_by = {kept}"
    await store.write(database, task, changes, {})


async def accept(database: Database, task: Task, upstream_id: str) -> None:
    """Record that the upstream has the task, under its own name for it.

    Raises LeaseLost; the name is left then for whoever has the task now, and waits for an answer.
    """
    changes = "upstream_id = %(upstream_id)s, upstream_prepared = null, accepted_by = provider"
    try:
        await store.write(database, task, changes, {"upstream_id": upstream_id})
    except LeaseLost:
        await _leave(database, task, upstream_id)
        raise


async def _leave(database: Database, task: Task, upstream_id: str) -> None:
    """Tell what became of the submit that `task` speaks of; it is believed once it is confirmed.

    Not fenced: the answer is to that very submit, whoever has the task.
    """
    await database.execute(
        """
        with told as (
          update task set upstream_claim = %(upstream_id)s
          where id = %(id)s and status in ('waiting', 'generating') and upstream_id is null
            and provider = %(provider)s and submit_started_at = %(submit_started_at)s
          returning id
        )
        select pg_notify(%(channel)s, id) from told
        """,
        {
            "upstream_id": upstream_id,
            "id": task.id,
            "provider": task.provider,
            "submit_started_at": task.submit_started_at,
            "channel": WAKE_CHANNEL,
        },
    )
