"""Server-Sent Events: how a request stands, until it has ended.

https://docs.fal.ai/model-apis/model-endpoints/queue and https://docs.fal.ai/model-apis/model-endpoints/server-sent-events
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import orjson

from kinetoscope.dialects.fal.results import ending
from kinetoscope.dialects.fal.states import Shown, logs, state, state_word
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.tasks import whole
from kinetoscope.tasks.watch import POLL_DELAY_S, Seen, changes
from kinetoscope.wiring import Runtime

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

STREAM_TIMEOUT_S = 2 * 3600.0
"""Longer than a task lives: clients take a stream's end for the request's."""

HEARTBEAT_S = 15
COMMENT = b": ping\n\n"


async def status_events(
    runtime: Runtime, account_id: AccountId, app: str, task_id: TaskId, *, with_logs: bool
) -> AsyncIterator[bytes]:
    """Tell a request's state, and again when it has changed; ends when it is completed.

    It ends too where it cannot go on, as when the task is deleted: whoever asks for the result then
    hears why. Logs are told once: clients add them up.
    """
    told_lines: set[str] = set()
    with suppress(KinetoscopeError):
        async for seen in _news(runtime, account_id, task_id):
            if seen is None:
                yield COMMENT
                continue
            found = await whole.besides(runtime.database, [seen.record], seen.position)
            if not found:
                return  # deleted in this moment
            shown = Shown(whole=found[0], app=app, with_logs=False, now=runtime.clock())
            told = state(shown, runtime.settings.public_url, runtime.signer)
            if with_logs:
                told["logs"] = [line for line in logs(shown) if line["message"] not in told_lines]
                told_lines |= {line["message"] for line in told["logs"]}
            yield _event(told)


async def run_events(
    runtime: Runtime, account_id: AccountId, task_id: TaskId
) -> AsyncIterator[bytes]:
    """Tell a task's progress, and at last what it made, or why there is nothing.

    Nothing else can be told of what goes wrong now: the status has been sent.
    """
    try:
        async for seen in _news(runtime, account_id, task_id):
            if seen is None:
                yield COMMENT
            elif seen.has_ended:
                yield _event(await _last(runtime, seen))
            else:
                yield _event(_progress(seen))
    except KinetoscopeError as error:
        yield _event({"status": "ERROR", "error": str(error), "error_type": "internal_error"})


async def _last(runtime: Runtime, seen: Seen) -> dict[str, Any]:
    found = await whole.besides(runtime.database, [seen.record])
    if not found:
        return {"status": "ERROR", "error": "The request was deleted", "error_type": "not_found"}
    ended = ending(found[0], runtime.signer)
    if ended.error_type:
        failed = {"status": "ERROR", "error": ended.error, "error_type": ended.error_type}
        return failed | ended.body
    return ended.body


def _progress(seen: Seen) -> dict[str, Any]:
    told: dict[str, Any] = {
        "status": state_word(seen.record.status),
        "request_id": seen.record.id,
    }
    if seen.position is not None:
        told["queue_position"] = seen.position
    if seen.record.progress_percent is not None:
        told["progress"] = seen.record.progress_percent
    return told


async def _news(
    runtime: Runtime, account_id: AccountId, task_id: TaskId
) -> AsyncIterator[Seen | None]:
    """Yield a task whenever something about it is new; None where nothing was for a while."""
    known: tuple[object, ...] = ()
    silent_s = 0.0
    async for seen in changes(runtime.watch, account_id, task_id, STREAM_TIMEOUT_S):
        record = seen.record
        stands = (record.status, seen.position, record.progress_percent, record.completed_at)
        if stands != known:
            known, silent_s = stands, 0.0
            yield seen
            continue
        silent_s += POLL_DELAY_S
        if silent_s >= HEARTBEAT_S:
            silent_s = 0.0
            yield None


def _event(told: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % orjson.dumps(told)
