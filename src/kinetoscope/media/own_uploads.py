"""An account's uploads, listed, found and given up by their owner."""

from datetime import datetime

from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.ids import AccountId
from kinetoscope.media.files import COLUMNS, FileKind, MediaFile
from kinetoscope.media.signing import MEDIA_NAME
from kinetoscope.postgres.pool import Database

THERE = """
  account_id = %(account_id)s and kind = %(kind)s and sha256 is not null
  and deleted_at is null and (expires_at is null or expires_at > %(now)s)
"""
"""What was put, and may still be read."""


async def find(database: Database, account_id: AccountId, name: str, now: datetime) -> MediaFile:
    """Return one of an account's own uploads; raises NotFound, for others' too.

    So it does for what no file is called: that may be anything.
    """
    if not MEDIA_NAME.fullmatch(name):
        raise NotFound("File not found")
    found = await database.fetch_one(
        MediaFile,
        f"select {COLUMNS} from media_file where name = %(name)s and {THERE}",
        {"name": name, "account_id": account_id, "kind": FileKind.UPLOAD, "now": now},
    )
    if found is None:
        raise NotFound("File not found")
    return found


async def page(
    database: Database, account_id: AccountId, after: MediaFile | None, limit: int, now: datetime
) -> list[MediaFile]:
    """Return up to `limit` of an account's uploads, newest first, behind one of them."""
    return await database.fetch_all(
        MediaFile,
        f"""
        select {COLUMNS} from media_file
        where {THERE}
          and (%(after_name)s::text is null
               or (created_at, name) < (%(after_at)s::timestamptz, %(after_name)s))
        order by created_at desc, name desc
        limit %(limit)s
        """,
        {
            "account_id": account_id,
            "kind": FileKind.UPLOAD,
            "after_at": None if after is None else after.created_at,
            "after_name": None if after is None else after.name,
            "limit": limit,
            "now": now,
        },
    )


async def give_up(database: Database, account_id: AccountId, name: str, now: datetime) -> None:
    """Let an upload expire now; the reaper removes its bytes. Raises NotFound.

    Tasks that refer to it and have not fetched it yet will not find it.
    """
    await find(database, account_id, name, now)
    await database.execute(
        """
        update media_file set expires_at = %(now)s
        where name = %(name)s and account_id = %(account_id)s and expires_at > %(now)s
        """,
        {"name": name, "account_id": account_id, "now": now},
    )
