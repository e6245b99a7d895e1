"""Whether the books agree: balances, entries and tasks against each other."""

from dataclasses import dataclass

from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """One account or task whose books do not agree, and how."""

    subject: str
    problem: str


async def audit(database: Database) -> list[Discrepancy]:
    """Check the invariants of money over all accounts and tasks; an empty list means all hold."""
    return await database.fetch_all(Discrepancy, AUDIT, {})


AUDIT = """
with total as (
  select account_id, sum(granted) as granted, sum(available) as available, sum(held) as held,
         sum(spent) as spent
  from ledger_entry group by account_id
), open_task as (
  select account_id, sum(price) as held, count(*) filter (where not is_test) as tasks,
         count(*) filter (where is_test) as tests
  from task where status in ('waiting', 'generating') and not is_sample group by account_id
), task_entry as (
  select task_id,
         count(*) filter (where kind = 'hold') as holds,
         count(*) filter (where kind = 'capture') as captures,
         count(*) filter (where kind = 'release') as releases,
         sum(held) as held
  from ledger_entry where task_id is not null group by task_id
)
select account.id as subject, 'balance differs from the sum of its entries' as problem
from account left join total on total.account_id = account.id
where (account.available, account.held, account.spent)
   is distinct from
   (coalesce(total.available, 0), coalesce(total.held, 0), coalesce(total.spent, 0))
union all
select account.id, 'held credits or running tasks differ from the open tasks'
from account left join open_task on open_task.account_id = account.id
where (account.held, account.tasks_running::bigint, account.tests_running::bigint)
   is distinct from
   (coalesce(open_task.held, 0), coalesce(open_task.tasks, 0), coalesce(open_task.tests, 0))
union all
select task.id, 'task and entries disagree: ' || task.status || ', holds ' ||
       coalesce(holds, 0) || ', captures ' || coalesce(captures, 0) || ', releases ' ||
       coalesce(releases, 0)
from task left join task_entry on task_entry.task_id = task.id
where not task.is_sample  -- they cost nobody anything and hold nothing
  and (coalesce(holds, 0), coalesce(captures, 0), coalesce(releases, 0)) is distinct from
      (1, (task.status = 'success')::int, (task.status = 'fail')::int)
union all
select task_entry.task_id, 'an ended hold still holds credits'
from task_entry where holds <> 1 or (captures + releases = 1 and held <> 0)
"""
