"""The limiter's SQL: one statement for the requests of one key, nearly always, and one for many.

Both do what `gcra.decide` does. A row is locked by the upsert that decides, so processes queue up
on it, and each sees what the one before it left. Repeated by the pool after it took effect, a
statement counts its requests twice; that costs nobody more than a moment.
"""

from dataclasses import dataclass
from typing import Any

from kinetoscope.limits.gcra import NS_PER_S


@dataclass(frozen=True, slots=True)
class Row:
    """What is decided about one presented key; `key_…` is null without a pace of its own.

    `owner` is whose the shared pace is: an account's live keys, its test keys, or an address.
    """

    place: int
    now_ns: int
    owner: str
    full_at_ns: int
    per_second: int
    burst: int
    granted: int
    key_id: str
    key_full_at_ns: int | None
    key_per_second: int
    key_burst: int
    key_granted: int | None


NOW = f"""
  -- One clock for all processes: the database's.
  select coalesce(%(now_ns)s::bigint,
                  (extract(epoch from clock_timestamp()) * {NS_PER_S})::bigint) as now_ns
"""

ACCOUNT_PACE = """
  select coalesce(account.requests_per_second, %(per_second)s::int) as per_second,
         coalesce(account.requests_burst,
                  least(%(burst)s::int, 2 * account.requests_per_second)) as burst
"""

OWNER = "case api_key.mode when 'test' then account.id || ' test' else account.id end"
"""Test keys have a pace of their own, as wide: a rehearsal must not slow down what is paid for."""

OPENS = f"""
  api_key.mode = presented.mode
  and api_key.secret_sha256 = presented.secret_sha256
  and api_key.active
  and (api_key.expires_at is null
       or extract(epoch from api_key.expires_at) * {NS_PER_S} > moment.now_ns)
  and (api_key.ip_ranges is null or presented.client_ip <<= any (api_key.ip_ranges))
  and account.api_access
"""
"""What `accounts.opening` has, but for the scope; a test holds the two against each other."""

INTERVAL = f"(({NS_PER_S} - 1) / excluded.per_second + 1)"

LATEST = f"(excluded.decided_ns + excluded.burst * {INTERVAL})"

BASE = f"least(greatest(pace.full_at_ns, excluded.decided_ns), {LATEST})"

GRANTED = f"least(excluded.asked, ({LATEST} - {BASE}) / {INTERVAL})"

UPSERT = f"""
  insert into request_pace as pace
    (owner, full_at_ns, decided_ns, per_second, burst, asked, granted)
  select owner, now_ns + least(asked, burst) * (({NS_PER_S} - 1) / per_second + 1), now_ns,
         per_second, burst, asked, least(asked, burst)
  from %s
  order by owner  -- always in this order: no two processes wait for each other
  on conflict (owner) do update
  set full_at_ns = {BASE} + {INTERVAL} * {GRANTED},
      decided_ns = excluded.decided_ns,
      per_second = excluded.per_second,
      burst = excluded.burst,
      asked = excluded.asked,
      granted = {GRANTED}
  returning owner, full_at_ns, decided_ns, per_second, burst, granted
"""

MANY = f"""
with moment as materialized (
{NOW}
), opened as materialized (
  select place, presented.asked, now_ns, {OWNER} as owner, api_key.id as key_id,
         account_pace.per_second, account_pace.burst,
         coalesce(api_key.requests_per_second, account_pace.per_second) as key_per_second,
         coalesce(api_key.requests_burst,
                  least(account_pace.burst, 2 * api_key.requests_per_second)) as key_burst,
         api_key.requests_per_second is not null or api_key.requests_burst is not null as key_own
  from unnest(%(key_ids)s::text[], %(secrets)s::bytea[], %(modes)s::text[], %(ips)s::inet[],
              %(asked)s::bigint[])
       with ordinality as presented (key_id, secret_sha256, mode, client_ip, asked, place)
  join api_key on api_key.id = presented.key_id
  join account on account.id = api_key.account_id
  cross join moment
  cross join lateral ({ACCOUNT_PACE}) as account_pace
  where {OPENS}
), key_asked as (
  select key_id as owner, min(now_ns) as now_ns, min(key_per_second) as per_second,
         min(key_burst) as burst, sum(asked)::bigint as asked
  from opened where key_own group by key_id
), key_pace as (
{UPSERT % "key_asked"}
), account_asked as (
  -- What a key's own pace refused does not count for its account.
  select by_key.owner, min(now_ns) as now_ns, min(per_second) as per_second,
         min(burst) as burst, sum(coalesce(granted, asked))::bigint as asked
  from (
    select owner, key_id, min(now_ns) as now_ns, min(per_second) as per_second,
           min(opened.burst) as burst, sum(asked) as asked
    from opened group by owner, key_id
  ) as by_key
  left join (select owner as of_key, granted from key_pace) as key_pace on of_key = key_id
  group by by_key.owner
), account_pace as (
{UPSERT % "account_asked"}
)
select place, now_ns, opened.owner, account_pace.full_at_ns, opened.per_second, opened.burst,
       account_pace.granted, key_id, key_pace.full_at_ns as key_full_at_ns, key_per_second,
       key_burst, key_pace.granted as key_granted
from opened
join account_pace on account_pace.owner = opened.owner
left join key_pace on key_pace.owner = key_id
"""

ASKING = f"""(
    select {OWNER} as owner, now_ns, account_pace.per_second, account_pace.burst,
           %(asked)s::bigint as asked
    from (select %(key_id)s::text as key_id, %(secret)s::bytea as secret_sha256,
                 %(mode)s::text as mode, %(ip)s::inet as client_ip) as presented
    join api_key on api_key.id = presented.key_id
    join account on account.id = api_key.account_id
    cross join ({NOW} offset 0) as moment
    cross join lateral ({ACCOUNT_PACE}) as account_pace
    where {OPENS}
      and api_key.requests_per_second is null and api_key.requests_burst is null
  ) as asking"""

ONE = UPSERT % ASKING


OWNERS = f"""
with moment as materialized (
{NOW}
), presented as materialized (
  select owner, asked, place, now_ns, %(per_second)s::bigint as per_second,
         %(burst)s::bigint as burst
  from unnest(%(owners)s::text[], %(asked)s::bigint[])
       with ordinality as named (owner, asked, place)
  cross join moment
), owner_pace as (
{UPSERT % "presented"}
)
select place, decided_ns as now_ns, owner, full_at_ns, owner_pace.per_second,
       owner_pace.burst, granted, '' as key_id, null::bigint as key_full_at_ns,
       owner_pace.per_second as key_per_second, owner_pace.burst as key_burst,
       null::bigint as key_granted
from owner_pace join presented using (owner)
"""
"""For those who need no key: whoever they are, they have the same pace."""


def row_of_one(values: tuple[Any, ...]) -> Row:
    """Read what `ONE` returns."""
    owner, full_at_ns, decided_ns, per_second, burst, granted = values
    return Row(
        place=1,
        now_ns=decided_ns,
        owner=owner,
        full_at_ns=full_at_ns,
        per_second=per_second,
        burst=burst,
        granted=granted,
        key_id="",
        key_full_at_ns=None,
        key_per_second=per_second,
        key_burst=burst,
        key_granted=None,
    )
