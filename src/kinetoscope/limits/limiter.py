"""Asks PostgreSQL whether requests may come: nothing is decided in a process.

Requests that arrive while the one statement of this process is under way wait, and the next
statement decides for all of them.

Keys are looked at before they count, secret and all: their ids are no secret, and nobody may use
up an account's pace with a key that would not open.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kinetoscope.kernel.clock import Clock
from kinetoscope.kernel.errors import DatabaseUnavailable
from kinetoscope.kernel.secrets import PresentedKey
from kinetoscope.limits.gcra import NS_PER_S, Pace, Standing, standing
from kinetoscope.postgres.pool import Database

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about one request; `refused_by` is None where it may come.

    `key` is None unless the key has a pace of its own.
    """

    account: Standing
    key: Standing | None
    refused_by: Standing | None


@dataclass(frozen=True, slots=True)
class Row:
    """What the statement says of one presented key; `key_…` is null without a pace of its own."""

    place: int
    now_ns: int
    account_id: str
    full_at_ns: int
    per_second: int
    burst: int
    granted: int
    key_id: str
    key_full_at_ns: int | None
    key_per_second: int
    key_burst: int
    key_granted: int | None


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
  from %s
  cross join lateral (select ({NS_PER_S} - 1) / per_second + 1 as interval_ns) as one
  cross join moment
  order by owner  -- always in this order: no two processes wait for each other
  on conflict (owner) do update
  set full_at_ns = {BASE} + excluded.interval_ns * {GRANTED},
      decided_ns = excluded.decided_ns,
      interval_ns = excluded.interval_ns,
      burst = excluded.burst,
      asked = excluded.asked,
      granted = {GRANTED}
  returning owner, full_at_ns, granted
"""

DECIDE = f"""
with moment as materialized (
  -- One clock for all processes: the database's.
  select coalesce(%(now_ns)s::bigint,
                  (extract(epoch from clock_timestamp()) * {NS_PER_S})::bigint) as now_ns
), opened as materialized (
  select place, presented.asked, account.id as account_id, api_key.id as key_id,
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
  cross join lateral (
    select coalesce(account.requests_per_second, %(per_second)s::int) as per_second,
           coalesce(account.requests_burst,
                    least(%(burst)s::int, 2 * account.requests_per_second)) as burst
  ) as account_pace
  where api_key.secret_sha256 = presented.secret_sha256
    and api_key.mode = presented.mode
    and api_key.active
    and (api_key.expires_at is null
         or extract(epoch from api_key.expires_at) * {NS_PER_S} > (select now_ns from moment))
    and (api_key.ip_ranges is null or presented.client_ip <<= any (api_key.ip_ranges))
    and account.api_access
), key_asked as (
  select key_id as owner, min(key_per_second) as per_second, min(key_burst) as burst,
         sum(asked)::bigint as asked
  from opened where key_own group by key_id
), key_pace as (
{UPSERT % "key_asked"}
), account_asked as (
  -- What a key's own pace refused does not count for its account.
  select account_id as owner, min(per_second) as per_second, min(burst) as burst,
         sum(coalesce(granted, asked))::bigint as asked
  from (
    select account_id, key_id, min(per_second) as per_second, min(burst) as burst,
           sum(asked) as asked
    from opened group by account_id, key_id
  ) as by_key left join key_pace on owner = key_id
  group by account_id
), account_pace as (
{UPSERT % "account_asked"}
)
select place, now_ns, account_id, account_pace.full_at_ns, per_second, burst,
       account_pace.granted, key_id, key_pace.full_at_ns as key_full_at_ns, key_per_second,
       key_burst, key_pace.granted as key_granted
from opened
cross join moment
join account_pace on account_pace.owner = account_id
left join key_pace on key_pace.owner = key_id
"""

Waiting = tuple[PresentedKey, "asyncio.Future[Verdict | None]"]


class Limiter:
    """Decides about requests, as many at a time as came since the last decision."""

    def __init__(self, database: Database, usual: Pace, clock: Clock | None = None) -> None:
        """`usual` is for accounts without a pace of their own; a clock only where time is moved."""
        self.database = database
        self.usual = usual
        self.clock = clock
        self.waiting: list[Waiting] = []
        self.deciding: asyncio.Task[None] | None = None

    async def ask(self, key: PresentedKey) -> Verdict | None:
        """Decide about one request; None if its key does not open. Raises DatabaseUnavailable."""
        answer: asyncio.Future[Verdict | None] = asyncio.get_running_loop().create_future()
        self.waiting.append((key, answer))
        if self.deciding is None:
            # A task of its own: whoever asked first may go away, and the others still wait.
            self.deciding = asyncio.create_task(self._decide())
        return await answer

    async def _decide(self) -> None:
        try:
            while self.waiting:
                batch, self.waiting = self.waiting, []
                await self._answer(batch)
        finally:
            self.deciding = None

    async def _answer(self, batch: list[Waiting]) -> None:
        presented = Counter(key for key, _ in batch)
        try:
            rows = await self.database.fetch_all(Row, DECIDE, self._parameters(presented))
        except Exception as error:  # noqa: BLE001 - raised again where it was asked for
            away = isinstance(error, DatabaseUnavailable)
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(DatabaseUnavailable() if away else error)
            return
        places = {key: place for place, key in enumerate(presented, 1)}
        verdicts = share_out([places[key] for key, _ in batch], rows)
        for (_, answer), verdict in zip(batch, verdicts, strict=True):
            if not answer.done():
                answer.set_result(verdict)

    def _parameters(self, presented: Counter[PresentedKey]) -> dict[str, object]:
        moment = None if self.clock is None else self.clock() - EPOCH
        return {
            "key_ids": [key.id for key in presented],
            "secrets": [key.secret_sha256 for key in presented],
            "modes": [key.mode.value for key in presented],
            "ips": [key.client_ip for key in presented],
            "asked": list(presented.values()),
            "per_second": self.usual.per_second,
            "burst": self.usual.burst,
            "now_ns": None if moment is None else moment // timedelta(microseconds=1) * 1000,
        }


def share_out(places: list[int], rows: list[Row]) -> Iterator[Verdict | None]:
    """Give what was granted to those who asked first: one verdict for each place that asked."""
    by_place = {row.place: row for row in rows}
    left_of = {row.account_id: row.granted for row in rows}
    left_of |= {row.key_id: row.key_granted for row in rows if row.key_granted is not None}
    stands = {row.place: _standings(row) for row in rows}
    for place in places:
        row = by_place.get(place)
        if row is None:
            yield None
            continue
        account, key = stands[place]
        refused_by = None
        if key is not None and left_of[row.key_id] == 0:
            refused_by = key
        elif left_of[row.account_id] == 0:
            refused_by = account
        else:
            left_of[row.account_id] -= 1
            if key is not None:
                left_of[row.key_id] -= 1
        yield Verdict(account, key, refused_by)


def _standings(row: Row) -> tuple[Standing, Standing | None]:
    account = standing(row.full_at_ns, row.now_ns, Pace(row.per_second, row.burst))
    if row.key_full_at_ns is None:
        return account, None
    pace = Pace(row.key_per_second, row.key_burst)
    return account, standing(row.key_full_at_ns, row.now_ns, pace)
