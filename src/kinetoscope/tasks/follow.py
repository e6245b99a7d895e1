"""Follow: ask the provider how a task goes until it is done."""

from typing import assert_never

import structlog

from kinetoscope.providers.contract import (
    Done,
    Failed,
    Idempotency,
    Job,
    Lost,
    Provider,
    Waiting,
    Working,
)
from kinetoscope.tasks import store, submit
from kinetoscope.tasks.task import CANCELLED, GENERATION_FAILED, Failure, Task
from kinetoscope.tasks.tools import Tools

log = structlog.get_logger(__name__)

SUBMITS_MAX = 20
"""Bounds a provider that keeps forgetting; restarts of our own workers stay well below."""

TIMED_OUT = Failure(code="500", message="Generation timed out. Please try again.")


async def follow(
    tools: Tools, task: Task, provider: Provider, job: Job, upstream_id: str
) -> Done | Failure:
    """Return how the job ended; progress is written down on the way. Raises LeaseLost."""
    percent_shown = -1
    submits = task.submits
    while True:
        status = await provider.status(upstream_id, job)
        match status:
            case Waiting():
                pass
            case Working(progress=progress):
                percent = 0 if progress is None else min(99, int(progress * 100))
                if percent > percent_shown:
                    known = None if progress is None else percent
                    await store.note_progress(tools.database, task, known, tools.clock())
                    percent_shown = percent
            case Done():
                return status
            case Failed(code=code, message=message):
                return Failure(code=code, message=message)
            case Lost():
                log.warning("task.lost_upstream", task=task.id, provider=provider.name)
                submits += 1
                again = await _submit_again(tools, task, provider, job, submits)
                if isinstance(again, Failure):
                    return again
                upstream_id = again
            case _:
                assert_never(status)
        # Asked first: what is finished counts, however late we come to look.
        stopped = _stopped(tools, task)
        if stopped is not None:
            await provider.cancel(upstream_id)
            return stopped


def is_late(tools: Tools, task: Task) -> bool:
    """Whether a task has been open for too long."""
    return tools.clock() >= task.created_at + tools.task_deadline


def _stopped(tools: Tools, task: Task) -> Failure | None:
    """Why a task must not go on, if so."""
    if is_late(tools, task):
        return TIMED_OUT
    return CANCELLED if tools.cancellations.includes(task) else None


async def _submit_again(
    tools: Tools, task: Task, provider: Provider, job: Job, submits: int
) -> str | Failure:
    """Start a job anew that its provider forgot, where that cannot make two of it."""
    if provider.idempotency is not Idempotency.CLIENT_TOKEN or submits >= SUBMITS_MAX:
        return GENERATION_FAILED
    return await submit.submit_anew(tools, task, provider, job)
