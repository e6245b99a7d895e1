"""Following a prediction by Server-Sent Events: what it makes, and lines of its log.

https://replicate.com/docs/topics/predictions/streaming. The JavaScript client asks a prediction's
`urls.stream` without a key, so that address carries its own permission: to see this one task, for
a day from its making. With a key any task of the account can be followed at its own path. An
EventSource connects again by itself, with the id of the last event it saw: it is told what is new.
"""

import hmac
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from kinetoscope.api.auth import client_ip
from kinetoscope.api.pace import keep_address_pace
from kinetoscope.api.watch import EVENTS_TIMEOUT_S, HEARTBEAT_S, TIMED_OUT
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.dialects.replicate.shape import (
    PREFIX,
    View,
    addresses,
    error_text,
    is_on_purpose,
    percent_of,
    progress_line,
)
from kinetoscope.kernel.errors import Forbidden, KinetoscopeError, NotFound
from kinetoscope.kernel.ids import AccountId, TaskId, is_task_id
from kinetoscope.tasks import whole
from kinetoscope.tasks.read import Record
from kinetoscope.tasks.task import Status
from kinetoscope.tasks.watch import POLL_DELAY_S, Seen, Watch, changes, own

ADDRESS_LIFETIME = timedelta(days=1)

EXPIRES = re.compile(r"[0-9]{1,12}")

PROGRESS, OUTPUT, FAILED, DONE = 1, 1001, 2001, 2002
"""Ids of events: behind the first the percent, behind the second the place among the files.

They follow from how the task stands, so that they mean the same on every connection, and grow:
progress never goes back.
"""

EVENT_ID = re.compile(r"[0-9]{1,4}")

HEADERS = {
    # Without a charset, which one of the clients would take for another type.
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}

NOT_VALID = "This address is not valid, or not any more. Follow the prediction with a key."


class Event(NamedTuple):
    """What a stream says at once; a client that connects again names the last `number` it saw."""

    number: int
    name: str
    data: str


def stream_url(view: View, record: Record) -> str:
    """Return the address at which a task can be followed without a key; always the same one."""
    expires = int((record.created_at + ADDRESS_LIFETIME).timestamp())
    signature = quote(_signature(view.signing_key, record.id, expires))
    path = f"{PREFIX}/streams/{record.id}"
    return f"{view.public_url}{path}?expires={expires}&signature={signature}"


def _signature(signing_key: bytes, task_id: str, expires: int) -> str:
    said = f"replicate stream\n{task_id}\n{expires}"
    return hmac.new(signing_key, said.encode(), "sha256").hexdigest()


def mount(speech: Speech, view: View) -> None:
    """Add the routes."""
    runtime = speech.doors.runtime
    database, watch, clock = runtime.database, runtime.watch, runtime.clock

    async def told(
        request: Request,
        account_id: AccountId,
        task_id: TaskId,
        place: AbstractContextManager[None],
        *,
        by_address: bool,
    ) -> Response:
        # Refused while there is still a status to refuse with.
        record = await own(database, account_id, task_id, clock())
        after = last_seen(request.headers)
        if after == DONE and record.completed_at is not None:
            # An EventSource would connect again for ever; this tells it not to.
            return Response(status_code=204)
        with place:
            pass
        return StreamingResponse(
            events(watch, view, account_id, task_id, by_address=by_address, after=after),
            headers=HEADERS,
        )

    async def follow(client: Client) -> Response:
        """Follow a task of one's own."""
        account_id, task_id = client.caller.account_id, client.request.path_params["id"]
        if not is_task_id(task_id):
            raise NotFound("Prediction not found")
        place = watch.place(account_id)
        return await told(client.request, account_id, TaskId(task_id), place, by_address=False)

    async def follow_by_address(request: Request) -> Response:
        """Follow the task that an address permits to."""
        proxies = runtime.settings.trusted_proxies
        await keep_address_pace(speech.doors.limiter, client_ip(request, proxies))
        task_id = TaskId(request.path_params["id"])
        check(view.signing_key, task_id, request.query_params, clock())
        found = await whole.told(database, task_id, clock())
        if found is None:
            raise NotFound("Prediction not found")
        place = watch.followers_place(found.account_id, task_id)
        return await told(request, found.account_id, task_id, place, by_address=True)

    speech.route("GET", "/predictions/{id}/stream", "tasks:read", follow, "Follow a prediction")
    speech.open("GET", "/streams/{id}", follow_by_address, "Follow a prediction by its address")


def check(signing_key: bytes, task_id: str, query: Mapping[str, str], now: datetime) -> None:
    """Demand that an address was made here and still holds; raises Forbidden."""
    expires = query.get("expires", "")
    if not EXPIRES.fullmatch(expires) or not is_task_id(task_id):
        raise Forbidden(NOT_VALID)
    expected = _signature(signing_key, task_id, int(expires))
    given = query.get("signature", "").encode("utf-8", "replace")
    if not hmac.compare_digest(expected.encode(), given):
        raise Forbidden(NOT_VALID)
    if datetime.fromtimestamp(int(expires), UTC) <= now:
        raise Forbidden(NOT_VALID)


def last_seen(headers: Mapping[str, str]) -> int:
    """Return the id of the last event that a client has seen, as it says; 0 for none of ours."""
    stated = headers.get("last-event-id", "")
    number = int(stated) if EVENT_ID.fullmatch(stated) else 0
    return number if number <= DONE else 0


async def events(
    watch: Watch,
    view: View,
    account_id: AccountId,
    task_id: TaskId,
    *,
    by_address: bool,
    after: int = 0,
) -> AsyncIterator[bytes]:
    """Write progress as it comes, at the end each file's address, and then that it is done.

    What is not `after` an id was seen on an earlier connection. Clients know four kinds of events
    and no others, and every event needs an id.
    """
    told, silent_s = after, 0.0
    try:
        following = changes(watch, account_id, task_id, EVENTS_TIMEOUT_S, by_address=by_address)
        async for seen in following:
            news = [event for event in _so_far(view, seen) if event.number > told]
            for event in news:
                told = event.number
                yield _written(event)
            if seen.has_ended:
                return
            silent_s = 0.0 if news else silent_s + POLL_DELAY_S
            if silent_s >= HEARTBEAT_S:
                silent_s = 0.0
                yield b": still here\n\n"
        yield _broken_off(told, TIMED_OUT)
    except KinetoscopeError as error:
        yield _broken_off(told, str(error))


def _so_far(view: View, seen: Seen) -> list[Event]:
    """Return the events of a task as it stands, in order; of its progress the latest one."""
    record, found = seen.record, list[Event]()
    percent = percent_of(record)
    if percent is not None:
        found.append(Event(PROGRESS + percent, "logs", progress_line(percent).rstrip("\n")))
    return found + (_ended(view, record) if seen.has_ended else [])


def _ended(view: View, record: Record) -> list[Event]:
    """Return the last events of a task."""
    if record.status is Status.SUCCESS:
        files = enumerate(addresses(view, record), OUTPUT)
        return [*(Event(at, "output", url) for at, url in files), Event(DONE, "done", "{}")]
    if is_on_purpose(record.failure):
        return [Event(DONE, "done", _json({"reason": "canceled"}))]
    said = error_text(record.failure) or "The prediction failed."
    error = Event(FAILED, "error", _json({"detail": said}))
    return [error, Event(DONE, "done", _json({"reason": "error"}))]


def _broken_off(told: int, why: str) -> bytes:
    """Say why a stream ends before its task does; its id leaves the client where it was."""
    return _written(Event(told, "error", _json({"detail": why})))


def _json(told: object) -> str:
    return orjson.dumps(told).decode()


def _written(event: Event) -> bytes:
    return f"event: {event.name}\nid: {event.number}\ndata: {event.data}\n\n".encode()
