"""The worker process: runs tasks, finds again what dead workers left, until it is told to stop."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from functools import partial

import structlog

from kinetoscope import crew, engine, upstreams
from kinetoscope.cli.queues import WEBHOOKS, served_queues
from kinetoscope.cli.sending import sender_parts
from kinetoscope.engine import Timing, every
from kinetoscope.kernel import loops
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.lifeline import end_with_parent
from kinetoscope.kernel.log import configure_logging
from kinetoscope.postgres.deployment import require_public_url
from kinetoscope.settings import Settings, load_settings
from kinetoscope.tasks import alerts, served
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.cancellations import REFRESH_DELAY_S
from kinetoscope.tasks.expire import sweep_drafts
from kinetoscope.tasks.reap import reap
from kinetoscope.tasks.tools import Tools
from kinetoscope.webhooks import log as webhook_log
from kinetoscope.webhooks.sender import Sender
from kinetoscope.wiring import (
    WORKER_PATIENCE_S,
    Runtime,
    migrate_database,
    opened_database,
    reaper_of,
    run_in,
    worker_tools,
)

log = structlog.get_logger(__name__)

RECONCILE_DELAY_S = 60
RESCUE_DELAY_S = 15
REAP_DELAY_S = 60
FORGET_DELAY_S = 3600
TASKS_BESIDE_RENDERING = 16
TEST_TASKS = 16


def run(settings: Settings) -> None:
    """Open the database, work until told to stop, close it again."""
    with opened_database(settings) as conninfo:
        migrate_database(conninfo)
        working = partial(work, timing=Timing())
        loops.run(run_in(settings, conninfo, working, patience_s=WORKER_PATIENCE_S))


async def work(runtime: Runtime, timing: Timing) -> None:
    """Run tasks until SIGTERM or SIGINT; running steps then get some time to end, see `Timing`."""
    queues = served_queues(runtime.settings.queues, runtime.routes)
    await require_public_url(runtime.database, runtime.settings.public_url)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, stop.set)
    async with worker_tools(runtime, queues) as tools:
        running = [asyncio.create_task(part) for part in parts_of_a_worker(runtime, tools, timing)]
        log.info("worker.started", render_processes=runtime.settings.render_processes)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
        failures = [job.exception() for job in running if job.done()]
        for job in (stopping, *running):
            job.cancel()
        await asyncio.wait([stopping, *running])
    for failure in failures:
        raise failure or KinetoscopeError("a part of the worker ended by itself")
    log.info("worker.stopped")


def parts_of_a_worker(
    runtime: Runtime, tools: Tools, timing: Timing
) -> list[Coroutine[object, object, None]]:
    """Return what a worker does at once: tasks, webhooks, and looking after what was left."""
    database = runtime.database

    async def advance_task(task_id: TaskId) -> None:
        await advance(tools, task_id)

    def tasks_of(queue: str, concurrency: int) -> Coroutine[object, object, None]:
        return crew.run_worker(
            database.conninfo,
            queues=[queue],
            concurrency=concurrency,
            advance=advance_task,
            timing=timing,
        )

    parts = [
        tasks_of(queue, concurrency)
        for queue, concurrency in concurrencies(runtime).items()
        if tools.queues is None or queue in tools.queues
    ]
    if tools.queues is None or WEBHOOKS in tools.queues:
        parts.append(Sender(sender_parts(runtime, tools.egress)).run())
    return [*parts, tools.wakes.listener.run(), *housekeeping(runtime, tools, timing)]


def concurrencies(runtime: Runtime) -> dict[str, int]:
    """Return how many tasks of each queue a worker has at once."""
    return {
        **upstreams.tasks_at_once(runtime.setup, runtime.settings.hosted_tasks),
        # Rendering has its own bound. More tasks may be gathering references and storing
        # results meanwhile, so that a slow address holds up nobody else's.
        "embedded": runtime.settings.render_processes + TASKS_BESIDE_RENDERING,
        "test": TEST_TASKS,
    }


def housekeeping(
    runtime: Runtime, tools: Tools, timing: Timing
) -> list[Coroutine[object, object, None]]:
    """Return what any worker looks after, whichever queues it serves."""
    database, clock = runtime.database, runtime.clock
    queues = dict(runtime.routes.queues)
    reaper = reaper_of(runtime)

    async def rescue() -> None:
        deadline = runtime.settings.task_deadline
        await served.rescue(database, tools.served, runtime.routes, deadline, clock())

    return [
        every(timing.sweep_s, partial(engine.requeue_stalled, database, timing)),
        every(REFRESH_DELAY_S, tools.cancellations.refresh),
        every(RECONCILE_DELAY_S, partial(engine.enqueue_orphans, database, queues)),
        every(served.NOTE_DELAY_S, tools.served.refresh),
        every(RESCUE_DELAY_S, rescue),
        every(FORGET_DELAY_S, partial(engine.forget_finished, database)),
        every(REAP_DELAY_S, partial(reap, reaper)),
        every(FORGET_DELAY_S, partial(sweep_drafts, reaper)),
        every(FORGET_DELAY_S, lambda: webhook_log.forget_old(database, clock())),
        every(FORGET_DELAY_S, lambda: alerts.forget_old(database, clock())),
    ]


def main() -> None:
    """Read `--parent PID`, the process to end with, and work until SIGTERM."""
    if sys.argv[1:2] == ["--parent"]:
        end_with_parent(int(sys.argv[2]), signal.SIGKILL)
    try:
        settings = load_settings()
        configure_logging(as_json=settings.log_json, level=settings.log_level)
        run(settings)
    except (KinetoscopeError, OSError) as error:
        sys.exit(f"kinetoscope: {error}")


if __name__ == "__main__":
    main()
