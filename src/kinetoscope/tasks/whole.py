"""Whole: all that an owner may see of a task, for doors that show it in other services' words."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.ids import AccountId, TaskId, is_task_id
from kinetoscope.kernel.order import JSON
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks import ended, listing, read, watch
from kinetoscope.tasks.listing import Place, Wanted
from kinetoscope.tasks.read import Found, Record


class Besides(NamedTuple):
    """What a record does not tell of its task; in the order of `COLUMNS`."""

    id: TaskId
    account_id: AccountId
    inputs: dict[str, JSON]
    seed: int
    is_test: bool
    dialect: str | None
    dialect_details: dict[str, JSON] | None
    callback_url: str | None
    started_at: datetime | None
    start_by: datetime | None
    end_by: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A task as its record shows it, whose it is, what was asked for, and in whose words.

    `dialect` is empty for our own words, and the `details` are that dialect's. `position` counts
    the tasks ahead of it while it waits, where that was asked for.
    """

    record: Record
    account_id: AccountId
    inputs: dict[str, JSON]
    seed: int
    is_test: bool
    dialect: str
    details: dict[str, JSON]
    callback_url: str | None
    started_at: datetime | None
    end_by: datetime | None
    position: int | None = None


COLUMNS = """
  task.id, task.account_id, task.inputs, task.seed, task.is_test, task.dialect,
  task.dialect_details, task.callback_url, task.started_at, task.start_by, task.end_by
"""
"""What `Besides` holds, in its order."""

OWN = f"""
select task.id as task_id, task.account_id = %(account_id)s as is_own, {read.COLUMNS}, {COLUMNS}
from task where id = %(id)s
"""
"""A record and what is besides, in one question: clients poll by it."""


async def own(
    database: Database, account_id: AccountId, task_id: str, now: datetime, *, queued: bool = False
) -> Whole:
    """Return a task to its owner, or a sample to anybody; with its place if `queued` matters.

    Raises NotFound, for what is no task's id too, or Forbidden for somebody else's.
    """
    if not is_task_id(task_id):
        raise NotFound("Task not found")
    values = await database.fetch_values(OWN, {"id": task_id, "account_id": account_id})
    width = len(Found._fields)
    found = None if values is None else Found._make(values[:width])
    record = watch.shown(found, TaskId(task_id), now)
    assert values is not None  # noqa: S101 - nothing was shown otherwise
    position = await watch.position(database, record) if queued else None
    return _whole(record, Besides._make(values[width:]), position)


async def told(database: Database, task_id: TaskId, now: datetime) -> Whole | None:
    """Return a task to tell its owner's receiver of; None where it is no more."""
    record = await ended.by_id(database, task_id, now)
    found = [] if record is None else await besides(database, [record])
    return found[0] if found else None


async def page(
    database: Database,
    account_id: AccountId,
    wanted: Wanted,
    place: Place | None,
    limit: int,
    now: datetime,
) -> tuple[list[Whole], Place | None]:
    """Return a page of an account's tasks, newest first, and the place behind it."""
    records, behind = await listing.page(database, account_id, wanted, place, limit, now)
    return await besides(database, records), behind


async def place_of(database: Database, account_id: AccountId, task_id: str) -> Place:
    """Return the place of one of an account's tasks in its list; raises NotFound.

    A task that is shown no more has its place as long as its row stays: whoever deletes what they
    list goes on behind it.
    """
    values = None
    if is_task_id(task_id):
        values = await database.fetch_values(
            "select created_at from task where id = %(id)s and account_id = %(account_id)s",
            {"id": task_id, "account_id": account_id},
        )
    if values is None:
        raise NotFound("Task not found")
    return Place(created_at=values[0], task_id=task_id)


async def besides(
    database: Database, records: list[Record], position: int | None = None
) -> list[Whole]:
    """Return tasks as a whole whose records were read already; those that are gone are left out."""
    found = await database.fetch_all(
        Besides,
        f"select {COLUMNS} from task where id = any(%(ids)s)",
        {"ids": [record.id for record in records]},
    )
    by_id = {each.id: each for each in found}
    return [_whole(record, by_id[record.id], position) for record in records if record.id in by_id]


def _whole(record: Record, rest: Besides, position: int | None) -> Whole:
    return Whole(
        record=record,
        account_id=rest.account_id,
        inputs=rest.inputs,
        seed=rest.seed,
        is_test=rest.is_test,
        dialect=rest.dialect or "",
        details=rest.dialect_details or {},
        callback_url=rest.callback_url,
        started_at=rest.started_at,
        end_by=rest.end_by or rest.start_by,
        position=position,
    )
