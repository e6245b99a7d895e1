"""All SQL that creates tasks: each statement holds the price, records the task and enqueues it.

Only this folder may use it. What writes to a task later is in `store`.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from kinetoscope.accounts import opening
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.postgres.pool import Connection, Database, Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What decides whether an account may create a task; running are those of one mode."""

    available: Credits
    tasks_running: int
    tasks_running_max: int


CREATE = f"""
with charged as (
  -- Key, cap and credits in one condition: parallel requests queue up on the account's row, and
  -- each sees what the one before it left. Test tasks have places of their own, as many.
  update account
  set available = account.available - %(price)s,
      held = account.held + %(price)s,
      tasks_running = account.tasks_running + (not %(is_test)s::boolean)::int,
      tests_running = account.tests_running + %(is_test)s::boolean::int
  from api_key
  where {opening.OPENS}
    and (not api_key.capped or %(caps_checked)s)
    and account.available >= %(price)s
    and case when %(is_test)s::boolean then account.tests_running else account.tasks_running end
        < account.tasks_running_max
  returning account.id
), hold as (
  insert into ledger_entry
    (account_id, task_id, kind, granted, available, held, spent, created_at)
  select id, %(task_id)s, 'hold', 0, -%(price)s::bigint, %(price)s, 0, %(now)s
  from charged
), created as (
  insert into task
    (id, account_id, key_id, model, inputs, seed, callback_url, provider, price, media_name,
     is_test, rehearsal, cache_key, dialect, dialect_details, events, start_by,
     end_by, created_at)
  select %(task_id)s, id, %(key_id)s, %(model)s, %(inputs)s, %(seed)s, %(callback_url)s,
         %(provider)s, %(price)s, %(media_name)s, %(is_test)s, %(rehearsal)s, %(cache_key)s,
         %(dialect)s, %(dialect_details)s, %(events)s, %(start_by)s, %(end_by)s, %(now)s
  from charged
  returning id
)
select id, enqueue_advance(id, %(queue)s::text) from created
"""


async def create(database: Database, parameters: Parameters) -> bool:
    """Hold the price, record the task and enqueue it; False if key, cap or credits forbade it."""
    return await database.execute(CREATE, parameters) == 1


async def create_within(connection: Connection, parameters: Parameters) -> bool:
    """Do the same as part of a transaction."""
    cursor = await connection.execute(CREATE, parameters)
    return await cursor.fetchone() is not None


REUSABLE = """
  account_id = %(account_id)s and cache_key = %(cache_key)s and cached_from is null
  and status = 'success' and media_expires_at > %(now)s and data_deleted_at is null
"""

REUSE = f"""
with source as (
  -- Shared with whoever else shows this media, so that nobody deletes it in this moment.
  select * from task
  where {REUSABLE}
  order by created_at desc
  limit 1
  for share
), entries as (
  insert into ledger_entry
    (account_id, task_id, kind, granted, available, held, spent, created_at)
  select account_id, %(task_id)s, kind, 0, 0, 0, 0, %(now)s
  from source cross join (values ('hold'), ('capture')) as kinds (kind)
)
insert into task
  (id, account_id, key_id, model, inputs, seed, callback_url, provider, price, media_name,
   is_test, cache_key, cached_from, status, progress, preview, ai_generated, output, created_at,
   started_at, completed_at, media_expires_at, metadata_expires_at, dialect, dialect_details,
   events)
select %(task_id)s, account_id, %(key_id)s, model, inputs, seed, %(callback_url)s, provider, 0,
       media_name, is_test, cache_key, id, 'success', 100, preview, ai_generated, output, %(now)s,
       %(now)s, %(now)s, media_expires_at, %(now)s + (metadata_expires_at - completed_at),
       %(dialect)s, %(dialect_details)s, %(events)s
from source
returning id
"""


async def reuse_within(connection: Connection, parameters: Parameters) -> bool:
    """Record a task that shows the media of an equal one; False if there is none."""
    cursor = await connection.execute(REUSE, parameters)
    return await cursor.fetchone() is not None


async def reusable_within(
    connection: Connection, account_id: AccountId, cache_key: bytes | None, now: datetime
) -> bool:
    """Whether there is media to show for an equal task. Writes nothing."""
    cursor = await connection.execute(
        f"select from task where {REUSABLE} limit 1",
        {"account_id": account_id, "cache_key": cache_key, "now": now},
    )
    return await cursor.fetchone() is not None


async def made_within(connection: Connection, task_id: TaskId) -> bool | None:
    """Whether the task of this id shows an earlier one's media; None where there is no such task.

    Part of a transaction.
    """
    query = "select cached_from is not null from task where id = %s"
    row = await (await connection.execute(query, (task_id,))).fetchone()
    return None if row is None else bool(row[0])


CREATE_SAMPLE = """
with made as (
  -- Without a hold: entries stay for good under the task's id, but a sample whose row was deleted
  -- comes again under the same id.
  insert into task
    (id, account_id, key_id, model, inputs, seed, provider, price, media_name, is_test, is_sample,
     rehearsal, created_at)
  values
    (%(task_id)s, %(account_id)s, %(key_id)s, %(model)s, %(inputs)s, %(seed)s, %(provider)s, 0,
     %(media_name)s, true, true, %(rehearsal)s, %(now)s)
  on conflict (id) do update
  -- One that ended otherwise than it should, as when no worker came in time, begins anew.
  set status = 'waiting', progress = null, error_code = null, error_message = null,
      error_detail = null,
      completed_at = null, started_at = null, submits = 0, submit_started_at = null,
      upstream_id = null, media_name = excluded.media_name, inputs = excluded.inputs,
      seed = excluded.seed, provider = excluded.provider, created_at = excluded.created_at
  where task.is_sample and task.status = 'fail'
    and task.error_code is distinct from %(error_code)s
  returning id
)
select enqueue_advance(id, %(queue)s::text) from made
"""


async def create_sample(database: Database, parameters: Parameters) -> int:
    """Record a sample and enqueue it, unless it is there; return how many were made: 1 or 0.

    `error_code` is what it should end with, or None. Samples cost nobody anything and have no
    entries in the ledger.
    """
    return await database.execute(CREATE_SAMPLE, parameters)


def as_json(value: object) -> object:
    """Return a value as the database takes it for a JSON column."""
    return Jsonb(value)


async def exists(database: Database, task_id: TaskId) -> bool:
    """Whether a task of this id was made."""
    query = "select id from task where id = %(id)s"
    return await database.fetch_values(query, {"id": task_id}) is not None


async def balance(database: Database, account_id: AccountId, *, is_test: bool) -> Balance:
    """Look at what an account may do with test keys, or with live ones."""
    found = await database.fetch_one(
        Balance,
        """
        select available, tasks_running_max,
               case when %(is_test)s::boolean then tests_running else tasks_running end
                 as tasks_running
        from account where id = %(id)s
        """,
        {"id": account_id, "is_test": is_test},
    )
    assert found is not None  # noqa: S101 - accounts are never deleted
    return found
