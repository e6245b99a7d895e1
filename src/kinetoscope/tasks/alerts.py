"""Alerts: what an operator should look at, kept until it is old."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from kinetoscope.postgres.pool import Connection, Database

LIFETIME = timedelta(days=60)
"""As far as margins look back: they count what alerts tell of."""
SELDOM = timedelta(hours=1)
SHOWN_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that went wrong and may have cost the operator money."""

    kind: str
    provider: str
    task_id: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An alert, and when it was raised.

    `told_at` is when the upstream called back after all, `told_id` what it has the job under.
    """

    kind: str
    provider: str
    task_id: str | None
    message: str
    created_at: datetime
    told_id: str | None = None
    told_at: datetime | None = None


RAISE = """
insert into alert (kind, provider, task_id, message, created_at)
select %(kind)s, %(provider)s, %(task_id)s, %(message)s, %(now)s
where not exists (
  select from alert
  where kind = %(kind)s and task_id = %(task_id)s)
"""


async def raise_alert(database: Database, alert: Alert, now: datetime) -> None:
    """Keep an alert. The same one of the same task is kept once."""
    await database.execute(RAISE, asdict(alert) | {"now": now})


async def raise_within(connection: Connection, alert: Alert, now: datetime) -> None:
    """Do the same as part of a transaction."""
    await connection.execute(RAISE, asdict(alert) | {"now": now})


async def tell_within(
    connection: Connection, task_id: str, told_id: str | None, now: datetime
) -> bool:
    """Add to a task's alerts that its upstream called back, and the first id that it told.

    False where it has none. Part of a transaction.
    """
    cursor = await connection.execute(
        """
        update alert
        set told_at = coalesce(told_at, %(now)s), told_id = coalesce(told_id, %(told_id)s)
        where task_id = %(task_id)s
        returning id
        """,
        {"task_id": task_id, "told_id": told_id, "now": now},
    )
    return await cursor.fetchone() is not None


async def raise_for_provider(database: Database, alert: Alert, now: datetime) -> None:
    """Keep an alert that many tasks raise at once: one of a kind for each provider in an hour."""
    values = {
        "kind": alert.kind,
        "provider": alert.provider,
        "message": alert.message,
        "now": now,
        "since": now - SELDOM,
    }

    async def steps(connection: Connection) -> None:
        # One after the other, so that each sees what the one before has raised.
        await connection.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))",
            (f"alert {alert.kind} {alert.provider}",),
        )
        await connection.execute(
            """
            insert into alert (kind, provider, message, created_at)
            select %(kind)s, %(provider)s, %(message)s, %(now)s
            where not exists (
              select from alert
              where kind = %(kind)s and provider = %(provider)s and created_at > %(since)s)
            """,
            values,
        )

    await database.transact(steps)


async def recent(database: Database, since: datetime) -> list[Raised]:
    """Return the latest alerts, newest first."""
    return await database.fetch_all(
        Raised,
        """
        select kind, provider, task_id, message, created_at, told_id, told_at from alert
        where created_at >= %(since)s
        order by created_at desc, id desc
        limit %(limit)s
        """,
        {"since": since, "limit": SHOWN_MAX},
    )


async def forget_old(database: Database, now: datetime) -> int:
    """Delete old alerts; return how many."""
    return await database.execute(
        "delete from alert where created_at < %(before)s", {"before": now - LIFETIME}
    )
