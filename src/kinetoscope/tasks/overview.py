"""Overview: how the whole deployment does: what waits, who works, and how the last day went."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.engine import STALLED_S
from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The open tasks of a provider; a task that nobody has begun waits for its first route."""

    provider: str
    waiting: int
    generating: int
    oldest_waiting_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """The tasks that ended within an hour, counted from the start that was asked for."""

    number: int
    succeeded: int
    failed: int
    tests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """How often tasks failed for one reason."""

    provider: str
    code: str
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker's process, and when it was last heard of, in seconds before now."""

    process: str
    ago_s: float

    @property
    def is_alive(self) -> bool:
        """Whether it still counts as one that works."""
        return self.ago_s < STALLED_S


async def loads(database: Database) -> list[Load]:
    """Count open tasks by provider."""
    return await database.fetch_all(
        Load,
        """
        select provider,
               count(*) filter (where status = 'waiting') as waiting,
               count(*) filter (where status = 'generating') as generating,
               min(created_at) filter (where status = 'waiting') as oldest_waiting_at
        from task where status in ('waiting', 'generating') and not is_sample
        group by provider order by provider
        """,
        {},
    )


async def hours(database: Database, since: datetime) -> list[Hour]:
    """Count what ended since a time, hour by hour; tasks of test keys by themselves."""
    return await database.fetch_all(
        Hour,
        """
        select floor(extract(epoch from completed_at - %(since)s) / 3600)::int as number,
               count(*) filter (where status = 'success' and not is_test) as succeeded,
               count(*) filter (where status = 'fail' and not is_test) as failed,
               count(*) filter (where is_test) as tests
        from task where completed_at >= %(since)s and not is_sample
        group by number order by number
        """,
        {"since": since},
    )


async def failures(database: Database, since: datetime, limit: int) -> list[Failures]:
    """Return the commonest reasons for which tasks of live keys failed since a time."""
    return await database.fetch_all(
        Failures,
        """
        select provider, error_code as code, count(*) as tasks
        from task
        where completed_at >= %(since)s and status = 'fail' and not is_test and not is_sample
        group by provider, error_code
        order by tasks desc, provider, error_code
        limit %(limit)s
        """,
        {"since": since, "limit": limit},
    )


async def workers(database: Database) -> list[Worker]:
    """Return the processes that work, or did within the hour; each may have several shares."""
    return await database.fetch_all(
        Worker,
        """
        select process, extract(epoch from now() - max(last_heartbeat))::float8 as ago_s
        from procrastinate_workers group by process order by ago_s, process
        """,
        {},
    )
