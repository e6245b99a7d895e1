"""What `kinetoscope listen` follows: the account's ended tasks, dressed as their deliveries."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.accounts.opening import Caller
from kinetoscope.api import webhook_shapes as shapes
from kinetoscope.api.body import invalid, issue
from kinetoscope.api.doors import Doors
from kinetoscope.api.envelope import answer
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.tasks import ended, whole
from kinetoscope.tasks.ended import Place
from kinetoscope.tasks.task import Status
from kinetoscope.tasks.whole import Whole
from kinetoscope.webhooks.deliver import Message, signed_headers
from kinetoscope.webhooks.outbox import message_id

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

SINCE = re.compile(r"[0-9]{1,15}")
CURSOR = re.compile(r"([0-9]{1,18})_([0-9a-z_]{0,64})")

EVENTS_PER_PAGE = 50


def mount_listen(doors: Doors, scopes: tuple[str, ...]) -> None:
    """Add /api/v1/webhooks/listen."""
    runtime = doors.runtime
    database, sealer, clock = runtime.database, runtime.sealer, runtime.clock

    async def event(found: Whole, caller: Caller, now: datetime) -> dict[str, Any]:
        record = found.record
        message = Message(
            id=message_id(record.id),
            account_id=caller.account_id,
            task_id=record.id,
            telling=doors.telling(found),
        )
        succeeded = record.status is Status.SUCCESS
        return {
            "id": message.id,
            "taskId": record.id,
            "eventType": "task.succeeded" if succeeded else "task.failed",
            "endTime": unix_ms(record.completed_at or now),
            "headers": await signed_headers(database, sealer, message, now),
            "body": message.body.decode(),
        }

    async def listen(request: Request, caller: Caller) -> Response:
        """Return what ended after a time or place."""
        now = clock()
        place = read_place(request, now)
        records = await ended.after(database, caller.account_id, place, EVENTS_PER_PAGE, now)
        if records:
            place = Place(ended_at=records[-1].completed_at or now, task_id=records[-1].id)
        ended_ones = await whole.besides(database, records)
        return answer(
            {
                "events": [await event(found, caller, now) for found in ended_ones],
                "cursor": f"{(place.ended_at - EPOCH) // MICROSECOND}_{place.task_id}",
                "time": unix_ms(now),
            }
        )

    doors.guarded("GET", "/api/v1/webhooks/listen", scopes, listen, shapes.LISTEN)


def read_place(request: Request, now: datetime) -> Place:
    """Read where to go on: behind a cursor, from a time, or from now. Raises InvalidRequest."""
    cursor, since = request.query_params.get("cursor"), request.query_params.get("since")
    if cursor is not None:
        match = CURSOR.fullmatch(cursor)
        if match is None or int(match[1]) > shapes.SINCE_MS_MAX * 1000:
            raise invalid(issue("invalid_type", "Expected an earlier cursor", "cursor"))
        return Place(ended_at=EPOCH + int(match[1]) * MICROSECOND, task_id=match[2])
    if since is not None:
        if not SINCE.fullmatch(since) or int(since) > shapes.SINCE_MS_MAX:
            raise invalid(issue("invalid_type", "Expected Unix milliseconds", "since"))
        return Place(ended_at=EPOCH + timedelta(milliseconds=int(since)), task_id="")
    return Place(ended_at=now, task_id="")
