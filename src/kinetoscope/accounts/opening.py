"""Whether a key opens: read from a header, admitted or refused with the contract's words."""

from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

from kinetoscope.kernel.addresses import is_within, read_address
from kinetoscope.kernel.errors import Forbidden, Unauthenticated
from kinetoscope.kernel.ids import AccountId, KeyId
from kinetoscope.kernel.secrets import KeyMode, PresentedKey, equal, parse_key
from kinetoscope.postgres.pool import Database

NO_SUCH_SECRET = bytes(32)  # compared where no key has the id: both refusals take the same steps

READ_ONLY = "The demo key is read-only: it reads the sample tasks and nothing else"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is asking, once their key has opened."""

    account_id: AccountId
    key_id: KeyId
    mode: KeyMode
    scopes: tuple[str, ...]
    capped: bool


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
    ip_ranges: list[IPv4Network | IPv6Network] | None
    capped: bool
    api_access: bool


RECORD_COLUMNS = """
  api_key.id as key_id, api_key.account_id, api_key.mode, api_key.secret_sha256, api_key.scopes,
  api_key.active, api_key.expires_at, api_key.ip_ranges, api_key.capped,
  account.api_access
"""


def present(authorization: str | None, client_ip: str | None = None) -> PresentedKey:
    """Read an Authorization header; raises Unauthenticated in the contract's words.

    `client_ip` is where the request came from, or None where that is unknown.
    https://kinovi.ai/docs/common/error-handling
    """
    if not authorization:
        raise Unauthenticated("Missing Authorization header")
    scheme, _, text = authorization.partition(" ")
    presented = parse_key(text.strip()) if scheme.lower() == "bearer" else None
    if presented is None:
        raise Unauthenticated("Invalid API Key")
    return replace(presented, client_ip=client_ip)


OPENS = """
  api_key.id = %(key_id)s
  and api_key.secret_sha256 = %(key_secret_sha256)s
  and api_key.mode = %(key_mode)s
  and api_key.active
  and (api_key.expires_at is null or api_key.expires_at > %(now)s)
  and (api_key.ip_ranges is null or %(client_ip)s::inet <<= any (api_key.ip_ranges))
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
        "client_ip": presented.client_ip,
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
    if record.ip_ranges is not None and not _comes_from(presented, record.ip_ranges):
        raise Forbidden("This API Key may not be used from this address")
    return Caller(
        account_id=record.account_id,
        key_id=record.key_id,
        mode=KeyMode(record.mode),
        scopes=tuple(record.scopes),
        capped=record.capped,
    )


def _comes_from(presented: PresentedKey, ranges: list[IPv4Network | IPv6Network]) -> bool:
    address = read_address(presented.client_ip or "")
    return address is not None and is_within(address, tuple(ranges))


def require(caller: Caller, scope: str) -> None:
    """Refuse a caller whose key lacks a scope."""
    if scope not in caller.scopes:
        if caller.mode is KeyMode.DEMO:
            raise Forbidden(READ_ONLY)
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
