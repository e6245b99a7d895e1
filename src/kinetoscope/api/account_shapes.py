"""The account over the wire: schemas, and how its parts are shown."""

from datetime import UTC, datetime, timedelta
from typing import Any

from kinetoscope.accounts.accounts import Account
from kinetoscope.api.doors import Operation
from kinetoscope.api.envelope import credits_json
from kinetoscope.api.schemas import CREDITS, MOMENT, TEXT, Schema, list_of
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.ledger.statement import Line
from kinetoscope.limits.gcra import Pace
from kinetoscope.tasks.usage import GROUPS, ROWS_MAX, Usage

LIMIT_DEFAULT = 50
LIMIT_MAX = 100

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MS_MAX = 253402300799999
"""The last millisecond of the year 9999."""

COUNT: Schema = {"type": "integer", "minimum": 0}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _query(name: str, schema: Schema, description: str = "") -> Schema:
    told = {"description": description} if description else {}
    return {"name": name, "in": "query", "required": False, "schema": schema, **told}


MS: Schema = {"type": "integer", "minimum": 0, "maximum": MS_MAX}

SHOW = Operation(
    summary="Show the account",
    tag="account",
    answer=_object(
        name=TEXT,
        credits=_object(available=CREDITS, held=CREDITS, spent=CREDITS),
        tasksRunning=COUNT | {"description": "Of live keys"},
        testTasksRunning=COUNT | {"description": "Of test keys, up to the same limit"},
        limits=_object(
            tasksRunningMax=COUNT,
            requestsPerSecond={"type": ["integer", "null"]},
            requestsBurst={"type": ["integer", "null"]},
        ),
        createTime=MOMENT,
    ),
)

CREDITS_LEFT = Operation(
    summary="Show the credits that are left",
    tag="account",
    answer=_object(available=CREDITS, held=CREDITS),
)

MOVED = _object(available=CREDITS, held=CREDITS, spent=CREDITS)

LEDGER = Operation(
    summary="List the ledger's entries",
    tag="account",
    description="Newest first. Each says what it added to the credits that are available, held "
    "and spent, and the balance that it left.",
    parameters=(
        _query("cursor", {"type": "string", "pattern": "^[0-9]{1,18}$"}, "A nextCursor"),
        _query(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
        ),
    ),
    answer=list_of(
        "entries",
        _object(
            id=TEXT,
            time=MOMENT,
            kind={"enum": ["grant", "hold", "capture", "release"]},
            taskId={"type": ["string", "null"]},
            reason=TEXT,
            available=CREDITS,
            held=CREDITS,
            spent=CREDITS,
            balance=MOVED,
        ),
    ),
    answers={400: "The query is not valid"},
)

USAGE = Operation(
    summary="Sum up tasks by day, model and key",
    tag="account",
    description="Of tasks by when they were created, as long as they are known. Days are UTC's. "
    f"At most {ROWS_MAX} groups.",
    parameters=(
        _query("from", MS, "Unix milliseconds, inclusive; 30 days before the end by default"),
        _query("to", MS, "Unix milliseconds, exclusive; now by default"),
        _query(
            "groupBy",
            {"type": "string", "pattern": "^((day|model|key)(,(day|model|key))*)?$"},
            "Some of day, model and key, each once, with commas; all in one by default",
        ),
    ),
    answer={
        "type": "object",
        "required": ["from", "to", "usage"],
        "properties": {
            "from": MOMENT,
            "to": MOMENT,
            "usage": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["tasks", "creditsCharged", "creditsHeld", "mediaSeconds"],
                    "properties": {
                        "day": TEXT | {"description": "Such as 2026-11-23"},
                        "model": TEXT,
                        "keyId": TEXT,
                        "keyName": TEXT,
                        "tasks": _object(
                            waiting=COUNT, generating=COUNT, success=COUNT, fail=COUNT
                        ),
                        "creditsCharged": CREDITS,
                        "creditsHeld": CREDITS,
                        "mediaSeconds": {"type": "number"},
                    },
                },
            },
        },
    },
    answers={400: "The query is not valid"},
)


def moment(ms: int) -> datetime:
    """Read Unix milliseconds."""
    return EPOCH + timedelta(milliseconds=ms)


def account_json(account: Account, usual: Pace | None) -> dict[str, Any]:
    """Return an account as its keys see it; without a usual pace there is none at all."""
    pace = None
    if usual is not None:
        pace = usual.with_own(account.requests_per_second, account.requests_burst)
    return {
        "name": account.name,
        "credits": {
            "available": credits_json(account.available),
            "held": credits_json(account.held),
            "spent": credits_json(account.spent),
        },
        "tasksRunning": account.tasks_running,
        "testTasksRunning": account.tests_running,
        "limits": {
            "tasksRunningMax": account.tasks_running_max,
            "requestsPerSecond": None if pace is None else pace.per_second,
            "requestsBurst": None if pace is None else pace.burst,
        },
        "createTime": unix_ms(account.created_at),
    }


def line_json(line: Line) -> dict[str, Any]:
    """Return an entry of the ledger."""
    return {
        "id": str(line.id),
        "time": unix_ms(line.created_at),
        "kind": line.kind,
        "taskId": line.task_id,
        "reason": line.reason,
        "available": credits_json(line.available),
        "held": credits_json(line.held),
        "spent": credits_json(line.spent),
        "balance": {
            "available": credits_json(line.available_after),
            "held": credits_json(line.held_after),
            "spent": credits_json(line.spent_after),
        },
    }


def usage_json(usage: Usage, groups: tuple[str, ...]) -> dict[str, Any]:
    """Return a group of tasks, named by what was asked for."""
    named: dict[str, Any] = {
        "day": {"day": usage.day},
        "model": {"model": usage.model},
        "key": {"keyId": usage.key_id, "keyName": usage.key_name},
    }
    body: dict[str, Any] = {}
    for group in GROUPS:
        if group in groups:
            body |= named[group]
    return body | {
        "tasks": {
            "waiting": usage.waiting,
            "generating": usage.generating,
            "success": usage.success,
            "fail": usage.fail,
        },
        "creditsCharged": credits_json(usage.charged),
        "creditsHeld": credits_json(usage.held),
        "mediaSeconds": usage.media_ms / 1000,
    }
