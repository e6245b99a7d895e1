"""The log: what was tried, what came of it, and trying again by hand."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kinetoscope.kernel.errors import Forbidden, NotFound
from kinetoscope.kernel.ids import AccountId, TaskId, random_base36
from kinetoscope.postgres.pool import Database
from kinetoscope.webhooks.outbox import CHANNEL, Claimed

KEPT = timedelta(days=30)
"""How long a delivery that came to an end stays in the log."""

FORGET_ROWS = 5000

STATES = ("pending", "delivered", "failed", "disabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery as its owner sees it."""

    id: str
    seq: int
    account_id: AccountId
    task_id: TaskId
    event_type: str
    url: str
    state: str
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt: `status` is None where no answer came, `error` where it was delivered."""

    started_at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which deliveries are asked for; `before` is where the page before ended."""

    task_id: str | None
    state: str | None
    before: int | None
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The delivery that a statement wrote to."""

    id: str


COLUMNS = """
  id, seq, account_id, task_id, event_type, url, state, attempts, next_attempt_at, created_at,
  ended_at
"""


NOTE = """
with noted as (
  insert into webhook_attempt
    (id, delivery_id, started_at, duration_ms, status, error, response)
  -- Nothing, where the delivery was deleted with its task while it was on its way.
  select %(attempt_id)s, id, %(started_at)s, %(duration_ms)s, %(status)s::integer,
         %(error)s::text, %(response)s
  from webhook_delivery where id = %(id)s
  for key share
  on conflict (id) do nothing
  returning id
), before as (
  select id, state = 'pending' and (claim = %(claim)s or %(state)s = 'delivered') as decides
  from webhook_delivery where id = %(id)s
  for update
)
update webhook_delivery delivery
set attempts = attempts + (select count(*) from noted),
    tries = tries + (select count(*) from noted),
    state = case when decides then %(state)s else state end,
    next_attempt_at = case when decides then %(next_attempt_at)s else next_attempt_at end,
    ended_at = case when decides and %(state)s <> 'pending' then %(now)s else ended_at end
from before
where delivery.id = before.id
"""


async def note(
    database: Database,
    claimed: Claimed,
    attempt: Attempt,
    *,
    state: str,
    next_attempt_at: datetime | None,
    now: datetime,
) -> None:
    """Write an attempt down, and how it goes on.

    That it arrived is true whoever says so. Everything else is only for the latest claim to say.
    """
    parameters = note_parameters(
        claimed, attempt, state=state, next_attempt_at=next_attempt_at, now=now
    )
    await database.execute(NOTE, parameters)


def note_parameters(
    claimed: Claimed,
    attempt: Attempt,
    *,
    state: str,
    next_attempt_at: datetime | None,
    now: datetime,
) -> dict[str, object]:
    """Return what `NOTE` needs; its attempt's own id makes it harmless to repeat."""
    return {
        "attempt_id": "try_" + random_base36(24),
        "id": claimed.id,
        "claim": claimed.claim,
        "started_at": attempt.started_at,
        "duration_ms": attempt.duration_ms,
        "status": attempt.status,
        "error": attempt.error,
        "response": attempt.response,
        "state": state,
        "next_attempt_at": next_attempt_at,
        "now": now,
    }


async def listing(database: Database, account_id: AccountId, asked: Filter) -> list[Delivery]:
    """Show an account's deliveries, newest first."""
    return await database.fetch_all(
        Delivery,
        f"""
        select {COLUMNS} from webhook_delivery
        where account_id = %(account_id)s
          and (%(task_id)s::text is null or task_id = %(task_id)s)
          and (%(state)s::text is null or state = %(state)s)
          and (%(before)s::bigint is null or seq < %(before)s)
        order by seq desc
        limit %(limit)s
        """,
        {
            "account_id": account_id,
            "task_id": asked.task_id,
            "state": asked.state,
            "before": asked.before,
            "limit": asked.limit,
        },
    )


async def find(database: Database, account_id: AccountId, delivery_id: str) -> Delivery:
    """Show one delivery to its owner; raises NotFound or Forbidden."""
    query = f"select {COLUMNS} from webhook_delivery where id = %(id)s"
    found = await database.fetch_one(Delivery, query, {"id": delivery_id})
    if found is None:
        raise NotFound("Delivery not found")
    if found.account_id != account_id:
        raise Forbidden("Access denied")
    return found


async def is_of_test_task(
    database: Database, account_id: AccountId, delivery_id: str
) -> bool | None:
    """Tell whether a test key made the task that a delivery is about; None for a test event.

    Raises NotFound or Forbidden.
    """
    delivery = await find(database, account_id, delivery_id)
    values = await database.fetch_values(
        "select is_test from task where id = %(id)s", {"id": delivery.task_id}
    )
    return None if values is None else bool(values[0])


async def attempts(database: Database, delivery_id: str) -> list[Attempt]:
    """Show the attempts of a delivery, oldest first."""
    return await database.fetch_all(
        Attempt,
        """
        select started_at, duration_ms, status, error, response
        from webhook_attempt where delivery_id = %(id)s
        order by started_at, id
        """,
        {"id": delivery_id},
    )


async def redeliver(
    database: Database, account_id: AccountId, delivery_id: str, now: datetime
) -> Delivery:
    """Send once more, under the same id, with a schedule of its own; raises NotFound or Forbidden.

    One that is pending anyway goes out now. Repeating this changes nothing.
    """
    await find(database, account_id, delivery_id)
    await database.execute(
        f"""
        with asked as (
          update webhook_delivery
          set state = 'pending', tries = 0, next_attempt_at = %(now)s, ended_at = null,
              -- What an attempt in flight has to say decides nothing any more.
              claim = claim + 1
          where id = %(id)s
          returning id
        )
        select pg_notify('{CHANNEL}', '') from asked
        """,
        {"id": delivery_id, "now": now},
    )
    return await find(database, account_id, delivery_id)


async def forget_old(database: Database, now: datetime) -> int:
    """Delete deliveries that ended long ago, with their attempts; return how many."""
    return await database.execute(
        """
        delete from webhook_delivery
        where id in (select id from webhook_delivery where ended_at < %(before)s limit %(rows)s)
        """,
        {"before": now - KEPT, "rows": FORGET_ROWS},
    )
