"""How long things are kept: the deployment says at most, an account may say less."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from kinetoscope.kernel.ids import AccountId
from kinetoscope.postgres.pool import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long media is kept, and how long an ended task is known, from its end."""

    media: timedelta
    task: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """When a task's media and the task itself are refused, to the second."""

    media: datetime
    task: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLifetimes:
    """What an account asked for; None where it left that to the deployment."""

    media_lifetime_s: int | None
    task_lifetime_s: int | None


def expiry(deployment: Lifetimes, own: OwnLifetimes, now: datetime) -> Expiry:
    """Return when a task that ends now expires: media never outlives what is known of it."""
    task = _shorter(deployment.task, own.task_lifetime_s)
    media = _shorter(deployment.media, own.media_lifetime_s)
    return Expiry(media=now + min(media, task), task=now + task)


async def expiry_within(
    connection: Connection, deployment: Lifetimes, account_id: AccountId, now: datetime
) -> Expiry:
    """Do the same for an account's task, as part of the transaction that ends it."""
    async with connection.cursor(row_factory=class_row(OwnLifetimes)) as cursor:
        await cursor.execute(
            "select media_lifetime_s, task_lifetime_s from account where id = %s", (account_id,)
        )
        own = await cursor.fetchone()
    assert own is not None  # noqa: S101 - accounts are never deleted
    return expiry(deployment, own, now)


def _shorter(most: timedelta, own_s: int | None) -> timedelta:
    return most if own_s is None else min(most, timedelta(seconds=own_s))
