"""Finish: take the media in, then end the task and its hold together, once."""

import asyncio
from pathlib import Path

import structlog

from kinetoscope.catalog import price
from kinetoscope.kernel.order import JSON, Order
from kinetoscope.ledger import book
from kinetoscope.media.inspect import Inspected, InspectLimits, MediaRefused, inspect
from kinetoscope.media.store import ENDINGS, StoreFailed
from kinetoscope.postgres.pool import Connection
from kinetoscope.providers.contract import Done, OutputFile
from kinetoscope.tasks import store
from kinetoscope.tasks.task import GENERATION_FAILED, Failure, StoredOutput, Task
from kinetoscope.tasks.tools import Tools
from kinetoscope.webhooks import outbox

log = structlog.get_logger(__name__)

STORE_DELAYS_S = (1, 2, 4, 8, 16, 30, 60, 60, 60, 60)
"""Five minutes of trouble with the store cost nobody a rendering."""


async def succeed(tools: Tools, task: Task, order: Order, done: Done) -> None:
    """Store the media, then end the task and capture its hold. Raises LeaseLost.

    Names follow from the task, so storing twice after a crash gives one file, not two.
    """
    try:
        outputs = await _store_all(tools, task, done.files, order.count)
    except MediaRefused as error:
        log.warning("task.output_refused", task=task.id, provider=task.provider, reason=str(error))
        await fail(tools, task, GENERATION_FAILED)
        return
    now = tools.clock()
    charged = task.price
    if charged > 0:
        charged = price.settle(tools.catalog.find(task.model), order, done.usage)

    async def steps(connection: Connection) -> None:
        await store.end_success(
            connection,
            task,
            output=outputs,
            preview=done.preview,
            media_expires_at=now + tools.media_lifetime,
            now=now,
        )
        paid = await book.capture(
            connection, task.account_id, task.id, held=task.price, charged=charged, now=now
        )
        await store.set_price(connection, task, paid)
        await outbox.put(connection, task.id, now)

    await tools.database.transact(steps)
    log.info("task.succeeded", task=task.id, model=task.model, charged=charged, epoch=task.epoch)


async def fail(tools: Tools, task: Task, failure: Failure) -> None:
    """End the task and release its hold. Raises LeaseLost."""
    now = tools.clock()

    async def steps(connection: Connection) -> None:
        await store.end_fail(connection, task, failure, now)
        await book.release(connection, task.account_id, task.id, held=task.price, now=now)
        await outbox.put(connection, task.id, now)

    await tools.database.transact(steps)
    log.info("task.failed", task=task.id, model=task.model, code=failure.code)


async def _store_all(
    tools: Tools, task: Task, files: tuple[OutputFile, ...], count: int
) -> list[JSON]:
    """Inspect every file before storing any: what is reported is what is in the file.

    Fewer files than were ordered are none: clients pay for what they ordered.
    """
    if len(files) < max(1, count):
        raise MediaRefused(len(files), "is missing")
    frames = [file.last_frame for file in files if file.last_frame is not None]
    inspected = await inspect([*(file.path for file in files), *frames], InspectLimits())
    outputs: list[JSON] = []
    for number, (file, found) in enumerate(zip(files, inspected, strict=False), start=1):
        name = f"{task.media_name}-{number}.{_ending(file, found)}"
        last_frame_name = None
        await _put(tools, name, file.path)
        if file.last_frame is not None:
            last_frame_name = f"{task.media_name}-{number}-last.png"
            await _put(tools, last_frame_name, file.last_frame)
        outputs.append(
            StoredOutput(
                name=name,
                width=found.width,
                height=found.height,
                media_type=found.media_type,
                seed=file.seed,
                duration_ms=found.duration_ms,
                bytes_size=found.bytes_size,
                has_audio=found.has_audio,
                last_frame_name=last_frame_name,
            ).as_json()
        )
    return outputs


async def _put(tools: Tools, name: str, path: Path) -> None:
    """Store one file, patiently: it is here now, and making it again would cost far more."""
    for delay_s in STORE_DELAYS_S:
        try:
            await tools.store.put(name, path)
        except StoreFailed as error:
            log.warning("media.store_failed", name=name, error=str(error), retry_in_s=delay_s)
            await asyncio.sleep(delay_s)
        else:
            return
    await tools.store.put(name, path)


def _ending(file: OutputFile, found: Inspected) -> str:
    if found.kind is not file.kind or found.media_type not in ENDINGS:
        raise MediaRefused(0, f"expected {file.kind}, found {found.media_type}")
    return ENDINGS[found.media_type]
