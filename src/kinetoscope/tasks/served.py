"""Served: which queues somebody works on, and what becomes of tasks in the others.

Each worker notes its queues every few seconds. A task that waits in a queue nobody has worked on
for a minute goes to its next route's; where there is none, it is ended when its time is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from kinetoscope import engine
from kinetoscope.kernel.ids import TaskId
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks.route import Routes

log = structlog.get_logger(__name__)

NOTE_DELAY_S = 5
UNSERVED_S = 60
"""How long nobody may be seen at a queue: longer than the restart of a worker takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """When a queue was last worked on, in seconds before now."""

    queue: str
    ago_s: float


class Served:
    """What this worker serves, and what it knows of others."""

    def __init__(self, database: Database, own: frozenset[str]) -> None:
        self.database = database
        self.own = own
        self.others: frozenset[str] | None = None

    def has(self, queue: str) -> bool:
        """Whether somebody works on a queue; yes as long as nothing is known."""
        return self.others is None or queue in self.own or queue in self.others

    async def refresh(self) -> None:
        """Say what is served here, and learn what is served at all."""
        await note(self.database, self.own)
        seen = await listed(self.database)
        self.others = frozenset(each.queue for each in seen if each.ago_s < UNSERVED_S)


async def note(database: Database, queues: frozenset[str]) -> None:
    """Write down that somebody works on these queues now."""
    await database.execute(
        """
        insert into served_queue (queue, seen_at)
        select queue, now() from unnest(%(queues)s::text[]) queue
        order by queue -- in one order, so that workers do not wait for each other in a circle
        on conflict (queue) do update set seen_at = excluded.seen_at
        """,
        {"queues": sorted(queues)},
    )


async def listed(database: Database) -> list[Seen]:
    """Return every queue that anybody ever worked on."""
    return await database.fetch_all(
        Seen,
        """
        select queue, extract(epoch from now() - seen_at)::float8 as ago_s
        from served_queue order by queue
        """,
        {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A task whose job waits somewhere."""

    id: TaskId
    model: str
    provider: str
    is_begun: bool
    created_at: datetime


async def rescue(
    database: Database, served: Served, routes: Routes, deadline: timedelta, now: datetime
) -> int:
    """Move tasks out of queues that nobody works on; return how many."""
    if served.others is None or not served.own & set(routes.queues.values()):
        return 0
    strays = await engine.strays(database, sorted(served.own | served.others))
    tasks = {
        task.id: task
        for task in await database.fetch_all(
            Waiting,
            """
            select id, model, provider, created_at,
                   submit_started_at is not null or upstream_id is not null as is_begun
            from task where id = any(%(ids)s) and status in ('waiting', 'generating')
            """,
            {"ids": [stray.task_id for stray in strays]},
        )
    }
    moved = 0
    for stray in strays:
        task = tasks.get(TaskId(stray.task_id))
        queue = None if task is None else _queue_for(task, served, routes, deadline, now)
        if queue is not None and await engine.requeue(database, stray, queue):
            log.warning("task.queue_unserved", task=stray.task_id, queue=stray.queue, to=queue)
            moved += 1
    return moved


def _queue_for(
    task: Waiting, served: Served, routes: Routes, deadline: timedelta, now: datetime
) -> str | None:
    """Return where a task can go on; None where it had better wait.

    Whoever has it is reached from its own queue only, so a begun task goes elsewhere just to end.
    """
    renamed: Mapping[str, str] = routes.queues
    own = renamed.get(task.provider)
    if own is not None and served.has(own):
        return own
    mine = min(served.own & set(routes.queues.values()))
    if task.is_begun:
        return mine if now >= task.created_at + 2 * deadline else None
    for route in routes.of(task.model, task.provider, task.id):
        if served.has(route.queue):
            return route.queue
    return mine if now >= task.created_at + deadline else None
