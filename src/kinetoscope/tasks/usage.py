"""Usage: what an account's tasks came to, by day, model and key."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import AccountId, KeyId
from kinetoscope.postgres.pool import Database

GROUPS = ("day", "model", "key")

ROWS_MAX = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tasks that were created in some time; `day`, `model` and `key` are null where not asked."""

    day: str | None
    model: str | None
    key_id: KeyId | None
    key_name: str | None
    waiting: int
    generating: int
    success: int
    fail: int
    charged: Credits
    held: Credits
    media_ms: int


USAGE = """
select case when %(by_day)s then to_char(task.created_at at time zone 'UTC', 'YYYY-MM-DD') end
         as day,
       case when %(by_model)s then task.model end as model,
       case when %(by_key)s then task.key_id end as key_id,
       case when %(by_key)s then min(api_key.name) end as key_name,
       count(*) filter (where task.status = 'waiting') as waiting,
       count(*) filter (where task.status = 'generating') as generating,
       count(*) filter (where task.status = 'success') as success,
       count(*) filter (where task.status = 'fail') as fail,
       coalesce(sum(task.price) filter (where task.status = 'success'), 0)::bigint as charged,
       coalesce(sum(task.price) filter (where task.status in ('waiting', 'generating')), 0)::bigint
         as held,
       coalesce(sum(media.duration_ms), 0)::bigint as media_ms
from task
join api_key on api_key.id = task.key_id
cross join lateral (
  select sum((item ->> 'durationMs')::bigint) as duration_ms
  from jsonb_array_elements(task.output) as item
) as media
where task.account_id = %(account_id)s
  and task.created_at >= %(since)s and task.created_at < %(until)s
group by 1, 2, 3
order by 1 desc nulls last, 2, 3
limit %(limit)s
"""


async def usage(
    database: Database,
    account_id: AccountId,
    since: datetime,
    until: datetime,
    groups: Collection[str],
) -> list[Usage]:
    """Sum up the tasks of an account that were created in a time and are still known.

    One group for all, or one for each day (of UTC), model and key, as `groups` asks.
    """
    return await database.fetch_all(
        Usage,
        USAGE,
        {
            "account_id": account_id,
            "since": since,
            "until": until,
            "by_day": "day" in groups,
            "by_model": "model" in groups,
            "by_key": "key" in groups,
            "limit": ROWS_MAX,
        },
    )
