"""The account seen by its keys: credits, limits, ledger, usage."""

import re
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.accounts import accounts
from kinetoscope.accounts.opening import Caller
from kinetoscope.api import account_shapes as shapes
from kinetoscope.api.body import invalid, issue
from kinetoscope.api.doors import Doors
from kinetoscope.api.envelope import answer, credits_json
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.ledger.statement import statement
from kinetoscope.limits.gcra import Pace
from kinetoscope.tasks.usage import GROUPS, usage

SCOPE = "account:read"

CURSOR = re.compile(r"[0-9]{1,18}")
LIMIT = re.compile(r"[0-9]{1,3}")
MOMENT_MS = re.compile(r"[0-9]{1,15}")

USAGE_DEFAULT = timedelta(days=30)


def mount(doors: Doors) -> None:
    """Add the routes under /api/v1/account, and /api/v1/credits."""
    database, settings, clock = doors.runtime.database, doors.runtime.settings, doors.runtime.clock
    usual = None
    if settings.requests_per_second:
        usual = Pace(settings.requests_per_second, settings.requests_burst)

    async def show(_request: Request, caller: Caller) -> Response:
        """Show the account."""
        found = await accounts.by_id(database, caller.account_id)
        return answer(shapes.account_json(found, usual))

    async def credits_left(_request: Request, caller: Caller) -> Response:
        """Show what can be spent, in short."""
        found = await accounts.by_id(database, caller.account_id)
        return answer(
            {"available": credits_json(found.available), "held": credits_json(found.held)}
        )

    async def ledger(request: Request, caller: Caller) -> Response:
        """Show one page of the ledger."""
        cursor, limit = read_page(request)
        lines = await statement(database, caller.account_id, cursor, limit + 1)
        shown = lines[:limit]
        return answer(
            {
                "entries": [shapes.line_json(line) for line in shown],
                "nextCursor": str(shown[-1].id) if len(lines) > limit else None,
            }
        )

    async def used(request: Request, caller: Caller) -> Response:
        """Sum up the account's tasks."""
        since, until, groups = read_usage(request, clock())
        found = await usage(database, caller.account_id, since, until, groups)
        return answer(
            {
                "from": unix_ms(since),
                "to": unix_ms(until),
                "usage": [shapes.usage_json(one, groups) for one in found],
            }
        )

    doors.guarded("GET", "/api/v1/account", SCOPE, show, shapes.SHOW)
    doors.guarded("GET", "/api/v1/credits", SCOPE, credits_left, shapes.CREDITS_LEFT)
    doors.guarded("GET", "/api/v1/account/ledger", SCOPE, ledger, shapes.LEDGER)
    doors.guarded("GET", "/api/v1/account/usage", SCOPE, used, shapes.USAGE)


def read_page(request: Request) -> tuple[int | None, int]:
    """Read which page is asked for; raises InvalidRequest."""
    query = request.query_params
    cursor, limit = query.get("cursor"), query.get("limit", str(shapes.LIMIT_DEFAULT))
    issues = []
    if cursor is not None and not CURSOR.fullmatch(cursor):
        issues.append(issue("invalid_type", "Expected an earlier nextCursor", "cursor"))
    if not LIMIT.fullmatch(limit) or not 1 <= int(limit) <= shapes.LIMIT_MAX:
        text = f"Expected a number from 1 to {shapes.LIMIT_MAX}"
        issues.append(issue("invalid_type", text, "limit"))
    if issues:
        raise invalid(*issues)
    return None if cursor is None else int(cursor), int(limit)


def read_usage(request: Request, now: datetime) -> tuple[datetime, datetime, tuple[str, ...]]:
    """Read what usage is asked for; raises InvalidRequest."""
    query = request.query_params
    issues = []
    moments: dict[str, datetime | None] = {}
    for name in ("from", "to"):
        text = query.get(name)
        good = text is None or (MOMENT_MS.fullmatch(text) and int(text) <= shapes.MS_MAX)
        if not good:
            issues.append(issue("invalid_type", "Expected Unix milliseconds", name))
        moments[name] = shapes.moment(int(text)) if text is not None and good else None
    stated = query.get("groupBy", "")
    groups = tuple(stated.split(",")) if stated else ()
    if not set(groups) <= set(GROUPS) or len(set(groups)) != len(groups):
        text = "Expected some of " + ", ".join(GROUPS) + ", with commas"
        issues.append(issue("invalid_type", text, "groupBy"))
    if issues:
        raise invalid(*issues)
    until = moments["to"] or now
    since = moments["from"] or max(until - USAGE_DEFAULT, shapes.EPOCH)
    return since, until, groups
