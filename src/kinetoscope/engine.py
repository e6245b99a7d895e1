"""The seam to the durable engine: who enqueues a step, who runs it, and who finds it again.

The engine is Procrastinate (https://procrastinate.readthedocs.io). A job here is only a durable
wake-up for a task; everything worth knowing stands in the task's row.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import structlog
from procrastinate import App, PsycopgConnector, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy
from procrastinate.schema import SchemaManager
from typing_extensions import override

from kinetoscope.kernel.ids import TaskId
from kinetoscope.postgres.migrations import Migration
from kinetoscope.postgres.pool import Database

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How soon a dead worker's tasks are noticed: within stalled + sweep seconds."""

    heartbeat_s: float = 2
    stalled_s: float = 10
    sweep_s: float = 2
    shutdown_s: float = 5


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


Advance = Callable[[TaskId], Awaitable[None]]


def _app(conninfo: str, advance: Advance, concurrency: int) -> App:
    # One connection listens, one fetches, a few acknowledge.
    connector = PsycopgConnector(
        conninfo=conninfo, min_size=1, max_size=min(3 + concurrency, 12), timeout=5
    )
    app = App(connector=connector)

    @app.task(name=ADVANCE, retry=Retry())
    async def advance_task(task_id: str) -> None:
        try:
            await advance(TaskId(task_id))
        except Exception:
            # The engine will run it again; without this line nobody would know why.
            log.exception("task.step_failed", task=task_id)
            raise

    return app


async def run_worker(
    conninfo: str,
    *,
    queues: Sequence[str],
    concurrency: int,
    advance: Advance,
    timing: Timing,
) -> None:
    """Run jobs until cancelled, starting over whenever the database went away.

    On cancellation running steps get `timing.shutdown_s` to end, then go back to the queue.
    """
    while True:
        try:
            await _run_worker_once(conninfo, queues, concurrency, advance, timing)
        except (ConnectorException, psycopg.Error, OSError) as error:
            log.warning("worker.disconnected", error=str(error))
        else:
            log.warning("worker.stopped_early")
        await asyncio.sleep(0.2)


async def _run_worker_once(
    conninfo: str, queues: Sequence[str], concurrency: int, advance: Advance, timing: Timing
) -> None:
    """Run jobs for as long as the database stays; return when it went away.

    Procrastinate may outlive a restart of the database without listening any more, and then only
    polls. So a connection of our own watches, and the whole worker starts over when it breaks.
    """
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as watch:
        parts = [
            asyncio.create_task(_work(conninfo, queues, concurrency, advance, timing)),
            asyncio.create_task(_until_gone(watch)),
        ]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
            results = await asyncio.gather(*parts, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


async def _until_gone(watch: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    async for _ in watch.notifies():
        pass


async def _work(
    conninfo: str, queues: Sequence[str], concurrency: int, advance: Advance, timing: Timing
) -> None:
    app = _app(conninfo, advance, concurrency)
    async with app.open_async():
        await app.run_worker_async(
            queues=list(queues),
            concurrency=concurrency,
            install_signal_handlers=False,
            delete_jobs="successful",
            fetch_job_polling_interval=2,
            update_heartbeat_interval=timing.heartbeat_s,
            stalled_worker_timeout=timing.stalled_s,
            shutdown_graceful_timeout=timing.shutdown_s,
        )


async def requeue_stalled(database: Database, timing: Timing) -> int:
    """Put the jobs of workers that stopped beating back into their queues; return how many.

    A worker that was pruned leaves its jobs without an owner; those count as stalled too.
    """
    return await database.execute(
        """
        with stalled as materialized (
          -- Sweeps of several workers may meet here; each takes what the others did not.
          select job.id
          from procrastinate_jobs job
          left join procrastinate_workers worker on worker.id = job.worker_id
          where job.status = 'doing'
            and (worker.id is null
                 or worker.last_heartbeat < now() - make_interval(secs => %(stalled_s)s))
          for update of job skip locked
        ), gone as (
          -- A new job under a new id: should the old worker come back, it finds nothing to finish.
          delete from procrastinate_jobs job using stalled
          where job.id = stalled.id
          returning job.lock as task_id, job.queue_name
        )
        select enqueue_advance(task_id, queue_name) from gone
        """,
        {"stalled_s": timing.stalled_s},
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
