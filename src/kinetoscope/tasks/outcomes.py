"""Outcomes: what an upstream's last word means to the client, and what it costs the operator."""

from dataclasses import replace
from typing import assert_never

import structlog

from kinetoscope.kernel.order import Usage
from kinetoscope.providers.contract import Done, Failed, Kind
from kinetoscope.providers.cost import COST_USD_MICROS_MAX, cost_usd_micros
from kinetoscope.tasks import submit
from kinetoscope.tasks.finish import Finished
from kinetoscope.tasks.place import UNAVAILABLE, Placed
from kinetoscope.tasks.task import GENERATION_FAILED, Bill, Failure, Task

log = structlog.get_logger(__name__)

MODERATION_CODES = ("2038", "4011")
"""The contract's codes for what moderation refuses; the first where the upstream names neither.

https://kinovi.ai/docs/common/error-handling"""


def failure_of(failed: Failed) -> Failure:
    """Return what the client is told of a job that its upstream gave up.

    Moderation has codes of its own, and trouble that passes the contract's words for it, with the
    upstream's beside them. Everything else is told as the upstream tells it.
    """
    bill = None
    if failed.cost_usd_micros is not None:
        bill = Bill(cost_usd_micros=failed.cost_usd_micros, is_made=False)
    match failed.kind:
        case Kind.MODERATION:
            code = failed.code if failed.code in MODERATION_CODES else MODERATION_CODES[0]
            return Failure(code=code, message=failed.message, bill=bill)
        case Kind.ACCOUNT:
            # What is wrong with the account there is the operator's affair.
            return replace(UNAVAILABLE, bill=bill)
        case Kind.TEMPORARY:
            known = (UNAVAILABLE.message, GENERATION_FAILED.message, "")
            detail = "" if failed.message in known else failed.message
            return replace(UNAVAILABLE, detail=detail, bill=bill)
        case Kind.PERMANENT | Kind.UNSUPPORTED:
            return Failure(code=failed.code, message=failed.message, bill=bill)
        case _:
            assert_never(failed.kind)


def finished(task: Task, placed: Placed, done: Done) -> Finished:
    """Add what we know better than the upstream: the footage we measured, and what it costs."""
    usage = _measured(task, placed, done.usage)
    cost = done.cost_usd_micros
    if cost is None:
        cost = _listed(placed, usage)
    return Finished(done=replace(done, usage=usage), cost_usd_micros=_credible(task, cost))


def billed(task: Task, placed: Placed, failure: Failure) -> Failure:
    """Return a failure with what its upstream takes for it, where anybody can tell."""
    bill = failure.bill
    if bill is None:
        return failure
    cost = bill.cost_usd_micros
    if cost is None and bill.is_made:
        cost = _listed(placed, _measured(task, placed, bill.usage))
    return replace(failure, bill=replace(bill, cost_usd_micros=_credible(task, cost)))


def _measured(task: Task, placed: Placed, usage: Usage) -> Usage:
    measured = task.reference_video_s if not placed.job.references else None
    footage_s = submit.footage_s(placed.job) if measured is None else measured
    return replace(usage, reference_video_s=footage_s)


def _listed(placed: Placed, usage: Usage) -> int | None:
    """Return what the operator's file says."""
    listed = placed.route.cost
    return None if listed is None else cost_usd_micros(listed, placed.job.order, usage)


def _credible(task: Task, cost: int | None) -> int | None:
    """Return a cost that a job can have: what an upstream tells is written down nowhere else."""
    if cost is None or 0 <= cost <= COST_USD_MICROS_MAX:
        return cost
    log.warning("task.cost_implausible", task=task.id, provider=task.provider)
    return None
