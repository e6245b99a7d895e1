"""Measure: what an operator wants to know of all tasks at a glance."""

from dataclasses import dataclass

from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCount:
    """How many tasks of a model stand in a state, of those that have not ended."""

    status: str
    model: str
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Open tasks and the age of the oldest one that nobody has begun, in seconds."""

    open_tasks: int
    oldest_waiting_s: float


async def task_counts(database: Database) -> list[TaskCount]:
    """Count open tasks by state and model."""
    return await database.fetch_all(
        TaskCount,
        """
        select status, model, count(*) as tasks from task
        where status in ('waiting', 'generating') group by status, model
        """,
        {},
    )


async def backlog(database: Database) -> Backlog:
    """Look at what is still to be done."""
    found = await database.fetch_one(
        Backlog,
        """
        select count(*) as open_tasks,
               coalesce(extract(epoch from now() - min(created_at)
                 filter (where status = 'waiting')), 0)::float8 as oldest_waiting_s
        from task where status in ('waiting', 'generating')
        """,
        {},
    )
    assert found is not None  # noqa: S101 - an aggregate always has a row
    return found
