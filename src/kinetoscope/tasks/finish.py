"""Finish: take the media in, then end the task and its hold together, once."""

from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from kinetoscope.catalog import price
from kinetoscope.kernel.credits import Credits, format_credits
from kinetoscope.kernel.order import Order
from kinetoscope.ledger import book
from kinetoscope.media.inspect import MediaRefused
from kinetoscope.postgres.pool import Connection
from kinetoscope.providers.contract import Done
from kinetoscope.tasks import alerts, store
from kinetoscope.tasks.alerts import Alert
from kinetoscope.tasks.keep import keep
from kinetoscope.tasks.lifetimes import Lifetimes, expiry_within
from kinetoscope.tasks.task import GENERATION_FAILED, Bill, Failure, Task
from kinetoscope.tasks.tools import Tools
from kinetoscope.webhooks import outbox

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a provider made, and what that cost us; None where nobody knows."""

    done: Done
    cost_usd_micros: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What a task is charged, and what is odd about it."""

    credits: Credits
    alert: Alert | None = None


async def succeed(tools: Tools, task: Task, order: Order, finished: Finished) -> None:
    """Store the media, then end the task and capture its hold. Raises LeaseLost."""
    done = finished.done
    try:
        outputs = await keep(tools, task, done, order.count)
    except MediaRefused as error:
        await _refuse(tools, task, finished, str(error))
        return
    now = tools.clock()
    charge = _charge(tools, task, order, finished)
    price = task.price if task.is_sample else charge.credits

    async def steps(connection: Connection) -> None:
        expiry = await expiry_within(connection, tools.lifetimes, task.account_id, now)
        await store.end_success(
            connection,
            task,
            output=outputs,
            preview=done.preview,
            ai_generated=done.ai_generated,
            charged=price,
            cost_usd_micros=finished.cost_usd_micros,
            media_expires_at=None if task.is_sample else expiry.media,
            metadata_expires_at=None if task.is_sample else expiry.task,
            now=now,
        )
        if not task.is_sample:
            paid = await book.capture(
                connection,
                task.account_id,
                task.id,
                held=task.price,
                charged=charge.credits,
                now=now,
            )
            if paid != price:
                await store.set_price(connection, task, paid)
        if charge.alert is not None:
            await alerts.raise_within(connection, charge.alert, now)
        await outbox.put(connection, task.id, now)

    await tools.database.transact_pipelined(steps)
    charged = charge.credits
    log.info("task.succeeded", task=task.id, model=task.model, charged=charged, epoch=task.epoch)


def _charge(tools: Tools, task: Task, order: Order, finished: Finished) -> Charge:
    """Settle the price within what such an order can come to.

    An upstream chose these numbers: none of them may empty an account, give it credits, or keep
    the task from ending.
    """
    if task.price <= 0:
        return Charge(credits=task.price)
    model, usage = tools.catalog.find(task.model), finished.done.usage
    asked = price.settle(model, order, usage, task.price)
    charged = min(asked, price.ceiling(model, order, task.price))
    told_cost, cost = finished.done.cost_usd_micros, finished.cost_usd_micros
    if charged == asked and usage == usage.credible() and told_cost in {None, cost}:
        return Charge(credits=charged)
    log.error("task.usage_implausible", task=task.id, provider=task.provider, charged=charged)
    message = (
        f"The upstream's numbers cannot be right. {format_credits(charged)} credits were charged; "
        f"they would come to {format_credits(asked)}."
    )
    alert = Alert(
        kind="usage_implausible", provider=task.provider, task_id=task.id, message=message
    )
    return Charge(credits=charged, alert=alert)


async def _refuse(tools: Tools, task: Task, finished: Finished, reason: str) -> None:
    """End a task whose files are not what was ordered; they were made, and may be billed."""
    log.warning("task.output_refused", task=task.id, provider=task.provider, reason=reason)
    message = f"The upstream's files are not what was ordered, and may be billed: {reason}."
    alert = Alert(kind="output_refused", provider=task.provider, task_id=task.id, message=message)
    bill = Bill(cost_usd_micros=finished.cost_usd_micros, is_made=True)
    await fail(tools, task, replace(GENERATION_FAILED, bill=bill), alert)


async def fail(tools: Tools, task: Task, failure: Failure, alert: Alert | None = None) -> None:
    """End the task and release its hold, with what the operator should know. Raises LeaseLost."""
    now = tools.clock()

    async def steps(connection: Connection) -> None:
        await fail_within(connection, tools.lifetimes, task, failure, now)
        if alert is not None:
            await alerts.raise_within(connection, alert, now)

    await tools.database.transact_pipelined(steps)
    log.info("task.failed", task=task.id, model=task.model, code=failure.code)


async def fail_within(
    connection: Connection, lifetimes: Lifetimes, task: Task, failure: Failure, now: datetime
) -> None:
    """Do the same as part of a transaction: every way for a task to fail comes through here."""
    expiry = await expiry_within(connection, lifetimes, task.account_id, now)
    known_until = None if task.is_sample else expiry.task
    await store.end_fail(connection, task, _storable(failure), now, known_until)
    if not task.is_sample:
        await book.release(connection, task.account_id, task.id, held=task.price, now=now)
    await outbox.put(connection, task.id, now)


def _storable(failure: Failure) -> Failure:
    """Leave out of an upstream's words what no column of text takes: no end may fail on them."""
    code, message, detail = (
        text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
        for text in (failure.code, failure.message, failure.detail)
    )
    return replace(failure, code=code, message=message, detail=detail)
