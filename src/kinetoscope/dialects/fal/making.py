"""Asking for something to be made: put into the queue, or waited for.

Once a task may be there, nothing is answered that a client would send its request again for.
"""

from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse

from kinetoscope.dialects.door import Client
from kinetoscope.dialects.fal import asking
from kinetoscope.dialects.fal.answers import REQUEST_ID, told
from kinetoscope.dialects.fal.results import has_ended, result
from kinetoscope.dialects.fal.states import addresses
from kinetoscope.dialects.fal.streams import HEADERS, MEDIA_TYPE, run_events
from kinetoscope.dialects.making import make, waited
from kinetoscope.dialects.names import Names
from kinetoscope.kernel.errors import (
    DatabaseUnavailable,
    KinetoscopeError,
    StillRunning,
    TooManyWatching,
)
from kinetoscope.kernel.ids import TaskId
from kinetoscope.tasks import whole
from kinetoscope.tasks.cancel import cancel
from kinetoscope.wiring import Runtime, lifetimes_of

RUN_TIMEOUT_S = 280.0
"""How long a run is waited for. Node's fetch gives up, and asks again, after 300 seconds."""


async def submit(runtime: Runtime, names: Names, client: Client) -> Response:
    """Put a request into the queue."""
    asked = await asking.read(runtime, names, client)
    created = await make(runtime, client, asked.wish)
    task_id = created.task_id
    body = {
        "status": "IN_QUEUE",
        "request_id": task_id,
        "gateway_request_id": task_id,
        **addresses(runtime.settings.public_url, asked.app, task_id),
        "queue_position": await _position(runtime, client, task_id),
    }
    return told(body, request_id=task_id)


async def _position(runtime: Runtime, client: Client, task_id: TaskId) -> int:
    """Return how many are ahead; what there is of the task is there, whether that is known."""
    database, account_id = runtime.database, client.caller.account_id
    with suppress(KinetoscopeError):
        found = await whole.own(database, account_id, task_id, runtime.clock(), queued=True)
        return found.position or 0
    return 0


async def run(runtime: Runtime, names: Names, client: Client) -> Response:
    """Make something, and answer with it. Whoever leaves meanwhile wants it no more, as at fal."""
    task_id = await _made(runtime, names, client)
    try:
        found = await waited(runtime, client, task_id, RUN_TIMEOUT_S)
    except ClientDisconnect:
        if "idempotency-key" not in client.request.headers:  # nobody could ever ask for it again
            await _end(runtime, client, task_id)
        raise
    except (DatabaseUnavailable, TooManyWatching):
        raise StillRunning(task_id) from None
    if not has_ended(found):
        raise StillRunning(task_id)
    return result(found, runtime.signer)


async def run_stream(runtime: Runtime, names: Names, client: Client) -> Response:
    """Make something, and tell how it goes; the last event is what a run answers."""
    task_id = await _made(runtime, names, client)
    return StreamingResponse(
        run_events(runtime, client.caller.account_id, task_id),
        media_type=MEDIA_TYPE,
        headers={**HEADERS, REQUEST_ID: task_id},
    )


async def _made(runtime: Runtime, names: Names, client: Client) -> TaskId:
    """Create a task that is waited for; raises TooManyWatching while none is there."""
    asked = await asking.read(runtime, names, client)
    with runtime.watch.place(client.caller.account_id):
        pass
    return (await make(runtime, client, asked.wish)).task_id


async def _end(runtime: Runtime, client: Client, task_id: TaskId) -> None:
    caller = client.caller
    with suppress(KinetoscopeError):
        await cancel(
            runtime.database,
            lifetimes_of(runtime.settings),
            caller.account_id,
            task_id,
            runtime.clock(),
            mode=caller.mode,
        )
