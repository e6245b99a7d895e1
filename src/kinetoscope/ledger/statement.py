"""An account's entries as it sees them, newest first, each with the balance it left."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An entry: what it added to each place, and what was there after it."""

    id: int
    task_id: TaskId | None
    kind: str
    reason: str
    available: Credits
    held: Credits
    spent: Credits
    available_after: Credits
    held_after: Credits
    spent_after: Credits
    created_at: datetime


STATEMENT = """
with page as (
  select * from ledger_entry
  where account_id = %(account_id)s and (%(before)s::bigint is null or id < %(before)s)
  order by id desc
  limit %(limit)s
), later as (
  -- What came after this page. Entries get their numbers while their account's row is locked, so
  -- they are in the order in which they changed the balance.
  select coalesce(sum(available), 0) as available, coalesce(sum(held), 0) as held,
         coalesce(sum(spent), 0) as spent
  from ledger_entry where account_id = %(account_id)s and id >= %(before)s
)
select page.id, page.task_id, page.kind, page.reason, page.available, page.held, page.spent,
       -- Backwards from the balance as it is: the first page sums up nothing but itself.
       (account.available - later.available
          - coalesce(sum(page.available) over newer, 0))::bigint as available_after,
       (account.held - later.held - coalesce(sum(page.held) over newer, 0))::bigint as held_after,
       (account.spent - later.spent
          - coalesce(sum(page.spent) over newer, 0))::bigint as spent_after,
       page.created_at
from page
join account on account.id = page.account_id
cross join later
window newer as (order by page.id desc rows between unbounded preceding and 1 preceding)
order by page.id desc
"""


async def statement(
    database: Database, account_id: AccountId, before: int | None, limit: int
) -> list[Line]:
    """Return entries, newest first; with `before` those older than that entry."""
    return await database.fetch_all(
        Line, STATEMENT, {"account_id": account_id, "before": before, "limit": limit}
    )
