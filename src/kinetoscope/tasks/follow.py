"""Follow: ask the provider how a task goes until it is done."""

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

import structlog

from kinetoscope.providers.contract import (
    CancelOutcome,
    Done,
    Failed,
    Job,
    Lost,
    Provider,
    Silent,
    Status,
    Unfetched,
    Waiting,
    Working,
)
from kinetoscope.tasks import alerts, ending, outcomes, store
from kinetoscope.tasks.alerts import Alert
from kinetoscope.tasks.task import CANCELLED, GENERATION_FAILED, Bill, Failure, Task
from kinetoscope.tasks.tools import Tools
from kinetoscope.webhooks import outbox
from kinetoscope.webhooks.outbox import PROGRESS

log = structlog.get_logger(__name__)

LOSSES = 3
"""How often in a row an upstream must not know a job, however slow the asking, to be believed."""
FETCH_TIME = timedelta(hours=1)
"""How long upstreams keep files at least: so long a result is asked for, whatever happens."""
FETCH_DELAY_S = 1.0
FETCH_DELAY_S_MAX = 60.0
SLOWER = 1.5

NEVER_FETCHED = Failure(code="500", message="The result could not be fetched. Please try again.")


@dataclass(slots=True)
class Pace:
    """When to ask next: ever less often, and never all at once."""

    delay_s: float
    delay_s_max: float

    def next_s(self) -> float:
        """Return the next delay."""
        delay_s = self.delay_s
        self.delay_s = min(self.delay_s * SLOWER, self.delay_s_max)
        return delay_s * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, keeps no secret


@dataclass(slots=True)
class Followed:
    """What was learnt about one job so far. Of one that is `made` only the files are missing.

    `unfetched_since` is when an upstream first failed to hand them out.
    """

    percent_shown: int = -1
    losses: int = 0
    lost_since: datetime | None = None
    made: Unfetched | None = None
    unfetched_since: datetime | None = None
    fetching: Pace = field(default_factory=lambda: Pace(FETCH_DELAY_S, FETCH_DELAY_S_MAX))
    told_to_stop: bool = False


async def follow(
    tools: Tools, task: Task, provider: Provider, job: Job, upstream_id: str
) -> Done | Failure | Lost:
    """Return how the job ended; progress is written down on the way. Raises LeaseLost."""
    followed = Followed()
    polling = provider.polling
    pace = None if polling is None else Pace(polling.delay_s, polling.delay_s_max)
    while True:
        status = await provider.status(upstream_id, job)
        ended = await _learn(tools, task, provider, followed, status)
        if ended is not None:
            return ended
        if followed.made is not None:
            # Nothing is left to be stopped: it is billed, and a cancel might delete it.
            await tools.wakes.pause(task.id, followed.fetching.next_s())
            continue
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
    _count(followed, status, tools.clock())
    match status:
        case Done():
            return status
        case Failed() if tools.cancellations.includes(task):
            return replace(CANCELLED, bill=outcomes.failure_of(status).bill)
        case Failed():
            return outcomes.failure_of(status)
        case Unfetched(reason=reason, is_ours=is_ours):
            say = log.error if is_ours else log.warning
            say("task.unfetched", task=task.id, provider=provider.name, reason=reason, ours=is_ours)
        case Lost() if _is_lost(provider, followed, tools.clock()):
            log.warning("task.lost_upstream", task=task.id, provider=provider.name)
            return await _lost(tools, task, provider, followed)
        case Working(progress=progress):
            await _note(tools, task, followed, progress)
        case Silent(reason=reason):
            log.info("task.upstream_silent", task=task.id, provider=provider.name, reason=reason)
        case Waiting() | Lost():
            pass
        case _:
            assert_never(status)
    made = followed.made
    if made is not None and _fetched_too_long(tools, task, followed):
        return await _never_fetched(tools, task, made)
    return None


def _count(followed: Followed, status: Status, now: datetime) -> None:
    """Note since when what matters has been so."""
    if isinstance(status, Lost):
        followed.losses += 1
        followed.lost_since = followed.lost_since or now
    else:
        followed.losses, followed.lost_since = 0, None
    if isinstance(status, Unfetched):
        followed.made = status
        # While our own disk is full, nobody knows what the upstream would do.
        followed.unfetched_since = None if status.is_ours else followed.unfetched_since or now


def _is_lost(provider: Provider, followed: Followed, now: datetime) -> bool:
    """Whether to believe that an upstream does not know a job.

    An engine in this process knows. Others say so of all jobs, too, while their gateway is
    deployed, or while our key is another account's.
    """
    if provider.polling is None or followed.lost_since is None:
        return provider.polling is None
    lost_s = (now - followed.lost_since).total_seconds()
    return followed.losses >= LOSSES and lost_s >= provider.polling.lost_s


async def _lost(tools: Tools, task: Task, provider: Provider, followed: Followed) -> Lost | Failure:
    """Tell the operator of an accepted job that is gone: it may have been made, and billed."""
    if provider.polling is None:
        return Lost()
    if followed.made is not None:
        # Made again it would be paid again.
        return await _never_fetched(tools, task, followed.made)
    message = "The upstream says that it does not know a job it had accepted; it may bill it."
    alert = Alert(kind="lost_upstream", provider=provider.name, task_id=task.id, message=message)
    await alerts.raise_alert(tools.database, alert, tools.clock())
    return Lost()


def _fetched_too_long(tools: Tools, task: Task, followed: Followed) -> bool:
    """Whether files that did not come will not come any more."""
    if followed.unfetched_since is None:
        return ending.is_hopeless(tools, task)
    until = followed.unfetched_since + FETCH_TIME
    return tools.clock() >= until and ending.is_late(tools, task)


async def _note(tools: Tools, task: Task, followed: Followed, progress: float | None) -> None:
    percent = 0 if progress is None else max(0, min(99, int(progress * 100)))
    if percent > followed.percent_shown:
        known = None if progress is None else percent
        await store.note_progress(tools.database, task, known, tools.clock())
        if task.events and not PROGRESS.isdisjoint(task.events):
            await outbox.put_progress(tools.database, task.id, known, tools.clock())
        followed.percent_shown = percent


async def _never_fetched(tools: Tools, task: Task, made: Unfetched) -> Failure:
    """Give up what was made and billed, but cannot be had; the operator should know."""
    message = "The upstream made it, but its files could not be fetched."
    alert = Alert(kind="result_unfetched", provider=task.provider, task_id=task.id, message=message)
    await alerts.raise_alert(tools.database, alert, tools.clock())
    bill = Bill(cost_usd_micros=made.cost_usd_micros, is_made=True, usage=made.usage)
    return replace(NEVER_FETCHED, bill=bill)


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
    failure = GENERATION_FAILED if reason is not ending.TIMED_OUT else reason
    return replace(failure, bill=Bill(cost_usd_micros=None, is_made=True))
