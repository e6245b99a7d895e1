"""The studio's keys: what an account's people make in the dashboard goes through one of these.

A task has a key. People have none at hand, so each account has one for live and one for test work
whose text nobody has ever seen; the dashboard presents it in the name of who is signed in.
"""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.ids import AccountId, KeyId
from kinetoscope.kernel.secrets import IssuedKey, KeyMode, PresentedKey, issue_key
from kinetoscope.postgres.pool import Database

SCOPES = ("tasks:write", "tasks:read", "uploads:write")

NAME = "Studio"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    id: KeyId
    secret_sha256: bytes


async def presented(
    database: Database, account_id: AccountId, mode: KeyMode, now: datetime
) -> PresentedKey:
    """Return an account's studio key, as if somebody had presented it; made at first use."""
    stored = await _stored(database, account_id, mode)
    if stored is None:
        issued = issue_key(mode)  # its text ends here
        await _keep(database, account_id, issued, mode, now)
        stored = await _stored(database, account_id, mode)
    assert stored is not None  # noqa: S101 - made by us or by whoever was quicker
    return PresentedKey(stored.id, mode, bytes(stored.secret_sha256))


async def _stored(database: Database, account_id: AccountId, mode: KeyMode) -> _Stored | None:
    return await database.fetch_one(
        _Stored,
        """
        select id, secret_sha256 from api_key
        where account_id = %(account_id)s and mode = %(mode)s and is_studio
        """,
        {"account_id": account_id, "mode": mode},
    )


async def _keep(
    database: Database, account_id: AccountId, issued: IssuedKey, mode: KeyMode, now: datetime
) -> None:
    await database.execute(
        """
        insert into api_key
          (id, account_id, name, mode, secret_sha256, last_four, scopes, created_at, is_studio)
        values
          (%(id)s, %(account_id)s, %(name)s, %(mode)s, %(secret_sha256)s, '', %(scopes)s, %(now)s,
           true)
        on conflict do nothing
        """,
        {
            "id": issued.id,
            "account_id": account_id,
            "name": NAME,
            "mode": mode,
            "secret_sha256": issued.secret_sha256,
            "scopes": list(SCOPES),
            "now": now,
        },
    )
