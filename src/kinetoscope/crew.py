"""The crew: who runs the engine's jobs in a worker, while the database comes and goes.

A job is a wake-up and costs nothing; the step that it began may be the only one to hear an answer
that was paid for. So steps outlive the engine that woke them: when the database is lost, another
engine takes over fetching, and the former only waits for its steps and puts their jobs away.
"""

import asyncio
import select
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, LiteralString

import psycopg
import structlog
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException
from psycopg_pool import AsyncConnectionPool
from typing_extensions import override

from kinetoscope.engine import ADVANCE, Retry, Timing
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.steps import Steps
from kinetoscope.postgres.pool import is_unreachable

log = structlog.get_logger(__name__)

RECONNECT_DELAY_S = 0.2
WORKER_ROWS_S = 3600
"""How long the engine keeps the row of a worker that is silent; what counts is `stalled_s`."""

BEAT = """
update procrastinate_workers set last_heartbeat = now()
where id in (select worker_id from procrastinate_jobs where id = any(%(jobs)s))
"""

Advance = Callable[[TaskId], Awaitable[None]]


Idle = psycopg.AsyncConnection[Any]


def _pool(**arguments: Any) -> AsyncConnectionPool[Idle]:  # noqa: ANN401 - the pool's own
    """Return the engine's pool; only what looks broken is asked whether it works."""
    return AsyncConnectionPool[Idle](**{**arguments, "check": _check})


async def _configure(connection: Idle) -> None:
    """Let the engine's own notes reach the disk a little later: at worst a job is taken twice.

    What a step writes reaches it at once, and with it all that was noted before.
    """
    await connection.set_autocommit(True)
    await connection.execute("set synchronous_commit = off")


async def _check(connection: Idle) -> None:
    """Ask the server only where it has said something: to an idle connection, that is the end."""
    look = select.poll()
    look.register(connection.fileno(), select.POLLIN)
    if look.poll(0):
        await AsyncConnectionPool.check_connection(connection)


class _Connector(PsycopgConnector):
    """Tells when the database could not be reached. Whatever met that fetches no jobs any more."""

    lost: asyncio.Event

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except ConnectorException as error:
            if isinstance(error.__cause__, psycopg.Error) and is_unreachable(error.__cause__):
                self.lost.set()
            raise

    @override
    async def open_async(self, pool: AsyncConnectionPool[Idle] | None = None) -> None:
        try:
            await super().open_async(pool)
        except BaseException:
            # Nobody else will: `async with` closes only what has opened.
            await self.close_async()
            raise

    @override
    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        with self._noticing():
            await super().execute_query_async(query, **arguments)

    @override
    async def execute_query_one_async(
        self, query: LiteralString, **arguments: Any
    ) -> dict[str, Any]:
        with self._noticing():
            row: dict[str, Any] = await super().execute_query_one_async(query, **arguments)
            return row

    @override
    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        with self._noticing():
            await super().listen_notify(on_notification, channels)


@dataclass(slots=True, kw_only=True)
class Crew:
    """One worker's share of some queues: what it is to do, and what it is at."""

    conninfo: str
    queues: Sequence[str]
    concurrency: int
    advance: Advance
    timing: Timing
    steps: Steps = field(default_factory=Steps)
    jobs: set[int] = field(default_factory=set)
    engines: set[asyncio.Task[None]] = field(default_factory=set)
    is_stopping: bool = False


async def run_worker(
    conninfo: str,
    *,
    queues: Sequence[str],
    concurrency: int,
    advance: Advance,
    timing: Timing,
) -> None:
    """Run jobs until cancelled, with another engine whenever the database went away.

    On cancellation running steps get `timing.shutdown_s` to end, those that hold themselves
    `timing.held_s`; what has not ended then goes back to the queue.
    """
    crew = Crew(
        conninfo=conninfo, queues=queues, concurrency=concurrency, advance=advance, timing=timing
    )
    try:
        while True:
            try:
                await _run_once(crew)
            except (ConnectorException, psycopg.Error, OSError) as error:
                log.warning("worker.disconnected", error=str(error), steps=len(crew.jobs))
            else:
                log.warning("worker.stopped_early", steps=len(crew.jobs))
            await asyncio.sleep(RECONNECT_DELAY_S)
    finally:
        await _stop(crew)


async def _run_once(crew: Crew) -> None:
    """Run jobs for as long as the database stays; return when it went away.

    Procrastinate may outlive a restart of the database without listening any more, and then only
    polls; or notice by itself, and then only waits for its jobs. So a connection of our own
    watches, and another engine starts when that breaks, or when an engine was not answered.
    """
    connector = _Connector(
        # One connection listens, one fetches, a few acknowledge.
        conninfo=crew.conninfo,
        min_size=1,
        max_size=min(3 + crew.concurrency, 12),
        timeout=5,
        pool_factory=_pool,
        configure=_configure,
    )
    connector.lost = asyncio.Event()
    async with await psycopg.AsyncConnection.connect(crew.conninfo, autocommit=True) as watch:
        engine = asyncio.create_task(_engine(crew, connector))
        crew.engines.add(engine)
        engine.add_done_callback(partial(_ended, crew))
        others = [
            asyncio.create_task(_watch(crew, watch)),
            asyncio.create_task(_until(connector.lost)),
        ]
        try:
            await asyncio.wait([engine, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            engine.cancel()  # it fetches nothing more, and waits for its steps
            for other in others:
                other.cancel()
            results = await asyncio.gather(*others, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


def _ended(crew: Crew, engine: asyncio.Task[None]) -> None:
    crew.engines.discard(engine)
    if not engine.cancelled() and engine.exception() is not None:
        log.warning("worker.engine_ended", error=str(engine.exception()))


async def _until(event: asyncio.Event) -> None:
    await event.wait()


async def _watch(crew: Crew, watch: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    """Keep the jobs of all steps that run here from being given to others, until that fails.

    An engine that only waits for its steps gives no sign of life itself.
    """
    while True:
        await watch.execute(BEAT, {"jobs": list(crew.jobs)})
        async for _ in watch.notifies(timeout=crew.timing.heartbeat_s):
            pass


async def _watch_always(crew: Crew) -> None:
    while True:
        with suppress(psycopg.Error, OSError):
            async with await psycopg.AsyncConnection.connect(
                crew.conninfo, autocommit=True
            ) as watch:
                await _watch(crew, watch)
        await asyncio.sleep(RECONNECT_DELAY_S)


async def _engine(crew: Crew, connector: _Connector) -> None:
    """Fetch jobs until cancelled, then wait for those that were begun."""
    app = App(connector=connector)

    @app.task(name=ADVANCE, retry=Retry(), pass_context=True)
    async def advance_task(context: JobContext, task_id: str) -> None:
        if crew.is_stopping:
            # The engine was fetching when it was told to stop. Nobody would wait for this step.
            raise asyncio.CancelledError
        job_id = context.job.id or 0
        crew.jobs.add(job_id)
        try:
            await crew.steps.run(task_id, partial(crew.advance, TaskId(task_id)))
        except Exception:
            # The engine will run it again; without this line nobody would know why.
            log.exception("task.step_failed", task=task_id)
            raise
        finally:
            crew.jobs.discard(job_id)

    async with app.open_async():
        # When it is cancelled it waits for its jobs, for as long as they take.
        await app.run_worker_async(
            queues=list(crew.queues),
            concurrency=crew.concurrency,
            install_signal_handlers=False,
            delete_jobs="successful",
            fetch_job_polling_interval=2,
            update_heartbeat_interval=crew.timing.heartbeat_s,
            stalled_worker_timeout=WORKER_ROWS_S,
        )


async def _stop(crew: Crew) -> None:
    """End what runs, the sooner the less it costs; then let the engines put their jobs away."""
    crew.is_stopping = True
    watching = asyncio.create_task(_watch_always(crew))
    timing = crew.timing
    await crew.steps.end(soon_s=timing.shutdown_s, held_s=timing.held_s)
    if crew.engines:
        await asyncio.wait(crew.engines, timeout=2 * timing.shutdown_s)
    left = [watching, *crew.engines]
    for part in left:
        part.cancel()
    await asyncio.wait(left)
