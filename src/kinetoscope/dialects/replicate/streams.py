"""Following a prediction by Server-Sent Events: what it makes, and lines of its log.

https://replicate.com/docs/topics/predictions/streaming. The JavaScript client asks a prediction's
`urls.stream` without a key, so that address carries its own permission: to see this one task, for
a day from its making. With a key any task of the account can be followed at its own path.
"""

import hmac
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
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
from kinetoscope.tasks.watch import POLL_DELAY_S, Watch, changes, own

ADDRESS_LIFETIME = timedelta(days=1)

EXPIRES = re.compile(r"[0-9]{1,12}")

NOT_VALID = "This address is not valid, or not any more. Follow the prediction with a key."


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
        account_id: AccountId,
        task_id: TaskId,
        place: AbstractContextManager[None],
        *,
        by_address: bool,
    ) -> Response:
        # Refused while there is still a status to refuse with.
        await own(database, account_id, task_id, clock())
        with place:
            pass
        return StreamingResponse(
            events(watch, view, account_id, task_id, by_address=by_address),
            headers={
                # Without a charset, which one of the clients would take for another type.
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            },
        )

    async def follow(client: Client) -> Response:
        """Follow a task of one's own."""
        account_id, task_id = client.caller.account_id, client.request.path_params["id"]
        if not is_task_id(task_id):
            raise NotFound("Prediction not found")
        return await told(account_id, TaskId(task_id), watch.place(account_id), by_address=False)

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
        return await told(found.account_id, task_id, place, by_address=True)

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


async def events(
    watch: Watch, view: View, account_id: AccountId, task_id: TaskId, *, by_address: bool
) -> AsyncIterator[bytes]:
    """Write progress as it comes, at the end each file's address, and then that it is done.

    Clients know four kinds of events and no others, and every event needs an id.
    """
    number, silent_s = 0, 0.0
    known: int | None = None
    try:
        following = changes(watch, account_id, task_id, EVENTS_TIMEOUT_S, by_address=by_address)
        async for seen in following:
            percent = percent_of(seen.record)
            if percent is not None and percent != known:
                known, silent_s, number = percent, 0.0, number + 1
                yield _event(number, "logs", progress_line(percent).rstrip("\n"))
            elif seen.has_ended:
                pass
            else:
                silent_s += POLL_DELAY_S
                if silent_s >= HEARTBEAT_S:
                    silent_s = 0.0
                    yield b": still here\n\n"
            if seen.has_ended:
                for name, data in _ended(view, seen.record):
                    number += 1
                    yield _event(number, name, data)
                return
        yield _event(number + 1, "error", _detail(TIMED_OUT))
    except KinetoscopeError as error:
        yield _event(number + 1, "error", _detail(str(error)))


def _ended(view: View, record: Record) -> list[tuple[str, str]]:
    """Return the last events of a task."""
    if record.status is Status.SUCCESS:
        return [*(("output", url) for url in addresses(view, record)), ("done", "{}")]
    if is_on_purpose(record.failure):
        return [("done", _json({"reason": "canceled"}))]
    said = error_text(record.failure) or "The prediction failed."
    return [("error", _detail(said)), ("done", _json({"reason": "error"}))]


def _detail(text: str) -> str:
    return _json({"detail": text})


def _json(told: object) -> str:
    return orjson.dumps(told).decode()


def _event(number: int, name: str, data: str) -> bytes:
    return f"event: {name}\nid: {number}\ndata: {data}\n\n".encode()
