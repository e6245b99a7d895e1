"""Finish: take the media in, then end the task and its hold together, once."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from kinetoscope.catalog import price
from kinetoscope.kernel.order import Order
from kinetoscope.ledger import book
from kinetoscope.media.inspect import MediaRefused
from kinetoscope.postgres.pool import Connection
from kinetoscope.providers.contract import Done
from kinetoscope.tasks import store
from kinetoscope.tasks.keep import keep
from kinetoscope.tasks.lifetimes import Lifetimes, expiry_within
from kinetoscope.tasks.task import GENERATION_FAILED, Failure, Task
from kinetoscope.tasks.tools import Tools
from kinetoscope.webhooks import outbox

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a provider made, and what that cost us; None where nobody knows."""

    done: Done
    cost_usd_micros: int | None


async def succeed(tools: Tools, task: Task, order: Order, finished: Finished) -> None:
    """Store the media, then end the task and capture its hold. Raises LeaseLost."""
    done = finished.done
    try:
        outputs = await keep(tools, task, done, order.count)
    except MediaRefused as error:
        log.warning("task.output_refused", task=task.id, provider=task.provider, reason=str(error))
        await fail(tools, task, GENERATION_FAILED)
        return
    now = tools.clock()
    charged = task.price
    if charged > 0:
        charged = price.settle(tools.catalog.find(task.model), order, done.usage, task.price)

    async def steps(connection: Connection) -> None:
        expiry = await expiry_within(connection, tools.lifetimes, task.account_id, now)
        await store.end_success(
            connection,
            task,
            output=outputs,
            preview=done.preview,
            ai_generated=done.ai_generated,
            media_expires_at=None if task.is_sample else expiry.media,
            metadata_expires_at=None if task.is_sample else expiry.task,
            now=now,
        )
        if not task.is_sample:
            paid = await book.capture(
                connection, task.account_id, task.id, held=task.price, charged=charged, now=now
            )
            await store.set_price(connection, task, paid, finished.cost_usd_micros)
        await outbox.put(connection, task.id, now)

    await tools.database.transact(steps)
    log.info("task.succeeded", task=task.id, model=task.model, charged=charged, epoch=task.epoch)


async def fail(tools: Tools, task: Task, failure: Failure) -> None:
    """End the task and release its hold. Raises LeaseLost."""
    now = tools.clock()

    async def steps(connection: Connection) -> None:
        await fail_within(connection, tools.lifetimes, task, failure, now)

    await tools.database.transact(steps)
    log.info("task.failed", task=task.id, model=task.model, code=failure.code)


async def fail_within(
    connection: Connection, lifetimes: Lifetimes, task: Task, failure: Failure, now: datetime
) -> None:
    """Do the same as part of a transaction: every way for a task to fail comes through here."""
    expiry = await expiry_within(connection, lifetimes, task.account_id, now)
    known_until = None if task.is_sample else expiry.task
    await store.end_fail(connection, task, failure, now, known_until)
    if not task.is_sample:
        await book.release(connection, task.account_id, task.id, held=task.price, now=now)
    await outbox.put(connection, task.id, now)
