"""Alerts: what an operator should look at, kept until it is old."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kinetoscope.postgres.pool import Database

LIFETIME = timedelta(days=30)
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
    """An alert, and when it was raised."""

    kind: str
    provider: str
    task_id: str | None
    message: str
    created_at: datetime


async def raise_alert(database: Database, alert: Alert, now: datetime) -> None:
    """Keep an alert. The same one of the same task is kept once."""
    await database.execute(
        """
        insert into alert (kind, provider, task_id, message, created_at)
        select %(kind)s, %(provider)s, %(task_id)s, %(message)s, %(now)s
        where not exists (
          select from alert
          where kind = %(kind)s and task_id = %(task_id)s)
        """,
        {
            "kind": alert.kind,
            "provider": alert.provider,
            "task_id": alert.task_id,
            "message": alert.message,
            "now": now,
        },
    )


async def recent(database: Database, since: datetime) -> list[Raised]:
    """Return the latest alerts, newest first."""
    return await database.fetch_all(
        Raised,
        """
        select kind, provider, task_id, message, created_at from alert
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
