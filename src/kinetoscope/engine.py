"""The seam to the durable engine: who enqueues a step, who runs it, and who finds it again.

The engine is Procrastinate (https://procrastinate.readthedocs.io). A job here is only a durable
wake-up for a task; everything worth knowing stands in the task's row.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from procrastinate import RetryDecision
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy
from procrastinate.schema import SchemaManager
from typing_extensions import override

from kinetoscope.postgres.migrations import Migration
from kinetoscope.postgres.pool import Database, Parameters

log = structlog.get_logger(__name__)

ADVANCE = "advance"

ENQUEUE_SQL = """
-- Enqueue a wake-up for a task, as part of whatever statement calls it.
create function enqueue_advance(task_id text, queue text) returns bigint
language sql as $$
  select (procrastinate_defer_jobs_v1(array[
    row(queue, 'advance', 0, task_id, null, jsonb_build_object('task_id', task_id), null)
      ::procrastinate_job_to_defer_v1
  ]))[1]
$$;
"""

RETRY_DELAY_S_MAX = 60

STALLED_S = 10.0
"""A worker that was silent for so long has lost its tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How soon a dead worker's tasks are noticed: within stalled + sweep seconds.

    A shutdown gives steps `shutdown_s` to end, and `held_s` to those that wait for an answer which
    nobody could ask for again.
    """

    heartbeat_s: float = 2
    stalled_s: float = STALLED_S
    sweep_s: float = 2
    shutdown_s: float = 5
    held_s: float = 120

    @property
    def stop_s(self) -> float:
        """How long a worker may take to end."""
        return self.held_s + 5 * self.shutdown_s


def migrations() -> tuple[Migration, ...]:
    """Return the engine's own part of the schema."""
    return (
        Migration("engine_1_procrastinate", SchemaManager.get_schema()),
        Migration("engine_2_enqueue_advance", ENQUEUE_SQL),
    )


class Retry(BaseRetryStrategy):
    """Always run a step again: it ends by writing the task's end, and in no other way."""

    @override
    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        """Wait longer each time, but hand back at once what a shutdown interrupts."""
        delay_s = min(2**job.attempts, RETRY_DELAY_S_MAX)
        if isinstance(exception, asyncio.CancelledError):
            delay_s = 0
        now = datetime.now(UTC)  # noqa: TID251 - the engine schedules by the machine's time
        return RetryDecision(retry_at=now + timedelta(seconds=delay_s))


async def requeue_stalled(database: Database, timing: Timing) -> int:
    """Put the jobs of workers that stopped beating back into their queues; return how many.

    A worker that was pruned leaves its jobs without an owner; those count as stalled too. Nobody
    could give a sign of life while the database was away: it must have been up for as long.
    """
    silent = """
      worker.id is null
      or greatest(worker.last_heartbeat, pg_postmaster_start_time())
         < now() - make_interval(secs => %(stalled_s)s)
    """
    return await _put_back(database, silent, {"stalled_s": timing.stalled_s})


async def requeue_of(database: Database, processes: list[str]) -> int:
    """Put back the jobs of worker processes that are known to have ended; return how many."""
    which = "worker.process = any(%(processes)s)"
    return await _put_back(database, which, {"processes": processes})


async def _put_back(database: Database, which: str, values: Parameters) -> int:
    return await database.execute(
        f"""
        with stalled as materialized (
          -- Sweeps of several workers may meet here; each takes what the others did not.
          select job.id
          from procrastinate_jobs job
          left join procrastinate_workers worker on worker.id = job.worker_id
          where job.status = 'doing' and ({which})
          for update of job skip locked
        ), gone as (
          -- A new job under a new id: should the old worker come back, it finds nothing to finish.
          delete from procrastinate_jobs job using stalled
          where job.id = stalled.id
          returning job.lock as task_id, job.queue_name
        )
        select enqueue_advance(task_id, queue_name) from gone
        """,
        values,
    )


async def enqueue_orphans(database: Database, queue_of_provider: dict[str, str]) -> int:
    """Wake every open task that has no job, whatever the reason; return how many.

    A belt: creating a task enqueues it in the same transaction, and steps end by ending it.
    """
    enqueued = 0
    for provider, queue in queue_of_provider.items():
        enqueued += await database.execute(
            """
            select enqueue_advance(task.id, %(queue)s)
            from task
            where task.status in ('waiting', 'generating')
              and task.provider = %(provider)s
              and not exists (
                select from procrastinate_jobs job
                where job.lock = task.id and job.status in ('todo', 'doing'))
            """,
            {"queue": queue, "provider": provider},
        )
    return enqueued


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A job that waits in a queue nobody works on."""

    id: int
    task_id: str
    queue: str


async def strays(database: Database, served: Sequence[str]) -> list[Stray]:
    """Return jobs that wait in other queues than these, the oldest first, a bounded number."""
    return await database.fetch_all(
        Stray,
        """
        select id, lock as task_id, queue_name as queue from procrastinate_jobs
        where status = 'todo' and queue_name <> all(%(served)s) and lock is not null
        order by id limit 1000
        """,
        {"served": list(served)},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Count:
    queue: str
    jobs: int


async def waiting(database: Database) -> dict[str, int]:
    """Count the jobs that wait, by queue."""
    counts = await database.fetch_all(
        _Count,
        """
        select queue_name as queue, count(*) as jobs from procrastinate_jobs
        where status = 'todo' group by queue_name
        """,
        {},
    )
    return {count.queue: count.jobs for count in counts}


async def requeue(database: Database, stray: Stray, queue: str) -> bool:
    """Put a waiting job into another queue; False if somebody took it meanwhile."""
    moved = await database.execute(
        """
        with gone as (
          delete from procrastinate_jobs where id = %(id)s and status = 'todo'
          returning lock as task_id
        )
        select enqueue_advance(task_id, %(queue)s) from gone
        """,
        {"id": stray.id, "queue": queue},
    )
    return moved == 1


async def forget_finished(database: Database) -> int:
    """Delete jobs that ended in any way; the task row has said all there is to say."""
    return await database.execute(
        """
        delete from procrastinate_jobs
        where status in ('succeeded', 'failed', 'cancelled', 'aborted')
        """,
        {},
    )


async def every(delay_s: float, work: Callable[[], Awaitable[object]]) -> None:
    """Do something again and again until cancelled; a failure is logged, not fatal."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("periodic.failed", work=getattr(work, "__name__", "work"))
        await asyncio.sleep(delay_s)
