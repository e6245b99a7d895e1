"""listTasks: an account's tasks, newest first."""

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.accounts.opening import Caller
from kinetoscope.api.body import invalid, issue
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer
from kinetoscope.api.record import record_json
from kinetoscope.api.schemas import list_of, ref
from kinetoscope.kernel.ids import is_task_id
from kinetoscope.tasks.listing import Place, Wanted, page
from kinetoscope.tasks.task import Status

LIMIT_DEFAULT = 20
LIMIT_MAX = 100

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

MS_MAX = 253402300799999
"""The last millisecond of the year 9999."""

PLACE = re.compile(r"([0-9]{1,18})/([0-9a-z_]{1,60})")
SHORT_TEXT = re.compile(r"[!-~]{1,100}")


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": schema,
        "description": description,
    }


MS = {"type": "integer", "minimum": 0, "maximum": MS_MAX}
WORD = {"type": "string", "pattern": "^[!-~]{1,100}$"}

LIST_TASKS = Operation(
    summary="List tasks",
    tag="jobs",
    description="Newest first, each as recordInfo shows it.",
    parameters=(
        _query("status", {"enum": list(Status)}, "Only tasks in this state"),
        _query("model", WORD, "Only tasks of this model"),
        _query("keyId", WORD, "Only tasks that this key made"),
        _query("isTest", {"type": "boolean"}, "Only tasks of test keys, or none of them"),
        _query("createdAfter", MS, "Unix time in milliseconds, inclusive"),
        _query("createdBefore", MS, "Unix time in milliseconds, exclusive"),
        _query(
            "cursor",
            {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,120}$"},
            "An earlier answer's nextCursor",
        ),
        _query(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
            "How many at most",
        ),
    ),
    answer=list_of("tasks", ref("Record")),
    answers={400: "A filter is not valid"},
)


def mount(doors: Doors) -> None:
    """Add listTasks."""
    runtime = doors.runtime

    async def list_tasks(request: Request, caller: Caller) -> Response:
        """Show one page."""
        query = request.query_params
        read = _Reader(query)
        wanted = Wanted(
            statuses=read.statuses(),
            model=read.word("model"),
            key_id=read.word("keyId"),
            is_test=read.truth("isTest"),
            created_from=read.moment("createdAfter"),
            created_before=read.moment("createdBefore"),
        )
        place, limit = read.place("cursor"), read.limit("limit")
        read.refuse()
        records, behind = await page(
            runtime.database, caller.account_id, wanted, place, limit, runtime.clock()
        )
        return answer(
            {
                "tasks": [record_json(record, runtime.signer) for record in records],
                "nextCursor": None if behind is None else write_place(behind),
            }
        )

    doors.guarded("GET", "/api/v1/jobs/listTasks", "tasks:read", list_tasks, LIST_TASKS)


def write_place(place: Place) -> str:
    """Write a place as a cursor."""
    text = f"{(place.created_at - EPOCH) // MICROSECOND}/{place.task_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_place(cursor: str) -> Place | None:
    """Read a cursor; None where it is none of ours."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        match = PLACE.fullmatch(base64.b64decode(padded, b"-_", validate=True).decode("ascii"))
    except (binascii.Error, ValueError):
        return None
    if match is None or not is_task_id(match[2]) or int(match[1]) > MS_MAX * 1000:
        return None
    return Place(created_at=EPOCH + int(match[1]) * MICROSECOND, task_id=match[2])


class _Reader:
    """Reads a query's filters and collects what is wrong with them."""

    def __init__(self, query: QueryParams) -> None:
        self.query = query
        self.wrong: list[tuple[str, str]] = []

    def refuse(self) -> None:
        if self.wrong:
            raise invalid(*(issue("invalid_type", text, name) for name, text in self.wrong))

    def statuses(self) -> tuple[Status, ...] | None:
        words = self.query.getlist("status")
        if not words:
            return None
        if not set(words) <= set(Status):
            self.wrong.append(("status", f"Expected one of {', '.join(Status)}"))
            return None
        return tuple(Status(word) for word in words)

    def word(self, name: str) -> str | None:
        text = self.query.get(name)
        if text is not None and SHORT_TEXT.fullmatch(text) is None:
            self.wrong.append((name, "Expected up to 100 visible ASCII characters"))
        return text

    def truth(self, name: str) -> bool | None:
        text = self.query.get(name)
        if text not in {None, "true", "false"}:
            self.wrong.append((name, "Expected true or false"))
        return None if text is None else text == "true"

    def moment(self, name: str) -> datetime | None:
        milliseconds = self._number(name, 0, MS_MAX, "Unix milliseconds")
        return None if milliseconds is None else EPOCH + timedelta(milliseconds=milliseconds)

    def limit(self, name: str) -> int:
        return self._number(name, 1, LIMIT_MAX, f"1 to {LIMIT_MAX}") or LIMIT_DEFAULT

    def place(self, name: str) -> Place | None:
        cursor = self.query.get(name)
        place = None if cursor is None else read_place(cursor)
        if cursor is not None and place is None:
            self.wrong.append((name, "Expected an earlier nextCursor"))
        return place

    def _number(self, name: str, smallest: int, largest: int, words: str) -> int | None:
        text = self.query.get(name)
        if text is None:
            return None
        if re.fullmatch(r"[0-9]{1,15}", text) and smallest <= int(text) <= largest:
            return int(text)
        self.wrong.append((name, f"Expected {words}"))
        return None
