"""How long an account's tasks took, from creation to end."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.ids import AccountId, KeyId
from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds that ended tasks took: half of them less than the median, 95 of 100 less than p95.

    `model` and `key_id` are null where not asked.
    """

    model: str | None
    key_id: KeyId | None
    median_s: float
    p95_s: float


LATENCY = """
select case when %(by_model)s then model end as model,
       case when %(by_key)s then key_id end as key_id,
       percentile_cont(0.5) within group (order by seconds)::float8 as median_s,
       percentile_cont(0.95) within group (order by seconds)::float8 as p95_s
from (
  select model, key_id,
         extract(epoch from completed_at - created_at)::float8 as seconds
  from task
  where account_id = %(account_id)s
    and created_at >= %(since)s and created_at < %(until)s
    and completed_at is not null
) as ended
group by 1, 2
"""


async def latency(
    database: Database,
    account_id: AccountId,
    since: datetime,
    until: datetime,
    groups: Collection[str],
) -> list[Latency]:
    """Measure the tasks that were created in a time: all of them, or each model's or key's."""
    return await database.fetch_all(
        Latency,
        LATENCY,
        {
            "account_id": account_id,
            "since": since,
            "until": until,
            "by_model": "model" in groups,
            "by_key": "key" in groups,
        },
    )
