"""Signing secrets: one per account, shown once when made, replaced while both still count."""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from kinetoscope.kernel.errors import InvalidRequest, SettingInvalid
from kinetoscope.kernel.ids import AccountId, random_base36
from kinetoscope.kernel.sealing import Sealer
from kinetoscope.postgres.pool import Connection, Database

log = structlog.get_logger(__name__)

SECRET_BYTES = 32

OVERLAP_DEFAULT = timedelta(hours=24)
OVERLAP_MAX = timedelta(days=7)

VALID_MAX = 4
"""Each valid secret adds a signature to every delivery's header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new secret. `text` is the only time it is shown."""

    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A secret as it is stored; `expires_at` is None for the current one."""

    id: str
    sealed: bytes
    last_four: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """How an account wants its deliveries."""

    kie_headers: bool


async def issue(
    database: Database,
    sealer: Sealer,
    account_id: AccountId,
    overlap: timedelta,
    now: datetime,
) -> Issued:
    """Make an account's secret, or replace it: deliveries carry both signatures for `overlap`.

    Without overlap every older secret ends at once, as one does that has become known.
    Raises InvalidRequest where too many would be valid at the same time.
    """
    text = _new_text()
    kept = _sealed(sealer, account_id, text)
    await database.transact(lambda connection: _replace(connection, account_id, kept, overlap, now))
    return Issued(text=text, created_at=now)


async def _replace(
    connection: Connection,
    account_id: AccountId,
    kept: dict[str, object],
    overlap: timedelta,
    now: datetime,
) -> None:
    """Keep a new secret and let the older ones end; harmless to repeat, by the new one's id."""
    parameters = {**kept, "account_id": account_id, "now": now, "until": now + overlap}
    await _lock(connection, account_id)
    await connection.execute(
        "delete from webhook_secret where account_id = %(account_id)s and expires_at <= %(now)s",
        parameters,
    )
    await connection.execute(
        """
        update webhook_secret set expires_at = least(expires_at, %(until)s)
        where account_id = %(account_id)s and id <> %(id)s
        """,
        parameters,
    )
    cursor = await connection.execute(
        """
        select count(*) from webhook_secret
        where account_id = %(account_id)s and expires_at > %(now)s
        """,
        parameters,
    )
    row = await cursor.fetchone()
    if row is not None and row[0] >= VALID_MAX:
        raise InvalidRequest(
            f"{VALID_MAX} secrets are valid already. Wait until one has ended, "
            "or end all of them with overlapHours 0."
        )
    await connection.execute(INSERT, parameters)


INSERT = """
insert into webhook_secret (id, account_id, sealed, last_four, created_at)
values (%(id)s, %(account_id)s, %(sealed)s, %(last_four)s, %(now)s)
on conflict (id) do nothing
"""


async def _make_first(
    connection: Connection, account_id: AccountId, kept: dict[str, object], now: datetime
) -> None:
    """Keep a secret unless there is one by now."""
    await _lock(connection, account_id)
    cursor = await connection.execute(
        "select from webhook_secret where account_id = %s and expires_at is null", (account_id,)
    )
    if await cursor.fetchone() is None:
        await connection.execute(INSERT, {**kept, "account_id": account_id, "now": now})


async def _lock(connection: Connection, account_id: AccountId) -> None:
    """Let of two who make an account's secret the second see what the first made."""
    await connection.execute(
        "insert into webhook_account (account_id) values (%s) on conflict do nothing",
        (account_id,),
    )
    await connection.execute(
        "select from webhook_account where account_id = %s for update", (account_id,)
    )


async def valid(database: Database, account_id: AccountId, now: datetime) -> list[Kept]:
    """Return the secrets to sign with, newest first; none where none was ever made."""
    return await database.fetch_all(
        Kept,
        """
        select id, sealed, last_four, created_at, expires_at from webhook_secret
        where account_id = %(account_id)s and (expires_at is null or expires_at > %(now)s)
        order by expires_at desc nulls first, created_at desc
        """,
        {"account_id": account_id, "now": now},
    )


async def texts(
    database: Database, sealer: Sealer, account_id: AccountId, now: datetime
) -> list[str]:
    """Return the texts to sign with, newest first, making the first secret where there is none.

    Raises SettingInvalid where all of them were sealed with another signing key.
    """
    kept = await valid(database, account_id, now)
    if not kept:
        first = _sealed(sealer, account_id, _new_text())
        await database.transact(lambda connection: _make_first(connection, account_id, first, now))
        kept = await valid(database, account_id, now)
    readable = []
    for secret in kept:
        try:
            readable.append(sealer.unseal(secret.sealed, f"{account_id} {secret.id}"))
        except SettingInvalid:
            # Of use to nobody any more; one made since then is.
            log.warning("webhook.secret_unreadable", account=account_id, secret=secret.id)
    if not readable:
        raise SettingInvalid("The account's webhook secret was sealed with another signing-key")
    return readable


async def preferences(database: Database, account_id: AccountId) -> Preferences:
    """Return how an account wants its deliveries."""
    found = await database.fetch_one(
        Preferences,
        "select kie_headers from webhook_account where account_id = %(account_id)s",
        {"account_id": account_id},
    )
    return found or Preferences(kie_headers=False)


async def prefer(database: Database, account_id: AccountId, *, kie_headers: bool) -> None:
    """Say whether the headers of kie.ai go with the account's deliveries."""
    await database.execute(
        """
        insert into webhook_account (account_id, kie_headers)
        values (%(account_id)s, %(kie_headers)s)
        on conflict (account_id) do update set kie_headers = excluded.kie_headers
        """,
        {"account_id": account_id, "kie_headers": kie_headers},
    )


def _new_text() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _sealed(sealer: Sealer, account_id: AccountId, text: str) -> dict[str, object]:
    secret_id = "wsec_" + random_base36(24)
    return {
        "id": secret_id,
        "sealed": sealer.seal(text, f"{account_id} {secret_id}"),
        "last_four": text.rstrip("=")[-4:],
    }
