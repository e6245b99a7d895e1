"""API keys: issued once, stored as a hash, admitted or refused with the contract's words."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kinetoscope.kernel.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from kinetoscope.kernel.ids import AccountId, KeyId
from kinetoscope.kernel.secrets import IssuedKey, KeyMode, PresentedKey, equal, issue_key, parse_key
from kinetoscope.postgres.pool import Database

SCOPES_ALL = ("tasks:write", "tasks:read")

ROTATION_OVERLAP_MAX = timedelta(days=7)

NO_SUCH_SECRET = bytes(32)  # compared where no key has the id: both refusals take the same steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is asking, once their key has opened."""

    account_id: AccountId
    key_id: KeyId
    mode: KeyMode
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """What is stored of a key, and whether its account may use the API."""

    key_id: KeyId
    account_id: AccountId
    mode: str
    secret_sha256: bytes
    scopes: list[str]
    active: bool
    expires_at: datetime | None
    api_access: bool


RECORD_COLUMNS = """
  api_key.id as key_id, api_key.account_id, api_key.mode, api_key.secret_sha256, api_key.scopes,
  api_key.active, api_key.expires_at, account.api_access
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyListing:
    """What may be shown of a key after it was issued."""

    id: KeyId
    account: str
    name: str
    mode: str
    last_four: str
    active: bool
    expires_at: datetime | None
    replaced_by: KeyId | None
    created_at: datetime
    last_used_at: datetime | None


def present(authorization: str | None) -> PresentedKey:
    """Read an Authorization header; raises Unauthenticated in the contract's words.

    https://kinovi.ai/docs/common/error-handling
    """
    if not authorization:
        raise Unauthenticated("Missing Authorization header")
    scheme, _, text = authorization.partition(" ")
    presented = parse_key(text.strip()) if scheme.lower() == "bearer" else None
    if presented is None:
        raise Unauthenticated("Invalid API Key")
    return presented


OPENS = """
  api_key.id = %(key_id)s
  and api_key.secret_sha256 = %(key_secret_sha256)s
  and api_key.mode = %(key_mode)s
  and api_key.active
  and (api_key.expires_at is null or api_key.expires_at > %(now)s)
  and %(key_scope)s = any (api_key.scopes)
  and account.id = api_key.account_id
  and account.api_access
"""
"""`admit` and `require` as a condition; a test holds the two against each other."""


def opens_parameters(presented: PresentedKey, scope: str) -> dict[str, object]:
    """Return what `OPENS` needs, but for `now`."""
    return {
        "key_id": presented.id,
        "key_secret_sha256": presented.secret_sha256,
        "key_mode": presented.mode,
        "key_scope": scope,
    }


def admit(presented: PresentedKey, record: KeyRecord | None, now: datetime) -> Caller:
    """Decide whether a key opens; raises Unauthenticated or Forbidden in the contract's words."""
    stored = NO_SUCH_SECRET if record is None else bytes(record.secret_sha256)
    if not equal(stored, presented.secret_sha256) or record is None:
        raise Unauthenticated("Invalid API Key")
    if record.mode != presented.mode:
        raise Unauthenticated("Invalid API Key")
    if not record.active:
        raise Unauthenticated("API Key is inactive")
    if record.expires_at is not None and record.expires_at <= now:
        raise Unauthenticated("API Key has expired")
    if not record.api_access:
        raise Forbidden("API access not enabled for this account")
    return Caller(
        account_id=record.account_id,
        key_id=record.key_id,
        mode=KeyMode(record.mode),
        scopes=tuple(record.scopes),
    )


def require(caller: Caller, scope: str) -> None:
    """Refuse a caller whose key lacks a scope."""
    if scope not in caller.scopes:
        raise Forbidden(f"This API Key lacks the scope {scope}")


async def authenticate(database: Database, presented: PresentedKey, now: datetime) -> Caller:
    """Look a presented key up and admit it."""
    record = await database.fetch_one(
        KeyRecord,
        f"""
        select {RECORD_COLUMNS}
        from api_key join account on account.id = api_key.account_id
        where api_key.id = %(key_id)s
        """,
        {"key_id": presented.id},
    )
    return admit(presented, record, now)


async def create(
    database: Database,
    account_id: AccountId,
    name: str,
    *,
    mode: KeyMode,
    expires_at: datetime | None,
    now: datetime,
) -> IssuedKey:
    """Issue a key; its text is in the result and nowhere else."""
    issued = issue_key(mode)
    await keep(database, account_id, name, issued, mode=mode, expires_at=expires_at, now=now)
    return issued


async def keep(  # noqa: PLR0913 - one value per column
    database: Database,
    account_id: AccountId,
    name: str,
    issued: IssuedKey,
    *,
    mode: KeyMode,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    """Record an issued key, so that it opens from now on."""
    await database.execute(
        INSERT,
        {
            "id": issued.id,
            "account_id": account_id,
            "name": name,
            "mode": mode,
            "secret_sha256": issued.secret_sha256,
            "last_four": issued.last_four,
            "scopes": list(SCOPES_ALL),
            "expires_at": expires_at,
            "now": now,
        },
    )


INSERT = """
insert into api_key
  (id, account_id, name, mode, secret_sha256, last_four, scopes, expires_at, created_at)
values
  (%(id)s, %(account_id)s, %(name)s, %(mode)s, %(secret_sha256)s, %(last_four)s, %(scopes)s,
   %(expires_at)s, %(now)s)
on conflict (id) do nothing
"""


async def rotate(
    database: Database, key_id: KeyId, *, overlap: timedelta, now: datetime
) -> IssuedKey:
    """Issue a successor with the same account, name, mode, scopes and expiry.

    The old key keeps working for `overlap`, never longer than it would have. Raises NotFound,
    or InvalidRequest for an overlap out of range or a key that is inactive or already replaced.
    """
    if not timedelta() <= overlap <= ROTATION_OVERLAP_MAX:
        raise InvalidRequest("The overlap must lie between 0 and 7 days")
    old = await _find(database, key_id)
    if old.replaced_by is not None:
        raise InvalidRequest(f"Key {key_id} was already replaced by {old.replaced_by}")
    if not old.active:
        raise InvalidRequest(f"Key {key_id} is inactive; reactivate it before replacing it")
    issued = issue_key(KeyMode(old.mode))
    await database.execute(
        ROTATE,
        {
            "id": issued.id,
            "secret_sha256": issued.secret_sha256,
            "last_four": issued.last_four,
            "old_id": key_id,
            "old_expires_at": now + overlap,
            "now": now,
        },
    )
    # Read back, not counted: a statement that was repeated after its effect touches no row.
    replaced = await _find(database, key_id)
    if replaced.replaced_by != issued.id:
        raise InvalidRequest(f"Key {key_id} was replaced just now by somebody else")
    return issued


ROTATE = """
with replaced as (
  -- Locked, so that of two rotations at once the second finds nothing left to replace.
  select id, account_id, name, scopes, mode, expires_at
  from api_key where id = %(old_id)s and replaced_by is null and active
  for update
), successor as (
  insert into api_key
    (id, account_id, name, mode, secret_sha256, last_four, scopes, expires_at, created_at)
  select %(id)s, account_id, name, mode, %(secret_sha256)s, %(last_four)s, scopes,
         expires_at, %(now)s
  from replaced
  returning id
)
update api_key
set replaced_by = successor.id, expires_at = least(api_key.expires_at, %(old_expires_at)s)
from successor
where api_key.id = %(old_id)s
"""


async def set_active(database: Database, key_id: KeyId, *, active: bool) -> None:
    """Deactivate or reactivate a key, with effect on the very next request. Raises NotFound."""
    await _update(database, key_id, "active = %(value)s", active)


async def set_expiry(database: Database, key_id: KeyId, expires_at: datetime | None) -> None:
    """Let a key end at a time, or never. Raises NotFound."""
    await _update(database, key_id, "expires_at = %(value)s", expires_at)


async def note_use(database: Database, key_ids: list[KeyId], now: datetime) -> None:
    """Record that keys were used; called in batches, off the path of requests."""
    await database.execute(
        "update api_key set last_used_at = %(now)s where id = any(%(key_ids)s)",
        {"now": now, "key_ids": key_ids},
    )


async def listing(database: Database, account_id: AccountId | None = None) -> list[KeyListing]:
    """Show keys, oldest first: of one account, or of all."""
    return await database.fetch_all(
        KeyListing,
        f"""
        {LISTING}
        where %(account_id)s::text is null or api_key.account_id = %(account_id)s
        order by api_key.created_at, api_key.id
        """,
        {"account_id": account_id},
    )


LISTING = """
select api_key.id, account.name as account, api_key.name, api_key.mode, api_key.last_four,
       api_key.active, api_key.expires_at, api_key.replaced_by, api_key.created_at,
       api_key.last_used_at
from api_key join account on account.id = api_key.account_id
"""


async def _find(database: Database, key_id: KeyId) -> KeyListing:
    query = f"{LISTING} where api_key.id = %(key_id)s"
    found = await database.fetch_one(KeyListing, query, {"key_id": key_id})
    if found is None:
        raise NotFound(f"There is no key with the id {key_id!r}")
    return found


async def _update(database: Database, key_id: KeyId, change: str, value: object) -> None:
    query = f"update api_key set {change} where id = %(key_id)s"
    if await database.execute(query, {"key_id": key_id, "value": value}) != 1:
        raise NotFound(f"There is no key with the id {key_id!r}")
