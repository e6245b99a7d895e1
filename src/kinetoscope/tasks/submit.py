"""Submit: hand a task to one provider once, and know afterwards whether that happened."""

from datetime import datetime
from typing import assert_never

import structlog

from kinetoscope.kernel.order import JSON
from kinetoscope.providers.contract import (
    Accepted,
    Done,
    Job,
    Kind,
    Provider,
    Refused,
    Unknown,
)
from kinetoscope.tasks import intents, unanswered
from kinetoscope.tasks.task import CANCELLED, Failure, Task
from kinetoscope.tasks.tools import Tools

log = structlog.get_logger(__name__)

Submitted = Accepted | Done | Failure | Refused
"""`Refused` leaves the choice to try again, here or elsewhere; `Failure` is the task's end."""


async def submit(
    tools: Tools, task: Task, provider: Provider, job: Job, decision: JSON = None
) -> Submitted | Unknown:
    """Submit a task that this provider certainly does not have. Raises LeaseLost.

    The intent is committed before the call and the acceptance after it. An intent without an
    acceptance means that nobody knows; `clear_up` is how to go on then.
    """
    intent = intents.Intent(
        provider=provider.name,
        upstream_model=job.upstream_model,
        reference_video_s=footage_s(job),
        decision=decision,
    )
    if not await intents.intend(tools.database, task, intent, tools.clock()):
        return CANCELLED
    outcome = await provider.submit(job)
    if isinstance(outcome, Unknown):
        reason = outcome.reason
        log.warning("task.submit_unanswered", task=task.id, provider=provider.name, reason=reason)
        return outcome
    return await _settled(tools, task, provider, outcome)


async def clear_up(
    tools: Tools, task: Task, provider: Provider, job: Job, since: datetime
) -> Submitted:
    """Go on with a submit whose answer nobody saw, whichever worker sent it. Raises LeaseLost."""
    found = await unanswered.clear_up(tools, task, provider, job, since=since)
    return found if isinstance(found, Failure) else await _settled(tools, task, provider, found)


async def _settled(
    tools: Tools, task: Task, provider: Provider, outcome: Accepted | Done | Refused
) -> Submitted:
    """Write a verdict down."""
    match outcome:
        case Accepted(upstream_id=upstream_id):
            await intents.accept(tools.database, task, upstream_id)
            return outcome
        case Done():
            return outcome
        case Refused(kind=Kind.TEMPORARY | Kind.UNSUPPORTED) as refused:
            await intents.withdraw(tools.database, task)
            log.warning(
                "task.submit_refused", task=task.id, provider=provider.name, code=refused.code
            )
            return refused
        case Refused(code=code, message=message):
            await intents.withdraw(tools.database, task)
            return Failure(code=code, message=message)
        case _:
            assert_never(outcome)


ROUNDING_SLACK_MS = 100
"""Honest clips run over by a few frames; that is not another second to pay for."""


def footage_s(job: Job) -> int:
    """Return the whole seconds of all reference and source video, rounded up."""
    video_ms = sum(
        fetched.duration_ms for fetched in job.references if fetched.reference.kind == "video"
    )
    return max(0, -(-(video_ms - ROUNDING_SLACK_MS) // 1000))
