"""Webhooks seen by their owner: what was delivered, once more, a test, and what signs them."""

import asyncio
import re
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.accounts import powers
from kinetoscope.accounts.opening import Caller
from kinetoscope.api import webhook_shapes as shapes
from kinetoscope.api.body import invalid, issue, parse_object, read_body, read_object
from kinetoscope.api.callback import callback_issues, test_body
from kinetoscope.api.doors import Doors
from kinetoscope.api.envelope import answer
from kinetoscope.api.webhook_listen import mount_listen
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.ids import is_task_id
from kinetoscope.postgres.pool import Database
from kinetoscope.webhooks import log, outbox, secret
from kinetoscope.webhooks.log import Delivery, Filter
from kinetoscope.wiring import egress_of

READ = "tasks:read"
WRITE = "webhooks:write"
BOTH = (READ, WRITE)
"""For what writes and shows how tasks ended."""

DELIVERY_ID = re.compile(r"msg_[0-9a-z_]{1,64}")
CURSOR = re.compile(r"[0-9]{1,18}")
LIMIT = re.compile(r"[0-9]{1,3}")

TEST_PATIENCE_S = 20.0
TEST_LOOK_DELAY_S = 0.1

BODY_BYTES_MAX = 65536


def mount(doors: Doors) -> None:
    """Add the routes under /api/v1/webhooks."""
    _mount_deliveries(doors)
    _mount_test(doors)
    _mount_settings(doors)
    mount_listen(doors, BOTH)


def _mount_deliveries(doors: Doors) -> None:
    database, clock = doors.runtime.database, doors.runtime.clock

    async def listing(request: Request, caller: Caller) -> Response:
        """List deliveries, newest first."""
        asked = read_filter(request)
        found = await log.listing(database, caller.account_id, asked)
        more = len(found) == asked.limit
        return answer(
            {
                "deliveries": [shapes.delivery_json(delivery) for delivery in found],
                "nextCursor": str(found[-1].seq) if more else None,
            }
        )

    async def show(request: Request, caller: Caller) -> Response:
        """Show one delivery with its attempts."""
        delivery = await log.find(database, caller.account_id, _asked_id(request))
        return await _detailed(database, delivery)

    async def redeliver(request: Request, caller: Caller) -> Response:
        """Deliver once more."""
        delivery_id = _asked_id(request)
        is_test = await log.is_of_test_task(database, caller.account_id, delivery_id)
        # A test event is about no task at all; either kind of key may send it again.
        if is_test is not None:
            powers.require_same_mode(caller.mode, is_test=is_test)
        delivery = await log.redeliver(database, caller.account_id, delivery_id, clock())
        return answer(shapes.delivery_json(delivery))

    path = "/api/v1/webhooks/deliveries"
    doors.guarded("GET", path, READ, listing, shapes.LIST)
    doors.guarded("GET", path + "/{id}", READ, show, shapes.SHOW)
    doors.guarded("POST", path + "/{id}/redeliver", BOTH, redeliver, shapes.REDELIVER)


def _mount_test(doors: Doors) -> None:
    database, clock = doors.runtime.database, doors.runtime.clock
    egress = egress_of(doors.runtime.settings)

    async def test(request: Request, caller: Caller) -> Response:
        """Send a test event the way all others go, and wait for what comes of it."""
        url = (await read_object(request)).get("url")
        issues = callback_issues(egress, url, "url")
        if issues:
            raise invalid(*issues)
        now = clock()
        delivery_id, task_id = outbox.new_test_ids()
        body = test_body(task_id, now)
        await outbox.put_test(database, caller.account_id, task_id, str(url), body, now)
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + TEST_PATIENCE_S
        delivery = await log.find(database, caller.account_id, delivery_id)
        while delivery.state == "pending" and loop.time() < deadline_s:
            await asyncio.sleep(TEST_LOOK_DELAY_S)
            delivery = await log.find(database, caller.account_id, delivery_id)
        return await _detailed(database, delivery)

    doors.guarded("POST", "/api/v1/webhooks/test", WRITE, test, shapes.TEST)


def _mount_settings(doors: Doors) -> None:
    database, sealer, clock = doors.runtime.database, doors.runtime.sealer, doors.runtime.clock

    async def settings(caller: Caller) -> Response:
        preferences = await secret.preferences(database, caller.account_id)
        kept = await secret.valid(database, caller.account_id, clock())
        return answer(shapes.settings_json(preferences, kept))

    async def show(_request: Request, caller: Caller) -> Response:
        """Show the account's webhook settings."""
        return await settings(caller)

    async def change(request: Request, caller: Caller) -> Response:
        """Change the account's webhook settings."""
        kie_headers = (await read_object(request)).get("kieHeaders")
        if not isinstance(kie_headers, bool):
            raise invalid(issue("invalid_type", "Expected a boolean", "kieHeaders"))
        await secret.prefer(database, caller.account_id, kie_headers=kie_headers)
        return await settings(caller)

    async def make_secret(request: Request, caller: Caller) -> Response:
        """Make or replace the signing secret, and show it this once."""
        body = await read_body(request, BODY_BYTES_MAX)
        overlap = read_overlap(parse_object(body) if body else {})
        issued = await secret.issue(database, sealer, caller.account_id, overlap, clock())
        return answer({"secret": issued.text, "createTime": unix_ms(issued.created_at)})

    path = "/api/v1/webhooks/settings"
    doors.guarded("GET", path, WRITE, show, shapes.SHOW_SETTINGS)
    doors.guarded("POST", path, WRITE, change, shapes.CHANGE_SETTINGS, live_only=True)
    doors.guarded(
        "POST", "/api/v1/webhooks/secret", WRITE, make_secret, shapes.MAKE_SECRET, live_only=True
    )


async def _detailed(database: Database, delivery: Delivery) -> Response:
    attempts = await log.attempts(database, delivery.id)
    shown = [shapes.attempt_json(attempt) for attempt in attempts]
    return answer({**shapes.delivery_json(delivery), "attempts": shown})


def _asked_id(request: Request) -> str:
    asked = str(request.path_params["id"])
    if not DELIVERY_ID.fullmatch(asked):
        raise NotFound("Delivery not found")
    return asked


def read_filter(request: Request) -> Filter:
    """Read which deliveries are asked for; raises InvalidRequest."""
    query = request.query_params
    task_id, state, cursor = query.get("taskId"), query.get("state"), query.get("cursor")
    limit = query.get("limit", str(shapes.LIMIT_DEFAULT))
    checks = (
        (state is None or state in log.STATES, "state", f"Expected one of {log.STATES}"),
        (cursor is None or CURSOR.fullmatch(cursor), "cursor", "Expected an earlier nextCursor"),
        (
            LIMIT.fullmatch(limit) and 1 <= int(limit) <= shapes.LIMIT_MAX,
            "limit",
            f"Expected a number from 1 to {shapes.LIMIT_MAX}",
        ),
        (task_id is None or is_task_id(task_id), "taskId", "Expected the id of a task"),
    )
    issues = [issue("invalid_type", text, name) for good, name, text in checks if not good]
    if issues:
        raise invalid(*issues)
    return Filter(
        task_id=task_id,
        state=state,
        before=None if cursor is None else int(cursor),
        limit=int(limit),
    )


def read_overlap(stated: dict[str, object]) -> timedelta:
    """Read how long earlier secrets go on counting; raises InvalidRequest."""
    stated_hours = stated.get("overlapHours")
    hours_max = secret.OVERLAP_MAX // timedelta(hours=1)
    match stated_hours:
        case None:
            return secret.OVERLAP_DEFAULT
        case bool():
            pass
        # A whole number may be written as 24.0.
        case int() | float() if 0 <= stated_hours <= hours_max and stated_hours % 1 == 0:
            return timedelta(hours=stated_hours)
    text = f"Expected a whole number from 0 to {hours_max}"
    raise invalid(issue("invalid_type", text, "overlapHours"))
