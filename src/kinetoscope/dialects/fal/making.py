"""Asking for something to be made: put into the queue, or waited for.

Once a task may be there, nothing is answered that a client would send its request again for.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from kinetoscope.accounts.opening import Caller
from kinetoscope.dialects.door import Client
from kinetoscope.dialects.fal import asking
from kinetoscope.dialects.fal.answers import told
from kinetoscope.dialects.fal.asking import Asked
from kinetoscope.dialects.fal.left import Left, Run, Taken
from kinetoscope.dialects.fal.results import has_ended, result
from kinetoscope.dialects.fal.states import addresses
from kinetoscope.dialects.fal.streams import Events, run_events
from kinetoscope.dialects.making import make, said, waited
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What runs need; `left` is one for a process."""

    runtime: Runtime
    names: Names
    left: Left


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A run that was asked for, and its task. `run` is what it equals; None where it has a name."""

    taken: Taken
    run: Run | None


async def run(running: Running, client: Client) -> Response:
    """Make something, and answer with it. Whoever leaves meanwhile wants it no more, as at fal.

    Unless it is sent again at once, or has a name: see `left`.
    """
    runtime = running.runtime
    begun = await _begun(running, client)
    task_id = begun.taken.task_id
    try:
        found = await waited(runtime, client, task_id, RUN_TIMEOUT_S)
    except ClientDisconnect:
        _leave(running, client, begun)
        raise
    except (DatabaseUnavailable, TooManyWatching):
        raise StillRunning(task_id) from None
    if not has_ended(found):
        raise StillRunning(task_id)
    return result(found, runtime.signer)


async def run_stream(running: Running, client: Client) -> Response:
    """Make something, and tell how it goes; the last event is what a run answers.

    Whoever leaves wants it no more, as with a run; no client sends a stream again by itself.
    """
    begun = await _begun(running, client)
    return Events(_followed(running, client, begun), begun.taken.task_id)


async def _followed(running: Running, client: Client, begun: Begun) -> AsyncIterator[bytes]:
    events = run_events(running.runtime, client.caller.account_id, begun.taken.task_id)
    try:
        async for event in events:
            yield event
    except (asyncio.CancelledError, GeneratorExit):
        _leave(running, client, begun)
        raise


async def _begun(running: Running, client: Client) -> Begun:
    """Take over what an equal run left, or create a task that is waited for.

    Raises TooManyWatching while none is there.
    """
    runtime = running.runtime
    asked = await asking.read(runtime, running.names, client)
    with runtime.watch.place(client.caller.account_id):
        pass
    if "idempotency-key" in client.request.headers:
        return Begun(taken=Taken(task_id=await _made(runtime, client, asked)), run=None)
    outcome = client.request.headers.get("x-test-outcome")
    equal = Run(
        key_id=client.caller.key_id,
        body_sha256=said(asked.wish, outcome),
        patience=asked.wish.patience,
    )
    taken = running.left.take(equal)
    if taken is None:
        taken = Taken(task_id=await _made(runtime, client, asked))
    return Begun(taken=taken, run=equal)


async def _made(runtime: Runtime, client: Client, asked: Asked) -> TaskId:
    return (await make(runtime, client, asked.wish)).task_id


def _leave(running: Running, client: Client, begun: Begun) -> None:
    """Have a run's task ended unless it is sent again; what has a name may be asked for later."""
    if begun.run is not None:
        end = partial(_end, running.runtime, client.caller, begun.taken.task_id)
        running.left.leave(begun.run, begun.taken, end)


async def _end(runtime: Runtime, caller: Caller, task_id: TaskId) -> None:
    with suppress(KinetoscopeError):
        await cancel(
            runtime.database,
            lifetimes_of(runtime.settings),
            caller.account_id,
            task_id,
            runtime.clock(),
            mode=caller.mode,
        )
