"""An account's entries as it sees them, newest first, each with the balance it left."""

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import datetime

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.postgres.pool import Database

PAGE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    id: int
    task_id: TaskId | None
    kind: str
    reason: str
    available: Credits
    held: Credits
    spent: Credits
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(_Entry):
    """An entry: what it added to each place, and what was there after it."""

    available_after: Credits
    held_after: Credits
    spent_after: Credits


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

OF_KIND = """
with page as (
  select id from ledger_entry
  where account_id = %(account_id)s and kind = %(kind)s
    and (%(before)s::bigint is null or id < %(before)s)
  order by id desc
  limit %(limit)s
), running as (
  -- Everything back to the page's oldest entry: those of other kinds moved the balance as well.
  select ledger_entry.*, sum(available) over newer as later_available,
         sum(held) over newer as later_held, sum(spent) over newer as later_spent
  from ledger_entry
  where account_id = %(account_id)s and id >= (select min(id) from page)
  window newer as (order by id desc rows between unbounded preceding and 1 preceding)
)
select running.id, task_id, kind, reason, running.available, running.held, running.spent,
       (account.available - coalesce(later_available, 0))::bigint as available_after,
       (account.held - coalesce(later_held, 0))::bigint as held_after,
       (account.spent - coalesce(later_spent, 0))::bigint as spent_after,
       running.created_at
from running
join page on page.id = running.id
join account on account.id = running.account_id
order by running.id desc
"""


async def statement(
    database: Database,
    account_id: AccountId,
    before: int | None,
    limit: int,
    kind: str | None = None,
) -> list[Line]:
    """Return entries, newest first: with `before` those older than that entry, or one kind's."""
    values = {"account_id": account_id, "before": before, "limit": limit, "kind": kind}
    return await database.fetch_all(Line, STATEMENT if kind is None else OF_KIND, values)


async def whole(database: Database, account_id: AccountId) -> AsyncIterator[Line]:
    """Read all entries, oldest first, a page at a time; balances add up from nothing."""
    after, available, held, spent = 0, 0, 0, 0
    while True:
        rows = await database.fetch_all(
            _Entry,
            """
            select id, task_id, kind, reason, available, held, spent, created_at
            from ledger_entry
            where account_id = %(account_id)s and id > %(after)s
            order by id
            limit %(limit)s
            """,
            {"account_id": account_id, "after": after, "limit": PAGE},
        )
        for row in rows:
            available, held, spent = (
                available + row.available,
                held + row.held,
                spent + row.spent,
            )
            yield Line(
                **asdict(row),
                available_after=Credits(available),
                held_after=Credits(held),
                spent_after=Credits(spent),
            )
        if len(rows) < PAGE:
            return
        after = rows[-1].id
