"""Verify: whether a file was made here, by what is in it. Says nothing of who had it made."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How a file was made that came from here."""

    media_type: str
    created_at: datetime
    model: str
    ai_generated: bool
    preview: bool


async def origin(database: Database, sha256: bytes, now: datetime) -> Origin | None:
    """Return where a file comes from, for as long as its task is kept, even if its bytes are gone.

    Only what we handed out counts: uploads are their senders' own, and files of tasks that then
    failed were never seen by anybody.
    """
    return await database.fetch_one(
        Origin,
        """
        select media_file.media_type, media_file.created_at, task.model, task.ai_generated,
               task.preview
        from media_file
        join task on task.id = media_file.task_id
        where media_file.sha256 = %(sha256)s and media_file.kind in ('output', 'last_frame')
          and media_file.media_type is not null and task.status = 'success'
          and task.data_deleted_at is null
          and (task.metadata_expires_at is null or task.metadata_expires_at > %(now)s)
        order by media_file.created_at, media_file.name
        limit 1
        """,
        {"sha256": sha256, "now": now},
    )
