"""The audit log: who did what, in an order that shows if anything was taken out.

Each entry hashes itself and the one before. Entries are written within the transaction of what
they tell, or right after it; nothing in the database changes or deletes them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson
from psycopg.types.json import Jsonb

from kinetoscope.accounts.people import PersonId
from kinetoscope.kernel.ids import AccountId
from kinetoscope.kernel.order import JSON
from kinetoscope.postgres.pool import Connection, Database

COMMAND_LINE = "command line"

FIRST = bytes(32)

LOCK = 0x6B696E65
"""Names the lock that puts entries in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something, and from where."""

    person_id: PersonId | None
    name: str
    client_ip: str | None = None


OPERATOR = Actor(person_id=None, name=COMMAND_LINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that somebody did. `detail` never holds a secret."""

    id: int
    person_id: PersonId | None
    actor: str
    address: str | None
    account_id: AccountId | None
    action: str
    target: str
    detail: dict[str, JSON]
    created_at: datetime
    previous: bytes
    sha256: bytes


COLUMNS = """
  id, person_id, actor, host(address) as address, account_id, action, target, detail, created_at,
  previous, sha256
"""


def hash_of(entry: Mapping[str, object], previous: bytes) -> bytes:
    """Hash an entry's content together with the hash before it."""
    content = orjson.dumps(dict(entry), option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
    return hashlib.sha256(previous + content).digest()


async def note(  # noqa: PLR0913 - one value per column
    database: Database,
    actor: Actor,
    action: str,
    target: str,
    now: datetime,
    *,
    account_id: AccountId | None = None,
    detail: Mapping[str, JSON] | None = None,
) -> None:
    """Write down what somebody did."""

    async def steps(connection: Connection) -> None:
        await note_within(
            connection, actor, action, target, now, account_id=account_id, detail=detail
        )

    await database.transact_once(steps)


async def note_within(  # noqa: PLR0913 - one value per column
    connection: Connection,
    actor: Actor,
    action: str,
    target: str,
    now: datetime,
    *,
    account_id: AccountId | None = None,
    detail: Mapping[str, JSON] | None = None,
) -> None:
    """Do the same as part of a transaction; nobody else writes an entry until it ends."""
    await connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
    last = await (
        await connection.execute("select sha256 from audit_entry order by id desc limit 1")
    ).fetchone()
    previous = FIRST if last is None else bytes(last[0])
    content = _content(actor, account_id, action, target, detail or {}, now)
    await connection.execute(
        """
        insert into audit_entry
          (person_id, actor, address, account_id, action, target, detail, created_at, previous,
           sha256)
        values (%s, %s, %s::inet, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            actor.person_id,
            actor.name,
            actor.client_ip,
            account_id,
            action,
            target,
            Jsonb(dict(detail or {})),
            now,
            previous,
            hash_of(content, previous),
        ),
    )


async def listing(
    database: Database, account_id: AccountId | None, before: int | None, limit: int
) -> list[AuditEntry]:
    """Return entries, newest first: of one account, or of all."""
    return await database.fetch_all(
        AuditEntry,
        f"""
        select {COLUMNS} from audit_entry
        where (%(account_id)s::text is null or account_id = %(account_id)s)
          and (%(before)s::bigint is null or id < %(before)s)
        order by id desc
        limit %(limit)s
        """,
        {"account_id": account_id, "before": before, "limit": limit},
    )


async def first_broken(database: Database) -> int | None:
    """Return the id of the first entry that does not follow from the one before; None if all do."""
    previous, after = FIRST, 0
    while True:
        page = await database.fetch_all(
            AuditEntry,
            f"select {COLUMNS} from audit_entry where id > %(after)s order by id limit 1000",
            {"after": after},
        )
        for entry in page:
            actor = Actor(person_id=entry.person_id, name=entry.actor, client_ip=entry.address)
            content = _content(
                actor, entry.account_id, entry.action, entry.target, entry.detail, entry.created_at
            )
            if bytes(entry.previous) != previous or bytes(entry.sha256) != hash_of(
                content, previous
            ):
                return entry.id
            previous, after = bytes(entry.sha256), entry.id
        if not page:
            return None


def _content(
    actor: Actor,
    account_id: AccountId | None,
    action: str,
    target: str,
    detail: Mapping[str, JSON],
    now: datetime,
) -> dict[str, object]:
    return {
        "person": actor.person_id,
        "actor": actor.name,
        "address": actor.client_ip,
        "account": account_id,
        "action": action,
        "target": target,
        "detail": dict(detail),
        "at": int(now.timestamp() * 1000),
    }
