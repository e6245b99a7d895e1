"""An account's uploads, listed, found and given up by their owner."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.ids import AccountId
from kinetoscope.media.files import COLUMNS, FileKind, MediaFile
from kinetoscope.media.signing import MEDIA_NAME
from kinetoscope.postgres.pool import Database

OWN = "account_id = %(account_id)s and kind = %(kind)s and sha256 is not null"
"""What an account has put."""

THERE = f"""
  {OWN} and deleted_at is null and (expires_at is null or expires_at > %(now)s)
"""
"""What was put, and may still be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in the list: behind this file."""

    created_at: datetime
    name: str


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


async def place_of(database: Database, account_id: AccountId, name: str) -> Place:
    """Return the place of one of an account's uploads in its list; raises NotFound as `find` does.

    One that was given up or has expired has its place as long as its row stays: whoever deletes
    what they list goes on behind it.
    """
    found = None
    if MEDIA_NAME.fullmatch(name):
        found = await database.fetch_one(
            Place,
            f"select created_at, name from media_file where name = %(name)s and {OWN}",
            {"name": name, "account_id": account_id, "kind": FileKind.UPLOAD},
        )
    if found is None:
        raise NotFound("File not found")
    return found


async def page(
    database: Database, account_id: AccountId, place: Place | None, limit: int, now: datetime
) -> list[MediaFile]:
    """Return up to `limit` of an account's uploads, newest first, behind a place."""
    return await database.fetch_all(
        MediaFile,
        f"""
        select {COLUMNS} from media_file
        where {THERE}
          and (%(place_name)s::text is null
               or (created_at, name) < (%(place_at)s::timestamptz, %(place_name)s))
        order by created_at desc, name desc
        limit %(limit)s
        """,
        {
            "account_id": account_id,
            "kind": FileKind.UPLOAD,
            "place_at": None if place is None else place.created_at,
            "place_name": None if place is None else place.name,
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
