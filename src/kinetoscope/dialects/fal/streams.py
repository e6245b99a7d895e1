"""Server-Sent Events: how a request stands, until it has ended.

A stream goes on while the database is away. One that cannot go on is broken off and never ended
well: clients take a stream's end for the request's.

https://docs.fal.ai/model-apis/model-endpoints/queue and https://docs.fal.ai/model-apis/model-endpoints/server-sent-events
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Send
from typing_extensions import override

from kinetoscope.dialects.fal.answers import REQUEST_ID
from kinetoscope.dialects.fal.polls import stand_of
from kinetoscope.dialects.fal.results import ending
from kinetoscope.dialects.fal.states import Shown, logs, state, state_word
from kinetoscope.kernel.errors import (
    DatabaseUnavailable,
    KinetoscopeError,
    NotFound,
    TooManyWatching,
)
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.tasks import whole
from kinetoscope.tasks.watch import POLL_DELAY_S, Seen, changes
from kinetoscope.tasks.whole import Whole
from kinetoscope.wiring import Runtime

AGAIN_DELAY_S = 1.0
"""How soon to look again where the database was away."""

HEARTBEAT_S = 15
COMMENT = b": ping\n\n"


class BrokenOffError(Exception):
    """A stream cannot go on."""


class Events(StreamingResponse):
    """A stream of events about a request, which is cut off where it raises BrokenOffError."""

    def __init__(self, events: AsyncIterator[bytes], task_id: TaskId) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", REQUEST_ID: task_id}
        super().__init__(events, media_type="text/event-stream", headers=headers)

    @override
    async def stream_response(self, send: Send) -> None:
        """Send what there is; the server closes a connection whose answer is not whole."""
        try:
            await super().stream_response(send)
        except BrokenOffError:
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A task as it stands; `whole` is there where it was asked for, and at the end."""

    seen: Seen
    whole: Whole | None


async def status_events(
    runtime: Runtime, account_id: AccountId, app: str, task_id: TaskId, *, with_logs: bool
) -> AsyncIterator[bytes]:
    """Tell a request's state, and again when it has changed; ends when it is completed.

    Raises BrokenOffError where it cannot go on, as when the task is deleted: whoever asks for the
    result then hears why. Logs are told once: clients add them up.
    """
    told_lines: set[str] = set()
    try:
        async for news in _news(runtime, account_id, task_id, with_whole=with_logs):
            if news is None:
                yield COMMENT
                continue
            shown = Shown(seen=news.seen, whole=news.whole, app=app, now=runtime.clock())
            told = state(shown, runtime.settings.public_url, runtime.signer)
            if with_logs:
                told["logs"] = [line for line in logs(shown) if line["message"] not in told_lines]
                told_lines |= {line["message"] for line in told["logs"]}
            yield _event(told)
    except KinetoscopeError as error:
        raise BrokenOffError from error


async def run_events(
    runtime: Runtime, account_id: AccountId, task_id: TaskId
) -> AsyncIterator[bytes]:
    """Tell a task's progress, and at last what it made, or why there is nothing.

    Where it cannot go on, an event says why, and BrokenOffError is raised.
    """
    try:
        async for news in _news(runtime, account_id, task_id, with_whole=False):
            if news is None:
                yield COMMENT
            elif news.whole is None:
                yield _event(_progress(news.seen))
            else:
                yield _event(_last(runtime, news.whole))
    except KinetoscopeError as error:
        yield _event({"status": "ERROR", "error": str(error), "error_type": "internal_error"})
        raise BrokenOffError from error


def _last(runtime: Runtime, found: Whole) -> dict[str, Any]:
    ended = ending(found, runtime.signer)
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
    runtime: Runtime, account_id: AccountId, task_id: TaskId, *, with_whole: bool
) -> AsyncIterator[News | None]:
    """Yield a task whenever something about it is new; None where nothing was for a while.

    It lasts longer than a task may take. Raises BrokenOffError when even that is over, and what
    `watch.own` does, but for a database that is away.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + 2 * runtime.settings.task_deadline.total_seconds()
    known: tuple[object, ...] = ()
    silent_s = 0.0
    while loop.time() < until_s and not runtime.watch.is_closing:
        try:
            async for seen in changes(runtime.watch, account_id, task_id, until_s - loop.time()):
                if stand_of(seen) == known:
                    silent_s += POLL_DELAY_S
                    if silent_s >= HEARTBEAT_S:
                        silent_s = 0.0
                        yield None
                    continue
                found = await _whole(runtime, seen) if with_whole or seen.has_ended else None
                known, silent_s = stand_of(seen), 0.0
                yield News(seen=seen, whole=found)
                if seen.has_ended:
                    return
        except (DatabaseUnavailable, TooManyWatching):
            # Its place may have been given away meanwhile, and comes free again.
            yield None
            await asyncio.sleep(AGAIN_DELAY_S)
    raise BrokenOffError


async def _whole(runtime: Runtime, seen: Seen) -> Whole:
    found = await whole.besides(runtime.database, [seen.record], seen.position)
    if not found:
        raise NotFound("Task not found")  # deleted in this moment
    return found[0]


def _event(told: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % orjson.dumps(told)
