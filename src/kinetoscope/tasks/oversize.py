"""Oversize: look at what clients put straight into the store, where nobody could bound it.

An address that S3, GCS or Azure sign says where a file may go, and not how long it may be. Once
nothing more can be put there, its length is noted; a file that is too long goes at once.
"""

from dataclasses import dataclass

import structlog

from kinetoscope.kernel.errors import NotFound
from kinetoscope.media import uploads
from kinetoscope.media.store import StoreFailed
from kinetoscope.tasks.expire import Reaper

log = structlog.get_logger(__name__)

BATCH_FILES = 500

AGAIN_S = 3600
"""When to look again for a file that is not there: what came too late is still on its way."""


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """An upload that nobody has looked at yet."""

    name: str


async def remove_oversize(reaper: Reaper) -> int:
    """Look at a batch of uploads; remove those that are too long and return how many."""
    if not reaper.store.takes_puts:
        return 0
    removed = 0
    for file in await _claim(reaper):
        try:
            stored = await reaper.store.stat(file.name)
        except NotFound:
            continue
        except StoreFailed as error:
            log.warning("upload.not_measured", name=file.name, error=str(error))
            continue
        if await uploads.remove_oversize(reaper.database, reaper.store, stored, reaper.clock()):
            removed += 1
        else:
            await _note_size(reaper, file.name, stored.bytes_size)
    return removed


async def _claim(reaper: Reaper) -> list[Unmeasured]:
    """Take a batch; several reapers take different ones."""
    return await reaper.database.fetch_all(
        Unmeasured,
        f"""
        with picked as (
          select name from media_file
          where kind = 'upload' and bytes_size is null and deleted_at is null
            and created_at <= %(now)s - %(put_lifetime)s::interval
            and expires_at > %(now)s
            and (claimed_until is null or claimed_until <= %(now)s)
          order by expires_at
          limit {BATCH_FILES}
          for update skip locked
        )
        update media_file
        set claimed_until = least(expires_at, %(now)s + make_interval(secs => {AGAIN_S}))
        from picked where media_file.name = picked.name
        returning media_file.name
        """,
        {"now": reaper.clock(), "put_lifetime": uploads.PUT_LIFETIME},
    )


async def _note_size(reaper: Reaper, name: str, bytes_size: int) -> None:
    await reaper.database.execute(
        """
        update media_file set bytes_size = %(bytes_size)s, claimed_until = null
        where name = %(name)s and bytes_size is null
        """,
        {"name": name, "bytes_size": bytes_size},
    )
