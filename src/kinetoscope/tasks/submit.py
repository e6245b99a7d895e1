"""Submit: hand a task to its provider once, and know afterwards whether that happened."""

import asyncio
from typing import assert_never

import structlog

from kinetoscope.providers.contract import (
    Accepted,
    Idempotency,
    Job,
    Provider,
    Refused,
    SubmitOutcome,
    Unknown,
)
from kinetoscope.tasks import store
from kinetoscope.tasks.task import Failure, Task
from kinetoscope.tasks.tools import Tools

log = structlog.get_logger(__name__)

REFUSALS_MAX = 6
RETRY_DELAY_S_MAX = 30

SUBMIT_UNKNOWN = Failure(
    code="submit_unknown",
    message="The provider's answer was lost. You were not charged. Please try again.",
)


async def submit(tools: Tools, task: Task, provider: Provider, job: Job) -> str | Failure:
    """Return the provider's own name for the job, submitting it unless that was done before.

    The intent is committed before the call and the acceptance after it. An intent without an
    acceptance means that nobody knows: the call is repeated only where the provider promises
    that repeating it under the same task id yields the same job. Raises LeaseLost.
    """
    if task.upstream_id is not None:
        return task.upstream_id
    if task.submit_started_at is not None and not _may_repeat(provider):
        log.error("task.submit_unknown", task=task.id, provider=provider.name)
        return SUBMIT_UNKNOWN
    return await submit_anew(tools, task, provider, job)


async def submit_anew(tools: Tools, task: Task, provider: Provider, job: Job) -> str | Failure:
    """Submit whatever was done before; for jobs that certainly do not exist. Raises LeaseLost."""
    for refusals in range(REFUSALS_MAX):
        if refusals > 0:
            await asyncio.sleep(min(2 ** (refusals - 1), RETRY_DELAY_S_MAX))
        await store.intend_submit(tools.database, task, tools.clock())
        outcome = await provider.submit(job)
        verdict = await _weigh(tools, task, provider, outcome)
        if verdict is not None:
            return verdict
    return Failure(code="500", message="Service temporarily unavailable. Please try again later.")


async def _weigh(
    tools: Tools, task: Task, provider: Provider, outcome: SubmitOutcome
) -> str | Failure | None:
    """Write an outcome down; None means that the submit may be tried again."""
    match outcome:
        case Accepted(upstream_id=upstream_id):
            await store.accept_submit(tools.database, task, upstream_id)
            return upstream_id
        case Refused(temporary=True) as refused:
            await store.withdraw_submit(tools.database, task)
            log.warning("task.submit_refused", task=task.id, code=refused.code)
            return None
        case Refused(code=code, message=message):
            await store.withdraw_submit(tools.database, task)
            return Failure(code=code, message=message)
        case Unknown(reason=reason):
            log.warning("task.submit_unanswered", task=task.id, reason=reason)
            return None if _may_repeat(provider) else SUBMIT_UNKNOWN
        case _:
            assert_never(outcome)


def _may_repeat(provider: Provider) -> bool:
    """Whether a submit that may have arrived can be sent again without making a second job."""
    return provider.idempotency is Idempotency.CLIENT_TOKEN
