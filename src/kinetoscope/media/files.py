"""What the store holds, as the database knows it: every file is known before its bytes are put.

So the store never holds a file that nobody knows of, whoever was killed in between. Whether a file
may be read follows from its row: `expires_at` refuses at the second, long before bytes are gone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.postgres.pool import Connection, Database


class FileKind(StrEnum):
    """What a stored file is to its owner."""

    OUTPUT = "output"
    LAST_FRAME = "last_frame"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFile:
    """A file that the store holds, is about to hold, or held until `deleted_at`.

    `media_type`, `bytes_size` and `sha256` are None until it is just being put; `expires_at` where
    it is kept for good.
    """

    name: str
    account_id: AccountId
    task_id: TaskId | None
    kind: str
    media_type: str | None
    bytes_size: int | None
    sha256: bytes | None
    created_at: datetime
    expires_at: datetime | None
    deleted_at: datetime | None

    def is_there(self, now: datetime) -> bool:
        """Whether the file may be read."""
        return self.deleted_at is None and (self.expires_at is None or now < self.expires_at)


COLUMNS = """
  name, account_id, task_id, kind, media_type, bytes_size, sha256, created_at, expires_at,
  deleted_at
"""


async def promise(
    database: Database, name: str, account_id: AccountId, expires_at: datetime, now: datetime
) -> None:
    """Make an upload known before its bytes are put; doing it again changes nothing."""
    await database.execute(
        """
        insert into media_file (name, account_id, kind, created_at, expires_at)
        values (%(name)s, %(account_id)s, %(kind)s, %(now)s, %(expires_at)s)
        on conflict (name) do nothing
        """,
        {
            "name": name,
            "account_id": account_id,
            "kind": FileKind.UPLOAD,
            "expires_at": expires_at,
            "now": now,
        },
    )


async def claim(
    database: Database, *, name: str, media_type: str, bytes_size: int, sha256: bytes
) -> bool:
    """Note what is about to be put, unless other bytes came first; return whether it may be.

    Of any number of senders at once, one file's are let through.
    """
    claimed = await database.execute(
        """
        update media_file
        set media_type = %(media_type)s, bytes_size = %(bytes_size)s, sha256 = %(sha256)s
        where name = %(name)s and (sha256 is null or sha256 = %(sha256)s)
        """,
        {"name": name, "media_type": media_type, "bytes_size": bytes_size, "sha256": sha256},
    )
    return claimed > 0


async def find(database: Database, name: str) -> MediaFile | None:
    """Look a file up by its name."""
    query = f"select {COLUMNS} from media_file where name = %(name)s"
    return await database.fetch_one(MediaFile, query, {"name": name})


async def require_readable(database: Database, name: str, now: datetime) -> None:
    """Raise NotFound for a file that is known to be gone, or is as good as gone."""
    known = await find(database, name)
    if known is not None and not known.is_there(now):
        raise NotFound("Media not found")


async def by_sha256(database: Database, sha256: bytes) -> list[MediaFile]:
    """Look files up by what is in them, oldest first: which of them came from here."""
    query = f"select {COLUMNS} from media_file where sha256 = %(sha256)s order by created_at, name"
    return await database.fetch_all(MediaFile, query, {"sha256": sha256})


async def of_task(database: Database, task_id: TaskId) -> list[MediaFile]:
    """Return the files that a task made."""
    query = f"select {COLUMNS} from media_file where task_id = %(task_id)s order by name"
    return await database.fetch_all(MediaFile, query, {"task_id": task_id})


async def expire_within(
    connection: Connection, task_id: TaskId, expires_at: datetime | None
) -> None:
    """Set when a task's files expire; None keeps them for good. Part of a transaction."""
    await connection.execute(
        "update media_file set expires_at = %s where task_id = %s", (expires_at, task_id)
    )


@dataclass(frozen=True, slots=True)
class Live:
    """How many uploads there are just now, and when the first of them counts no more."""

    files: int
    free_at: datetime | None


async def live_uploads(
    database: Database,
    account_id: AccountId,
    now: datetime,
    *,
    since: datetime,
    put_lifetime: timedelta,
) -> Live:
    """Count an account's uploads of those made since a time; what can still be put counts too."""
    counted = await database.fetch_one(
        Live,
        """
        select count(*)::int as files, min(until) as free_at
        from media_file
        cross join lateral (
          select case when bytes_size is null
                 then least(expires_at, created_at + %(put_lifetime)s::interval)
                 else expires_at end as until
        ) as counting
        where account_id = %(account_id)s and kind = %(kind)s and deleted_at is null
          and created_at > %(since)s and until > %(now)s
        """,
        {
            "account_id": account_id,
            "kind": FileKind.UPLOAD,
            "now": now,
            "since": since,
            "put_lifetime": put_lifetime,
        },
    )
    return Live(0, None) if counted is None else counted


async def note_removed(database: Database, name: str, now: datetime) -> None:
    """Note that a file's bytes were removed before its time."""
    await database.execute(
        """
        update media_file set deleted_at = %(now)s
        where name = %(name)s and deleted_at is null
        """,
        {"name": name, "now": now},
    )
