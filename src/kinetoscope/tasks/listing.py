"""Listing: an account's tasks, page by page."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks.read import COLUMNS, SHOWN, Found, Record, as_record
from kinetoscope.tasks.task import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which tasks; None leaves a thing open. Times are from, inclusive, to, exclusive.

    Beside those of some `models`, what models made that are not `known` any more may be wanted:
    videos, or nothing yet. They are listed newest first, unless `oldest_first`.
    """

    statuses: tuple[Status, ...] | None = None
    model: str | None = None
    models: tuple[str, ...] | None = None
    known: tuple[str, ...] | None = None
    key_id: str | None = None
    is_test: bool | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    oldest_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in the list: behind this task."""

    created_at: datetime
    task_id: str


async def page(
    database: Database,
    account_id: AccountId,
    wanted: Wanted,
    place: Place | None,
    limit: int,
    now: datetime,
) -> tuple[list[Record], Place | None]:
    """Return up to `limit` tasks and the place behind them, None at the end of the list.

    A place names a task, not a number, so that tasks created meanwhile move nothing.
    """
    behind, order = (">", "asc") if wanted.oldest_first else ("<", "desc")
    rows = await database.fetch_all(
        Found,
        f"""
        select task.id as task_id, true as is_own, {COLUMNS}
        from task
        where account_id = %(account_id)s and {SHOWN}
          and (%(statuses)s::text[] is null or status = any (%(statuses)s))
          and (%(model)s::text is null or model = %(model)s)
          and (%(models)s::text[] is null or model = any (%(models)s)
               or (model <> all (%(known)s::text[])
                   and (output is null or starts_with(output->0->>'mediaType', 'video/'))))
          and (%(key_id)s::text is null or key_id = %(key_id)s)
          and (%(is_test)s::boolean is null or is_test = %(is_test)s)
          and (%(created_from)s::timestamptz is null or created_at >= %(created_from)s)
          and (%(created_before)s::timestamptz is null or created_at < %(created_before)s)
          and (%(place_id)s::text is null
               or (created_at {behind}= %(place_at)s
                   and (created_at {behind} %(place_at)s or id > %(place_id)s)))
        order by created_at {order}, id
        limit %(limit)s
        """,
        {
            **_parameters(wanted),
            "account_id": account_id,
            "place_at": None if place is None else place.created_at,
            "place_id": None if place is None else place.task_id,
            "limit": limit + 1,
            "now": now,
        },
    )
    records = [as_record(row, TaskId(str(row.task_id)), now) for row in rows[:limit]]
    if len(rows) <= limit:
        return records, None
    last = records[-1]
    return records, Place(created_at=last.created_at, task_id=last.id)


def _parameters(wanted: Wanted) -> dict[str, object]:
    return {
        "statuses": None if wanted.statuses is None else list(wanted.statuses),
        "model": wanted.model,
        "models": None if wanted.models is None else list(wanted.models),
        "known": None if wanted.known is None else list(wanted.known),
        "key_id": wanted.key_id,
        "is_test": wanted.is_test,
        "created_from": wanted.created_from,
        "created_before": wanted.created_before,
    }
