"""waitTask and taskEvents: hear of a task's end, or of all that happens to it, without polling."""

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from kinetoscope.accounts.opening import Caller
from kinetoscope.api.body import invalid, issue, read_task_id
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer
from kinetoscope.api.record import record_json
from kinetoscope.api.schemas import TASK_ID, ref
from kinetoscope.api.told_headers import KEEP
from kinetoscope.kernel.errors import InvalidRequest, KinetoscopeError
from kinetoscope.kernel.ids import TaskId
from kinetoscope.media.signing import Signer
from kinetoscope.tasks.watch import POLL_DELAY_S, Seen, Watch, changes, own, until_ended

Result = TypeVar("Result")

TIMEOUT_S_MAX = 60
EVENTS_TIMEOUT_S = 600
HEARTBEAT_S = 15

TIMED_OUT = "The stream has lasted its time; the task goes on. Connect again to follow it."

TASK_ID_PARAMETER = {"name": "taskId", "in": "query", "required": True, "schema": TASK_ID}

ANSWERS = {400: "The query is not valid", 404: "There is no such task"}

WAIT_TASK = Operation(
    summary="Wait for a task's end",
    tag="jobs",
    description="Answers once the task has ended, or after `timeout` seconds as it then stands.",
    parameters=(
        TASK_ID_PARAMETER,
        {
            "name": "timeout",
            "in": "query",
            "required": False,
            "schema": {
                "type": "integer",
                "minimum": 0,
                "maximum": TIMEOUT_S_MAX,
                "default": TIMEOUT_S_MAX,
            },
        },
    ),
    answer=ref("Record"),
    answers=ANSWERS,
)

EVENT = {
    "type": "object",
    "description": "One event of the stream",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": ["state", "queue", "progress", "end", "timeout", "error"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}

TASK_EVENTS = Operation(
    summary="Follow a task by Server-Sent Events",
    tag="jobs",
    description=(
        "Events: `state` {status}, `queue` {position}, `progress` {percent}, and at last `end`, "
        "the whole record. A stream that lasted ten minutes ends with `timeout` {message}, and one "
        "that cannot go on, as when the task is deleted, with `error` {message}. Connecting again "
        "tells the present state again; nothing is missed."
    ),
    parameters=(TASK_ID_PARAMETER,),
    answer=EVENT,
    answer_type="text/event-stream",
    answers=ANSWERS,
    headers={200: (KEEP,)},
)


def mount(doors: Doors) -> None:
    """Add waitTask and taskEvents."""
    runtime = doors.runtime
    watch, signer = runtime.watch, runtime.signer

    async def wait_task(request: Request, caller: Caller) -> Response:
        """Answer when the task has ended."""
        task_id = _asked(request)
        timeout_s = _timeout_s(request.query_params.get("timeout"))
        ended = until_ended(watch, caller.account_id, task_id, timeout_s)
        record = await while_there(request, ended)
        return answer(record_json(record, signer))

    async def task_events(request: Request, caller: Caller) -> Response:
        """Tell what happens to the task."""
        task_id = _asked(request)
        # Refused while there is still a status to refuse with.
        await own(runtime.database, caller.account_id, task_id, runtime.clock())
        with watch.place(caller.account_id):
            pass
        return StreamingResponse(
            events(watch, signer, caller, task_id),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    doors.guarded("GET", "/api/v1/jobs/waitTask", "tasks:read", wait_task, WAIT_TASK)
    doors.guarded("GET", "/api/v1/jobs/taskEvents", "tasks:read", task_events, TASK_EVENTS)


async def while_there(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Do something for as long as its client is there; raises ClientDisconnect.

    The server tells of a client that left only to whoever asks, and a place is worth more.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass  # a body that nobody needs


async def events(
    watch: Watch, signer: Signer, caller: Caller, task_id: TaskId
) -> AsyncIterator[bytes]:
    """Write what is new since the event before; a comment where nothing has been for a while."""
    number = 0
    known: dict[str, object] = {}
    silent_s = 0.0
    has_ended = False
    try:
        async for seen in changes(watch, caller.account_id, task_id, EVENTS_TIMEOUT_S):
            news = {name: told for name, told in _told(seen).items() if known.get(name) != told}
            known |= news
            silent_s = 0.0 if news else silent_s + POLL_DELAY_S
            for name, told in news.items():
                number += 1
                yield _event(number, name, told)
            if seen.has_ended:
                yield _event(number + 1, "end", record_json(seen.record, signer))
                has_ended = True
            elif silent_s >= HEARTBEAT_S:
                silent_s = 0.0
                yield b": still here\n\n"
        if not has_ended:
            # Whoever took silence for the end would never hear of it.
            yield _event(number + 1, "timeout", {"message": TIMED_OUT})
    except KinetoscopeError as error:
        # The task was deleted, or the database is away: the stream ends, and says why.
        yield _event(number + 1, "error", {"message": str(error)})


def _told(seen: Seen) -> dict[str, object]:
    told: dict[str, object] = {"state": {"status": seen.record.status}}
    if seen.position is not None:
        told["queue"] = {"position": seen.position}
    if seen.record.progress_percent is not None:
        told["progress"] = {"percent": seen.record.progress_percent}
    return told


def _event(number: int, name: str, told: object) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name.encode(), orjson.dumps(told))


def _asked(request: Request) -> TaskId:
    stated = request.query_params.get("taskId")
    if not stated:
        raise InvalidRequest("Missing taskId parameter")
    return read_task_id(stated)


def _timeout_s(text: str | None) -> int:
    if text is None:
        return TIMEOUT_S_MAX
    if not re.fullmatch(r"[0-9]{1,3}", text) or int(text) > TIMEOUT_S_MAX:
        raise invalid(issue("invalid_type", f"Expected 0 to {TIMEOUT_S_MAX} seconds", "timeout"))
    return int(text)
