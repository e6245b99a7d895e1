"""What is kept of an account: for less time than the deployment would, or under a legal hold."""

from dataclasses import dataclass
from datetime import timedelta

from kinetoscope.kernel.errors import InvalidRequest, NotFound
from kinetoscope.postgres.pool import Database

SHORTEST = timedelta(hours=1)
"""Who is handed an address must have the time to download from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is kept of an account; lifetimes are None where they are the deployment's."""

    name: str
    media_lifetime_s: int | None
    task_lifetime_s: int | None
    upload_lifetime_s: int | None
    legal_hold: bool


COLUMNS = "name, media_lifetime_s, task_lifetime_s, upload_lifetime_s, legal_hold"


async def by_name(database: Database, name: str) -> Retention:
    """Return what is kept of the account of this name; raises NotFound."""
    query = f"select {COLUMNS} from account where name = %(name)s"
    found = await database.fetch_one(Retention, query, {"name": name})
    if found is None:
        raise NotFound(f"There is no account named {name!r}")
    return found


async def set_lifetimes(
    database: Database,
    name: str,
    *,
    media: timedelta | None,
    task: timedelta | None,
    upload: timedelta | None,
) -> Retention:
    """Set all lifetimes, of tasks that end and uploads that are made from now on.

    None is for the deployment's own.
    """
    await database.execute(
        """
        update account
        set media_lifetime_s = %(media_lifetime_s)s, task_lifetime_s = %(task_lifetime_s)s,
            upload_lifetime_s = %(upload_lifetime_s)s
        where name = %(name)s
        """,
        {
            "name": name,
            "media_lifetime_s": _seconds(media),
            "task_lifetime_s": _seconds(task),
            "upload_lifetime_s": _seconds(upload),
        },
    )
    return await by_name(database, name)


async def set_hold(database: Database, name: str, *, is_held: bool) -> Retention:
    """Set or lift an account's legal hold; raises NotFound."""
    await database.execute(
        "update account set legal_hold = %(is_held)s where name = %(name)s",
        {"name": name, "is_held": is_held},
    )
    return await by_name(database, name)


def _seconds(lifetime: timedelta | None) -> int | None:
    return None if lifetime is None else int(lifetime.total_seconds())


def require_allowed(what: str, asked: timedelta | None, most: timedelta) -> None:
    """Refuse a lifetime that the deployment does not allow; raises InvalidRequest."""
    if asked is not None and not SHORTEST <= asked <= most:
        raise InvalidRequest(
            f"The lifetime of {what} must lie between {SHORTEST} and this deployment's, {most}"
        )
