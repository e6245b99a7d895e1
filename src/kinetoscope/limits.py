"""How many requests may come: per account, and per key with a pace of its own. GCRA in PostgreSQL.

One row says for all processes when an account's whole burst will be there again; every request
moves that moment on. Nothing is decided in a process: but requests that arrive while its one
statement is under way wait, and the next statement decides for all of them.

Keys are looked at before they count, secret and all. Their ids are no secret, and nobody may use
up the pace of an account whose key would not open.
https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from kinetoscope.kernel.clock import Clock
from kinetoscope.kernel.errors import DatabaseUnavailable
from kinetoscope.kernel.secrets import PresentedKey
from kinetoscope.postgres.pool import Database

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How many requests may come per second in the long run, and how many at once."""

    per_second: int
    burst: int

    @property
    def interval_ns(self) -> int:
        """How long it takes until one request more may come."""
        return (NS_PER_S - 1) // self.per_second + 1

    @property
    def window_ns(self) -> int:
        """How long it takes until the whole burst is there again."""
        return self.burst * self.interval_ns


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account or a key stands after a decision."""

    pace: Pace
    left: int
    """How many requests may still come at once."""
    wait_s: int
    """How long until the whole burst is there again, or one request, where none is left."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about one request. `key` is None unless the key has its own pace."""

    account: Standing
    key: Standing | None
    refused_by: Standing | None


def decide(full_at_ns: int, now_ns: int, pace: Pace, asked: int) -> tuple[int, int]:
    """Return how many of the requests that ask may come, and when all will be there again.

    The statement below does the same; this is what it is held against.
    """
    latest_ns = now_ns + pace.window_ns
    # Bounded above as well: neither a clock that was set back nor a smaller burst locks anybody
    # out for longer than a burst takes.
    full_at_ns = min(max(full_at_ns, now_ns), latest_ns)
    granted = min(asked, (latest_ns - full_at_ns) // pace.interval_ns)
    return granted, full_at_ns + granted * pace.interval_ns


def standing(full_at_ns: int, now_ns: int, pace: Pace) -> Standing:
    """Tell how an account or a key stands."""
    room_ns = now_ns + pace.window_ns - full_at_ns
    left = room_ns // pace.interval_ns
    wait_ns = full_at_ns - now_ns if left else pace.interval_ns - room_ns
    return Standing(pace, left, -(-wait_ns // NS_PER_S))


BASE = """
  least(greatest(pace.full_at_ns, excluded.decided_ns),
        excluded.decided_ns + excluded.burst * excluded.interval_ns)
"""

GRANTED = f"""
  least(excluded.asked,
        (excluded.decided_ns + excluded.burst * excluded.interval_ns - {BASE})
        / excluded.interval_ns)
"""

UPSERT = f"""
  insert into request_pace as pace
    (owner, full_at_ns, decided_ns, interval_ns, burst, asked, granted)
  select owner, now_ns + least(asked, burst) * interval_ns, now_ns, interval_ns, burst, asked,
         least(asked, burst)
  from %s cross join moment
  order by owner  -- always in this order, so that no two processes wait for each other
  on conflict (owner) do update
  set full_at_ns = {BASE} + excluded.interval_ns * {GRANTED},
      decided_ns = excluded.decided_ns,
      interval_ns = excluded.interval_ns,
      burst = excluded.burst,
      asked = excluded.asked,
      granted = {GRANTED}
  returning *
"""

INTERVAL = f"(({NS_PER_S} - 1) / %s + 1)"  # rounded up: never faster than was said

DECIDE = f"""
with moment as materialized (
  -- One clock for all processes: the database's.
  select coalesce(%(now_ns)s::bigint,
                  (extract(epoch from clock_timestamp()) * {NS_PER_S})::bigint) as now_ns
), opened as materialized (
  select place, asked, api_key.id as key_id, account.id as account_id,
         coalesce(account.requests_per_second, %(per_second)s) as account_per_second,
         coalesce(account.requests_burst,
                  least(%(burst)s, 2 * account.requests_per_second)) as account_burst,
         api_key.requests_per_second as key_per_second,
         api_key.requests_burst as key_burst
  from unnest(%(key_ids)s::text[], %(secrets)s::bytea[], %(modes)s::text[], %(ips)s::inet[],
              %(asked)s::bigint[])
       with ordinality as presented (key_id, secret_sha256, mode, client_ip, asked, place)
  join api_key on api_key.id = presented.key_id
  join account on account.id = api_key.account_id
  where api_key.secret_sha256 = presented.secret_sha256
    and api_key.mode = presented.mode
    and api_key.active
    and (api_key.expires_at is null or api_key.expires_at > to_timestamp(
           (select now_ns from moment) / {NS_PER_S}.0))
    and (api_key.ip_ranges is null or presented.client_ip <<= any (api_key.ip_ranges))
    and account.api_access
), key_asked as (
  select key_id as owner, sum(asked)::bigint as asked,
         min({INTERVAL % "coalesce(key_per_second, account_per_second)"}) as interval_ns,
         min(coalesce(key_burst, least(account_burst, 2 * key_per_second))) as burst
  from opened
  where key_per_second is not null or key_burst is not null
  group by key_id
), key_pace as (
{UPSERT % "key_asked"}
), account_asked as (
  select account_id as owner,
         min({INTERVAL % "account_per_second"}) as interval_ns, min(account_burst) as burst,
         sum(coalesce(granted, key.asked))::bigint as asked
  from (
    select account_id, key_id, account_per_second, account_burst, sum(asked) as asked
    from opened group by 1, 2, 3, 4
  ) as key left join key_pace on key_pace.owner = key.key_id
  group by account_id
), account_pace as (
{UPSERT % "account_asked"}
)
select place, now_ns, account_id, key_id,
       account_pace.full_at_ns, account_pace.interval_ns, account_pace.burst, account_pace.granted,
       key_pace.full_at_ns, key_pace.interval_ns, key_pace.burst, key_pace.granted
from opened
cross join moment
join account_pace on account_pace.owner = account_id
left join key_pace on key_pace.owner = key_id
"""


class Decided(NamedTuple):
    """What the statement says of one presented key, in the order of its columns."""

    place: int
    now_ns: int
    account_id: str
    key_id: str
    account: tuple[int, int, int, int]
    key: tuple[int, int, int, int] | None


class Limiter:
    """Asks the database about requests, as many at a time as came since it was last asked."""

    def __init__(self, database: Database, usual: Pace, clock: Clock | None = None) -> None:
        """`usual` is for accounts without a pace of their own; `clock` only where time is moved."""
        self.database = database
        self.usual = usual
        self.clock = clock
        self.waiting: list[tuple[PresentedKey, asyncio.Future[Verdict | None]]] = []
        self.asking: asyncio.Task[None] | None = None

    async def ask(self, key: PresentedKey) -> Verdict | None:
        """Decide about one request; None if its key does not open. Raises DatabaseUnavailable."""
        answer: asyncio.Future[Verdict | None] = asyncio.get_running_loop().create_future()
        self.waiting.append((key, answer))
        if self.asking is None:
            self.asking = asyncio.create_task(self._ask())
        return await answer

    async def _ask(self) -> None:
        try:
            while self.waiting:
                batch, self.waiting = self.waiting, []
                await self._answer(batch)
        finally:
            self.asking = None
