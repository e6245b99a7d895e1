"""Submit: hand a task to one provider once, and know afterwards whether that happened."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

import structlog

from kinetoscope.kernel import steps
from kinetoscope.kernel.order import JSON
from kinetoscope.providers.contract import (
    Accepted,
    Done,
    Job,
    Kind,
    Provider,
    Refused,
    SubmitOutcome,
    Unknown,
)
from kinetoscope.tasks import intents, unanswered
from kinetoscope.tasks.task import CANCELLED, Failure, Task
from kinetoscope.tasks.tools import Tools

log = structlog.get_logger(__name__)

FRESH_S = 3.0
"""How old an intent may be when its submit is sent."""

Submitted = Accepted | Done | Failure | Refused
"""`Refused` leaves the choice to try again, here or elsewhere; `Failure` is the task's end."""


async def submit(
    tools: Tools, task: Task, provider: Provider, job: Job, decision: JSON = None
) -> Submitted | Unknown:
    """Submit a task that this provider certainly does not have. Raises LeaseLost.

    References are brought there first: that makes no job, and may take minutes. The intent is
    committed right before the call and the acceptance after it. An intent without an acceptance
    means that nobody knows; `clear_up` is how to go on then.
    """
    prepared = await provider.prepare(job)
    if isinstance(prepared, Refused):
        await intents.decide(tools.database, task, decision)
        return await _settled(tools, task, provider, prepared)
    job = replace(job, prepared=prepared.addresses)
    intent = intents.Intent(
        provider=provider.name,
        upstream_model=job.upstream_model,
        reference_video_s=footage_s(job),
        decision=decision,
        prepared=prepared.addresses,
    )
    steps.hold()  # who waits for the answer may be the only one to get it
    began_at = await _begin(tools, task, intent)
    if began_at is None:
        return CANCELLED
    outcome = await provider.submit(job)
    settled = await _heard(tools, _of(task, provider, began_at), provider, outcome)
    if not isinstance(settled, Done):
        steps.let_go()  # the row says by now how to go on; what is done is nowhere but here
    return settled


async def _begin(tools: Tools, task: Task, intent: intents.Intent) -> datetime | None:
    """Commit that a submit begins now; None if somebody wants the task ended.

    The commit may have taken long, or this process may have stood still: others had reason then
    to believe that nothing is sent any more. So what did not begin just now begins anew, if the
    task is still ours. Raises LeaseLost.
    """
    loop = asyncio.get_running_loop()
    began_at, began_s = tools.clock(), loop.time()
    if not await intents.intend(tools.database, task, intent, began_at):
        return None
    # A machine that was paused shows that on one of the two clocks, which depends on who paused it.
    while loop.time() - began_s > FRESH_S or tools.clock() - began_at > timedelta(seconds=FRESH_S):
        began_at, began_s = tools.clock(), loop.time()
        await intents.renew(tools.database, task, began_at)
    return began_at


async def _heard(
    tools: Tools, task: Task, provider: Provider, outcome: SubmitOutcome
) -> Submitted | Unknown:
    if isinstance(outcome, Unknown):
        reason = outcome.reason
        log.warning("task.submit_unanswered", task=task.id, provider=provider.name, reason=reason)
        return outcome
    return await _settled(tools, task, provider, outcome)


def _of(task: Task, provider: Provider, began_at: datetime) -> Task:
    """Return the task as its row is while that submit is under way."""
    return replace(task, provider=provider.name, submit_started_at=began_at)


async def clear_up(tools: Tools, task: Task, provider: Provider, job: Job) -> Submitted:
    """Go on with a submit whose answer nobody saw, whichever worker sent it. Raises LeaseLost."""
    intended = await intents.intended(tools.database, task)
    job = replace(job, prepared=intended.prepared)
    found = await unanswered.clear_up(tools, task, provider, job, since=intended.submit_started_at)
    if isinstance(found, Failure):
        return found
    task = _of(task, provider, intended.submit_started_at)
    return await _settled(tools, task, provider, found)


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
        case Refused(kind=Kind.TEMPORARY | Kind.UNSUPPORTED | Kind.ACCOUNT) as refused:
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
