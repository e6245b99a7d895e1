"""Follow: ask the provider how a task goes until it is done."""

import random
from dataclasses import dataclass
from typing import assert_never

import structlog

from kinetoscope.providers.contract import (
    CancelOutcome,
    Done,
    Failed,
    Job,
    Lost,
    Polling,
    Provider,
    Silent,
    Status,
    Unfetched,
    Waiting,
    Working,
)
from kinetoscope.tasks import alerts, ending, store
from kinetoscope.tasks.alerts import Alert
from kinetoscope.tasks.task import CANCELLED, GENERATION_FAILED, Failure, Task
from kinetoscope.tasks.tools import Tools

log = structlog.get_logger(__name__)

LOSSES = 3
"""How often in a row an upstream must not know a job before that is believed."""
FETCHES_MAX = 10
SLOWER = 1.5

NEVER_FETCHED = Failure(code="500", message="The result could not be fetched. Please try again.")


@dataclass(slots=True)
class Pace:
    """When to ask next: ever less often, and never all at once."""

    polling: Polling
    delay_s: float

    def next_s(self) -> float:
        """Return the next delay."""
        delay_s = self.delay_s
        self.delay_s = min(self.delay_s * SLOWER, self.polling.delay_s_max)
        return delay_s * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, keeps no secret


@dataclass(slots=True)
class Followed:
    """What was learnt about one job so far."""

    percent_shown: int = -1
    losses: int = 0
    failed_fetches: int = 0
    told_to_stop: bool = False


async def follow(
    tools: Tools, task: Task, provider: Provider, job: Job, upstream_id: str
) -> Done | Failure | Lost:
    """Return how the job ended; progress is written down on the way. Raises LeaseLost."""
    followed = Followed()
    polling = provider.polling
    pace = None if polling is None else Pace(polling, polling.delay_s)
    while True:
        status = await provider.status(upstream_id, job)
        ended = await _learn(tools, task, provider, followed, status)
        if ended is not None:
            return ended
        # Asked first: what is finished counts, however late we come to look.
        stopped = await _stop(tools, task, provider, job, upstream_id, followed)
        if stopped is not None:
            return stopped
        if pace is not None:
            await tools.wakes.pause(task.id, pace.next_s())


async def _learn(
    tools: Tools, task: Task, provider: Provider, followed: Followed, status: Status
) -> Done | Failure | Lost | None:
    """Return how it ended, or None while it goes on."""
    followed.losses = followed.losses + 1 if isinstance(status, Lost) else 0
    match status:
        case Done():
            return status
        case Failed() if tools.cancellations.includes(task):
            return CANCELLED
        case Failed(code=code, message=message):
            return Failure(code=code, message=message)
        case Unfetched(reason=reason):
            log.warning("task.unfetched", task=task.id, provider=provider.name, reason=reason)
            followed.failed_fetches += 1
            return await _never_fetched(tools, task, followed)
        case Lost() if provider.polling is None or followed.losses >= LOSSES:
            log.warning("task.lost_upstream", task=task.id, provider=provider.name)
            return status
        case Working(progress=progress):
            await _note(tools, task, followed, progress)
        case Silent(reason=reason):
            log.info("task.upstream_silent", task=task.id, provider=provider.name, reason=reason)
        case Waiting() | Lost():
            pass
        case _:
            assert_never(status)
    return None


async def _note(tools: Tools, task: Task, followed: Followed, progress: float | None) -> None:
    percent = 0 if progress is None else max(0, min(99, int(progress * 100)))
    if percent > followed.percent_shown:
        known = None if progress is None else percent
        await store.note_progress(tools.database, task, known, tools.clock())
        followed.percent_shown = percent


async def _never_fetched(tools: Tools, task: Task, followed: Followed) -> Failure | None:
    """Give up what was made and billed, but cannot be had; the operator should know."""
    if followed.failed_fetches < FETCHES_MAX:
        return None
    message = "The upstream made it, but its files could not be fetched."
    alert = Alert(kind="result_unfetched", provider=task.provider, task_id=task.id, message=message)
    await alerts.raise_alert(tools.database, alert, tools.clock())
    return NEVER_FETCHED


async def _stop(
    tools: Tools,
    task: Task,
    provider: Provider,
    job: Job,
    upstream_id: str,
    followed: Followed,
) -> Failure | None:
    """End what somebody wants ended, if the provider can stop it.

    What cannot be stopped is made and billed: it is followed on, and a success counts. Only when
    twice the time is over does the task end with its provider still at work.
    """
    reason = ending.stopped(tools, task)
    if reason is None:
        return None
    if not followed.told_to_stop:
        outcome = await provider.cancel(upstream_id, job)
        if outcome is CancelOutcome.STOPPED:
            return reason
        followed.told_to_stop = outcome is CancelOutcome.GOES_ON
    if not ending.is_hopeless(tools, task):
        return None
    log.error("task.abandoned", task=task.id, provider=provider.name)
    message = "The task ran out of time; the upstream may still finish and bill it."
    alert = Alert(kind="abandoned", provider=provider.name, task_id=task.id, message=message)
    await alerts.raise_alert(tools.database, alert, tools.clock())
    return GENERATION_FAILED if reason is not ending.TIMED_OUT else reason
