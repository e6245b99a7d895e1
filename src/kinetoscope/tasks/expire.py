"""Expire: remove what nobody may read any more. Access was refused, by record, long before.

The bytes go first and the note of it second: who is killed in between does it once more, and no
file is ever left that the database thinks is gone. An hour later every file is removed a second
time, for a worker that was given up may have been late and have put it back. What a legal hold
stands on, samples, and files of open tasks stay.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from kinetoscope.kernel.clock import Clock
from kinetoscope.kernel.ids import TaskId
from kinetoscope.media.store import MediaStore, StoreFailed
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks.lifetimes import Lifetimes

log = structlog.get_logger(__name__)

BATCH_FILES = 500
LANES = 16
"""How many files are removed at once."""

CLAIM = timedelta(minutes=5)
"""How long others leave a batch to the reaper that claimed it."""

CONFIRM_AFTER = timedelta(hours=1)
"""When a removed file is looked for again; no put is as late as this."""

DRAFT_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaper:
    """What reaping needs. Uploads stay `upload_grace` longer, for open tasks that refer to them."""

    database: Database
    store: MediaStore
    clock: Clock
    lifetimes: Lifetimes
    upload_grace: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Which files a round removes, the oldest first, and how it notes that."""

    due: str
    order: str
    noted: str
    still: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A file that this reaper may remove now."""

    name: str


EXPIRED = Round(
    due="""
      file.deleted_at is null
      and file.expires_at <= %(now)s
      and (file.kind <> 'upload' or file.expires_at <= %(now)s - %(upload_grace)s)
      and not account.legal_hold
      and not exists (
        -- A task that shows another one's media keeps it as its own would be kept.
        select from task
        where (task.id = file.task_id or task.cached_from = file.task_id)
          and (task.legal_hold or task.is_sample or task.completed_at is null))
    """,
    order="file.expires_at",
    noted="deleted_at = %(now)s",
    still="deleted_at is null",
)

UNCONFIRMED = Round(
    due="file.confirmed_at is null and file.deleted_at <= %(now)s - %(confirm_after)s",
    order="file.deleted_at",
    noted="confirmed_at = %(now)s",
    still="deleted_at is not null",
)


async def reap_media(reaper: Reaper) -> int:
    """Remove the bytes of every file that has expired; return how many."""
    return await _reap(reaper, EXPIRED, None)


async def confirm_media(reaper: Reaper) -> int:
    """Remove a second time what was removed an hour ago; return how many files that concerned."""
    return await _reap(reaper, UNCONFIRMED, None)


async def reap_task(reaper: Reaper, task_id: TaskId) -> int:
    """Remove the bytes of one task's files that have expired; return how many."""
    return await _reap(reaper, EXPIRED, task_id)


async def sweep_drafts(reaper: Reaper) -> int:
    """Remove what killed puts left half written; return how many."""
    return await reaper.store.sweep_drafts(reaper.clock() - DRAFT_AGE)


async def _reap(reaper: Reaper, reaping: Round, task_id: TaskId | None) -> int:
    removed = 0
    while True:
        claimed = await _claim(reaper, reaping, task_id)
        names = await _remove(reaper.store, [file.name for file in claimed])
        removed += await reaper.database.execute(
            f"""
            update media_file set {reaping.noted}, claimed_until = null
            where name = any(%(names)s) and {reaping.still}
            """,
            {"names": names, "now": reaper.clock()},
        )
        if len(claimed) < BATCH_FILES:
            return removed


async def _claim(reaper: Reaper, reaping: Round, task_id: TaskId | None) -> list[Claimed]:
    """Take a batch; several reapers take different ones. Repeated, it takes the next."""
    now = reaper.clock()
    return await reaper.database.fetch_all(
        Claimed,
        f"""
        with picked as (
          select file.name
          from media_file file join account on account.id = file.account_id
          where {reaping.due}
            and (%(task_id)s::text is null or file.task_id = %(task_id)s)
            and (file.claimed_until is null or file.claimed_until <= %(now)s)
          order by {reaping.order}
          limit {BATCH_FILES}
          for update of file skip locked
        )
        update media_file file set claimed_until = %(until)s
        from picked where file.name = picked.name
        returning file.name
        """,
        {
            "now": now,
            "until": now + CLAIM,
            "upload_grace": reaper.upload_grace,
            "confirm_after": CONFIRM_AFTER,
            "task_id": task_id,
        },
    )


async def _remove(store: MediaStore, names: list[str]) -> list[str]:
    """Remove files side by side; return those that are gone now."""
    lanes = asyncio.Semaphore(LANES)

    async def remove(name: str) -> bool:
        async with lanes:
            try:
                await store.delete([name])
            except StoreFailed as error:
                log.warning("media.not_removed", name=name, error=str(error))
                return False
            return True

    gone = await asyncio.gather(*(remove(name) for name in names))
    return [name for name, is_gone in zip(names, gone, strict=True) if is_gone]
