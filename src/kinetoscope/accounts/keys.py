"""API keys: issued once, stored as a hash, limited, replaced and stopped."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from kinetoscope.accounts.caps import UNCAPPED, Caps, CapsRow, columns
from kinetoscope.kernel.errors import Forbidden, InvalidRequest, NotFound
from kinetoscope.kernel.ids import AccountId, KeyId
from kinetoscope.kernel.secrets import DEMO_KEY_ID, IssuedKey, KeyMode, issue_key, parse_key
from kinetoscope.postgres.pool import Database

SCOPES_DEFAULT = (
    "tasks:write",
    "tasks:read",
    "samples:read",
    "uploads:write",
    "account:read",
    "webhooks:write",
)
"""What a key may do unless its maker says otherwise: everything but making keys."""

SCOPES_ALL = (*SCOPES_DEFAULT, "keys:write")

ROTATION_OVERLAP_MAX = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyListing(CapsRow):
    """What may be shown of a key after it was issued."""

    id: KeyId
    account_id: AccountId
    account: str
    name: str
    mode: str
    last_four: str
    scopes: list[str]
    active: bool
    expires_at: datetime | None
    replaced_by: KeyId | None
    created_at: datetime
    last_used_at: datetime | None


async def create(  # noqa: PLR0913 - what a key's maker may decide
    database: Database,
    account_id: AccountId,
    name: str,
    *,
    mode: KeyMode,
    expires_at: datetime | None,
    scopes: tuple[str, ...] = SCOPES_DEFAULT,
    caps: Caps = UNCAPPED,
    now: datetime,
) -> IssuedKey:
    """Issue a key; its text is in the result and nowhere else."""
    issued = issue_key(mode)
    await keep(
        database,
        account_id,
        name,
        issued,
        mode=mode,
        expires_at=expires_at,
        scopes=scopes,
        caps=caps,
        now=now,
    )
    return issued


async def keep(  # noqa: PLR0913 - one value per column
    database: Database,
    account_id: AccountId,
    name: str,
    issued: IssuedKey,
    *,
    mode: KeyMode,
    expires_at: datetime | None,
    scopes: tuple[str, ...] = SCOPES_DEFAULT,
    caps: Caps = UNCAPPED,
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
            "scopes": list(scopes),
            "expires_at": expires_at,
            "now": now,
            **columns(caps),
        },
    )


INSERT = """
insert into api_key
  (id, account_id, name, mode, secret_sha256, last_four, scopes, expires_at, created_at, models,
   price_max, tasks_running_max, spend_max, spend_window_s, ip_ranges, requests_per_second,
   requests_burst)
values
  (%(id)s, %(account_id)s, %(name)s, %(mode)s, %(secret_sha256)s, %(last_four)s, %(scopes)s,
   %(expires_at)s, %(now)s, %(models)s, %(price_max)s, %(tasks_running_max)s, %(spend_max)s,
   %(spend_window_s)s, %(ip_ranges)s::cidr[], %(requests_per_second)s, %(requests_burst)s)
on conflict (id) do nothing
"""


async def rotate(
    database: Database, key_id: KeyId, *, overlap: timedelta, now: datetime
) -> IssuedKey:
    """Issue a successor with the same account, name, mode, scopes, caps and expiry.

    The old key keeps working for `overlap`, never longer than it would have. Raises NotFound,
    or InvalidRequest for an overlap out of range or a key that is inactive or already replaced.
    """
    if not timedelta() <= overlap <= ROTATION_OVERLAP_MAX:
        raise InvalidRequest("The overlap must lie between 0 and 7 days")
    old = await find(database, key_id)
    if old.replaced_by is not None:
        raise InvalidRequest(f"Key {key_id} was already replaced by {old.replaced_by}")
    if old.mode == KeyMode.DEMO:
        raise InvalidRequest("The demo key is what KINETOSCOPE_DEMO_KEY says")
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
    replaced = await find(database, key_id)
    if replaced.replaced_by != issued.id:
        raise InvalidRequest(f"Key {key_id} was replaced just now by somebody else")
    return issued


ROTATE = """
with replaced as (
  -- Locked, so that of two rotations at once the second finds nothing left to replace.
  select *
  from api_key where id = %(old_id)s and replaced_by is null and active and deleted_at is null
  for update
), successor as (
  insert into api_key
    (id, account_id, name, mode, secret_sha256, last_four, scopes, expires_at, created_at, models,
     price_max, tasks_running_max, spend_max, spend_window_s, ip_ranges, requests_per_second,
     requests_burst, replaces)
  select %(id)s, account_id, name, mode, %(secret_sha256)s, %(last_four)s, scopes,
         expires_at, %(now)s, models, price_max, tasks_running_max, spend_max, spend_window_s,
         ip_ranges, requests_per_second, requests_burst, id
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
    await change(database, key_id, {"active": active})


async def set_expiry(database: Database, key_id: KeyId, expires_at: datetime | None) -> None:
    """Let a key end at a time, or never. Raises NotFound."""
    await change(database, key_id, {"expires_at": expires_at})


CHANGEABLE = frozenset({"name", "active", "expires_at", "scopes", *columns(UNCAPPED)})


async def change(database: Database, key_id: KeyId, changes: Mapping[str, object]) -> None:
    """Set columns of a key, all of them `CHANGEABLE`; raises NotFound."""
    assert changes.keys() <= CHANGEABLE  # noqa: S101 - the names become part of the statement
    sets = ", ".join(
        f"{name} = %({name})s" + ("::cidr[]" if name == "ip_ranges" else "") for name in changes
    )
    query = f"update api_key set {sets} where id = %(key_id)s and deleted_at is null"
    if changes and await database.execute(query, {**changes, "key_id": key_id}) != 1:
        raise NotFound(f"There is no key with the id {key_id!r}")


async def delete(database: Database, key_id: KeyId, now: datetime) -> None:
    """Stop a key for good and show it no more; its tasks go on naming it. Raises NotFound."""
    deleted = await database.execute(
        """
        update api_key set active = false, deleted_at = %(now)s
        where id = %(key_id)s and (deleted_at is null or deleted_at = %(now)s)
        """,
        {"key_id": key_id, "now": now},
    )
    if deleted != 1:
        raise NotFound(f"There is no key with the id {key_id!r}")


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
        where (%(account_id)s::text is null or api_key.account_id = %(account_id)s)
          and api_key.deleted_at is null and not api_key.is_studio
        order by api_key.created_at, api_key.id
        """,
        {"account_id": account_id},
    )


LISTING = """
select api_key.id, api_key.account_id, account.name as account, api_key.name, api_key.mode,
       api_key.last_four, api_key.scopes, api_key.active, api_key.expires_at, api_key.replaced_by,
       api_key.created_at, api_key.last_used_at, api_key.models, api_key.price_max,
       api_key.tasks_running_max, api_key.spend_max, api_key.spend_window_s, api_key.ip_ranges,
       api_key.requests_per_second, api_key.requests_burst
from api_key join account on account.id = api_key.account_id
"""


async def find(database: Database, key_id: KeyId) -> KeyListing:
    """Show one key; raises NotFound."""
    query = f"""
        {LISTING}
        where api_key.id = %(key_id)s and api_key.deleted_at is null and not api_key.is_studio
    """
    found = await database.fetch_one(KeyListing, query, {"key_id": key_id})
    if found is None:
        raise NotFound(f"There is no key with the id {key_id!r}")
    return found


async def find_own(database: Database, account_id: AccountId, key_id: KeyId) -> KeyListing:
    """Show one key to its account; raises NotFound, or Forbidden for somebody else's."""
    found = await find(database, key_id)
    if found.account_id != account_id:
        raise Forbidden("Access denied")
    return found


async def ensure_demo(database: Database, account_id: AccountId, text: str, now: datetime) -> None:
    """Let the demo key in as the settings have it, or no demo key where they have none."""
    if not text:
        await database.execute(
            "update api_key set active = false where id = %(id)s", {"id": DEMO_KEY_ID}
        )
        return
    presented = parse_key(text)
    assert presented is not None  # noqa: S101 - the settings demand its shape
    await database.execute(
        """
        insert into api_key
          (id, account_id, name, mode, secret_sha256, last_four, scopes, created_at)
        values
          (%(id)s, %(account_id)s, 'demo', 'demo', %(secret_sha256)s, %(last_four)s,
           array['samples:read'], %(now)s)
        on conflict (id) do update
        set secret_sha256 = excluded.secret_sha256, last_four = excluded.last_four,
            scopes = excluded.scopes, expires_at = null, active = true, deleted_at = null
        """,
        {
            "id": DEMO_KEY_ID,
            "account_id": account_id,
            "secret_sha256": presented.secret_sha256,
            "last_four": text[-4:],
            "now": now,
        },
    )
