"""The outbox: what is to be delivered is written in the transaction that makes it true.

A row here is the only thing a delivery depends on. Senders claim what is due, and a claim is only
a due time moved into the future: whoever dies with one in hand has it taken over after a while.
No job of the engine stands beside it, since most of a delivery's life is waiting, by the clock
that tests move, and since which one goes next depends on its receiver and not on its age alone.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from kinetoscope.kernel.ids import AccountId, TaskId, random_base36
from kinetoscope.postgres.pool import Connection, Database

CHANNEL = "webhook_due"
"""Where senders hear of what was written, so that it goes out at once."""

TEST_EVENT = "webhook.test"

STARTED = "task.started"
PROGRESSED = "task.progress"
COURSE = frozenset({STARTED, PROGRESSED})
"""What is told of a task before its end."""

PROGRESS = frozenset({"start", "logs"})
"""The words for that, as a task's receiver wants it."""

EVENT_TYPES = (STARTED, PROGRESSED, "task.succeeded", "task.failed", TEST_EVENT)

QUARTER_PERCENT = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that this sender may make now."""

    id: str
    account_id: AccountId
    task_id: TaskId
    event_type: str
    url: str
    lane: str
    body: bytes | None
    rehearsal: str | None
    claim: int
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many deliveries may start: in all, for each receiver, and none for full accounts.

    `by_lane` names the receivers that have less room than `per_lane`.
    """

    total: int
    per_lane: int
    by_lane: Mapping[str, int]
    full_accounts: tuple[AccountId, ...]


def message_id(task_id: TaskId) -> str:
    """Return the webhook-id of a task's end; it ends once, so the id follows from the task's."""
    return "msg_" + task_id.removeprefix("task_")


async def put(connection: Connection, task_id: TaskId, now: datetime) -> None:
    """Note that a task that has just ended is to be told of. Part of the transaction that ends it.

    Does nothing for a task without a callBackUrl, one that was noted before, or one whose receiver
    wants other events only. What it made comes with its end, so that is told once. News of its
    course that nobody has sent yet is dropped; a receiver that wants its start alone hears of that.
    """
    await connection.execute(
        f"""
        with ended as (
          select *,
                 events is null or 'completed' = any (events)
                   or status = 'success' and 'output' = any (events) as is_told
          from task
          where id = %(task_id)s and callback_url is not null and status in ('success', 'fail')
        ), overtaken as (
          delete from webhook_delivery
          where task_id = (select id from ended where is_told and events is not null)
            and event_type in ('{STARTED}', '{PROGRESSED}') and state = 'pending'
        ), noted as (
          insert into webhook_delivery
            (id, account_id, task_id, event_type, url, rehearsal, next_attempt_at, created_at)
          select %(id)s || case when is_told then '' else '_start' end, account_id, id,
                 case when not is_told then '{STARTED}'
                      when status = 'success' then 'task.succeeded' else 'task.failed' end,
                 callback_url, rehearsal, %(now)s, %(now)s
          from ended
          where is_told or 'start' = any (events)
          on conflict (id) do nothing
          returning id
        )
        select pg_notify('{CHANNEL}', '') from noted
        """,
        {"id": message_id(task_id), "task_id": task_id, "now": now},
    )


async def put_progress(
    database: Database, task_id: TaskId, percent: int | None, now: datetime
) -> None:
    """Note that a task is being worked on, for receivers that want to hear of its start or logs.

    Each is noted once, and only while the task is open; progress by quarters.
    """
    await database.execute(
        f"""
        with noted as (
          insert into webhook_delivery
            (id, account_id, task_id, event_type, url, next_attempt_at, created_at)
          select %(id)s || event.tail, account_id, task.id, event.type, callback_url, %(now)s,
                 %(now)s
          from task cross join (values
            ('start', '{STARTED}', '_start'),
            ('logs', '{PROGRESSED}', '_logs' || %(quarter)s::smallint)
          ) as event (name, type, tail)
          where task.id = %(task_id)s and callback_url is not null and status = 'generating'
            and event.name = any (events)
          on conflict (id) do nothing
          returning id
        )
        select pg_notify('{CHANNEL}', '') from noted
        """,
        {
            "id": message_id(task_id),
            "task_id": task_id,
            "quarter": (percent or 0) // QUARTER_PERCENT,
            "now": now,
        },
    )


def new_test_ids() -> tuple[str, TaskId]:
    """Return a new webhook-id for a test, and the id of the task it makes believe has ended."""
    tail = "test" + random_base36(20)
    return f"msg_{tail}", TaskId(f"task_{tail}")


async def put_test(
    database: Database, account_id: AccountId, task_id: TaskId, url: str, body: bytes, now: datetime
) -> None:
    """Note a test event, which carries its own body."""
    await database.execute(
        f"""
        with noted as (
          insert into webhook_delivery
            (id, account_id, task_id, event_type, url, body, next_attempt_at, created_at)
          values (%(id)s, %(account_id)s, %(task_id)s, '{TEST_EVENT}', %(url)s, %(body)s,
                  %(now)s, %(now)s)
          on conflict (id) do nothing
          returning id
        )
        select pg_notify('{CHANNEL}', '') from noted
        """,
        {
            "id": message_id(task_id),
            "account_id": account_id,
            "task_id": task_id,
            "url": url,
            "body": body,
            "now": now,
        },
    )


EARLY_ROWS = 500
"""Of what is due, how much is looked at before it counts as piled up."""

CLAIM = """
with recursive early as materialized (
  select lane, next_attempt_at from webhook_delivery
  where state = 'pending' and next_attempt_at <= %(now)s
  order by next_attempt_at
  limit %(early)s
), glance as (
  -- Mostly that is all there is to do, and nobody else needs to be looked at.
  select count(*) < %(early)s as is_everything from early
), head as (
  -- Where much is piled up, every receiver that something is pending for, with the time of its
  -- next: one look into the index for each, so that no pile hides another's receiver.
  (select lane, next_attempt_at from webhook_delivery
   where state = 'pending' and not (select is_everything from glance)
   order by lane, next_attempt_at limit 1)
  union all
  select following.lane, following.next_attempt_at
  from head, lateral (
    select lane, next_attempt_at from webhook_delivery
    where state = 'pending' and lane > head.lane order by lane, next_attempt_at limit 1
  ) following
), lanes as (
  select lane, next_attempt_at from head
  union all
  select lane, min(next_attempt_at) from early
  where (select is_everything from glance)
  group by lane
), crowded as (
  select * from unnest(%(lanes)s::text[], %(rooms)s::integer[]) as crowded (lane, room)
), open_lane as (
  select lanes.lane, coalesce(crowded.room, %(per_lane)s) as room
  from lanes left join crowded on crowded.lane = lanes.lane
  where lanes.next_attempt_at <= %(now)s and coalesce(crowded.room, %(per_lane)s) > 0
  order by lanes.next_attempt_at
), picked as (
  select due.id
  from open_lane cross join lateral (
    select id from webhook_delivery
    where state = 'pending' and lane = open_lane.lane and next_attempt_at <= %(now)s
      and account_id <> all (%(full_accounts)s::text[])
    order by next_attempt_at
    limit open_lane.room
    for update skip locked
  ) due
  limit %(total)s
)
update webhook_delivery delivery
set next_attempt_at = %(until)s, claim = claim + 1
from picked
where delivery.id = picked.id
returning delivery.id, delivery.account_id, delivery.task_id, delivery.event_type, delivery.url,
          delivery.lane, delivery.body, delivery.rehearsal, delivery.claim, delivery.tries
"""


async def claim_due(
    database: Database, room: Room, now: datetime, lease: timedelta
) -> list[Claimed]:
    """Take deliveries that are due, as far as there is room; others may have them after `lease`.

    Repeated after its effect it takes others; the first ones wait for their lease to end.
    """
    return await database.fetch_all(
        Claimed,
        CLAIM,
        {
            "lanes": list(room.by_lane),
            "rooms": list(room.by_lane.values()),
            "per_lane": room.per_lane,
            "early": EARLY_ROWS,
            "full_accounts": list(room.full_accounts),
            "total": room.total,
            "now": now,
            "until": now + lease,
        },
    )


async def give_back(database: Database, held: Collection[Claimed], now: datetime) -> None:
    """Let others make deliveries that this sender does not get to."""
    await database.execute(
        f"""
        with given as (
          update webhook_delivery delivery set next_attempt_at = %(now)s
          from unnest(%(ids)s::text[], %(claims)s::integer[]) as held (id, claim)
          where delivery.id = held.id and delivery.claim = held.claim and state = 'pending'
          returning delivery.id
        )
        select pg_notify('{CHANNEL}', '') where exists (select from given)
        """,
        {
            "ids": [claimed.id for claimed in held],
            "claims": [claimed.claim for claimed in held],
            "now": now,
        },
    )
