"""The worker process: runs tasks, finds again what dead workers left, until it is told to stop."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial

import structlog

from kinetoscope import crew, engine, upstreams
from kinetoscope.accounts import invitations, sessions, signing_in
from kinetoscope.cli.queues import WEBHOOKS, served_queues
from kinetoscope.cli.sending import sender_parts
from kinetoscope.cli.serve import heed
from kinetoscope.engine import Timing, every
from kinetoscope.kernel import loops
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.lifeline import end_with_parent
from kinetoscope.kernel.log import configure_logging
from kinetoscope.postgres.deployment import require_public_url
from kinetoscope.postgres.pool import named
from kinetoscope.settings import Settings, load_settings
from kinetoscope.tasks import alerts, deadlines, served
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What a worker is told by who started it: its own name, and those of its predecessors."""

    name: str = ""
    after: tuple[str, ...] = ()


def run(settings: Settings, started: Started) -> None:
    """Open the database, work until told to stop, close it again."""
    with opened_database(settings) as conninfo:
        migrate_database(conninfo)
        conninfo_named = named(conninfo, process_name(started.name))
        working = partial(work, timing=Timing(), after=started.after)
        loops.run(run_in(settings, conninfo_named, working, patience_s=WORKER_PATIENCE_S))


def process_name(name: str) -> str:
    """Return what a worker's connections are called in the database."""
    return f"kinetoscope worker {name}".strip()


async def work(runtime: Runtime, timing: Timing, *, after: tuple[str, ...] = ()) -> None:
    """Run tasks until told to stop; running steps then get some time to end, see `Timing`.

    Told so while it starts, it ends at once, since no step runs. `after` names workers that have
    ended, so that nobody needs to wait for their silence.
    """
    stop, started = asyncio.Event(), asyncio.Event()
    heed(stop.set)
    working = asyncio.create_task(_work(runtime, timing, after, stop, started))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not started.is_set():
        working.cancel()
    await asyncio.wait([working])
    if not working.cancelled():
        working.result()
    log.info("worker.stopped")


async def _work(
    runtime: Runtime,
    timing: Timing,
    after: tuple[str, ...],
    stop: asyncio.Event,
    started: asyncio.Event,
) -> None:
    queues = served_queues(runtime.settings.queues, runtime.routes)
    await require_public_url(runtime.database, runtime.settings.public_url)
    if after:
        left = await engine.requeue_of(runtime.database, list(map(process_name, after)))
        log.info("worker.succeeds", tasks=left)
    async with worker_tools(runtime, queues) as tools:
        running = [asyncio.create_task(part) for part in parts_of_a_worker(runtime, tools, timing)]
        started.set()
        log.info("worker.started", render_processes=runtime.settings.render_processes)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
        failures = [None if job.cancelled() else job.exception() for job in running if job.done()]
        for job in (stopping, *running):
            job.cancel()
        await asyncio.wait([stopping, *running])
    for failure in failures:
        raise failure or KinetoscopeError("a part of the worker ended by itself")


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
        every(
            deadlines.LOOK_DELAY_S,
            lambda: deadlines.end_overdue(database, tools.lifetimes, clock()),
        ),
        every(FORGET_DELAY_S, partial(engine.forget_finished, database)),
        every(REAP_DELAY_S, partial(reap, reaper)),
        every(FORGET_DELAY_S, partial(sweep_drafts, reaper)),
        every(FORGET_DELAY_S, lambda: webhook_log.forget_old(database, clock())),
        every(FORGET_DELAY_S, lambda: sessions.forget_expired(database, clock())),
        every(FORGET_DELAY_S, lambda: signing_in.forget_old(database, clock())),
        every(FORGET_DELAY_S, lambda: invitations.forget_old(database, clock())),
        every(FORGET_DELAY_S, lambda: alerts.forget_old(database, clock())),
    ]


def main() -> None:
    """Work until SIGTERM. `serve` tells by whose end to end, and names."""
    asked = argparse.ArgumentParser(prog="kinetoscope worker")
    asked.add_argument("--parent", type=int)
    asked.add_argument("--name", default="")
    asked.add_argument("--after", nargs="*", default=[])
    told = asked.parse_args()
    if told.parent is not None:
        end_with_parent(told.parent, signal.SIGKILL)
    try:
        settings = load_settings()
        configure_logging(as_json=settings.log_json, level=settings.log_level)
        run(settings, Started(name=told.name, after=tuple(told.after)))
    except (KinetoscopeError, OSError) as error:
        sys.exit(f"kinetoscope: {error}")


if __name__ == "__main__":
    main()
