"""Unanswered: what became of a submit whose answer was lost. A timeout is not a verdict.

Where the upstream knows our task by its id, sending again gives the same job. Where it can look
one up, it is asked. Where it can do neither, nothing is ever sent again: the upstream's callback
may tell, or the time runs out; then the hold is released, and the operator is told.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import assert_never

import structlog

from kinetoscope.engine import STALLED_S
from kinetoscope.providers.contract import (
    Absent,
    Accepted,
    Done,
    Idempotency,
    Job,
    Kind,
    Lost,
    Provider,
    Refused,
    Silent,
    SubmitOutcome,
    Unknown,
)
from kinetoscope.tasks import alerts, circuits, intents
from kinetoscope.tasks.alerts import Alert
from kinetoscope.tasks.task import Failure, Task
from kinetoscope.tasks.tools import Tools

log = structlog.get_logger(__name__)

DELAY_S = 2.0
DELAY_S_MAX = 30.0
ABSENCES = 2
"""How often in a row a lookup must find nothing before it is believed."""

SUBMIT_UNKNOWN = Failure(
    code="submit_unknown",
    message="The provider's answer was lost. You were not charged. Please try again.",
)

NOT_THERE = Refused(code="500", message="The provider never got the request.", kind=Kind.TEMPORARY)

Found = Accepted | Done | Refused | Failure


async def clear_up(
    tools: Tools, task: Task, provider: Provider, job: Job, *, since: datetime
) -> Found:
    """Find out what became of a submit that began at `since`; the hold stays meanwhile.

    Gives up when `tools.unknown_deadline` is over.
    """
    if provider.idempotency is Idempotency.NEITHER and provider.answers_at_once(job):
        return await give_up(tools, task, provider)  # there is nobody to ask
    quiet_at = _quiet_at(task, provider, since)
    # A distant one that has just failed gets a moment; one of this process has restarted with it.
    delay_s = 0.0 if provider.polling is None else DELAY_S
    absences = 0
    if provider.idempotency is Idempotency.LOOKUP and provider.polling is not None:
        delay_s = provider.polling.find_delay_s
    while True:
        await tools.wakes.pause(task.id, delay_s)
        asked_at = tools.clock()
        outcome = await _ask(tools, task, provider, job)
        absences = absences + 1 if isinstance(outcome, Absent) and asked_at >= quiet_at else 0
        verdict = _verdict(outcome, absences)
        if verdict is not None:
            return verdict
        log.info("task.still_unanswered", task=task.id, provider=provider.name)
        if not absences and asked_at >= max(quiet_at, since + tools.unknown_deadline):
            return await give_up(tools, task, provider)
        delay_s = DELAY_S if absences else min(max(DELAY_S, 2 * delay_s), DELAY_S_MAX)
        if asked_at < quiet_at:
            delay_s = min(delay_s, max(0.1, (quiet_at - tools.clock()).total_seconds()))
        delay_s = max(delay_s, circuits.delay_s(tools, provider, job))


def _quiet_at(task: Task, provider: Provider, since: datetime) -> datetime:
    """Return from when on nobody is still sending what was begun at `since`.

    A worker that lost the task to us may live, and be about to send, or sending.
    """
    if task.submit_started_at is None or provider.idempotency is not Idempotency.LOOKUP:
        return since  # we sent it ourselves, and that is over
    return since + timedelta(seconds=STALLED_S + provider.submit_timeout_s)


async def _ask(tools: Tools, task: Task, provider: Provider, job: Job) -> SubmitOutcome | Absent:
    """Try to learn something, without a chance of making a second job."""
    told = await _told(tools, task, provider, job)
    if isinstance(told, Accepted):
        return told
    return await circuits.asked_again(tools, provider, job, partial(_repeat, provider, job, told))


async def _repeat(provider: Provider, job: Job, told: Unknown) -> SubmitOutcome | Absent:
    match provider.idempotency:
        case Idempotency.CLIENT_TOKEN:
            return await provider.submit(job)
        case Idempotency.LOOKUP:
            return await provider.find(job)
        case Idempotency.NEITHER:
            return told
        case _:
            assert_never(provider.idempotency)


def _verdict(outcome: SubmitOutcome | Absent, absences: int) -> Accepted | Done | Refused | None:
    """Return what is now certain of the first submit, if anything is."""
    match outcome:
        case Accepted() | Done():
            return outcome
        case Refused(kind=kind):
            # Busy, or our key no good any more: that says nothing of what was taken on before.
            return None if kind in {Kind.TEMPORARY, Kind.UNSUPPORTED, Kind.ACCOUNT} else outcome
        case Absent():
            return NOT_THERE if absences >= ABSENCES else None
        case Unknown():
            return None
        case _:
            assert_never(outcome)


async def _told(tools: Tools, task: Task, provider: Provider, job: Job) -> Accepted | Unknown:
    """Believe an id that a callback told, or who lost the task to us, if the upstream knows it."""
    claim = await intents.told(tools.database, task)
    if claim is None:
        return Unknown(reason="nobody told")
    status = await provider.status(claim, job)
    if isinstance(status, Lost | Silent):
        return Unknown(reason="the upstream does not confirm what it told")
    return Accepted(upstream_id=claim)


async def give_up(tools: Tools, task: Task, provider: Provider) -> Failure:
    """End the waiting: the client gets the hold back, the operator may have paid for nothing."""
    log.error("task.submit_unknown", task=task.id, provider=provider.name)
    await alerts.raise_alert(
        tools.database,
        Alert(
            kind="submit_unknown",
            provider=provider.name,
            task_id=task.id,
            message="A submit was never answered. The upstream may have made and billed it.",
        ),
        tools.clock(),
    )
    return SUBMIT_UNKNOWN
